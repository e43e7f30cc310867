"""A matrix that every step of a loop multiplies with transposed is transposed once, before it."""

from __future__ import annotations

from collections.abc import Iterator

from ..ir import Graph, Node, leaf, substitute, transform, walk
from ..ops.linear import CONTRACT, contract
from ..ops.scan import SCAN, Parts, parts, step, trimmed
from ..ops.shape import transpose
from ..types import TensorType


def turned(graph: Graph) -> Graph:
    """The graph, in whose loops products find the rows of such a matrix where they need them."""
    mapped = transform((*graph.leaves, *graph.roots), _turned)
    return graph.map(mapped)


def _turned(node: Node) -> Node:
    if node.op is not SCAN or node.attr("length") == 1:
        return node
    loop = parts(node)
    products = dict(_products(loop))
    if not products:
        return node
    matrices = dict.fromkeys(products.values())
    new = {x: leaf(x.attr("name"), _type(x), "placeholder") for x in matrices}
    known: dict[Node, Node] = {}
    for product, x in products.items():
        (a, _), right = product.operands, product.attr("right")
        sides = product.attr("left"), right[::-1], product.attr("out")
        known[product] = contract(a, new[x], *sides)
    inputs = [*loop.body.inputs, *new.values()]
    outside = dict(zip(loop.fixed, loop.constants, strict=True))
    tests = () if loop.condition is None else loop.condition.outputs
    made = loop.again(
        step(inputs, substitute(loop.body.outputs, known)),
        loop.inits,
        loop.sequences,
        [*loop.constants, *(transpose(outside[x], (1, 0)) for x in new)],
        step(inputs, tests) if tests else None,
        loop.steps,
    )
    index: int = node.attr("index")
    return trimmed(made[index])


def _type(x: Node) -> TensorType:
    return TensorType(x.dtype, x.shape[::-1])


def _products(loop: Parts) -> Iterator[tuple[Node, Node]]:
    """Products of what changes with a constant matrix whose rows are the result's columns."""
    fixed = {*loop.fixed}
    for node in walk(loop.body.outputs):
        if node.op is not CONTRACT:
            continue
        (a, b), (left, right, out) = node.operands, (node.attr(x) for x in ("left", "right", "out"))
        if b not in fixed or a in fixed or len(right) != 2:
            continue
        columns, summed = right
        if out[-1] == columns and columns not in left and summed in left and summed not in out:
            yield node, b
