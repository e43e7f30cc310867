"""From what was asked for to a program, step by step, in reading order."""

from __future__ import annotations

from .fingerprint import fingerprint
from .ir import Graph
from .ops.gradient import STOP_GRADIENT
from .passes.contract import Contractions
from .passes.differentiate import Differentiate
from .passes.fold import Fold
from .passes.lower import Lower, built_in
from .passes.rewrite import Rewrite
from .program import Program
from .rules import ALGEBRA, FINISH, STABILIZE
from .targets import target as find_target
from .trace import Trace


def derive(request: Graph, trace: Trace | None = None) -> Graph:
    """The request with its gradients taken, stable: what people read.

    Args:
        request: outputs and updates, in which gradients are still only asked for.
        trace: told of every rule and every step of the chain rule.
    """
    stabilize = Rewrite(ALGEBRA + STABILIZE)
    graph = stabilize(request, trace)  # a formula stabilized first has a stable gradient
    graph = Contractions()(graph, trace)
    graph = Differentiate()(graph, trace)
    graph = Rewrite(ALGEBRA + FINISH)(stabilize(graph, trace), trace)
    graph = Fold()(graph, trace)
    return Contractions()(graph, trace)


def lower(derived: Graph, target: str) -> Graph:
    """The derived graph in the ops that a target spells: what is emitted."""
    spells = find_target(target).spells
    # Formulas of the user's are opened first, so that the rules see inside them.
    graph = Lower(lambda op: built_in(op) and op is not STOP_GRADIENT)(derived)
    graph = Rewrite(ALGEBRA + STABILIZE)(graph)
    graph = Fold()(graph)
    graph = Contractions()(graph)
    graph = Lower(spells)(graph)
    return Fold()(graph)


def compile(request: Graph, target: str, environment: str = "") -> Program:
    """The program that computes a request on a target."""
    name = fingerprint(request, target, environment)
    return find_target(target).emit(lower(derive(request), target), name)
