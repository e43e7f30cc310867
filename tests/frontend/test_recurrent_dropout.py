"""Dropout of recurrent layers: one mask for all steps of a sequence, of inputs and of states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import Graph, evaluate
from chainrule.compiler.ops.random import DROPOUT
from chainrule.compiler.types import value
from chainrule.frontend.network import network

GATES = {cr.SimpleRNN: 1, cr.LSTM: 4, cr.GRU: 3}


def trained(inputs: list[Any], output: Any, known: dict[str, Any]) -> Any:
    """An output in training, of arrays by name; those that are not given are 0."""
    graph, sizes = network(inputs, [output], "model").graph, {"batch": len(known["x"])}
    given = {
        leaf: known.get(leaf.attr("name"), np.zeros([value(n, sizes) for n in leaf.shape]))
        for leaf in graph.leaves
    }
    return evaluate(graph.roots[:1], given)[0]


def drawn(graph: Graph) -> int:
    """How many masks there are."""
    return len({x.attr("stream") for x in graph.nodes() if x.op is DROPOUT})


def test_an_input_is_dropped_at_all_steps_or_at_none() -> None:
    layer = cr.SimpleRNN(4, activation="linear", dropout=0.5, return_sequences=True)
    x = cr.Input((3, 4))
    ys = trained([x], layer(x), {"x": np.ones((50, 3, 4)), "W1": np.eye(4)})
    assert set(np.unique(ys)) == {0, 2}
    np.testing.assert_array_equal(ys, ys[:, :1] + np.zeros_like(ys))
    assert abs(np.mean(ys == 0) - 0.5) < 4 * np.sqrt(0.25 / 200)
    assert len({row.tobytes() for row in ys[:, 0]}) > 10


def test_a_state_is_dropped_at_all_steps_or_at_none() -> None:
    layer = cr.SimpleRNN(4, activation="linear", recurrent_dropout=0.5, return_sequences=True)
    xs = np.zeros((50, 3, 1))
    xs[:, 0] = 1
    x = cr.Input((3, 1))
    ys = trained([x], layer(x), {"x": xs, "W1": np.ones((1, 4)), "U1": np.eye(4)})
    assert np.all(ys[:, 0] == 1)
    assert set(np.unique(ys[:, 1])) == {0, 2}
    np.testing.assert_array_equal(ys[:, 2], ys[:, 1] ** 2)


@pytest.mark.parametrize(("kind", "gates"), list(GATES.items()))
def test_each_gate_has_its_own_masks_with_recurrent_dropout(kind: Any, gates: int) -> None:
    def masks(**options: Any) -> int:
        x = cr.Input((None, 3))
        return drawn(network([x], [kind(4, **options)(x)], "model").graph)

    assert masks() == 0
    assert masks(dropout=0.2) == 1
    assert masks(recurrent_dropout=0.2) == gates
    assert masks(dropout=0.1, recurrent_dropout=0.2) == 2 * gates


@pytest.mark.parametrize("kind", list(GATES))
def test_outside_of_training_nothing_is_dropped(kind: Any) -> None:
    x = cr.Input((5, 3))
    some, none = (kind(4, dropout=rate, recurrent_dropout=rate)(x) for rate in (0.3, 0))
    model, plain = cr.Model(x, some, seed=0), cr.Model(x, none, seed=0)
    xs = np.random.default_rng(0).normal(size=(6, 5, 3)).astype(np.float32)
    for each in (model, plain):
        each.compile("mse", target="numpy")
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(xs), plain.predict(xs))


def test_a_gru_keeps_the_state_whole_where_it_stays() -> None:
    layer = cr.GRU(4, recurrent_dropout=0.5, return_sequences=True)
    start, x = cr.Input((4,), name="start"), cr.Input((3, 2))
    bias = np.concatenate([np.full((2, 4), 50.0), np.zeros((2, 8))], 1)  # z is 1: all of h stays
    known = {"x": np.zeros((5, 3, 2)), "start": np.ones((5, 4)), "b1": bias}
    ys = trained([x, start], layer(x, initial_state=start), known)
    np.testing.assert_allclose(ys, 1)


def test_a_cell_of_ones_own_drops_as_the_built_in_one() -> None:
    def elman(x: Any, h: cr.State = 0.0, W: cr.PerInput = "ones", U: cr.PerUnit = "ones") -> Any:
        return cr.tanh(x @ W + h @ U)

    options: dict[str, Any] = {"dropout": 0.3, "recurrent_dropout": 0.4, "return_sequences": True}
    own, plain = cr.RNN(elman, 4, **options), cr.SimpleRNN(4, use_bias=False, **options)
    assert own.describe() == (
        "RNN(elman, 4, dropout=0.3, recurrent_dropout=0.4, return_sequences=True)"
    )
    x = cr.Input((3, 2))
    random = np.random.default_rng(0)
    w, u = random.normal(size=(2, 4)), random.normal(size=(4, 4))
    xs = random.normal(size=(6, 3, 2))
    ys = trained([x], own(x), {"x": xs, "W1": w, "U1": u, "seed": 3})
    np.testing.assert_allclose(
        ys, trained([x], plain(x), {"x": xs, "W1": w, "U1": u, "seed": 3}), rtol=1e-12
    )
    assert len({row.tobytes() for row in ys[:, 0]}) == 6


def test_targets_drop_the_same() -> None:
    x = cr.Input((None, 3))
    h = cr.GRU(4, dropout=0.2, recurrent_dropout=0.3, return_sequences=True)(x)
    y = cr.Dense(1)(cr.LSTM(4, activation="relu", dropout=0.2, recurrent_dropout=0.3)(h))
    model = cr.Model(x, y, seed=0)
    xs = np.random.default_rng(0).normal(size=(16, 6, 3)).astype(np.float32)
    start, losses = model.get_weights(), []
    for target in ("numpy", "cpu"):
        model.set_weights(start)
        model.compile("mse", optimizer=cr.Adam(1e-2), target=target)
        fitted = model.fit(xs, xs[:, :, 0].sum(1), epochs=10, batch_size=8, seed=1, verbose=0)
        losses.append(fitted.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


def test_it_says_so() -> None:
    layer = cr.LSTM(4, dropout=0.1, recurrent_dropout=0.25, return_sequences=True)
    written = "LSTM(4, dropout=0.1, recurrent_dropout=0.25, return_sequences=True)"
    assert layer.describe() == written
    with pytest.raises(UsageError, match="GRU with dropout"):
        cr.GRU(4, dropout=1)
    with pytest.raises(UsageError, match="GRU with recurrent_dropout"):
        cr.GRU(4, recurrent_dropout=-0.1)
