"""A gradient that has not been taken yet, and a wall that gradients do not pass.

`cr.grad` only writes down that a gradient is wanted; the pass `differentiate` takes it. So a
program that is found in the cache never has its gradient taken again.
"""

from __future__ import annotations

from typing import Any

from ..ir import Node, Op, is_leaf, leaf, make, register, substitute
from ..types import TensorType


class Gradient(Op):
    """The vector-Jacobian product of `y` for a leaf `x`.

    operands: y, x, a cotangent of the type of y, and the value that the leaf x stands for. The two
    differ where the gradient was asked for an inner node: `y` then has a placeholder in its place,
    so that no rewriting of `y` can take away what it is differentiated for.
    """

    name = "gradient"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type of x."""
        return operands[1].type


class StopGradient(Op):
    """`x`, as a constant for every derivative."""

    name = "stop_gradient"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operand's type."""
        return operands[0].type

    def expand(self, node: Node) -> Node:
        """The operand."""
        return node.operands[0]

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Elementwise."""
        return make(self, operands, node.where)


GRADIENT = register(Gradient())
STOP_GRADIENT = register(StopGradient())


def gradient(y: Node, x: Node, cotangent: Node) -> Node:
    """The gradient of `sum(cotangent * y)` for `x`, to be taken later."""
    if is_leaf(x):
        return make(GRADIENT, (y, x, cotangent, x))
    stand_in = leaf("x", x.type, "placeholder", x.where)
    (replaced,) = substitute([y], {x: stand_in})
    return make(GRADIENT, (replaced, stand_in, cotangent, x))
