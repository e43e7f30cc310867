"""Take the gradients that were asked for, innermost first."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ..autodiff import backward
from ..ir import Graph, Node, is_const, is_leaf, substitute, walk
from ..ops.broadcasting import zeros_like
from ..ops.gradient import GRADIENT
from ..trace import Trace


@dataclass(frozen=True, slots=True)
class Differentiate:
    """Replace every gradient node by the gradient.

    Gradients of one result share one sweep. Each gradient of a named node is named after both:
    `dL_dh1`. A result that does not depend on `x` has a gradient of zeros.
    """

    name: str = "differentiate"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph without gradient nodes."""
        trace = trace if trace is not None else Trace()
        while True:
            nodes = walk(graph.roots)
            wanted = innermost(nodes)
            if not wanted:
                return graph
            names = dict(graph.names)
            known: dict[Node, Node] = {}
            sweeps: dict[tuple[Node, Node], list[Node]] = defaultdict(list)
            for node in wanted:
                y, x, cotangent, _ = node.operands
                sweeps[y, cotangent].append(node)
            for (y, cotangent), group in sweeps.items():
                xs = [node.operands[1] for node in group]
                grads = backward(y, xs, cotangent, trace.chain)
                for node in group:
                    _, x, _, value = node.operands
                    grad = grads.get(x) or zeros_like(x)
                    (known[node],) = [grad] if value is x else substitute([grad], {x: value})
                name_all(y, {n: known.get(n, g) for n, g in grads.items()}, names)
                trace.gradients.update({(y, x): grad for x, grad in grads.items()})
            named = Graph(
                graph.name,
                graph.inputs,
                graph.params,
                graph.state,
                graph.outputs,
                graph.updates,
                names,
            )
            mapped = _replace(named, known)
            graph = named.map(mapped)


def innermost(nodes: list[Node]) -> list[Node]:
    """The gradient nodes below which there is no other."""
    holds: set[Node] = set()
    found = []
    for node in nodes:
        inside = any(x in holds for x in node.operands)
        if node.op is GRADIENT and not inside:
            found.append(node)
        if inside or node.op is GRADIENT:
            holds.add(node)
    return found


def name_all(y: Node, grads: dict[Node, Node], names: dict[Node, str]) -> None:
    """Name the gradient of each named node."""
    result = names.get(y)
    if result is None:
        return
    for node, grad in grads.items():
        name = node.attr("name") if is_leaf(node) else names.get(node)
        if name and not is_leaf(grad) and not is_const(grad):
            names.setdefault(grad, f"d{result}_d{name}")


def _replace(graph: Graph, known: dict[Node, Node]) -> dict[Node, Node]:
    from ..ir import transform

    # The replacements may hold nodes that other replacements stand for: map those too.
    mapped = transform(graph.roots + graph.leaves, known=known)
    for node in graph.names:
        if node not in mapped:
            mapped.update(transform([node], known=mapped))
    return mapped
