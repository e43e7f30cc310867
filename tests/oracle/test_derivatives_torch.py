"""Jacobians, Hessians and products with them against PyTorch's, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

W = np.random.default_rng(0).normal(size=(3, 4))
V = np.random.default_rng(1).normal(size=(4, 2))

# A name, and the same function of x [2, 3] in both languages.
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "dense": (
        lambda x: cr.tanh(cr.tanh(x @ W) @ V),
        lambda x: torch.tanh(torch.tanh(x @ torch.tensor(W)) @ torch.tensor(V)),
    ),
    "softmax": (
        lambda x: cr.softmax(x @ W, axis=1),
        lambda x: torch.softmax(x @ torch.tensor(W), 1),
    ),
    "log_softmax": (
        lambda x: cr.log_softmax(x * x, axis=0),
        lambda x: torch.log_softmax(x * x, 0),
    ),
    "logsumexp": (lambda x: cr.logsumexp(x**3, axis=1), lambda x: torch.logsumexp(x**3, 1)),
    "norm": (
        lambda x: cr.vector_norm(x, axis=1) * cr.vector_norm(x),
        lambda x: torch.linalg.vector_norm(x, dim=1) * torch.linalg.vector_norm(x),
    ),
    "prod": (lambda x: cr.prod(cr.sin(x), axis=1), lambda x: torch.prod(torch.sin(x), 1)),
    "std": (
        lambda x: cr.std(cr.exp(x), axis=1),
        lambda x: torch.std(torch.exp(x), 1, correction=0),
    ),
    "special": (
        lambda x: cr.erf(x) * cr.lgamma(cr.softplus(x) + 1),
        lambda x: torch.erf(x) * torch.lgamma(torch.nn.functional.softplus(x) + 1),
    ),
    "cumulative": (
        lambda x: cr.exp(cr.cumulative_sum(x, axis=1)),
        lambda x: torch.exp(torch.cumsum(x, 1)),
    ),
    "indexing": (
        lambda x: cr.take(x, np.array([2, 0, 2, 1]), axis=1) ** 3 * x[:, ::-1][:, :1],
        lambda x: x[:, [2, 0, 2, 1]] ** 3 * x.flip(1)[:, :1],
    ),
    "einsum": (
        lambda x: cr.einsum("bi,bj,ck->ijk", x, cr.cos(x), x),
        lambda x: torch.einsum("bi,bj,ck->ijk", x, torch.cos(x), x),
    ),
    "padding": (
        lambda x: cr.pad(x, ((1, 0), (0, 2)), constant_values=1.0)[1:, 1:] ** 2 @ V,
        lambda x: (
            torch.nn.functional.pad(x, (0, 2, 1, 0), value=1.0)[1:, 1:] ** 2 @ torch.tensor(V)
        ),
    ),
    "choice": (
        lambda x: cr.where(x > 0, cr.sqrt(1 + x * x), x**3),
        lambda x: torch.where(x > 0, torch.sqrt(1 + x * x), x**3),
    ),
    "triangle": (
        lambda x: cr.tril(x.T @ x) * cr.sigmoid(x[0]),
        lambda x: torch.tril(x.T @ x) * torch.sigmoid(x[0]),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_as_torch(name: str) -> None:
    ours, theirs = FUNCTIONS[name]
    rng = np.random.default_rng(2)
    point, tangent = rng.uniform(0.2, 1.2, (2, 3)), rng.normal(size=(2, 3))
    x, t = cr.tensor("x", (None, 3), "float64"), cr.tensor("t", (None, 3), "float64")
    y = ours(x)
    loss = cr.sum(cr.cos(y) * y)
    outputs = [
        cr.jacobian(y, x),
        cr.jvp(y, x, t),
        cr.hessian(loss, x),
        cr.hvp(loss, x, t),
        cr.hessian_diagonal(loss, x),
        cr.laplacian(loss, x),
        cr.grad(cr.vector_norm(cr.grad(loss, x)), x),
    ]
    found = cr.function([x, t], outputs, "numpy")(point, tangent)

    def number(x: Any) -> Any:
        return torch.sum(torch.cos(theirs(x)) * theirs(x))

    a, v = torch.tensor(point), torch.tensor(tangent)
    functional = torch.autograd.functional
    hessian = functional.hessian(number, a)
    flat = hessian.reshape(6, 6)
    a.requires_grad_()
    (slope,) = torch.autograd.grad(number(a), a, create_graph=True)
    (steepest,) = torch.autograd.grad(torch.linalg.vector_norm(slope), a)
    expected = [
        functional.jacobian(theirs, a),
        functional.jvp(theirs, a, v)[1],
        hessian,
        functional.hvp(number, a, v)[1],
        torch.diag(flat).reshape(2, 3),
        torch.trace(flat),
        steepest,
    ]
    for mine, its in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, its.numpy(), rtol=1e-10, atol=1e-10)
