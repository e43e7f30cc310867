"""Products and linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .reductions import vector
from .row import Row, Table, Tensor, refuse

linalg = cr.linalg


def added(product: Any) -> Any:
    """beta x + alpha a b; where beta is 0, PyTorch leaves x out, NaN and all."""
    return lambda x, a, b, beta=1, alpha=1: (
        (beta * x if beta else cr.zeros_like(x)) + alpha * product(a, b)
    )


def cdist(a: Tensor, b: Tensor, p: float = 2.0, mode: str = "") -> Tensor:
    apart = cr.expand_dims(a, axis=-2) - cr.expand_dims(b, axis=-3)
    return cr.vector_norm(apart, ord=p, axis=-1)


def pdist(x: Tensor, p: float = 2.0) -> Tensor:
    rows, columns = np.triu_indices(x.shape[0], 1)
    return cr.vector_norm(x[rows] - x[columns], ord=p, axis=-1)


def cov(x: Tensor, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    rows: Tensor = cr.reshape(x, (1, -1)) if x.ndim < 2 else x
    n = rows.shape[1]
    weights = cr.ones((n,), dtype="float64")
    if fweights is not None:
        weights = weights * cr.astype(fweights, "float64")
    total = cr.sum(weights)
    if aweights is not None:
        weights = weights * aweights
    sums = cr.sum(weights)
    mean = cr.sum(rows * weights, axis=1, keepdims=True) / sums
    less = cr.sum(weights * aweights) / sums if aweights is not None else 1.0
    del total
    centered = rows - mean
    found = (centered * weights) @ centered.mT / (sums - correction * less)
    return found if rows.shape[0] > 1 else cr.reshape(found, ())


def corrcoef(x: Tensor) -> Tensor:
    c = cov(x)
    if not c.ndim:
        return c / c
    d = cr.sqrt(linalg.diagonal(c))
    return cr.clip(c / cr.expand_dims(d, axis=1) / d, -1.0, 1.0)


def gram(x: Tensor, upper: bool) -> Tensor:
    return x.mT @ x if upper else x @ x.mT


def triangular(
    a: Tensor, b: Tensor, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    if unitriangular:
        a = cr.where(np.eye(a.shape[-1], dtype=bool), 1.0, a)
    if not left:
        return triangular(a.mT, b.mT, not upper).mT
    if a.ndim == b.ndim and a.shape[:-2] == b.shape[:-2]:
        return linalg.solve_triangular(a, b, upper=upper)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return linalg.solve_triangular(
        cr.broadcast_to(a, (*lead, *a.shape[-2:])),
        cr.broadcast_to(b, (*lead, *b.shape[-2:])),
        upper=upper,
    )


def solve(a: Tensor, b: Tensor, left: bool = True) -> Tensor:
    if not left:
        return solve(a.mT, b.mT).mT
    if b.ndim == a.ndim - 1 and b.shape == a.shape[:-1] and b.ndim > 1:
        return linalg.solve(a, cr.expand_dims(b, axis=-1))[..., 0]
    return linalg.solve(a, b)


def multiplied(xs: list[Tensor]) -> Tensor:
    result = xs[0]
    for x in xs[1:]:
        result = result @ x
    return result


def vander(x: Tensor, N: int | None = None) -> Tensor:
    n = x.shape[-1] if N is None else N
    x = vector(x)
    return cr.expand_dims(x, axis=-1) ** np.arange(n, dtype=float)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    ends = (range(-dims, 0), range(dims)) if isinstance(dims, int) else dims
    if [a.shape[i] for i in ends[0]] != [b.shape[i] for i in ends[1]]:
        refuse("an axis of size 1 that is summed with a longer one")
    return cr.tensordot(a, b, axes=dims)


def inner(a: Tensor, b: Tensor) -> Tensor:
    return a * b if not a.ndim or not b.ndim else cr.tensordot(a, b, axes=((-1,), (-1,)))


def symmetric(tangents: Any, *args: Any, **named: Any) -> Any:
    return [t + t.swapaxes(-1, -2) for t in tangents]


def first(found: Any) -> Any:
    """Of several results the first; the others are pivots and flags."""
    return found[0]


ALGEBRA: Table = {
    "__rmatmul__": lambda x, y: y @ x,
    "addbmm": added(lambda a, b: cr.sum(a @ b, axis=0)),
    "addmm": added(cr.matmul),
    "addmm.decomposed": added(cr.matmul),
    "addmv": added(cr.matmul),
    "addr": added(linalg.outer),
    "baddbmm": added(cr.matmul),
    "bmm": cr.matmul,
    "cartesian_prod": lambda *xs: (
        xs[0]
        if len(xs) == 1
        else cr.stack(
            [
                cr.reshape(
                    cr.broadcast_to(
                        cr.reshape(x, [-1 if k == i else 1 for k in range(len(xs))]),
                        [y.shape[0] for y in xs],
                    ),
                    (-1,),
                )
                for i, x in enumerate(xs)
            ],
            axis=1,
        )
    ),
    "cdist": cdist,
    "cholesky": lambda x, upper=False: linalg.cholesky(x, upper=upper),
    "cholesky_inverse": Row(
        lambda x, upper=False: linalg.inv(gram(x, upper)),
        inexact=True,
        directions=lambda ts, x, upper=False: [np.triu(t) if upper else np.tril(t) for t in ts],
    ),
    "cholesky_solve": Row(
        lambda b, x, upper=False: linalg.solve(gram(x, upper), b),
        directions=lambda ts, b, x, upper=False: [
            ts[0],
            np.triu(ts[1]) if upper else np.tril(ts[1]),
        ],
    ),
    "corrcoef": corrcoef,
    "cov": cov,
    "cross": lambda a, b, dim=None: linalg.cross(
        a, b, axis=a.shape.index(3) if dim is None else dim
    ),
    "dist": lambda a, b, p=2: cr.vector_norm(a - b, ord=p),
    "dot": cr.vecdot,
    "einsum": lambda xs, formula: cr.einsum(formula, *xs),
    "inner": inner,
    "kron": lambda a, b: cr.reshape(
        cr.einsum("ij,kl->ikjl", a, b), (a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])
    ),
    "linalg.cholesky": Row(
        lambda x, upper=False: linalg.cholesky(x, upper=upper), directions=symmetric
    ),
    "linalg.cholesky_ex": Row(
        lambda x, upper=False, check_errors=False: linalg.cholesky(x, upper=upper),
        theirs=first,
        directions=symmetric,
    ),
    "linalg.cross": lambda a, b, dim=-1: linalg.cross(a, b, axis=dim),
    "linalg.det": linalg.det,
    "linalg.inv": linalg.inv,
    "linalg.inv_ex": Row(lambda x, check_errors=False: linalg.inv(x), theirs=first),
    "linalg.matrix_power": linalg.matrix_power,
    "linalg.multi_dot": multiplied,
    "linalg.slogdet": lambda x: list(linalg.slogdet(x)),
    "linalg.solve": solve,
    "linalg.solve_ex": Row(
        lambda a, b, left=True, check_errors=False: solve(a, b, left), theirs=first
    ),
    "linalg.solve_triangular": triangular,
    "linalg.tensorinv": lambda x, ind=2: cr.reshape(
        linalg.inv(cr.reshape(x, (int(np.prod(x.shape[:ind])), -1))),
        (*x.shape[ind:], *x.shape[:ind]),
    ),
    "linalg.vander": vander,
    "linalg.vecdot": lambda a, b, dim=-1: cr.vecdot(a, b, axis=dim if dim < 0 else dim - a.ndim),
    "logdet": lambda x: cr.where(
        linalg.slogdet(x).sign > 0,
        linalg.slogdet(x).logabsdet,
        cr.log(-cr.ones((), dtype="float64")),
    ),
    "matmul": cr.matmul,
    "mm": cr.matmul,
    "mv": cr.matmul,
    "nn.functional.bilinear": lambda a, b, w, bias=None: (
        cr.einsum("...i,kij,...j->...k", a, w, b) + (0.0 if bias is None else bias)
    ),
    "nn.functional.linear": lambda x, w, bias=None: (
        x @ w.mT + (0.0 if bias is None else bias) if w.ndim > 1 else x @ w + (bias or 0.0)
    ),
    "nn.functional.pairwise_distance": lambda a, b, p=2.0, eps=1e-6, keepdim=False: cr.vector_norm(
        a - b + eps, ord=p, axis=-1, keepdims=keepdim
    ),
    "nn.functional.pdist": pdist,
    "outer": linalg.outer,
    "tensordot": tensordot,
    "trace": linalg.trace,
    "triangular_solve": Row(
        lambda b, a, upper=True, transpose=False, unitriangular=False: (
            triangular(a.mT, b, not upper, unitriangular=unitriangular)
            if transpose
            else triangular(a, b, upper, unitriangular=unitriangular)
        ),
        theirs=first,
        directions=lambda ts, b, a, upper=True, transpose=False, unitriangular=False: (
            ts[0],
            np.triu(ts[1], int(unitriangular)) if upper else np.tril(ts[1], -int(unitriangular)),
        ),
    ),
    "vdot": cr.vecdot,
}
