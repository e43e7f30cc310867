"""The largest matrix products, by the BLAS that SciPy carries, which has threads.

A C-contiguous matrix is its transpose to BLAS, which counts in columns, so that
`out = a @ b` is asked for as `out' = b' a'`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from .kinds import FLOAT32, Number
from .threads import LARGE
from .values import declared, kept

INT = ir.IntType(32)
CHAR = ir.IntType(8)
# What the loader looks up in SciPy: `scipy.linalg.cython_blas` and the routine.
PREFIX = "scipy_linalg_cython_blas__"

__all__ = ["LARGE", "gemm"]


def _short(builder: Any, size: Any) -> Any:
    """A size as BLAS takes it."""
    if isinstance(size, ir.Constant):
        return ir.Constant(INT, size.constant)
    return builder.trunc(size, INT)


def gemm(
    builder: Any,
    dtype: Number,
    arrays: Sequence[Any],
    sizes: Sequence[Any],
    columns: Sequence[Any],
    transpose_a: bool,
    transpose_b: bool,
) -> None:
    """`out = a @ b`, with `a`, `b` or both transposed.

    Args:
        builder: where the code goes.
        dtype: the type of all numbers.
        arrays: the addresses of a, b and out.
        sizes: rows and columns of out, and the length of the sum; none of them is 0.
        columns: those of a and of b.
        transpose_a: whether a is transposed.
        transpose_b: whether b is.
    """
    a, b, out = arrays
    n, m, k = (kept(builder, _short(builder, sizes[i])) for i in (1, 0, 2))
    letters = [
        kept(builder, ir.Constant(CHAR, ord("T" if transposed else "N")))
        for transposed in (transpose_b, transpose_a)
    ]
    one, nothing = (kept(builder, ir.Constant(dtype.llvm, number)) for number in (1.0, 0.0))
    a_columns, b_columns = (kept(builder, _short(builder, count)) for count in columns)
    values = [*letters, n, m, k, one, b, b_columns, a, a_columns, nothing, out, n]
    name = PREFIX + ("sgemm" if dtype is FLOAT32 else "dgemm")
    builder.call(declared(builder, name, ir.VoidType(), values), values)
