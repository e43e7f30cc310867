"""The mixture of the example: as good as scikit-learn's, by gradient alone."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

mixture = pytest.importorskip("sklearn.mixture")


def test_example(example: Callable[[str], ModuleType]) -> None:
    module = example("mixture")
    found = module.fit()
    reference = mixture.GaussianMixture(
        3, reg_covar=0, tol=1e-12, max_iter=5000, n_init=3, random_state=0
    ).fit(module.x)
    assert -found.fun == pytest.approx(reference.score(module.x), abs=1e-6)
    weights, means, covariances = module.parts(found.x)
    ours, theirs = np.argsort(weights), np.argsort(reference.weights_)
    np.testing.assert_allclose(weights[ours], reference.weights_[theirs], atol=1e-3)
    np.testing.assert_allclose(means[ours], reference.means_[theirs], atol=1e-2)
    np.testing.assert_allclose(covariances[ours], reference.covariances_[theirs], atol=1e-2)
    assert module.agreement(found.x) == pytest.approx(0.967, abs=0.002)
