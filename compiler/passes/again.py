"""A value that is computed a second time: equal expressions are one node, unless told apart."""

from __future__ import annotations

from typing import Any

from ..ir import Node, Op, make, rebuilt
from ..ops import shape
from ..types import TensorType


class Again(Op):
    """The value itself, for what is to be computed from it once more. operands: the value."""

    name = "again"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """As it is."""
        return operands[0].type


AGAIN = Again()


def again(x: Node) -> Node:
    """The value for another use, moved as it is."""
    if x.op in (shape.RESHAPE, shape.TRANSPOSE):
        return rebuilt(x, (again(x.operands[0]),))
    return make(AGAIN, (x,), x.where)
