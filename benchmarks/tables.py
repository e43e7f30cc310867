"""Tables for terminals, and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


def show(title: str, rows: Sequence[Sequence[str]], markdown: bool, words: int = 1) -> None:
    """Print a table.

    Args:
        title: stands above it.
        rows: the first are the names of the columns.
        markdown: whether it is printed in Markdown.
        words: so many columns hold words; the others hold numbers, and are set to the right.
    """
    head, *others = rows
    if markdown:
        rule = ["---"] * words + ["---:"] * (len(head) - words)
        print(f"\n{title}\n")
        for cells in (head, rule, *others):
            print(f"| {' | '.join(cells)} |")
        return
    table = Table(title=title)
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place < words else "right")
    for cells in others:
        table.add_row(*cells)
    Console(width=160).print(table)
