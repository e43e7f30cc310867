"""Reverse mode: the chain rule from a result back to what it depends on. No op is named here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .ir import Node, located, walk

Trace = Callable[[Node, int, Node], None]


def dependents(y: Node, xs: Sequence[Node]) -> set[Node]:
    """The nodes between `xs` and `y`, both included."""
    found = set(xs)
    for node in walk([y]):
        if any(x in found for x in node.operands):
            found.add(node)
    return found


def backward(
    y: Node, xs: Sequence[Node], seed: Node, trace: Trace = lambda node, operand, grad: None
) -> Mapping[Node, Node]:
    """The gradient of `sum(seed * y)` for every node between `xs` and `y`.

    Args:
        y: the result.
        xs: leaves of the graph below `y`.
        seed: the cotangent of `y`, of its type.
        trace: told of every step: a node, the position of an operand, its share of the gradient.

    Returns:
        A gradient for each node that `y` depends on and that depends on `xs`.
    """
    between = dependents(y, xs)
    grads: dict[Node, Node] = {y: seed} if y in between else {}
    for node in reversed(walk([y])):
        if node not in grads or node in xs:
            continue
        if not any(x in between for x in node.operands):
            continue
        with located(node.where):
            shares = node.op.vjp(node, grads[node])
            for i, (x, share) in enumerate(zip(node.operands, shares, strict=True)):
                if share is not None and x in between:
                    trace(node, i, share)
                    grads[x] = grads[x] + share if x in grads else share
    return grads
