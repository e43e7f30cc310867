"""The stabilizing rules: formulas that overflow, underflow or cancel become ones that do not."""

from __future__ import annotations

from .exponentials import EXPONENTIALS
from .logarithms import LOGARITHMS
from .roots import ROOTS
from .rule import AnyRule
from .selection import SELECTIONS

STABILIZE: tuple[AnyRule, ...] = LOGARITHMS + EXPONENTIALS + ROOTS + SELECTIONS
