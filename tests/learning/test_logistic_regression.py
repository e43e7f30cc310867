"""Logistic regression with an L2 penalty: scikit-learn's coefficients, both run to convergence."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr

linear_model = pytest.importorskip("sklearn.linear_model")
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def data() -> tuple[Array, Array]:
    (x, y), _ = cr.datasets.breast_cancer(dtype=np.float64)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def reference(x: Array, y: Array, c: float) -> Array:
    """Coefficients, then the intercept. Newton's method: it converges to the last digits."""
    found = linear_model.LogisticRegression(
        C=c, solver="newton-cholesky", tol=1e-13, max_iter=1000
    ).fit(x, y)
    return np.append(found.coef_[0], found.intercept_)


@pytest.mark.parametrize("target", ["cpu", "numpy"])
@pytest.mark.parametrize("c", [0.1, 1.0])
def test_model(data: tuple[Array, Array], c: float, target: str) -> None:
    x, y = data
    n = len(x)
    # scikit-learn minimizes the sum of the losses plus |w|^2 / (2 C); fit minimizes the mean.
    penalty = cr.L2(1 / (2 * c * n))
    # Nesterov's method: step 1 / L, momentum (1 - r) / (1 + r) with r^2 = mu / L, where the
    # objective's curvature is between mu = 1 / (C n), of the penalty, and L.
    mu = 1 / (c * n)
    largest = float(np.linalg.eigvalsh(np.c_[x, np.ones(n)].T @ np.c_[x, np.ones(n)])[-1]) / 4 / n
    r = np.sqrt(mu / (largest + mu))
    model = cr.Sequential(
        [
            cr.Input((30,), dtype="float64"),
            cr.Dense(1, kernel_initializer="zeros", kernel_regularizer=penalty),
        ]
    )
    model.compile(
        loss="binary_crossentropy_from_logits",
        optimizer=cr.SGD(1 / (largest + mu), momentum=(1 - r) / (1 + r), nesterov=True),
        metrics=["accuracy"],
        target=target,
    )
    history = model.fit(x, y, epochs=int(25 / r), batch_size=n, seed=0, verbose=0)
    w, b = model.get_weights()
    assert np.abs(np.append(w[:, 0], b) - reference(x, y, c)).max() < 1e-6
    # What it reports is scikit-learn's objective, of one sample.
    z = x @ w[:, 0] + b
    objective = np.logaddexp(0, -(2 * y - 1) * z).mean() + penalty_of(w, c, n)
    assert history.history["loss"][-1] == pytest.approx(objective, rel=1e-12)
    assert history.history["accuracy"][-1] == np.mean((z > 0) == y)


def penalty_of(w: Array, c: float, n: int) -> float:
    return float((w**2).sum()) / (2 * c * n)


def test_settings_lower_the_rate_between_two_fits(data: tuple[Array, Array]) -> None:
    """Adam at a fixed rate circles the minimum; a rate that falls, set at run time, ends in it."""
    x, y = data
    n = len(x)
    model = cr.Sequential(
        [cr.Input((30,), dtype="float64"), cr.Dense(1, kernel_regularizer=cr.L2(1 / (0.2 * n)))]
    )
    model.compile("binary_crossentropy_from_logits", cr.Adam(0.1))
    for _ in range(60):
        model.fit(x, y, epochs=100, batch_size=n, seed=0, verbose=0)
        model.settings["learning_rate"][...] *= 0.75
    w, b = model.get_weights()
    assert np.abs(np.append(w[:, 0], b) - reference(x, y, 0.1)).max() < 1e-6


def test_example(example: Callable[[str], ModuleType]) -> None:
    from scipy.optimize import minimize

    module = example("logistic_regression")
    found = minimize(
        module.value_and_gradient,
        np.zeros(31),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000},
    )
    assert np.abs(found.x - reference(module.x, module.y, 1.0)).max() < 1e-6
