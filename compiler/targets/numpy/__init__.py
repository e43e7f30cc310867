"""Target `numpy`: a readable statement a node; what a graph means, what people read and export."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import CONST, LEAF, Graph, Op
from ...ops.base import Scalar
from ...ops.choice import COND
from ...ops.scan import SCAN
from ...ops.special import softplus
from ...program import Program
from .expressions import SPELLED
from .module import emit


@dataclass(frozen=True, slots=True)
class NumPy:
    """Spells a graph with NumPy and SciPy."""

    name: str = "numpy"

    def spells(self, op: Op) -> bool:
        """What NumPy or SciPy has, as accurate as our own spelling and alike at the edges."""
        if isinstance(op, Scalar):
            return bool(op.numpy) or op is softplus
        return op in SPELLED or op in (LEAF, CONST, COND, SCAN)

    def emit(self, graph: Graph, fingerprint: str) -> Program:
        """The program."""
        return emit(graph, fingerprint)


TARGET = NumPy()
