"""Recurrent layers: masks, states, directions, cells of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import evaluate
from chainrule.compiler.types import symbol

KINDS: list[Callable[..., Any]] = [cr.SimpleRNN, cr.LSTM, cr.GRU]
F64 = "float64"


def untyped(value: Any) -> Any:
    """What a type checker would not let through."""
    return value


def values(layers: list[Any]) -> dict[Any, Any]:
    random = np.random.default_rng(3)
    return {
        p.node: random.normal(size=p.node.shape) / 2 for layer in layers for p in layer.parameters
    }


def evaluated(tensors: Any, layers: list[Any], *pairs: tuple[Any, Any]) -> list[Any]:
    given = {t.node: array for t, array in pairs}
    return evaluate([t.node for t in tensors], {**values(layers), **given})


def sequence(name: str = "x") -> Any:
    return cr.tensor(name, ("batch", "time", 3), F64)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_sequence_is_one_of_its_own_length(kind: Any, backwards: bool) -> None:
    x, mask = sequence(), cr.tensor("mask", ("batch", "time"), "bool")
    layer = kind(4, return_sequences=True, return_state=True, go_backwards=backwards)
    outputs, *states = layer(x, mask=mask)
    plain, *ends = layer(x)
    xs, lengths = np.random.default_rng(0).normal(size=(3, 5, 3)), [5, 2, 3]
    padded = np.arange(5) < np.array(lengths)[:, None]
    found, *last = evaluated([outputs, *states], [layer], (x, xs), (mask, padded))
    for i, n in enumerate(lengths):
        wanted, *own = evaluated([plain, *ends], [layer], (x, xs[i : i + 1, :n]))
        start = 5 - n if backwards else 0
        np.testing.assert_allclose(found[i, start : start + n], wanted[0], rtol=1e-12)
        for a, b in zip(last, own, strict=True):
            np.testing.assert_allclose(a[i], b[0], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_states_carry_a_sequence_on(kind: Any) -> None:
    x = sequence()
    layer = kind(4, return_sequences=True, return_state=True)
    whole, *ends = layer(x)
    states = [cr.tensor(f"s{i}", ("batch", 4), F64) for i in range(len(ends))]
    rest, *last = layer(x, initial_state=states)
    xs = np.random.default_rng(0).normal(size=(2, 5, 3))
    outputs, *_ = wanted = evaluated([whole, *ends], [layer], (x, xs))
    _, *middle = evaluated([whole, *ends], [layer], (x, xs[:, :2]))
    given = zip(states, middle, strict=True)
    second, *found = evaluated([rest, *last], [layer], (x, xs[:, 2:]), *given)
    np.testing.assert_allclose(second, outputs[:, 2:], rtol=1e-12)
    np.testing.assert_allclose(found, wanted[1:], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_is_that_of_the_last_step(kind: Any) -> None:
    x = sequence()
    layer = kind(4, return_sequences=True, go_backwards=True)
    outputs = layer(x)
    layer.return_sequences = False
    xs = np.random.default_rng(0).normal(size=(2, 5, 3))
    all_steps, last = evaluated([outputs, layer(x)], [layer], (x, xs))
    np.testing.assert_array_equal(all_steps[:, -1], last)


@pytest.mark.parametrize(
    ("mode", "merge"),
    [
        ("concat", lambda a, b: np.concatenate([a, b], -1)),
        ("sum", lambda a, b: a + b),
        ("mul", lambda a, b: a * b),
        ("ave", lambda a, b: (a + b) / 2),
    ],
)
def test_both_directions(mode: str, merge: Any) -> None:
    x = sequence()
    both = cr.Bidirectional(cr.GRU(4, return_sequences=True), merge_mode=mode)
    y = both(x)
    ahead, back = both.forward_layer, both.backward_layer
    a, b = ahead(x), back(x)
    xs = np.random.default_rng(0).normal(size=(2, 5, 3))
    found, one, other = evaluated([y, a, b], [ahead, back], (x, xs))
    np.testing.assert_array_equal(found, merge(one, other[:, ::-1]))
    assert {p.node for p in ahead.parameters}.isdisjoint(p.node for p in back.parameters)


def test_states_of_both_directions() -> None:
    x = sequence()
    layer = cr.LSTM(4, return_state=True)
    assert [t.shape[-1] for t in cr.Bidirectional(layer)(x)] == [8, 4, 4, 4, 4]
    assert len(cr.Bidirectional(cr.LSTM(4), merge_mode=None)(x)) == 2


def test_a_cell_of_ones_own_is_the_built_in_one() -> None:
    def elman(
        x: Any,
        h: cr.State = 0.0,
        W: cr.PerInput = "glorot_uniform",
        U: cr.PerUnit = "orthogonal",
        b: cr.Scalar = 0.0,
        scale: Any = 1.0,
    ) -> Any:
        return cr.tanh(x @ W + h @ U + b) * scale

    x = sequence()
    own, plain = cr.RNN(elman, 4, return_sequences=True), cr.SimpleRNN(4, return_sequences=True)
    outputs = [own(x).node, plain(x).node]
    xs = np.random.default_rng(0).normal(size=(2, 5, 3))
    given = values([own])
    shared = dict(zip([p.node for p in plain.parameters], given.values(), strict=True))
    a, b = evaluate(outputs, {**given, **shared, x.node: xs})
    np.testing.assert_allclose(a, b, rtol=1e-13)
    assert [p.node.shape for p in own.parameters] == [(3, 4), (4, 4), (4,)]
    assert own.describe() == "RNN(elman, 4, return_sequences=True)"


def test_two_states_that_begin_elsewhere() -> None:
    def fibonacci(x: Any, a: cr.State = 0.0, b: cr.State = 1.0) -> Any:
        return b, a + b + 0 * cr.sum(x)

    x = sequence()
    y = cr.RNN(fibonacci, 2, return_sequences=True)(x)
    (found,) = evaluate([y.node], {x.node: np.zeros((1, 6, 3))})
    assert found[0, :, 1].tolist() == [1, 1, 2, 3, 5, 8]


def test_a_forget_gate_begins_open() -> None:
    layer = cr.LSTM(2)
    layer(sequence())
    bias = layer.parameters[2]
    first = bias.initializer(np.random.default_rng(0), (8,))
    assert first.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_a_model_is_trained_and_predicts_sequences_of_any_length() -> None:
    x = cr.Input((None, 2))
    y = cr.Dense(1)(cr.Bidirectional(cr.SimpleRNN(8))(x))
    model = cr.Model(x, y)
    model.compile(loss="mse", optimizer=cr.Adam(1e-2))
    xs = np.random.default_rng(0).normal(size=(64, 7, 2)).astype(np.float32)
    ys = xs[:, 0, :1] * xs[:, -1, 1:]
    losses = model.fit(xs, ys, epochs=30, batch_size=16, seed=0, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    assert model.predict(xs[:3, :4]).shape == (3, 1)


def test_states_alone_make_a_model() -> None:
    x = cr.Input((4, 2))
    _, h, c = cr.LSTM(3, return_state=True)(x)
    model = cr.Model(x, [h, c])
    assert [p.shape for p in model.predict(np.zeros((2, 4, 2), np.float32))] == [(2, 3), (2, 3)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.LSTM(0), UsageError, "0 units"),
        (lambda: cr.LSTM(4)(cr.Input((3,))), ShapeError, "a sequence of vectors"),
        (lambda: cr.LSTM(4)(cr.Input((3, 2), dtype="int64")), DTypeError, "Embedding"),
        (lambda: cr.LSTM(4)(cr.Input((3, 2)), initial_state=cr.zeros((2, 4))), UsageError, "h, c"),
        (lambda: cr.GRU(4)(cr.Input((3, 2)), initial_state=cr.zeros((2, 4))), ShapeError, "state"),
        (lambda: cr.GRU(4)(cr.Input((3, 2)), mask=cr.zeros((2, 4))), ShapeError, "the mask"),
        (lambda: cr.GRU(4)(cr.Input((3, 2)), mask=untyped(np.ones(3))), UsageError, "are tensors"),
        (lambda: cr.GRU(4, use_bias=False, bias_regularizer="l2"), UsageError, "without a bias"),
        (lambda: cr.RNN(lambda x: x, 4), UsageError, "without a state"),
        (lambda: cr.Bidirectional(untyped(cr.Dense(3))), UsageError, "recurrent layer"),
        (lambda: cr.Bidirectional(cr.GRU(3), "max"), UsageError, "merge_mode"),
        (lambda: cr.Bidirectional(cr.GRU(3), "sum", cr.GRU(3)), UsageError, "goes backwards"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("result", [(lambda h: (h, h)), (lambda h: cr.sum(h))])
def test_a_cell_that_returns_something_else_is_refused(result: Any) -> None:
    def cell(x: Any, h: cr.State = 0.0) -> Any:
        return result(h)

    with pytest.raises((UsageError, ShapeError), match="the cell cell returned"):
        cr.RNN(cell, 4)(cr.Input((3, 2)))


def test_the_time_may_be_open() -> None:
    assert cr.LSTM(4, return_sequences=True)(sequence()).shape[:2] == (
        symbol("batch"),
        symbol("time"),
    )
