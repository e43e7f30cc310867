"""`x[i, j]` with arrays of positions, as NumPy has it, and adding at such positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.compiler.errors import DTypeError, IndexOutOfRange, ShapeError, UsageError
from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops import index as ops
from chainrule.compiler.ops.arithmetic import where
from chainrule.compiler.ops.broadcasting import shown_shape
from chainrule.compiler.ops.convert import size
from chainrule.compiler.ops.shape import broadcast_to, reshape, transpose
from chainrule.compiler.types import Dim, Shape, Size

from ..integers import count
from ..tensor import Like, Tensor, as_tensor, promote, public

if TYPE_CHECKING:
    import numpy as np


def is_array(item: Any) -> bool:
    """Whether a key is an array of positions, or of truth values: an array, a list, a tensor."""
    import numpy as np

    return isinstance(item, Tensor | list) or (isinstance(item, np.ndarray) and item.ndim > 0)


def mask(item: Any) -> np.ndarray[Any, Any] | None:
    """The truth values of a key, if it is an array of such."""
    import numpy as np

    array = np.asarray(item) if isinstance(item, list) else item
    is_mask = isinstance(array, np.ndarray) and array.ndim > 0 and array.dtype == np.bool_
    return array if is_mask else None


def width(item: Any) -> int:
    """How many axes a key is for: as many as it has for truth values, none for None and `...`."""
    if item is None or item is Ellipsis:
        return 0
    found = mask(item)
    return 1 if found is None else found.ndim


def spread_masks(x: Node, keys: Sequence[Any]) -> list[Any]:
    """Keys in which an array of truth values is the positions at which it is true.

    Raises:
        UsageError: the truth values are not known yet, so that neither is the shape.
        ShapeError: there is not a truth value for each element.
    """
    found: list[Any] = []
    axis = 0
    for item in keys:
        if isinstance(item, Tensor) and item.dtype == "bool":
            raise UsageError(
                f"{x.type} indexed with {item.node.type}",
                "the shape of the result would depend on the values of the condition",
                "choose with cr.where, sum with cr.sum(cr.where(condition, x, 0))",
            )
        truth = mask(item)
        if truth is None:
            found.append(item)
        else:
            if x.shape[axis : axis + truth.ndim] != truth.shape:
                raise ShapeError(
                    f"{x.type} indexed with truth values of shape {list(truth.shape)}",
                    f"expected the sizes of the axes from axis {axis} on",
                    "there must be a truth value for each element",
                )
            found.extend(truth.nonzero())
        axis += width(item)
    return found


def positions(x: Node, axis: int, item: Any) -> Node:
    """Positions along an axis of `x`, those from the end counted from the start.

    Raises:
        DTypeError: they are not integers.
        IndexOutOfRange: one that is known is out of range.
    """
    import numpy as np

    n = x.shape[axis]
    if isinstance(item, Tensor):
        if item.dtype not in ("int32", "int64"):
            raise DTypeError(
                f"{x.type} indexed with {item.node.type}",
                "expected int32 or int64",
                "convert with astype",
            )
        index = item.node
        return where(index < 0, index + size(n, index.dtype), index)
    array = np.asarray(item)
    if not array.size and isinstance(item, list):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DTypeError(
            f"{x.type} indexed with an array of {array.dtype}",
            "expected integers",
            "convert with astype",
        )
    array = array.astype(np.int64)
    if isinstance(n, int):
        wrong = array[(array < -n) | (array >= n)]
        if wrong.size:
            raise IndexOutOfRange(
                f"position {wrong[0]} is out of range",
                f"axis {axis} of {x.type} has size {n}",
                "positions count from 0, or from -1 backwards",
            )
        array = np.where(array < 0, array + n, array)
    given = as_tensor(array if array.ndim else int(array)).node
    if isinstance(n, Size) and (array < 0).any():
        return where(given < 0, given + size(n, "int64"), given)
    return given


def gathered(x: Node, keys: Sequence[Any], slices: Sequence[bool]) -> Node:
    """`x` at positions: where `slices` says so, a key stands for a whole axis, or is None.

    Integers and arrays broadcast together. Their axes stand where the keys do, or in front if there
    is something between them.
    """
    axes: list[int] = []
    dims: list[Dim] = []
    axis, places = 0, []
    for place, (item, whole) in enumerate(zip(keys, slices, strict=True)):
        if item is None:
            dims.append(1)
            continue
        if whole:
            dims.append(x.shape[axis])
        else:
            axes.append(axis)
            places.append(place)
        axis += 1
    together = places[-1] - places[0] == len(places) - 1
    before = sum(1 for k in range(places[0]) if slices[k] or keys[k] is None) if together else 0
    indices = tuple(positions(x, a, keys[k]) for a, k in zip(axes, places, strict=True))
    block = ops.together(indices)
    if len(indices) == 1:
        found = make(ops.TAKE, (x, indices[0]), axis=axes[0])
    else:
        rest = tuple(a for a in range(x.type.ndim) if a not in axes)
        found = ops.gather(transpose(x, axes=(*axes, *rest)), indices)
        # The axes of the positions came first: those before them go back to the front.
        ahead = sum(1 for a in rest if a < axes[0]) if together else 0
        count = len(block)
        order = (
            *range(count, count + ahead),
            *range(count),
            *range(count + ahead, found.type.ndim),
        )
        found = transpose(found, axes=order)
    return reshape(found, shape=(*dims[:before], *block, *dims[before:]))


@public
def scatter_add(x: Like, indices: Like | tuple[Like, ...], values: Like, /) -> Tensor:
    """`x` with values added at positions along its first axes, as `numpy.add.at` does.

    Where a position comes several times, everything is added, always in the same order. The
    gradient for the values is read at the positions.

    Args:
        x: a tensor of at least one axis, of numbers.
        indices: int32 or int64, of any shape; or a tuple of such, one for each of the first axes,
            which broadcast. Positions count from 0, or from -1 backwards; one out of range is an
            error.
        values: broadcasts to the shape of the indices and the other axes of x.

    Returns:
        A tensor of the shape of x.

    Raises:
        DTypeError: the indices are not integers, or x is bool.
        ShapeError: there are more indices than axes, or the shapes do not broadcast.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.scatter_add(cr.zeros((3,)), np.array([0, 2, 0]), np.array([1.0, 2, 3])))
        array([4., 0., 2.])
    """
    (node, added), weak = promote(x, values)
    if node.dtype == "bool":
        raise DTypeError(f"scatter_add to {node.type}", "expected numbers", "convert with astype")
    given = indices if isinstance(indices, tuple) else (indices,)
    if not 0 < len(given) <= node.type.ndim:
        raise ShapeError(
            f"scatter_add at {len(given)} positions",
            f"{node.type} has {node.type.ndim} axes",
            "an array of positions for each of the first axes",
        )
    found = tuple(positions(node, axis, item) for axis, item in enumerate(given))
    shape = ops.together(found) + node.shape[len(found) :]
    full = _spread(added, shape)
    if len(found) == 1:
        total = make(ops.ADD_AT, (full, found[0]), axis=0, dim=node.shape[0])
    else:
        total = ops.scatter_add(full, found, node.shape[: len(found)])
    return Tensor(node + total, weak)


def _spread(values: Node, shape: Shape) -> Node:
    """Values, one for each element that is added to."""
    own = (1,) * (len(shape) - values.type.ndim) + values.shape
    if len(own) != len(shape) or any(a not in (1, b) for a, b in zip(own, shape, strict=True)):
        raise ShapeError(
            f"scatter_add of values {values.type}",
            f"expected what broadcasts to {shown_shape(shape)}",
            "that is the shape of the indices, then the other axes of x",
        )
    return broadcast_to(values, shape=shape)


@public
def segment_sum(x: Like, segments: Like, /, num_segments: int | Size) -> Tensor:
    """Sums of rows that belong together: result[s] is the sum of x[i] for all i of segment s.

    Rows are added in order, always the same. A segment without rows is 0.

    Args:
        x: a tensor of at least one axis, of numbers.
        segments: int32 or int64 of shape `(n,)`, the segment of each row, from 0; one out of range
            is an error.
        num_segments: how many segments there are.

    Returns:
        A tensor of shape `(num_segments, ...)`.

    Raises:
        DTypeError: the segments are not integers, or x is bool.
        ShapeError: there is not a segment for each row.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.segment_sum(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), 3))
        array([5., 0., 2.])
    """
    given, places = as_tensor(x), as_tensor(segments)
    if given.dtype == "bool":
        raise DTypeError(
            f"segment_sum of {given.node.type}", "expected numbers", "convert with astype"
        )
    if not given.ndim or places.shape != given.shape[:1]:
        raise ShapeError(
            f"segment_sum of {given.node.type} in segments {places.node.type}",
            "expected a segment for each row",
            "segments have one axis, as long as the first of x",
        )
    if places.dtype not in ("int32", "int64"):
        raise DTypeError(
            f"segment_sum in segments {places.node.type}",
            "expected int32 or int64",
            "convert with astype",
        )
    many = count("segment_sum", "num_segments", num_segments)
    total = make(ops.ADD_AT, (given.node, places.node), axis=0, dim=many)
    return Tensor(total, given.weak)
