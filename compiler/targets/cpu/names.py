"""What tensors are called that lie in memory: their own names, or what they are made of."""

from __future__ import annotations

from collections.abc import Mapping

from ...ir import Node, is_leaf
from ...ops.convert import CAST
from ...ops.linear import CONTRACT
from ...ops.scan import noun
from ...ops.shape import PAD, RESHAPE, SLICE, TRANSPOSE
from ...ops.steps import bodies
from ...passes.scalars import PARTS
from ..naming import described

LONGEST = 12  # of a name that others are made of
MADE = {PAD: "padded", TRANSPOSE: "transposed", SLICE: "part"}


def wanted(node: Node, names: Mapping[Node, str], arrays: Mapping[Node, str]) -> str:
    """What a tensor is called: its own name, or that of what it is made of.

    Args:
        node: the tensor.
        names: what the graph calls some of them.
        arrays: names that tensors have in the text already.
    """
    if node in names:
        return names[node]
    if is_leaf(node):
        return str(node.attr("name"))
    if node.op is PARTS:
        return f"{wanted(node.operands[0], names, arrays)}_parts"
    if bodies(node):
        return noun(node)
    if node.op in (CAST, RESHAPE):
        return wanted(node.operands[0], names, arrays)
    if node.op in MADE:
        (of,) = node.operands
        made = _short(of, names, arrays) or wanted(of, names, arrays)
        return f"{made}_{MADE[node.op]}"
    if node.op is CONTRACT:
        parts = [_short(x, names, arrays) for x in node.operands]
        return "_".join(map(str, parts)) if all(parts) else "product"
    return described(node, lambda x: names.get(x) or arrays.get(x))


def _short(node: Node, names: Mapping[Node, str], arrays: Mapping[Node, str]) -> str | None:
    """The name of what an operand shows in some other form, if it is a short one."""
    while node not in names and node.op.name in (
        "transpose",
        "reshape",
        "cast",
        "pad",
        "windows",
    ):
        (node,) = node.operands
    name = names.get(node) or arrays.get(node)
    return name if name is not None and len(name) <= LONGEST else None
