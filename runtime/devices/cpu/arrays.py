"""Arrays inside a kernel: other views of the same memory, whole-array moves, checked indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from .kinds import INT64, INT64_TYPE, POINTER, ArrayKind, Kind, TupleKind
from .parallel import BYTE, ONE, ZERO, counted, parallel
from .prefetch import LINE, bring_near
from .routines import Intrinsic, kernel
from .values import (
    Array,
    Scalar,
    Tuple,
    Value,
    address,
    cast,
    copy,
    element,
    plus,
    room,
    times,
)

NARROW = 64  # bytes of a row below which a batch is copied too quickly to be shared
LARGE = 64 * 1024  # bytes of a batch from which threads may share it
BLOCK = 8  # rows that are copied together
APART = 4 * LINE  # bytes: of what lies together, the processor brings the lines between by itself
COPIED = 1 << 18  # bytes of a batch from which it is copied even so: too many to ask for at once


def constant(dtype: str, shape: tuple[int, ...], values: list[Any]) -> np.ndarray[Any, Any]:
    """An array that is known when a module is compiled: it becomes part of the native code."""
    return np.array(values, dtype).reshape(shape)


def _view_kind(array: Kind, shape: Kind) -> Kind | None:
    if not isinstance(array, ArrayKind) or not isinstance(shape, TupleKind):
        return None
    return ArrayKind(array.dtype, (None,) * len(shape.items))


def _view(builder: Any, array: Array, shape: Tuple) -> Value:
    sizes = [cast(builder, size, INT64) for size in shape.items if isinstance(size, Scalar)]
    return Array(array.dtype, array.data, tuple(sizes))


# `view(array, (n, m))`: the first `n*m` elements of a C-contiguous array, in that shape.
view = Intrinsic(2, _view_kind, _view)


def _rows_kind(source: Kind, order: Kind, start: Kind, memory: Kind) -> Kind | None:
    if not isinstance(source, ArrayKind) or not isinstance(memory, ArrayKind):
        return None
    if (source.dtype, source.ndim) != (memory.dtype, memory.ndim) or start is not INT64:
        return None
    fits = isinstance(order, ArrayKind) and order.dtype is INT64 and order.ndim == 1
    return ArrayKind(memory.dtype, (None,) * memory.ndim) if fits else None


def _rows_in_order(
    builder: Any, source: Array, order: Array, start: Scalar, memory: Array
) -> Value:
    rows, *rest = memory.sizes
    size: Any = ir.Constant(INT64_TYPE, source.dtype.size)
    for axis in rest:
        size = times(builder, size, axis.value)
    bytes_ = times(builder, rows.value, size)
    found = room(builder, POINTER)
    builder.store(address(builder, memory), found)
    few = builder.icmp_unsigned("<", bytes_, ir.Constant(INT64_TYPE, COPIED))
    with builder.if_then(builder.icmp_signed(">", rows.value, ZERO)):
        first = builder.load(element(builder, order, [start.value]), typ=INT64_TYPE)
        follow = builder.and_(few, _follow(builder, order, start, rows))
        with builder.if_else(follow) as (together, apart):
            with together:
                place, data = times(builder, first, size), address(builder, source)
                there = builder.gep(data, [place], inbounds=True, source_etype=BYTE)
                builder.store(there, found)
                if not isinstance(size, ir.Constant) or size.constant >= NARROW:
                    _ask_for_more(builder, there, bytes_)
            with apart:
                _gather(builder, [source, order, start, memory, Scalar(INT64, size)])
    return Array(memory.dtype, builder.load(found, typ=POINTER), memory.sizes)


# `rows_in_order(source, order, start, memory)`: the rows `source[order[start + i]]` for every row
# `i` of `memory`; both have the same dtype and the same shape but for the rows. Rows that lie one
# behind the other are read where they are; others are copied to `memory`.
rows_in_order = Intrinsic(4, _rows_kind, _rows_in_order)


def _follow(builder: Any, order: Array, start: Scalar, rows: Scalar) -> Any:
    """Whether each row is the one behind that before."""
    differ = room(builder, INT64_TYPE)
    builder.store(ZERO, differ)
    with counted(builder, ZERO, builder.sub(rows.value, ONE)) as row:
        number = builder.add(start.value, row)
        here, after = (
            builder.load(element(builder, order, [place]), typ=INT64_TYPE)
            for place in (number, builder.add(number, ONE))
        )
        apart = builder.xor(after, builder.add(here, ONE))
        builder.store(builder.or_(builder.load(differ, typ=INT64_TYPE), apart), differ)
    return builder.icmp_signed("==", builder.load(differ, typ=INT64_TYPE), ZERO)


def _ask_for_more(builder: Any, there: Any, bytes_: Any) -> None:
    """Ask for as many bytes as are read at a place, behind them: likely the next batch."""
    apart = ir.Constant(INT64_TYPE, APART)
    with counted(builder, ZERO, builder.udiv(bytes_, apart)) as line:
        place = builder.add(bytes_, times(builder, line, apart))
        bring_near(builder, builder.gep(there, [place], source_etype=BYTE), 1)


def _gather(builder: Any, captured: list[Value]) -> None:
    """Copy rows; several threads share them if they are many."""
    *_, memory, width = captured
    assert isinstance(memory, Array)
    assert isinstance(width, Scalar)
    rows, size = memory.sizes[0], width.value
    if isinstance(size, ir.Constant) and size.constant < NARROW:
        _copy_rows(builder, captured, ZERO, rows.value)
        return
    bytes_ = times(builder, rows.value, size)
    many = builder.icmp_signed(">", bytes_, ir.Constant(INT64_TYPE, LARGE))
    with builder.if_else(many) as (shared, alone):
        with shared:
            whole = plus(builder, rows.value, ir.Constant(INT64_TYPE, BLOCK - 1))
            blocks = builder.sdiv(whole, ir.Constant(INT64_TYPE, BLOCK))
            parallel(builder, blocks, captured, _copy_block)
        with alone:
            _copy_rows(builder, captured, ZERO, rows.value, ahead=True)


def _copy_block(builder: Any, number: Any, captured: Sequence[Value]) -> None:
    """A block of rows, which one thread copies."""
    target = captured[3]
    assert isinstance(target, Array)
    block = ir.Constant(INT64_TYPE, BLOCK)
    first = times(builder, number, block)
    behind, rows = plus(builder, first, block), target.sizes[0].value
    last = builder.select(builder.icmp_signed("<", behind, rows), behind, rows)
    _copy_rows(builder, captured, first, last)


def _copy_rows(
    builder: Any, captured: Sequence[Any], first: Any, last: Any, ahead: bool = False
) -> None:
    """Copy the rows from `first` to `last` - 1 of the target.

    With `ahead`, those that come next in the order are asked for: they are near when it is their
    turn, at the end of what is done with these.
    """
    source, order, start, target, size = captured
    places, to, origin = (address(builder, array) for array in (order, target, source))
    with counted(builder, first, last) as row:
        where = element(builder, Array(INT64, places, order.sizes), [builder.add(start.value, row)])
        place = builder.load(where, typ=INT64_TYPE)
        here, there = (
            builder.gep(
                data, [times(builder, number, size.value)], inbounds=True, source_etype=BYTE
            )
            for data, number in ((to, row), (origin, place))
        )
        copy(builder, here, there, size.value)
        if ahead and size.constant is not None:
            later = builder.add(builder.add(start.value, row), target.sizes[0].value)
            end = builder.sub(order.sizes[0].value, ir.Constant(INT64_TYPE, 1))
            later = builder.select(builder.icmp_signed("<", later, end), later, end)
            place = builder.load(element(builder, order, [later]), typ=INT64_TYPE)
            place = times(builder, place, size.value)
            there = builder.gep(origin, [place], inbounds=True, source_etype=BYTE)
            bring_near(builder, there, size.constant)


@kernel
def checked(index: Any, size: Any, fault: Any, code: Any) -> Any:
    """`index` where it is from 0 to `size` - 1; otherwise `fault` is set, once, and it is 0."""
    if 0 <= index < size:
        return index
    if fault[0] == 0:
        fault[0], fault[1], fault[2] = code, index, size
    return 0
