"""Terms that layers add to the loss: trained on, reported, kept in files, on both targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, UsageError

RANDOM = np.random.default_rng(3)
X, T = RANDOM.normal(size=(22, 4)), RANDOM.normal(size=(22, 2))


class Activity(cr.BaseLayer):
    """Adds `scale` times the squares of what goes in, which it hands on."""

    def __init__(self, scale: float = 0.1, each: bool = True) -> None:
        super().__init__()
        self.scale, self.each = scale, each

    def describe(self) -> str:
        return f"Activity({self.scale})"

    def apply(self, *inputs: cr.Tensor) -> cr.Tensor:
        (x,) = inputs
        squares = self.scale * cr.sum(x**2, axis=-1)
        self.add_loss(squares if self.each else cr.mean(squares))
        return x


def build(*layers: cr.BaseLayer, target: str = "numpy") -> tuple[cr.Model, cr.Model]:
    """A model whose hidden layer goes through the layers, and one that gives what they see."""
    x = cr.Input((4,), dtype="float64")
    h = y = cr.Dense(3, activation="tanh")(x)
    for layer in layers:
        y = layer(y)
    model = cr.Model(x, cr.Dense(2)(y), seed=2)
    model.compile("mse", cr.SGD(0.1), target=target)
    return model, cr.Model(x, h)


def expected(model: cr.Model, hidden: cr.Model, scale: float) -> float:
    hidden.set_weights(model.get_weights()[:2])
    squares = np.sum(hidden.predict(X) ** 2, axis=-1)
    return float(np.mean((model.predict(X) - T) ** 2) + scale * np.mean(squares))


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_it_is_part_of_the_loss_and_of_its_gradient(target: str) -> None:
    """A step of descent goes along the slope that differences of the sum have."""
    model, hidden = build(Activity(), target=target)
    loss = expected(model, hidden, 0.1)
    assert model.evaluate(X, T, verbose=0)["loss"] == pytest.approx(loss, rel=1e-12)
    before, h, slope = model.get_weights(), 1e-6, np.zeros(4)
    for i in range(4):
        for sign in (1, -1):
            model.set_weights(before)
            model.parameters["W1"][i, 1] += sign * h
            slope[i] += sign * expected(model, hidden, 0.1) / (2 * h)
    model.set_weights(before)
    assert model.train_on_batch(X, T)["loss"] == pytest.approx(loss, rel=1e-12)
    step = model.get_weights()[0] - before[0]
    np.testing.assert_allclose(step[:, 1], -0.1 * slope, rtol=1e-7)


@pytest.mark.parametrize(
    ("layers", "scale"),
    [
        ([Activity(each=False)], 0.1),
        ([Activity(0.1), Activity(0.1)], 0.2),
        ([shared := Activity(0.3), shared], 0.3),
        ([Activity(0.1), cr.Dropout(0.0), Activity(0.4)], 0.5),
    ],
    ids=["one number", "two layers alike", "the same call twice", "two layers"],
)
def test_every_call_adds_its_term(layers: list[cr.BaseLayer], scale: float) -> None:
    model, hidden = build(*layers)
    assert model.evaluate(X, T, verbose=0)["loss"] == pytest.approx(expected(model, hidden, scale))


def test_a_smaller_last_batch_counts_by_its_rows() -> None:
    model, hidden = build(Activity())
    assert model.evaluate(X, T, batch_size=8, verbose=0)["loss"] == pytest.approx(
        expected(model, hidden, 0.1), rel=1e-12
    )


def test_it_is_in_files_and_in_formulas(tmp_path: Path) -> None:
    model, hidden = build(Activity())
    assert "dL/dh1 = 0.2 h1 / batch + dL/dy W2ᵀ" in str(model.gradients())
    model.save(tmp_path / "model")
    loaded = cr.load_model(tmp_path / "model")
    assert loaded.evaluate(X, T, verbose=0)["loss"] == pytest.approx(expected(model, hidden, 0.1))
    for m in (model, loaded):
        m.fit(X, T, epochs=2, seed=0, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Wrong(Activity):
    """Adds what it is given to add."""

    def __init__(self, term: Any) -> None:
        super().__init__()
        self.term = term

    def apply(self, *inputs: cr.Tensor) -> cr.Tensor:
        self.add_loss(self.term)
        return inputs[0]


@pytest.mark.parametrize(
    ("term", "kind", "part"),
    [
        (1.0, UsageError, "add_loss of float"),
        (np.ones(3), UsageError, "add_loss of ndarray"),
        (cr.argmax(cr.Input((3,)), axis=-1), DTypeError, "i64[batch]"),
        (cr.sum(cr.Input((3,), name="other")), UsageError, "needs other"),
    ],
)
def test_what_is_no_term(term: Any, kind: type[ChainruleError], part: str) -> None:
    with pytest.raises(kind) as caught:
        build(Wrong(term))
    assert part in str(caught.value)
    assert str(caught.value).startswith("test_added_losses.py:")


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_a_model_that_is_compared_with_nothing(target: str, tmp_path: Path) -> None:
    """Its loss is what its layers add, and no targets are given."""
    model, _ = build(Activity(), target=target)
    model.compile(None, cr.SGD(0.1), target=target)
    seen = model.predict(X)
    losses = model.fit(X, epochs=3, seed=0, verbose=0, validation_data=(X[:7], None)).history
    assert losses["loss"][0] > losses["loss"][-1] > 0
    assert losses["val_loss"][0] > losses["val_loss"][-1]
    assert np.any(model.predict(X) != seen)
    model.save(tmp_path / "model")
    loaded = cr.load_model(tmp_path / "model")
    assert loaded.evaluate(X, verbose=0) == model.evaluate(X, verbose=0)


@pytest.mark.parametrize("losses", [["mse", None], {"y1": "mse", "code": None}])
def test_an_output_without_a_loss(losses: Any, tmp_path: Path) -> None:
    """Is only predicted: training is that of the model without it, and takes no target for it."""
    x = cr.Input((4,), dtype="float64")
    h = cr.Dense(3, activation="tanh", name="code")(x)
    y = cr.Dense(2)(h)
    both, alone = cr.Model(x, [y, h], seed=0), cr.Model(x, y, seed=0)
    both.compile(losses, cr.SGD(0.1), {"y1": ["mae"]}, target="numpy")
    alone.compile("mse", cr.SGD(0.1), ["mae"], target="numpy")
    first = both.fit(X, T, epochs=2, seed=0, verbose=0).history
    second = alone.fit(X, T, epochs=2, seed=0, verbose=0).history
    assert first["loss"] == second["loss"] == first["y1_loss"]
    assert first["y1_mean_absolute_error"] == second["mean_absolute_error"]
    assert both.predict(X)[1].shape == (22, 3)
    both.save(tmp_path / "model")
    loaded = cr.load_model(tmp_path / "model")
    assert loaded.evaluate(X, T, verbose=0) == both.evaluate(X, T, verbose=0)


def test_errors_of_outputs_without_a_loss() -> None:
    x = cr.Input((4,))
    h = cr.Dense(3, name="code")(x)
    model = cr.Model(x, [cr.Dense(2)(h), h])
    with pytest.raises(UsageError, match="a metric of code, which has no loss"):
        model.compile(["mse", None], metrics=["mae"])
    with pytest.raises(UsageError, match="compile without loss"):
        model.compile([None, None])


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_a_loss_may_ignore_an_output_that_is_a_derivative(target: str) -> None:
    """Nothing reads the output then, and its gradients are never taken."""
    x = cr.Input((4,), dtype="float64")
    slope = cr.grad(cr.sum(cr.Dense(3, activation="tanh")(x) ** 2), x)
    model = cr.Model(x, cr.Dense(2)(slope), seed=0)
    model.compile(cr.loss(lambda t, y: cr.mean(t**2), name="aside"), "sgd", target=target)
    before = model.get_weights()
    assert model.train_on_batch(X, T)["loss"] == pytest.approx(np.mean(T**2), rel=1e-12)
    assert all(map(np.array_equal, before, model.get_weights()))
