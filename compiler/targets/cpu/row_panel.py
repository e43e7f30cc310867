"""A few rows of everything that has rows, as text."""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Dim, add, divide, floordiv

ROWS = 16  # of a panel: enough for a product, and few enough to share a batch between threads


@dataclass(frozen=True, slots=True)
class RowPanel:
    """Some rows.

    Attributes:
        rows: how many there are in all.
        first: the text of the first.
        last: the text of the one behind the last.
    """

    rows: Dim
    first: str
    last: str

    @property
    def size(self) -> str:
        """How many there are."""
        return f"{self.last} - {self.first}"

    def part(self) -> str:
        """Which part of an array that begins with the rows."""
        return f"[{self.first}:{self.last}]"

    def part_of(self, size: Dim) -> str:
        """Which part of flat room of such a size."""
        each = divide(size, self.rows)
        return f"[{each} * {self.first}:{each} * {self.last}]"


def panels(rows: Dim | None) -> Dim:
    """How many panels so many rows make; one, if they are taken together."""
    return 1 if rows is None else floordiv(add(rows, ROWS - 1), ROWS)
