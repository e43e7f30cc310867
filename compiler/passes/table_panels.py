"""Sums at rows of a large table, a panel of rows after the other.

`add_at(g, t)` is first of all zeros, nearly everywhere. Where a cache does not hold the table, its
places are therefore sorted by panels of rows: a panel of the sum is cleared, gets what belongs to
it, and is used, while it is in the first cache. If only loops over the same rows read the sum, such
as an update of the table, no more than a panel of it is ever there; and threads may share the
panels. Every row is added up in the order of the places, as it would be anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..ir import Node, Op, make
from ..ops import index
from ..types import BYTES, TensorType
from .loops import Statement
from .pull import Puller, number, plus, regrouped
from .routines import room
from .rows import further
from .scalars import TURN, Span, axis, load
from .wholes import Routine

# Bytes of a panel, half of a first-level cache, and of a table that is worth it.
PANEL = 16 * 1024
LARGE = 1024 * 1024


class RowsByPanel(Op):
    """The rows that an index names, those of the first panel first. attrs: dim, count.

    There are `dim` rows, `count` in a panel.
    """

    name = "rows_by_panel"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """One for each place."""
        return TensorType("int64", (operands[0].type.size,))


ROWS_BY_PANEL = RowsByPanel()


@dataclass(frozen=True, slots=True, eq=False)
class TablePanels:
    """Sums at the places that an index names, of tables with so many rows.

    Attributes:
        index: positions of rows.
        sums: what is added up there.
        count: rows of a panel.
        rows: the row of each place, panel by panel, in the order of the places.
        places: where in the index they are named.
        first: for each panel, where its places begin; those of the next panel follow.
    """

    index: Node
    sums: tuple[Node, ...]
    count: int
    rows: Node
    places: Node
    first: Node

    def routine(self, pull: Puller) -> Routine:
        """Sorts the places."""
        code = pull.fault(replace(index.OUTSIDE, where=self.rows.where))
        flat, work = self.rows.shape, (self.places, self.first)
        options = (self.rows.attr("dim"), self.count)
        return Routine("rows_by_panel", self.rows, (self.index,), (flat, flat), work, options, code)

    def sum(self, node: Node, pull: Puller) -> Statement:
        """Adds up, in each panel, what belongs to its rows."""
        grad, at = node.operands
        turn = make(TURN, ())
        begin, end = (
            load(self.first, (x,), self.first.shape) for x in (turn, plus(turn, number(1)))
        )
        some = Span(begin, end, self.rows.type.size)
        row, place = (load(x, (axis(0, some),), x.shape) for x in (self.rows, self.places))
        domain, rest = further((some,), node.shape[1:])
        value = pull(grad, (*regrouped((place,), self.places.shape, at.shape), *rest))
        return Statement(node, node, domain, (row, *rest), value, 0, "sum", panel=self.count)


def in_table_panels(nodes: Iterable[Node]) -> tuple[TablePanels, ...]:
    """The sums at rows of large tables, those together that an index names in the same panels."""
    found: dict[tuple[Node, int, int], list[Node]] = {}
    for node in nodes:
        if node.op is not index.ADD_AT or node.attr("axis") or 0 in node.operands[1].shape:
            continue
        dim, size = node.shape[0], node.type.size
        if isinstance(dim, int) and isinstance(size, int) and size * BYTES[node.dtype] >= LARGE:
            row = size // dim * BYTES[node.dtype]
            key = node.operands[1], dim, max(PANEL // row, 1)
            found.setdefault(key, []).append(node)
    return tuple(_panels(*key, sums) for key, sums in found.items())


def _panels(at: Node, dim: int, count: int, sums: list[Node]) -> TablePanels:
    n = at.type.size
    return TablePanels(
        at,
        tuple(sums),
        count,
        rows=make(ROWS_BY_PANEL, (at,), sums[0].where, dim=dim, count=count),
        places=room("places", "int64", n),
        first=room("begins", "int64", -(-dim // count) + 1),
    )
