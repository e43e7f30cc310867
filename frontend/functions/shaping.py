"""Functions that move elements: they change shapes, and repeat, join and order elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node, const, make
from chainrule.compiler.ops import shape as ops
from chainrule.compiler.ops.arithmetic import greater_equal, less_equal, remainder, where
from chainrule.compiler.ops.broadcasting import shown_shape
from chainrule.compiler.ops.convert import iota, size
from chainrule.compiler.ops.index import TAKE
from chainrule.compiler.types import Dim, Shape, Size, divide, product

from ..integers import LARGEST, integer, whole
from ..tensor import Like, Tensor, as_tensor, promote, public
from .reductions import Axes, normal_axes, normal_axis

ShapeLike = int | Size | Sequence[int | Size]


def shape_of(name: str, shape: Any, least: int = 0) -> Shape:
    """A shape that the user gave, as sizes that are not below `least`."""
    dims = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
    return tuple(_size(name, dim, least) for dim in dims)


def _size(name: str, dim: Any, least: int) -> Dim:
    if isinstance(dim, Size):
        return dim
    number = whole(dim)
    if number is not None and number >= least:
        return number
    raise ShapeError(
        f"{name}: the size {dim!r}",
        f"expected an integer from {least}, or a size of a tensor such as x.shape[0]",
        "-1 is what is left over" if least < 0 else "a shape is a tuple of sizes: (2, 3)",
    )


@public
def reshape(x: Like, /, shape: ShapeLike) -> Tensor:
    """The same elements, in row-major order, in another shape.

    Args:
        x: a tensor, any dtype.
        shape: a size for each axis; one may be -1, it is then computed.

    Returns:
        A tensor of that shape.

    Raises:
        ShapeError: the number of elements is another.

    Example:
        >>> import chainrule as cr
        >>> cr.reshape(cr.tensor("x", (None, 28, 28)), (-1, 784))
        <tensor reshape: f32[batch, 784]>
    """
    given = as_tensor(x)
    dims = shape_of("reshape", shape, least=-1)
    open_ = [i for i, dim in enumerate(dims) if dim == -1]
    if open_:
        rest = product(tuple(dim for dim in dims if dim != -1))
        found = divide(given.node.type.size, rest) if len(open_) == 1 else None
        if found is None:
            raise ShapeError(
                "reshape: the size -1 cannot be computed",
                f"{given.node.type} to {shown_shape(dims)}",
                "the known sizes must divide the number of elements; -1 stands once",
            )
        dims = (*dims[: open_[0]], found, *dims[open_[0] + 1 :])
    return Tensor(ops.reshape(given.node, shape=dims), given.weak)


@public
def permute_dims(x: Like, /, axes: Sequence[int]) -> Tensor:
    """The axes in another order: axis i of the result is axis `axes[i]` of x.

    Args:
        x: a tensor, any dtype.
        axes: each axis once.

    Returns:
        A tensor of the permuted shape.

    Raises:
        ShapeError: the axes are not a permutation.

    Example:
        >>> import chainrule as cr
        >>> cr.permute_dims(cr.tensor("x", (2, 3, 4)), (2, 0, 1))
        <tensor transpose: f32[4, 2, 3]>
    """
    given = as_tensor(x)
    if not isinstance(axes, list | tuple):
        raise ShapeError(
            f"permute_dims: axes {axes!r:.60}",
            f"expected each of the {given.ndim} axes of {given.node.type} once",
            "permute_dims(x, (1, 0)) transposes a matrix",
        )
    order = tuple(normal_axis("permute_dims", given.node, axis) for axis in axes)
    return Tensor(ops.transpose(given.node, axes=order), given.weak)


@public
def expand_dims(x: Like, /, *, axis: int | tuple[int, ...] = 0) -> Tensor:
    """New axes of size 1.

    Args:
        x: a tensor, any dtype.
        axis: where the new axis stands in the result; a tuple for several.

    Returns:
        A tensor of more axes.

    Raises:
        ShapeError: there is no such place.

    Example:
        >>> import chainrule as cr
        >>> cr.expand_dims(cr.tensor("x", (3,)), axis=-1)
        <tensor reshape: f32[3, 1]>
    """
    given = as_tensor(x)
    places = axis if isinstance(axis, tuple) else (axis,)
    rank = given.ndim + len(places)
    found = {p % rank for p in places if isinstance(p, int) and -rank <= p < rank}
    if len(found) != len(places):
        raise ShapeError(
            f"expand_dims: axis {axis}",
            f"the result of {given.node.type} has {rank} axes",
            f"places are {-rank} to {rank - 1}, each once",
        )
    old = iter(given.shape)
    dims = tuple(1 if i in found else next(old) for i in range(rank))
    return Tensor(ops.reshape(given.node, shape=dims), given.weak)


@public
def squeeze(x: Like, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without some axes of size 1.

    Args:
        x: a tensor, any dtype.
        axis: which axis; a tuple for several.

    Returns:
        A tensor of fewer axes.

    Raises:
        ShapeError: there is no such axis, or its size is not 1.

    Example:
        >>> import chainrule as cr
        >>> cr.squeeze(cr.tensor("x", (3, 1)), axis=1)
        <tensor reshape: f32[3]>
    """
    given = as_tensor(x)
    axes = normal_axes("squeeze", given.node, axis)
    for i in axes:
        if given.shape[i] != 1:
            raise ShapeError(
                f"squeeze: axis {i} has size {given.shape[i]}",
                str(given.node.type),
                "only axes of size 1 are dropped",
            )
    dims = tuple(dim for i, dim in enumerate(given.shape) if i not in axes)
    return Tensor(ops.reshape(given.node, shape=dims), given.weak)


@public
def broadcast_to(x: Like, /, shape: ShapeLike) -> Tensor:
    """Repeated along axes of size 1, and along new axes at the left.

    Args:
        x: a tensor, any dtype.
        shape: the shape of the result.

    Returns:
        A tensor of that shape.

    Raises:
        ShapeError: x does not broadcast to it.

    Example:
        >>> import chainrule as cr
        >>> cr.broadcast_to(cr.tensor("b", (3,)), (2, 3))
        <tensor broadcast_to: f32[2, 3]>
    """
    given = as_tensor(x)
    return Tensor(ops.broadcast_to(given.node, shape=shape_of("broadcast_to", shape)), given.weak)


@public
def concat(arrays: Sequence[Like], /, *, axis: int | None = 0) -> Tensor:
    """Tensors one after the other along an axis.

    Args:
        arrays: tensors of the same number of axes; their other sizes agree.
        axis: along which; None flattens them first.

    Returns:
        A tensor whose size along the axis is the sum of theirs.

    Raises:
        ShapeError: the shapes do not fit.
        UsageError: there is none.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.concat([np.array([1.0, 2.0]), np.array([3.0])]))
        array([1., 2., 3.])
    """
    nodes, weak = _several("concat", arrays)
    if axis is None:
        nodes = tuple(ops.reshape(x, shape=(x.type.size,)) for x in nodes)
    place = normal_axis("concat", nodes[0], 0 if axis is None else axis)
    return Tensor(ops.concat(nodes, axis=place), weak)


@public
def stack(arrays: Sequence[Like], /, *, axis: int = 0) -> Tensor:
    """Tensors of one shape side by side along a new axis.

    Args:
        arrays: tensors of one shape.
        axis: where the new axis stands in the result.

    Returns:
        A tensor of one more axis.

    Raises:
        ShapeError: the shapes differ.
        UsageError: there is none.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])], axis=1))
        array([[1., 3.],
               [2., 4.]])
    """
    nodes, weak = _several("stack", arrays)
    if len({x.shape for x in nodes}) > 1:
        raise ShapeError(
            "stack: shapes differ",
            " and ".join(str(x.type) for x in nodes),
            "concat joins tensors along an axis that they have",
        )
    rank = nodes[0].type.ndim + 1
    if not -rank <= integer("stack", "axis", axis) < rank:
        raise ShapeError(
            f"stack: no axis {axis}",
            f"the result of {nodes[0].type} has {rank} axes",
            "axes count from 0, or from -1 backwards",
        )
    rows = [expand_dims(Tensor(x), axis=axis).node for x in nodes]
    return Tensor(ops.concat(tuple(rows), axis=axis % rank), weak)


def _several(name: str, arrays: Any) -> tuple[tuple[Node, ...], bool]:
    if isinstance(arrays, Tensor) or not isinstance(arrays, list | tuple) or not arrays:
        raise UsageError(
            f"{name} of {type(arrays).__name__}",
            "expected a list of at least one tensor",
            f"{name}([x, y], axis=0)",
        )
    return promote(*arrays)


@public
def flip(x: Like, /, *, axis: Axes = None) -> Tensor:
    """The elements in reverse, along all axes or some.

    Args:
        x: a tensor, any dtype.
        axis: an axis, a tuple of them, or None for all.

    Returns:
        A tensor of the same shape.

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.flip(np.array([1.0, 2.0, 3.0])))
        array([3., 2., 1.])
    """
    given = as_tensor(x)
    return Tensor(ops.flip(given.node, axes=normal_axes("flip", given.node, axis)), given.weak)


@public
def roll(x: Like, /, shift: int | tuple[int, ...], *, axis: Axes = None) -> Tensor:
    """The elements moved along axes; what leaves at one end comes back at the other.

    Args:
        x: a tensor, any dtype.
        shift: by how many places, towards higher positions; a tuple with one for each axis.
        axis: an axis or a tuple of them; None moves all elements in row-major order.

    Returns:
        A tensor of the same shape.

    Raises:
        ShapeError: there is no such axis, or the shifts do not pair with the axes.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.roll(np.array([1.0, 2.0, 3.0]), 1))
        array([3., 1., 2.])
    """
    given = as_tensor(x)
    node = given.node
    shifts = shift if isinstance(shift, tuple) else (shift,)
    shifts = tuple(integer("roll", "shift", by) for by in shifts)
    if axis is None:
        flat = ops.reshape(node, shape=(node.type.size,))
        return Tensor(ops.reshape(_rolled(flat, sum(shifts), 0), shape=node.shape), given.weak)
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shifts if isinstance(shift, tuple) else shifts * len(axes)
    if len(shifts) != len(axes):
        raise ShapeError(
            "roll: shifts and axes do not pair up", f"shift={shift}, axis={axis}", "one for each"
        )
    for by, place in zip(shifts, axes, strict=True):
        node = _rolled(node, by, normal_axis("roll", node, place))
    return Tensor(node, given.weak)


def _rolled(x: Node, shift: int, axis: int) -> Node:
    n = x.shape[axis]
    if not isinstance(n, int):
        # The shift may be larger than the size: positions are taken modulo the size.
        places = remainder(iota(n) - shift, size(n, "int64"))
        return make(TAKE, (x, places), axis=axis)
    split = -shift % n if n else 0
    if split == 0:
        return x
    return ops.concat((part(x, axis, split, n), part(x, axis, 0, split)), axis=axis)


def part(x: Node, axis: int, start: Dim, stop: Dim, step: int = 1) -> Node:
    """`x` from `start` to before `stop` along one axis."""
    return ops.slice_(
        x,
        starts=tuple(start if i == axis else 0 for i in range(x.type.ndim)),
        stops=tuple(stop if i == axis else dim for i, dim in enumerate(x.shape)),
        steps=tuple(step if i == axis else 1 for i in range(x.type.ndim)),
    )


def _triangle(name: str, x: Like, k: int, upper: bool) -> Tensor:
    given = as_tensor(x)
    if given.ndim < 2:
        raise ShapeError(
            f"{name} of {given.node.type}",
            "expected at least 2 axes",
            "insert axes with expand_dims",
        )
    k = integer(name, "k", k)
    m, n = given.shape[-2:]
    rows, columns = ops.reshape(iota(m), shape=(m, 1)), iota(n)
    diagonal = rows if k == 0 else rows + k
    inside = greater_equal(columns, diagonal) if upper else less_equal(columns, diagonal)
    return Tensor(where(inside, given.node, const(0, given.dtype)), given.weak)


@public
def tril(x: Like, /, *, k: int = 0) -> Tensor:
    """The lower triangle of matrices, zeros above it.

    Args:
        x: a tensor of at least two axes, any dtype.
        k: the last diagonal that stays: 0 the main one, -1 the one below it.

    Returns:
        A tensor of the same shape.

    Raises:
        ShapeError: x has fewer than two axes.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.tril(np.array([[1.0, 2.0], [3.0, 4.0]])))
        array([[1., 0.],
               [3., 4.]])
    """
    return _triangle("tril", x, k, upper=False)


@public
def triu(x: Like, /, *, k: int = 0) -> Tensor:
    """The upper triangle of matrices, zeros below it.

    Args:
        x: a tensor of at least two axes, any dtype.
        k: the first diagonal that stays: 0 the main one, 1 the one above it.

    Returns:
        A tensor of the same shape.

    Raises:
        ShapeError: x has fewer than two axes.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.triu(np.array([[1.0, 2.0], [3.0, 4.0]])))
        array([[1., 2.],
               [0., 4.]])
    """
    return _triangle("triu", x, k, upper=True)


@public
def pad(x: Like, /, pad_width: Any, *, constant_values: float = 0.0) -> Tensor:
    """A constant around the elements.

    Args:
        x: a tensor, any dtype.
        pad_width: how many places before and after: a number for all, a pair for all axes, or a
            pair for each axis.
        constant_values: what stands there.

    Returns:
        A tensor that is longer along each axis.

    Raises:
        ShapeError: the widths are negative or not one for each axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.pad(np.array([1.0, 2.0]), (1, 2)))
        array([0., 1., 2., 0., 0.])
    """
    given = as_tensor(x)
    rank = given.ndim
    widths = _widths(pad_width, rank)
    if widths is None:
        raise ShapeError(
            f"pad: the widths {pad_width!r}",
            f"expected a number, a pair, or {rank} pairs, none negative",
            "pad(x, ((0, 0), (1, 1))) pads the second axis",
        )
    lows, highs = tuple(low for low, _ in widths), tuple(high for _, high in widths)
    padded = ops.pad(
        given.node, lows=lows, highs=highs, inner=(0,) * rank, value=float(constant_values)
    )
    return Tensor(padded, given.weak)


def _widths(given: Any, rank: int) -> list[tuple[int, int]] | None:
    listed = isinstance(given, list | tuple)
    if not listed:
        pairs: list[Any] = [(given, given)] * rank
    elif not any(isinstance(x, list | tuple) for x in given):
        pairs = [tuple(given)] * rank
    else:
        pairs = [tuple(x) if isinstance(x, list | tuple) else () for x in given]
    whole = all(isinstance(x, int) and 0 <= x <= LARGEST for pair in pairs for x in pair)
    sound = len(pairs) == rank and all(len(pair) == 2 for pair in pairs)
    return pairs if sound and whole else None
