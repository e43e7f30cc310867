"""Compute what does not depend on any input: numbers made of numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Graph, Node, transform
from ..rules.numbers import folded, rounded
from ..trace import Trace


@dataclass(frozen=True, slots=True)
class Fold:
    """Replace scalar functions of numbers by their value, each rounded to its own dtype.

    A value that is not finite is left to be computed. Sizes are not numbers: they are known later.

    Attributes:
        rounds: whether numbers become what their dtype holds of them, so that what is computed of
            two that round to one is computed once. People read, and SymPy recognizes, the others.
    """

    rounds: bool = False
    name: str = "fold"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph with its numbers computed."""
        mapped = transform((*graph.leaves, *graph.roots, *graph.names), self._folded)
        if trace is not None:
            trace.passed(mapped)
        return graph.map(mapped)

    def node(self, root: Node) -> Node:
        """One node with its numbers computed."""
        return transform([root], self._folded)[root]

    def _folded(self, node: Node) -> Node:
        return folded(rounded(node) if self.rounds else node)
