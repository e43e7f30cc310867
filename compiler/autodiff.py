"""Reverse mode: the chain rule from a result back to what it depends on. No op is named here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from .ir import Node, located, walk

Trace = Callable[[Node, int, Node], None]


def dependents(ys: Iterable[Node], xs: Iterable[Node]) -> set[Node]:
    """`xs`, and the nodes up to `ys` that depend on them."""
    found = set(xs)
    for node in walk(ys):
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
    return backward_from({y: seed}, xs, trace)


def backward_from(
    seeds: Mapping[Node, Node],
    xs: Sequence[Node],
    trace: Trace = lambda node, operand, grad: None,
) -> Mapping[Node, Node]:
    """The same for several results, whose gradients add up.

    Results of one computation are differentiated together, when the gradients of all are complete:
    at the first of them, since what uses any of them comes later.
    """
    order, ends = walk(seeds), frozenset(xs)
    between = dependents(seeds, xs)
    grads = {y: seed for y, seed in seeds.items() if y in between}
    families: dict[Hashable, list[Node]] = {}
    for node in order:
        families.setdefault(node.op.family(node) or node, []).append(node)
    for node in reversed(order):
        family = families[node.op.family(node) or node]
        given = {x: grads[x] for x in family if x in grads}
        if node is not family[0] or not given or node in ends:
            continue
        if not any(x in between for x in node.operands):
            continue
        with located(node.where):
            shares = node.op.vjp_of(given)
            for i, (x, share) in enumerate(zip(node.operands, shares, strict=True)):
                if share is not None and x in between:
                    trace(node, i, share)
                    grads[x] = grads[x] + share if x in grads else share
    return grads
