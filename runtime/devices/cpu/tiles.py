"""Tiles: small blocks of a matrix product whose sums stay in vector registers.

`c[i, j] = sum over k of a[i, k] b[k, j]`, for a few rows i and a few vectors of columns j. In each
step of the sum a row of b is read as vectors, and of a one number a row, from wherever it lies;
each number meets each vector in one instruction. The sum may have several axes, each with steps of
its own in a and in b, so that windows of an array are read in place.

Every sum is taken one product after the other, in the order of k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from .kinds import Number
from .loops import called, counted, least, moved, multiplied, repeated, whole
from .processor import Processor
from .vectors import (
    everywhere,
    first_lanes,
    load_vector,
    store_vector,
    times_plus,
    vector_type,
    zeros,
)

NARROWEST = 16  # bytes of a vector: half of it is not faster
FEW_VECTORS = 8


@dataclass(frozen=True, slots=True)
class Vector:
    """Neighboring columns.

    Attributes:
        lanes: how many are computed.
        columns: how many of them are there; None if that is only known when it runs: all that are
            left, if they are not more than its lanes.
    """

    lanes: int
    columns: int | None

    @property
    def is_whole(self) -> bool:
        """Whether all are there."""
        return self.columns == self.lanes

    def __str__(self) -> str:
        return str(self.lanes) if self.is_whole else f"{self.columns or 'some'}of{self.lanes}"


Panel = tuple[Vector, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How large tiles are on a processor, for a type of numbers.

    Attributes:
        lanes: numbers in its widest vector.
        narrowest: numbers in its narrowest vector.
        rows: of the largest tile.
        vectors: in a row of the largest tile.
        has_masks: whether which lanes of a vector are there need not be known.
    """

    lanes: int
    narrowest: int
    rows: int
    vectors: int
    has_masks: bool

    @staticmethod
    def of(processor: Processor, dtype: Number) -> Shape:
        """The sums, a row of b and one number of a fill the registers."""
        return Shape(
            lanes=processor.vector_bytes // dtype.size,
            narrowest=NARROWEST // dtype.size,
            rows=8 if processor.registers >= 32 else 6,
            vectors=2,
            has_masks=processor.has_masks,
        )

    @property
    def few(self) -> Panel:
        """The vectors of a tile of two rows: more, so that sums do not wait for each other."""
        return (Vector(self.lanes, None),) * FEW_VECTORS

    def height(self, rows: int | None) -> int:
        """The rows of a tile where there are so many: fewer where the last would have few left."""
        if not rows:
            return self.rows
        tiles = -(-rows // self.rows)
        return self.rows if 8 * tiles * self.rows <= 9 * rows else -(-rows // tiles)

    def panels(self, columns: int | None) -> tuple[Panel, Panel]:
        """The panel that such columns are made of, and the narrower one for those behind them.

        Behind a whole vector a few columns, such as 2 of 50, are a narrow vector of the same tile.
        """
        whole = Vector(self.lanes, self.lanes)
        panel = (whole,) * self.vectors
        if columns is None:
            return panel, (Vector(self.lanes, None),)
        left = columns % (self.lanes * self.vectors)
        full, rest = divmod(left, self.lanes)
        lanes = self.narrowest
        while lanes < rest:
            lanes *= 2
        last: Panel = ()
        if left and (not rest or (full and self.has_masks and lanes == self.lanes)):
            last = (Vector(self.lanes, None if rest else self.lanes),)
        elif left:
            some = None if self.has_masks and rest < lanes else rest
            last = *(whole,) * full, Vector(lanes, some)
        return panel if left < columns else (), last


@dataclass(frozen=True, slots=True)
class Tile:
    """One kind of tile.

    Attributes:
        dtype: the type of all numbers.
        rows: how many.
        panel: the vectors of a row.
        packed: whether a and b are copies in the order in which they are read: for each tile, and
            each step of its sum, the numbers of a; and for each step the vectors of b.
    """

    dtype: Number
    rows: int
    panel: Panel
    packed: bool = False

    def call(
        self,
        builder: Any,
        addresses: Sequence[Any],
        rows: Any,
        strides: tuple[Any, Any],
        sums: tuple[Any, Any, Any],
        add: Any,
        columns: Any,
    ) -> None:
        """Compute tiles, one below the other.

        Args:
            builder: where the code goes.
            addresses: of the first elements of a, b and c.
            rows: of all tiles; the last may have fewer, which are then computed more than once.
            strides: from row to row of a and of c, in elements; that of a is known if it is packed.
            sums: how many products are added, and the strides from one to the next in a and in b,
                which are known if they are packed.
            add: whether the sums are added to what c has.
            columns: how many are there, where the tile does not say.
        """
        given = [*addresses, rows, *strides, *sums, add, columns]
        name = f"tile.{self.dtype}.{self.rows}x{'_'.join(map(str, self.panel))}"
        name += ".packed" * self.packed

        def write(inside: Any, given: list[Any]) -> None:
            _Writer(self, inside).write(*given)

        called(builder, name, given, write, special=False)


class _Writer:
    """Writes a tile's function."""

    def __init__(self, tile: Tile, builder: Any) -> None:
        self.tile, self.builder, self.size = tile, builder, tile.dtype.size
        self.types = [vector_type(tile.dtype, vector.lanes) for vector in tile.panel]
        self._starts = [*accumulate((vector.lanes for vector in tile.panel[:-1]), initial=0)]

    def write(
        self,
        a: Any,
        b: Any,
        c: Any,
        rows: Any,
        a_row: Any,
        c_row: Any,
        size: Any,
        a_step: Any,
        b_step: Any,
        add: Any,
        columns: Any,
    ) -> None:
        """All tiles."""
        builder = self.builder
        self.masks: list[Any] = []
        for vector, start in zip(self.tile.panel, self._starts, strict=True):
            count = vector.columns or builder.sub(columns, whole(start))
            mask = None if vector.is_whole else first_lanes(builder, vector.lanes, count, self.size)
            self.masks.append(mask)
        a_below, packed = a_row, self.tile.packed  # from row to row of a, among tiles and in one
        if packed:
            a_below, a_row, a_step = size, whole(1), whole(self.tile.rows)
            b_step = whole(sum(vector.lanes for vector in self.tile.panel))
        a_below, a_row, c_row, a_step, b_step = (
            multiplied(builder, stride, whole(self.size))
            for stride in (a_below, a_row, c_row, a_step, b_step)
        )

        def turn(_: Any, values: list[Any]) -> list[Any]:
            a, b, *totals = values
            after = self._step(a, b, totals)
            return [moved(builder, a, a_step), moved(builder, b, b_step), *after]

        with counted(builder, rows, step=self.tile.rows) as first:
            # Rows beyond the last are the last: they are read, and written, once more.
            last = builder.sub(builder.sub(rows, whole(1)), first)
            places = [least(builder, whole(row), last) for row in range(1, self.tile.rows)]
            a_places = [whole(row) for row in range(1, self.tile.rows)] if packed else places
            self.a_rows, c_rows = (
                [whole(0), *(multiplied(builder, place, stride) for place in at)]
                for stride, at in ((a_row, a_places), (c_row, places))
            )
            here, there = (
                moved(builder, address, multiplied(builder, first, stride))
                for address, stride in ((a, a_below), (c, c_row))
            )
            totals = [zeros(kind) for kind in self.types] * self.tile.rows
            totals = repeated(builder, size, 1, [here, b, *totals], turn)[2:]
            self._store([moved(builder, there, row) for row in c_rows], totals, add)

    def _store(self, rows: list[Any], totals: list[Any], add: Any) -> None:
        """The sums to memory, or added to what is there."""
        builder, start = self.builder, self.builder.block
        places = [self._places(row) for row in rows]
        more, end = (builder.append_basic_block(name) for name in ("add", "store"))
        builder.cbranch(add, more, end)
        builder.position_at_end(more)
        before = [value for row in places for value in self._vectors(row)]
        sums = [builder.fadd(x, y) for x, y in zip(before, totals, strict=True)]
        builder.branch(end)
        builder.position_at_end(end)
        results = [builder.phi(total.type) for total in totals]
        for result, total, sum_ in zip(results, totals, sums, strict=True):
            result.add_incoming(total, start)
            result.add_incoming(sum_, more)
        each = iter(results)
        for row in places:
            for place, mask in zip(row, self.masks, strict=True):
                store_vector(builder, next(each), place, self.size, mask)

    def _step(self, a: Any, b: Any, totals: list[Any]) -> list[Any]:
        """One product of each row with each vector, added to the sums."""
        builder, before, found = self.builder, iter(totals), []
        vectors = self._vectors(self._places(b))
        for row in self.a_rows:
            where = moved(builder, a, row)
            number = builder.load(where, typ=self.tile.dtype.llvm, align=self.size)
            same = {
                n: everywhere(builder, number, n)
                for n in dict.fromkeys(x.count for x in self.types)
            }
            for vector in vectors:
                given = same[vector.type.count], vector, next(before)
                found.append(times_plus(builder, *given, self.size))
        return found

    def _places(self, address: Any) -> list[Any]:
        """Where the vectors of a row are."""
        return [moved(self.builder, address, whole(start * self.size)) for start in self._starts]

    def _vectors(self, places: list[Any]) -> list[Any]:
        """A row of vectors; what is not there is 0."""
        return [
            load_vector(self.builder, place, kind, self.size, mask)
            for place, kind, mask in zip(places, self.types, self.masks, strict=True)
        ]
