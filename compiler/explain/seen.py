"""What a formula does not show of a graph, and what it shows as something simpler."""

from __future__ import annotations

from ..ir import Node
from ..ops import convert, custom, shape
from ..types import Dim, Shape


def seen_through(node: Node) -> Node:
    """The node without what does not show in a formula: broadcasting, axes of size 1, casts."""
    while True:
        if node.op is shape.BROADCAST_TO:
            node = node.operands[0]
        elif node.op is shape.RESHAPE and _long(node.shape) == _long(node.operands[0].shape):
            node = node.operands[0]
        elif node.op is convert.CAST and node.operands[0].dtype != "bool" and node.type.is_float:
            node = node.operands[0]
        elif node.op is custom.CUSTOM:
            node = node.operands[0]
        else:
            return node


def _long(dims: Shape) -> tuple[Dim, ...]:
    return tuple(dim for dim in dims if dim != 1)


def one_hot(node: Node) -> Node | None:
    """The positions, if the node says of each place along an axis whether it is the one."""
    if node.op.name != "equal":
        return None
    for places, positions in (node.operands, node.operands[::-1]):
        if seen_through(places).op is convert.IOTA:
            return positions
    return None
