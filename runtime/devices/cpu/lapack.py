"""Linear algebra by the LAPACK that SciPy carries, over batches of row-major matrices.

LAPACK counts in columns. A triangular matrix is the other triangle's transpose to it, and is passed
as it is; what is eliminated is copied over in its order, so that pivots are NumPy's. What LAPACK
cannot do is a fault, and its result is not to be used.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .kinds import FLOAT32, FLOAT64, INT32, ArrayKind, Kind, Number
from .routines import Intrinsic, kernel
from .values import Array, Scalar, Value, address, cast, declared, kept

INT = ir.IntType(32)
CHAR = ir.IntType(8)


def _routine(name: str, letters: str, arguments: str, reports: bool = True) -> Intrinsic:
    """A call of a routine: letters, integers, numbers and arrays, all by address.

    Args:
        name: the routine without the letter of its dtype.
        letters: its options, which come first.
        arguments: what the others are, a letter each: integer, real number, array or pivots.
        reports: whether it has an `info`, which is then the result: 0 if all went well.
    """

    def infer(*kinds: Kind) -> Kind | None:
        fits = [_fits(letter, kind) for letter, kind in zip(arguments, kinds, strict=True)]
        return INT32 if all(fits) else None

    def lower(builder: Any, *given: Scalar | Array) -> Value:
        real = next(
            value.dtype
            for letter, value in zip(arguments, given, strict=True)
            if letter == "a" and isinstance(value, Array)
        )
        values = [kept(builder, ir.Constant(CHAR, ord(letter))) for letter in letters]
        for letter, value in zip(arguments, given, strict=True):
            if isinstance(value, Array):
                values.append(address(builder, value))
                continue
            number = cast(builder, value, INT32 if letter == "i" else real)
            values.append(kept(builder, number.value))
        info = kept(builder, ir.Constant(INT, 0))
        if reports:
            values.append(info)
        module = "cython_lapack" if reports else "cython_blas"
        symbol = f"scipy_linalg_{module}__{'s' if real is FLOAT32 else 'd'}{name}"
        builder.call(declared(builder, symbol, ir.VoidType(), values), values)
        return Scalar(INT32, builder.load(info, typ=INT))

    return Intrinsic(len(arguments), infer, lower)


def _fits(letter: str, kind: Kind) -> bool:
    if isinstance(kind, ArrayKind):
        return kind.dtype is INT32 if letter == "p" else kind.dtype in (FLOAT32, FLOAT64)
    return isinstance(kind, Number) and (letter == "r" or (letter == "i" and kind.is_integer))


# The Cholesky factor over the upper triangle, which is the lower one of a row-major matrix.
potrf = _routine("potrf", "U", "iai")
# The factors of elimination with partial pivoting, over the matrix.
getrf = _routine("getrf", "", "iiaip")
# The solutions from these factors, over the right sides.
getrs = _routine("getrs", "N", "iiaipai")


def _trsm(uplo: str, transposed: str) -> Intrinsic:
    """x with x a = b or x a' = b, over b, where `a` is triangular in LAPACK's order."""
    return _routine("trsm", f"R{uplo}{transposed}N", "iiraiai", reports=False)


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
