"""Poisson regression: scikit-learn's coefficients, by its formula and by training neurons."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

linear_model = pytest.importorskip("sklearn.linear_model")


def test_example(example: Callable[[str], ModuleType]) -> None:
    module = example("poisson_regression")
    expected = [
        linear_model.PoissonRegressor(
            alpha=module.ALPHA, solver="newton-cholesky", tol=1e-13, max_iter=1000
        ).fit(module.x, counts)
        for counts in module.y.T
    ]
    for coefficients, intercepts in (module.minimized(), module.trained()):
        for k, one in enumerate(expected):
            assert np.abs(coefficients[:, k] - one.coef_).max() < 1e-6
            assert abs(intercepts[k] - one.intercept_) < 1e-6
    assert "dL/db1 = sum_batch (y - t) / batch" in str(module.model.gradients())


def test_the_loss_is_half_of_the_deviance(example: Callable[[str], ModuleType]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    module = example("poisson_regression")
    counts, means = module.y.copy(), np.full(module.y.shape, 7.5)
    counts[3, 1] = 0
    value = module.half_deviance(counts, means)
    deviance = [metrics.mean_poisson_deviance(c, m) for c, m in zip(counts, means, strict=True)]
    np.testing.assert_allclose(value, 0.5 * 3 * np.array(deviance), rtol=1e-12)
