"""Arrays inside a kernel: other views of the same memory, whole-array moves, checked indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from .kinds import INT64, INT64_TYPE, NOTHING, ArrayKind, Kind, TupleKind
from .parallel import BYTE, ZERO, counted, parallel
from .prefetch import bring_near
from .routines import Intrinsic, kernel
from .values import NONE, Array, Scalar, Tuple, Value, address, cast, copy, element, plus, times

NARROW = 64  # bytes of a row below which a batch is copied too quickly to be shared
LARGE = 64 * 1024  # bytes of a batch from which threads may share it
BLOCK = 8  # rows that are copied together


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


def _gathered_kind(source: Kind, order: Kind, start: Kind, target: Kind) -> Kind | None:
    if not isinstance(source, ArrayKind) or not isinstance(target, ArrayKind):
        return None
    if (source.dtype, source.ndim) != (target.dtype, target.ndim) or start is not INT64:
        return None
    fits = isinstance(order, ArrayKind) and order.dtype is INT64 and order.ndim == 1
    return NOTHING if fits else None


def _gather(builder: Any, source: Array, order: Array, start: Scalar, target: Array) -> Value:
    rows, *rest = target.sizes
    size: Any = ir.Constant(INT64_TYPE, source.dtype.size)
    for axis in rest:
        size = times(builder, size, axis.value)
    captured: list[Value] = [source, order, start, target, Scalar(INT64, size)]
    if isinstance(size, ir.Constant) and size.constant < NARROW:
        _copy_rows(builder, captured, ZERO, rows.value)
        return NONE
    bytes_ = times(builder, rows.value, size)
    many = builder.icmp_signed(">", bytes_, ir.Constant(INT64_TYPE, LARGE))
    with builder.if_else(many) as (shared, alone):
        with shared:
            whole = plus(builder, rows.value, ir.Constant(INT64_TYPE, BLOCK - 1))
            blocks = builder.sdiv(whole, ir.Constant(INT64_TYPE, BLOCK))
            parallel(builder, blocks, captured, _copy_block)
        with alone:
            _copy_rows(builder, captured, ZERO, rows.value, ahead=True)
    return NONE


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


# `gather_rows(source, order, start, target)`: `target[i] = source[order[start + i]]` for every row
# `i` of `target`; both have the same dtype and the same shape but for the rows.
gather_rows = Intrinsic(4, _gathered_kind, _gather)


@kernel
def checked(index: Any, size: Any, fault: Any, code: Any) -> Any:
    """`index` where it is from 0 to `size` - 1; otherwise `fault` is set, once, and it is 0."""
    if 0 <= index < size:
        return index
    if fault[0] == 0:
        fault[0], fault[1], fault[2] = code, index, size
    return 0
