"""Copies of parts of matrices: as they are, and transposed by shuffling vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .kinds import NOTHING, ArrayKind, Kind, Number
from .loops import called, counted, least, moved, multiplied, whole
from .processor import processor_of
from .routines import Intrinsic
from .tiles import Panel, Vector
from .values import NONE, Array, Value, address
from .vectors import first_lanes, load_vector, shuffled, store_vector, vector_type

LANE = 16  # bytes inside which shuffles are cheap


def copied(
    builder: Any,
    dtype: Number,
    panel: Panel,
    source: Any,
    step: Any,
    target: Any,
    size: Any,
    left: Any,
) -> None:
    """A panel of columns, so that its rows lie together.

    Args:
        builder: where the code goes.
        dtype: the type of all numbers.
        panel: the vectors of a row.
        source: where the first row is.
        step: from row to row, in elements.
        target: where the rows go, each of full width.
        size: how many rows there are.
        left: how many columns are there, where the panel does not say.
    """
    width = sum(vector.lanes for vector in panel)

    def write(inside: Any, given: list[Any]) -> None:
        source, step, target, size, left = given
        with counted(inside, size) as row:
            place = moved(inside, source, multiplied(inside, row, step), dtype.size)
            goal = moved(inside, target, multiplied(inside, row, whole(width)), dtype.size)
            for vector in panel:
                mask = None
                if not vector.is_whole:
                    count = left if vector.columns is None else vector.columns
                    mask = first_lanes(inside, vector.lanes, count, dtype.size)
                kind = vector_type(dtype, vector.lanes)
                value = load_vector(inside, place, kind, dtype.size, mask)
                store_vector(inside, value, goal, dtype.size)
                place, goal = (
                    moved(inside, x, whole(vector.lanes), dtype.size) for x in (place, goal)
                )

    name = f"copied.{dtype}.{'_'.join(map(str, panel))}"
    called(builder, name, [source, step, target, size, left], write, special=False)


def slivers(
    builder: Any,
    dtype: Number,
    height: int,
    source: Any,
    step: Any,
    target: Any,
    sizes: Sequence[Any],
) -> None:
    """The transpose of a matrix in slivers of so many of its columns, each row by row.

    `target[height * rows * s + height * j + i] = source[j, height * s + i]`. Behind the last column
    is the last column again.

    Args:
        builder: where the code goes.
        dtype: the type of all numbers.
        height: how many columns lie together.
        source: where the first element is.
        step: from row to row of the source, in elements.
        target: where they go.
        sizes: columns and rows of the source.
    """

    def write(inside: Any, given: list[Any]) -> None:
        source, step, target, columns, rows = given
        high, panel = whole(height), _whole(dtype, height)

        def at(address: Any, place: Any, stride: Any) -> Any:
            return moved(inside, address, multiplied(inside, place, stride), dtype.size)

        with counted(inside, columns, step=height) as first:
            here, there = at(source, first, whole(1)), at(target, first, rows)
            last = inside.sub(inside.sub(columns, whole(1)), first)
            is_whole = inside.icmp_signed(">=", last, whole(height - 1))
            with inside.if_else(is_whole) as (all_there, some_there):
                with all_there:
                    copied(inside, dtype, panel, here, step, there, rows, high)
                with some_there, counted(inside, rows) as j, counted(inside, high) as i:
                    place = at(at(here, least(inside, i, last), whole(1)), j, step)
                    value = inside.load(place, typ=dtype.llvm, align=dtype.size)
                    goal = at(at(there, j, high), i, whole(1))
                    inside.store(value, goal, align=dtype.size)

    given = [source, step, target, *sizes]
    called(builder, f"slivers.{dtype}.{height}", given, write, special=False)


def _whole(dtype: Number, count: int) -> Panel:
    """Vectors of so many columns, all of which are there."""
    lanes, found = 2 * LANE // dtype.size, []
    while count:
        while lanes > count:
            lanes //= 2
        found.append(Vector(lanes, lanes))
        count -= lanes
    return tuple(found)


def transposed_part(
    builder: Any,
    dtype: Number,
    source: Any,
    source_row: Any,
    target: Any,
    target_row: Any,
    rows: Any,
    columns: Any,
) -> None:
    """`target[j, i] = source[i, j]`.

    Args:
        builder: where the code goes.
        dtype: the type of all numbers.
        source: where its first element is.
        source_row: from row to row of it, in elements.
        target: where its first element goes.
        target_row: from row to row of that, in elements.
        rows: of the source.
        columns: of the source.
    """
    given = [source, source_row, target, target_row, rows, columns]

    def write(inside: Any, given: list[Any]) -> None:
        _Transposition(inside, dtype, *given).write()

    called(builder, f"transposed.{dtype}", given, write, special=False)


@dataclass(frozen=True, slots=True)
class _Transposition:
    """Writes the function of a transposition, by square blocks in registers."""

    builder: Any
    dtype: Number
    source: Any
    source_row: Any
    target: Any
    target_row: Any
    rows: Any
    columns: Any

    @property
    def side(self) -> int:
        """How many rows and columns a block has: wider ones take more shuffles for each number."""
        bytes_of_vector = processor_of(self.builder.module).vector_bytes
        return min(2 * LANE, bytes_of_vector) // self.dtype.size

    def write(self) -> None:
        """Blocks, the last of which reach back to others; a few rows or columns one by one."""
        builder, side = self.builder, whole(self.side)
        enough = [builder.icmp_signed(">=", x, side) for x in (self.rows, self.columns)]
        with builder.if_else(builder.and_(*enough)) as (many, few):
            with many, self._starts(self.rows) as row, self._starts(self.columns) as column:
                self._block(row, column)
            with few, counted(builder, self.rows) as row, counted(builder, self.columns) as column:
                source = self._at(self.source, self.source_row, row, column)
                value = builder.load(source, typ=self.dtype.llvm, align=self.dtype.size)
                target = self._at(self.target, self.target_row, column, row)
                builder.store(value, target, align=self.dtype.size)

    @contextmanager
    def _starts(self, size: Any) -> Iterator[Any]:
        """A loop over blocks; inside, where each starts."""
        last = self.builder.sub(size, whole(self.side))
        with counted(self.builder, size, step=self.side) as start:
            yield least(self.builder, start, last)

    def _at(self, address: Any, stride: Any, row: Any, column: Any) -> Any:
        place = self.builder.add(multiplied(self.builder, row, stride), column, flags=("nsw",))
        return moved(self.builder, address, place, self.dtype.size)

    def _block(self, row: Any, column: Any) -> None:
        """A square block. Each vector has a lane of 16 bytes of every so many rows."""
        builder, side, size = self.builder, self.side, self.dtype.size
        width = LANE // size
        source = self._at(self.source, self.source_row, row, column)
        target = self._at(self.target, self.target_row, column, row)
        rows = [
            moved(builder, source, multiplied(builder, self.source_row, whole(i)), size)
            for i in range(side)
        ]
        kind = vector_type(self.dtype, width)
        for first in range(0, side, width):
            here = [moved(builder, address, whole(first), size) for address in rows]
            lanes = [load_vector(builder, address, kind, size) for address in here]
            vectors = [self._joined(lanes[i::width]) for i in range(width)]
            for i, vector in enumerate(self._turned(vectors)):
                step = multiplied(builder, self.target_row, whole(first + i))
                store_vector(builder, vector, moved(builder, target, step, size), size)

    def _joined(self, lanes: Sequence[Any]) -> Any:
        """Vectors one behind the other."""
        first, *others = lanes
        for other in others:
            first = shuffled(self.builder, first, other, range(self.side))
        return first

    def _turned(self, vectors: list[Any]) -> list[Any]:
        """The transposes of all lanes of 16 bytes at once."""
        if len(vectors) == 2:
            return self._pairs(vectors[0], vectors[1], 1)
        first, second, third, fourth = vectors
        low, high = self._pairs(first, second, 1), self._pairs(third, fourth, 1)
        return [x for pair in zip(low, high, strict=True) for x in self._pairs(*pair, 2)]

    def _pairs(self, x: Any, y: Any, count: int) -> list[Any]:
        """Of each lane the first halves, then the second halves, so many numbers in turn."""
        side, width = self.side, LANE // self.dtype.size
        found = []
        for start in (0, width // 2):
            lanes = [
                lane + start + first + i + turn * side
                for lane in range(0, side, width)
                for first in range(0, width // 2, count)
                for turn in (0, 1)
                for i in range(count)
            ]
            found.append(shuffled(self.builder, x, y, lanes))
        return found


def _transposed_kind(source: Kind, target: Kind) -> Kind | None:
    """Nothing, where the arguments are matrices of one type of float."""
    if not isinstance(source, ArrayKind) or not isinstance(target, ArrayKind):
        return None
    fits = source.dtype is target.dtype and source.ndim == target.ndim == 2
    return NOTHING if fits and source.dtype.is_float else None


def _transposed(builder: Any, source: Array, target: Array) -> Value:
    rows, columns = (size.value for size in source.sizes)
    down, across = (size.value for size in target.sizes)
    addresses = address(builder, source), columns, address(builder, target), across
    both = least(builder, rows, across), least(builder, columns, down)
    transposed_part(builder, source.dtype, *addresses, *both)
    return NONE


# `transposed(source, target)`: `target[j, i] = source[i, j]`, wherever both are there.
transposed = Intrinsic(2, _transposed_kind, _transposed)
