"""The schedule: what is stored, what is recomputed where it is used, and the loops that do it.

Stored are results, the operands and results of matrix products, reductions, scatters, running sums,
and values that are expensive and needed by several loops. Everything else is written into the loops
of who uses it. `fuse` then shares loops, and drops the stores that nobody reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ..errors import Bound, Fault
from ..ir import CONST, OPS, Graph, Node, const, leaf, transform
from ..ops import convert, elementary, index, linear, random, reduce, running, scan, shape, windows
from ..ops.base import Scalar
from ..ops.steps import bodies
from ..ops.unwound import CHEAP
from ..stopwatch import timed
from ..types import Dim, Shape, Size, add, divide, product
from .bounds import bounds, together
from .contractions import Kind, core, kind_of, standard
from .fuse import fuse
from .halves import in_halves
from .loops import Combine, Decision, Kernel, Schedule, Statement
from .nested import Nested
from .nests import placed, times
from .pull import Index, Puller, aligned, factors, number, plus, positions_of, scaled
from .routines import ROUTINES, routine
from .rows import grouped, settled
from .scalars import axis, depth as depth_of, given, load, scalars
from .sliding import all_sliding
from .table_panels import in_table_panels
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

COMBINE: dict[object, Combine] = {
    reduce.SUM: "sum",
    reduce.PROD: "prod",
    reduce.MAX: "max",
    reduce.MIN: "min",
    reduce.ANY: "any",
    reduce.ALL: "all",
    reduce.ARGMAX: "argmax",
    reduce.ARGMIN: "argmin",
}
SCATTERS = (index.ADD_AT, index.ADD_ALONG, index.SCATTER_ADD)
READS = (index.TAKE, index.TAKE_ALONG, index.GATHER, shape.PAD, shape.CONCAT)
RUNNING = (
    reduce.CUMULATIVE_SUM,
    running.CUMULATIVE_LOGSUMEXP,
    running.LINEAR_RECURRENCE,
)


def schedule(graph: Graph) -> Schedule:
    """The kernels of a graph whose ops a target spells itself."""
    with timed("schedule"):
        return _planned(graph, [])


def _planned(graph: Graph, faults: list[Fault]) -> Schedule:
    graph = settled(graph)
    mapped = transform(graph.leaves + graph.roots, standard)
    return _Scheduler(graph.map(mapped), faults).run()


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
                    groups.append([self._elements(node)])
            elif node in self.nested:
                found = self.nested[node]
                if found not in groups:
                    if isinstance(found, Repeat):
                        groups += [[start] for start in self._starts(scan.parts(node), found)]
                    groups.append(found)
            elif node in self.stored:
                statement = self._statement(node)
                if statement is not None:
                    groups.append([statement])
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

        One that is made of many stored tensors is expensive too, but not where a parameter or state
        becomes it, which is storing it: so what layers add to is stored after each of them.
        """
        cost: dict[Node, float] = {}
        reads: dict[Node, int] = {}
        for node in self.nodes:
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
                if spread or (cost[node] >= worth and (len(own) > 1 or again)):
                    self.stored.add(node)
                if node.shape and cost[node] and (len(own) > 1 or again):
                    self.decided[node] = cost[node]
            if node in self.stored or node in self.sums:
                own = {node}
            for x in node.operands:
                owners[x] |= own

    def _domain_of(self, owner: Node) -> Shape:
        if owner in self.kinds and self.kinds[owner] == "loops":
            return tuple(linear_sizes(owner).values())
        if owner.op in COMBINE or owner.op in SCATTERS or adds_up(owner):
            return owner.operands[0].shape
        return owner.shape

    # Statements

    def _statement(self, node: Node) -> Statement | None:
        if node.op in COMBINE:
            return self._reduction(node)
        if node.op in SCATTERS:
            return self._scatter(node)
        if node.op is windows.OVERLAP_ADD and adds_up(node):
            return self._overlap_add(node)
        if node.op in RUNNING:
            return self._running(node)
        if node.op is shape.PAD and _unpadded(node):
            return self._padded(node)
        if self.kinds.get(node) == "loops":
            return self._contraction(node)
        return self._elements(node)

    def _elements(self, node: Node) -> Statement:
        domain, at = positions_of(node.shape)
        return _map(node, node, domain, at, self.pull.inside(node, at))

    def _starts(self, loop: scan.Parts, repeat: Repeat) -> Iterator[Statement]:
        """The first values, put where the carries are."""
        for tensor, x in zip(repeat.results, loop.inits, strict=False):
            domain, at = positions_of(x.shape)
            yield _map(tensor, x, domain, at, self.pull(x, at))

    def _reduction(self, node: Node) -> Statement:
        (x,) = node.operands
        combine = COMBINE[node.op]
        axes = node.attr("axes") if combine[:3] != "arg" else (node.attr("axis"),)
        over = [a for a in axes if x.shape[a] != 1]
        free = [a for a in range(x.type.ndim) if a not in axes and x.shape[a] != 1]
        order = sorted(over + free)
        trailing = all(a < b for a in free for b in over)
        if combine != "sum":
            order = free + over
        at: list[Node] = [number(0)] * x.type.ndim
        for depth, a in enumerate(order):
            at[a] = axis(depth, x.shape[a])
        target = tuple(at[a] for a in range(x.type.ndim) if a not in axes)
        value = self.pull(x, tuple(at))
        domain = tuple(x.shape[a] for a in order)
        if not over:
            value = convert.cast(number(0), "int64") if combine[:3] == "arg" else value
            return _map(node, node, domain, target, value)
        if combine[:3] == "arg" and x.dtype == "bool":
            value = convert.cast(value, "int64")
        local = trailing or combine != "sum"
        ready = len(free) if local else order.index(min(over))
        return Statement(node, node, domain, target, value, ready, combine, local)

    def _contraction(self, node: Node) -> Statement:
        """A sum of products in plain loops, in the order in which the larger operand lies."""
        sizes = linear_sizes(node)
        names = [letter for letter, size in sizes.items() if size != 1]
        out, left, right = node.attr("out"), node.attr("left"), node.attr("right")
        over = [letter for letter in names if letter not in out]
        larger = max((left, right), key=lambda letters: len(set(letters) & set(names)))
        order = [letter for letter in larger if letter in names]
        trailing = [letter for letter in order if letter not in over] + over
        if set(order) != set(names) or node.dtype not in ("float32", "float64"):
            order = [letter for letter in out if letter in names] + over
        local = order == trailing or order[len(order) - len(over) :] == over
        letters = {
            letter: axis(order.index(letter), size) if letter in order else number(0)
            for letter, size in sizes.items()
        }
        value = factors(self.pull, node, letters, None)
        ready = len(order) - len(over) if local else min(map(order.index, over))
        domain = tuple(sizes[letter] for letter in order)
        target = tuple(letters[letter] for letter in out)
        return Statement(node, node, domain, target, value, ready, "sum", local)

    def _scatter(self, node: Node) -> Statement | None:
        grad, *indices = node.operands
        domain, at = positions_of(grad.shape)
        if node.op is index.SCATTER_ADD:
            first, rank, own = 0, len(index.together(indices)), at
        else:
            first = node.attr("axis")
            rank = indices[0].type.ndim if node.op is index.ADD_AT else 1
            own = at[first:] if node.op is index.ADD_AT else at
        if node.op is not index.ADD_ALONG:
            own = own[:rank]
        dims = node.shape[first : first + len(indices)]
        if 0 in dims:
            return None
        found = tuple(
            self.pull.checked(node, self.pull(places, aligned(own, places.shape)), dim, None)
            for places, dim in zip(indices, dims, strict=True)
        )
        ready = len([dim for dim in grad.shape[:first] if dim != 1])
        target = (*at[:first], *found, *at[first + rank :])
        return Statement(node, node, domain, target, self.pull(grad, at), ready, "sum")

    def _overlap_add(self, node: Node) -> Statement:
        """Windows one after the other, each added to the places that it was taken from."""
        (grad,), first = node.operands, node.attr("axis")
        _, stride, dilation = windows.geometry(node)
        rank = len(stride)
        domain, at = positions_of(grad.shape)
        to = tuple(
            plus(scaled(at[first + i], stride[i]), scaled(at[first + rank + i], dilation[i]))
            for i in range(rank)
        )
        ready = len([dim for dim in grad.shape[:first] if dim != 1])
        target = (*at[:first], *to, *at[first + 2 * rank :])
        return Statement(node, node, domain, target, self.pull(grad, at), ready, "sum")

    def _padded(self, node: Node) -> Statement:
        """What is padded, put between what it is padded with."""
        (x,) = node.operands
        domain, at = positions_of(x.shape)
        sides = zip(at, node.attr("lows"), node.attr("inner"), strict=True)
        target = tuple(plus(scaled(i, inner + 1), number(low)) for i, low, inner in sides)
        ready = len([dim for dim in x.shape[: _unpadded(node)] if dim != 1])
        return Statement(node, node, domain, target, self.pull(x, at), ready, "put")

    def _running(self, node: Node) -> Statement:
        """Each element from the one before it."""
        domain, at = positions_of(node.shape)
        along = node.attr("axis")
        *factors, value = (self.pull(x, at) for x in node.operands)
        if node.shape[along] != 1:
            before = (*at[:along], OPS["subtract"](at[along], number(1)), *at[along + 1 :])
            later = OPS["greater"](at[along], number(0))
            last = load(node, before, node.shape, later)
            if node.op is running.CUMULATIVE_LOGSUMEXP:
                added = elementary.logaddexp(last, value)
                stable = elementary.logaddexp.expand(added)
                assert stable is not None
                value = OPS["where"](later, stable, value)
            else:
                for factor in factors:
                    # The first factor plays no part, whatever it is.
                    last = OPS["where"](later, factor * last, const(0, node.dtype))
                value = OPS["add"](last, value)
        return _map(node, node, domain, at, value)

    # Results

    def _outputs(self) -> tuple[list[Statement], tuple[Node, ...]]:
        """Copies of what is an output twice or not computed at all; the tensor of each output."""
        copies: list[Statement] = []
        tensors: list[Node] = []
        for name, node in self.graph.outputs:
            if node in self.stored and node not in tensors:
                tensors.append(node)
                continue
            tensor = leaf(name, node.type, "placeholder")
            domain, at = positions_of(node.shape)
            copies.append(_map(tensor, node, domain, at, self.pull(node, at)))
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
            domain, at = positions_of(target.shape)
            updates.append(_map(target, new, domain, at, self.pull(new, at)))
        return arranged([*updates, *of_rows])

    def _bounds(self) -> tuple[Bound, ...]:
        """What must hold in a call, here and in the steps of loops."""
        parts = (part for whole in self.nested.values() for part in whole.parts)
        return together(bounds(self.nodes), *(part.planned.bounds for part in parts))


def adds_up(node: Node) -> bool:
    """Whether windows are put back that overlap, so that elements are sums."""
    return node.op is windows.OVERLAP_ADD and windows.overlaps(node)


def _unpadded(node: Node) -> int:
    """How many axes there are before the first one that is padded; 0 where something is cut off."""
    sides = list(zip(node.attr("lows"), node.attr("highs"), node.attr("inner"), strict=True))
    if any(isinstance(side, Size) or side < 0 for low, high, _ in sides for side in (low, high)):
        return 0
    return next((i for i, side in enumerate(sides) if side != (0, 0, 0)), len(sides))


def linear_sizes(node: Node) -> dict[str, Dim]:
    """The size of every letter of a contraction."""
    letters = node.attr("left") + node.attr("right")
    return dict(zip(letters, node.operands[0].shape + node.operands[1].shape, strict=True))


def _map(target: Node, node: Node, domain: Shape, at: Index, value: Node) -> Statement:
    return Statement(target, node, domain, at, value, len(domain))
