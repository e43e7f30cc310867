"""From what was asked for to a program, step by step, in reading order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .fingerprint import fingerprint
from .ir import Graph
from .ops.gradient import STOP_GRADIENT
from .ops.steps import everywhere, with_steps
from .passes.bounds import bounds, together
from .passes.contract import Contractions
from .passes.differentiate import Differentiate
from .passes.fold import Fold
from .passes.lower import Lower, built_in
from .passes.merge import Merge
from .passes.rewrite import Rewrite
from .program import Program
from .rules import ALGEBRA, FINISH, STABILIZE
from .stopwatch import timed
from .targets import target as find_target
from .trace import Trace

Pass = Callable[[Graph, Trace | None], Graph]


def derive(request: Graph, trace: Trace | None = None) -> Graph:
    """The request with its gradients taken, stable: what people read.

    Args:
        request: outputs and updates, in which gradients are still only asked for.
        trace: told of every rule and every step of the chain rule.
    """

    def each(change: Pass, graph: Graph) -> Graph:
        return everywhere(lambda inner: change(inner, trace), graph, trace)

    stabilize = Rewrite(ALGEBRA + STABILIZE)
    with timed("rules"):
        graph = each(stabilize, request)  # a formula stabilized first has a stable gradient
        graph = each(Contractions(), graph)
    with timed("gradient"):
        graph = Merge()(Differentiate()(graph, trace), trace)
    with timed("rules"):
        graph = each(Rewrite(ALGEBRA + FINISH), each(stabilize, graph))
        graph = each(Fold(), graph)
        # Rules leave parts of loops that none wants.
        return Merge()(each(Contractions(), graph), trace)


def lower(derived: Graph, target: str) -> Graph:
    """The derived graph in the ops that a target spells: what is emitted."""
    spells = find_target(target).spells
    with timed("rules"):
        # Formulas of the user's are opened first, so that the rules see inside them.
        graph = everywhere(Lower(lambda op: built_in(op) and op is not STOP_GRADIENT), derived)
        graph = everywhere(Rewrite(ALGEBRA + STABILIZE), graph)
        graph = everywhere(Fold(rounds=True), graph)
        graph = everywhere(Contractions(), graph)
        graph = everywhere(Lower(spells), graph)
        return Merge()(everywhere(Fold(rounds=True), graph))


def compile(request: Graph, target: str, environment: str = "") -> Program:
    """The program that computes a request on a target."""
    name = fingerprint(request, target, environment)
    derived = derive(request)
    lowered = lower(derived, target)
    with timed("emission"):
        program = find_target(target).emit(lowered, name)
        # What the user wrote comes first, so that every target says the same of it.
        asked = (bounds(with_steps(graph.nodes())) for graph in (request, derived))
        return replace(program, bounds=together(*asked, program.bounds))
