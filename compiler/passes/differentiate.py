"""Take the derivatives that were asked for, innermost first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ..autodiff import backward
from ..ir import Graph, Node, is_const, is_leaf, leaf, substitute, transform, walk
from ..jacobians import jacobian
from ..laplacians import Name, laplacian
from ..lifting import lifted
from ..ops.broadcasting import zeros_like
from ..ops.custom import CUSTOM, unruled
from ..ops.gradient import JACOBIAN, LAPLACIAN, TAYLOR, WANTED
from ..ops.shape import broadcast_to
from ..ops.steps import everywhere, throughout, with_steps
from ..taylor import coefficients
from ..trace import Trace


@dataclass(frozen=True, slots=True)
class Differentiate:
    """Replace gradient nodes by gradients, Jacobians by gradients, series by coefficients.

    Gradients of one result share one sweep. Each gradient of a named node is named after both:
    `dL_dh1`. A result that does not depend on `x` has a gradient of zeros. Gradients for many
    cotangents are the gradient for one, lifted. In the steps of loops they are taken first, and
    loops with them are then differentiated. Declared derivatives are left out when all are taken.
    """

    name: str = "differentiate"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph without gradient nodes."""
        trace = trace if trace is not None else Trace()
        graph = self.taken(graph, trace)
        if any(node.op is CUSTOM for node in with_steps(walk(graph.roots))):
            roots = (*graph.roots, *graph.leaves, *graph.names)
            mapped = transform(roots, throughout(unruled))
            trace.passed(mapped)
            graph = graph.map(mapped)
        return graph

    def taken(self, graph: Graph, trace: Trace) -> Graph:
        """The graph without gradient nodes, which may still be differentiated: as declared."""
        return everywhere(lambda inner: self._taken(inner, trace), graph, trace)

    def _taken(self, graph: Graph, trace: Trace) -> Graph:
        while wanted := innermost(read := walk(graph.roots)):
            names = dict(graph.names)
            known: dict[Node, Node] = {}
            sweeps: dict[tuple[Node, Node], list[Node]] = defaultdict(list)
            for node in wanted:
                if node.op is TAYLOR:
                    y, x, direction, value = node.operands
                    series = coefficients(y, x, direction, node.attr("order"))
                    known[node] = _at(series, x, value)
                elif node.op is JACOBIAN:
                    y, x, value = node.operands
                    known[node] = _at(jacobian(y, x, node.attr("symmetric")), x, value)
                elif node.op is LAPLACIAN:
                    y, x, value = node.operands
                    known[node] = _at(laplacian(y, x, _naming(x, names)), x, value)
                else:
                    y, x, cotangent, _ = node.operands
                    sweeps[y, cotangent].append(node)
            for (y, cotangent), group in sweeps.items():
                known.update(_sweep(y, cotangent, group, names, trace))
            named = _named(graph, names)
            graph = named.map(_replace(named, known))
        return _named(graph, _worthwhile(graph.names, set(read)))


def derived(node: Node) -> Node:
    """A node whose derivatives are taken; what is declared stays, for derivatives of the node."""
    if not any(x.op in WANTED for x in with_steps(walk([node]))):
        return node
    return Differentiate().taken(Graph("derived", outputs=(("value", node),)), Trace()).roots[0]


def _sweep(
    y: Node, cotangent: Node, group: list[Node], names: dict[Node, str], trace: Trace
) -> dict[Node, Node]:
    """The gradients of one result for one cotangent, or for many side by side."""
    known: dict[Node, Node] = {}
    lead = cotangent.type.ndim - y.type.ndim
    seed = leaf("cotangent", y.type, "placeholder") if lead else cotangent
    xs = [node.operands[1] for node in group]
    grads = backward(y, xs, seed, trace.chain)
    for node in group:
        _, x, _, value = node.operands
        grad = grads.get(x) or zeros_like(x)
        if lead:
            grad = broadcast_to(lifted(grad, {seed: cotangent}, lead), shape=node.shape)
            name_all(y, {x: grad}, names)
        known[node] = _at(grad, x, value)
    if not lead:
        name_all(y, {n: known.get(n, g) for n, g in grads.items()}, names)
        trace.gradients.update({(y, x): grad for x, grad in grads.items()})
    return known


def _naming(x: Node, names: dict[Node, str]) -> Name:
    """Who calls the slopes and Laplacians of named nodes after them."""

    def name(node: Node, slopes: Node | None, curvature: Node | None) -> None:
        own = names.get(node)
        if own is not None and slopes is not None:
            names.setdefault(slopes, f"d{own}_d{x.attr('name')}")
        if own is not None and curvature is not None:
            names.setdefault(curvature, f"laplacian_{own}")

    return name


def _at(result: Node, x: Node, value: Node) -> Node:
    """A result in terms of what the leaf `x` stands for."""
    return result if value is x else substitute([result], {x: value})[0]


def _named(graph: Graph, names: dict[Node, str]) -> Graph:
    return Graph(
        graph.name,
        graph.inputs,
        graph.params,
        graph.state,
        graph.outputs,
        graph.updates,
        names,
    )


def _worthwhile(names: Mapping[Node, str], read: set[Node]) -> dict[Node, str]:
    """The names but for those of what no result reads and derivatives are in: none is taken."""
    return {
        node: name
        for node, name in names.items()
        if node in read or not any(x.op in WANTED for x in walk([node]))
    }


def innermost(nodes: list[Node]) -> list[Node]:
    """The derivatives still to be taken below which there is no other."""
    holds: set[Node] = set()
    found = []
    for node in nodes:
        inside = any(x in holds for x in node.operands)
        wanted = node.op in WANTED
        if wanted and not inside:
            found.append(node)
        if inside or wanted:
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
    # The replacements may hold nodes that other replacements stand for: map those too.
    mapped = transform(graph.roots + graph.leaves, known=known)
    return transform([node for node in graph.names if node not in mapped], known=mapped)
