"""Derivatives that have not been taken yet, and a wall that gradients do not pass.

`cr.grad` only writes down that a gradient is wanted; the pass `differentiate` takes it. So a
program that is found in the cache never has its gradient taken again.
"""

from __future__ import annotations

import weakref
from typing import Any

from ..ir import Node, Op, is_leaf, leaf, make, register, substitute
from ..types import TensorType
from .broadcasting import zeros_like


class Gradient(Op):
    """The vector-Jacobian product of `y` for a leaf `x`, for one cotangent or for many.

    operands: y, x, a cotangent of the type of y, and the value that the leaf x stands for. The two
    differ where the gradient was asked for an inner node: `y` then has a placeholder in its place,
    so that no rewriting of `y` can take away what it is differentiated for. A cotangent with more
    leading axes than y is many side by side, and so is the result: a Jacobian is the gradient for
    all one-hot cotangents.
    """

    name = "gradient"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type of x, after the leading axes that the cotangent has before those of y."""
        y, x, cotangent, _ = operands
        lead = cotangent.shape[: cotangent.type.ndim - y.type.ndim]
        return TensorType(x.dtype, lead + x.shape)


class Jacobian(Op):
    """The derivatives of all elements of y for all of a leaf x, in as few sweeps as it needs.

    operands: y, x, and the value that x stands for. attrs: symmetric, whether it is a Hessian, so
    that an entry is known from its row or from its column.
    """

    name = "jacobian"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The axes of y, then those of x."""
        y, x, _ = operands
        return TensorType(x.dtype, y.shape + x.shape)


class Taylor(Op):
    """The Taylor coefficients of y along a line x + h d, of order 0 to `order`, a leading axis.

    operands: y, the leaf x, a direction d of its type, and the value that x stands for. attrs:
    order.
    """

    name = "taylor"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type of y, after an axis for the orders."""
        y = operands[0]
        return TensorType(y.dtype, (attrs["order"] + 1, *y.shape))


class Laplacian(Op):
    """The sum of the second derivatives of y for the elements of a leaf x.

    operands: y, the leaf x, which begins with the axes of y, those of samples; and the value that x
    stands for.
    """

    name = "laplacian"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type of y."""
        return operands[0].type


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
JACOBIAN = register(Jacobian())
TAYLOR = register(Taylor())
LAPLACIAN = register(Laplacian())
# What is still to be taken.
WANTED = frozenset({GRADIENT, JACOBIAN, TAYLOR, LAPLACIAN})
# Layers are found by the nodes that they gave, which must live as long as what was made of them.
_ORIGINALS: weakref.WeakKeyDictionary[Node, Node] = weakref.WeakKeyDictionary()
STOP_GRADIENT = register(StopGradient())


def gradient(y: Node, x: Node, cotangent: Node) -> Node:
    """The gradient of `sum(cotangent * y)` for `x`, to be taken later."""
    replaced, variable = stand_in(y, x)
    return _of(y, make(GRADIENT, (replaced, variable, cotangent, x)))


def change(y: Node, x: Node, direction: Node) -> Node:
    """The derivative of `y` along `direction` at `x`, to be taken later.

    The gradient is linear in its cotangent, so its own gradient for that is the same wherever it is
    taken: at 0.
    """
    u = leaf("cotangent", y.type, "placeholder")
    return make(GRADIENT, (gradient(y, x, u), u, direction, zeros_like(u)))


def jacobian(y: Node, x: Node, symmetric: bool = False) -> Node:
    """The Jacobian of `y` for `x`, to be taken later."""
    replaced, variable = stand_in(y, x)
    return _of(y, make(JACOBIAN, (replaced, variable, x), symmetric=symmetric))


def taylor(y: Node, x: Node, direction: Node, order: int) -> Node:
    """The Taylor coefficients of `y` along `x + h direction`, to be found later."""
    replaced, variable = stand_in(y, x)
    return _of(y, series(replaced, variable, direction, x, order))


def series(y: Node, variable: Node, direction: Node, value: Node, order: int) -> Node:
    """The same for a leaf `variable` that stands for a value."""
    return make(TAYLOR, (y, variable, direction, value), order=order)


def laplacian(y: Node, x: Node) -> Node:
    """The sum of the second derivatives of `y` for `x`, of each sample, to be found later."""
    replaced, variable = stand_in(y, x)
    return _of(y, make(LAPLACIAN, (replaced, variable, x)))


def original(node: Node) -> Node | None:
    """What a derivative for an inner tensor was asked of, before a leaf stood in for the tensor."""
    return _ORIGINALS.get(node)


def _of(y: Node, node: Node) -> Node:
    if node.operands[0] is not y:
        _ORIGINALS[node] = y
    return node


def stand_in(y: Node, x: Node) -> tuple[Node, Node]:
    """`y` in terms of a leaf that stands for `x`, and the leaf."""
    if is_leaf(x):
        return y, x
    variable = leaf("x", x.type, "placeholder", x.where)
    (replaced,) = substitute([y], {x: variable})
    return replaced, variable
