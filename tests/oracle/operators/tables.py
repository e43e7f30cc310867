"""All rows."""

from __future__ import annotations

from .activations import ACTIVATIONS
from .algebra import ALGEBRA
from .elementwise import ELEMENTWISE
from .losses import LOSSES
from .networks import LAYERS
from .reductions import REDUCTIONS
from .row import Row, Table
from .shaping import SHAPING

TABLES: tuple[Table, ...] = (
    ELEMENTWISE,
    REDUCTIONS,
    SHAPING,
    ALGEBRA,
    ACTIVATIONS,
    LOSSES,
    LAYERS,
)
ROWS: dict[str, Row] = {
    name: row if isinstance(row, Row) else Row(row)
    for table in TABLES
    for name, row in table.items()
}
