"""Means, deviations, norms, and the softmax family."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compiler.errors import DTypeError, UsageError
from chainrule.compiler.ir import Node, Op, const, make
from chainrule.compiler.ops import reduce as ops
from chainrule.compiler.ops.arithmetic import (
    abs as absolute,
    equal,
    maximum,
    not_equal,
    pow,
    sqrt,
    square,
    where,
)
from chainrule.compiler.ops.convert import cast
from chainrule.compiler.types import FLOATS

from ..tensor import Like, Tensor, public
from .reductions import Axes, reduced, rule_of


@public
def mean(x: Like, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The mean of the elements, sum(x) / n, over all axes or some.

    Args:
        x: a tensor, float32 or float64.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.mean(np.array([1.0, 2.0, 6.0])))
        3.0
    """
    return reduced("mean", x, axis, keepdims, rule_of(ops.MEAN))


def _freedom(x: Node, axes: tuple[int, ...], correction: float) -> Node:
    """n - correction, and 0 where that is negative: the quotient is then infinite or NaN."""
    if isinstance(correction, bool) or not isinstance(correction, int | float):
        raise UsageError(
            f"correction={correction!r:.60}",
            "expected a number",
            "1 is for the variance of a sample",
        )
    degrees = ops.count(x, axes) - correction if correction else ops.count(x, axes)
    return maximum(degrees, 0) if correction else degrees


def _deviations(x: Node, axes: tuple[int, ...]) -> Node:
    return x - ops.kept(make(ops.MEAN, (x,), axes=axes), x, axes)


@public
def var(
    x: Like, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The variance, sum((x - mean(x))^2) / (n - correction), over all axes or some.

    Args:
        x: a tensor, float32 or float64.
        axis: an axis, a tuple of them, or None for all.
        correction: taken from the number of elements: 1 for the variance of a sample.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.var(np.array([1.0, 2.0, 3.0]), correction=1))
        1.0
    """

    def rule(node: Node, axes: tuple[int, ...]) -> Node:
        squares = ops.sum(square(_deviations(node, axes)), axes=axes)
        return squares / _freedom(node, axes, correction)

    return reduced("var", x, axis, keepdims, rule)


@public
def std(
    x: Like, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The standard deviation, the square root of `var`, over all axes or some.

    Its derivative where all elements are equal is 0.

    Args:
        x: a tensor, float32 or float64.
        axis: an axis, a tuple of them, or None for all.
        correction: taken from the number of elements: 1 for the deviation of a sample.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.std(np.array([1.0, 2.0, 3.0]), correction=1))
        1.0
    """

    def rule(node: Node, axes: tuple[int, ...]) -> Node:
        # A norm, not the root of a sum: its derivative at 0 is defined.
        length = make(ops.NORM, (_deviations(node, axes),), axes=axes)
        return length / sqrt(_freedom(node, axes, correction))

    return reduced("std", x, axis, keepdims, rule)


@public
def logsumexp(x: Like, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """log(sum(e^x)), over all axes or some, without overflow.

    Its derivative is the softmax.

    Args:
        x: a tensor, float32 or float64.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.logsumexp(np.array([1000.0, 1000.0])))
        1000.6931471805599

    Source:
        Blanchard, Higham, Higham 2021, doi:10.1093/imanum/draa038, eq. (1.2).
    """
    return reduced("logsumexp", x, axis, keepdims, rule_of(ops.LOGSUMEXP))


@public
def softmax(x: Like, /, *, axis: Axes = -1) -> Tensor:
    """e^x / sum(e^x) along an axis, or several together, without overflow.

    Args:
        x: a tensor, float32 or float64.
        axis: the axis whose elements add up to 1; a tuple of them, or None for all.

    Returns:
        A tensor of the shape of x.

    Raises:
        ShapeError: there is no such axis.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.softmax(np.array([1000.0, 1000.0])))
        array([0.5, 0.5])

    Source:
        Blanchard, Higham, Higham 2021, doi:10.1093/imanum/draa038, eq. (1.3).
    """
    return reduced("softmax", x, axis, False, _of_some(ops.SOFTMAX))


@public
def log_softmax(x: Like, /, *, axis: Axes = -1) -> Tensor:
    """log(softmax(x)) = x - logsumexp(x) along an axis, or several together.

    Args:
        x: a tensor, float32 or float64.
        axis: the axis whose exponentials add up to 1; a tuple of them, or None for all.

    Returns:
        A tensor of the shape of x.

    Raises:
        ShapeError: there is no such axis.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.log_softmax(np.array([0.0, 1000.0])))
        array([-1000.,     0.])
    """
    return reduced("log_softmax", x, axis, False, _of_some(ops.LOG_SOFTMAX))


@public
def vector_norm(x: Like, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm (sum(|x|^p))^(1/p) of the elements, over all axes or some.

    Its derivative at 0 is 0.

    Args:
        x: a tensor, float32 or float64.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.
        ord: the power p. `inf` gives the largest |x|, `-inf` the smallest, 0 counts what is not 0.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.vector_norm(np.array([3.0, 4.0])))
        5.0
    """
    return reduced("vector_norm", x, axis, keepdims, lambda node, axes: _norm(node, axes, ord))


def _of_some(op: Op) -> Callable[[Node, tuple[int, ...]], Node]:
    """The rule that applies an op along axes; along an axis of size 0 there is nothing to do."""
    return lambda node, axes: (
        node if any(node.shape[i] == 0 for i in axes) else make(op, (node,), axes=axes)
    )


def _norm(x: Node, axes: tuple[int, ...], p: float) -> Node:
    if x.dtype not in FLOATS:
        raise DTypeError(
            f"vector_norm of {x.type}", "takes float32, float64", "convert with astype"
        )
    if not isinstance(p, int | float) or p != p:
        raise UsageError(f"vector_norm: ord is {p!r}", "expected a number", "ord=2 is the length")
    if p == 2:
        return make(ops.NORM, (x,), axes=axes)
    if p == float("inf"):
        return make(ops.MAX, (absolute(x),), axes=axes)
    if p == float("-inf"):
        return make(ops.MIN, (absolute(x),), axes=axes)
    if p == 1:
        return ops.sum(absolute(x), axes=axes)
    if p == 0:
        return ops.sum(cast(not_equal(x, 0), x.dtype), axes=axes)
    size, one = absolute(x), const(1, x.dtype)
    # The sum where the norm is 0; and what |x|^p is at 0.
    limit = const(0.0 if p > 0 else float("inf"), x.dtype)
    powers = pow(size, p)
    if p < 1:
        # The derivative of |x|^p at 0 is infinite; a 1 in its place keeps it out of the gradient.
        at_zero = equal(x, 0)
        powers = where(at_zero, limit, pow(where(at_zero, one, size), p))
    total = ops.sum(powers, axes=axes)
    # And so is that of t^(1/p).
    none = equal(total, limit)
    return where(none, const(0, x.dtype), pow(where(none, one, total), 1 / p))
