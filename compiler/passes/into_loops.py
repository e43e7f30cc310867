"""What is cheap is computed in a loop's steps, where it is needed, not for all steps before it.

Of a sequence `x W + b` each step takes its rows of the product, and adds `b`: no sum is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..ir import Graph, Node, is_const, is_leaf, leaf, make, rebuilt, substitute
from ..ops.base import Scalar
from ..ops.linear import CONTRACT
from ..ops.scan import SCAN, parts, step
from ..ops.unwound import CHEAP
from ..types import TensorType


def into_loops(graph: Graph) -> Graph:
    """The graph, whose loops compute what is cheap of their sequences.

    That is what only they need, made of a product for all steps and of what all steps share.
    """
    nodes = graph.nodes()
    needed = Counter(graph.roots)
    for node in nodes:
        taken = _sequences(node)
        needed.update(x for x in node.operands if x not in taken)
    mapped: dict[Node, Node] = {}
    for node in nodes:
        new = rebuilt(node, tuple(mapped[x] for x in node.operands))
        cheap = {mapped[x]: _varying(x) for x in _sequences(node) if x not in needed}
        found = {x: of for x, of in cheap.items() if of is not None}
        mapped[node] = _loop(new, found) if found else new
    return graph.map(mapped)


def _sequences(node: Node) -> tuple[Node, ...]:
    return parts(node).sequences if node.op is SCAN else ()


def _varying(x: Node) -> int | None:
    """Which operand is a product for all steps, where the others are shared; else None."""
    if not isinstance(x.op, Scalar) or x.op.name not in CHEAP:
        return None
    products = [i for i, y in enumerate(x.operands) if y.op is CONTRACT and y.shape == x.shape]
    others = (y for i, y in enumerate(x.operands) if [i] != products)
    shared = all(is_const(y) or 0 < y.type.ndim < x.type.ndim for y in others)
    return products[0] if len(products) == 1 and shared else None


def _loop(node: Node, found: Mapping[Node, int]) -> Node:
    """The loop that computes some of its sequences' elements in its steps."""
    loop = parts(node)
    elements: list[Node] = []
    sequences: list[Node] = []
    constants: dict[Node, Node] = {}
    known: dict[Node, Node] = {}
    for own, x in zip(loop.elements, loop.sequences, strict=True):
        if x not in found:
            elements.append(own)
            sequences.append(x)
            continue
        varying = x.operands[found[x]]
        of = leaf(own.attr("name"), TensorType(varying.dtype, own.shape), "placeholder")
        elements.append(of)
        sequences.append(varying)
        operands = tuple(
            of if i == found[x] else y if is_const(y) else constants.setdefault(y, _inner(y))
            for i, y in enumerate(x.operands)
        )
        known[own] = make(x.op, operands, x.where, **dict(x.attrs))
    inputs = (*loop.carries, *elements, *loop.fixed, *constants.values())
    outputs = substitute(loop.body.outputs, known)
    outside = [*loop.constants, *constants]
    made = loop.again(step(inputs, outputs), loop.inits, sequences, outside, None, loop.steps)
    index: int = node.attr("index")
    return made[index]


def _inner(x: Node) -> Node:
    return leaf(x.attr("name") if is_leaf(x) else "k", x.type, "placeholder", x.where)
