"""The same seed on the same machine gives the same weights, bit for bit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr

SCRIPT = """
import hashlib, sys
import numpy as np
import chainrule as cr

random = np.random.default_rng(0)
x, y = random.standard_normal((150, 6)).astype(np.float32), random.integers(0, 3, 150)
model = cr.Sequential([
    cr.Input((6,)), cr.Dense(16, activation="tanh"), cr.Dropout(0.3), cr.Dense(3),
])
model.compile("sparse_categorical_crossentropy_from_logits", cr.Adam(1e-2), ["accuracy"])
history = model.fit(
    x, y, epochs=3, batch_size=32, validation_split=0.1, seed=int(sys.argv[1]), verbose=0
)
digest = hashlib.sha256(repr(history.history).encode())
for array in model.get_weights():
    digest.update(array.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_across_processes_and_caches(script: Callable[..., str], tmp_path: Path) -> None:
    """Compiled now or loaded from the cache: the same bits; another seed: others."""
    first, second = tmp_path / "first", tmp_path / "second"
    cold = script(SCRIPT, first, "1")
    assert script(SCRIPT, first, "1") == cold
    assert script(SCRIPT, second, "1") == cold
    assert script(SCRIPT, second, "2") != cold


def build(seed: int | None = None, dropout: float = 0.3) -> cr.Model:
    layers = [cr.Dense(8, activation="relu"), cr.Dropout(dropout), cr.Dense(2)]
    model = cr.Sequential([cr.Input((4,)), *layers], seed=seed)
    model.compile("mse", "adam")
    return model


X = np.random.default_rng(1).standard_normal((100, 4)).astype(np.float32)
Y = np.random.default_rng(2).standard_normal((100, 2)).astype(np.float32)


def weights_after(model: cr.Model, **options: object) -> list[bytes]:
    model.fit(X, Y, verbose=0, **options)  # type: ignore[arg-type]
    return [array.tobytes() for array in model.get_weights()]


def test_the_seed_of_fit_draws_the_first_weights_too() -> None:
    assert weights_after(build(), seed=3) == weights_after(build(), seed=3)
    assert weights_after(build(), seed=3) != weights_after(build(), seed=4)


def test_the_seed_of_the_model_goes_before() -> None:
    first, other = build(seed=7), build(seed=8)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(first.get_weights(), build(seed=7).get_weights(), strict=True)
    )
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    assert weights_after(build(seed=7), seed=3) == weights_after(build(seed=7), seed=3)


def test_without_a_seed_two_runs_differ_and_can_be_repeated() -> None:
    model, other = build(), build()
    assert weights_after(model) != weights_after(other)
    assert model.history is not None
    again = build(seed=model.seed)
    assert weights_after(again, seed=model.history.params["seed"]) == [
        array.tobytes() for array in model.get_weights()
    ]


def test_epochs_may_be_trained_one_by_one() -> None:
    """The order of an epoch and its random numbers depend on seed and epoch alone."""
    at_once = weights_after(build(), epochs=3, seed=5)
    model = build()
    for epoch in range(3):
        weights = weights_after(model, epochs=epoch + 1, initial_epoch=epoch, seed=5)
    assert weights == at_once


def test_layers_do_not_share_their_first_weights() -> None:
    x = cr.Input((8,))
    model = cr.Model(x, cr.Dense(8)(cr.Dense(8)(x)), seed=0)
    first, _, second, _ = model.get_weights()
    assert not np.array_equal(first, second)
