"""Blocks: some rows of each matrix of a batch go through attention, forwards and backwards."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from chainrule.compiler.autodiff import backward
from chainrule.compiler.ir import Graph, Node, const, evaluate, leaf, make
from chainrule.compiler.ops import elementary, linear, reduce, shape
from chainrule.compiler.ops.arithmetic import square
from chainrule.compiler.passes import blocks, recompute
from chainrule.compiler.passes.loops import Kernel, Panel, Schedule
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.targets.cpu import TARGET
from chainrule.compiler.types import Dim, TensorType, symbol

from .interpreter import Interpreter

BATCH = symbol("batch")


def tensor(name: str, *dims: Dim, dtype: str = "float64") -> Node:
    return leaf(name, TensorType(dtype, dims), "input")


def graph_of(outputs: Iterable[Node]) -> Graph:
    named = tuple((f"y{i}", node) for i, node in enumerate(outputs))
    leaves = {x for x in Graph("g", outputs=named).nodes() if x.op.name == "leaf"}
    return Lower(TARGET.spells)(Graph("g", tuple(leaves), (), (), named, ()))


def softmax(x: Node) -> Node:
    """Over the last axis."""
    rest = (*x.shape[:-1], 1)
    largest = shape.reshape(make(reduce.MAX, (x,), axes=(x.type.ndim - 1,)), shape=rest)
    e = elementary.exp(x - largest)
    return e / shape.reshape(make(reduce.SUM, (e,), axes=(x.type.ndim - 1,)), shape=rest)


def attention(q: Node, k: Node, v: Node) -> Node:
    """Of heads that lie beside each other, as a layer has them: `batch, places, heads, size`."""
    size = q.shape[-1]
    assert isinstance(size, int)
    scores = linear.contract(q, k, "blhe", "bshe", "bhls") * (1 / math.sqrt(size))
    return linear.contract(softmax(scores), v, "bhls", "bshe", "blhe")


def inputs(batch: Dim, places: int, keys: int, heads: int, size: int) -> tuple[Node, Node, Node]:
    dims = (batch, places, heads, size), (batch, keys, heads, size), (batch, keys, heads, size + 1)
    q, k, v = (tensor(name, *each) for name, each in zip("qkv", dims, strict=True))
    return q, k, v


def forwards(*sizes: Any) -> Graph:
    return graph_of([attention(*inputs(*sizes))])


def both_ways(*sizes: Any) -> Graph:
    """The sum of squares, and its gradients."""
    leaves = inputs(*sizes)
    o = attention(*leaves)
    total = make(reduce.SUM, (square(o),), axes=(0, 1, 2, 3))
    grads = backward(total, leaves, const(1, "float64"))
    return graph_of([total, *(grads[x] for x in leaves)])


def of_blocks(planned: Schedule) -> list[tuple[Kernel, Panel]]:
    found = ((kernel, kernel.panel) for kernel in planned.kernels)
    return [(kernel, panel) for kernel, panel in found if panel is not None and panel.batch]


def same(graph: Graph, batch: int) -> Schedule:
    """The schedule of a graph, which does what the graph means."""
    random = np.random.default_rng(batch)
    dims: Any = {x: [batch if d == BATCH else d for d in x.shape] for x in graph.inputs}
    values: Any = {x: random.normal(size=d) for x, d in dims.items()}
    want = evaluate(graph.roots, values)
    planned = schedule(graph)
    memory = Interpreter(planned, values, {"batch": batch}).memory
    for x, expected in zip(planned.outputs, want, strict=True):
        np.testing.assert_allclose(memory[x], expected, rtol=1e-9, atol=1e-12)
    return planned


def test_attention_is_one_kernel_forwards() -> None:
    planned = schedule(forwards(BATCH, 32, 32, 4, 8))
    ((kernel, panel),) = of_blocks(planned)
    assert planned.kernels == (kernel,)
    assert (panel.batch, panel.dim, panel.rows) == ((BATCH, 4), 32, 32)
    assert not any(x.shape[-2:] == (32, 32) for x in planned.stored)
    left, _, _ = kernel.wholes[0].places  # type: ignore[union-attr]
    assert left == (0, None, 1, None)  # queries are read where they lie


def test_what_is_large_is_computed_again_for_the_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recompute, "LEAST", 0)
    planned = schedule(both_ways(BATCH, 24, 20, 3, 8))
    assert len(of_blocks(planned)) == 2
    assert not any(x.shape[-2:] == (24, 20) for x in planned.stored)


def test_what_is_small_is_stored_for_the_gradient() -> None:
    planned = schedule(both_ways(BATCH, 24, 20, 3, 8))
    assert any(x.shape[-2:] == (24, 20) for x in planned.stored)


def test_long_rows_come_in_small_blocks() -> None:
    ((_, panel),) = of_blocks(schedule(forwards(BATCH, 512, 2048, 2, 8)))
    assert 2048 * 8 * len(panel.local) * panel.rows <= blocks.ROOM
    assert (panel.rows, panel.whole) == (8, True)


def test_weights_that_are_wanted_are_stored_once() -> None:
    q, k, _ = inputs(BATCH, 512, 512, 2, 8)
    weights = softmax(linear.contract(q, k, "blhe", "bshe", "bhls"))
    total = make(reduce.SUM, (square(weights),), axes=(0, 1, 2, 3))
    grads = backward(total, [q, k], const(1, "float64"))
    planned = schedule(graph_of([total, grads[q], grads[k], weights]))
    products = [x for kernel in planned.kernels for x in kernel.wholes]
    assert len(products) == 3


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("again", [False, True])
@settings(max_examples=8)
@given(
    places=st.sampled_from([2, 3, 5, 8]),
    keys=st.sampled_from([2, 3, 7]),
    heads=st.integers(1, 3),
    size=st.integers(1, 3),
    rows=st.integers(1, 4),
)
def test_blocks_do_what_the_graph_means(
    batch: int, again: bool, places: int, keys: int, heads: int, size: int, rows: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS", rows)
        patch.setattr(blocks, "TILE", 1)
        patch.setattr(recompute, "LEAST", 0 if again else 1 << 40)
        same(forwards(BATCH, places, keys, heads, size), batch)
        same(both_ways(BATCH, places, keys, heads, size), batch)
        same(both_ways(batch, places, keys, heads, size), batch)


def test_a_batch_of_nothing() -> None:
    same(both_ways(BATCH, 5, 4, 2, 3), 0)
