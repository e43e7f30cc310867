"""Several inputs, outputs, losses and metrics, by name and in order."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr

Array = np.ndarray[Any, Any]


@pytest.fixture
def rows() -> tuple[dict[str, Array], dict[str, Array]]:
    """The class of a point depends on one input, a number on both."""
    random = np.random.default_rng(0)
    left = random.standard_normal((400, 2)).astype(np.float32)
    right = random.standard_normal((400, 3)).astype(np.float32)
    label = (left[:, 0] > 0).astype(np.int64) + (left[:, 1] > 0)
    value = left[:, :1] * right[:, :1]
    return {"left": left, "right": right}, {"y1": label, "y2": value}


def build(loss_weights: Any = (1.0, 2.0), target: str = "cpu") -> cr.Model:
    left, right = cr.Input((2,), name="left"), cr.Input((3,), name="right")
    shared = cr.Dense(32, activation="tanh")(cr.Concatenate()([left, right]))
    kind = cr.Dense(3)(cr.Dense(16, activation="relu")(shared))
    amount = cr.Dense(1)(cr.Dense(16, activation="relu")(shared))
    model = cr.Model([left, right], [kind, amount], seed=1)
    losses = {"y1": "sparse_categorical_crossentropy_from_logits", "y2": "mse"}
    model.compile(
        losses,
        cr.Adam(1e-2),
        metrics={"y1": ["accuracy"], "y2": ["mae", "rmse"]},
        loss_weights=loss_weights,
        target=target,
    )
    return model


def test_both_are_learned(rows: tuple[dict[str, Array], dict[str, Array]]) -> None:
    x, y = rows
    model = build({"y1": 1.0, "y2": 2.0})
    history = model.fit(x, y, epochs=100, validation_split=0.2, seed=0, verbose=0).history
    assert list(history) == [
        prefix + name
        for prefix in ("", "val_")
        for name in (
            "loss", "y1_loss", "y1_accuracy",
            "y2_loss", "y2_mean_absolute_error", "y2_root_mean_squared_error",
        )
    ]  # fmt: skip
    for prefix in ("", "val_"):
        total = np.add(history[f"{prefix}y1_loss"], np.multiply(2, history[f"{prefix}y2_loss"]))
        np.testing.assert_allclose(history[f"{prefix}loss"], total, rtol=1e-5)
        np.testing.assert_allclose(
            history[f"{prefix}y2_root_mean_squared_error"],
            np.sqrt(history[f"{prefix}y2_loss"]),
            rtol=1e-5,
        )
    assert history["val_y1_accuracy"][-1] > 0.9
    assert history["val_y2_loss"][-1] < 0.2 * float(np.var(y["y2"]))


def test_names_and_order_are_the_same(rows: tuple[dict[str, Array], dict[str, Array]]) -> None:
    x, y = rows
    by_name, in_order = build(), build()
    by_name.fit(x, y, epochs=2, seed=0, verbose=0)
    in_order.fit([x["left"], x["right"]], (y["y1"], y["y2"]), epochs=2, seed=0, verbose=0)
    for a, b in zip(by_name.get_weights(), in_order.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kinds, amounts = by_name.predict(x)
    assert kinds.shape == (400, 3)
    assert amounts.shape == (400, 1)
    scores = by_name.evaluate(x, y, verbose=0)
    right = kinds.argmax(axis=1) == y["y1"]
    assert scores["y1_accuracy"] == pytest.approx(np.mean(right), rel=1e-6)
    assert scores["y2_loss"] == pytest.approx(np.mean((amounts - y["y2"]) ** 2), rel=1e-5)


def test_an_output_of_weight_zero_is_not_learned(
    rows: tuple[dict[str, Array], dict[str, Array]],
) -> None:
    x, y = rows
    model = build([1.0, 0.0], "numpy")
    before = model.get_weights()
    history = model.fit(x, y, epochs=1, seed=0, verbose=0).history
    assert history["loss"][0] == pytest.approx(history["y1_loss"][0], rel=1e-6)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    names = list(model.parameters)
    assert names == ["W1", "b1", "W2", "b2", "W3", "b3", "W4", "b4", "W5", "b5"][: len(names)]
    assert changed == [True] * 6 + [False] * 4


def test_outputs_are_called_as_their_layers() -> None:
    x = cr.Input((2,))
    h = cr.Dense(3, activation="tanh")(x)
    outputs = [cr.Dense(1, name="size")(h), cr.Dense(2)(h), cr.Dense(3, name="kind")(h)]
    model = cr.Model(x, outputs)
    losses = {"size": "mse", "y2": "mse", "kind": "sparse_categorical_crossentropy_from_logits"}
    model.compile(losses, "sgd", metrics={"kind": "accuracy"}, target="numpy")
    data = np.ones((8, 2), np.float32), {
        "size": np.ones(8), "y2": np.ones((8, 2)), "kind": np.arange(8) % 3,
    }  # fmt: skip
    assert {"size_loss", "y2_loss", "kind_loss", "kind_accuracy"} < set(model.evaluate(*data))
    assert "dL/dkind " in str(model.gradients())
