"""How derivatives fit together, at random points and along random directions, on both targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import chainrule as cr

W = np.random.default_rng(0).normal(size=(3, 4))
FUNCTIONS: tuple[Callable[[cr.Tensor], cr.Tensor], ...] = (
    lambda x: cr.tanh(x @ W),
    lambda x: cr.softmax(x @ W, axis=1) * x[:, :1],
    lambda x: cr.logsumexp(x, axis=1) * cr.prod(x, axis=1),
    lambda x: cr.where(x > 0.5, cr.sin(x) * x[:, ::-1], x**3),
    lambda x: cr.vector_norm(1 + cr.exp(x), axis=1) * cr.cumulative_sum(x, axis=1)[:, -1],
    lambda x: cr.take(cr.softplus(x), np.array([0, 2, 2]), axis=1) / (1 + cr.mean(x**2)),
)
# Compiling for the cpu takes its time: half of them there.
CHOSEN = {"numpy": FUNCTIONS, "cpu": FUNCTIONS[::2]}


@cache
def compiled(target: str) -> Any:
    """All derivatives of several functions as one program."""
    x, t = cr.tensor("x", (None, 3), "float64"), cr.tensor("t", (None, 3), "float64")
    outputs: list[cr.Tensor] = []
    for function in CHOSEN[target]:
        y = function(x)
        loss = cr.sum(cr.cos(y) + y)
        outputs += [
            y,
            cr.jacobian(y, x),
            cr.jvp(y, x, t),
            cr.hessian(loss, x),
            cr.hvp(loss, x, t),
            cr.hessian_diagonal(loss, x),
            cr.laplacian(loss, x),
            cr.gauss_newton_vp(loss, y, x, t),
            cr.taylor(loss, x, 2, direction=t),
        ]
    return cr.function([x, t], outputs, target)


@pytest.mark.parametrize("target", CHOSEN)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.integers(1, 4), seed=st.integers(0, 2**32 - 1), scale=st.sampled_from((0.1, 1.0, 2.0))
)
def test_derivatives_fit_together(target: str, rows: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    point, t = rng.normal(size=(rows, 3)) * scale, rng.normal(size=(rows, 3))
    found = compiled(target)(point, t)
    for i in range(len(CHOSEN[target])):
        y, jacobian, jvp, hessian, hvp, diagonal, laplacian, gauss_newton, series = found[
            9 * i : 9 * i + 9
        ]
        n = point.size
        j, h, v = jacobian.reshape(y.size, n), hessian.reshape(n, n), t.ravel()
        size = 1 + np.abs(h).max()
        near = {"rtol": 1e-10, "atol": 1e-11 * size}
        np.testing.assert_allclose(jvp.ravel(), j @ v, **near)
        np.testing.assert_allclose(hvp.ravel(), h @ v, **near)
        np.testing.assert_allclose(h, h.T, **near)
        np.testing.assert_allclose(diagonal.ravel(), np.diag(h), **near)
        np.testing.assert_allclose(laplacian, np.trace(h), **near)
        # The loss is cos(y) + y, element by element: its Hessian for y is -cos(y).
        curved = j.T @ (-np.cos(y.ravel()) * (j @ v))
        np.testing.assert_allclose(gauss_newton.ravel(), curved, rtol=1e-10, atol=1e-10 * size)
        np.testing.assert_allclose(2 * series[2], v @ h @ v, rtol=1e-9, atol=1e-10 * size)
