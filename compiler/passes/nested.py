"""Loops and choices of a graph as kernels that have the kernels of other graphs inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import Fault
from ..ir import Graph, Node, leaf, substitute, walk
from ..ops.scan import Body, Parts, parts
from .loops import Schedule
from .routines import room
from .wholes import Branches, Part, Repeat


@dataclass(frozen=True, slots=True)
class Nested:
    """Makes kernels of a graph's loops and choices.

    Attributes:
        nodes: those of the graph.
        plan: the schedule of a graph inside.
        fault: the code of a fault.
    """

    nodes: Sequence[Node]
    plan: Callable[[Graph], Schedule]
    fault: Callable[[Fault], int]

    def repeat(self, node: Node) -> Repeat:
        """The loop with its step as kernels, in which the carries are updated in place."""
        loop = parts(node)
        known = {x: leaf(x.attr("name"), x.type, "input", x.where) for x in loop.body.inputs}
        known |= {x: leaf(x.attr("name"), x.type, "state", x.where) for x in loop.carries}
        outputs = substitute(loop.body.outputs, known)
        n, results = len(loop.inits), loop.results()
        carries = tuple(known[x] for x in loop.carries)
        graph = Graph(
            "step",
            inputs=tuple(known[x] for x in loop.elements + loop.fixed),
            state=carries,
            outputs=tuple((f"stacked_{i}", x) for i, x in enumerate(outputs[n:], 1)),
            updates=tuple(zip(carries, outputs, strict=False)),
        )
        given = (*loop.sequences, *loop.constants, *results[:n])
        test, holds = self._test(loop)
        taken = None if loop.condition is None else loop.taken()
        fault = loop.fault()
        return Repeat(
            results,
            loop.sequences,
            loop.constants,
            self._part(graph, given, results[n:]),
            loop.node.attr("length"),
            loop.node.attr("reverse"),
            loop.steps,
            test,
            holds,
            taken if taken in self.nodes else None,
            0 if fault is None else self.fault(fault),
        )

    def _test(self, loop: Parts) -> tuple[Part | None, Node | None]:
        """Whether to take another step, as kernels, and the tensor that they put it in."""
        if loop.condition is None:
            return None, None
        inputs = loop.fixed + loop.carries
        known = {x: leaf(x.attr("name"), x.type, "input", x.where) for x in inputs}
        (holds,) = substitute(loop.condition.outputs, known)
        graph = Graph("test", inputs=tuple(known.values()), outputs=(("goes_on", holds),))
        tensor = room("goes_on", "bool")
        given = loop.constants + loop.results()[: len(loop.carries)]
        return self._part(graph, given, (tensor,)), tensor

    def branches(self, node: Node) -> Branches:
        """The choice with its two graphs as kernels."""
        family = node.op.family(node)
        results = tuple(x for x in self.nodes if x.op is node.op and x.op.family(x) == family)
        condition, *given = node.operands

        def part(name: str, body: Body) -> Part:
            nodes = [body.outputs[x.attr("index")] for x in results]
            used = set(walk(nodes))
            pairs = [(x, y) for x, y in zip(body.inputs, given, strict=True) if x in used]
            known = {x: leaf(x.attr("name"), x.type, "input", x.where) for x, _ in pairs}
            outputs = tuple((f"result_{i}", x) for i, x in enumerate(substitute(nodes, known), 1))
            graph = Graph(name, inputs=tuple(known.values()), outputs=outputs)
            return self._part(graph, tuple(y for _, y in pairs), results)

        then, otherwise = part("then", node.attr("then")), part("else", node.attr("otherwise"))
        return Branches(results, condition, tuple(given), then, otherwise)

    def _part(self, graph: Graph, given: tuple[Node, ...], made: tuple[Node, ...]) -> Part:
        return Part(graph, self.plan(graph), given, made)
