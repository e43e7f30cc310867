"""Contractions that read windows of an array where it lies: convolutions and their transposes.

    contract("b x+u y+v c, u v c f -> b x y f", x, kernel, y)
    contract("b x+u y+v c, b x y f -> u v c f", x, y_gradient, kernel_gradient)
    contract("b x y f, u f v c -> b x+u y+v c", y_gradient, kernel_transposed, x_gradient)

Where positions of the result are sums of letters, as in the last, what comes to one place is added.

A *tile* is a part of the result that stays in registers while its sums are taken: some *rows*, for
each of which one number of the left operand is read, times some vectors of neighboring *columns*,
which are read from the right operand once for all rows. Around it are loops over the tiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from llvmlite import ir

from . import winograd
from .kinds import NOTHING, POINTER, ArrayKind, Kind, TextKind
from .loops import counted, moved, repeated
from .parallel import parallel
from .processor import processor_of
from .routines import Intrinsic
from .subscripts import (
    Axes,
    Letter,
    Number,
    Position,
    elements,
    letters,
    positions,
    product,
    total,
    valued,
)
from .tiling import planned
from .values import (
    NONE,
    Array,
    Scalar,
    Text,
    Value,
    address,
    clear,
    declared,
    element,
    room,
    size_of,
)
from .vectors import everywhere, zeros

Offsets = tuple[Number, Number, Number]
# Parts of a long sum, each with a result of its own, and the bytes that they take in all: a
# thread's stack has 8 MB and less. Both are the same whatever the number of threads.
PARTS, PARTS_BYTES = 8, 1 << 20


def _result(text: Kind, left: Kind, right: Kind, out: Kind) -> Kind | None:
    arrays = [kind for kind in (left, right, out) if isinstance(kind, ArrayKind)]
    if not isinstance(text, TextKind) or len(arrays) != 3:
        return None
    axes = positions(text.text)
    if axes is None or [len(own) for own in axes] != [array.ndim for array in arrays]:
        return None
    same = len({array.dtype for array in arrays}) == 1
    return NOTHING if same and arrays[0].dtype.is_float else None


def _lower(builder: Any, text: Text, left: Array, right: Array, out: Array) -> Value:
    axes = positions(text.kind.text)
    assert axes is not None
    arrays = (left, right, out)
    if any(size.constant == 0 for array in arrays for size in array.sizes):
        count = elements(builder, out)
        clear(builder, address(builder, out), valued(product(builder, count, out.dtype.size)))
        return NONE
    known = [size.constant for size in out.sizes]
    parts = 0 if None in known else PARTS_BYTES // (math.prod(known) * out.dtype.size)
    parts = min(parts, PARTS)
    form = winograd.form_of(axes, arrays, processor_of(builder.module))
    if form is not None and form.of != "w":
        winograd.write(builder, form, arrays)
        return NONE
    if form is not None and parts:
        _by_parts(builder, arrays, parts, partial(winograd.write_part, form, parts))
        return NONE
    whole = _Writer(builder, axes, arrays)
    plan = whole.plan
    if plan.again and parts > 1:

        def part(inner: Any, own: Sequence[Array], k: Any) -> None:
            _Writer(inner, axes, own).part(k, parts)

        _by_parts(builder, arrays, parts, part)
    elif plan.again or not whole.apart:
        whole.write()
    else:
        first = valued(plan.around[0].size)
        parallel(builder, first, arrays, lambda inner, k, own: _Writer(inner, axes, own).one(k))
    return NONE


def _by_parts(
    builder: Any,
    arrays: Sequence[Array],
    count: int,
    write: Callable[[Any, Sequence[Array], Any], None],
) -> None:
    """Sums that are too long for one go, in parts that may be taken in any order.

    Args:
        builder: where the code goes.
        arrays: operands and result.
        count: how many parts there are.
        write: writes a part, from a builder, operands and the part's result, and its number.
    """
    left, right, out = arrays
    size = elements(builder, out)
    assert isinstance(size, int)
    real = out.dtype.llvm
    memory = room(builder, ir.ArrayType(real, count * size), align=64)
    parts = Array(out.dtype, memory, (size_of(count), *out.sizes))

    def part(inner: Any, k: Any, given: list[Value]) -> None:
        left, right, every = (x for x in given if isinstance(x, Array))
        own = Array(out.dtype, element(inner, every, [k]), every.sizes[1:])
        write(inner, (left, right, own), k)

    parallel(builder, valued(count), (left, right, parts), part)
    to, lanes = address(builder, out), processor_of(builder.module).vector_bytes // out.dtype.size

    def added(start: Any, width: int) -> None:
        kind, found = ir.VectorType(real, width), None
        for k in range(count):
            where = moved(builder, memory, total(builder, start, k * size), out.dtype.size)
            value = builder.load(where, typ=kind, align=out.dtype.size)
            found = value if found is None else builder.fadd(found, value)
        builder.store(found, moved(builder, to, start, out.dtype.size), align=out.dtype.size)

    whole = size - size % lanes
    if whole:
        with counted(builder, valued(whole), step=lanes) as i:
            added(i, lanes)
    if size != whole:
        added(valued(whole), size - whole)


def _once(position: Position, size: Scalar) -> bool:
    """Whether every place along an axis of the result is written once."""
    return size.constant == 1 if not position else len(position) == 1 and position[0][0] == 1


def _part(builder: Any, axes: Sequence[Position], out: Array) -> Number:
    """How many elements of the result go with each place along its first axis; 0 if places meet.

    The turns of a loop along it then have parts of their own, which are all of the result together.
    A loop along another axis may leave some between its turns, or go beyond the last.
    """
    first = next((i for i, size in enumerate(out.sizes) if size.constant != 1), 0)
    if not _once(axes[first], out.sizes[first]):
        return 0
    return elements(builder, Array(out.dtype, out.data, out.sizes[first + 1 :]))


# `contract(text, left, right, out)`: the sum of products that the text says, into `out`.
contract = Intrinsic(4, _result, _lower)


class _Writer:
    """Writes the loops of a contraction.

    Attributes:
        plan: how it is computed.
        apart: whether the first loop around tiles writes another part of the result in each turn.
    """

    def __init__(self, builder: Any, axes: Axes, arrays: Sequence[Value]) -> None:
        left, right, out = (x for x in arrays if isinstance(x, Array))
        self.builder, self.real, self.bytes = builder, out.dtype.llvm, out.dtype.size
        every = letters(builder, axes, (left, right, out))
        repeated = not all(map(_once, axes[2], out.sizes))
        self.plan = plan = planned(every, repeated, self.bytes, processor_of(builder.module))
        given = (right, left, out) if plan.swapped else (left, right, out)
        self.data = tuple(address(builder, array) for array in given)
        self.out = out
        self.adds = repeated or bool(plan.again)
        self.apart = bool(plan.around) and (
            not repeated or plan.around[0].steps[2] == _part(builder, axes[2], out)
        )

    def write(self) -> None:
        """Everything."""
        if self.adds:
            self._zeros(0, elements(self.builder, self.out))
        self._loops([*self.plan.again, *self.plan.around], (0, 0, 0))

    def one(self, turn: Any) -> None:
        """One turn of the first loop around."""
        first, *rest = self.plan.around
        at = self._moved((0, 0, 0), first, turn)
        if self.adds:
            self._zeros(at[2], first.steps[2])
        self._loops(rest, at)

    def part(self, turn: Any, count: int) -> None:
        """One of so many parts of the first sum that is added to the result."""
        builder, (first, *rest) = self.builder, self.plan.again
        size = total(builder, first.size, count - 1)
        if isinstance(size, int):
            size //= count
        else:
            size = builder.sdiv(size, valued(count))
        start = product(builder, turn, size)
        left = builder.sub(valued(first.size), valued(start), flags=("nsw",))
        less = builder.icmp_signed("<", left, valued(size))
        self._zeros(0, elements(self.builder, self.out))
        own = replace(first, size=builder.select(less, left, valued(size)))
        self._loops([own, *rest, *self.plan.around], self._moved((0, 0, 0), first, start))

    def _zeros(self, start: Number, count: Number) -> None:
        """Zeros in a part of the result."""
        bytes_ = product(self.builder, count, self.bytes)
        clear(self.builder, self._place(2, start), valued(bytes_))

    def _loops(self, loops: Sequence[Letter], at: Offsets) -> None:
        """Loops around tiles."""
        if not loops:
            self._columns(at)
            return
        with counted(self.builder, valued(loops[0].size)) as i:
            self._loops(loops[1:], self._moved(at, loops[0], i))

    def _place(self, which: int, offset: Number) -> Any:
        """The address of an element."""
        return self._moved_on(self.data[which], offset)

    def _moved_on(self, data: Any, offset: Number) -> Any:
        """The address so many elements further on."""
        if isinstance(offset, int) and offset == 0:
            return data
        where = self.builder.gep(data, [valued(offset)], inbounds=True, source_etype=self.real)
        where.type = POINTER  # of anything, not of one number
        return where

    def _moved(self, at: Offsets, x: Letter, i: Number) -> Offsets:
        """Where the iteration `i` of a loop is."""
        builder = self.builder
        left, right, out = (
            total(builder, start, product(builder, step, i))
            for start, step in zip(at, x.steps, strict=True)
        )
        return left, right, out

    # Tiles

    def _tiled(
        self, size: int, x: Letter, at: Offsets, write: Callable[[int, Offsets], None]
    ) -> None:
        """Tiles of a size along an axis, then the rest, as one where its size is known."""
        builder = self.builder
        if isinstance(x.size, int):
            count: Number = x.size // size
            rest: Number = x.size % size
        else:
            count = builder.sdiv(x.size, valued(size))
            rest = builder.srem(x.size, valued(size))
        if isinstance(count, int) and count == 1:
            write(size, at)
        elif not isinstance(count, int) or count:
            with counted(builder, valued(count)) as i:
                write(size, self._moved(at, x, product(builder, i, size)))
        behind = self._moved(at, x, product(builder, count, size))
        if not isinstance(rest, int):
            with counted(builder, rest) as i:
                write(1, self._moved(behind, x, i))
        elif rest:
            write(rest, behind)

    def _columns(self, at: Offsets) -> None:
        plan = self.plan
        if plan.columns is None:
            self._rows(at, ())
            return
        wide = plan.lanes * plan.vectors

        def write(count: int, at: Offsets) -> None:
            widths = [plan.lanes] * (count // plan.lanes)
            rest = count % plan.lanes
            self._rows(at, (*widths, rest) if rest else tuple(widths))

        self._tiled(wide, plan.columns, at, write)

    def _rows(self, at: Offsets, widths: tuple[int, ...]) -> None:
        """The tiles below each other."""
        rows = self.plan.rows

        def write(place: int, at: Offsets, offsets: list[Offsets]) -> None:
            if place == len(rows):
                self._tile(at, widths, offsets)
                return
            x, size = rows[place]

            def each(count: int, at: Offsets) -> None:
                more = [self._moved(start, x, i) for start in offsets for i in range(count)]
                write(place + 1, at, more)

            self._tiled(size, x, at, each)

        write(0, at, [(0, 0, 0)])

    def _tile(self, at: Offsets, widths: tuple[int, ...], rows: list[Offsets]) -> None:
        """One tile: sums in registers, then into the result."""
        plan = self.plan
        if plan.columns is None:
            for row, found in zip(rows, self._dots(at, rows), strict=True):
                self._put(total(self.builder, at[2], row[2]), found)
            return
        sums = self._sums(list(plan.summed), at, widths, rows)
        turns = iter(sums)
        for row in rows:
            start = total(self.builder, at[2], row[2])
            for width in widths:
                self._put(start, next(turns))
                start = total(self.builder, start, width)

    def _put(self, offset: Number, value: Any) -> None:
        """A number or a vector into the result."""
        where = self._place(2, offset)
        if self.adds:
            old = self.builder.load(where, typ=value.type, align=self.bytes)
            value = self.builder.fadd(old, value)
        self.builder.store(value, where, align=self.bytes)

    def _dots(self, at: Offsets, rows: list[Offsets]) -> list[Any]:
        """Sums in vectors along the axis that both operands have side by side."""
        builder, plan = self.builder, self.plan
        x = plan.across
        if x is None:
            return self._scalars(self._sums(list(plan.summed), at, (1,), rows))
        lanes = plan.lanes
        if isinstance(x.size, int):
            parts = [(lanes, x.size // lanes), (x.size % lanes, 1)]
            parts = [(width, count) for width, count in parts if width * count]
        else:
            many = valued(lanes)
            parts = [(lanes, builder.sdiv(x.size, many)), (1, builder.srem(x.size, many))]
        found: list[Any] | None = None
        start = at
        for width, count in parts:
            step = replace(x, size=count, steps=(width, width, 0))
            sums = self._sums([*plan.summed, step], start, (width,), rows)
            start = self._moved(start, x, product(builder, count, width))
            ends = self._scalars(sums)
            found = ends if found is None else list(map(builder.fadd, found, ends))
        assert found is not None
        return found

    def _scalars(self, sums: list[Any]) -> list[Any]:
        """The sum of each vector."""
        found = []
        for value in sums:
            kind = "f32" if self.bytes == 4 else "f64"
            name = f"llvm.vector.reduce.fadd.v{value.type.count}{kind}"
            given = [ir.Constant(self.real, -0.0), value]
            function = declared(self.builder, name, self.real, given)
            found.append(self.builder.call(function, given, fastmath=("reassoc",)))
        return found

    # Sums

    def _sums(
        self, loops: list[Letter], at: Offsets, widths: tuple[int, ...], rows: list[Offsets]
    ) -> list[Any]:
        """The sums of a tile, rows by columns."""
        kinds = [ir.VectorType(self.real, width) for _ in rows for width in widths]
        sums = list(map(zeros, kinds))
        left, right = self._place(0, at[0]), self._place(1, at[1])
        return self._nest(loops, left, right, sums, widths, rows)

    def _nest(
        self,
        loops: list[Letter],
        left: Any,
        right: Any,
        sums: list[Any],
        widths: tuple[int, ...],
        rows: list[Offsets],
    ) -> list[Any]:
        """Loops around what is added: addresses move on, sums are carried."""
        if not loops:
            return self._added(left, right, sums, widths, rows)
        x = loops[0]

        def turn(place: Any, now: list[Any]) -> list[Any]:
            left, right, *sums = now
            inner = self._nest(loops[1:], left, right, sums, widths, rows)
            return [*map(self._moved_on, (left, right), x.steps), *inner]

        _, _, *found = repeated(self.builder, valued(x.size), 1, [left, right, *sums], turn)
        return found

    def _added(
        self, left: Any, right: Any, sums: list[Any], widths: tuple[int, ...], rows: list[Offsets]
    ) -> list[Any]:
        """One product more in every sum."""
        builder, plan = self.builder, self.plan
        vectors, start = [], 0
        for width in widths:
            vectors.append(self._loaded(right, start, ir.VectorType(self.real, width)))
            start += width
        both = plan.across is not None or (plan.columns is not None and plan.columns.steps[0] == 1)
        found, old = [], iter(sums)
        for row in rows:
            same: dict[int, Any] = {}  # the row's number in all lanes, by how many there are
            number, start = None, row[0]
            for width, vector in zip(widths, vectors, strict=True):
                if both:
                    factor = self._loaded(left, start, vector.type)
                    start = total(builder, start, width)
                else:
                    if number is None:
                        number = self._loaded(left, start, self.real)
                    if width not in same:
                        same[width] = everywhere(builder, number, width)
                    factor = same[width]
                factor = builder.fmul(factor, vector, flags=("contract",))
                found.append(builder.fadd(next(old), factor, flags=("contract",)))
        return found

    def _loaded(self, data: Any, offset: Number, kind: Any) -> Any:
        return self.builder.load(self._moved_on(data, offset), typ=kind, align=self.bytes)
