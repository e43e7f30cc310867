"""Sorting and searching. NaN counts as larger than everything, as NumPy has it."""

from __future__ import annotations

from typing import Any

from .routines import kernel

RUN = 16  # so many are sorted by insertion; longer runs are merged


@kernel
def below(x: Any, y: Any) -> Any:
    """Whether x comes before y."""
    return x < y or (x == x and y != y)


@kernel
def insert_all(x: Any, order: Any, start: Any, stop: Any, row: Any, column: Any) -> Any:
    """Sort a short run of positions by insertion."""
    for k in range(start, stop):
        place = k
        while place > start and below(x[row, k, column], x[row, order[place - 1], column]):
            order[place] = order[place - 1]
            place -= 1
        order[place] = k


@kernel
def merge(x: Any, order: Any, merged: Any, edges: Any, row: Any, column: Any) -> Any:
    """Merge two sorted runs that follow each other; of equal elements the earlier comes first."""
    start, middle, stop = edges
    i, j = start, middle
    for k in range(start, stop):
        later = i >= middle or (
            j < stop and below(x[row, order[j], column], x[row, order[i], column])
        )
        merged[k] = order[j] if later else order[i]
        if later:
            j += 1
        else:
            i += 1


@kernel
def argsort(x: Any, out: Any, order: Any, merged: Any) -> Any:
    """`out[i, :, c]` are the positions of `x[i, :, c]` in increasing order; equal ones stay so.

    A merge sort, from short runs up; `order` and `merged` are room to work in.
    """
    n = x.shape[1]
    for i in range(x.shape[0]):
        for c in range(x.shape[2]):
            for start in range(0, n, RUN):
                insert_all(x, order, start, min(start + RUN, n), i, c)
            width = RUN
            while width < n:
                for start in range(0, n, 2 * width):
                    edges = start, min(start + width, n), min(start + 2 * width, n)
                    merge(x, order, merged, edges, i, c)
                for k in range(n):
                    order[k] = merged[k]
                width *= 2
            for k in range(n):
                out[i, k, c] = order[k]


@kernel
def searchsorted(x: Any, values: Any, out: Any, right: Any) -> Any:
    """`out[i]` is how many of the sorted `x` are below `values[i]`, or not above it."""
    for i in range(values.shape[0]):
        low, high = 0, x.shape[0]
        while low < high:
            middle = (low + high) // 2
            if right:
                before = not below(values[i], x[middle])
            else:
                before = below(x[middle], values[i])
            if before:
                low = middle + 1
            else:
                high = middle
        out[i] = low
