"""Reductions over axes: sums, products, extremes, logic, positions, running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.compiler.errors import ShapeError
from chainrule.compiler.ir import Node, Op, make
from chainrule.compiler.ops import reduce as ops, running
from chainrule.compiler.ops.convert import cast
from chainrule.compiler.ops.shape import pad, reshape
from chainrule.compiler.types import INTS, product

from ..constants import dtype_name
from ..tensor import Like, Tensor, as_tensor, public

Axes = int | tuple[int, ...] | None


def normal_axis(name: str, x: Node, axis: int) -> int:
    """An axis counted from 0.

    Raises:
        ShapeError: `x` has no such axis.
    """
    if not isinstance(axis, int) or not -x.type.ndim <= axis < x.type.ndim:
        raise ShapeError(
            f"{name}: no axis {axis!r}",
            f"{x.type} has {x.type.ndim} axes",
            "axes count from 0, or from -1 backwards",
        )
    return axis % x.type.ndim


def normal_axes(name: str, x: Node, axis: Axes) -> tuple[int, ...]:
    """Axes counted from 0, in increasing order; None means all."""
    if axis is None:
        return tuple(range(x.type.ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    found = sorted(normal_axis(name, x, i) for i in axes)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis is given twice", f"axis={axis}", "name each axis once")
    return tuple(found)


def reduced(
    name: str,
    x: Like | Tensor,
    axis: Axes,
    keepdims: bool,
    rule: Callable[[Node, tuple[int, ...]], Node],
    prepare: Callable[[Node], Node] = lambda node: node,
) -> Tensor:
    """A reduction by `rule`, which gets the prepared node and its axes."""
    given = as_tensor(x)
    node = prepare(given.node)
    axes = normal_axes(name, node, axis)
    result = rule(node, axes)
    return Tensor(ops.kept(result, node, axes) if keepdims else result, given.weak)


def rule_of(op: Op) -> Callable[[Node, tuple[int, ...]], Node]:
    """The rule that applies one op."""
    return lambda node, axes: make(op, (node,), axes=axes)


def _summed(dtype: Any) -> Callable[[Node], Node]:
    """What sums are taken in: the dtype asked for, and int64 for integers and truth values."""

    def prepare(node: Node) -> Node:
        if dtype is not None:
            return cast(node, dtype_name(dtype))
        return cast(node, "int64") if node.dtype in ("bool", *INTS) else node

    return prepare


def _ones(node: Node) -> Node:
    return cast(cast(node, "bool"), "int64")


def _truth(node: Node) -> Node:
    return cast(node, "bool")


@public
def sum(x: Like, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum of the elements, over all axes or some.

    Of no elements it is 0. Every element has derivative 1.

    Args:
        x: a tensor, any dtype; truth values are counted.
        axis: an axis, a tuple of them, or None for all.
        dtype: what is summed in; by default that of x, and int64 for integers.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0))
        array([4., 6.])
    """
    return reduced("sum", x, axis, keepdims, rule_of(ops.SUM), _summed(dtype))


@public
def count_nonzero(x: Like, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """How many elements are not 0, over all axes or some; NaN is not 0, False is.

    Args:
        x: a tensor, any dtype.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes, of dtype int64.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> int(cr.count_nonzero(np.array([1.0, 0.0, 2.0])))
        2
    """
    return reduced("count_nonzero", x, axis, keepdims, rule_of(ops.SUM), _ones)


@public
def prod(x: Like, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product of the elements, over all axes or some.

    Of no elements it is 1. The derivative for an element is the product of the others, right for
    zeros too.

    Args:
        x: a tensor, any dtype.
        axis: an axis, a tuple of them, or None for all.
        dtype: what is multiplied in; by default that of x, and int64 for integers.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.prod(np.array([2.0, 3.0, 4.0])))
        24.0
    """
    return reduced("prod", x, axis, keepdims, rule_of(ops.PROD), _summed(dtype))


@public
def max(x: Like, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest element, over all axes or some; NaN if one is.

    Elements that tie share the derivative in equal parts.

    Args:
        x: a tensor, any dtype but bool, of at least one element.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis, or it has no elements.
        DTypeError: x is bool.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.max(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1))
        array([2., 3.])
    """
    return reduced("max", x, axis, keepdims, rule_of(ops.MAX))


@public
def min(x: Like, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest element, over all axes or some; NaN if one is.

    Elements that tie share the derivative in equal parts.

    Args:
        x: a tensor, any dtype but bool, of at least one element.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: there is no such axis, or it has no elements.
        DTypeError: x is bool.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.min(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1))
        array([1., 0.])
    """
    return reduced("min", x, axis, keepdims, rule_of(ops.MIN))


@public
def any(x: Like, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true (not 0), over all axes or some; of no elements, False.

    Args:
        x: a tensor, any dtype.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes, of dtype bool.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.any(np.array([[False, True], [False, False]]), axis=1))
        array([ True, False])
    """
    return reduced("any", x, axis, keepdims, rule_of(ops.ANY), _truth)


@public
def all(x: Like, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true (not 0), over all axes or some; of no elements, True.

    Args:
        x: a tensor, any dtype.
        axis: an axis, a tuple of them, or None for all.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes, of dtype bool.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.all(np.array([[True, True], [False, True]]), axis=1))
        array([ True, False])
    """
    return reduced("all", x, axis, keepdims, rule_of(ops.ALL), _truth)


def _position(name: str, op: Op, x: Like, axis: int | None, keepdims: bool) -> Tensor:
    node = as_tensor(x).node
    if axis is None:
        flat = reshape(node, shape=(product(node.shape),))
        result = make(op, (flat,), axis=0)
        return Tensor(reshape(result, shape=(1,) * node.type.ndim) if keepdims else result)
    place = normal_axis(name, node, axis)
    result = make(op, (node,), axis=place)
    return Tensor(ops.kept(result, node, (place,)) if keepdims else result)


@public
def argmax(x: Like, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the largest element, the first if several; of the first NaN if there is one.

    Args:
        x: a tensor of at least one element.
        axis: along which axis; None for the position among all elements in row-major order.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes, of dtype int64.

    Raises:
        ShapeError: there is no such axis, or it has no elements.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.argmax(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1))
        array([1, 0])
    """
    return _position("argmax", ops.ARGMAX, x, axis, keepdims)


@public
def argmin(x: Like, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the smallest element, the first if several; of the first NaN if there is one.

    Args:
        x: a tensor of at least one element.
        axis: along which axis; None for the position among all elements in row-major order.
        keepdims: whether the axes stay, with size 1.

    Returns:
        A tensor of the other axes, of dtype int64.

    Raises:
        ShapeError: there is no such axis, or it has no elements.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.argmin(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1))
        array([0, 1])
    """
    return _position("argmin", ops.ARGMIN, x, axis, keepdims)


@public
def cumulative_sum(
    x: Like, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running sums along an axis: element k is x[0] + ... + x[k].

    Args:
        x: a tensor, any dtype.
        axis: which axis; may be left out where there is but one.
        dtype: what is summed in; by default that of x, and int64 for integers.
        include_initial: whether a 0 comes first, so that element k is the sum of the first k.

    Returns:
        A tensor of the shape of x; with `include_initial` the axis is longer by one.

    Raises:
        ShapeError: there is no such axis, or none is given where there are several.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.cumulative_sum(np.array([1.0, 2.0, 3.0]), include_initial=True))
        array([0., 1., 3., 6.])
    """
    initial = 0.0 if include_initial else None
    return _running(ops.CUMULATIVE_SUM, x, axis, _summed(dtype), initial)


@public
def cumulative_prod(
    x: Like, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running products along an axis: element k is x[0] ... x[k].

    The derivative is right for zeros too.

    Args:
        x: a tensor, any dtype.
        axis: which axis; may be left out where there is but one.
        dtype: what is multiplied in; by default that of x, and int64 for integers.
        include_initial: whether a 1 comes first, so that element k is the product of the first k.

    Returns:
        A tensor of the shape of x; with `include_initial` the axis is longer by one.

    Raises:
        ShapeError: there is no such axis, or none is given where there are several.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.cumulative_prod(np.array([1.0, 2.0, 3.0])))
        array([1., 2., 6.])
    """
    initial = 1.0 if include_initial else None
    return _running(running.CUMULATIVE_PROD, x, axis, _summed(dtype), initial)


@public
def cumulative_logsumexp(x: Like, /, *, axis: int | None = None) -> Tensor:
    """Running log-sum-exps along an axis: element k is log(e^x[0] + ... + e^x[k]), no overflow.

    Args:
        x: a tensor, float32 or float64.
        axis: which axis; may be left out where there is but one.

    Returns:
        A tensor of the shape of x.

    Raises:
        ShapeError: there is no such axis, or none is given where there are several.
        DTypeError: x is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.cumulative_logsumexp(np.array([1000.0, -1000.0])))
        array([1000., 1000.])
    """
    return _running(running.CUMULATIVE_LOGSUMEXP, x, axis, lambda node: node, None)


def _running(
    op: Op, x: Like, axis: int | None, prepare: Callable[[Node], Node], initial: float | None
) -> Tensor:
    """A running value along an axis, with what comes first, if it is wanted."""
    given = as_tensor(x)
    node = prepare(given.node)
    if axis is None and node.type.ndim != 1:
        raise ShapeError(
            f"{op.name} of {node.type} along no axis", "expected axis=", "name the axis"
        )
    place = normal_axis(op.name, node, 0 if axis is None else axis)
    result = make(op, (node,), axis=place)
    if initial is not None:
        none = (0,) * node.type.ndim
        first = tuple(1 if i == place else 0 for i in range(node.type.ndim))
        result = pad(result, lows=first, highs=none, inner=none, value=initial)
    return Tensor(result, given.weak)
