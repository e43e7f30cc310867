"""The reference meaning of linear algebra, sorting and running values, in NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .ir import Node
from .ops import algebra, order, running

Array = Any
Sizes = Mapping[str, int]


def guarded(rule: Callable[..., Array]) -> Callable[..., Array]:
    """A rule that may find that a matrix does not do."""

    def evaluated(node: Node, sizes: Sizes, *operands: Array) -> Array:
        try:
            return rule(node, *operands)
        except np.linalg.LinAlgError:
            raise replace(algebra.FAULTS[node.op], where=node.where).error() from None

    return evaluated


def _triangular(node: Node, a: Array, b: Array) -> Array:
    from scipy import linalg

    x = np.empty_like(b)
    for at in np.ndindex(*a.shape[:-2]):
        x[at] = linalg.solve_triangular(
            a[at],
            b[at],
            trans=int(node.attr("transposed")),
            lower=node.attr("lower"),
            check_finite=False,
        )
    return x


def _pivots(node: Node, a: Array) -> Array:
    from scipy import linalg

    found = np.empty(a.shape[:-1], a.dtype)
    for at in np.ndindex(*a.shape[:-2]):
        permutation, _, upper = linalg.lu(a[at], check_finite=False)
        found[at] = np.diagonal(upper)
        if len(found[at]):
            found[at][0] *= np.linalg.det(permutation)
    return found


def _sign(node: Node, a: Array) -> Array:
    sign, logarithm = np.linalg.slogdet(a)
    return np.where(np.isnan(logarithm), logarithm, sign)


def _recurrence(node: Node, sizes: Sizes, a: Array, b: Array) -> Array:
    first = (slice(None),) * node.attr("axis")
    y = b.copy()
    for k in range(1, y.shape[node.attr("axis")]):
        y[(*first, k)] += a[(*first, k)] * y[(*first, k - 1)]
    return y


RULES: dict[object, Callable[..., Array]] = {
    algebra.SOLVE: guarded(lambda node, a, b: np.linalg.solve(a, b)),
    algebra.SOLVE_TRIANGULAR: guarded(_triangular),
    algebra.CHOLESKY: guarded(lambda node, a: np.linalg.cholesky(a)),
    algebra.INV: guarded(lambda node, a: np.linalg.inv(a)),
    algebra.PIVOTS: guarded(_pivots),
    algebra.DET: guarded(lambda node, a: np.linalg.det(a)),
    algebra.LOGABSDET: guarded(lambda node, a: np.linalg.slogdet(a)[1]),
    algebra.SIGNDET: guarded(_sign),
    order.ARGSORT: lambda node, sizes, x: np.argsort(x, node.attr("axis"), kind="stable"),
    order.SEARCHSORTED: lambda node, sizes, x, values: np.asarray(
        np.searchsorted(x, values, node.attr("side"))
    ),
    running.LINEAR_RECURRENCE: _recurrence,
    running.CUMULATIVE_PROD: lambda node, sizes, x: np.cumprod(
        x, node.attr("axis"), dtype=node.dtype
    ),
    running.CUMULATIVE_LOGSUMEXP: lambda node, sizes, x: np.logaddexp.accumulate(
        x, node.attr("axis")
    ),
}
