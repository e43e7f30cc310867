"""A graph under leading axes: one formula for many values side by side, without repeating it."""

from __future__ import annotations

from collections.abc import Mapping

from .ir import Node, Op, leaf, located, make, walk
from .ops.base import Scalar
from .ops.broadcasting import broadcast_dims
from .ops.custom import CUSTOM, declared
from .ops.shape import broadcast_to, reshape
from .types import TensorType


def lifted(result: Node, mapped: Mapping[Node, Node], lead: int) -> Node:
    """`result` for operands that have `lead` more leading axes.

    Args:
        result: a node below which no gradient is still to be taken.
        mapped: the nodes that it depends on, with what stands for them: leading axes first.
        lead: how many leading axes there are.

    Returns:
        A node with the leading axes first; a leading axis along which nothing changes has size 1.
    """
    known = dict(mapped)
    _lift(result, known, lead)
    return _led(result, known[result], lead, result)


def _lift(result: Node, known: dict[Node, Node], lead: int) -> None:
    """Let `known` say what stands for each node below `result`."""
    for node in walk([result], frozenset(known)):
        if node in known:
            continue
        changing = any(x in known and known[x] is not x for x in node.operands)
        if not changing:  # the same for all: numbers, and tensors from outside the formula
            known[node] = node
            continue
        with located(node.where):
            if node.op is CUSTOM:
                known[node] = _rule(node, known, lead)
                continue
            expanded = node.op.expand(node) if type(node.op).lift is Op.lift else None
            if expanded is not None:  # what has no form with leading axes is opened
                _lift(expanded, known, lead)
                known[node] = _led(expanded, known[expanded], lead, node)
                continue
            operands = tuple(_led(x, known[x], lead, node) for x in node.operands)
            known[node] = node.op.lift(node, operands, lead)


def _led(x: Node, lifted: Node, lead: int, user: Node) -> Node:
    """An operand with its leading axes: of size 1 where it does not change.

    To elementwise ops a number without axes is left as it is: it broadcasts.
    """
    if lifted is not x or (not x.shape and isinstance(user.op, Scalar)):
        return lifted
    return reshape(x, shape=(1,) * lead + x.shape)


def _rule(node: Node, known: Mapping[Node, Node], lead: int) -> Node:
    """A formula with a declared derivative: all that the declaration speaks of gets the axes."""
    rule = declared(node)
    outer = [_led(x, known[x], lead, node) for x in (rule.value, *rule.xs)]
    full = broadcast_dims(node.op.name, tuple(x.shape[:lead] for x in outer))

    def wide(x: Node, led: Node) -> Node:
        return broadcast_to(led, shape=full + x.shape)

    inner, leaves = dict(known), (rule.result, rule.cotangent, *rule.tangents)
    inner.update({x: wide(x, led) for x, led in zip(rule.xs, outer[1:], strict=True)})
    above = set(leaves) | set(rule.xs)
    for below in walk(node.operands):  # what was said of them was said for other axes
        if any(x in above for x in below.operands) and below not in above:
            above.add(below)
            inner.pop(below, None)
    for x in leaves:
        type_ = TensorType(x.dtype, full + x.shape)
        inner[x] = leaf(x.attr("name"), type_, "placeholder")
    operands = []
    for x in node.operands:
        _lift(x, inner, lead)
        operands.append(wide(x, _led(x, inner[x], lead, node)))
    return make(CUSTOM, tuple(operands), node.where, **dict(node.attrs))
