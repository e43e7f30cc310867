"""Ops that read or write at computed positions. Positions are integers from 0; outside is an error.

Gather and scatter are each other's transpose: `take` with `add_at`, `take_along` with `add_along`.
"""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, make, register
from ..types import Dim, TensorType
from .arithmetic import equal
from .broadcasting import broadcast_dims, unbroadcast
from .convert import cast, iota
from .shape import broadcast_to, reshape


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


TAKE, ADD_AT = register(Take()), register(AddAt())
TAKE_ALONG, ADD_ALONG = register(TakeAlong()), register(AddAlong())


def hot(index: Node, axis: int, dim: Dim) -> Node:
    """Whether a place along `axis` is the one that `index` (of size 1 there) names: one-hot."""
    places = (1,) * axis + (dim,) + (1,) * (index.type.ndim - axis - 1)
    return equal(reshape(iota(dim, index.dtype), shape=places), index)


def one_hot(index: Node, dim: Dim, dtype: str) -> Node:
    """Rows of zeros with a one at `index`, along a new last axis."""
    return cast(hot(reshape(index, shape=(*index.shape, 1)), index.type.ndim, dim), dtype)
