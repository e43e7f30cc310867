"""Matrix products."""

from __future__ import annotations

from typing import Any

from .kinds import NOTHING, ArrayKind, ColumnsKind, Kind
from .loops import known, moved, whole
from .parallel import parallel
from .routines import Intrinsic
from .strided import Axis, Operands, product
from .values import NONE, Array, Columns, Value, address, element

PANEL = 32  # rows of a half that one thread computes in one go


def _matrix(array: Array | Columns, row: bool) -> tuple[Any, Any]:
    """Rows and columns; a vector is one row or one column."""
    sizes = [size.value for size in array.sizes]
    if len(sizes) == 1:
        sizes = [whole(1), *sizes] if row else [*sizes, whole(1)]
    return sizes[0], sizes[1]


def _pitch(array: Array | Columns, columns: Any) -> Any:
    """How many elements lie from row to row."""
    return array.pitch.value if isinstance(array, Columns) else columns


def _result(a: Kind, b: Kind, out: Kind) -> Kind | None:
    """Nothing, where the arguments are matrices or vectors of one type of float.

    Rows of matrices may lie apart.
    """
    given = [ArrayKind(x.dtype, x.sizes) if isinstance(x, ColumnsKind) else x for x in (a, b, out)]
    arrays = [kind for kind in given if isinstance(kind, ArrayKind)]
    if len(arrays) != 3 or not arrays[0].dtype.is_float or len({x.dtype for x in arrays}) != 1:
        return None
    left, right, result = (array.ndim for array in arrays)
    if left not in (1, 2) or right not in (1, 2) or result != max(left + right - 2, 1):
        return None
    return NOTHING


def _product(transpose_a: bool, transpose_b: bool, adds: bool = False) -> Intrinsic:
    """`out = a @ b`, or `out += a @ b` if it adds, with `a`, `b` or both transposed."""

    def lower(builder: Any, a: Array | Columns, b: Array | Columns, out: Array | Columns) -> Value:
        a_rows, a_columns = _matrix(a, row=not transpose_a)
        b_rows, b_columns = _matrix(b, row=transpose_b)
        one = whole(1)
        a_pitch, b_pitch = _pitch(a, a_columns), _pitch(b, b_columns)
        if transpose_a:
            m, k, a_m, a_k = a_columns, a_rows, one, a_pitch
        else:
            m, k, a_m, a_k = a_rows, a_columns, a_pitch, one
        if transpose_b:
            n, b_n, b_k = b_rows, b_pitch, one
        else:
            n, b_n, b_k = b_columns, one, b_pitch
        given = Operands(
            address(builder, a),
            address(builder, b),
            address(builder, out),
            rows=Axis(m, a=a_m, c=_pitch(out, n)),
            columns=Axis(n, b=b_n, c=one),
            sums=Axis(k, a=a_k, b=b_k),
        )
        product(builder, a.dtype, given, adds)
        return NONE

    return Intrinsic(3, _result, lower)


def _halves_result(a: Kind, b: Kind, out: Kind) -> Kind | None:
    """Nothing, where the arguments are two matrices and two results, of one type of float."""
    arrays = [kind for kind in (a, b, out) if isinstance(kind, ArrayKind)]
    if [array.ndim for array in arrays] != [2, 2, 3] or len({x.dtype for x in arrays}) != 1:
        return None
    return NOTHING if arrays[0].dtype.is_float else None


def _halves(builder: Any, a: Array, b: Array, out: Array) -> Value:
    """Panels of rows of the first half, then of the second: threads share them in this order."""

    def panels(inside: Any, out: Array) -> Any:
        more = inside.add(out.sizes[1].value, whole(PANEL - 1))
        return inside.udiv(more, whole(PANEL))

    def panel(inside: Any, turn: Any, given: list[Value]) -> None:
        a, b, out = (array for array in given if isinstance(array, Array))
        count = panels(inside, out)
        half, row = inside.udiv(turn, count), inside.mul(inside.urem(turn, count), whole(PANEL))
        (m, k), n = (size.value for size in a.sizes), b.sizes[1].value
        length = inside.udiv(k, whole(2)) if known(k) is None else whole(k.constant // 2)
        start = inside.mul(half, length)
        every = Operands(
            moved(inside, address(inside, a), start, a.dtype.size),
            moved(inside, address(inside, b), inside.mul(start, n), a.dtype.size),
            element(inside, out, [half]),
            rows=Axis(m, a=k, c=n),
            columns=Axis(n, b=whole(1), c=whole(1)),
            sums=Axis(length, a=whole(1), b=n),
        )
        rows, columns = (row, whole(PANEL)), (whole(0), n)
        product(inside, a.dtype, every.part(inside, a.dtype.size, rows, columns))

    parallel(builder, builder.mul(panels(builder, out), whole(2)), [a, b, out], panel)
    return NONE


# `matmul_halves(a, b, out)`: `out[0] = a[:, :k] @ b[:k]` and `out[1] = a[:, k:] @ b[k:]`, where `k`
# is half of the rows of `b`, an even number.
matmul_halves = Intrinsic(3, _halves_result, _halves)

matmul = _product(False, False)
matmul_tn = _product(True, False)
matmul_nt = _product(False, True)
matmul_tt = _product(True, True)

# `out += a.T @ b`: what some rows add to a sum over all of them.
add_matmul_tn = _product(True, False, adds=True)
