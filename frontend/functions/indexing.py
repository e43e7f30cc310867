"""Parts of tensors: `x[...]` with integers and slices, and elements at computed positions."""

from __future__ import annotations

import operator
from typing import Any

from chainrule.compiler.errors import DTypeError, IndexOutOfRange, ShapeError, UsageError
from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops import index as ops
from chainrule.compiler.ops.shape import flip, reshape
from chainrule.compiler.types import Dim, Size, add, sub

from ..constants import dtype_name
from ..integers import count
from ..tensor import DEFAULT_FLOAT, Like, Tensor, as_tensor, public
from .gathering import gathered, is_array, spread_masks, width
from .reductions import normal_axis
from .shaping import part


@public
def getitem(x: Tensor, key: Any) -> Tensor:
    """`x[key]`: integers, slices, None, `...` and arrays of positions, as NumPy has them."""
    keys = list(key) if isinstance(key, tuple) else [key]
    for item in keys:
        simple = item is None or item is Ellipsis or isinstance(item, slice) or _is_integer(item)
        if not simple and not is_array(item):
            raise UsageError(
                f"{x.node.type} indexed with {type(item).__name__}",
                "expected integers, slices, None, ... or arrays of integers",
                "cr.where chooses by a condition",
            )
    dots = [i for i, item in enumerate(keys) if item is Ellipsis]
    axes = sum(map(width, keys))
    if len(dots) > 1 or axes > x.ndim:
        raise ShapeError(
            f"{x.node.type} indexed with {axes} positions",
            f"it has {x.ndim} axes, and '...' stands once",
            "leave out positions at the end: they take whole axes",
        )
    place = dots[0] if dots else len(keys)
    keys[place : place + 1] = [slice(None)] * (x.ndim - axes)
    keys = spread_masks(x.node, keys)
    if any(map(is_array, keys)):
        return Tensor(_with_arrays(x.node, keys), x.weak)
    node, axis = x.node, 0
    dims: list[Dim] = []
    for item in keys:
        if item is None:
            dims.append(1)
            continue
        if isinstance(item, slice):
            node = _sliced(node, axis, item)
            dims.append(node.shape[axis])
        else:
            node = _picked(node, axis, operator.index(item))
        axis += 1
    return Tensor(reshape(node, shape=tuple(dims)), x.weak)


def _with_arrays(node: Node, keys: list[Any]) -> Node:
    """`x[i, :, j]`: first what is whole, then what is read at positions."""
    axis = 0
    for item in keys:
        if isinstance(item, slice):
            node = _sliced(node, axis, item)
        axis += item is not None
    return gathered(node, keys, [isinstance(item, slice) for item in keys])


def _picked(x: Node, axis: int, position: int) -> Node:
    """One place along an axis, which stays with size 1."""
    n = x.shape[axis]
    if isinstance(n, int) and not -n <= position < n:
        raise IndexOutOfRange(
            f"position {position} is out of range",
            f"axis {axis} of {x.type} has size {n}",
            "positions count from 0, or from -1 backwards",
        )
    start = add(n, position) if position < 0 else position
    return part(x, axis, start, add(start, 1))


def _sliced(x: Node, axis: int, item: slice) -> Node:
    n = x.shape[axis]
    for bound in (item.start, item.stop, item.step):
        if bound is not None and not _is_integer(bound):
            raise UsageError(
                f"a slice with {bound!r}",
                "expected integers",
                "cr.take reads at computed positions",
            )
    step = 1 if item.step is None else operator.index(item.step)
    if step == 0:
        raise UsageError("a slice with step 0", f"of {x.type}", "steps are 1, 2, ... or negative")
    if isinstance(n, int):
        places = range(n)[item]
        if not places:
            return part(x, axis, 0, 0)
        low, high = min(places[0], places[-1]), max(places[0], places[-1])
        taken = part(x, axis, low, high + 1, abs(step))
        return flip(taken, axes=(axis,)) if step < 0 else taken
    ends = [None if end is None else operator.index(end) for end in (item.start, item.stop)]
    if step < 0:
        # Position i is position -i - 1 of the reversed axis.
        x = flip(x, axes=(axis,))
        ends = [None if end is None else -end - 1 for end in ends]
    first = 0 if ends[0] is None else _from_start(ends[0], n)
    last = n if ends[1] is None else _from_start(ends[1], n)
    if isinstance(last, int):
        raise ShapeError(
            f"{x.type} cut at position {item.stop}",
            f"axis {axis} has size {n}, which may be smaller",
            "count from the other end, as x[:-1] does, or fix the size in cr.tensor",
        )
    length = sub(last, first)
    if isinstance(length, int) and length <= 0:
        return part(x, axis, 0, 0)  # of any size: x[-1:-2]
    return part(x, axis, first, last, abs(step))


def _from_start(position: int, n: Size) -> Dim:
    """A position on an axis of unknown size, from its start."""
    return add(n, position) if position < 0 else position


def _is_integer(item: Any) -> bool:
    try:
        operator.index(item)
    except TypeError:
        return False
    return not isinstance(item, bool)


@public
def take(x: Like, indices: Like, /, *, axis: int | None = None) -> Tensor:
    """The elements of `x` at positions along an axis.

    The gradient is added where the elements came from.

    Args:
        x: a tensor of at least one axis, any dtype.
        indices: int32 or int64, of any shape; positions from 0. One out of range is an error when
            the program runs.
        axis: along which axis; may be left out where there is but one.

    Returns:
        A tensor of the shape of x, the axis replaced by the axes of the indices.

    Raises:
        DTypeError: the indices are not integers.
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.take(np.array([10.0, 20.0, 30.0]), np.array([2, 0])))
        array([30., 10.])
    """
    given, places = as_tensor(x), as_tensor(indices)
    if axis is None and given.ndim != 1:
        raise ShapeError(
            f"take from {given.node.type} along no axis", "expected axis=", "name the axis"
        )
    place = normal_axis("take", given.node, 0 if axis is None else axis)
    return Tensor(make(ops.TAKE, (given.node, places.node), axis=place), given.weak)


@public
def take_along_axis(x: Like, indices: Like, /, *, axis: int = -1) -> Tensor:
    """Elements at positions that differ from row to row: result[i, j] = x[i, indices[i, j]].

    Args:
        x: a tensor of at least one axis, any dtype.
        indices: int32 or int64, of as many axes as x; the other axes broadcast. Positions from 0;
            one out of range is an error when the program runs.
        axis: along which axis the positions count.

    Returns:
        A tensor of the shape of the indices, broadcast along the other axes.

    Raises:
        DTypeError: the indices are not integers.
        ShapeError: the numbers of axes differ, or the other axes do not broadcast.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> np.asarray(cr.take_along_axis(x, np.array([[1], [0]]), axis=1))
        array([[2.],
               [3.]])
    """
    given, places = as_tensor(x), as_tensor(indices)
    place = normal_axis("take_along_axis", given.node, axis)
    return Tensor(make(ops.TAKE_ALONG, (given.node, places.node), axis=place), given.weak)


@public
def one_hot(indices: Like, /, num_classes: int | Size, *, dtype: Any = DEFAULT_FLOAT) -> Tensor:
    """Rows of zeros with a one at the position that `indices` names.

    A position out of range gives a row of zeros.

    Args:
        indices: int32 or int64, of any shape.
        num_classes: how many positions there are.
        dtype: float32 by default.

    Returns:
        A tensor of the shape of the indices and a last axis of size `num_classes`.

    Raises:
        DTypeError: the indices are not integers.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.one_hot(np.array([1, 0]), 3))
        array([[0., 1., 0.],
               [1., 0., 0.]], dtype=float32)
    """
    places = as_tensor(indices)
    if places.dtype not in ("int32", "int64"):
        raise DTypeError(
            f"one_hot of {places.node.type}", "expected int32 or int64", "convert with astype"
        )
    classes = count("one_hot", "num_classes", num_classes)
    return Tensor(ops.one_hot(places.node, classes, dtype_name(dtype)))
