"""Random graphs of all functions: the tables together, and graphs by number."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from chainrule.compiler.types import symbols

from . import functions, loops, structures
from .checks import Oracle, subject
from .growth import BATCH, ORDINARY, OTHERS, Growth, Line, Sizes

LINES: dict[str, Line] = {**functions.LINES, **structures.LINES, **loops.LINES}


def grown(
    number: int | str,
    name: str = "x",
    dtype: str | None = None,
    cases: Sequence[Sizes] | None = None,
) -> Growth:
    """The random graph of a number: a few calls, most of them of what there is already.

    Args:
        number: which.
        name: what the names of its inputs begin with.
        dtype: of its floats; by default drawn.
        cases: sizes; by default ordinary ones, and others.
    """
    choose = random.Random(number)
    chosen = choose.choice(("float64", "float64", "float32"))
    others = choose.choice(OTHERS)
    growth = Growth(choose, dtype or chosen, cases or (ORDINARY, others), name)
    for _ in range(choose.randint(2, 8)):
        growth.grow(*choose.choice(list(LINES.items())))
    return growth


def several(number: int, count: int, orders: int) -> list[Oracle]:
    """Random graphs that one program computes: of one dtype, at the same sizes.

    Args:
        number: which.
        count: how many.
        orders: of derivatives, at most.
    """
    choose = random.Random(number)
    dtype = choose.choice(("float64", "float64", "float32"))
    cases = (ORDINARY, *choose.sample(OTHERS, 2))
    growths = [grown(f"{number}/{i}", f"g{i}_", dtype, cases) for i in range(count)]
    return [Oracle(subject(g, orders=choose.randint(0, orders))) for g in growths]


def trained(number: int) -> Growth:
    """A random graph whose inputs have the batch on their first axis, if at all."""
    for attempt in itertools.count():
        found = grown(f"{number}/{attempt}", cases=({"batch": 2, "n": 2}, {"batch": 1, "n": 2}))
        inner = [x.shape[1:] if x.shape[:1] == (BATCH,) else x.shape for x in found.inputs]
        if not any("batch" in symbols(shape) for shape in inner):
            return found
    raise AssertionError("unreachable")
