"""Matrix products.

A large one is computed by blocks of the result, which stay in the second cache, and which several
threads share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .kinds import NOTHING, ArrayKind, Kind, Number
from .loops import known, least, moved, multiplied, whole
from .panels import Axis, product
from .parallel import in_body, parallel
from .routines import Intrinsic
from .values import NONE, Array, Value, address, plus, times

LARGE = 1 << 20  # multiply-adds from which a product is computed by blocks: some 20 microseconds
ROWS, COLUMNS = 128, 192  # of a block of the result: whole panels of columns, whatever the vectors


def _matrix(array: Array, row: bool) -> tuple[Any, Any]:
    """Rows and columns; a vector is one row or one column."""
    sizes = [size.value for size in array.sizes]
    if len(sizes) == 1:
        sizes = [whole(1), *sizes] if row else [*sizes, whole(1)]
    return sizes[0], sizes[1]


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

    def axes(a: Array, b: Array) -> tuple[Axis, Axis, Axis]:
        a_rows, a_columns = _matrix(a, row=not transpose_a)
        b_rows, b_columns = _matrix(b, row=transpose_b)
        one = whole(1)
        if transpose_a:
            m, k, a_m, a_k = a_columns, a_rows, one, a_columns
        else:
            m, k, a_m, a_k = a_rows, a_columns, a_columns, one
        if transpose_b:
            n, b_n, b_k = b_rows, b_columns, one
        else:
            n, b_n, b_k = b_columns, one, b_columns
        return Axis(m, a=a_m, c=n), Axis(n, b=b_n, c=one), Axis(k, a=a_k, b=b_k)

    def lower(builder: Any, a: Array, b: Array, out: Array) -> Value:
        rows, columns, sums = axes(a, b)

        def at_once() -> None:
            arrays = [address(builder, array) for array in (a, b, out)]
            product(builder, a.dtype, arrays, rows, columns, sums)

        def block(inside: Any, number: Any, values: list[Any]) -> None:
            arrays = [address(inside, array) for array in values]
            _block(inside, number, a.dtype, arrays, axes(*values[:2]))

        def by_blocks() -> None:
            count = times(
                builder,
                _parts(builder, rows.size, ROWS),
                _parts(builder, columns.size, COLUMNS),
            )
            parallel(builder, count, [a, b, out], block)

        work = times(builder, times(builder, rows.size, columns.size), sums.size)
        number = known(work)
        if in_body(builder) or (number is not None and number < LARGE):
            at_once()
        elif number is not None:
            by_blocks()
        else:
            is_small = builder.icmp_signed("<", work, whole(LARGE))
            with builder.if_else(is_small) as (small, large):
                with small:
                    at_once()
                with large:
                    by_blocks()
        return NONE

    return Intrinsic(3, _result, lower)


def _parts(builder: Any, size: Any, part: int) -> Any:
    """How many parts an axis has."""
    number = known(size)
    if number is not None:
        return whole(-(-number // part))
    return builder.sdiv(plus(builder, size, whole(part - 1)), whole(part))


def _block(
    builder: Any, number: Any, dtype: Number, arrays: Sequence[Any], axes: tuple[Axis, Axis, Axis]
) -> None:
    """One block of a product. An element is the same in whatever block it is."""
    rows, columns, sums = axes
    across = _parts(builder, columns.size, COLUMNS)
    places = builder.sdiv(number, across), builder.srem(number, across)
    a, b, c = arrays
    found = []
    for axis, place, part in zip((rows, columns), places, (ROWS, COLUMNS), strict=True):
        start = times(builder, place, whole(part))
        a, b, c = (
            moved(builder, data, multiplied(builder, start, stride), dtype.size)
            for data, stride in ((a, axis.a), (b, axis.b), (c, axis.c))
        )
        found.append(replace(axis, size=_extent(builder, axis.size, start, part)))
    product(builder, dtype, (a, b, c), found[0], found[1], sums)


def _extent(builder: Any, size: Any, start: Any, part: int) -> Any:
    """How much of an axis is in a part of it that begins at `start`."""
    number = known(size)
    if number is not None and number <= part:
        return size
    if number is not None and number % part == 0:
        return whole(part)
    return least(builder, whole(part), builder.sub(size, start))


matmul = _product(False, False)
matmul_tn = _product(True, False)
matmul_nt = _product(False, True)
matmul_tt = _product(True, True)
