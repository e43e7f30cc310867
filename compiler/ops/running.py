"""Running values along an axis: products, log-sum-exps, and the recurrence that they all are.

`linear_recurrence` is closed under differentiation: its derivative is the same recurrence from the
other end. What is written with it has derivatives of every order in linear time, right at zeros.
"""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from ..ir import Node, Op, const, make, register
from ..types import TensorType, add
from .arithmetic import equal, where
from .broadcasting import broadcast_dims, times
from .convert import iota
from .elementary import exp
from .shape import broadcast_to, flip, pad, reshape, slice_


class Running(Op):
    """A running value along an axis. attrs: axis."""

    accepts: tuple[str, ...] = ("float32", "float64", "int32", "int64")

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operands' type."""
        for x in operands:
            if x.dtype not in self.accepts or x.type != operands[0].type:
                raise DTypeError(
                    f"{self.name}: {' and '.join(str(x.type) for x in operands)}",
                    f"takes {', '.join(self.accepts)}",
                    "convert with astype",
                )
        return operands[0].type

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axis moves right; operands get all leading axes in full."""
        shape = broadcast_dims(self.name, tuple(x.shape[:lead] for x in operands))
        full = tuple(broadcast_to(x, shape=shape + x.shape[lead:]) for x in operands)
        return make(self, full, node.where, axis=node.attr("axis") + lead)


class LinearRecurrence(Running):
    """y[0] = b[0], y[k] = a[k] y[k-1] + b[k]; a[0] plays no part."""

    name = "linear_recurrence"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """From the other end: s[k] = g[k] + a[k+1] s[k+1]; b gets s[k], a gets s[k] y[k-1]."""
        a, _ = node.operands
        axis = node.attr("axis")
        shares = backwards(moved(a, axis, -1), out_grad, axis)
        return (times(shares, moved(node, axis, 1)), shares)


class CumulativeProduct(Running):
    """Running products: y[k] = x[0] ... x[k]."""

    name = "cumulative_prod"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """s[k] y[k-1], where s[k] = g[k] + x[k+1] s[k+1]: nothing is divided by."""
        (x,) = node.operands
        axis = node.attr("axis")
        shares = backwards(moved(x, axis, -1), out_grad, axis)
        before = where(first(x, axis), const(1, x.dtype), moved(node, axis, 1))
        return (shares * before,)

    def expand(self, node: Node) -> Node:
        """The recurrence that starts with x[0] and adds nothing."""
        (x,), axis = node.operands, node.attr("axis")
        start = where(first(x, axis), x, const(0, x.dtype))
        return linear_recurrence(x, start, axis)


class CumulativeLogSumExp(Running):
    """y[k] = log(e^x[0] + ... + e^x[k]), each from the one before, so that nothing overflows."""

    name = "cumulative_logsumexp"
    accepts = ("float32", "float64")

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """e^(x[k] - y[k]) s[k], where s[k] = g[k] + e^(y[k] - y[k+1]) s[k+1]: factors up to 1."""
        (x,), axis = node.operands, node.attr("axis")
        # Behind the last one is nothing; a difference of 0 keeps what plays no part finite.
        following = where(last(node, axis), node, moved(node, axis, -1))
        shares = backwards(ratio(node, following), out_grad, axis)
        return (ratio(x, node) * shares,)


LINEAR_RECURRENCE = register(LinearRecurrence())
CUMULATIVE_PROD = register(CumulativeProduct())
CUMULATIVE_LOGSUMEXP = register(CumulativeLogSumExp())


def linear_recurrence(a: Node, b: Node, axis: int) -> Node:
    """y[0] = b[0], y[k] = a[k] y[k-1] + b[k] along an axis."""
    return make(LINEAR_RECURRENCE, (a, b), axis=axis)


def backwards(a: Node, b: Node, axis: int) -> Node:
    """y[k] = a[k] y[k+1] + b[k], from the last to the first."""
    return flip(linear_recurrence(flip(a, (axis,)), flip(b, (axis,)), axis), (axis,))


def moved(x: Node, axis: int, by: int) -> Node:
    """result[k] = x[k - by] for `by` 1 or -1, and 0 where there is none."""
    none = (0,) * x.type.ndim
    once = tuple(int(i == axis) for i in range(x.type.ndim))
    lows, highs, starts = (once, none, none) if by > 0 else (none, once, once)
    longer = pad(x, lows=lows, highs=highs, inner=none, value=0.0)
    stops = tuple(map(add, starts, x.shape))
    return slice_(longer, starts=starts, stops=stops, steps=(1,) * x.type.ndim)


def first(x: Node, axis: int) -> Node:
    """Whether a place is the first along the axis."""
    dims = tuple(d if i == axis else 1 for i, d in enumerate(x.shape))
    return equal(reshape(iota(x.shape[axis]), shape=dims), 0)


def last(x: Node, axis: int) -> Node:
    """Whether a place is the last along the axis."""
    return flip(broadcast_to(first(x, axis), shape=x.shape), (axis,))


def ratio(a: Node, b: Node) -> Node:
    """e^(a - b), and 1 for equal infinities."""
    return exp(where(equal(a, b), const(0, a.dtype), a - b))
