"""Matrix products by the BLAS that SciPy carries.

A C-contiguous matrix is its transpose to BLAS, which counts in columns, so that
`out = a @ b` is asked for as `out' = b' a'`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .kinds import FLOAT32, NOTHING, ArrayKind, Kind
from .routines import Intrinsic
from .values import NONE, Array, Value, address, declared, kept

INT = ir.IntType(32)
CHAR = ir.IntType(8)
# What the loader looks up in SciPy: `scipy.linalg.cython_blas` and the routine.
PREFIX = "scipy_linalg_cython_blas__"


def short(builder: Any, size: Any) -> Any:
    """A size as BLAS takes it."""
    if isinstance(size, ir.Constant):
        return ir.Constant(INT, size.constant)
    return builder.trunc(size, INT)


def _matrix(builder: Any, array: Array, row: bool) -> tuple[Any, Any, Any]:
    """Address, rows and columns; a vector is one row or one column."""
    sizes = [short(builder, size.value) for size in array.sizes]
    one = ir.Constant(INT, 1)
    if len(sizes) == 1:
        sizes = [one, *sizes] if row else [*sizes, one]
    return address(builder, array), sizes[0], sizes[1]


def _leading(builder: Any, columns: Any) -> Any:
    """BLAS wants a leading dimension of at least 1, even of nothing."""
    one = ir.Constant(INT, 1)
    return builder.select(builder.icmp_signed(">", columns, one), columns, one)


def _result(a: Kind, b: Kind, out: Kind) -> Kind | None:
    """Nothing, where the arguments are matrices or vectors of one type of float."""
    arrays = [kind for kind in (a, b, out) if isinstance(kind, ArrayKind)]
    if len(arrays) != 3 or not arrays[0].dtype.is_float or len({x.dtype for x in arrays}) != 1:
        return None
    left, right, result = (array.ndim for array in arrays)
    if left not in (1, 2) or right not in (1, 2) or result != max(left + right - 2, 1):
        return None
    return NOTHING


def _product(transpose_a: bool, transpose_b: bool) -> Intrinsic:
    """`out = a @ b`, with `a`, `b` or both transposed."""

    def lower(builder: Any, a: Array, b: Array, out: Array) -> Value:
        a_data, a_rows, a_columns = _matrix(builder, a, row=not transpose_a)
        b_data, b_rows, b_columns = _matrix(builder, b, row=transpose_b)
        m, k = (a_columns, a_rows) if transpose_a else (a_rows, a_columns)
        n = b_rows if transpose_b else b_columns
        real, zero = a.dtype.llvm, ir.Constant(INT, 0)
        nothing = builder.or_(
            builder.icmp_signed("==", m, zero), builder.icmp_signed("==", n, zero)
        )
        with builder.if_then(builder.not_(nothing)):
            letters = [
                kept(builder, ir.Constant(CHAR, ord("T" if transposed else "N")))
                for transposed in (transpose_b, transpose_a)
            ]
            sizes = [kept(builder, size) for size in (n, m, k)]
            operands = [
                kept(builder, ir.Constant(real, 1.0)),
                b_data,
                kept(builder, _leading(builder, b_columns)),
                a_data,
                kept(builder, _leading(builder, a_columns)),
                kept(builder, ir.Constant(real, 0.0)),
                address(builder, out),
                kept(builder, _leading(builder, n)),
            ]
            values = [*letters, *sizes, *operands]
            name = PREFIX + ("sgemm" if a.dtype is FLOAT32 else "dgemm")
            builder.call(declared(builder, name, ir.VoidType(), values), values)
        return NONE

    return Intrinsic(3, _result, lower)


matmul = _product(False, False)
matmul_tn = _product(True, False)
matmul_nt = _product(False, True)
matmul_tt = _product(True, True)
