"""A matrix times a vector, both of which lie along the sum: lanes are sums of their own.

In a tile of one column a vector would hold one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .kinds import Number
from .loops import called, counted, known, moved, multiplied, repeated, whole
from .processor import processor_of
from .tiles import Shape
from .vectors import first_lanes, load_vector, times_plus, total, vector_type, zeros

ROWS = 4  # at once: so many sums do not wait for each other


def dots(
    builder: Any, dtype: Number, arrays: Sequence[Any], rows: Any, strides: Sequence[Any], size: Any
) -> None:
    """`c[i] = sum over k of a[i, k] b[k]`.

    Args:
        builder: where the code goes.
        dtype: the type of all numbers.
        arrays: the addresses of a, b and c.
        rows: how many.
        strides: from row to row of a and of c, in elements.
        size: how many products are added.
    """
    a, b, c = arrays
    done = builder.and_(rows, whole(-ROWS))
    for count, start, stop in ((ROWS, whole(0), done), (1, done, rows)):
        with counted(builder, stop, start, count) as place:
            at = [
                moved(builder, address, multiplied(builder, place, stride), dtype.size)
                for address, stride in zip((a, c), strides, strict=True)
            ]
            given = [at[0], b, at[1], *strides, size]

            def write(inside: Any, values: list[Any], count: int = count) -> None:
                _write(inside, dtype, count, values)

            called(builder, f"dots.{dtype}.{count}", given, write)


def _write(builder: Any, dtype: Number, rows: int, given: Sequence[Any]) -> None:
    a, b, c, a_row, c_row, size = given
    bytes_, shape = dtype.size, Shape.of(processor_of(builder.module), dtype)
    lanes, number = shape.lanes, known(size)
    while number is not None and lanes > shape.narrowest and lanes // 2 >= number:
        lanes //= 2
    kind = vector_type(dtype, lanes)
    full = builder.and_(size, whole(-lanes))
    a_rows = [
        moved(builder, a, multiplied(builder, a_row, whole(row)), bytes_) for row in range(rows)
    ]

    def added(place: Any, sums: list[Any], mask: Any) -> list[Any]:
        vector = load_vector(builder, moved(builder, b, place, bytes_), kind, bytes_, mask)
        found = []
        for address, before in zip(a_rows, sums, strict=True):
            row = load_vector(builder, moved(builder, address, place, bytes_), kind, bytes_, mask)
            found.append(times_plus(builder, row, vector, before, bytes_))
        return found

    sums = repeated(
        builder, full, lanes, [zeros(kind)] * rows, lambda place, sums: added(place, sums, None)
    )
    if number is None or number % lanes:
        rest = builder.sub(size, full) if number is None else number % lanes
        sums = added(full, sums, first_lanes(builder, lanes, rest, bytes_))
    for row, sum_ in enumerate(sums):
        where = moved(builder, c, multiplied(builder, c_row, whole(row)), bytes_)
        builder.store(total(builder, sum_, bytes_), where, align=bytes_)
