"""Compute what does not depend on any input: numbers made of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..ir import CONST, Graph, Node, const, is_const, transform
from ..ops.arithmetic import where
from ..ops.base import Scalar
from ..ops.convert import CAST
from ..ops.shape import broadcast_to
from ..trace import Trace


@dataclass(frozen=True, slots=True)
class Fold:
    """Replace scalar functions of numbers by their value, each rounded to its own dtype.

    A value that is not finite is left to be computed. Sizes are not numbers: they are known later.
    """

    name: str = "fold"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph with its numbers computed."""
        return graph.map(transform((*graph.leaves, *graph.roots, *graph.names), fold))

    def node(self, root: Node) -> Node:
        """One node with its numbers computed."""
        return transform([root], fold)[root]


def fold(node: Node) -> Node:
    """The number that a node is, or the node."""
    if node.op is where and is_const(node.operands[0]):
        chosen = node.operands[1 if node.operands[0].attr("value") else 2]
        return broadcast_to(chosen, shape=node.shape)
    scalar = isinstance(node.op, Scalar) or node.op is CAST
    if not scalar or not all(x.op is CONST for x in node.operands):
        return node
    from ..reference import run

    (value,) = run([node], {}, {})
    return const(shortest(value), node.dtype) if math.isfinite(value) else node


def shortest(value: Any) -> Any:
    """The number with the fewest digits that rounds to this one in its own dtype."""
    kind = value.dtype.kind
    return float(str(value)) if kind == "f" else value.item()
