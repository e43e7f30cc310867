"""Derivatives of formulas that come with the package, as SymPy takes them, written down.

Programs made of these start without SymPy, whose import takes longer than all the rest. The key is
the text of a formula, so a formula of the user's that reads the same has its derivative here too;
any other is differentiated when it is first needed. The tests take all of them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

from .ops.base import Scalar
from .text import show_row
from .text_parser import parse_row

FILE = Path(__file__).with_name("derivatives.ir")
ARROW = "\nbecomes\n"


@lru_cache(maxsize=1024)
def known(row: Scalar) -> Scalar | None:
    """The row with its derivatives declared, if they are written down."""
    text = _table().get(show_row(row))
    return None if text is None else parse_row(text)


def write(rows: Mapping[Scalar, Scalar]) -> str:
    """The text of the file.

    Args:
        rows: for each row itself with its derivatives declared.
    """
    pairs = {show_row(row): show_row(taken) for row, taken in rows.items()}
    return "\n\n".join(f"{row}{ARROW}{taken}" for row, taken in pairs.items()) + "\n"


@cache
def _table() -> Mapping[str, str]:
    pairs = FILE.read_text(encoding="utf-8").strip().split("\n\n")
    return dict(pair.split(ARROW, 1) for pair in pairs if pair)
