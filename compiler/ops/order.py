"""Order along an axis: where the elements stand when sorted, and where others would be put in.

NaN counts as larger than everything, as NumPy has it. Positions are integers, which nothing is
differentiated for; values get their derivatives from the elements that are read at the positions.
"""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, make, register
from ..types import TensorType
from .arithmetic import greater, greater_equal, isnan, logical_and, logical_not, logical_or
from .convert import cast
from .reduce import sum
from .shape import reshape

NUMBERS = ("float32", "float64", "int32", "int64")


class ArgSort(Op):
    """Positions of the elements in increasing order; equal ones stay as they are. attrs: axis."""

    name = "argsort"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """A position for each element."""
        (x,) = operands
        if x.dtype not in NUMBERS:
            raise DTypeError(
                f"argsort: {x.type}", f"takes {', '.join(NUMBERS)}", "convert with astype"
            )
        return TensorType("int64", x.shape)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axis moves right."""
        return make(self, operands, node.where, axis=node.attr("axis") + lead)


class SearchSorted(Op):
    """How many elements of a sorted vector are below each value (`left`), or not above (`right`).

    attrs: side.
    """

    name = "searchsorted"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """A position for each value."""
        x, values = operands
        if x.type.ndim != 1:
            raise ShapeError(
                f"searchsorted in {x.type}", "expected one axis", "search row by row with cr.sum"
            )
        if x.dtype != values.dtype or x.dtype not in NUMBERS:
            raise DTypeError(
                f"searchsorted: operands of dtype {x.dtype} and {values.dtype}",
                f"takes {', '.join(NUMBERS)}, the same for both",
                "convert one with astype",
            )
        return TensorType("int64", values.shape)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """In one vector for all as it is; in several by counting."""
        x, values = operands
        if all(size == 1 for size in x.shape[:lead]):
            return make(self, (reshape(x, x.shape[lead:]), values), side=node.attr("side"))
        row = reshape(x, (*x.shape[:lead], *(1,) * node.type.ndim, x.shape[-1]))
        column = reshape(values, (*values.shape, 1))
        left = node.attr("side") == "left"
        above = greater_equal(row, column) if left else greater(row, column)
        if x.type.is_float:
            last = isnan(row) if left else logical_and(isnan(row), logical_not(isnan(column)))
            above = logical_or(above, last)
        below = cast(logical_not(above), "int64")
        return sum(below, axes=(below.type.ndim - 1,))


ARGSORT = register(ArgSort())
SEARCHSORTED = register(SearchSorted())


def argsort(x: Node, axis: int) -> Node:
    """Positions of the elements of `x` in increasing order."""
    return make(ARGSORT, (x,), axis=axis)


def searchsorted(x: Node, values: Node, side: str) -> Node:
    """Where each of `values` would be put into `x`."""
    return make(SEARCHSORTED, (x, values), side=side)
