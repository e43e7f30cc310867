"""Updates in place: new values over old ones that others may still need.

Updates that need each other's old values where they write stand in one loop body, which reads
before it writes. Who needs old values elsewhere forces the new ones to be written aside first.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Node, leaf
from .loops import Statement
from .scalars import load


def arranged(updates: Sequence[Statement]) -> list[list[Statement]]:
    """Updates in groups that share a body, in an order in which no old value is lost.

    Args:
        updates: a statement for each parameter or state; its value is written in old values.
    """
    crossed = _crossed(updates)
    aside: list[list[Statement]] = []
    late: list[list[Statement]] = []
    direct: list[Statement] = []
    for update in updates:
        if update.target not in crossed:
            direct.append(update)
            continue
        name = f"new_{update.target.attr('name')}"
        new = leaf(name, update.target.type, "placeholder")
        aside.append([_writing(update, new, update.value)])
        late.append([_writing(update, update.target, load(new, update.index, new.shape))])
    return aside + _together(direct) + late


def _writing(update: Statement, target: Node, value: Node) -> Statement:
    return Statement(target, update.node, update.domain, update.index, value, update.ready)


def _crossed(updates: Sequence[Statement]) -> set[Node]:
    """Targets whose old values some update needs at other places than they are written.

    One that is written aside reads before all updates in place, so it does not count as a reader.
    """
    own = {update.target: update for update in updates}
    loads = {update: [x for x in update.loads if x.operands[0] in own] for update in updates}
    crossed: set[Node] = set()
    for reader, found in loads.items():
        for read in found:
            written = own[read.operands[0]]
            if read is not written.result or reader.domain != written.domain:
                crossed.add(written.target)
    return crossed


def _together(updates: Sequence[Statement]) -> list[list[Statement]]:
    """Updates in groups: who reads what another one overwrites is in its group."""
    group = {update.target: [update] for update in updates}
    for update in updates:
        for read in update.loads:
            first, second = group[update.target], group.get(read.operands[0])
            if second is not None and second is not first:
                first += second
                group.update((member.target, first) for member in second)
    return list({id(members): members for members in group.values()}.values())
