"""A change of nodes that reaches into the graphs inside them: the steps of loops, branches."""

from __future__ import annotations

from collections.abc import Callable

from ..ir import Node, make, transform
from .scan import Body, bodies


def throughout(visit: Callable[[Node], Node]) -> Callable[[Node], Node]:
    """A visit for `transform` that goes through the steps of loops too."""
    done: dict[Body, Body] = {}

    def both(node: Node) -> Node:
        own = bodies(node)
        for body in own.values():
            if body not in done:
                mapped = transform(body.outputs, both)
                done[body] = Body(body.inputs, tuple(mapped[x] for x in body.outputs))
        if own:
            steps = {key: done[body] for key, body in own.items()}
            node = make(node.op, node.operands, node.where, **{**dict(node.attrs), **steps})
        return visit(node)

    return both
