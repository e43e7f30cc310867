"""Who is right where the two differ: the formula at many digits, differentiated by differences.

What is evaluated is the formula's value, which is no business of any derivative rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np

from chainrule.compiler.ir import Node
from chainrule.compiler.precise import evaluate, many_digits, number

from .row import Array

DIGITS, STEP = 90, "1e-20"  # differences of order 2 are right to 40 digits, mixed ones to 30
MOST = 12  # elements that are looked at


class Exact:
    """The results of a sample at many digits.

    Args:
        results: the nodes of the results that have derivatives.
        inputs: the leaves of the formula.
        arrays: their values.
        moving: which of them derivatives are for.
        tangents: the direction of forward mode and of the second gradient.
        cotangents: the weights of the results.
    """

    def __init__(
        self,
        results: Sequence[Node],
        inputs: Sequence[Node],
        arrays: Sequence[Array],
        moving: Sequence[int],
        tangents: Sequence[Array],
        cotangents: Sequence[Array],
    ) -> None:
        self.results, self.inputs, self.moving = results, inputs, moving
        self.arrays = [exact(a) for a in arrays]
        self.tangents = [exact(t) for t in tangents]
        self.cotangents = [exact(v) for v in cotangents]

    def at(self, directions: Sequence[tuple[Any, Sequence[Array]]]) -> list[Array]:
        """The results where the inputs are moved along directions."""
        arrays = list(self.arrays)
        for step, direction in directions:
            for place, d in zip(self.moving, direction, strict=True):
                arrays[place] = arrays[place] + step * d
        values = dict(zip(self.inputs, arrays, strict=True))
        return evaluate(self.results, values, many_digits(), number)

    def sum(self, *directions: tuple[Any, Sequence[Array]]) -> Any:
        found = self.at(directions)
        return sum(
            (np.sum(v * y) for v, y in zip(self.cotangents, found, strict=True)), mpmath.mpf(0)
        )

    def of(self, way: str) -> Callable[[int, tuple[int, ...]], Any]:
        """What says how an element should be."""
        return {
            "value": self.value,
            "gradient": self.gradient,
            "second gradient": self.second,
            "forward mode": self.forward,
        }[way]

    def value(self, result: int, element: tuple[int, ...]) -> Any:
        return self.at([])[result][element]

    def forward(self, result: int, element: tuple[int, ...]) -> Any:
        h = mpmath.mpf(STEP)
        ahead, behind = (self.at([(s, self.tangents)])[result][element] for s in (h, -h))
        return (ahead - behind) / (2 * h)

    def one(self, point: int, element: tuple[int, ...]) -> list[Array]:
        found = [np.zeros_like(t) for t in self.tangents]
        found[point][element] = mpmath.mpf(1)
        return found

    def gradient(self, point: int, element: tuple[int, ...]) -> Any:
        h, e = mpmath.mpf(STEP), self.one(point, element)
        return (self.sum((h, e)) - self.sum((-h, e))) / (2 * h)

    def second(self, point: int, element: tuple[int, ...]) -> Any:
        h, e = mpmath.mpf(STEP), self.one(point, element)
        corners = [
            a * b * self.sum((a * h, e), (b * h, self.tangents)) for a in (1, -1) for b in (1, -1)
        ]
        return sum(corners) / (4 * h * h)


def exact(array: Array) -> Array:
    """Floats as numbers of many digits; others as they are."""
    if array.dtype.kind != "f":
        return array
    found = np.empty(array.shape, object)
    for element in np.ndindex(array.shape):
        found[element] = mpmath.mpf(float(array[element]))
    return found


def right(
    exact_at: Callable[[int, tuple[int, ...]], Any],
    place: int,
    got: Array,
    want: Array,
    tolerance: tuple[float, float],
    bad: Array,
) -> bool:
    """Whether ours is right, to all tolerance, wherever the two differ (or at MOST of them)."""
    elements = [tuple(int(i) for i in e) for e in np.argwhere(bad)][:MOST]
    relative, absolute = tolerance
    with mpmath.workdps(DIGITS):
        for element in elements:
            try:
                true = exact_at(place, element)
            except ZeroDivisionError:  # no derivative: a corner
                return False
            ours, theirs = (abs(mpmath.mpf(float(x[element])) - true) for x in (got, want))
            close = ours <= relative * abs(true) + absolute
            if not close or (mpmath.isfinite(theirs) and ours > theirs):
                return False
    return True
