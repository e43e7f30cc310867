"""Sorting, searching, and interpolating between sorted points."""

from __future__ import annotations

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops import order as ops
from chainrule.compiler.ops.arithmetic import (
    equal,
    greater_equal,
    maximum,
    minimum,
    subtract,
    where,
)
from chainrule.compiler.ops.convert import cast, size
from chainrule.compiler.ops.index import TAKE, TAKE_ALONG
from chainrule.compiler.ops.shape import flip, slice_
from chainrule.compiler.types import INTS, Dim

from ..integers import integer
from ..tensor import DEFAULT_FLOAT, Like, Tensor, as_tensor, promote, public
from .reductions import normal_axis


def _order(name: str, x: Node, axis: int, descending: bool) -> tuple[Node, int]:
    """Positions in order, and the axis counted from 0."""
    place = normal_axis(name, x, axis)
    node = cast(x, "int32") if x.dtype == "bool" else x
    if not descending:
        return ops.argsort(node, axis=place), place
    # Sorted from the end, so that equal elements stay in their order.
    back = flip(ops.argsort(flip(node, axes=(place,)), axis=place), axes=(place,))
    last = size(x.shape[place], "int64") - 1
    return subtract(last, back), place


@public
def argsort(x: Like, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions of the elements along an axis in sorted order.

    Equal elements stay in their order. NaN counts as larger than everything.

    Args:
        x: a tensor of at least one axis, any dtype.
        axis: which axis.
        descending: whether the largest comes first.
        stable: sorting is stable either way.

    Returns:
        An int64 tensor of the shape of x.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.argsort(np.array([3.0, 1.0, 2.0]), descending=True))
        array([0, 2, 1])
    """
    return Tensor(_order("argsort", as_tensor(x).node, axis, descending)[0])


@public
def sort(x: Like, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements along an axis in sorted order.

    Equal elements stay in their order. NaN counts as larger than everything. The gradient goes to
    where each element came from.

    Args:
        x: a tensor of at least one axis, any dtype.
        axis: which axis.
        descending: whether the largest comes first.
        stable: sorting is stable either way.

    Returns:
        A tensor of the shape of x.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.sort(np.array([3.0, 1.0, 2.0])))
        array([1., 2., 3.])
    """
    given = as_tensor(x)
    order, place = _order("sort", given.node, axis, descending)
    return Tensor(make(TAKE_ALONG, (given.node, order), axis=place), given.weak)


@public
def top_k(x: Like, /, k: int, *, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The k largest elements along an axis, the largest first, and their positions.

    Of equal elements the first is taken first. NaN counts as larger than everything. The gradient
    goes to where each element came from.

    Args:
        x: a tensor of at least one axis, any dtype.
        k: how many, from 0 to the size of the axis.
        axis: which axis.

    Returns:
        The elements and their positions (int64), both with `k` in place of the axis's size.

    Raises:
        ShapeError: there is no such axis, or it has fewer than k elements.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> values, places = cr.top_k(np.array([3.0, 1.0, 2.0]), 2)
        >>> np.asarray(values), np.asarray(places)
        (array([3., 2.]), array([0, 2]))
    """
    given = as_tensor(x)
    order, place = _order("top_k", given.node, axis, descending=True)
    n, k = given.shape[place], integer("top_k", "k", k)
    if k < 0 or (isinstance(n, int) and k > n):
        raise ShapeError(
            f"top_k: the {k} largest of {n}",
            f"axis {place} of {given.node.type}",
            f"k is from 0 to {n}",
        )
    stops: tuple[Dim, ...] = tuple(k if i == place else d for i, d in enumerate(given.shape))
    first = slice_(order, starts=(0,) * given.ndim, stops=stops, steps=(1,) * given.ndim)
    return Tensor(make(TAKE_ALONG, (given.node, first), axis=place), given.weak), Tensor(first)


@public
def searchsorted(x1: Like, x2: Like, /, *, side: str = "left") -> Tensor:
    """Where values would be put into a sorted vector, so that it stays sorted.

    Args:
        x1: a tensor of one axis, in increasing order; what comes of another order is not said.
        x2: the values, a tensor of any shape.
        side: `left` for before equal elements, `right` for behind them.

    Returns:
        An int64 tensor of the shape of the values: from 0 to the size of x1.

    Raises:
        ShapeError: x1 has not one axis.
        UsageError: `side` is neither.
        DTypeError: an operand is bool.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.searchsorted(np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.0])))
        array([1, 2])
    """
    if side not in ("left", "right"):
        raise UsageError(
            f"searchsorted: side {side!r}",
            "expected 'left' or 'right'",
            "left is before equal elements, right behind them",
        )
    (points, values), _ = promote(x1, x2)
    return Tensor(ops.searchsorted(points, values, side))


@public
def interp(
    x: Like, xp: Like, fp: Like, /, *, left: Like | None = None, right: Like | None = None
) -> Tensor:
    """Values on the straight lines between points (xp[k], fp[k]), as `numpy.interp` has it.

    Outside the points it is the first or the last value. The derivative at a point is that of the
    line on its right; outside it is 0 for x.

    Args:
        x: where, a tensor of any shape.
        xp: the points' abscissas, of shape `(n,)`, in increasing order; what comes of another order
            is not said.
        fp: their ordinates, of shape `(n,)`.
        left: the value before the first point; by default fp[0].
        right: the value behind the last point; by default fp[n - 1].

    Returns:
        A tensor of the shape of x.

    Raises:
        ShapeError: xp and fp are not of the same one axis, or empty.
        DTypeError: an operand is bool.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> xp, fp = np.array([0.0, 1.0, 3.0]), np.array([10.0, 20.0, 0.0])
        >>> np.asarray(cr.interp(np.array([0.5, 2.0, 9.0]), xp, fp))
        array([15., 10.,  0.])
    """
    nodes, weak = promote(x, xp, fp, 0 if left is None else left, 0 if right is None else right)
    if nodes[0].dtype in INTS:
        nodes = tuple(cast(node, DEFAULT_FLOAT) for node in nodes)
    at, points, values, before, behind = nodes
    if points.type.ndim != 1 or points.shape != values.shape or points.shape == (0,):
        raise ShapeError(
            f"interp between {points.type} and {values.type}",
            "expected one axis of the same size, at least 1",
            "an ordinate for each abscissa",
        )
    n = points.shape[0]
    last = size(n, "int64") - 1
    zero = size(0, "int64")
    place = ops.searchsorted(points, at, "right") - 1
    low = maximum(minimum(place, last - 1), zero)
    high = minimum(low + 1, last)
    x0, x1, y0, y1 = (_at(of, k) for of in (points, values) for k in (low, high))
    apart = where(equal(x0, x1), 1, x1 - x0)
    between = y0 + (at - x0) * ((y1 - y0) / apart)
    start, end = (_at(points, k) for k in (zero, last))
    first, final = (_at(values, k) for k in (zero, last))
    beyond = final if right is None else where(equal(at, end), final, behind)
    result = where(greater_equal(at, end), beyond, between)
    return Tensor(where(at < start, first if left is None else before, result), weak)


def _at(x: Node, position: Node) -> Node:
    return make(TAKE, (x, position), axis=0)
