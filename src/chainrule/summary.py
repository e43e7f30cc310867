"""A model as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.compiler.types import TensorType, value
from chainrule.frontend.network import Row


def show(
    name: str,
    rows: Sequence[Row],
    parameters: Mapping[str, TensorType],
    state: Mapping[str, TensorType],
) -> None:
    """Print the layers: each with its formula, its output and how many numbers it trains."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=name, title_justify="left")
    for column in ("layer", "formula", "output"):
        table.add_column(column, overflow="fold")
    table.add_column("parameters", justify="right")
    seen: set[str] = set()
    for row in rows:
        new = [p for p in row.parameters if p not in seen]
        seen.update(new)
        count = sum(value(parameters[p].size, {}) for p in new)
        again = "shared" if row.parameters and not new else ""
        table.add_row(row.layer, row.formula, row.output, again or f"{count:,}")
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=100)
    console.print(table)
    trained, kept = (
        sum(value(kind.size, {}) for kind in owned.values()) for owned in (parameters, state)
    )
    console.print(f"parameters: {trained:,}")
    if state:
        console.print(f"not trained: {kept:,} ({', '.join(state)})")
