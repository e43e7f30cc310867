"""The schedule: what is stored, what is recomputed where it is used, and the loops that do it.

Stored are results, the operands and results of matrix products, reductions, scatters, running sums,
and values that are expensive and needed by several loops. Everything else is written into the loops
of who uses it. `fuse` then shares loops, and drops the stores that nobody reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ..errors import Bound, Fault
from ..ir import CONST, Graph, Node, leaf, transform
from ..ops import convert, index, linear, random, scan, shape, windows
from ..ops.base import Scalar
from ..ops.steps import bodies
from ..ops.unwound import CHEAP
from ..stopwatch import timed
from ..types import Dim, Shape, Size, add, divide, product
from .bounds import bounds, together
from .concatenations import by_parts, goes_by_parts, loops_of
from .contractions import Kind, core, kind_of, standard
from .fuse import fuse
from .halves import in_halves
from .into_loops import into_loops
from .loops import Decision, Kernel, Schedule, Statement
from .nested import Nested
from .nests import placed, times
from .pull import Puller
from .recompute import is_copy, recomputed
from .routines import ROUTINES, routine, transposition
from .rows import grouped, settled
from .scalars import depth as depth_of, given, scalars
from .sliding import all_sliding
from .statements import (
    COMBINE,
    RUNNING,
    SCATTERS,
    adds_up,
    assigned,
    elements,
    linear_sizes,
    written,
)
from .table_panels import in_table_panels
from .turned import turned
from .updates import arranged
from .wholes import Branches, Repeat, Whole

# What a row costs where it is computed again, in additions; everything not named here is a call.
COST = dict.fromkeys(CHEAP, 1.0) | {"divide": 4.0, "sqrt": 4.0}
CALL = 10.0
WORTH_STORING = 8.0
WORTH_DIVIDING = 4.0  # before it is added up at many places
MANY = 3  # tensors that are read to compute an element again
# Longer chains are cut, so that no function becomes too long to compile.
LONGEST = 60

READS = (index.TAKE, index.TAKE_ALONG, index.GATHER, shape.PAD, shape.CONCAT)


def schedule(graph: Graph) -> Schedule:
    """The kernels of a graph whose ops a target spells itself."""
    with timed("schedule"):
        return _planned(graph, [])


def _planned(graph: Graph, faults: list[Fault]) -> Schedule:
    graph = into_loops(turned(settled(graph)))
    mapped = transform(graph.leaves + graph.roots, standard)
    graph = graph.map(mapped)
    twice = recomputed(graph)
    if twice is not graph:
        known = [*faults]
        planned = _Scheduler(twice, faults).run()
        if not any(is_copy(x) for x in planned.stored):
            return planned
        faults[:] = known  # what would be computed again would be stored: once is enough
    return _Scheduler(graph, faults).run()


def _own_cost(node: Node) -> float:
    if isinstance(node.op, Scalar):
        return COST.get(node.op.name, CALL)
    return 1.0 if node.op in READS else 0.0


def _bigger(domain: Shape, own: Shape) -> bool:
    """Whether a domain has more positions than a tensor has elements."""
    if not own:
        return False
    ratio = divide(product(domain), product(own))
    return ratio is not None and ratio not in (0, 1)


def _for_each_row(domain: Shape, own: Shape) -> bool:
    """Whether a domain has the elements of a tensor once for each row of a batch, or more often."""
    ratio = divide(product(domain), product(own)) if own else None
    return isinstance(ratio, Size)


class _Scheduler:
    """Decides what is stored, and writes a statement for each."""

    def __init__(self, graph: Graph, faults: list[Fault]) -> None:
        self.graph = graph
        self.nodes = graph.nodes()
        self.slid = all_sliding(self.nodes, self.graph.roots)
        inside = set(self.slid.values())
        self.kinds: dict[Node, Kind] = {
            node: kind_of(node)
            for node in self.nodes
            if node.op is linear.CONTRACT and node not in inside
        }
        self.stored: set[Node] = set()
        self.decided: dict[Node, float] = {}  # what elements cost of which it was a question
        self.pull = Puller(lambda node: given(node) or node in self.stored, faults)
        self.cores: dict[Node, Whole] = {
            node: core(node) for node, kind in self.kinds.items() if kind == "gemm"
        }
        self.cores.update((routine.node, routine) for routine in self.slid)
        for node in self.nodes:
            if node.op in ROUTINES:
                self.cores[node] = routine(node, self.pull)
        self.halves = in_halves(self.cores, {target for target, _ in graph.updates})
        self.cores.update(self.halves)
        self.pull.halves.update((node, found.node) for node, found in self.halves.items())
        self.rows = grouped(graph)
        self.sums = {node: rows for rows in self.rows for node in rows.sums}
        self.tables = in_table_panels(node for node in self.nodes if node not in self.sums)
        self.by_panel = {node: table for table in self.tables for node in table.sums}
        self.inside = {node for rows in self.rows for node in rows.inside}
        self.nested: dict[Node, Repeat | Branches] = {}
        inner = Nested(self.nodes, lambda graph: _planned(graph, faults), self.pull.fault)
        for node in self.nodes:
            if node not in self.nested and bodies(node):
                found = inner.repeat(node) if node.op is scan.SCAN else inner.branches(node)
                self.nested.update(dict.fromkeys(found.made, found))
                matrices = map(transposition, found.operands)
                self.cores.update((x.node, x) for x in matrices if x is not None)

    def run(self) -> Schedule:
        """Decide, write, fuse."""
        self._store_what_must_be()
        self._store_what_is_worth_it()
        groups: list[Whole | list[Statement]] = []
        for rows in self.rows:
            groups.append(rows.routine(self.pull))
            rows.know(self.pull)
        groups += [table.routine(self.pull) for table in self.tables]
        for node in self.nodes:
            if node in self.sums:
                groups.append([self.sums[node].sum(node, self.pull)])
            elif node in self.by_panel:
                groups.append([self.by_panel[node].sum(node, self.pull)])
            elif node in self.cores:
                groups.append(self.cores[node])
                if node in self.halves and node in self.stored:
                    groups.append([elements(node, self.pull)])
            elif node in self.nested:
                found = self.nested[node]
                if found not in groups:
                    if isinstance(found, Repeat):
                        groups += [[start] for start in self._starts(scan.parts(node), found)]
                    groups.append(found)
            elif node in self.stored:
                groups += self._written(node)
        copies, outputs = self._outputs()
        groups.extend([copy] for copy in copies)
        groups.extend(self._updates())
        kernels, kept = fuse(groups, outputs)
        faults = tuple(self.pull.faults)
        return Schedule(
            self.graph,
            kernels,
            kept,
            faults,
            self._bounds(),
            outputs,
            self._names(),
            tuple(self._decisions(kernels)),
        )

    def _decisions(self, kernels: Iterable[Kernel]) -> Iterator[Decision]:
        """What is stored or not, of which it was a question, and how often it is computed."""
        found: dict[Node, dict[tuple[object, ...], Dim]] = {node: {} for node in self.decided}
        known: dict[Node, int] = {}
        for kernel in kernels:
            for around, statement in placed(kernel.entries):
                for x in scalars([statement.value, *statement.index]):
                    tensor = self.pull.origin.get(x)
                    if tensor in found:
                        inside = around[: depth_of(x, known)]
                        found[tensor][kernel, *inside, x] = times(inside)
        for node in reversed(found):
            total: Dim = 0
            for count in found[node].values():
                total = add(total, count)
            yield Decision(node, node in self.stored, self.decided[node], total)

    def _names(self) -> dict[Node, str]:
        """Names of tensors, and of the scalar values that were written for them."""
        names = dict(self.graph.names)
        for scalar, tensor in self.pull.origin.items():
            if tensor in self.graph.names:
                names.setdefault(scalar, self.graph.names[tensor])
        return names

    # What is stored

    def _reduces(self, node: Node) -> bool:
        return node not in self.sums and (
            node.op in COMBINE
            or node.op in RUNNING
            or (node in self.cores and node not in self.halves)
            or node.op in SCATTERS
            or adds_up(node)
            or self.kinds.get(node) == "loops"
        )

    def _store_what_must_be(self) -> None:
        for node in self.nodes:
            if self._reduces(node):
                self.stored.add(node)
            elif node.op is windows.WINDOWS and windows.overlaps(node):
                # An element is read many times: where it lies is looked up once.
                (x,) = node.operands
                while x.op is shape.RESHAPE:
                    (x,) = x.operands
                if x.op is shape.PAD:
                    self.stored.add(x)
        indices = (*(x.index for x in self.rows), *(x.index for x in self.tables))
        self.stored.update(x for x in indices if not given(x))
        self.stored.update(self.nested)
        for found in (*self.cores.values(), *self.nested.values()):
            self.stored.update(x for x in found.operands if not given(x))
        for _, node in self.graph.outputs:
            if not given(node) and node.op not in (CONST, convert.SIZE):
                self.stored.add(node)
        height: dict[Node, int] = {}
        for node in self.nodes:
            below = max((height[x] for x in node.operands), default=0)
            if below >= LONGEST and not given(node) and node not in self.inside:
                self.stored.add(node)
            height[node] = 0 if node in self.stored else below + 1

    def _store_what_is_worth_it(self) -> None:
        """An expensive value is stored if two loops need it, or a loop needs it again and again.

        What is drawn is expensive only where it is needed again and again.

        One that is made of many stored tensors is expensive too, but not where a parameter or state
        becomes it, which is storing it: so what layers add to is stored after each of them.
        """
        cost: dict[Node, float] = {}
        reads: dict[Node, int] = {}
        drawn: set[Node] = set()
        for node in self.nodes:
            if node not in self.stored and (node.op is random.UNIFORM or drawn & {*node.operands}):
                drawn.add(node)
            operands = [x for x in node.operands if not _for_each_row(node.shape, x.shape)]
            below = math.fsum(cost[x] for x in operands)
            cost[node] = 0.0 if node in self.stored else min(_own_cost(node) + below, 1e6)
            read = sum(reads[x] for x in node.operands if x.shape == node.shape)
            reads[node] = 1 if node in self.stored else min(read, MANY)
        owners: dict[Node, set[Node]] = {node: set() for node in self.nodes}
        updates = {new for _, new in self.graph.updates}
        for target, new in self.graph.updates:
            if new not in self.stored:
                owners[new].add(target)
        for rows in self.rows:  # they stand in one loop
            (first, _), *_ = rows.updates
            owners.update((new, {first}) for _, new in rows.updates)
        for node in reversed(self.nodes):
            if node in self.cores or given(node):
                continue
            if node in self.nested:
                for x in node.operands[: node.attr("carries") if node.op is scan.SCAN else 0]:
                    owners[x].add(node)
                continue
            own = owners[node]
            kept = node in self.stored or node in self.inside
            if not kept and node.op not in (CONST, convert.SIZE, random.UNIFORM):
                again = any(_bigger(self._domain_of(owner), node.shape) for owner in own)
                spread = len(own) > 1 and reads[node] >= MANY and node not in updates
                by_rows = any(_for_each_row(self._domain_of(owner), node.shape) for owner in own)
                worth = WORTH_DIVIDING if by_rows or own & self.sums.keys() else WORTH_STORING
                costs = cost[node] >= worth
                if spread or (again and node in drawn) or (costs and (len(own) > 1 or again)):
                    self.stored.add(node)
                if node.shape and cost[node] and (len(own) > 1 or again):
                    self.decided[node] = cost[node]
            if node in self.stored or node in self.sums:
                own = {node}
            for x in node.operands:
                owners[x] |= loops_of(node, x) if node in self.stored else own

    def _domain_of(self, owner: Node) -> Shape:
        if owner in self.kinds and self.kinds[owner] == "loops":
            return tuple(linear_sizes(owner).values())
        if owner.op in COMBINE or owner.op in SCATTERS or adds_up(owner):
            return owner.operands[0].shape
        return owner.shape

    # First values and results

    def _written(self, node: Node) -> list[list[Statement]]:
        """What writes a stored tensor; statements that share their loops are together."""
        if goes_by_parts(node):
            return by_parts(node, self.pull)
        statement = written(node, self.kinds.get(node), self.pull)
        return [] if statement is None else [[statement]]

    def _starts(self, loop: scan.Parts, repeat: Repeat) -> Iterator[Statement]:
        """The first values, put where the carries are."""
        for tensor, x in zip(repeat.results, loop.inits, strict=False):
            yield assigned(tensor, x, self.pull)

    def _outputs(self) -> tuple[list[Statement], tuple[Node, ...]]:
        """Copies of what is an output twice or not computed at all; the tensor of each output."""
        copies: list[Statement] = []
        tensors: list[Node] = []
        for name, node in self.graph.outputs:
            if node in self.stored and node not in tensors:
                tensors.append(node)
                continue
            tensor = leaf(name, node.type, "placeholder")
            copies.append(assigned(tensor, node, self.pull))
            tensors.append(tensor)
        return copies, tuple(tensors)

    def _updates(self) -> list[list[Statement]]:
        """New values over the old ones; those that need each other's old values go together."""
        updates = []
        of_rows = [statement for rows in self.rows for statement in rows.statements(self.pull)]
        done = {statement.target for statement in of_rows}
        for target, new in self.graph.updates:
            if new is target or target in done:
                continue
            updates.append(assigned(target, new, self.pull))
        return arranged([*updates, *of_rows])

    def _bounds(self) -> tuple[Bound, ...]:
        """What must hold in a call, here and in the steps of loops."""
        parts = (part for whole in self.nested.values() for part in whole.parts)
        return together(bounds(self.nodes), *(part.planned.bounds for part in parts))
