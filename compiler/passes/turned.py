"""A matrix that every step of a loop multiplies with transposed is transposed once, before it."""

from __future__ import annotations

from collections.abc import Container

from ..ir import Graph, Node, leaf, transform
from ..ops.linear import CONTRACT, contract
from ..ops.scan import SCAN, parts, step, trimmed
from ..ops.shape import transpose
from ..types import TensorType


def turned(graph: Graph) -> Graph:
    """The graph, in whose loops products find the rows of such a matrix where they need them."""
    return graph.map(transform((*graph.leaves, *graph.roots), _turned))


def _turned(node: Node) -> Node:
    if node.op is not SCAN or node.attr("length") == 1:
        return node
    loop = parts(node)
    fixed = frozenset(loop.fixed)
    new: dict[Node, Node] = {}

    def visit(x: Node) -> Node:
        if not _is_by_transposed(x, fixed):
            return x
        a, b = x.operands
        if b not in new:
            type_ = TensorType(b.dtype, b.shape[::-1])
            new[b] = leaf(b.attr("name"), type_, "placeholder", b.where)
        return contract(a, new[b], x.attr("left"), x.attr("right")[::-1], x.attr("out"))

    mapped = transform(loop.body.outputs, visit)
    if not new:
        return node
    inputs = [*loop.body.inputs, *new.values()]
    outside = dict(zip(loop.fixed, loop.constants, strict=True))
    tests = () if loop.condition is None else loop.condition.outputs
    made = loop.again(
        step(inputs, [mapped[x] for x in loop.body.outputs]),
        loop.inits,
        loop.sequences,
        [*loop.constants, *(transpose(outside[x], (1, 0)) for x in new)],
        step(inputs, tests) if tests else None,
        loop.steps,
    )
    index: int = node.attr("index")
    return trimmed(made[index])


def _is_by_transposed(node: Node, fixed: Container[Node]) -> bool:
    """Whether what changes is multiplied with a matrix whose rows are the result's columns."""
    if node.op is not CONTRACT:
        return False
    (a, b), (left, right, out) = node.operands, (node.attr(x) for x in ("left", "right", "out"))
    if b not in fixed or a in fixed or len(right) != 2:
        return False
    columns, summed = right
    return out[-1] == columns and columns not in left and summed in left and summed not in out
