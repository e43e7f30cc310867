"""Rules that rewrite formulas: equations, each proved."""

from .algebra import ALGEBRA
from .rule import AnyRule, Movement, Rule
from .stabilize import STABILIZE

__all__ = ["ALGEBRA", "STABILIZE", "AnyRule", "Movement", "Rule"]
