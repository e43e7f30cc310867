"""Generated kernels in Numba code of one's own.

When this module has been imported, a function that Numba compiles may call the kernels of a file
to which `model.source()` was written:

    from chainrule.runtime.devices.cpu import with_numba
    from kernels import k1_h

    @numba.njit
    def mine(x, h): ...  # calls k1_h(x, h)

What the kernels call is the same LLVM code there. Target `cpu` itself does without Numba.
"""

from __future__ import annotations

from functools import cache
from inspect import Parameter, Signature
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import add_symbol
from numba.core import cgutils, types
from numba.core.datamodel import default_manager
from numba.core.registry import cpu_target
from numba.core.typing.templates import make_intrinsic_template
from numba.extending import overload, typeof_impl
from numba.np.arrayobj import make_array

from .casts import dtype_of
from .kinds import (
    BOOL,
    INT64,
    NUMBERS,
    POINTER,
    ArrayKind,
    ColumnsKind,
    Kind,
    Number,
    TextKind,
    TupleKind,
)
from .loader import EXTERNAL, external_address
from .routines import Form, Function, Intrinsic, local_array, prange
from .values import Array, Columns, Scalar, Text, Tuple, Value, times

TO_NUMBA = {
    kind: getattr(types, "boolean" if kind is BOOL else name) for name, kind in NUMBERS.items()
}
FROM_NUMBA = {found: kind for kind, found in TO_NUMBA.items()}


@cache
def compiled(function: Function) -> Any:
    """Numba's dispatcher for a function of a generated module or of the library."""
    assert function.python is not None
    return numba.njit(error_model="numpy", boundscheck=False)(function.python)


def _type_of_function(function: Function, _: Any) -> Any:
    return types.Dispatcher(compiled(function))


@cache
def _type_of_intrinsic(intrinsic: Intrinsic, _: Any = None) -> Any:
    def define(typing_context: Any, *given: Any) -> Any:
        kinds = [_kind(found) for found in given]
        result = None if None in kinds else intrinsic.infer(*kinds)
        if result is None:
            return None

        def generate(context: Any, builder: Any, signature: Any, words: Any) -> Any:
            values = [
                _value(context, builder, kind, word)
                for kind, word in zip(signature.args, words, strict=True)
            ]
            result = intrinsic.lower(builder, *values)
            for name in builder.module.globals:
                if name.startswith(EXTERNAL):
                    add_symbol(name, external_address(name))
            return _word(context, builder, signature.return_type, result)

        return _numba_type(result)(*given), generate

    names = ["typing_context", *(f"x{i}" for i in range(intrinsic.arity))]
    parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    define.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return types.Function(
        make_intrinsic_template(intrinsic, define, "chainrule", prefer_literal=True)
    )


def _kind(found: Any) -> Kind | None:
    """Our type for one of Numba's; None if there is none."""
    if isinstance(found, types.Array) and found.dtype in FROM_NUMBA:
        if found.layout == "C":
            return ArrayKind(FROM_NUMBA[found.dtype], (None,) * found.ndim)
        # Of a matrix, the language has parts of no other kind.
        return ColumnsKind(FROM_NUMBA[found.dtype], (None, None)) if found.ndim == 2 else None
    if isinstance(found, types.StringLiteral):
        return TextKind(found.literal_value)
    if isinstance(found, types.BaseTuple):
        kinds = [_kind(item) for item in found]
        return None if None in kinds else TupleKind(tuple(kind for kind in kinds if kind))
    return FROM_NUMBA.get(types.unliteral(found))


def _numba_type(kind: Kind) -> Any:
    match kind:
        case Number():
            return TO_NUMBA[kind]
        case ArrayKind():
            return types.Array(TO_NUMBA[kind.dtype], kind.ndim, "C")
        case _:
            return types.void


def _value(context: Any, builder: Any, kind: Any, word: Any) -> Value:
    """A value of Numba's as ours."""
    if isinstance(kind, types.Array):
        array = make_array(kind)(context, builder, word)
        sizes = cgutils.unpack_tuple(builder, array.shape, kind.ndim)
        data, dtype = builder.bitcast(array.data, POINTER), FROM_NUMBA[kind.dtype]
        shape = tuple(Scalar(INT64, size) for size in sizes)
        if kind.layout == "C":
            return Array(dtype, data, shape)
        between = cgutils.unpack_tuple(builder, array.strides, 2)[0]
        pitch = builder.sdiv(between, ir.Constant(INT64.llvm, dtype.size))
        return Columns(dtype, data, (shape[0], shape[1]), Scalar(INT64, pitch))
    if isinstance(kind, types.BaseTuple):
        items = cgutils.unpack_tuple(builder, word, len(kind))
        found = [_value(context, builder, k, item) for k, item in zip(kind, items, strict=True)]
        return Tuple(tuple(found))
    if isinstance(kind, types.StringLiteral):
        return Text(TextKind(kind.literal_value))
    number = FROM_NUMBA[types.unliteral(kind)]
    return Scalar(number, context.cast(builder, word, kind, types.unliteral(kind)))


def _word(context: Any, builder: Any, kind: Any, value: Value) -> Any:
    """A value of ours as Numba's."""
    match value:
        case Scalar():
            return value.value
        case Array():
            return _array(context, builder, kind, value)
        case _:
            return context.get_dummy_value()


def _array(context: Any, builder: Any, kind: Any, value: Array) -> Any:
    """A C-contiguous array over memory that it does not own."""
    model, size = default_manager[kind], value.dtype.size
    strides: list[Any] = []
    stride: Any = ir.Constant(INT64.llvm, size)
    items: Any = ir.Constant(INT64.llvm, 1)
    for axis in reversed(value.sizes):
        strides.insert(0, stride)
        stride, items = times(builder, stride, axis.value), times(builder, items, axis.value)
    data = builder.bitcast(value.data, context.get_data_type(kind.dtype).as_pointer())
    fields = {
        "data": data,
        "nitems": items,
        "itemsize": ir.Constant(INT64.llvm, size),
        "shape": cgutils.pack_array(builder, [axis.value for axis in value.sizes], ty=INT64.llvm),
        "strides": cgutils.pack_array(builder, strides, ty=INT64.llvm),
    }
    result = ir.Constant(model.get_value_type(), None)  # the others are null: it has no owner
    for name, field in fields.items():
        result = model.set(builder, result, field, name)
    return result


def _type_of_form(form: Form, _: Any) -> Any:
    """`prange` is Numba's own, which is `range` unless Numba is told to run in parallel."""
    return cpu_target.typing_context.resolve_value_type(FORMS[form])


def _local_array(shape: Any, dtype: Any) -> Any:
    """Only to be overloaded."""


def _typed_local_array(shape: Any, dtype: Any) -> Any:
    """Memory that Numba frees where nothing refers to it anymore."""
    kind = dtype_of(dtype.typing_key)
    if kind is None:
        return None
    numpy_type = np.dtype(kind.name)

    def allocated(shape: Any, dtype: Any) -> Any:
        return np.empty(shape, numpy_type)

    return allocated


FORMS: dict[Form, Any] = {prange: numba.prange, local_array: _local_array}

overload(_local_array)(_typed_local_array)
typeof_impl.register(Form, _type_of_form)
typeof_impl.register(Function, _type_of_function)
typeof_impl.register(Intrinsic, _type_of_intrinsic)
