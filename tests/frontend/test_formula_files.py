"""Formulas in files: they come back without Python, and what is no formula is refused."""

import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import (
    FileError,
    ShapeError,
    UnknownNameError,
)
from chainrule.compiler.ir import Node, evaluate, leaf
from chainrule.compiler.types import TensorType, symbol
from chainrule.frontend.formula import Formula, Optimizer, from_config
from chainrule.frontend.formulas.kinds import TABLES, table

Array = np.ndarray[Any, Any]
Value = Callable[..., Array]
BATCH = symbol("batch")


def back(formula: Formula, *types: TensorType) -> Any:
    """The formula as it comes back from a file."""
    return from_config(json.loads(json.dumps(formula.config(*types))))


@pytest.mark.parametrize("kind", TABLES)
def test_built_in_formulas_come_back(kind: str) -> None:
    for formula in table(kind).values():
        assert "graphs" not in formula.config()
        found = back(formula)
        assert found.builtin
        assert (found.function, found.settings) == (formula.function, formula.settings)


def test_settings_come_back() -> None:
    assert repr(back(cr.huber(delta=3))) == "huber(delta=3.0)"
    assert repr(back(cr.Adam(0.1, amsgrad=True, clipnorm=1))) == (
        "Adam(learning_rate=0.1, amsgrad=True, clipnorm=1.0)"
    )
    assert repr(back(cr.weighted_sum(b=2.0))) == "weighted_sum(b=Constant(value=2.0))"


def test_an_elementwise_activation_comes_back_for_all_shapes(value: Value) -> None:
    swish = cr.activation(lambda z, beta=1.0: z * cr.sigmoid(beta * z), name="swish")(beta=2.0)
    found = back(swish)
    for shape, dtype in (((), "float64"), ((2, 3), "float32"), ((None, 4), "float64")):
        t = cr.tensor("x", shape, dtype)
        assert found(t).node.op.name == "swish"
        x = np.ones(tuple(2 if size is None else size for size in shape), dtype)
        np.testing.assert_array_equal(value(found(t), x=x), value(swish(t), x=x))


def test_an_activation_that_reduces_comes_back_for_its_types(value: Value) -> None:
    centered = cr.activation(lambda x: x - cr.mean(x, axis=-1, keepdims=True), name="centered")
    found = back(centered, TensorType("float64", (BATCH, 3)))
    x = np.arange(6.0).reshape(2, 3)
    assert value(found(cr.tensor("x", (None, 3), "float64")), x=x).tolist() == [[-1, 0, 1]] * 2
    with pytest.raises(ShapeError, match=r"it was stored for f64\[batch, 3\]"):
        found(cr.tensor("x", (None, 4), "float64"))


def test_a_loss_comes_back(value: Value) -> None:
    @cr.loss(target="classes", from_logits=True)
    def picked(target: cr.Tensor, prediction: cr.Tensor, scale: float = 2.0) -> cr.Tensor:
        column = cr.expand_dims(target, axis=-1)
        return -scale * cr.squeeze(cr.take_along_axis(prediction, column, axis=-1), axis=-1)

    types = TensorType("int32", (BATCH,)), TensorType("float32", (BATCH, 3))
    found = back(picked(scale=3.0), *types)
    assert (found.target, found.from_logits, found.name) == ("classes", True, "picked")
    t, p = cr.tensor("t", (None,), "int32"), cr.tensor("p", (None, 3))
    labels, given = np.array([2, 0], "int32"), np.arange(6, dtype="float32").reshape(2, 3)
    assert value(found(t, p), t=labels, p=given).tolist() == [-6.0, -9.0]


def test_a_metric_comes_back_with_its_end() -> None:
    rms = cr.metric(
        lambda t, p: cr.mean((t - p) ** 2, axis=-1), name="rms", finish=lambda m: 10 * cr.sqrt(m)
    )
    found = back(rms, *[TensorType("float32", (BATCH, 3))] * 2)
    assert found.conclude(4.0) == 20.0


def test_a_neuron_comes_back() -> None:
    @cr.neuron
    def radial(x: cr.Tensor, c: cr.PerInput = "he_normal", gamma: cr.Scalar = 1.0) -> Any:
        return cr.exp(-gamma * cr.sum((x - c) ** 2))

    found = back(radial, TensorType("float64", (3,)))
    assert found.parameters == radial.parameters
    x, c = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])
    assert float(found(x, c, 0.5)) == float(radial(x, c, 0.5)) == pytest.approx(np.exp(-0.5))


def test_an_optimizer_comes_back_with_its_settings() -> None:
    @cr.optimizer
    def custom(  # type: ignore[no-untyped-def]
        p, g, t: cr.Step, v: cr.State = 0.5, k: cr.Scalar = 2.0, rate=0.01, nesterov=True
    ):
        v = 0.9 * v - rate * g / t
        return (p + 0.9 * v if nesterov else p + v), v, k * 2

    shapes: tuple[tuple[int, ...], ...] = ((3,), (2, 2))
    p = [
        cr.Tensor(leaf(n, TensorType("float32", s), "param"))
        for n, s in zip("Wb", shapes, strict=True)
    ]
    original: Optimizer = custom(0.1, clipnorm=1.0)
    found = back(original, *(t.node.type for t in p))
    assert found.settings["rate"] == 0.1
    assert found.settings["clipnorm"] == 1.0

    def described(optimizer: Optimizer) -> list[Any]:
        update = optimizer.apply(p, p)
        settings = [(node.attr("name"), v) for node, v in update.settings]
        state = [(node.attr("name"), v) for node, v in update.state]
        known: dict[Node, Any] = {
            t.node: np.ones(s, "float32") for t, s in zip(p, shapes, strict=True)
        }
        known |= dict(update.settings)
        known |= {
            node: np.full(cast("tuple[int, ...]", node.shape), v, node.dtype)
            for node, v in update.state
        }
        values = evaluate([new for _, new in update.updates], known)
        return [settings, state, [v.tolist() for v in values]]

    assert described(found) == described(original)


def test_what_is_stored_runs_no_python() -> None:
    config = cr.activation(lambda z: z * cr.sigmoid(z), name="swish").config()
    text = json.dumps(config)
    assert "lambda" not in text
    assert "test_formula.py" not in config["graphs"][0].partition("@")[0]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "malware"},
        {"name": "x); import os"},
        {"graphs": ["nonsense"]},
        {"graphs": "nonsense"},
        {"arguments": [["__class__", "operand", None]]},
        {"arguments": [["z", "anything", None]]},
        {"arguments": None},
        {"settings": None},
        {"settings": {"beta": 1.0}},
    ],
)
def test_a_file_that_is_not_a_formula(change: dict[str, Any]) -> None:
    config = cr.activation(lambda z: z * cr.sigmoid(z), name="swish").config()
    with pytest.raises((FileError, UnknownNameError)):
        from_config({**config, **change})
    with pytest.raises((FileError, UnknownNameError)):
        from_config({"kind": "activation", "name": "unheard_of", "settings": {}})
