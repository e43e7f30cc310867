"""Loops that run the same steps become one, and no loop computes what nobody wants of it."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass, field

from ..ir import Graph, Node, is_leaf, located, rebuilt, substitute, walk
from ..ops.choice import COND, chosen
from ..ops.scan import SCAN, Parts, parts, step
from ..ops.steps import bodies, everywhere
from ..trace import Trace


@dataclass(frozen=True, slots=True)
class Merge:
    """One loop for all that is wanted of loops over the same operands with the same carries.

    A gradient needs the forward loop with more stacked, which the loop that is there already then
    stacks too. Carries, stacks and operands that nothing depends on are left out, and those that
    are there twice; numbers that are passed as constants go into the step.
    """

    name: str = "merge"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph with as few loops as possible."""
        while True:  # what a loop does not want, the loops in its step need not make
            after = everywhere(lambda inner: _merged(inner, trace), graph, trace)
            if after.roots == graph.roots:
                return after
            graph = after


@dataclass(slots=True)
class _Group:
    """Loops that are one, and what is wanted of them: carries by number, stacks as step nodes."""

    loop: Parts
    carries: set[int] = field(default_factory=set)
    stacks: dict[Node, None] = field(default_factory=dict)
    results: dict[int | Node | None, Node] = field(default_factory=dict)

    def want(self, loop: Parts) -> None:
        """One result more."""
        wanted = _which(loop)
        if isinstance(wanted, int):
            self.carries.add(wanted)
        elif wanted is not None:
            self.stacks[wanted] = None

    def make(self, mapped: dict[Node, Node]) -> None:
        """The loop, of operands that are mapped already."""
        loop = self.loop
        live = set(self.carries)
        tests = () if loop.condition is None else loop.condition.outputs
        while True:
            wanted = [*(loop.body.outputs[i] for i in sorted(live)), *self.stacks]
            below = set(walk((*wanted, *tests)))
            more = {i for i, c in enumerate(loop.carries) if c in below} - live
            if not more:
                break
            live |= more
        kept = sorted(live)
        known: dict[Node, Node] = {}  # leaves that need not be: numbers, and what is there twice
        constants: dict[Node, Node] = {}
        for own, x in zip(loop.fixed, loop.constants, strict=True):
            if own in below and is_number(mapped[x]):
                known[own] = mapped[x]
            elif own in below:
                known[own] = constants.setdefault(mapped[x], own)
        sequences: dict[Node, Node] = {}
        for own, x in zip(loop.elements, loop.sequences, strict=True):
            if own in below:
                known[own] = sequences.setdefault(mapped[x], own)
        inputs = [*(loop.carries[i] for i in kept), *sequences.values(), *constants.values()]
        results = loop.again(
            step(inputs, substitute(wanted, known)),
            [mapped[loop.inits[i]] for i in kept],
            list(sequences),
            list(constants),
            step(inputs, substitute(tests, known)) if tests else None,
            None if loop.steps is None else mapped[loop.steps],
        )
        self.results = {**dict(zip(kept, results, strict=False))}
        self.results.update(zip(self.stacks, results[len(kept) :], strict=False))
        self.results[None] = results[-1]


def is_number(x: Node) -> bool:
    """Whether a tensor depends on nothing, and is no loop or choice."""
    return not any(is_leaf(node) or bodies(node) for node in walk([x]))


def _which(loop: Parts) -> int | Node | None:
    """Which result a loop's node is: a carry, by its number, a stack, or the number of steps."""
    index, outputs = loop.node.attr("index"), loop.body.outputs
    if index < len(loop.inits):
        return int(index)
    return outputs[index] if index < len(outputs) else None


def _key(loop: Parts) -> Hashable:
    n = len(loop.inits)
    attrs = tuple(pair for pair in loop.node.attrs if pair[0] not in ("body", "index"))
    return loop.node.operands, loop.body.inputs, loop.body.outputs[:n], attrs


@dataclass(slots=True)
class _Choice:
    """Results of one choice."""

    node: Node
    wanted: dict[int, None] = field(default_factory=dict)
    results: dict[int, Node] = field(default_factory=dict)

    def make(self, mapped: dict[Node, Node]) -> None:
        """The choice, of operands that are mapped already."""
        pair = [self.node.attr(key) for key in ("then", "otherwise")]
        outputs = [[body.outputs[i] for i in self.wanted] for body in pair]
        below = set(walk(itertools.chain(*outputs)))
        condition, *given = self.node.operands
        used = [(x, mapped[y]) for x, y in zip(pair[0].inputs, given, strict=True) if x in below]
        numbers = {x: y for x, y in used if is_number(y)}
        kept = [(x, y) for x, y in used if x not in numbers]
        inputs = [x for x, _ in kept]
        then, otherwise = (step(inputs, substitute(nodes, numbers)) for nodes in outputs)
        with located(self.node.where):
            made = chosen((mapped[condition], *(y for _, y in kept)), then, otherwise)
        self.results = dict(zip(self.wanted, made, strict=True))


def _merged(graph: Graph, trace: Trace | None) -> Graph:
    while True:
        after = _once(graph, trace)
        if after.roots == graph.roots:
            return graph
        graph = after


def _once(graph: Graph, trace: Trace | None) -> Graph:
    nodes = walk((*graph.leaves, *graph.roots))
    groups: dict[Hashable, _Group] = {}
    of: dict[Node, _Group] = {}
    choices: dict[Hashable, _Choice] = {}
    for node in nodes:
        if node.op is COND:
            found = choices.setdefault(node.op.family(node), _Choice(node))
            found.wanted[node.attr("index")] = None
        elif node.op is SCAN:
            loop = parts(node)
            of[node] = groups.setdefault(_key(loop), _Group(loop))
            of[node].want(loop)
    if not of and not choices:
        return graph
    mapped: dict[Node, Node] = {}
    for node in nodes:
        if node.op is COND:
            choice = choices[node.op.family(node)]
            if not choice.results:
                choice.make(mapped)
            mapped[node] = choice.results[node.attr("index")]
            continue
        if node not in of:
            mapped[node] = rebuilt(node, tuple(mapped[x] for x in node.operands))
            continue
        group = of[node]
        if not group.results:
            group.make(mapped)
        mapped[node] = group.results[_which(parts(node))]
    if trace is not None:
        trace.passed(mapped)
    return graph.map(mapped)
