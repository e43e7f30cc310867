"""Rules that rewrite formulas: equations, each proved."""

from .algebra import ALGEBRA
from .movement import PLACES
from .rule import AnyRule, Movement, Rule
from .selection import CHOICES
from .stabilize import STABILIZE

FINISH: tuple[AnyRule, ...] = PLACES + CHOICES
"""Applied once the others are done: they write formulas as people do."""

__all__ = ["ALGEBRA", "FINISH", "STABILIZE", "AnyRule", "Movement", "Rule"]
