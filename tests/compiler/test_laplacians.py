"""Laplacians forwards: what is followed, what is not, and what comes out, against the Hessian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import leaf, walk
from chainrule.compiler.laplacians import laplacian
from chainrule.compiler.types import TensorType

Formula = Callable[[cr.Tensor], cr.Tensor]

RANDOM = np.random.default_rng(0)
W = RANDOM.normal(size=(3, 4))
V = RANDOM.normal(size=(4,))
POINTS = RANDOM.uniform(0.3, 0.9, size=(5, 3))


def network(x: cr.Tensor) -> cr.Tensor:
    return cr.sum(V * cr.tanh(cr.tanh(x @ W) @ W.T @ W), axis=-1)


# Of one sample: elementwise functions of one and of two operands, whose axes differ; linear ops
# that move, repeat and add up elements; products of two that depend on x; choices.
FOLLOWED: dict[str, Formula] = {
    "network": network,
    "square": lambda x: cr.sum(x**2, axis=-1),
    "two operands": lambda x: cr.sum(cr.exp(x) * cr.sin(x) * x, axis=-1),
    "a quotient": lambda x: cr.sum(cr.exp(x) / (1 + x**2), axis=-1),
    "a power of both": lambda x: cr.sum(x ** (2 * x), axis=-1),
    "axes that differ": lambda x: cr.sum(x * cr.sum(x, axis=-1, keepdims=True) ** 2, axis=-1),
    "a quotient of a sum": lambda x: cr.sum(
        cr.exp(x) / cr.sum(cr.exp(x), axis=-1, keepdims=True) * V[:3], axis=-1
    ),
    "columns that are alike": lambda x: cr.sum(((x[..., :1] ** 2 + V) @ W.T) ** 2, axis=-1),
    "a component": lambda x: cr.exp(x)[..., 1] * x[..., 0] ** 3,
    "reversed": lambda x: cr.sum(x * cr.flip(cr.sin(x), axis=-1), axis=-1),
    "side by side": lambda x: cr.sum(cr.concat([cr.sin(x), x**2], axis=-1) ** 2, axis=-1),
    "a choice": lambda x: cr.sum(cr.where(x > 0.6, x**3, cr.exp(x)), axis=-1),
    "a kink": lambda x: cr.sum(cr.relu(x - 0.5) ** 3, axis=-1),
    "the same for all": lambda x: cr.sum(cr.stop_gradient(cr.exp(x)) * x**2, axis=-1),
}
# Ops that are not followed: gradients of gradients take their place.
OTHERS: dict[str, Formula] = {
    "products of elements": lambda x: cr.prod(x, axis=-1) + cr.logsumexp(x, axis=-1),
    "the largest": lambda x: cr.max(x**2, axis=-1),
    "running sums": lambda x: cr.sum(cr.cumulative_prod(x, axis=-1), axis=-1),
}
PRODUCTS: dict[str, Formula] = {
    "a quadratic form": lambda x: cr.sum(x @ (W @ W.T) * x),
    "a product with itself": lambda x: (x**2) @ cr.sin(x),
    "a matrix of x": lambda x: cr.sum(cr.tanh(cr.einsum("i,j->ij", x, cr.exp(x)))),
    "a matrix times a vector": lambda x: cr.sum(
        cr.reshape(cr.concat([x, x**2]), (2, 3)) @ cr.sin(x)
    ),
}


def traced(formula: Formula, dtype: str = "float64") -> Any:
    """The trace of the Hessian at each point."""
    x = cr.tensor("x", (3,), dtype)
    hessian = cr.function([x], cr.hessian(formula(x), x), "numpy")
    return np.array([np.trace(hessian(row)) for row in POINTS])


@pytest.mark.parametrize("name", [*FOLLOWED, *OTHERS])
@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_of_samples(name: str, target: str) -> None:
    formula = (FOLLOWED | OTHERS)[name]
    x = cr.tensor("x", (None, 3), "float64")
    found = cr.function([x], cr.laplacian(formula(x), x), target)(POINTS)
    np.testing.assert_allclose(found, traced(formula), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [*FOLLOWED, *OTHERS, *PRODUCTS])
def test_of_one(name: str) -> None:
    formula = (FOLLOWED | OTHERS | PRODUCTS)[name]
    x = cr.tensor("x", (3,), "float64")
    f = cr.function([x], cr.laplacian(formula(x), x), "numpy")
    found = np.array([f(row) for row in POINTS])
    np.testing.assert_allclose(found, traced(formula), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [*FOLLOWED, *PRODUCTS, *OTHERS])
def test_what_is_followed(name: str) -> None:
    """Nothing is left to be differentiated, where every op can be followed."""
    x = cr.tensor("x", (3,), "float64")
    y = (FOLLOWED | OTHERS | PRODUCTS)[name](x)
    found = laplacian(y.node, x.node, lambda *_: None)
    assert any(node.op.name == "gradient" for node in walk([found])) == (name in OTHERS)


def test_the_gradient_of_a_laplacian() -> None:
    """What a physics-informed network needs, against differences."""
    x, w = cr.tensor("x", (None, 3), "float64"), cr.tensor("w", (3, 4), "float64")
    u = cr.sum(cr.tanh(cr.tanh(x @ w) @ W.T @ w), axis=1)
    loss = cr.mean((cr.laplacian(u, x) + cr.sum(x, axis=1)) ** 2)
    f = cr.function([x, w], [loss, cr.grad(loss, w)], "numpy")
    step = RANDOM.normal(size=W.shape)
    (high, _), (low, _) = f(POINTS, W + 1e-5 * step), f(POINTS, W - 1e-5 * step)
    np.testing.assert_allclose(np.sum(f(POINTS, W)[1] * step), (high - low) / 2e-5, rtol=1e-7)


def test_samples_have_two_axes() -> None:
    x = cr.tensor("x", (2, None, 3), "float64")
    found = cr.function([x], cr.laplacian(network(x), x), "numpy")
    both = np.stack([POINTS, POINTS[::-1]])
    expected = traced(network)
    np.testing.assert_allclose(found(both), [expected, expected[::-1]], rtol=1e-12)


def test_the_work_grows_with_the_directions_and_no_faster() -> None:
    """Products: one for the value; behind the first, one for all slopes and one for the sum."""
    x = leaf("x", TensorType("float64", (7, 3)), "placeholder")
    y = network(cr.Tensor(x))
    found = laplacian(y.node, x, lambda *_: None)
    products = [node for node in walk([found]) if node.op.name == "contract"]
    rows = [math.prod(n for n in node.shape[:-1] if isinstance(n, int)) for node in products]
    layers, directions = 3, 3
    assert sum(n // 7 for n in rows) == layers + (layers - 1) * (directions + 1)
