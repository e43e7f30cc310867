"""Arrays inside a kernel: other views of the same memory, whole-array moves, checked indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .codegen import kernel

INT64 = ir.IntType(64)


def build_array(context: Any, builder: Any, array_type: Any, data: Any, shape: list[Any]) -> Any:
    """A C-contiguous array over the memory at `data`, as Numba represents one, without owner.

    It is put together as a value, not in memory: a program may have thousands of arrays.
    """
    model = context.data_model_manager[array_type]
    element = context.get_data_type(array_type.dtype)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(element))
    items, strides, stride = INT64(1), list(shape), itemsize
    for axis in reversed(range(len(shape))):
        strides[axis] = stride
        stride = builder.mul(stride, shape[axis])
        items = builder.mul(items, shape[axis])
    fields = {
        "data": builder.bitcast(data, element.as_pointer()),
        "nitems": items,
        "itemsize": itemsize,
        "shape": cgutils.pack_array(builder, shape, ty=INT64),
        "strides": cgutils.pack_array(builder, strides, ty=INT64),
    }
    # Of the other two there are none: null.
    value = ir.Constant(model.get_value_type(), None)
    for name, field in fields.items():
        value = model.set(builder, value, field, name)
    return value


def constant(dtype: str, shape: tuple[int, ...], values: list[Any]) -> np.ndarray[Any, Any]:
    """An array that is known when a module is compiled: it becomes part of the native code."""
    return np.array(values, dtype).reshape(shape)


@intrinsic
def view(typing_context: Any, array: Any, shape: Any) -> Any:
    """`view(array, (n, m))`: the first `n*m` elements of a C-contiguous array, in that shape."""
    if not isinstance(array, types.Array) or array.layout != "C":
        return None
    if not isinstance(shape, types.BaseTuple):
        return None
    result = types.Array(array.dtype, len(shape), "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.data_model_manager[array].get(builder, arguments[0], "data")
        sizes = [
            context.cast(builder, size, kind, types.intp)
            for size, kind in zip(
                cgutils.unpack_tuple(builder, arguments[1]), signature.args[1], strict=True
            )
        ]
        return build_array(context, builder, result, data, sizes)

    return result(array, shape), generate


@intrinsic
def gather_rows(typing_context: Any, source: Any, order: Any, start: Any, target: Any) -> Any:
    """`gather_rows(source, order, start, target)`: `target[i] = source[order[start + i]]`.

    For every row `i` of `target`; both have the same dtype and the same shape but for the rows.
    """
    if source != target or source.layout != "C" or order != types.Array(types.int64, 1, "C"):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = make_array(target)(context, builder, arguments[3])
        data = make_array(source)(context, builder, arguments[0])
        places = make_array(order)(context, builder, arguments[1])
        count, *rest = cgutils.unpack_tuple(builder, rows.shape)
        size = rows.itemsize
        for axis in rest:
            size = builder.mul(size, axis)
        byte = ir.IntType(8).as_pointer()
        target_bytes = builder.bitcast(rows.data, byte)
        source_bytes = builder.bitcast(data.data, byte)
        with cgutils.for_range(builder, count) as loop:
            place = builder.gep(places.data, [builder.add(arguments[2], loop.index)])
            row = builder.mul(builder.load(place), size)
            cgutils.raw_memcpy(
                builder,
                builder.gep(target_bytes, [builder.mul(loop.index, size)]),
                builder.gep(source_bytes, [row]),
                size,
                1,
            )
        return context.get_dummy_value()

    return types.void(source, order, types.intp, target), generate


@kernel
def checked(index: Any, size: Any, fault: Any, code: Any) -> Any:
    """`index` where it is from 0 to `size` - 1; otherwise `fault` is set, once, and it is 0."""
    if 0 <= index < size:
        return index
    if fault[0] == 0:
        fault[0], fault[1], fault[2] = code, index, size
    return 0
