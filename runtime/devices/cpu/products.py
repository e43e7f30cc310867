"""Matrix products."""

from __future__ import annotations

from typing import Any

from .kinds import NOTHING, ArrayKind, ColumnsKind, Kind
from .loops import whole
from .routines import Intrinsic
from .strided import Axis, Operands, product
from .values import NONE, Array, Columns, Value, address


def _matrix(array: Array | Columns, row: bool) -> tuple[Any, Any]:
    """Rows and columns; a vector is one row or one column."""
    sizes = [size.value for size in array.sizes]
    if len(sizes) == 1:
        sizes = [whole(1), *sizes] if row else [*sizes, whole(1)]
    return sizes[0], sizes[1]


def _result(a: Kind, b: Kind, out: Kind) -> Kind | None:
    """Nothing, where the arguments are matrices or vectors of one type of float.

    The first may be some columns of a matrix.
    """
    if isinstance(a, ColumnsKind):
        a = ArrayKind(a.dtype, a.sizes)
    arrays = [kind for kind in (a, b, out) if isinstance(kind, ArrayKind)]
    if len(arrays) != 3 or not arrays[0].dtype.is_float or len({x.dtype for x in arrays}) != 1:
        return None
    left, right, result = (array.ndim for array in arrays)
    if left not in (1, 2) or right not in (1, 2) or result != max(left + right - 2, 1):
        return None
    return NOTHING


def _product(transpose_a: bool, transpose_b: bool) -> Intrinsic:
    """`out = a @ b`, with `a`, `b` or both transposed."""

    def lower(builder: Any, a: Array | Columns, b: Array, out: Array) -> Value:
        a_rows, a_columns = _matrix(a, row=not transpose_a)
        b_rows, b_columns = _matrix(b, row=transpose_b)
        one = whole(1)
        a_pitch = a.pitch.value if isinstance(a, Columns) else a_columns
        if transpose_a:
            m, k, a_m, a_k = a_columns, a_rows, one, a_pitch
        else:
            m, k, a_m, a_k = a_rows, a_columns, a_pitch, one
        if transpose_b:
            n, b_n, b_k = b_rows, b_columns, one
        else:
            n, b_n, b_k = b_columns, one, b_columns
        given = Operands(
            address(builder, a),
            address(builder, b),
            address(builder, out),
            rows=Axis(m, a=a_m, c=n),
            columns=Axis(n, b=b_n, c=one),
            sums=Axis(k, a=a_k, b=b_k),
        )
        product(builder, a.dtype, given)
        return NONE

    return Intrinsic(3, _result, lower)


matmul = _product(False, False)
matmul_tn = _product(True, False)
matmul_nt = _product(False, True)
matmul_tt = _product(True, True)
