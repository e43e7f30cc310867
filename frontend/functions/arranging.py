"""Functions that arrange: elements repeated, axes moved and taken apart, grids, differences."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node
from chainrule.compiler.ops import shape as ops
from chainrule.compiler.ops.broadcasting import broadcast_dims
from chainrule.compiler.types import Dim, Size, mul, sub

from ..integers import count, integer
from ..tensor import Like, Tensor, as_tensor, promote, public
from .reductions import normal_axis
from .shaping import part


@public
def repeat(x: Like, repeats: int | Size, /, *, axis: int | None = None) -> Tensor:
    """Each element several times in a row: along an axis, result[i] = x[i // repeats].

    Args:
        x: a tensor, any dtype.
        repeats: how often each comes.
        axis: along which axis; None flattens x first.

    Returns:
        A tensor whose size along the axis is `repeats` times that of x.

    Raises:
        ShapeError: there is no such axis.
        UsageError: `repeats` is no number from 0.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.repeat(np.array([1.0, 2.0]), 2))
        array([1., 1., 2., 2.])
    """
    given = as_tensor(x)
    node, times = given.node, count("repeat", "repeats", repeats)
    if axis is None:
        node = ops.reshape(node, shape=(node.type.size,))
    place = normal_axis("repeat", node, 0 if axis is None else axis)
    counts = tuple(times if i == place else 1 for i in range(node.type.ndim))
    return Tensor(_copies(node, counts, within=True), given.weak)


@public
def tile(x: Like, repetitions: int | Size | Sequence[int | Size], /) -> Tensor:
    """The whole tensor several times, side by side: along an axis, result[i] = x[i mod n].

    Args:
        x: a tensor, any dtype.
        repetitions: how often along each axis. Of fewer than x has axes the first are 1; for more,
            x gets new axes at the left.

    Returns:
        A tensor whose sizes are the repetitions times those of x.

    Raises:
        UsageError: a repetition is no number from 0.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.tile(np.array([1.0, 2.0]), (2, 2)))
        array([[1., 2., 1., 2.],
               [1., 2., 1., 2.]])
    """
    given = as_tensor(x)
    listed = repetitions if isinstance(repetitions, list | tuple) else (repetitions,)
    counts = tuple(count("tile", "repetitions", times) for times in listed)
    counts = (1,) * (given.ndim - len(counts)) + counts
    node = ops.reshape(given.node, shape=(1,) * (len(counts) - given.ndim) + given.shape)
    return Tensor(_copies(node, counts, within=False), given.weak)


def _copies(x: Node, counts: tuple[Dim, ...], within: bool) -> Node:
    """Along each axis so many copies: of each element, or of the whole axis."""
    apart: list[Dim] = []
    full: list[Dim] = []
    for n, times in zip(x.shape, counts, strict=True):
        if times != 1:
            apart += (n, 1) if within else (1, n)
            full += (n, times) if within else (times, n)
        else:
            apart.append(n)
            full.append(n)
    wide = ops.broadcast_to(ops.reshape(x, shape=tuple(apart)), shape=tuple(full))
    return ops.reshape(wide, shape=tuple(map(mul, x.shape, counts)))


@public
def moveaxis(
    x: Like, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> Tensor:
    """Some axes moved to other places; the others stay in order.

    Args:
        x: a tensor, any dtype.
        source: an axis of x, or a tuple of them.
        destination: where it stands in the result; a tuple with one for each.

    Returns:
        A tensor of the permuted shape.

    Raises:
        ShapeError: there is no such axis, one is named twice, or the two do not pair up.

    Example:
        >>> import chainrule as cr
        >>> cr.moveaxis(cr.tensor("x", (2, 3, 4)), 0, -1)
        <tensor transpose: f32[3, 4, 2]>
    """
    given = as_tensor(x)
    old, new = (
        [
            normal_axis("moveaxis", given.node, axis)
            for axis in (axes if isinstance(axes, list | tuple) else (axes,))
        ]
        for axes in (source, destination)
    )
    if len(old) != len(new) or len(set(old)) < len(old) or len(set(new)) < len(new):
        raise ShapeError(
            "moveaxis: axes and places do not pair up",
            f"source={source}, destination={destination}",
            "name each axis once, and a place for each",
        )
    order = [axis for axis in range(given.ndim) if axis not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return Tensor(ops.transpose(given.node, axes=tuple(order)), given.weak)


@public
def unstack(x: Like, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts along an axis, one after the other; `stack` puts them together again.

    Args:
        x: a tensor of at least one axis, any dtype.
        axis: along which axis, of known size.

    Returns:
        A tuple of tensors without the axis.

    Raises:
        ShapeError: there is no such axis, or its size is a name.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> first, second = cr.unstack(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> np.asarray(second)
        array([3., 4.])
    """
    given = as_tensor(x)
    place = normal_axis("unstack", given.node, axis)
    n, rest = given.shape[place], given.shape[:place] + given.shape[place + 1 :]
    if not isinstance(n, int):
        raise ShapeError(
            f"unstack {given.node.type}",
            f"axis {place} has size {n}: how many parts there are is not known yet",
            "cr.map goes through such an axis, or fix its size in cr.tensor",
        )
    parts = (part(given.node, place, i, i + 1) for i in range(n))
    return tuple(Tensor(ops.reshape(node, shape=rest), given.weak) for node in parts)


@public
def broadcast_arrays(*arrays: Like) -> list[Tensor]:
    """Tensors repeated along axes of size 1, and new axes at the left, to one common shape.

    Args:
        arrays: tensors, any dtype.

    Returns:
        A list with as many tensors of that shape, each of its own dtype.

    Raises:
        ShapeError: they do not broadcast.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x, y = cr.broadcast_arrays(np.array([[1.0], [2.0]]), np.array([3.0, 4.0]))
        >>> np.asarray(x)
        array([[1., 1.],
               [2., 2.]])
    """
    given = [as_tensor(x) for x in arrays]
    shape = broadcast_dims("broadcast_arrays", tuple(x.shape for x in given))
    return [Tensor(ops.broadcast_to(x.node, shape=shape), x.weak) for x in given]


@public
def meshgrid(*arrays: Like, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of the points of a grid, from those along each axis.

    Args:
        arrays: vectors, any dtype.
        indexing: "ij", so that result k varies along axis k; or "xy", with the first two axes
            swapped.

    Returns:
        A list with a tensor for each vector, with as many axes as there are vectors.

    Raises:
        ShapeError: an operand has not one axis.
        UsageError: there is no such indexing.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x, y = cr.meshgrid(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]))
        >>> np.asarray(y)
        array([[3., 3.],
               [4., 4.],
               [5., 5.]])
    """
    given = [as_tensor(x) for x in arrays]
    if indexing not in ("xy", "ij"):
        raise UsageError(
            f"meshgrid: indexing={indexing!r:.60}", "expected 'xy' or 'ij'", "'ij' is as matrices"
        )
    for x in given:
        if x.ndim != 1:
            raise ShapeError(
                f"meshgrid of {x.node.type}", "expected vectors", "reshape(x, (-1,)) makes one"
            )
    axes = list(range(len(given)))
    if indexing == "xy":
        axes[:2] = axes[:2][::-1]
    sizes = {axis: x.shape[0] for axis, x in zip(axes, given, strict=True)}
    shape = tuple(sizes[axis] for axis in range(len(given)))
    grids = []
    for axis, x in zip(axes, given, strict=True):
        line = tuple(n if i == axis else 1 for i, n in enumerate(shape))
        wide = ops.broadcast_to(ops.reshape(x.node, shape=line), shape=shape)
        grids.append(Tensor(wide, x.weak))
    return grids


@public
def diff(
    x: Like,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Like | None = None,
    append: Like | None = None,
) -> Tensor:
    """The differences of neighbors along an axis, x[i + 1] - x[i], taken n times.

    Args:
        x: a tensor of at least one axis, any dtype but bool.
        axis: along which axis.
        n: how many times; the axis gets shorter by as much. Zero times is x alone.
        prepend: what stands before x along the axis: a tensor of the same other sizes.
        append: what stands after it.

    Returns:
        A tensor of the dtype that the three have together.

    Raises:
        ShapeError: there is no such axis, or what is put before or after does not fit.
        DTypeError: x is of dtype bool.
        UsageError: n is no number from 0.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.diff(np.array([1.0, 4.0, 9.0])))
        array([3., 5.])
    """
    given, times = as_tensor(x), integer("diff", "n", n, 0)
    place = normal_axis("diff", given.node, axis)
    if times == 0:
        return given
    nodes, weak = promote(*(end for end in (prepend, given, append) if end is not None))
    node = ops.concat(nodes, axis=place) if len(nodes) > 1 else nodes[0]
    size = node.shape[place]
    for _ in range(min(times, size) if isinstance(size, int) else times):
        size = node.shape[place]
        last = max(size - 1, 0) if isinstance(size, int) else sub(size, 1)
        first = min(1, size) if isinstance(size, int) else 1
        node = part(node, place, first, size) - part(node, place, 0, last)
    return Tensor(node, weak)
