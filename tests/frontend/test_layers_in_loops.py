"""Layers in the steps of loops: found, trained, saved; states, losses and random numbers."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import evaluate, substitute
from chainrule.compiler.passes.differentiate import derived
from chainrule.frontend.calls import CALLS, LOOPS
from chainrule.frontend.drawing import SEED, STEP, numbered
from chainrule.frontend.network import network
from chainrule.frontend.tensor import Tensor

F64 = "float64"
DATA = np.random.default_rng(0).normal(size=(8, 5, 3)).astype(np.float32)
LABELS = DATA[:, :, 0].sum(1, keepdims=True)


def over_time(step: Any, x: Any, units: int = 3, **options: Any) -> Any:
    start = cr.zeros((x.shape[0], units), dtype=x.dtype)
    return cr.scan(step, start, cr.permute_dims(x, (1, 0, 2)), **options)


def seeded(*tensors: Any) -> tuple[list[Any], list[Any]]:
    """Tensors whose random numbers come from two inputs, and the inputs."""
    seed, count = (cr.tensor(name, (), "int64") for name in ("seed", "count"))
    known = {SEED: seed.node, STEP: count.node}
    return [Tensor(node) for node in substitute([t.node for t in tensors], known)], [seed, count]


def test_a_layer_in_a_step_is_the_models() -> None:
    x = cr.Input((None, 3))
    first, dense = cr.Dense(3), cr.Dense(4, activation="tanh")

    def step(h: Any, x: Any) -> Any:
        h = dense(cr.concat([h, x], axis=-1))
        return h, None

    h, _ = over_time(step, first(x), 4)
    model = cr.Model(x, cr.Dense(1)(h), seed=0)
    assert list(model.parameters) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert [row.layer for row in model.rows][1] == 'Dense(4, activation="tanh")'
    assert [row.formula for row in model.rows][1] == "h2 = tanh(x W2 + b2)"
    p, state = model.parameters, np.zeros((8, 4))
    for t in range(5):
        given = DATA[:, t] @ p["W1"] + p["b1"]
        state = np.tanh(np.concatenate([state, given], 1) @ p["W2"] + p["b2"])
    wanted = state @ p["W3"] + p["b3"]
    model.compile("mse", optimizer=cr.Adam(1e-2))
    np.testing.assert_allclose(model.predict(DATA), wanted, rtol=1e-5, atol=1e-6)
    before = {name: array.copy() for name, array in p.items()}
    losses = model.fit(DATA, LABELS, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert all(np.any(p[name] != array) for name, array in before.items())


def test_layers_of_cells_and_of_layers_are_found_wherever_they_are() -> None:
    class Cell(cr.BaseLayer):
        """A loop of a layer that it owns, in a loop."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = cr.Dense(4, name="inner")

        def describe(self) -> str:
            return "Cell()"

        def apply(self, *inputs: Any) -> Any:
            def step(h: Any, x: Any) -> Any:
                return cr.scan(lambda h, _: (self.inner(h) + x, None), h, length=2)[0], None

            return over_time(step, inputs[0], 4)[0]

    dense = cr.Dense(4)

    def cell(x: Any, h: cr.State = 0.0) -> Any:
        return cr.tanh(dense(cr.concat([x, h], axis=-1)))

    layers = [cr.RNN(cell, 4, return_sequences=True), Cell(), cr.Dense(1)]
    model = cr.Sequential([cr.Input((5, 3)), *layers])
    assert list(model.parameters) == ["W1", "b1", "W_inner", "b_inner", "W2", "b2"]


def test_layers_in_a_neurons_formula_are_the_models_too() -> None:
    dense = cr.Dense(3)

    @cr.neuron
    def seen_twice(x: Any, w: cr.PerInput = "ones") -> Any:
        h, _ = cr.scan(lambda h, _: (dense(h), None), cr.reshape(x, (1, 3)), length=2)
        return cr.sum(h[0] * w)

    x = cr.Input((3,))
    model = cr.Model(x, cr.Layer(seen_twice, 4)(x), seed=0)
    assert list(model.parameters) == ["W1", "b1", "w2"]
    p, data = model.parameters, DATA[:, 0]
    wanted = ((data @ p["W1"] + p["b1"]) @ p["W1"] + p["b1"]) @ p["w2"]
    model.compile("mse", target="numpy")
    np.testing.assert_allclose(model.predict(data), wanted, rtol=1e-5, atol=1e-6)
    before = p["W1"].copy()
    model.fit(data, data @ np.ones((3, 4), np.float32), verbose=0)
    assert np.any(p["W1"] != before)


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_one_for_all_is_not_part_of_a_neuron(inside: bool) -> None:
    normal, drop = cr.BatchNormalization(), cr.Dropout(0.5)

    def neuron(layer: Any) -> Any:
        def formula(x: Any, w: cr.PerInput) -> Any:
            row = cr.reshape(x * w, (1, 3))
            if inside:
                return cr.sum(cr.scan(lambda h, _: (layer(h), None), row, length=2)[0])
            return cr.sum(layer(row))

        return cr.Layer(cr.neuron(formula), 4)(cr.Input((3,)))

    with pytest.raises(UsageError, match="a layer with a state"):
        neuron(normal)
    with pytest.raises(UsageError, match="dropout inside a neuron"):
        neuron(drop)


def test_loops_that_nobody_holds_are_forgotten() -> None:
    class Halved(Penalty):
        """The half, with a term of the loss."""

        def apply(self, *inputs: Any) -> Any:
            return super().apply(*inputs) / 2

    def build() -> None:
        x, layers = cr.Input((5, 3)), [cr.Dense(3), cr.BatchNormalization(), Halved()]

        def step(h: Any, x: Any) -> Any:
            for layer in layers:
                h = layer(h + x)
            return h, None

        cr.Model(x, over_time(step, x)[0]).compile("mse")

    gc.collect()
    before = len(LOOPS), len(CALLS)
    build()
    gc.collect()
    assert (len(LOOPS), len(CALLS)) == before


def test_a_regularizer_of_a_layer_in_a_step_is_added_once() -> None:
    x = cr.Input((5, 3))
    dense = cr.Dense(3, kernel_regularizer=cr.L2(0.5))
    model = cr.Model(x, over_time(lambda h, x: (dense(h + x), None), x)[0], seed=0)
    model.compile("mse", target="numpy")
    targets = model.predict(DATA)
    loss = model.evaluate(DATA, targets, verbose=0)["loss"]
    np.testing.assert_allclose(loss, 0.5 * np.sum(model.parameters["W1"] ** 2), rtol=1e-5)


class Penalty(cr.BaseLayer):
    """The mean square of what passes through is a term of the loss."""

    def describe(self) -> str:
        return "Penalty()"

    def apply(self, *inputs: Any) -> Any:
        self.add_loss(cr.mean(inputs[0] ** 2))
        return inputs[0]


@pytest.mark.parametrize("nested", [False, True])
def test_states_are_carried_and_losses_added_up(nested: bool, tmp_path: Path) -> None:
    x = cr.Input((5, 3))
    normal, penalty = cr.BatchNormalization(momentum=0.9), Penalty()

    def step(h: Any, x: Any) -> Any:
        def inner(h: Any, _: Any) -> Any:
            return penalty(normal(h + x)), None

        return cr.scan(inner, h, length=2)[0] if nested else inner(h, None)[0], None

    model = cr.Model(x, over_time(step, x)[0], seed=0)
    found: list[list[Any]] = []
    for target in ("numpy", "cpu"):
        model.set_weights([np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)])
        model.compile("mse", optimizer=cr.SGD(0.0), target=target)
        loss = model.fit(DATA, LABELS * 0 + DATA[:, 0], epochs=1, batch_size=8, verbose=0)
        found.append([loss.history["loss"][0], *model.state.values()])
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_allclose(found[0][1:], found[1][1:], rtol=1e-5)

    h, mean, variance, terms = np.zeros((8, 3)), np.zeros(3), np.ones(3), 0.0
    for t in range(5):
        for _ in range(2 if nested else 1):
            z = h + DATA[:, t]
            mean, variance = 0.9 * mean + 0.1 * z.mean(0), 0.9 * variance + 0.1 * z.var(0)
            h = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-3)
            terms += np.mean(h**2)
    np.testing.assert_allclose(found[0][1:], [mean, variance], rtol=1e-4)
    error = np.mean((h - DATA[:, 0]) ** 2)
    np.testing.assert_allclose(found[0][0], error + terms, rtol=1e-4)

    outside = np.zeros((8, 3))  # the states do not change in prediction
    for t in range(5):
        for _ in range(2 if nested else 1):
            outside = (outside + DATA[:, t] - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(model.predict(DATA), outside, rtol=1e-3)
    model.save(tmp_path / "model")
    loaded = cr.load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(DATA), model.predict(DATA))


def test_a_layer_inside_and_outside_of_a_loop_is_one() -> None:
    x = cr.Input((5, 3))
    normal = cr.BatchNormalization(momentum=0.5)
    h, _ = over_time(lambda h, x: (normal(h + x), None), x)
    model = cr.Model(x, normal(h), seed=0)
    model.compile("mse", optimizer=cr.SGD(0.0), target="numpy")
    model.fit(DATA, DATA[:, 0], epochs=1, batch_size=8, verbose=0)
    mean, h = np.zeros(3), np.zeros((8, 3))
    for x_ in [*DATA.transpose(1, 0, 2), np.zeros((8, 3))]:
        z = h + x_
        mean = 0.5 * mean + 0.5 * z.mean(0)
        h = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-3)
    np.testing.assert_allclose(model.state["moving_mean1"], mean, rtol=1e-4, atol=1e-6)


def test_every_step_draws_numbers_of_its_own_and_gradients_draw_the_same() -> None:
    x, w = cr.tensor("x", ("n", "b", 3), F64), cr.tensor("w", (3,), F64)
    drop, noise = cr.Dropout(0.5), cr.GaussianNoise(0.3)
    fixed = drop(cr.ones((3,), dtype=F64))  # drawn outside: the same in every step

    def step(c: Any, x: Any) -> Any:
        kept = drop(cr.ones(x.shape, dtype=F64))

        def inner(e: Any, u: Any) -> Any:
            e = 0.5 * e + noise(cr.sin(u * w[0]))
            return e, (e, noise(cr.zeros((1,), dtype=F64)))

        e, (es, draws) = cr.scan(inner, c[:, 0], cr.permute_dims(kept * x, (1, 0)))
        return cr.tanh(c * w + kept * x) * fixed + e[:, None], (kept, draws, es)

    start = cr.zeros((x.shape[1], 3), dtype=F64)
    last, (kept, draws, es) = cr.scan(step, start, x, reverse=True)
    loss = cr.sum(last**2) + cr.sum(es**3)
    slope = cr.grad(loss, w)
    curve = cr.grad(cr.sum(slope**2), w)
    wanted = [kept, draws, loss, slope, curve, cr.jacobian(last, w)]
    outputs, sources = seeded(*wanted)
    f, g = (cr.function([x, w, *sources], outputs, target=t) for t in ("numpy", "cpu"))
    values, at = np.random.default_rng(0).normal(size=(4, 2, 3)), np.array([0.3, 0.4, 0.5])
    found, native = f(values, at, 7, 3), g(values, at, 7, 3)
    np.testing.assert_array_equal(found[0], native[0])
    # The same uniform numbers, through logarithms and cosines of either target.
    np.testing.assert_allclose(found[1], native[1], rtol=1e-15)
    for a, b in zip(found[2:], native[2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    by_reference = evaluate(
        numbered([t.node for t in outputs])[:2],
        {t.node: v for t, v in zip([x, w, *sources], (values, at, 7, 3), strict=True)},
    )
    np.testing.assert_array_equal(found[0], by_reference[0])
    np.testing.assert_array_equal(found[1], by_reference[1])
    assert len({mask.tobytes() for mask in found[0]}) == 4
    assert np.unique(found[1]).size == found[1].size == 12
    assert not np.array_equal(found[0], f(values, at, 8, 3)[0])
    assert not np.array_equal(found[0], f(values, at, 7, 4)[0])

    ways = np.eye(3) * 1e-6
    around = [(f(values, at + e, 7, 3), f(values, at - e, 7, 3)) for e in ways]
    np.testing.assert_allclose(found[3], [(a[2] - b[2]) / 2e-6 for a, b in around], rtol=1e-6)
    squares = [(np.sum(a[3] ** 2) - np.sum(b[3] ** 2)) / 2e-6 for a, b in around]
    np.testing.assert_allclose(found[4], squares, rtol=1e-6)


def test_as_many_elements_stay_in_steps_as_dropout_says() -> None:
    drop = cr.Dropout(0.25)
    step = lambda c, _: (c, drop(cr.ones((50,), dtype=F64)))  # noqa: E731
    _, kept = cr.scan(step, 0.0, length=400)
    outputs, sources = seeded(kept)
    mask = cr.function(sources, outputs, target="numpy")(0, 0)[0]
    assert set(np.unique(mask)) == {0, 1 / 0.75}
    share = np.mean(mask == 0)
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / mask.size)
    assert np.abs(np.corrcoef(mask[:-1].ravel(), mask[1:].ravel())[0, 1]) < 4 / np.sqrt(mask.size)


def test_a_gradient_for_an_inner_tensor_sees_the_mask_that_was_drawn() -> None:
    x = cr.Input((6,))
    h = cr.Dense(6)(x)
    y = cr.Dropout(0.5)(h)
    graph = network([x], [y, cr.grad(cr.sum(y), h)], "model").graph
    values = {}
    for leaf in graph.leaves:
        shape = [dim if isinstance(dim, int) else 4 for dim in leaf.shape]
        values[leaf] = np.ones(shape, leaf.dtype)
    dropped, slopes = evaluate([derived(node) for node in graph.roots[:2]], values)
    np.testing.assert_array_equal(dropped == 0, slopes == 0)
    assert 0 < np.mean(slopes == 0) < 1


def test_a_loop_with_a_condition_does_beside_its_results_what_a_scan_does() -> None:
    def fitted(conditional: bool) -> tuple[Any, Any]:
        x = cr.Input((3,))
        norm, penalty = cr.BatchNormalization(), Penalty()
        dense, dropout = cr.Dense(3, activation="tanh"), cr.Dropout(0.3)

        def step(h: Any) -> Any:
            return dropout(dense(penalty(norm(h))) + x)

        if conditional:
            init = (x, 0)
            h, _ = cr.while_loop(lambda c: c[1] < 4, lambda c: (step(c[0]), c[1] + 1), init, 9)
        else:
            h, _ = cr.scan(lambda h, _: (step(h), None), x, length=4)
        model = cr.Model(x, cr.Dense(1)(h), seed=0)
        model.compile("mse", optimizer=cr.SGD(1e-2))
        history = model.fit(DATA[:, 0], LABELS, epochs=3, batch_size=4, seed=3, verbose=0).history
        return history["loss"], model

    (by_scan, scan), (by_while, loop) = fitted(False), fitted(True)
    np.testing.assert_allclose(by_while, by_scan, rtol=1e-6)
    assert len(scan.state) == 2
    for name, array in {**scan.parameters, **scan.state}.items():
        found = {**loop.parameters, **loop.state}[name]
        np.testing.assert_allclose(found, array, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loop.predict(DATA[:, 0]), scan.predict(DATA[:, 0]), rtol=1e-5)


def test_a_layer_in_a_condition_is_the_models() -> None:
    x = cr.Input((3,))
    dense, norm = cr.Dense(1), cr.BatchNormalization(momentum=0.5)
    y, steps = cr.while_loop(
        lambda h: cr.mean(dense(norm(h)) ** 2) > 0.1, lambda h: h * 0.5, x, 9, "stop", True
    )
    model = cr.Model(x, y + 0 * steps.astype("float32"), seed=0)
    assert list(model.parameters) == ["gamma1", "beta1", "W2", "b2"]
    model.compile("mse", optimizer=cr.SGD(0.0), target="numpy")
    data = DATA[:, 0]
    model.fit(data, data, epochs=1, batch_size=8, verbose=0)
    assert np.all(model.predict(data) != data)
