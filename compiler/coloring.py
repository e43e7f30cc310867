"""Groups of columns that one sweep can tell apart: colorings of sparse Jacobians and Hessians.

Columns that share no row may be added up: each entry of the sum belongs to one of them. A Hessian,
which is symmetric, needs less: an entry may be read in its row or in its column.

Source: Gebremedhin, Manne and Pothen 2005, "What color is your Jacobian? Graph coloring for
computing derivatives", SIAM Review 47(4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

Pattern = Any  # sparse.csr_array of bool
Array = Any
Taken: TypeAlias = Callable[[int, list[int]], set[int]]
WORK = 2_000_000  # steps that a coloring may take


def columns(pattern: Pattern) -> Array | None:
    """A color for each column, such that columns of one color have no row in common.

    Greedy, in two orders, of which the better one is taken: that of the columns, which suits
    stencils, and that of falling degrees (section 3.4). None: little is gained, or it takes long.
    """
    lengths = np.diff(pattern.indptr).astype(np.int64)
    # A row takes as many colors as it is long.
    if lengths.max(initial=0) >= min(pattern.shape) or int(np.sum(lengths**2)) > WORK:
        return None
    rows, by_column = pattern.tolil().rows, pattern.T.tolil().rows
    degrees = pattern.T.astype(np.int64) @ lengths

    def taken(column: int, colors: list[int]) -> set[int]:
        return {colors[other] for row in by_column[column] for other in rows[row]}

    return _best(degrees, taken)


def stars(pattern: Pattern) -> Array | None:
    """A color for each row and column of a symmetric pattern: a star coloring.

    Neighbors differ, and so do the ends of a path of two edges, unless its middle was colored
    before and has the smaller color; then no path of three edges has two colors (section 4.3).
    None: it would take too long.
    """
    lengths = np.diff(pattern.indptr).astype(np.int64)
    if int(np.sum(lengths**2)) > WORK:
        return None
    around = [[j for j in row if j != i] for i, row in enumerate(pattern.tolil().rows)]

    def taken(vertex: int, colors: list[int]) -> set[int]:
        found: set[int] = set()
        for middle in around[vertex]:
            found.add(colors[middle])
            own = colors[middle]
            found.update(colors[x] for x in around[middle] if own < 0 or colors[x] < own)
        return found

    return _best(lengths, taken)


def _best(degrees: Array, taken: Taken) -> Array:
    """The better of two orders."""
    natural = range(len(degrees))
    found = [_greedy(order, taken) for order in (natural, np.argsort(-degrees, kind="stable"))]
    return min(found, key=count)


def _greedy(order: Iterable[int], taken: Taken) -> Array:
    """Each gets the first color that is not taken; -1 is none."""
    order = [int(i) for i in order]
    colors = [-1] * len(order)
    for i in order:
        forbidden, color = taken(i, colors), 0
        while color in forbidden:
            color += 1
        colors[i] = color
    return np.asarray(colors, np.int64)


def count(colors: Array) -> int:
    """How many colors there are."""
    return int(colors.max(initial=-1)) + 1


def own(colors: Array, rows: Array, at: Array) -> Array:
    """Whether, for entries of a pattern, no other entry of the row has the color of the column.

    Args:
        colors: a color for each column.
        rows: the row of each entry.
        at: the column of each entry.
    """
    keys = rows * (count(colors) + 1) + colors[at]
    _, place, times = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(times[place] == 1)
