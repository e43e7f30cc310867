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

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from llvmlite import ir

from .kinds import INT64_TYPE, NOTHING, POINTER, ArrayKind, Kind, TextKind
from .routines import Intrinsic
from .subscripts import (
    Letter,
    Number,
    Position,
    letters,
    plain,
    positions,
    product,
    total,
    valued,
)
from .tiling import Plan, fixed, planned
from .values import NONE, Array, Scalar, Text, Value, address, declared


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
    from .objects import vector_bits  # which imports this module

    arrays = (left, right, out)
    every = letters(builder, axes, arrays)
    repeated = not all(map(_once, axes[2], out.sizes))
    whole_size: Number = 1
    for size in out.sizes:
        whole_size = product(builder, whole_size, plain(size.value))
    data = tuple(address(builder, array) for array in arrays)
    if any(x.size == 0 for x in every):
        _clear(builder, data[2], product(builder, whole_size, left.dtype.size))
        return NONE
    plan = planned(every, repeated, vector_bits() // 8 // left.dtype.size, vector_bits())
    _Writer(builder, left.dtype.llvm, left.dtype.size, plan).write(data, whole_size)
    return NONE


def _once(position: Position, size: Scalar) -> bool:
    """Whether every place along an axis of the result is written once."""
    return size.constant == 1 if not position else len(position) == 1 and position[0][0] == 1


# `contract(text, left, right, out)`: the sum of products that the text says, into `out`.
contract = Intrinsic(4, _result, _lower)


Offsets = tuple[Number, Number, Number]


@contextmanager
def _each(builder: Any, count: Number) -> Iterator[Any]:
    """A loop; inside, the turn."""
    head, body, end = (builder.append_basic_block(name) for name in ("each", "do", "done"))
    before = builder.block
    builder.branch(head)
    builder.position_at_end(head)
    turn = builder.phi(INT64_TYPE)
    turn.add_incoming(valued(0), before)
    builder.cbranch(builder.icmp_signed("<", turn, valued(count)), body, end)
    builder.position_at_end(body)
    yield turn
    turn.add_incoming(builder.add(turn, valued(1), flags=("nsw",)), builder.block)
    builder.branch(head)
    builder.position_at_end(end)


def _clear(builder: Any, where: Any, bytes_: Number) -> None:
    """Zeros at an address."""
    given = [where, ir.Constant(ir.IntType(8), 0), valued(bytes_), ir.Constant(ir.IntType(1), 0)]
    builder.call(declared(builder, "llvm.memset.p0.i64", ir.VoidType(), given), given)


class _Writer:
    """Writes the loops of a plan."""

    def __init__(self, builder: Any, real: Any, bytes_: int, plan: Plan) -> None:
        self.builder, self.real, self.bytes, self.plan = builder, real, bytes_, plan

    def write(self, data: tuple[Any, Any, Any], elements: Number) -> None:
        """Everything, from the addresses of left, right and result, and the result's size."""
        plan = self.plan
        left, right, out = data
        self.data = (right, left, out) if plan.swapped else (left, right, out)
        self.adds = plan.repeated or bool(plan.again)
        first = plan.around[0] if plan.around else None
        apart = (
            plan.repeated
            and not plan.again
            and first is not None
            and all(fixed(x.steps[2]) < fixed(first.steps[2]) for x in plan.around[1:])
            and all(fixed(x.steps[2]) < fixed(first.steps[2]) for x, _ in plan.rows)
        )
        if self.adds and not apart:
            _clear(self.builder, self.data[2], product(self.builder, elements, self.bytes))
        loops = [*plan.again, *plan.around]

        def around(place: int, at: Offsets) -> None:
            if place == len(loops):
                self._columns(at)
                return
            x = loops[place]
            with _each(self.builder, x.size) as i:
                inner = self._moved(at, x, i)
                if apart and place == 0:
                    bytes_ = product(self.builder, x.steps[2], self.bytes)
                    _clear(self.builder, self._place(2, inner[2]), bytes_)
                around(place + 1, inner)

        around(0, (0, 0, 0))

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
            with _each(builder, count) as i:
                write(size, self._moved(at, x, product(builder, i, size)))
        behind = self._moved(at, x, product(builder, count, size))
        if not isinstance(rest, int):
            with _each(builder, rest) as i:
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
        sums = [ir.Constant(kind, [0.0] * kind.count) for kind in kinds]
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
        builder, x = self.builder, loops[0]
        names = ("sum", "sum.body", "sum.end")
        head, body, end = (builder.append_basic_block(name) for name in names)
        before = builder.block
        builder.branch(head)
        builder.position_at_end(head)
        count = builder.phi(INT64_TYPE)
        carried = [builder.phi(value.type) for value in (left, right, *sums)]
        count.add_incoming(valued(0), before)
        for phi, value in zip(carried, (left, right, *sums), strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", count, valued(x.size)), body, end)
        builder.position_at_end(body)
        inner = self._nest(loops[1:], carried[0], carried[1], carried[2:], widths, rows)
        moved = list(map(self._moved_on, carried[:2], x.steps))
        count.add_incoming(builder.add(count, valued(1), flags=("nsw",)), builder.block)
        for phi, value in zip(carried, (*moved, *inner), strict=True):
            phi.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(end)
        return carried[2:]

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
            number, start = None, row[0]
            for width, vector in zip(widths, vectors, strict=True):
                if both:
                    factor = self._loaded(left, start, vector.type)
                    start = total(builder, start, width)
                else:
                    if number is None:
                        number = self._loaded(left, start, self.real)
                    factor = self._repeated(number, vector.type)
                factor = builder.fmul(factor, vector, flags=("contract",))
                found.append(builder.fadd(next(old), factor, flags=("contract",)))
        return found

    def _loaded(self, data: Any, offset: Number, kind: Any) -> Any:
        return self.builder.load(self._moved_on(data, offset), typ=kind, align=self.bytes)

    def _repeated(self, number: Any, kind: Any) -> Any:
        """A vector of the same number everywhere."""
        builder, lane = self.builder, ir.IntType(32)
        first = builder.insert_element(
            ir.Constant(kind, ir.Undefined), number, ir.Constant(lane, 0)
        )
        if kind.count == 1:
            return first
        mask = ir.Constant(ir.VectorType(lane, kind.count), [0] * kind.count)
        return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), mask)
