"""Rewrite a graph by rules until none applies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from ..ir import Graph, Node, Op, located, rebuilt
from ..ops.base import Scalar
from ..rules.rule import ELEMENTWISE, AnyRule
from ..trace import Trace

# Each rule simplifies, so a node is rewritten a handful of times. This many means that two rules
# undo each other: a fault of the table, found by the tests and not by a user who waits.
MOST = 200


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Apply rules bottom-up to a fixed point, each node once however often it is used.

    Of several rules that fit a node the first of the table is taken.
    """

    rules: tuple[AnyRule, ...]
    name: str = "rewrite"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph in which no rule applies any more."""
        roots = (*graph.leaves, *graph.roots, *graph.names)
        return graph.map(self.nodes(roots, trace, graph.names))

    def nodes(
        self, roots: Iterable[Node], trace: Trace | None = None, names: Iterable[Node] = ()
    ) -> dict[Node, Node]:
        """The new node of every node below the roots.

        Args:
            roots: where to start.
            trace: told of every rule.
            names: nodes that have a name, and so are computed whatever becomes of their uses.
        """
        done: dict[Node, Node] = {}
        run = _Run(index(self.rules), trace, frozenset(names))
        for root in roots:
            _normal(root, done, run, 0)
        if trace is not None:
            trace.passed(done)
        return done

    def node(self, root: Node, trace: Trace | None = None) -> Node:
        """The new node of one node."""
        return self.nodes((root,), trace)[root]


@dataclass(frozen=True, slots=True)
class _Run:
    """What stays the same while a graph is rewritten.

    Attributes:
        table: the rules by the op that they start with.
        trace: told of every rule.
        names: nodes that have a name.
        stored: what these became.
        near: the rules that may fit a node, by its op and those of its operands.
    """

    table: dict[str, tuple[AnyRule, ...]]
    trace: Trace | None
    names: frozenset[Node]
    stored: set[Node] = field(default_factory=set)
    near: dict[tuple[Op, ...], tuple[AnyRule, ...]] = field(default_factory=dict)

    def rules(self, node: Node) -> tuple[AnyRule, ...]:
        """The rules that may fit a node, in the order of the table."""
        ops = (node.op, *[x.op for x in node.operands])
        found = self.near.get(ops)
        if found is None:
            found = self.table.get(node.op.name, ())
            if isinstance(node.op, Scalar):
                found += self.table.get(ELEMENTWISE, ())
            found = self.near[ops] = tuple(rule for rule in found if rule.may_fit(ops[1:]))
        return found


@cache
def index(rules: tuple[AnyRule, ...]) -> dict[str, tuple[AnyRule, ...]]:
    """The rules by the op that their left side starts with, in the order of the table."""
    found: dict[str, list[AnyRule]] = defaultdict(list)
    for rule in rules:
        for name in rule.roots():
            found[name].append(rule)
    return {name: tuple(group) for name, group in found.items()}


def _normal(root: Node, done: dict[Node, Node], run: _Run, steps: int) -> Node:
    stack = [(root, False)]
    while stack:
        node, visited = stack.pop()
        if node in done:
            continue
        if not visited:
            stack.append((node, True))
            stack.extend((x, False) for x in node.operands if x not in done)
            continue
        new = rebuilt(node, tuple(done[x] for x in node.operands))
        if new is not node and new in done:
            done[node] = done[new]
        elif (after := _apply(new, run)) is None:
            done[node] = new
            done.setdefault(new, new)
        else:
            if steps > MOST:
                raise RuntimeError(f"rules undo each other at {new!r}, which became {after!r}")
            done[node] = _normal(after, done, run, steps + 1)
            done[new] = done[node]
        if node in run.names:
            run.stored.add(done[node])
    return done[root]


def _apply(node: Node, run: _Run) -> Node | None:
    rules, trace = run.rules(node), run.trace
    if not rules:
        return None
    kept = not run.stored.isdisjoint(node.operands)
    with located(node.where):
        for rule in rules:
            if kept and rule.outwards:
                continue
            after = rule.apply(node)
            if after is not None and after is not node:
                if trace is not None:
                    trace.rule(rule.name, rule.why, node, after)
                return after
    return None
