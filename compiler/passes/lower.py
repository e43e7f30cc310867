"""Write every op that a target does not spell with ops that it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import UsageError
from ..ir import OPS, Graph, Node, Op, located, transform
from ..trace import Trace


@dataclass(frozen=True, slots=True)
class Lower:
    """Expand ops, stably, until `spells` says that the target knows them."""

    spells: Callable[[Op], bool]
    name: str = "lower"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph in the target's own ops."""
        return graph.map(transform(graph.roots + graph.leaves + tuple(graph.names), self.expand))

    def expand(self, node: Node) -> Node:
        """The node, whose operands are lowered, in the target's own ops."""
        if self.spells(node.op):
            return node
        with located(node.where):
            simpler = node.op.expand(node)
        if simpler is None:
            raise UsageError(
                f"no spelling for {node.op.name}",
                str(node.type),
                "the target has to spell every primitive",
                node.where,
            )
        return transform([simpler], self.expand, {x: x for x in node.operands})[simpler]


def built_in(op: Op) -> bool:
    """Whether an op is in the table, rather than made from a user's formula."""
    return OPS.get(op.name) is op
