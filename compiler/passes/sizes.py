"""Sizes that a schedule has to know something of before they are known."""

from __future__ import annotations

from ..types import Dim, Shape, value

USUAL = 256  # for a size that is not known, such as that of a batch: a large one


def usual(dim: Dim) -> int:
    """A size where those that are not known are large."""
    return dim if isinstance(dim, int) else value(dim, dict.fromkeys(dim.symbols(), USUAL))


def long_axes(dims: Shape) -> Shape:
    """The sizes of the axes that have more than one place."""
    return tuple(dim for dim in dims if dim != 1)
