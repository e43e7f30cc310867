"""Arrays inside a kernel: other views of the same memory, whole-array moves, checked indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from .kinds import INT64, INT64_TYPE, NOTHING, ArrayKind, Kind, TupleKind
from .routines import Intrinsic, kernel
from .values import NONE, Array, Scalar, Tuple, Value, address, cast, copy, element, times


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
    places, to, origin = (address(builder, array) for array in (order, target, source))
    before = builder.block
    loop, end = builder.append_basic_block("gather"), builder.append_basic_block("gather.end")
    zero, one = ir.Constant(INT64_TYPE, 0), ir.Constant(INT64_TYPE, 1)
    builder.cbranch(builder.icmp_signed(">", rows.value, zero), loop, end)
    builder.position_at_end(loop)
    row = builder.phi(INT64_TYPE)
    row.add_incoming(zero, before)
    place = builder.load(
        element(builder, Array(INT64, places, order.sizes), [builder.add(start.value, row)]),
        typ=INT64_TYPE,
    )
    byte = ir.IntType(8)
    first, second = (
        builder.gep(data, [times(builder, number, size)], inbounds=True, source_etype=byte)
        for data, number in ((to, row), (origin, place))
    )
    copy(builder, first, second, size)
    after = builder.add(row, one)
    row.add_incoming(after, loop)
    builder.cbranch(builder.icmp_signed("<", after, rows.value), loop, end)
    builder.position_at_end(end)
    return NONE


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
