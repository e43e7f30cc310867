"""Chains: a few rows go through many products and the loops between them before the next rows do.

What is computed of a row from the same row alone, from the inputs of a network to the gradients of
its layers, is one loop over panels: rows stay in the cache from one layer to the next, and threads
meet once a step, not after every product. Each panel has its own part of what is added up over all
rows, gradients of weights among them; the parts are added up behind the loop, in order.

A chain is worth it where the rows of a usual batch have no room in the second-level cache, and the
matrices that they meet have: these are read again for each panel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..ir import Node, make, substitute
from ..ops.arithmetic import add
from ..types import BYTES, Dim, divide
from .loops import Entry, Kernel, Loop, Panel, Start, Statement, statements
from .nests import replaced, units
from .panels import FAR, TILE, Split, in_parts, parts_added
from .scalars import LOAD, PARTS, TURN, axis, load, positions, scalars
from .sizes import USUAL
from .wholes import Core, Whole

FEWEST = 4  # products of rows
MOST = 32  # of them: kernels of layers that are alike are shared, pieces of a chain are not
WORTH = FAR // USUAL  # bytes of a row that stay in the cache
ROOM = 640 * 1024  # bytes of a panel: a part of the second-level cache
MATRICES = 256 * 1024  # bytes of all matrices that rows meet: another part
ROWS = 64  # of a panel, at most: sums over fewer rows take longer to begin and end
PART = 16 * 1024  # bytes of a sum that each panel has a part of


def chained(kernels: Sequence[Kernel], outputs: Collection[Node]) -> tuple[Kernel, ...]:
    """Kernels of which one has the products and loops that can be a chain, if it is worth it.

    Args:
        kernels: in order.
        outputs: tensors that have to lie in memory.
    """
    dim = _rows_of(kernels)
    if dim is None:
        return tuple(kernels)
    chain = Chain(None, dim)
    for kernel in kernels:
        chain.take(kernel)
    return chain.kernels(outputs) or tuple(kernels)


def _rows_of(kernels: Iterable[Kernel]) -> Dim | None:
    """How many rows most products have."""
    cores = [x.core for x in kernels if isinstance(x.core, Core)]
    rows = [_first(core.node) for core in cores if not core.left_transposed]
    found = Counter(dim for dim in rows if dim is not None).most_common(1)
    return found[0][0] if found and found[0][1] >= FEWEST else None


def _first(x: Node) -> Dim | None:
    """The first axis of more than one place."""
    return next((dim for dim in x.shape if dim != 1), None)


def _whole(x: Node) -> int | None:
    """The bytes of a tensor, if they are known."""
    size = x.type.size
    return size * BYTES[x.dtype] if isinstance(size, int) else None


@dataclass(slots=True)
class _Side:
    """What is done before or behind all rows.

    Attributes:
        kernels: what is computed at once or in panels, if anything, and the loops behind it.
        came_from: the kernel of which the last one is a piece.
    """

    kernels: list[tuple[Kernel, list[Entry]]] = field(default_factory=list)
    came_from: Kernel | None = None

    def put(self, kernel: Kernel, first: Kernel | None, entries: Sequence[Entry]) -> None:
        """One piece more of a kernel: what it does before its loops, or some of these."""
        if first is not None or self.came_from is not kernel:
            self.kernels.append((first or Kernel(None, ()), []))
            self.came_from = kernel
        self.kernels[-1][1].extend(entries)

    def whole(self) -> Iterator[Kernel]:
        """The kernels."""
        return (replace(first, body=tuple(body)) for first, body in self.kernels)


@dataclass(slots=True)
class Chain(Split):
    """The pieces of kernels that go row by row, and the others."""

    _before: _Side = field(default_factory=_Side)
    _later: _Side = field(default_factory=_Side)
    _seen: set[Node] = field(default_factory=set)  # read or written in panels
    _sums: list[Core] = field(default_factory=list)

    def take(self, kernel: Kernel) -> None:
        """The pieces of one kernel more."""
        core = kernel.core
        if kernel.panel is not None or (core is not None and not self._takes(core)):
            first = replace(kernel, body=())
            self._put(kernel, first, [], {*first.reads()}, {*first.writes()})
        for unit in units(kernel.body):
            members = list(statements(unit))
            read = {found.operands[0] for member in members for found in member.loads}
            written = {member.target for member in members}
            if not any(member.panel for member in members) and self.goes_inside(unit):
                self._seen |= read | written
            else:
                self._put(kernel, None, unit, read, written)

    def _put(
        self,
        kernel: Kernel,
        first: Kernel | None,
        entries: Sequence[Entry],
        read: set[Node],
        written: set[Node],
    ) -> None:
        """A piece that is done before all rows, if it needs nothing of them, or behind them."""
        made = self._rows | self._written
        if read & made or written & (made | self._seen | self._read):
            self._later.put(kernel, first, entries)
            self._read |= read
            self._written |= written
        else:
            self._before.put(kernel, first, entries)

    def _takes(self, core: Whole) -> bool:
        """Whether a product is one of each row, or adds up products of rows; then it is inside."""
        if not isinstance(core, Core) or core.batch or {*core.operands} & self._written:
            return False
        if not core.left_transposed and _first(core.node) == self.dim:
            if core.right in self._rows or not isinstance(divide(core.m, self.dim), int):
                return False
            self._rows.add(core.node)
            self._across.add(core.right)
        elif core.left_transposed and not core.right_transposed and self._is_small_sum(core):
            self._written.add(core.node)
            self._sums.append(core)
        else:
            return False
        self._seen |= {*core.operands, core.node}
        self.inside.append(core)
        return True

    def _is_small_sum(self, core: Core) -> bool:
        """Whether each panel may have its own part of a sum over all rows."""
        known, size = isinstance(divide(core.k, self.dim), int), _whole(core.node)
        return known and core.node.shape == (core.m, core.n) and size is not None and size <= PART

    def kernels(self, outputs: Collection[Node]) -> tuple[Kernel, ...] | None:
        """All kernels, if the chain is worth it."""
        later = list(self._later.whole())
        products = [x for x in self.inside if isinstance(x, Core) and x not in self._sums]
        matrices = [_whole(x) for x in {core.right for core in products}]
        if (
            not FEWEST <= len(products) <= MOST
            or sum(FAR if size is None else size for size in matrices) > MATRICES
            or any({*whole.operands} & self._rows for kernel in later for whole in kernel.wholes)
        ):
            return None
        before = list(self._before.whole())
        used = Counter(
            x for kernel in (*before, *later) for x in (*kernel.reads(), *kernel.writes())
        )
        local = self._local({*outputs, *used})
        size = sum(map(self._bytes, local))
        count = min(ROWS, ROOM // max(size, 1)) // TILE * TILE
        if size < WORTH or not count or (isinstance(self.dim, int) and self.dim <= count):
            return None
        if isinstance(self.dim, int):
            alike = (n for n in range(count, count // 2, -TILE) if self.dim % n == 0)
            count = next(alike, count)
        later, added = _added_up(later, self._sums, outputs)
        shares = tuple(x for terms in added.values() for x in terms)
        panel = Panel(self.dim, count, (), tuple(local), shares=shares)
        return (*before, self._kernel(panel, added), *later)

    def _kernel(self, panel: Panel, added: Mapping[Node, Sequence[Node]]) -> Kernel:
        """The chain itself, and behind it what adds up the parts of all panels."""
        parts = {
            member: in_parts(member, panel.count)
            for member in statements(self.inside)
            if member.combine and member.ready == 0
        }
        behind = [entry for pair in parts.items() for entry in parts_added(*pair)]
        body: list[Entry | Core] = []
        for entry in self.inside:
            if not isinstance(entry, Core):
                body.append(replaced(entry, parts))
            elif entry not in self._sums or entry.node in panel.shares:
                body.append(entry)
            else:
                of = make(PARTS, (entry.node,), count=panel.count, dtype=entry.node.dtype)
                body.append(replace(entry, node=of))
                behind += _total(entry.node, of)
        for total, shares in added.items():
            of = make(PARTS, (total,), count=panel.count, dtype=total.dtype)
            body.append(_sum_of(total, of, shares))
            behind += _total(total, of)
        return Kernel(None, tuple(behind), replace(panel, body=tuple(body)))


def _added_up(
    kernels: Sequence[Kernel], sums: Sequence[Core], outputs: Collection[Node]
) -> tuple[list[Kernel], dict[Node, list[Node]]]:
    """What is the total of several sums over rows, and kernels that read it instead of these.

    Each panel then has one part of it, not one of every sum.
    """
    nodes = {core.node for core in sums} - {*outputs}
    totals: dict[Statement, dict[Node, Node]] = {}
    every = [s for kernel in kernels for s in kernel.statements()]
    for statement in every:
        totals[statement] = _totals(statement, nodes)
    reads = Counter(x.operands[0] for s in every for x in {*s.loads} if x.operands[0] in nodes)
    covered: Counter[Node] = Counter()
    for found in totals.values():
        for total in found.values():
            covered.update(_terms(total, nodes))
    whole = {
        total: _terms(total, nodes)
        for found in totals.values()
        for total in found.values()
        if all(covered[x] == reads[x] for x in _terms(total, nodes))
    }
    known: dict[Statement, Statement] = {}
    for statement, found in totals.items():
        new: dict[Node, Node] = {x.operands[0]: x.operands[0] for x in statement.loads}
        chosen = {
            scalar: load(total, statement.index, total.shape)
            for scalar, total in found.items()
            if total in whole
        }
        if chosen:
            (value,) = substitute([statement.value], {**new, **chosen})
            known[statement] = replace(statement, value=value)
    changed = [replace(x, body=tuple(replaced(y, known) for y in x.body)) for x in kernels]
    return changed, whole


def _totals(statement: Statement, sums: Collection[Node]) -> dict[Node, Node]:
    """The values in a statement that add up sums of rows, and what they are of whole tensors."""
    tensors: dict[Node, Node] = {}
    inner: set[Node] = set()
    for node in scalars([statement.value]):
        if node.op is LOAD:
            tensor = node.operands[0]
            if tensor in sums and positions(node) == statement.index:
                tensors[node] = tensor
        elif node.op is add and all(x in tensors for x in node.operands):
            tensors[node] = make(add, tuple(tensors[x] for x in node.operands))
            inner.update(node.operands)
    return {x: total for x, total in tensors.items() if x not in inner and x.op is add}


def _terms(total: Node, sums: Collection[Node]) -> list[Node]:
    """The sums of rows that a total adds up."""
    if total in sums:
        return [total]
    return [x for operand in total.operands for x in _terms(operand, sums)]


def _sum_of(total: Node, parts: Node, shares: Sequence[Node]) -> Entry:
    """In a panel: its part of a total is the sum of its shares, one after the other."""
    size = total.type.size
    place = axis(1, size)
    loads = [load(share, (place,), (size,)) for share in shares]
    value = loads[0]
    for other in loads[1:]:
        value = value + other
    shape = (parts.shape[0], size)
    part = Statement(parts, total, (size,), (make(TURN, ()), place), value, 1, shape=shape)
    return Loop(place, (part,))


def _total(total: Node, parts: Node) -> Iterator[Entry]:
    """Behind the panels: the parts added up, one after the other."""
    count, size = parts.shape[0], total.type.size
    panel, place = axis(0, count), axis(1, size)
    value = load(parts, (panel, place), (count, size))
    added = Statement(total, total, (count, size), (place,), value, 0, "sum", shape=(size,))
    yield Start(added)
    yield Loop(panel, (Loop(place, (added,)),))
