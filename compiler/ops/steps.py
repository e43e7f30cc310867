"""Graphs inside nodes, the steps of loops and branches: to look at them, and to change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..ir import Graph, Node, make, transform, walk
from .scan import Body

if TYPE_CHECKING:
    from ..trace import Trace


def bodies(node: Node) -> dict[str, Body]:
    """The graphs inside a node, by the names of the attributes that hold them."""
    return {key: value for key, value in node.attrs if isinstance(value, Body)}


def with_steps(nodes: Iterable[Node]) -> Iterator[Node]:
    """Nodes, and all that stand in the steps of loops among them; those of equal steps once."""
    seen: set[Body] = set()
    stack = [iter(nodes)]
    while stack:
        for node in stack[-1]:
            yield node
            inner = [body for body in bodies(node).values() if body not in seen]
            if inner:
                seen.update(inner)
                stack.append(iter(walk([x for b in inner for x in (*b.inputs, *b.outputs)])))
                break
        else:
            stack.pop()


def everywhere(change: Callable[[Graph], Graph], graph: Graph, trace: Trace | None = None) -> Graph:
    """A pass over the steps of all loops of a graph, innermost first, then over the graph.

    The trace is told what nodes with a loop below them became.
    """
    if not any(bodies(node) for node in graph.nodes()):
        return change(graph)
    done: dict[Body, Body] = {}

    def changed(body: Body) -> Body:
        return body.map(lambda inner: everywhere(change, inner, trace))

    roots = (*graph.leaves, *graph.roots, *graph.names)
    mapped = transform(roots, lambda node: _refilled(node, changed, done))
    if trace is not None:
        trace.passed(mapped)
    return change(graph.map(mapped))


def throughout(visit: Callable[[Node], Node]) -> Callable[[Node], Node]:
    """A visit for `transform` that goes through the steps of loops too."""
    done: dict[Body, Body] = {}

    def visited(body: Body) -> Body:
        mapped = transform(body.outputs, both)
        return Body(body.inputs, tuple(mapped[x] for x in body.outputs))

    def both(node: Node) -> Node:
        return visit(_refilled(node, visited, done))

    return both


def _refilled(node: Node, change: Callable[[Body], Body], done: dict[Body, Body]) -> Node:
    """The node with the graphs inside it changed, each of them once."""
    own = bodies(node)
    for body in own.values():
        if body not in done:
            done[body] = change(body)
    if not own:
        return node
    attrs = {**dict(node.attrs), **{key: done[body] for key, body in own.items()}}
    return make(node.op, node.operands, node.where, **attrs)
