"""The Gaussian process of the example: scikit-learn's likelihood and gradient, and it learns."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

gaussian_process = pytest.importorskip("sklearn.gaussian_process")


def test_example(example: Callable[[str], ModuleType]) -> None:
    gp = example("gaussian_process")
    kernels = gaussian_process.kernels
    random = np.random.default_rng(1)
    theta = np.concatenate([random.normal(size=2) * 0.3, random.normal(size=10) + 1])
    kernel = kernels.ConstantKernel(np.exp(2 * theta[0])) * kernels.RBF(np.exp(theta[2:]))
    kernel += kernels.WhiteKernel(np.exp(2 * theta[1]))
    reference = gaussian_process.GaussianProcessRegressor(kernel, optimizer=None, alpha=0)
    x, y = gp.x[gp.train], gp.y[gp.train]
    reference.fit(x, y)
    value, slope = reference.log_marginal_likelihood(kernel.theta, eval_gradient=True)
    got, gradient = gp.value_and_gradient(theta)
    assert got == pytest.approx(-value, rel=1e-10)
    # Its parameters are the logarithms of amplitude^2, length scales, noise^2.
    expected = np.concatenate([2 * slope[:1], 2 * slope[-1:], slope[1:-1]])
    np.testing.assert_allclose(gradient, -expected, rtol=1e-8, atol=1e-8)
    new = gp.x[gp.test]
    np.testing.assert_allclose(gp.predict(x, y, theta, new), reference.predict(new), rtol=1e-8)

    found = gp.fit()
    assert found.fun < 370  # at the start it is 417
    error = gp.predict(x, y, found.x, new) - gp.y[gp.test]
    assert np.sqrt(np.mean(error**2)) < 0.72  # deviations; guessing the mean gives 1
