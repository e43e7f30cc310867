"""Shared loops: statements join the loops of what they depend on, as deep as that is allowed.

Statements come in an order in which each could have loops of its own. One after the other they are
put into the nest that is there already, if what they read is complete there: at depth `d` a
statement may share a loop with another if both touch the same element in the same iteration of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..ir import Node
from ..ops.convert import LITERAL
from .blocks import blocked
from .chains import chained
from .loops import Entry, Finish, Kernel, Loop, Start, Statement
from .nests import unforwarded, units
from .own_rows import own_rows
from .panels import in_panels
from .scalars import axis, in_place, positions
from .wholes import Whole

Group: TypeAlias = "list[Statement]"


@dataclass(slots=True, eq=False)
class _Nest:
    """A loop that is being filled."""

    axis: Node
    body: _Row
    members: set[Statement] = field(default_factory=set)


_Item: TypeAlias = "Whole | Statement | Start | Finish | _Nest"
ROOM = 1 << 32  # between the numbers of two places


@dataclass(slots=True, eq=False)
class _Place:
    """Where an entry stands: later ones have higher numbers."""

    item: _Item
    number: int


@dataclass(slots=True, eq=False)
class _Row:
    """Entries one after the other, which are found without going through all of them.

    Attributes:
        places: the entries in order.
        ends: the last place that a statement has.
        nests: the loops that touch a tensor.
    """

    places: list[_Place] = field(default_factory=list)
    ends: dict[Statement | Whole, _Place] = field(default_factory=dict)
    nests: dict[Node, set[_Place]] = field(default_factory=dict)

    def index(self, place: _Place) -> int:
        """How many entries come before a place."""
        return bisect_left(self.places, place.number, key=_number)

    def insert(self, index: int, item: _Item) -> _Place:
        """A new entry with so many before it."""
        low = self.places[index - 1].number if index else 0
        high = self.places[index].number if index < len(self.places) else low + 2 * ROOM
        place = _Place(item, (low + high) // 2)
        self.places.insert(index, place)
        if place.number == low:
            for number, each in enumerate(self.places, 1):
                each.number = number * ROOM
        return place

    def last(self, links: Iterable[_Link]) -> _Place | None:
        """The last place of what has to come before."""
        ends = [self.ends[link.earlier] for link in links if link.earlier in self.ends]
        return max(ends, key=_number, default=None)

    def items(self) -> list[_Item]:
        """The entries."""
        return [place.item for place in self.places]


def _number(place: _Place) -> int:
    return place.number


@dataclass(frozen=True, slots=True)
class _Link:
    """A reason to come after: an earlier statement, and the elements that the two have in common.

    They may share loops while these have the same positions at the same places. A reduction's
    element has no position along what is summed, so those loops are never shared.
    """

    earlier: Statement | Whole
    theirs: tuple[Node, ...]
    ours: tuple[Node, ...]

    def shares(self, position: Node) -> bool:
        """Whether both touch the same element in one iteration of a loop."""
        pairs = zip(self.theirs, self.ours, strict=True)
        return any(x is position and y is position for x, y in pairs)


def fuse(
    groups: Iterable[Whole | Group], outputs: Sequence[Node]
) -> tuple[tuple[Kernel, ...], tuple[Node, ...]]:
    """Kernels with shared loops, and the tensors that have to lie in memory.

    Args:
        groups: contractions and statements, each after what it needs; the statements of a group
            have one domain and stay together.
        outputs: tensors that have to lie in memory anyway.
    """
    fuser = _Fuser()
    for group in groups:
        fuser.add(group)
    kernels = chained(blocked(_kernels(fuser.row.items()), outputs), outputs)
    kernels = in_panels(own_rows(kernels, outputs), outputs)
    kept = dict.fromkeys(outputs)
    for kernel in kernels:
        own = (*kernel.own, *kernel.rows)
        for tensor in unforwarded(kernel):
            if not in_place(tensor) and tensor.op is not LITERAL and tensor not in own:
                kept[tensor] = None
    for kernel in kernels:
        *_, last = kernel.writes()
        if not any(in_place(tensor) or tensor in kept for tensor in kernel.writes()):
            kept[last] = None  # nobody reads it: of one element alone, the place is known before
    return kernels, tuple(kept)


class _Fuser:
    def __init__(self) -> None:
        self.row = _Row()
        self.writers: dict[Node, list[Statement | Whole]] = {}
        self.readers: dict[Node, list[tuple[Statement | Whole, Node | None]]] = {}

    def add(self, group: Whole | Group) -> None:
        """Put a routine, or statements of one domain, where they belong."""
        if isinstance(group, Whole):
            self.row.ends[group] = self.row.insert(len(self.row.places), group)
            self.writers.update((x, [group]) for x in (*group.work, group.node))
            for tensor in group.operands:
                self.readers.setdefault(tensor, []).append((group, None))
            return
        links = [link for statement in group for link in self._links(statement)]
        self._place(self.row, 0, group, links)
        for statement in group:
            if not in_place(statement.target):
                self._wrote(statement)
            for found in statement.loads:
                self.readers.setdefault(found.operands[0], []).append((statement, found))

    def _wrote(self, statement: Statement) -> None:
        """Written are all parts of a value; another value takes the place of what was there."""
        known = self.writers.get(statement.target, [])
        parts = [x for x in known if isinstance(x, Statement) and x.node is statement.node]
        self.writers[statement.target] = [*parts, statement]

    def _links(self, statement: Statement) -> list[_Link]:
        """What a statement reads must have been written; what it overwrites must have been read."""
        links = []
        for found in statement.loads:
            tensor = found.operands[0]
            whole = found.attr("shape") == tensor.shape
            for earlier in self.writers.get(tensor, ()):
                if isinstance(earlier, Statement) and whole:
                    links.append(_Link(earlier, earlier.index, positions(found)))
                else:
                    links.append(_Link(earlier, (), ()))
        if in_place(statement.target):
            for reader, read in self.readers.get(statement.target, []):
                if read is None or read.attr("shape") != statement.target.shape:
                    links.append(_Link(reader, (), ()))
                else:
                    links.append(_Link(reader, positions(read), statement.index))
        return links

    def _place(self, row: _Row, depth: int, group: Group, links: list[_Link]) -> None:
        last = row.last(links)
        where = len(row.places)
        if depth == 0:
            where = 0 if last is None else row.index(last) + 1
            while where < len(row.places) and isinstance(row.places[where].item, Finish):
                where += 1
        first = group[0]
        if depth == len(first.domain):
            # What is scattered to places that are no loop's starts right here.
            for statement in group:
                if statement.combine and statement.ready == depth:
                    row.insert(where, Start(statement))
                    where += 1
            for statement in group:
                row.ends[statement] = row.insert(where, statement)
                where += 1
            return
        position = axis(depth, first.domain[depth])
        tensors = _tensors(group)
        place = self._fitting(row, depth, position, links, tensors)
        if place is None:
            place = row.insert(where, _Nest(position, _Row()))
        nest = place.item
        assert isinstance(nest, _Nest)
        nest.members.update(group)
        row.ends.update(dict.fromkeys(group, place))
        for tensor in tensors:
            row.nests.setdefault(tensor, set()).add(place)
        for statement in group:
            if statement.combine and statement.ready == depth:
                if statement.local:
                    row.ends[statement] = row.insert(row.index(place) + 1, Finish(statement))
                row.insert(row.index(place), Start(statement))
        self._place(nest.body, depth + 1, group, links)

    def _fitting(
        self, row: _Row, depth: int, position: Node, links: list[_Link], tensors: set[Node]
    ) -> _Place | None:
        """The first loop over the same axis in which everything is there when it is needed.

        The outermost loops are shared by what touches the same tensors.
        """
        last = row.last(links)
        if depth:
            places = row.places[0 if last is None else row.index(last) :]
        else:
            near = {place for tensor in tensors for place in row.nests.get(tensor, ())}
            if last is not None:
                near = {last, *(place for place in near if place.number > last.number)}
            places = sorted(near, key=_number)
        for place in places:
            nest = place.item
            if not isinstance(nest, _Nest) or nest.axis is not position:
                continue
            inside = [link for link in links if link.earlier in nest.members]
            if all(link.shares(position) for link in inside):
                return place
        return None


def _tensors(group: Iterable[Statement]) -> set[Node]:
    """The tensors with axes that statements read or write."""
    found: set[Node] = set()
    for statement in group:
        found |= {statement.target, *(node.operands[0] for node in statement.loads)}
    return {tensor for tensor in found if tensor.shape}


def _kernels(entries: Sequence[_Item]) -> tuple[Kernel, ...]:
    """A function for each contraction with what follows from it, and for the loops between."""
    kernels: list[tuple[Whole | None, list[Entry]]] = []
    written: set[Node] = set()
    for unit in units(entries):
        first = unit[0]
        if isinstance(first, Whole):
            kernels.append((first, []))
            written = {*first.work, first.node}
            continue
        needs, makes = _traffic(unit)
        of_panels = isinstance(first, Start) and first.statement.panel
        if not kernels or not needs & written or of_panels:
            kernels.append((None, []))
            written = set()
        kernels[-1][1].extend(map(_frozen, unit))
        written |= makes
    return tuple(Kernel(core, tuple(body)) for core, body in kernels)


def _traffic(unit: Sequence[_Item]) -> tuple[set[Node], set[Node]]:
    """What is read and what is written."""
    members: set[Statement] = set()
    for entry in unit:
        if isinstance(entry, _Nest):
            members |= entry.members
        elif isinstance(entry, Statement):
            members.add(entry)
    needs = {found.operands[0] for member in members for found in member.loads}
    return needs, {member.target for member in members}


def _frozen(entry: _Item) -> Entry:
    if isinstance(entry, _Nest):
        return Loop(entry.axis, tuple(map(_frozen, entry.body.items())))
    assert not isinstance(entry, Whole)
    return entry
