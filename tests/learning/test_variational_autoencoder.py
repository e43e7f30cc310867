"""The variational autoencoder of the example: its bound, and digits that nobody wrote."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import chainrule as cr


def test_example(example: Callable[[str], ModuleType]) -> None:
    """Far better than pixels that are independent; what it imagines is near to what was written."""
    module = example("variational_autoencoder")
    x, x_test = module.black_and_white()
    yardstick = module.pixel_by_pixel(x, x_test)
    assert yardstick == pytest.approx(24.43, abs=0.01)

    def distance(images: np.ndarray) -> float:
        return float(np.mean(np.min(np.abs(images[:, None] - x).sum(axis=-1), axis=1)))

    noise = np.random.default_rng(0).random((200, 64)) < x.mean(axis=0)
    assert distance(noise) > 7.5
    for seed in range(3):
        model, decoder = module.network(seed)
        module.train(model, decoder, x, epochs=60, seed=seed, verbose=0)
        assert model.evaluate(x_test, x_test, verbose=0)["loss"] < 19.5, seed
        imagined = module.imagine(decoder, 200, seed)
        assert distance(imagined > 0.5) < 4, seed


def test_the_layer_adds_the_divergence_of_its_cloud(example: Callable[[str], ModuleType]) -> None:
    module = example("variational_autoencoder")
    mean, logvar = cr.Input((2,), dtype="float64"), cr.Input((2,), dtype="float64")
    z = module.Sampling()([mean, logvar])
    model = cr.Model([mean, logvar], cr.Dense(1, kernel_initializer="zeros")(z))
    model.compile("mse", target="numpy")
    m, s = np.array([[0.3, -1.0]]), np.array([[0.5, 1.7]])
    at = np.linspace(-20, 20, 200_001)[:, None]
    q = np.exp(-0.5 * ((at - m) / s) ** 2) / s
    log_ratio = -0.5 * ((at - m) / s) ** 2 - np.log(s) + 0.5 * at**2
    expected = np.sum(np.sum(q * log_ratio, axis=0) / np.sum(q, axis=0))
    found = model.evaluate([m, 2 * np.log(s)], np.zeros((1, 1)), verbose=0)["loss"]
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_picture(example: Callable[[str], ModuleType], tmp_path: Path) -> None:
    pyplot = pytest.importorskip("matplotlib.image")
    module = example("variational_autoencoder")
    images = np.zeros((40, 64))
    images[21] = 1
    module.picture(images, tmp_path / "digits.png")
    seen = pyplot.imread(tmp_path / "digits.png")[..., 0]
    assert seen.shape == (80, 800)
    assert np.all(seen[44:76, 44:76] == 0)
    assert seen.sum() == seen.size - 32 * 32
