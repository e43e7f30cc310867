"""Sliding windows, and their transpose: what convolutions and pooling are made of.

Along each of some neighboring axes, `windows` takes the elements `o * stride + k * dilation` for
every place `o` of the window and every place `k` inside it. `overlap_add` puts them back, and adds
where windows overlap.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ir import Node, Op, make, register
from ..types import Dim, Shape, TensorType, add, floordiv, sub
from .broadcasting import shown_shape
from .shape import reshape


def span(size: int, dilation: int) -> int:
    """How far a window reaches: its first and last element, and what is between them."""
    return (size - 1) * dilation + 1


def places(name: str, axis: str, dim: Dim, size: int, stride: int, dilation: int) -> Dim:
    """How many places a window has along an axis, such as "axis 1" or "spatial axis 0".

    Raises:
        ShapeError: the axis is shorter than the window.
    """
    reach = span(size, dilation)
    if isinstance(dim, int) and dim < reach:
        dilated = f" ({size} with dilation {dilation})" if dilation > 1 else ""
        raise ShapeError(
            f"{name}: the window is larger than {axis}",
            f"a window of {reach}{dilated} on an axis of {dim}",
            "take a smaller window, or pad",
        )
    return add(floordiv(sub(dim, reach), stride), 1)


def overlaps(node: Node) -> bool:
    """Whether two windows of a node have an element in common, as far as attributes tell."""
    return any(
        size > 1 and (dilation > 1 or stride < size)
        for size, stride, dilation in zip(*geometry(node), strict=True)
    )


def geometry(node: Node) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Sizes, strides and dilations of a node's windows."""
    return node.attr("size"), node.attr("stride"), node.attr("dilation")


def beyond(node: Node) -> tuple[Dim, ...]:
    """What is left of each axis behind a first window: a size that must not be negative."""
    (x,), first = node.operands, node.attr("axis")
    size, _, dilation = geometry(node)
    return tuple(
        sub(x.shape[first + i], span(k, gap))
        for i, (k, gap) in enumerate(zip(size, dilation, strict=True))
    )


class Windows(Op):
    """result[..., o, k, ...] = x[..., o * stride + k * dilation, ...], for one axis or several.

    attrs: axis, the first of the axes; size, stride, dilation, with a number for each of them.
    The places `o` stand where the axes were, the places `k` inside windows follow them.
    """

    name = "windows"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """Places, then sizes, where the axes were."""
        (x,) = operands
        first, size = attrs["axis"], attrs["size"]
        axes = range(first, first + len(size))
        out = tuple(
            places(self.name, f"axis {axis}", x.shape[axis], k, stride, dilation)
            for axis, k, stride, dilation in zip(
                axes, size, attrs["stride"], attrs["dilation"], strict=True
            )
        )
        return TensorType(x.dtype, (*x.shape[:first], *out, *size, *x.shape[axes.stop :]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Add to the places that were read."""
        first, (size, stride, dilation) = node.attr("axis"), geometry(node)
        dims = node.operands[0].shape[first : first + len(size)]
        return (overlap_add(out_grad, first, dims, stride, dilation),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axes move right."""
        return windows(operands[0], node.attr("axis") + lead, *geometry(node))


class OverlapAdd(Op):
    """result[..., p, ...] = sum of grad[..., o, k, ...] over o * stride + k * dilation = p.

    The transpose of `windows`. attrs: axis, dims, stride, dilation, and size, that of the windows.
    """

    name = "overlap_add"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape that windows were taken from."""
        (grad,), first, dims = operands, attrs["axis"], attrs["dims"]
        rank = len(dims)
        given = zip(dims, attrs["size"], attrs["stride"], attrs["dilation"], strict=True)
        out = tuple(places(self.name, f"axis {first + i}", *each) for i, each in enumerate(given))
        have = grad.shape[first : first + 2 * rank]
        if have != (*out, *attrs["size"]):
            raise ShapeError(
                "overlap_add: the windows do not fit",
                f"{grad.type} has {shown_shape(have)}, axes of {shown_shape(dims)} need "
                f"{shown_shape((*out, *attrs['size']))}",
                "it takes the places of windows, then those inside them",
            )
        return TensorType(grad.dtype, (*grad.shape[:first], *dims, *grad.shape[first + 2 * rank :]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Read where it was added."""
        return (windows(out_grad, node.attr("axis"), *geometry(node)),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axes move right."""
        attrs = {**dict(node.attrs), "axis": node.attr("axis") + lead}
        return make(self, operands, node.where, **attrs)


WINDOWS, OVERLAP_ADD = register(Windows()), register(OverlapAdd())


def windows(
    x: Node,
    axis: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Node:
    """The windows along the axes from `axis` on; `x` itself where each is one element."""
    if all(k == 1 for k in size) and all(s == 1 for s in stride):
        stop = axis + len(size)
        return reshape(x, (*x.shape[:stop], *size, *x.shape[stop:]))
    return make(WINDOWS, (x,), axis=axis, size=size, stride=stride, dilation=dilation)


def overlap_add(
    grad: Node, axis: int, dims: Shape, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Node:
    """The sum of windows along the axes from `axis` on, which have sizes `dims`."""
    rank = len(dims)
    size = grad.shape[axis + rank : axis + 2 * rank]
    if all(k == 1 for k in size) and all(s == 1 for s in stride):
        return reshape(grad, (*grad.shape[:axis], *dims, *grad.shape[axis + 2 * rank :]))
    return make(
        OVERLAP_ADD, (grad,), axis=axis, dims=dims, size=size, stride=stride, dilation=dilation
    )
