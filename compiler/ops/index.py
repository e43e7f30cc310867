"""Ops that read or write at computed positions. Positions are integers from 0; outside is an error.

Gather and scatter are each other's transpose: `take` with `add_at`, `take_along` with `add_along`,
`gather` with `scatter_add`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import DTypeError, Fault, ShapeError
from ..ir import Node, Op, const, make, register
from ..types import Dim, Shape, TensorType, product
from .arithmetic import equal
from .broadcasting import aligned, broadcast_dims, shown_shape, unbroadcast
from .convert import cast, iota
from .shape import broadcast_to, reshape

OUTSIDE = Fault("index", "an index lies outside its axis")


def _check(name: str, index: Node) -> None:
    if index.dtype not in ("int32", "int64"):
        raise DTypeError(
            f"{name}: indices are {index.type}", "expected int32 or int64", "convert with astype"
        )


class Take(Op):
    """`x` at `index` along an axis; the axes of `index` stand in its place. attrs: axis."""

    name = "take"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """x.shape with the axis replaced by index.shape."""
        x, index = operands
        _check(self.name, index)
        axis = attrs["axis"]
        return TensorType(x.dtype, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Add to the places that were read."""
        x, index = node.operands
        axis = node.attr("axis")
        return (make(ADD_AT, (out_grad, index), axis=axis, dim=x.shape[axis]), None)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same positions for all; or each its own, along the axis."""
        (x, index), axis = operands, node.attr("axis") + lead
        if alike(index, lead):
            return make(self, (x, reshape(index, shape=index.shape[lead:])), axis=axis)
        flat = make(TAKE_ALONG, (x, in_line(index, lead, x.type.ndim, axis)), axis=axis)
        return reshape(flat, shape=flat.shape[:lead] + node.shape)


class AddAt(Op):
    """Zeros, to which `grad` is added at `index` along an axis. attrs: axis, dim."""

    name = "add_at"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape that `take` read from."""
        grad, index = operands
        _check(self.name, index)
        axis = attrs["axis"]
        shape = (*grad.shape[:axis], attrs["dim"], *grad.shape[axis + index.type.ndim :])
        return TensorType(grad.dtype, shape)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Read where it was added."""
        return (make(TAKE, (out_grad, node.operands[1]), axis=node.attr("axis")), None)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same positions for all; or each its own, along the axis."""
        (grad, index), axis, dim = operands, node.attr("axis") + lead, node.attr("dim")
        if alike(index, lead):
            own = reshape(index, shape=index.shape[lead:])
            return make(self, (grad, own), axis=axis, dim=dim)
        after = grad.shape[axis + index.type.ndim - lead :]
        count = product(index.shape[lead:])
        flat = reshape(grad, shape=(*grad.shape[:axis], count, *after))
        at = in_line(index, lead, flat.type.ndim, axis)
        full = broadcast_dims(self.name, (flat.shape, at.shape))
        sides = (broadcast_to(flat, shape=full), broadcast_to(at, shape=full))
        return make(ADD_ALONG, sides, axis=axis, dim=dim)


class TakeAlong(Op):
    """result[..., i, ...] = x[..., index[..., i, ...], ...]; other axes broadcast. attrs: axis."""

    name = "take_along_axis"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """Broadcast apart from the axis, which is that of the index."""
        x, index = operands
        _check(self.name, index)
        axis = attrs["axis"]
        if x.type.ndim != index.type.ndim:
            raise ShapeError(
                "take_along_axis: numbers of axes differ",
                f"{x.type} and {index.type}",
                "insert an axis into the indices with expand_dims",
            )
        rest = tuple(tuple(1 if i == axis else d for i, d in enumerate(y.shape)) for y in operands)
        shape = broadcast_dims(self.name, rest)
        return TensorType(x.dtype, (*shape[:axis], index.shape[axis], *shape[axis + 1 :]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Add to the places that were read."""
        x, index = node.operands
        axis = node.attr("axis")
        full = broadcast_to(index, shape=node.shape)
        grad = make(ADD_ALONG, (out_grad, full), axis=axis, dim=x.shape[axis])
        return (unbroadcast(grad, x.shape), None)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axis moves right."""
        return make(self, operands, node.where, axis=node.attr("axis") + lead)


class AddAlong(Op):
    """Zeros, to which `grad` is added at `index` along an axis. attrs: axis, dim."""

    name = "add_along_axis"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape that `take_along_axis` read from."""
        grad, _ = operands
        axis = attrs["axis"]
        return TensorType(grad.dtype, (*grad.shape[:axis], attrs["dim"], *grad.shape[axis + 1 :]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Read where it was added."""
        return (make(TAKE_ALONG, (out_grad, node.operands[1]), axis=node.attr("axis")), None)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axis moves right."""
        full = broadcast_dims(self.name, tuple(x.shape for x in operands))
        sides = tuple(broadcast_to(x, shape=full) for x in operands)
        return make(self, sides, axis=node.attr("axis") + lead, dim=node.attr("dim"))


class Gather(Op):
    """`x[i, j, ...]`: positions along the leading axes, one index for each; indices broadcast."""

    name = "gather"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape of the indices, then the axes that have none."""
        x, *indices = operands
        for index in indices:
            _check(self.name, index)
        return TensorType(x.dtype, together(indices) + x.shape[len(indices) :])

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Add to the places that were read."""
        x, *indices = node.operands
        grad = scatter_add(out_grad, tuple(indices), x.shape[: len(indices)])
        return (grad, *(None for _ in indices))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Leading axes are axes with an index: the place itself."""
        x, *indices = operands
        rank = len(together(node.operands[1:]))
        own = tuple(aligned(index, lead, lead + rank) for index in indices)
        return make(self, (x, *itself(x.shape[:lead], lead + rank), *own), node.where)


class ScatterAdd(Op):
    """Zeros, to which `grad` is added at [i, j, ...]. attrs: dims, of the axes with an index."""

    name = "scatter_add"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape that `gather` read from."""
        grad, *indices = operands
        for index in indices:
            _check(self.name, index)
        shape = together(indices)
        if grad.shape[: len(shape)] != shape:
            raise ShapeError(
                f"scatter_add of {grad.type}",
                f"the indices have the shape {shown_shape(shape)}",
                "a value for each index",
            )
        return TensorType(grad.dtype, attrs["dims"] + grad.shape[len(shape) :])

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Read where it was added."""
        _, *indices = node.operands
        return (gather(out_grad, tuple(indices)), *(None for _ in indices))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Leading axes are axes with an index: the place itself."""
        grad, *indices = operands
        shape = together(node.operands[1:])
        rank = lead + len(shape)
        full = broadcast_dims(self.name, tuple(x.shape[:lead] for x in operands))
        own = tuple(aligned(index, lead, rank) for index in indices)
        first = itself(full, rank)
        spread = broadcast_to(grad, shape=(*full, *grad.shape[lead:]))
        spread_index = broadcast_to(own[0], shape=(*full, *own[0].shape[lead:]))
        dims = (*full, *node.attr("dims"))
        return make(self, (spread, *first, spread_index, *own[1:]), node.where, dims=dims)


TAKE, ADD_AT = register(Take()), register(AddAt())
TAKE_ALONG, ADD_ALONG = register(TakeAlong()), register(AddAlong())


def alike(index: Node, lead: int) -> bool:
    """Whether positions are the same along all leading axes."""
    return all(size == 1 for size in index.shape[:lead])


def in_line(index: Node, lead: int, rank: int, axis: int) -> Node:
    """Positions with all their own axes as one, which is `axis` of `rank`."""
    after = (1,) * (rank - axis - 1)
    shape = (*index.shape[:lead], *(1,) * (axis - lead), product(index.shape[lead:]), *after)
    return reshape(index, shape=shape)


GATHER, SCATTER_ADD = register(Gather()), register(ScatterAdd())


def itself(dims: Shape, rank: int) -> tuple[Node, ...]:
    """For each of the first axes of `rank`, the index that names every place; 0 for size 1."""
    return tuple(
        const(0, "int64")
        if dim == 1
        else reshape(iota(dim), shape=tuple(dim if i == axis else 1 for i in range(rank)))
        for axis, dim in enumerate(dims)
    )


def together(indices: Sequence[Node]) -> Shape:
    """The shape that indices broadcast to."""
    return broadcast_dims("indices", tuple(index.shape for index in indices))


def gather(x: Node, indices: tuple[Node, ...]) -> Node:
    """`x[i, j, ...]`."""
    return make(GATHER, (x, *indices))


def scatter_add(grad: Node, indices: tuple[Node, ...], dims: Shape) -> Node:
    """Zeros, to which `grad` is added at `[i, j, ...]`."""
    return make(SCATTER_ADD, (grad, *indices), dims=dims)


def hot(index: Node, axis: int, dim: Dim) -> Node:
    """Whether a place along `axis` is the one that `index` (of size 1 there) names: one-hot."""
    places = (1,) * axis + (dim,) + (1,) * (index.type.ndim - axis - 1)
    return equal(reshape(iota(dim, index.dtype), shape=places), index)


def one_hot(index: Node, dim: Dim, dtype: str) -> Node:
    """Rows of zeros with a one at `index`, along a new last axis."""
    return cast(hot(reshape(index, shape=(*index.shape, 1)), index.type.ndim, dim), dtype)
