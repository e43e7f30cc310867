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
from chainrule.compiler.ops import convert, elementary, linear, reduce, shape
from chainrule.compiler.ops.arithmetic import square
from chainrule.compiler.passes import blocks
from chainrule.compiler.passes.loops import Kernel, Panel, Schedule
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.passes.wholes import Core
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
    dims = {x: [batch if d is BATCH else d for d in x.shape] for x in graph.inputs}
    values = {x: random.normal(size=d) for x, d in dims.items()}
    want = evaluate(graph.roots, values)
    planned = schedule(graph)
    memory = Interpreter(planned, values, {"batch": batch}).memory
    for x, expected in zip(planned.outputs, want, strict=True):
        np.testing.assert_allclose(memory[x], expected, rtol=1e-9, atol=1e-12)
    return planned
