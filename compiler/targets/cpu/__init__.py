"""Target `cpu`: kernels of plain loops and matrix products, as text that Numba reads too."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Graph, Op
from ...program import Program
from . import spelling


@dataclass(frozen=True, slots=True)
class Cpu:
    """Writes a program as the source of native kernels."""

    name: str = "cpu"

    def spells(self, op: Op) -> bool:
        """Primitives, and the rows of the spelling table."""
        return spelling.spells(op)

    def emit(self, graph: Graph, fingerprint: str) -> Program:
        """The program of a lowered graph."""
        from .module import emit

        return emit(graph, fingerprint)


TARGET = Cpu()
