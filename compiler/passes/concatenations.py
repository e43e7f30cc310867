"""Tensors side by side: each is computed where it lies in the whole.

The element of a concatenation would be looked up in the one part that has it, and all of them be
asked for every element. Loops over each part need not ask. Parts along the first axis stay in one
loop, so that threads share the rows of all.
"""

from __future__ import annotations

from ..ir import Node
from ..ops.shape import CONCAT
from ..types import Dim, add
from .loops import Statement
from .pull import Puller, number, plus, positions_of


def goes_by_parts(node: Node) -> bool:
    """Whether a tensor is made of parts that have loops of their own."""
    return node.op is CONCAT and any(dim != 1 for dim in node.shape[: node.attr("axis")])


def loops_of(node: Node, part: Node) -> set[Node]:
    """Whose loops compute a part of a stored tensor, or else an operand of it.

    Parts of one shape share theirs.
    """
    if not goes_by_parts(node):
        return {node}
    return {next(x for x in node.operands if x.shape == part.shape)}


def by_parts(node: Node, pull: Puller) -> list[list[Statement]]:
    """The statements that write each part; those that share their loops together."""
    found: list[Statement] = []
    axis = node.attr("axis")
    first: Dim = 0
    for x in node.operands:
        domain, at = positions_of(x.shape)
        to = (*at[:axis], plus(at[axis], number(first)), *at[axis + 1 :])
        found.append(Statement(node, node, domain, to, pull(x, at), len(domain)))
        first = add(first, x.shape[axis])
    shapes = dict.fromkeys(x.shape for x in node.operands)
    pairs = list(zip(node.operands, found, strict=True))
    return [[statement for x, statement in pairs if x.shape == shape] for shape in shapes]
