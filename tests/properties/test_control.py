"""Properties of random programs of loops and choices, in each other in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule.compiler.ir import Graph, evaluate
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.text import parse, show

F64 = "float64"
X, K = cr.tensor("x", (3,), F64), cr.tensor("k", ("n", 3), F64)
PLAIN = ("sine", "sum", "product", "ratio")
NESTED = ("cond", "while", "scan", "map")
SEEDS = st.integers(0, 2**32 - 1)


def expression(seed: int, known: list[Any], depth: int) -> Any:
    """A vector made of others, the same for the same seed."""
    random = np.random.default_rng(seed)
    a, b = (known[random.integers(len(known))] for _ in range(2))
    kinds = NESTED if depth and random.random() < 0.8 else PLAIN
    kind, seeds = kinds[random.integers(4)], random.integers(2**32, size=2)

    def inner(which: int, *more: Any) -> Any:
        return expression(int(seeds[which]), [*known, *more], depth - 1 if depth else 0)

    if kind == "sine":
        return cr.sin(a) * 1.3
    if kind == "sum":
        return a * 0.7 - cr.flip(b)
    if kind == "product":
        return cr.tanh(a * b) if not depth else cr.tanh(a * inner(0))
    if kind == "ratio":
        return a / (1 + cr.square(b))
    if kind == "cond":
        above = cr.sum(a) - float(random.normal()) / 2
        # Below, the first branch would have no value.
        return cr.cond(above > 0, lambda: inner(0) + cr.log(above), lambda: inner(1))
    if kind == "while":
        found, steps = cr.while_loop(
            lambda c: cr.sum(c * c) < 9.0,
            lambda c: c * 1.5 + cr.sin(inner(0, c)) * 0.5,
            a,
            max_steps=int(random.integers(5)),
            at_bound="stop",
            return_steps=True,
        )
        return found + steps.astype(F64)
    if kind == "map":
        return cr.sum(cr.map(lambda k: cr.sin(inner(0, k)), K), axis=0)

    def step(c: Any, k: Any) -> Any:
        new = inner(0, c, k)
        return cr.sin(c) + cr.tanh(new) * 0.3, cr.sum(new)

    last, ys = cr.scan(step, b, K, reverse=bool(random.integers(2)))
    return last + cr.sum(ys)


def program(seed: int) -> tuple[Any, list[Any]]:
    """A number, with its gradients."""
    y = cr.sum(cr.sin(expression(seed, [X, cr.cos(X)], 3)))
    return y, cr.grad(y, [X, K])


def arrays(seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    return random.normal(size=3), random.normal(size=(random.integers(0, 4), 3))


def meaning(graph: Graph, values: Any) -> list[Any]:
    return evaluate(
        graph.roots, dict(zip(graph.inputs, values, strict=True)), {"n": len(values[1])}
    )


@given(SEEDS)
@settings(max_examples=20)
def test_passes_and_text_keep_what_a_program_means(seed: int) -> None:
    y, slopes = program(seed)
    f, values = cr.function([X, K], [y, *slopes], target="numpy"), arrays(seed)
    graph = derive(f._request)
    wanted = meaning(graph, values)
    assert parse(show(graph)) == graph
    for found in (f(*values), *(meaning(lower(graph, target), values) for target in TARGETS)):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


TARGETS = ("numpy", "cpu")


@given(SEEDS)
@settings(max_examples=20)
def test_gradients_are_slopes(seed: int) -> None:
    y, slopes = program(seed)
    f, (x, k) = cr.function([X, K], [y, *slopes], target="numpy"), arrays(seed)
    way = np.random.default_rng(1).normal(size=3), np.random.default_rng(2).normal(size=k.shape)
    _, dx, dk = f(x, k)
    above, below = (f(x + s * way[0], k + s * way[1])[0] for s in (1e-6, -1e-6))
    slope = dx @ way[0] + np.sum(dk * way[1])
    np.testing.assert_allclose(slope, (above - below) / 2e-6, rtol=1e-5, atol=1e-6)


@given(st.lists(SEEDS, min_size=3, max_size=3))
@settings(max_examples=2)
def test_native_code_agrees(seeds: list[int]) -> None:
    outputs = [z for seed in seeds for y, slopes in (program(seed),) for z in (y, *slopes)]
    native, plain = (cr.function([X, K], outputs, target=target) for target in ("cpu", "numpy"))
    for seed in seeds:
        for a, b in zip(native(*arrays(seed)), plain(*arrays(seed)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
