"""Reductions, running values, order, the softmax family.

PyTorch takes a number for a vector of one element where an axis is named; the array API standard
has no such axis. And no axes at all, `()`, mean all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

from .row import Row, Table, Tensor, refuse

Axis = Any


def axis_of(x: Tensor, dim: Axis) -> Axis:
    """The axes that PyTorch means."""
    return None if not x.ndim or (isinstance(dim, tuple | list) and not dim) else dim


def over(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction with PyTorch's names for its arguments."""
    return lambda x, dim=None, keepdim=False, dtype="": function(
        x, axis=axis_of(x, dim), keepdims=keepdim
    )


def norm(x: Tensor, p: float | None = 2, dim: Axis = None, keepdim: bool = False) -> Tensor:
    return cr.vector_norm(x, ord=2 if p is None else p, axis=axis_of(x, dim), keepdims=keepdim)


def spread(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A variance or deviation: what is subtracted from the number of elements has three names."""

    def of(
        x: Tensor,
        dim: Axis = None,
        unbiased: bool = True,
        keepdim: bool = False,
        correction: float | None = None,
    ) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        less = float(unbiased) if correction is None else correction
        return function(x, axis=axis_of(x, dim), correction=less, keepdims=keepdim)

    return of


def and_mean(function: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    def both(x: Tensor, dim: Axis = None, **named: Any) -> tuple[Tensor, Tensor]:
        axis = None if isinstance(dim, bool) else dim
        return spread(function)(x, dim, **named), over(cr.mean)(
            x, axis, named.get("keepdim", False)
        )

    return both


def placed(reduce: Any, position: Any) -> Callable[..., tuple[Tensor, Tensor]]:
    """The extreme along an axis and its place, as PyTorch gives both."""
    return lambda x, dim, keepdim=False: (
        over(reduce)(x, dim, keepdim),
        over(position)(x, dim, keepdim),
    )


def vector(x: Tensor) -> Tensor:
    """A number as a vector."""
    return x if x.ndim else cr.reshape(x, (1,))


def along(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function along an axis, which keeps the shape."""
    return lambda x, dim=-1, dtype="", **named: cr.reshape(
        function(vector(x), axis=dim, **named), x.shape
    )


def ordered(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    values = along(cr.sort)(x, dim, descending=descending)
    return values, along(cr.argsort)(x, dim, descending=descending)


def top(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    values, places = cr.top_k(vector(x if largest else -x), k, axis=dim)
    values = values if largest else -values
    return (values, places) if x.ndim else (values[0], places[0])


def summed_exponentials(x: Tensor, axis: int) -> Tensor:
    """log(e^x[0] + ... + e^x[k]) as it is defined, for numbers that do not overflow."""
    order = list(range(x.ndim))
    order[axis], order[-1] = order[-1], order[axis]
    sums = cr.exp(cr.permute_dims(x, order)) @ np.triu(np.ones((x.shape[axis],) * 2))
    return cr.permute_dims(cr.log(sums), order)


def matrix_norm(
    x: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, dtype: str = ""
) -> Tensor:
    if ord in (2, -2, "nuc"):
        refuse("a norm of singular values")
    if ord != "fro" and 0 in x.shape:
        refuse("the largest sum of no rows, which PyTorch takes for 0")
    found = cr.linalg.matrix_norm(cr.moveaxis(x, dim, (-2, -1)), ord=ord, keepdims=keepdim)
    return cr.moveaxis(found, (-2, -1), dim) if keepdim else found


def any_norm(
    x: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, dtype: str = ""
) -> Tensor:
    axes = (dim,) if isinstance(dim, int) else dim
    if ord is None:
        return norm(x, 2, axes, keepdim)
    if (axes is None and x.ndim == 2) or (axes is not None and len(axes) == 2):
        return matrix_norm(x, ord, axes or (0, 1), keepdim)
    return norm(x, ord, axes, keepdim)


REDUCTIONS: Table = {
    "all": over(cr.all),
    "amax": over(cr.max),
    "amin": over(cr.min),
    "aminmax": lambda x, **named: (over(cr.min)(x, **named), over(cr.max)(x, **named)),
    "any": over(cr.any),
    "argmax": over(cr.argmax),
    "argmin": over(cr.argmin),
    "argsort": lambda x, *args, **named: ordered(x, *args, **named)[1],
    "count_nonzero": over(cr.count_nonzero),
    "cumprod": along(cr.cumulative_prod),
    "cumsum": along(cr.cumulative_sum),
    "linalg.matrix_norm": matrix_norm,
    "linalg.norm": any_norm,
    "linalg.norm.subgradients_at_zero": Row(
        any_norm,
        why="at 0 a norm has a corner: PyTorch's second gradient is NaN there, ours is 0",
        kinks=lambda x, *args, **named: [x == 0],
    ),
    "linalg.vector_norm": lambda x, ord=2, dim=None, keepdim=False, dtype="": norm(
        x, ord, dim, keepdim
    ),
    "log_softmax": along(cr.log_softmax),
    "log_softmax.with_dtype": along(cr.log_softmax),
    "logcumsumexp": Row(
        along(cr.cumulative_logsumexp),
        plain=along(summed_exponentials),
    ),
    "logsumexp": over(cr.logsumexp),
    "max.reduction_no_dim": cr.max,
    "max.reduction_with_dim": placed(cr.max, cr.argmax),
    "mean": over(cr.mean),
    "min.reduction_no_dim": cr.min,
    "min.reduction_with_dim": placed(cr.min, cr.argmin),
    "msort": lambda x: cr.sort(x, axis=0),
    "nanmean": lambda x, dim=None, keepdim=False: (
        over(cr.sum)(cr.where(cr.isnan(x), 0.0, x), dim, keepdim)
        / over(cr.sum)(cr.where(cr.isnan(x), 0.0, cr.ones_like(x)), dim, keepdim)
    ),
    "nansum": lambda x, *args, **named: over(cr.sum)(cr.where(cr.isnan(x), 0.0, x), *args, **named),
    "nn.functional.softmin": lambda x, dim, dtype="": along(cr.softmax)(-x, dim),
    "nn.functional.softmin.with_dtype": lambda x, dim, dtype="": along(cr.softmax)(-x, dim),
    "norm": norm,
    "norm.fro": lambda x, p="fro", dim=None: norm(x, 2, dim),
    "norm.inf": norm,
    "prod": over(cr.prod),
    "softmax": along(cr.softmax),
    "softmax.with_dtype": along(cr.softmax),
    "sort": ordered,
    "std": spread(cr.std),
    "std.unbiased": spread(cr.std),
    "std_mean": and_mean(cr.std),
    "std_mean.unbiased": and_mean(cr.std),
    "sum": over(cr.sum),
    "topk": top,
    "var": spread(cr.var),
    "var.unbiased": spread(cr.var),
    "var_mean": and_mean(cr.var),
    "var_mean.unbiased": and_mean(cr.var),
}
