"""Rows of large tables that a loop will read: a processor does not see by itself which they are."""

from __future__ import annotations

from ...ir import Node
from ...ops.convert import CAST
from ...passes.loops import Loop, statements
from ...passes.scalars import AXIS, CHECKED, LOAD, given, positions
from ...passes.table_panels import LARGE
from ...types import BYTES


def rows_ahead(loop: Loop) -> dict[Node, dict[Node, None]]:
    """The elements of an index that name rows, an element for each iteration, and the tables.

    The loop, with those around it, goes through the index in order. Loops over a row's elements
    stand inside.
    """
    found: dict[Node, dict[Node, None]] = {}
    if any(isinstance(entry, Loop) for entry in loop.body):
        for statement in statements([loop]):
            for read in statement.loads:
                place = _place(read)
                if place is not None and _in_order(place, loop.axis):
                    found.setdefault(place, {})[read.operands[0]] = None
    return found


def _place(read: Node) -> Node | None:
    """What names the row of a large table that is read."""
    table, size = read.operands[0], read.operands[0].type.size
    far = isinstance(size, int) and size * BYTES[table.dtype] >= LARGE
    if not far or read.attr("shape") != table.shape or len(table.shape) < 2:
        return None
    row = positions(read)[0]
    if row.op is not CHECKED or len(row.operands) > 1:
        return None
    (place,) = row.operands
    while place.op is CAST:
        (place,) = place.operands
    return place if place.op is LOAD and given(place.operands[0]) else None


def _in_order(place: Node, last: Node) -> bool:
    """Whether an element is that of the loops' positions, the innermost of which is the last."""
    index, dims = positions(place), place.operands[0].shape
    return (
        not place.attr("guarded")
        and place.attr("shape") == dims
        and index[-1:] == (last,)
        and all(x.op is AXIS and not x.operands for x in index)
        and [x.attr("depth") for x in index] == list(range(len(index)))
    )
