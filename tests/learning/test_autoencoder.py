"""The autoencoder of the example: half the error of as many principal components."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest


def test_example(example: Callable[[str], ModuleType]) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    module = example("autoencoder")
    linear = module.principal_components()
    reference = decomposition.PCA(module.CODE).fit(module.x)
    drawn = reference.inverse_transform(reference.transform(module.x_test))
    assert linear == pytest.approx(np.mean((drawn - module.x_test) ** 2), rel=1e-3)
    for seed in range(3):
        model, _ = module.network(seed)
        assert module.train(model, seed, verbose=0) < 0.55 * linear, seed
