"""Linear algebra by the LAPACK that SciPy carries, over batches of row-major matrices.

LAPACK counts in columns. A triangular matrix is the other triangle's transpose to it, and is passed
as it is; what is eliminated is copied over in its order, so that pivots are NumPy's. What LAPACK
cannot do is a fault, and its result is not to be used.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .codegen import kernel

INT = ir.IntType(32)
CHAR = ir.IntType(8)


def _routine(name: str, letters: str, given: tuple[Any, ...], reports: bool = True) -> Any:
    """A call of a routine: letters, integers, numbers and arrays, all by address.

    Args:
        name: the routine without the letter of its dtype.
        letters: its options, which come first.
        given: the types of the other arguments.
        reports: whether it has an `info`, which is then the result: 0 if all went well.
    """
    real = next(x.dtype for x in given if isinstance(x, types.Array) and x.dtype != types.int32)
    module = "cython_lapack" if reports else "cython_blas"
    symbol = f"scipy_linalg_{module}__{'s' if real == types.float32 else 'd'}{name}"

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [
            cgutils.alloca_once_value(builder, ir.Constant(CHAR, ord(letter))) for letter in letters
        ]
        for kind, value in zip(signature.args, arguments, strict=True):
            if isinstance(kind, types.Array):
                values.append(make_array(kind)(context, builder, value).data)
                continue
            wanted = types.int32 if isinstance(kind, types.Integer) else real
            number = context.cast(builder, value, kind, wanted)
            values.append(cgutils.alloca_once_value(builder, number))
        info = cgutils.alloca_once_value(builder, ir.Constant(INT, 0))
        if reports:
            values.append(info)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [value.type for value in values]),
            symbol,
        )
        builder.call(function, values)
        return builder.load(info)

    return types.int32(*given), generate


@intrinsic
def potrf(typing_context: Any, n: Any, a: Any, lda: Any) -> Any:
    """The Cholesky factor over the upper triangle, which is the lower one of a row-major matrix."""
    return _routine("potrf", "U", (n, a, lda))


@intrinsic
def getrf(typing_context: Any, m: Any, n: Any, a: Any, lda: Any, pivots: Any) -> Any:
    """The factors of elimination with partial pivoting, over the matrix."""
    return _routine("getrf", "", (m, n, a, lda, pivots))


@intrinsic
def getrs(
    typing_context: Any, n: Any, m: Any, a: Any, lda: Any, pivots: Any, b: Any, ldb: Any
) -> Any:
    """The solutions from these factors, over the right sides."""
    return _routine("getrs", "N", (n, m, a, lda, pivots, b, ldb))


def _trsm(uplo: str, transposed: str) -> Any:
    """x with x a = b or x a' = b, over b, where `a` is triangular in LAPACK's order."""

    @intrinsic
    def trsm(
        typing_context: Any, m: Any, n: Any, one: Any, a: Any, lda: Any, b: Any, ldb: Any
    ) -> Any:
        given = (m, n, one, a, lda, b, ldb)
        return _routine("trsm", f"R{uplo}{transposed}N", given, reports=False)

    return trsm


trsm_lower, trsm_lower_transposed = _trsm("U", "N"), _trsm("U", "T")
trsm_upper, trsm_upper_transposed = _trsm("L", "N"), _trsm("L", "T")


@kernel
def report(failed: Any, fault: Any, code: Any) -> Any:
    """Set `fault`, once, where something failed."""
    if failed and fault[0] == 0:
        fault[0] = code


@kernel
def cholesky(a: Any, out: Any, fault: Any, code: Any) -> Any:
    """`out[i]` is the lower triangular factor of `a[i]`, of which the lower triangle is read."""
    n = a.shape[1]
    for i in range(a.shape[0]):
        for j in range(n):
            for k in range(n):
                out[i, j, k] = a[i, j, k] if k <= j else 0
        if n:
            report(potrf(n, out[i], n) != 0, fault, code)


@kernel
def eliminate(a: Any, factors: Any, swaps: Any) -> Any:
    """Factors of a matrix, in LAPACK's order, and its swaps of rows; whether a pivot is 0."""
    n = a.shape[0]
    for j in range(n):
        for k in range(n):
            factors[k, j] = a[j, k]
    return n > 0 and getrf(n, n, factors, n, swaps) != 0


@kernel
def solve(
    a: Any, b: Any, out: Any, factors: Any, swaps: Any, sides: Any, fault: Any, code: Any
) -> Any:
    """`a[i] @ out[i] = b[i]`; the last three arrays are room to work in."""
    n, m = b.shape[1], b.shape[2]
    for i in range(a.shape[0]):
        report(eliminate(a[i], factors, swaps), fault, code)
        for j in range(n):
            for k in range(m):
                sides[k, j] = b[i, j, k]
        if n and m:
            getrs(n, m, factors, n, swaps, sides, n)
        for j in range(n):
            for k in range(m):
                out[i, j, k] = sides[k, j]


@kernel
def pivots(a: Any, out: Any, factors: Any, swaps: Any) -> Any:
    """`out[i]` are numbers whose product is the determinant of `a[i]`."""
    n = a.shape[1]
    for i in range(a.shape[0]):
        eliminate(a[i], factors, swaps)
        for j in range(n):
            out[i, j] = factors[j, j] if swaps[j] == j + 1 else -factors[j, j]


@kernel
def solve_triangular(
    a: Any, b: Any, out: Any, lower: Any, transposed: Any, fault: Any, code: Any
) -> Any:
    """`a[i] @ out[i] = b[i]`, or with `a[i]` transposed; of `a` only one triangle is read."""
    n, m = b.shape[1], b.shape[2]
    for i in range(a.shape[0]):
        for j in range(n):
            report(a[i, j, j] == 0, fault, code)
            for k in range(m):
                out[i, j, k] = b[i, j, k]
        if n == 0 or m == 0:
            continue
        if lower and transposed:
            trsm_lower_transposed(m, n, 1.0, a[i], n, out[i], m)
        elif lower:
            trsm_lower(m, n, 1.0, a[i], n, out[i], m)
        elif transposed:
            trsm_upper_transposed(m, n, 1.0, a[i], n, out[i], m)
        else:
            trsm_upper(m, n, 1.0, a[i], n, out[i], m)
