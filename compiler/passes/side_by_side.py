"""Short rows side by side: the lanes of a vector are rows, not the few columns of one.

A row of ten classes does not fill a vector, and its largest element and its sum take as long as all
the rest. So where a panel's loops go through such rows, its arrays lie column by column: element
`[j, i]` is that of row `i`, and a loop over the rows, its inner loops written out, is vector code.

What a product makes, or other kernels need, lies row by row as well, and is transposed. Positions
that are data are checked before, in a loop of their own: a check may have to report a fault.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace

from ..ir import Node, make, rebuilt
from ..types import FLOATS
from .loops import Kernel, Loop, Panel, Start, Statement, statements
from .nests import changed, replaced, unforwarded
from .scalars import (
    AXIS,
    CHECKED,
    DRAW,
    LOAD,
    PLACES,
    axis,
    depth,
    in_place,
    inner,
    load,
    positions,
    scalars,
)
from .wholes import Core

WIDEST = 16  # columns that are written out
FEWEST = 16  # rows of a panel: two vectors of them
IN_LANES = ("", "sum", "max", "min", "any", "all")  # what may be combined over rows


def side_by_side(kernel: Kernel, shared: Container[Node]) -> Kernel:
    """The kernel with the rows of its panel side by side, if all its loops gain from it.

    Args:
        kernel: with its panel.
        shared: tensors that others need.
    """
    panel = kernel.panel
    if panel is None or panel.rows < FEWEST or not isinstance(kernel.core, Core):
        return kernel
    rows = axis(0, panel.dim)
    loops = [entry for entry in panel.body if isinstance(entry, Loop)]
    members = list(statements(panel.body))
    if not loops or not all(loop.axis is rows and _is_short(loop) for loop in loops):
        return kernel
    if not all(_in_lanes(member, rows, kernel) for member in members):
        return kernel
    needed = unforwarded(kernel)
    places = [
        (tensor, index)
        for member in members
        for tensor, index in _places(member)
        if tensor in needed or tensor in shared
    ]
    tensors = dict.fromkeys(
        x for x, index in places if index[:1] == (rows,) and x.shape[1:] not in ((), (1,))
    )
    if any(x in tensors and index[0] is not rows for x, index in places):
        return kernel
    own = set(panel.local) - {kernel.core.node}
    if not all(x.dtype in FLOATS or x in own for x in tensors):
        return kernel  # only floats are transposed; what is the panel's own need not be
    return replace(kernel, panel=_checked_before(replace(panel, columns=tuple(tensors)), members))


def _is_short(loop: Loop) -> bool:
    """Whether a row is reduced, and all loops along it are short and stand in it alone."""
    for entry in loop.body:
        if isinstance(entry, Loop):
            dim = entry.axis.attr("dim")
            if entry.axis.operands or not isinstance(dim, int) or dim > WIDEST:
                return False
            if not all(isinstance(x, Statement) for x in entry.body):
                return False
    return any(isinstance(entry, Start) for entry in loop.body)


def _in_lanes(member: Statement, rows: Node, kernel: Kernel) -> bool:
    """Whether a statement can be done for several rows at once."""
    known: dict[Node, int] = {}
    if in_place(member.target) or (member.ready == 0 and member.combine not in IN_LANES):
        return False
    for node in scalars([member.value, *member.index]):
        if node.op is DRAW or (node.op is LOAD and node.attr("guarded")):
            return False
        if node.op is LOAD and node.attr("shape") != node.operands[0].shape and rows in inner(node):
            return False
        if node.op is CHECKED and (
            len(node.operands) > 1
            or depth(node, known) > 1
            or any(x.op is LOAD and x.operands[0] in kernel.writes() for x in scalars([node]))
        ):
            return False
    return all(_lies_in_rows(tensor, index, rows) for tensor, index in _places(member))


def _lies_in_rows(tensor: Node, index: Sequence[Node], rows: Node) -> bool:
    """Whether an element is in the loop's own row, of which there is a short one, or in no row."""
    if rows not in index:
        return True
    width = tensor.shape[1] if len(tensor.shape) == 2 else 1
    return (
        index[0] is rows
        and rows not in index[1:]
        and tensor.shape[0] == rows.attr("dim")
        and len(index) == len(tensor.shape) <= 2
        and isinstance(width, int)
        and width <= WIDEST
    )


def _places(member: Statement) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Tensors, each with the place at which it is read or written."""
    for found in member.loads:
        yield found.operands[0], positions(found)
    yield member.target, member.index


def _checked_before(panel: Panel, members: Iterable[Statement]) -> Panel:
    """The panel, its checked positions found in a loop before the others."""
    rows = axis(0, panel.dim)
    roots = [root for member in members for root in (member.value, *member.index)]
    nodes = scalars(roots)
    places = {
        node: make(PLACES, (node,), dim=panel.dim)
        for node in nodes
        if node.op is CHECKED and any(x.op is AXIS for x in scalars([node]))
    }
    if not places:
        return panel
    found: dict[Node, Node] = {}
    for node in nodes:
        if node in places:
            found[node] = load(places[node], (rows,), (panel.dim,))
        elif node.op is LOAD:
            index = tuple(found[x] for x in positions(node))
            found[node] = load(node.operands[0], index, node.attr("shape"))
        else:
            found[node] = rebuilt(node, tuple(found[x] for x in node.operands))
    known = {
        member: replace(
            member,
            value=found[member.value],
            index=tuple(found[x] for x in member.index),
        )
        for member in members
    }
    first = Loop(
        rows,
        tuple(Statement(to, to, (panel.dim,), (rows,), node, 1) for node, to in places.items()),
    )
    body = (first, *changed(panel.body, lambda entry: replaced(entry, known)))
    return replace(panel, body=body, local=(*panel.local, *places.values()))
