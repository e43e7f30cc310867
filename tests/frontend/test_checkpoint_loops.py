"""Budgets of loops: the same values and derivatives for all, and as little memory as said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import _build
from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import substitute
from chainrule.compiler.ops.scan import SCAN
from chainrule.compiler.ops.steps import with_steps
from chainrule.compiler.pipeline import derive
from chainrule.compiler.program import Program
from chainrule.compiler.targets.spelling import size_text
from chainrule.compiler.types import add, floordiv, mul, symbol, value
from chainrule.frontend.drawing import SEED, STEP
from chainrule.frontend.tensor import Tensor

F64 = "float64"
WIDTH = {"bool": 1, "int32": 4, "int64": 8, "float32": 4, "float64": 8}
RANDOM = np.random.default_rng(0)


def close(found: Any, wanted: Any) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def derivatives(
    checkpoint: int | None, reverse: bool, order: int = 2
) -> tuple[list[Any], list[Any]]:
    """Inputs; values, gradients and second derivatives of a loop of two carries that draws."""
    x, w = cr.tensor("x", ("n", 2), F64), cr.tensor("w", (2, 2), F64)
    start, seed = cr.tensor("start", (2,), F64), cr.tensor("seed", (), "int64")
    noise = cr.GaussianNoise(0.5)

    def step(carry: Any, x: Any) -> Any:
        h, total = carry
        h = cr.tanh(h @ w + noise(x) * total)
        total = total + 0.1 * cr.sum(h)
        return (h, total), (h * total, x + total)

    init = (start, 0.5 * cr.sum(start))
    (h, total), (ys, zs) = cr.scan(step, init, x, reverse=reverse, checkpoint=checkpoint)
    loss = cr.sum(h**2) * total + cr.sum(ys**3) + cr.sum(zs**2)
    first = cr.grad(loss, [x, w, start])
    outputs = [h, total, ys, zs, *first]
    if order == 2:
        squares = cr.sum(first[0] ** 2) + cr.sum(first[1] ** 2) + cr.sum(first[2] ** 2)
        outputs += cr.grad(squares, [w, start])
    known = {SEED: seed.node, STEP: seed.node}
    nodes = substitute([t.node for t in outputs], known)
    return [x, w, start, seed], [Tensor(node) for node in nodes]


@pytest.mark.parametrize(
    ("order", "reverse", "target"),
    [(1, False, "numpy"), (1, True, "numpy"), (2, False, "numpy"), (1, True, "cpu")],
)
def test_values_and_derivatives_are_those_without_a_budget(
    order: int, reverse: bool, target: str
) -> None:
    budgets = (1, 2, 3, 5, 16) if order == 1 and target == "numpy" else (3,)
    plain = cr.function(*derivatives(None, reverse, order), target="numpy")
    others = [cr.function(*derivatives(k, reverse, order), target=target) for k in budgets]
    w, start = RANDOM.normal(size=(2, 2)), RANDOM.normal(size=2)
    for n in (0, 1, 2, 7, 16, 17):
        x = RANDOM.normal(size=(n, 2)) / 3
        wanted = plain(x, w, start, 7)
        for f in others:
            close(f(x, w, start, 7), wanted)


@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_a_length_that_is_known(n: int) -> None:
    def gradient(checkpoint: int | None) -> Any:
        a = cr.tensor("a", (), F64)
        last, squares = cr.scan(
            lambda c, _: (cr.sin(a * c), c * c), a, length=n, checkpoint=checkpoint
        )
        return cr.function(a, [squares, *cr.grad(last, [a])], target="numpy")(0.7)

    for checkpoint in (1, 3, 7, 20):
        close(gradient(checkpoint), gradient(None))


def test_loops_in_loops_each_with_a_budget() -> None:
    def slopes(outer: int | None, inner: int | None) -> Any:
        x, w = cr.tensor("x", ("n", "m"), F64), cr.tensor("w", (), F64)

        def row(c: Any, row: Any) -> Any:
            last, ds = cr.scan(
                lambda d, x: ((d := cr.tanh(w * d + x * c)), d), c, row, checkpoint=inner
            )
            return last, cr.sum(ds**2)

        last, sums = cr.scan(row, 0.1, x, checkpoint=outer)
        y = last + cr.sum(sums)
        f = cr.function([x, w], [y, *cr.grad(y, [x, w]), cr.hessian(y, w)], target="numpy")
        return f(np.random.default_rng(0).normal(size=(5, 7)), 0.7)

    for budget in ((2, None), (None, 3), (2, 3)):
        close(slopes(*budget), slopes(None, None))


def trained(layer: Any, masked: bool) -> Any:
    x, mask = cr.tensor("x", ("b", "n", 3), F64), cr.tensor("mask", ("b", "n"), "bool")
    outputs = layer(x, mask=mask) if masked else layer(x)
    given = [cr.tensor(f"p{i}", p.node.shape, F64) for i, p in enumerate(layer.parameters)]
    known = {p.node: t.node for p, t in zip(layer.parameters, given, strict=True)}
    results = [Tensor(node) for node in substitute([t.node for t in outputs], known)]
    loss = cr.sum(results[0] ** 3) + cr.sum(results[-1] ** 2)
    f = cr.function([x, mask, *given], [*results, *cr.grad(loss, [x, *given])], target="numpy")
    random = np.random.default_rng(1)
    weights = [random.normal(size=p.node.shape) / 2 for p in layer.parameters]
    present = np.arange(7) < np.array([7, 3, 0, 6])[:, None]
    return f(random.normal(size=(4, 7, 3)), present, *weights)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", [cr.SimpleRNN, cr.LSTM, cr.GRU])
def test_recurrent_layers(kind: Any, backwards: bool) -> None:
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    wanted = trained(kind(4, **options), backwards)
    for checkpoint in (2, 3):
        close(trained(kind(4, **options, checkpoint=checkpoint), backwards), wanted)


def test_cells_of_ones_own_both_ways_with_dropout() -> None:
    dense = cr.Dense(4)

    def cell(x: Any, h: cr.State = 0.0) -> Any:
        return cr.tanh(dense(cr.concat([x, h], axis=-1)))

    def losses(checkpoint: int | None) -> Any:
        x = cr.Input((None, 3))
        own = cr.RNN(cell, 4, return_sequences=True, checkpoint=checkpoint)(x)
        lstm = cr.LSTM(4, dropout=0.2, recurrent_dropout=0.2, checkpoint=checkpoint)
        model = cr.Model(x, cr.Dense(1)(cr.Bidirectional(lstm)(own)), seed=0)
        names.append(list(model.parameters))
        model.compile("mse", optimizer=cr.Adam(1e-2), target="numpy")
        xs = np.random.default_rng(0).normal(size=(8, 7, 3)).astype(np.float32)
        return model.fit(xs, xs[:, 0, :1], epochs=3, batch_size=4, seed=1, verbose=0).history[
            "loss"
        ]

    names: list[list[str]] = []
    np.testing.assert_allclose(losses(3), losses(None), rtol=1e-5)
    assert names[0] == names[1]


def scratch(program: Program, **sizes: int) -> int:
    """Bytes of all buffers that only the program uses."""
    given = {**{name: sizes["n"] for name in program.sizes}, "batch": 8}
    return sum(
        value(buffer.type.size, given) * WIDTH[buffer.type.dtype]
        for buffer in program.of("scratch")
    )


def test_memory_falls_to_the_budget_and_the_length_of_a_segment() -> None:
    def program(checkpoint: int | None) -> Program:
        x = cr.Input((None, 8))
        model = cr.Model(x, cr.Dense(1)(cr.LSTM(64, checkpoint=checkpoint)(x)))
        model.compile("mse")
        return _build.program(model._request("train"), "cpu")

    n = 10_000
    one = scratch(program(None), n=n) / n
    assert one > 28_000
    inputs = n * 8 * 8 * 4
    for k in (10, 100, 999):
        kept = scratch(program(k), n=n) - inputs
        assert kept < 1.1 * one * (k + n // k + n % k) + 2e6


def test_second_derivatives_need_as_little() -> None:
    x, w = cr.tensor("x", ("n", 4), F64), cr.tensor("w", (4, 4), F64)

    def program(checkpoint: int | None) -> Program:
        start = cr.zeros((4,), dtype=F64)
        last, _ = cr.scan(lambda h, x: (cr.tanh(h @ w + x), None), start, x, checkpoint=checkpoint)
        product = cr.hvp(cr.sum(last), w, cr.ones((4, 4), dtype=F64))
        return _build.program(cr.function([x, w], product)._request, "cpu")

    # One copy of x, and else as the root of the length.
    least = scratch(program(100), n=10_000) - 10_000 * 4 * 8
    assert least < scratch(program(None), n=10_000) / 20
    assert scratch(program(200), n=40_000) - 40_000 * 4 * 8 < 2.1 * least


def test_the_text_of_sizes_that_are_rounded_down() -> None:
    n = symbol("n")
    rounded = mul(3, floordiv(n, 3))
    text, _ = size_text(add(rounded, 1), {"n": "x.shape[0]"})
    assert [eval(text.replace("x.shape[0]", str(k))) for k in (0, 2, 3, 7)] == [1, 1, 4, 7]


@pytest.mark.parametrize("wrong", [0, -1, True, 2.0, "sqrt"])
def test_what_is_no_budget_is_refused(wrong: Any) -> None:
    x = cr.tensor("x", ("n",))
    with pytest.raises(UsageError, match="checkpoint="):
        cr.scan(lambda c, x: (c + x, None), 0.0, x, checkpoint=wrong)
    with pytest.raises(UsageError, match="GRU: checkpoint="):
        cr.GRU(4, checkpoint=wrong)


def test_the_way_back_of_a_loop_with_a_budget_has_one_too() -> None:
    graph = derive(cr.function(*derivatives(3, False, 1))._request)
    outer = [node for node in graph.nodes() if node.op is SCAN]
    assert all(node.attr("recompute") for node in outer)
    inner = [node for node in with_steps(graph.nodes()) if node.op is SCAN and node not in outer]
    assert not any(node.attr("recompute") for node in inner)
