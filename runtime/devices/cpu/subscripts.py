"""What a contraction reads and writes: `b x+u y+v c, u v c f -> b x y f`.

Left operand, right operand, result; for each axis of them the position along it, a sum of letters
with factors: `2x+u` for windows that move by two, `x+2u` for windows with gaps; `0` where there is
one position alone. Every letter stands alone somewhere, which says how far it goes. What is not in
the result is summed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from llvmlite import ir

from .kinds import INT64_TYPE
from .values import Array, times

TERM = re.compile(r"(\d*)([a-z])")
Number = Any  # an int, or a value of LLVM's
Position = tuple[tuple[int, str], ...]
Axes = tuple[tuple[Position, ...], ...]


def positions(text: str) -> Axes | None:
    """The positions along the axes of left, right and result; None if the text is none."""
    operands, arrow, result = text.partition("->")
    sides = [*operands.split(","), result]
    if not arrow or len(sides) != 3:
        return None
    found = []
    for side in sides:
        axes: list[Position] = []
        for axis in side.split():
            if axis == "0":
                axes.append(())
                continue
            terms = [TERM.fullmatch(term) for term in axis.split("+")]
            if None in terms:
                return None
            axes.append(tuple((int(term[1] or 1), term[2]) for term in terms if term))
        found.append(tuple(axes))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Letter:
    """A loop of a contraction.

    Attributes:
        size: how far it goes.
        steps: how many elements further in left, right and result the next iteration is.
    """

    size: Number
    steps: tuple[Number, Number, Number]

    @property
    def is_summed(self) -> bool:
        """Whether it is not in the result."""
        return isinstance(self.steps[2], int) and self.steps[2] == 0

    def swapped(self) -> Letter:
        """The same with left and right exchanged."""
        left, right, out = self.steps
        return replace(self, steps=(right, left, out))


def plain(value: Any) -> Number:
    """A size or a step as an int where it is known."""
    return value.constant if isinstance(value, ir.Constant) else value


def product(builder: Any, x: Number, y: Number) -> Number:
    """A product of numbers, known where both are."""
    if isinstance(x, int) and isinstance(y, int):
        return x * y
    if 0 in (x, y):
        return 0
    return plain(times(builder, valued(x), valued(y)))


def total(builder: Any, x: Number, y: Number) -> Number:
    """A sum of numbers, known where both are."""
    if isinstance(x, int) and isinstance(y, int):
        return x + y
    if isinstance(x, int):
        x, y = y, x
    return x if isinstance(y, int) and y == 0 else builder.add(valued(x), valued(y), flags=("nsw",))


def valued(x: Number) -> Any:
    """A number as a value of LLVM's."""
    return ir.Constant(INT64_TYPE, x) if isinstance(x, int) else x


def elements(builder: Any, array: Array) -> Number:
    """How many elements an array has."""
    found: Number = 1
    for size in array.sizes:
        found = product(builder, found, plain(size.value))
    return found


def letters(builder: Any, axes: Axes, arrays: tuple[Array, ...]) -> list[Letter]:
    """The loops, as few as there can be: those of one iteration are none."""
    sizes: dict[str, Number] = {}
    steps: dict[str, list[Number]] = {}
    for place, (own, array) in enumerate(zip(axes, arrays, strict=True)):
        step: Number = 1
        for number, (position, size) in reversed([*enumerate(zip(own, array.sizes, strict=True))]):
            if len(position) == 1 and position[0][0] == 1:
                letter = position[0][1]
                if not isinstance(sizes.get(letter), int):
                    sizes[letter] = plain(size.value)
            for factor, letter in position:
                each = steps.setdefault(letter, [0, 0, 0])
                each[place] = total(builder, each[place], product(builder, step, factor))
            if number:
                step = product(builder, step, plain(size.value))
    found: list[Letter] = []
    for letter, (left, right, out) in steps.items():
        if sizes[letter] != 1:
            found.append(Letter(sizes[letter], (left, right, out)))
    return merged(builder, found)


def merged(builder: Any, given: list[Letter]) -> list[Letter]:
    """Two loops that go through memory as one are one."""
    for outer in given:
        for inner in given:
            if outer is inner or not isinstance(inner.size, int):
                continue
            pairs = zip(outer.steps, inner.steps, strict=True)
            if all(
                isinstance(x, int) and isinstance(y, int) and x == y * inner.size for x, y in pairs
            ):
                both = Letter(product(builder, outer.size, inner.size), inner.steps)
                rest = [each for each in given if each is not outer and each is not inner]
                return merged(builder, [*rest, both])
    return given
