"""One long loop in place of several, where nothing depends on the axes one by one.

An update of a weight matrix of 10 columns is one loop over all its elements: short inner loops do
not fill vector registers.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Node, rebuilt
from ..types import product
from .loops import Entry, Loop, Statement
from .scalars import AXIS, LOAD, axis, load, positions, scalars

# A row of whole vectors stays a row: it is then easier to read.
LANES = 16


def flatten(entry: Entry) -> Entry:
    """A nest of loops as one loop, if it can be and helps."""
    if not isinstance(entry, Loop):
        return entry
    axes = [entry.axis]
    body: Sequence[Entry] = entry.body
    while len(body) == 1 and isinstance(body[0], Loop):
        axes.append(body[0].axis)
        body = body[0].body
    members = [item for item in body if isinstance(item, Statement)]
    inner = axes[-1].attr("dim")
    whole = isinstance(inner, int) and inner % LANES == 0
    spans = any(found.operands for found in axes)
    if whole or spans or len(axes) == 1 or len(members) != len(body):
        return entry
    flat = axis(0, product(tuple(found.attr("dim") for found in axes)))
    known: dict[Node, Node] = {}
    for node in scalars(member.value for member in members):
        if node.op is AXIS:
            continue
        if node.op is LOAD and _whole(node, axes):
            known[node] = load(node.operands[0], (flat,), (flat.attr("dim"),))
        elif any(x.op is AXIS for x in node.operands):
            return entry
        elif node.op is LOAD:
            known[node] = load(
                node.operands[0],
                tuple(known[x] for x in positions(node)),
                node.attr("shape"),
                known[node.operands[-1]] if node.attr("guarded") else None,
            )
        else:
            known[node] = rebuilt(node, tuple(known[x] for x in node.operands))
    if any(member.combine or list(member.index) != axes for member in members):
        return entry
    new = (
        Statement(
            member.target,
            member.node,
            (flat.attr("dim"),),
            (flat,),
            known[member.value],
            1,
            shape=(flat.attr("dim"),),
        )
        for member in members
    )
    return Loop(flat, tuple(new))


def _whole(node: Node, axes: Sequence[Node]) -> bool:
    """Whether all elements of a tensor are read, in the order in which they lie."""
    dims = tuple(found.attr("dim") for found in axes)
    same = list(positions(node)) == list(axes) and node.attr("shape") == dims
    return same and not node.attr("guarded")
