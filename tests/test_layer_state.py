"""Models whose layers keep state, draw noise or attend: training, files, both targets alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import IndexOutOfRange

RANDOM = np.random.default_rng(8)
X, T = RANDOM.normal(size=(22, 6, 4)), RANDOM.normal(size=(22, 6, 2))


def normalized(dtype: str = "float64") -> cr.Model:
    """Every layer of normalization and noise, one after the other."""
    x = cr.Input((6, 4), dtype=dtype)
    h = cr.BatchNormalization(momentum=0.9)(cr.Dense(8, use_bias=False)(x))
    h = cr.SpatialDropout1D(0.2)(cr.GaussianNoise(0.1)(h))
    h = cr.AlphaDropout(0.1)(cr.GroupNormalization(4)(h))
    h = cr.Add()([h, cr.SinePositionEncoding()(h)])
    h = cr.GaussianDropout(0.1)(cr.RMSNormalization()(h))
    return cr.Model(x, cr.Dense(2)(cr.InstanceNormalization()(h)), seed=3)


def gpt(dtype: str = "float64") -> cr.Model:
    """A block of a character GPT, small."""
    x = cr.Input((8,), dtype="int32")
    e = cr.Embedding(11, 12, dtype=dtype)(x)
    h = cr.Add()([e, cr.PositionEmbedding(8)(e)])
    a = cr.MultiHeadAttention(3, 4, dropout=0.1)(cr.LayerNormalization()(h), use_causal_mask=True)
    h = cr.Add()([h, a])
    m = cr.Dense(12)(cr.Dense(24, activation="gelu")(cr.LayerNormalization()(h)))
    h = cr.Add()([h, m])
    return cr.Model(x, cr.Dense(11)(cr.LayerNormalization()(h)), seed=4)


def trained(model: cr.Model, x: Any, t: Any, loss: str, target: str, epochs: int = 2) -> cr.Model:
    model.compile(loss, cr.SGD(0.05), target=target)
    model.fit(x, t, batch_size=8, epochs=epochs, verbose=0, seed=1)
    return model


def losses(model: cr.Model) -> list[float]:
    assert model.history is not None
    return model.history.history["loss"]


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-12), ("float32", 2e-5)])
def test_targets_train_alike_with_a_smaller_last_batch(dtype: str, error: float) -> None:
    models = [trained(normalized(dtype), X, T, "mse", target) for target in ("numpy", "cpu")]
    for a, b in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=error, atol=error)
    left, right = (losses(m) for m in models)
    np.testing.assert_allclose(left, right, rtol=error)
    left, right = (m.predict(X) for m in models)
    np.testing.assert_allclose(left, right, rtol=error * 10, atol=error * 10)


def test_a_block_of_a_character_gpt_trains_alike_on_both_targets() -> None:
    x = RANDOM.integers(0, 11, (20, 8))
    t = np.roll(x, -1, axis=1)
    loss = "sparse_categorical_crossentropy_from_logits"
    models = [trained(gpt(), x, t, loss, target) for target in ("numpy", "cpu")]
    left, right = (losses(m) for m in models)
    np.testing.assert_allclose(left, right, rtol=1e-12)
    assert left[1] < left[0]
    wrong = x.copy()
    wrong[3, 2] = 11
    for model in models:
        with pytest.raises(IndexOutOfRange):
            model.train_on_batch(wrong, t)


def test_state_is_saved_kept_by_compile_and_no_parameter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained(normalized(), X, T, "mse", "numpy")
    moved = {name: array.copy() for name, array in model.state.items()}
    assert list(moved) == ["moving_mean2", "moving_variance2"]
    assert (moved["moving_mean2"] != 0).all()
    assert (moved["moving_variance2"] != 1).all()
    assert not set(moved) & {*model.parameters, *model.settings}
    assert not any("moving" in line for line in str(model.gradients()).splitlines())
    model.save(tmp_path / "model")
    again = cr.load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    for other in (again, model):
        other.fit(X, T, batch_size=8, verbose=0, seed=2)
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.summary()
    assert "not trained: 16 (moving_mean2, moving_variance2)" in capsys.readouterr().out
    before = model.predict(X)
    model.compile("mse", "adam", target="numpy")
    np.testing.assert_array_equal(model.predict(X), before)


def test_weights_that_are_put_back_include_the_running_statistics() -> None:
    model = trained(normalized(), X, T, "mse", "numpy")
    weights, before = model.get_weights(), model.predict(X)
    model.fit(X, T, batch_size=8, verbose=0, seed=2)
    assert (model.predict(X) != before).any()
    model.set_weights(weights)
    np.testing.assert_array_equal(model.predict(X), before)


def test_evaluation_depends_on_no_other_sample_and_changes_nothing() -> None:
    model = trained(normalized(), X, T, "mse", "numpy", epochs=1)
    state = [array.copy() for array in model.state.values()]
    whole = model.predict(X)
    np.testing.assert_allclose(model.predict(X[:1]), whole[:1], rtol=1e-13)
    model.evaluate(X, T, batch_size=5, verbose=0)
    for a, b in zip(state, model.state.values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_of_one_sample_trains() -> None:
    model = cr.Sequential([cr.Input((3,), dtype="float64"), cr.BatchNormalization(), cr.Dense(1)])
    model.compile("mse", cr.SGD(0.1), target="numpy")
    assert np.isfinite(model.train_on_batch(np.ones((1, 3)), np.ones((1, 1)))["loss"])
    # The mean of one sample is the sample, so only the bias of the last layer learns.
    np.testing.assert_array_equal(model.parameters["gamma1"], np.ones(3))
    np.testing.assert_allclose(model.state["moving_mean1"], 0.01)
