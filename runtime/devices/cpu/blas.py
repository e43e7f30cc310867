"""Matrix products by the BLAS that SciPy carries.

A C-contiguous matrix is its transpose to BLAS, which counts in columns, so that
`out = a @ b` is asked for as `out' = b' a'`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

INT = ir.IntType(32)
CHAR = ir.IntType(8)
# What the loader looks up in SciPy: `scipy.linalg.cython_blas` and the routine.
PREFIX = "scipy_linalg_cython_blas__"


def _stored(builder: Any, value: Any) -> Any:
    """BLAS takes everything by address."""
    return cgutils.alloca_once_value(builder, value)


def _matrix(builder: Any, array: Any, ndim: int, row: bool) -> tuple[Any, Any, Any]:
    """Address, rows and columns; a vector is one row or one column."""
    sizes = [builder.trunc(size, INT) for size in cgutils.unpack_tuple(builder, array.shape, ndim)]
    one = ir.Constant(INT, 1)
    if ndim == 1:
        sizes = [one, *sizes] if row else [*sizes, one]
    return array.data, sizes[0], sizes[1]


def _leading(builder: Any, columns: Any) -> Any:
    """BLAS wants a leading dimension of at least 1, even of nothing."""
    one = ir.Constant(INT, 1)
    return builder.select(builder.icmp_signed(">", columns, one), columns, one)


def _product(transpose_a: bool, transpose_b: bool, accumulate: bool) -> Any:
    """`out = a @ b`, or `out += a @ b`, with `a`, `b` or both transposed."""

    @intrinsic
    def product(typing_context: Any, a: Any, b: Any, out: Any) -> Any:
        arrays = (a, b, out)
        if not all(isinstance(array, types.Array) and array.layout == "C" for array in arrays):
            return None
        if len({array.dtype for array in arrays}) != 1 or a.dtype not in (
            types.float32,
            types.float64,
        ):
            return None
        if a.ndim not in (1, 2) or b.ndim not in (1, 2) or out.ndim != max(a.ndim + b.ndim - 2, 1):
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, second, result = (
                make_array(kind)(context, builder, value)
                for kind, value in zip(arrays, arguments, strict=True)
            )
            a_data, a_rows, a_columns = _matrix(builder, first, a.ndim, row=not transpose_a)
            b_data, b_rows, b_columns = _matrix(builder, second, b.ndim, row=transpose_b)
            m, k = (a_columns, a_rows) if transpose_a else (a_rows, a_columns)
            n = b_rows if transpose_b else b_columns
            real = context.get_data_type(a.dtype)
            zero = ir.Constant(INT, 0)
            nothing = builder.or_(
                builder.icmp_signed("==", m, zero), builder.icmp_signed("==", n, zero)
            )
            with builder.if_then(builder.not_(nothing)):
                letters = [
                    _stored(builder, ir.Constant(CHAR, ord("T" if transposed else "N")))
                    for transposed in (transpose_b, transpose_a)
                ]
                sizes = [_stored(builder, size) for size in (n, m, k)]
                operands = [
                    _stored(builder, ir.Constant(real, 1.0)),
                    b_data,
                    _stored(builder, _leading(builder, b_columns)),
                    a_data,
                    _stored(builder, _leading(builder, a_columns)),
                    _stored(builder, ir.Constant(real, 1.0 if accumulate else 0.0)),
                    result.data,
                    _stored(builder, _leading(builder, n)),
                ]
                values = [*letters, *sizes, *operands]
                routine = cgutils.get_or_insert_function(
                    builder.module,
                    ir.FunctionType(ir.VoidType(), [value.type for value in values]),
                    PREFIX + ("sgemm" if a.dtype == types.float32 else "dgemm"),
                )
                builder.call(routine, values)
            return context.get_dummy_value()

        return types.void(a, b, out), generate

    return product


matmul = _product(False, False, accumulate=False)
matmul_tn = _product(True, False, accumulate=False)
matmul_nt = _product(False, True, accumulate=False)
matmul_tt = _product(True, True, accumulate=False)
add_matmul = _product(False, False, accumulate=True)
add_matmul_tn = _product(True, False, accumulate=True)
add_matmul_nt = _product(False, True, accumulate=True)
add_matmul_tt = _product(True, True, accumulate=True)
