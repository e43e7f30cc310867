"""Shared loops: statements join the loops of what they depend on, as deep as that is allowed.

Statements come in an order in which each could have loops of its own. One after the other they are
put into the nest that is there already, if what they read is complete there: at depth `d` a
statement may share a loop with another if both touch the same element in the same iteration of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..ir import Node
from ..ops.convert import LITERAL
from .flatten import flatten
from .loops import (
    Entry,
    Finish,
    Kernel,
    Loop,
    Start,
    Statement,
    Whole,
    axis,
    in_place,
    positions,
)

Group: TypeAlias = "list[Statement]"


@dataclass(slots=True, eq=False)
class _Nest:
    """A loop that is being filled."""

    axis: Node
    entries: list[_Item] = field(default_factory=list)
    members: set[Statement] = field(default_factory=set)
    tensors: set[Node] = field(default_factory=set)


_Item: TypeAlias = "Whole | Statement | Start | Finish | _Nest"


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
    kernels = _kernels(fuser.entries)
    kept = dict.fromkeys(outputs)
    for kernel in kernels:
        for tensor in unforwarded(kernel):
            if not in_place(tensor) and tensor.op is not LITERAL:
                kept[tensor] = None
    return kernels, tuple(kept)


class _Fuser:
    def __init__(self) -> None:
        self.entries: list[_Item] = []
        self.writer: dict[Node, Statement | Whole] = {}
        self.readers: dict[Node, list[tuple[Statement | Whole, Node | None]]] = {}

    def add(self, group: Whole | Group) -> None:
        """Put a routine, or statements of one domain, where they belong."""
        if isinstance(group, Whole):
            self.entries.append(group)
            self.writer.update(dict.fromkeys((*group.work, group.node), group))
            for tensor in group.operands:
                self.readers.setdefault(tensor, []).append((group, None))
            return
        links = [link for statement in group for link in self._links(statement)]
        self._place(self.entries, 0, group, links)
        for statement in group:
            if not in_place(statement.target):
                self.writer[statement.target] = statement
            for found in statement.loads():
                self.readers.setdefault(found.operands[0], []).append((statement, found))

    def _links(self, statement: Statement) -> list[_Link]:
        """What a statement reads must have been written; what it overwrites must have been read."""
        links = []
        for found in statement.loads():
            tensor = found.operands[0]
            earlier = self.writer.get(tensor)
            if isinstance(earlier, Statement) and found.attr("shape") == tensor.shape:
                links.append(_Link(earlier, earlier.index, positions(found)))
            elif earlier is not None:
                links.append(_Link(earlier, (), ()))
        if in_place(statement.target):
            for reader, read in self.readers.get(statement.target, []):
                if read is None or read.attr("shape") != statement.target.shape:
                    links.append(_Link(reader, (), ()))
                else:
                    links.append(_Link(reader, positions(read), statement.index))
        return links

    def _place(self, entries: list[_Item], depth: int, group: Group, links: list[_Link]) -> None:
        last = _last(entries, links)
        where = last + 1 if depth == 0 else len(entries)
        while where < len(entries) and isinstance(entries[where], Finish):
            where += 1
        first = group[0]
        if depth == len(first.domain):
            # What is scattered to places that are no loop's starts right here.
            starts = [Start(s) for s in group if s.combine and s.ready == depth]
            entries[where:where] = [*starts, *group]
            return
        position = axis(depth, first.domain[depth])
        tensors = _tensors(group)
        nest = self._fitting(entries[max(last, 0) :], depth, position, links, tensors)
        if nest is None:
            nest = _Nest(position)
            entries.insert(where, nest)
        at = entries.index(nest)
        for statement in group:
            if statement.combine and statement.ready == depth:
                if statement.local:
                    entries.insert(at + 1, Finish(statement))
                entries.insert(at, Start(statement))
        nest.members.update(group)
        nest.tensors |= tensors
        self._place(nest.entries, depth + 1, group, links)

    def _fitting(
        self,
        entries: Sequence[_Item],
        depth: int,
        position: Node,
        links: list[_Link],
        tensors: set[Node],
    ) -> _Nest | None:
        """The first loop over the same axis in which everything is there when it is needed."""
        for entry in entries:
            if not isinstance(entry, _Nest) or entry.axis is not position:
                continue
            inside = [link for link in links if link.earlier in entry.members]
            if all(link.shares(position) for link in inside) and (
                inside or depth or entry.tensors & tensors
            ):
                return entry
        return None


def _last(entries: Sequence[_Item], links: list[_Link]) -> int:
    """The place of the last entry that has to come before."""
    earlier = {link.earlier for link in links}
    for place in range(len(entries) - 1, -1, -1):
        entry = entries[place]
        if isinstance(entry, _Nest):
            if entry.members & earlier:
                return place
        elif isinstance(entry, Finish):
            if entry.statement in earlier:
                return place
        elif not isinstance(entry, Start) and entry in earlier:
            return place
    return -1


def _tensors(group: Iterable[Statement]) -> set[Node]:
    """The tensors with axes that statements read or write."""
    found: set[Node] = set()
    for statement in group:
        found |= {statement.target, *(node.operands[0] for node in statement.loads())}
    return {tensor for tensor in found if tensor.shape}


def _kernels(entries: Sequence[_Item]) -> tuple[Kernel, ...]:
    """A function for each contraction with what follows from it, and for the loops between."""
    kernels: list[tuple[Whole | None, list[Entry]]] = []
    written: set[Node] = set()
    for unit in _units(entries):
        if isinstance(unit, Whole):
            kernels.append((unit, []))
            written = {*unit.work, unit.node}
            continue
        needs, makes = _traffic(unit)
        if not kernels or not needs & written:
            kernels.append((None, []))
            written = set()
        kernels[-1][1].extend(map(_frozen, unit))
        written |= makes
    return tuple(Kernel(core, tuple(map(flatten, body))) for core, body in kernels)


def _units(entries: Sequence[_Item]) -> Iterator[Whole | list[_Item]]:
    """Contractions, single statements, and loops with the starts and ends of their reductions."""
    unit: list[_Item] = []
    for entry in entries:
        if unit and not isinstance(entry, Finish) and not isinstance(unit[-1], Start):
            yield unit
            unit = []
        if isinstance(entry, Whole):
            yield entry
        else:
            unit.append(entry)
    if unit:
        yield unit


def _traffic(unit: Sequence[_Item]) -> tuple[set[Node], set[Node]]:
    """What is read and what is written."""
    members: set[Statement] = set()
    for entry in unit:
        if isinstance(entry, _Nest):
            members |= entry.members
        elif isinstance(entry, Statement):
            members.add(entry)
    needs = {found.operands[0] for member in members for found in member.loads()}
    return needs, {member.target for member in members}


def _frozen(entry: _Item) -> Entry:
    if isinstance(entry, _Nest):
        return Loop(entry.axis, tuple(map(_frozen, entry.entries)))
    assert not isinstance(entry, Whole)
    return entry


def unforwarded(kernel: Kernel) -> dict[Node, None]:
    """Tensors of which an element is read that was not computed right before in the same loops."""
    needed: dict[Node, None] = {}
    if kernel.core is not None:
        core = kernel.core
        needed.update(dict.fromkeys((core.node, *core.operands, *core.work)))

    def visit(entries: Iterable[Entry], known: set[Node]) -> None:
        for entry in entries:
            if isinstance(entry, Loop):
                visit(entry.body, set(known))
            elif isinstance(entry, Finish):
                known.add(entry.statement.result)
            elif isinstance(entry, Statement):
                for found in entry.loads():
                    if found not in known:
                        needed[found.operands[0]] = None
                if not entry.combine and not in_place(entry.target):
                    known.add(entry.result)

    visit(kernel.body, set())
    return needed
