"""Short loops that are one: which of them, and which stay apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import Graph, Node, leaf, make
from chainrule.compiler.ops import linear, reduce
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.passes.loops import Kernel, Loop, Start
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.passes.short_loops import SHORT
from chainrule.compiler.targets.cpu import TARGET
from chainrule.compiler.types import TensorType, symbol

BATCH = symbol("batch")


def scheduled(outputs: Sequence[Node], updates: Sequence[tuple[Node, Node]] = ()) -> list[Kernel]:
    named = tuple((f"y{i}", node) for i, node in enumerate(outputs))
    every = Graph("g", outputs=named, updates=tuple(updates)).nodes()
    params = tuple(old for old, _ in updates)
    inputs = tuple(x for x in every if x.op.name == "leaf" and x not in params)
    graph = Graph("g", inputs, params, (), named, tuple(updates))
    return list(schedule(Lower(TARGET.spells)(graph)).kernels)


def vector(name: str, size: int, role: Any = "param") -> Node:
    return leaf(name, TensorType("float32", (size,)), role)


def sums(columns: int) -> list[Node]:
    """Two sums over the rows of a product, which are added up over panels."""
    x = leaf("x", TensorType("float32", (BATCH, 7)), "input")
    w = leaf("w", TensorType("float32", (7, columns)), "input")
    z = linear.matmul(x, w)
    return [make(reduce.SUM, (y,), axes=(0,)) for y in (tanh(z), z * z)]


def loops(kernel: Kernel) -> list[Loop]:
    return [entry for entry in kernel.body if isinstance(entry, Loop)]


def test_sums_over_panels_and_updates_with_them_are_a_loop_each() -> None:
    first, second = sums(5)
    updates = [
        (b, b - total) for b, total in zip(map(vector, "bc", (5, 5)), (first, second), strict=True)
    ]
    (kernel,) = scheduled([], updates)
    over_panels, update = loops(kernel)
    (inner,) = over_panels.body
    assert isinstance(inner, Loop)
    assert [len(inner.body), len(update.body)] == [2, 2]
    assert sum(isinstance(entry, Start) for entry in kernel.body) == 2


@pytest.mark.parametrize("size", [SHORT, SHORT + 1])
def test_long_ones_stay_apart(size: int) -> None:
    (kernel,) = scheduled(sums(size))
    assert len(loops(kernel)) == (1 if size == SHORT else 2)


def test_what_needs_another_one_comes_behind_it() -> None:
    first, second = sums(5)
    scaled = first / make(reduce.MAX, (second,), axes=(0,))
    b = vector("b", 5)
    (kernel,) = scheduled([second], [(b, b - scaled)])
    *_, last = loops(kernel)
    assert len(last.body) == 1
    written = [entry.statement.target for entry in kernel.body if isinstance(entry, Start)]
    assert second in written


def test_values_are_those_of_loops_one_by_one() -> None:
    random = np.random.default_rng(0)
    x, w = random.standard_normal((100, 7)), random.standard_normal((7, 5))
    b, c = random.standard_normal((2, 5))

    def results(target: str) -> list[Any]:
        given = [
            cr.tensor(name, a.shape, "float64")
            for name, a in zip("xwbc", (x, w, b, c), strict=True)
        ]
        z = given[0] @ given[1]
        first = cr.sum(cr.tanh(z), axis=0)
        second = cr.sum(z * z, axis=0)
        outputs = [given[2] - first, given[3] - second / cr.max(first)]
        return list(cr.function(given, outputs, target=target)(x, w, b, c))

    for ours, expected in zip(results("cpu"), results("numpy"), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)
