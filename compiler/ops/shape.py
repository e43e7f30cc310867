"""Ops that move elements: reshape, transpose, broadcast, slice, pad, flip, concat."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, make, register
from ..types import Dim, Shape, TensorType, add, floordiv, mul, product, sub
from .broadcasting import broadcast_dims, lifted_axes, shown_shape, unbroadcast


class Reshape(Op):
    """The same elements in row-major order, in another shape. attrs: shape."""

    name = "reshape"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape asked for, of as many elements."""
        (x,), shape = operands, attrs["shape"]
        if product(shape) != x.type.size:
            raise ShapeError(
                "reshape: the number of elements changes",
                f"{x.type} has {x.type.size}, {shown_shape(shape)} has {product(shape)}",
                "one size may be -1: it is then computed",
            )
        return TensorType(x.dtype, shape)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Shape it back."""
        return (reshape(out_grad, shape=node.operands[0].shape),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The leading axes stay."""
        return reshape(operands[0], shape=operands[0].shape[:lead] + node.shape)


class Transpose(Op):
    """Axes in another order. attrs: axes, where result axis i is operand axis axes[i]."""

    name = "transpose"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The permuted shape."""
        (x,), axes = operands, attrs["axes"]
        if sorted(axes) != list(range(x.type.ndim)):
            raise ShapeError(
                f"permute_dims: axes {axes}",
                f"{x.type} needs each of 0 to {x.type.ndim - 1} once",
                "swap the last two axes with matrix_transpose",
            )
        return TensorType(x.dtype, tuple(x.shape[axis] for axis in axes))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The inverse permutation."""
        axes = node.attr("axes")
        return (transpose(out_grad, axes=tuple(axes.index(i) for i in range(len(axes)))),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The leading axes stay."""
        axes = tuple(range(lead)) + tuple(axis + lead for axis in node.attr("axes"))
        return transpose(operands[0], axes=axes)


class BroadcastTo(Op):
    """Repeated along axes of size 1, or new ones at the left. attrs: shape."""

    name = "broadcast_to"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape asked for."""
        (x,), shape = operands, attrs["shape"]
        if broadcast_dims("broadcast_to", (x.shape, shape)) != shape:
            raise ShapeError(
                "broadcast_to: the target is smaller",
                f"{x.type} to {shown_shape(shape)}",
                "only axes of size 1 are repeated",
            )
        return TensorType(x.dtype, shape)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Sum over what was repeated."""
        return (unbroadcast(out_grad, node.operands[0].shape),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The leading axes stay."""
        (x,) = operands
        own = x.shape[lead:]
        ones = (1,) * (len(node.shape) - len(own))
        return broadcast_to(
            reshape(x, shape=x.shape[:lead] + ones + own), shape=x.shape[:lead] + node.shape
        )


class Slice(Op):
    """Elements start, start + step, ... before stop, an axis each; 0 <= start, step >= 1.

    attrs: starts, stops, steps, each a tuple with one size an axis.
    """

    name = "slice"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """Sizes are rounded up: (stop - start + step - 1) // step."""
        shape = tuple(
            floordiv(add(sub(stop, start), step - 1), step)
            for start, stop, step in zip(
                attrs["starts"], attrs["stops"], attrs["steps"], strict=True
            )
        )
        return TensorType(operands[0].dtype, shape)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Zeros where nothing was taken."""
        (x,) = node.operands
        lows, highs, inner = [], [], []
        for size, taken, start, step in zip(
            x.shape, node.shape, node.attr("starts"), node.attr("steps"), strict=True
        ):
            # low + (taken - 1) * step + 1 + high = size
            used = add(mul(sub(taken, 1), step), 1) if taken != 0 else 0
            lows.append(start)
            inner.append(step - 1)
            highs.append(sub(sub(size, start), used))
        return (pad(out_grad, lows=tuple(lows), highs=tuple(highs), inner=tuple(inner), value=0.0),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The leading axes stay whole."""
        (x,) = operands
        return slice_(
            x,
            starts=(0,) * lead + node.attr("starts"),
            stops=x.shape[:lead] + node.attr("stops"),
            steps=(1,) * lead + node.attr("steps"),
        )


class Pad(Op):
    """`value` before, after and between elements. attrs: lows, highs, inner, value."""

    name = "pad"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """low + size + (size - 1) * inner + high an axis."""
        (x,) = operands
        shape = []
        for size, low, high, inner in zip(
            x.shape, attrs["lows"], attrs["highs"], attrs["inner"], strict=True
        ):
            spread = add(mul(sub(size, 1), inner + 1), 1) if inner and size != 0 else size
            shape.append(add(add(low, spread), high))
        return TensorType(x.dtype, tuple(shape))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Take back what was put in."""
        (x,) = node.operands
        starts, stops, steps = [], [], []
        for size, low, inner in zip(x.shape, node.attr("lows"), node.attr("inner"), strict=True):
            starts.append(low)
            steps.append(inner + 1)
            last = add(mul(sub(size, 1), inner + 1), 1) if size != 0 else 0
            stops.append(add(low, last))
        return (slice_(out_grad, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps)),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The leading axes stay as they are."""
        attrs = dict(node.attrs)
        for name in ("lows", "highs", "inner"):
            attrs[name] = (0,) * lead + attrs[name]
        return make(self, operands, node.where, **attrs)


class Flip(Op):
    """Axes in reverse. attrs: axes."""

    name = "flip"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operand's type."""
        return operands[0].type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Flip back."""
        return (flip(out_grad, axes=node.attr("axes")),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Axes move right."""
        return make(self, operands, node.where, **lifted_axes(dict(node.attrs), lead))


class Concat(Op):
    """Operands one after the other along an axis. attrs: axis."""

    name = "concat"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The sizes along the axis add up; the others agree."""
        axis, first = attrs["axis"], operands[0]
        for x in operands:
            rest = x.shape[:axis] + x.shape[axis + 1 :]
            if (
                x.type.ndim != first.type.ndim
                or rest != first.shape[:axis] + first.shape[axis + 1 :]
            ):
                sizes = enumerate(zip(first.shape, x.shape, strict=False))
                found = (f"axis {i}: {a} and {b}" for i, (a, b) in sizes if i != axis and a != b)
                axes = f"the number of axes: {first.type.ndim} and {x.type.ndim}"
                raise ShapeError(
                    f"concat: shapes differ apart from axis {axis}",
                    f"{first.type} and {x.type} differ on {next(found, axes)}",
                    "reshape or broadcast_to first",
                )
            if x.dtype != first.dtype:
                raise DTypeError(
                    "concat: dtypes differ", f"{first.dtype} and {x.dtype}", "convert with astype"
                )
        total: Dim = 0
        for x in operands:
            total = add(total, x.shape[axis])
        return TensorType(first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Each operand's own part."""
        axis, parts = node.attr("axis"), []
        start: Dim = 0
        steps = (1,) * node.type.ndim
        for x in node.operands:
            stop: Dim = add(start, x.shape[axis])
            starts = tuple(start if i == axis else 0 for i in range(node.type.ndim))
            stops = tuple(stop if i == axis else size for i, size in enumerate(node.shape))
            parts.append(slice_(out_grad, starts=starts, stops=stops, steps=steps))
            start = stop
        return tuple(parts)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Operands get all leading axes in full."""
        shape = broadcast_dims("concat", tuple(x.shape[:lead] for x in operands))
        full = tuple(broadcast_to(x, shape=shape + x.shape[lead:]) for x in operands)
        return make(self, full, node.where, axis=node.attr("axis") + lead)


RESHAPE = register(Reshape())
TRANSPOSE = register(Transpose())
BROADCAST_TO = register(BroadcastTo())
SLICE = register(Slice())
PAD = register(Pad())
FLIP = register(Flip())
CONCAT = register(Concat())


def reshape(x: Node, shape: Shape) -> Node:
    """`x` in another shape; itself if it has it.

    Two in a row are left to the rules: a derivative may be asked for what is between them.
    """
    return x if x.shape == shape else make(RESHAPE, (x,), shape=shape)


def transpose(x: Node, axes: tuple[int, ...]) -> Node:
    """`x` with its axes permuted; itself if they stay."""
    return x if axes == tuple(range(x.type.ndim)) else make(TRANSPOSE, (x,), axes=axes)


def broadcast_to(x: Node, shape: Shape) -> Node:
    """`x` repeated to `shape`; itself if it has it."""
    return x if x.shape == shape else make(BROADCAST_TO, (x,), shape=shape)


def slice_(x: Node, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> Node:
    """A part of `x`; itself if it is all."""
    if all(start == 0 for start in starts) and stops == x.shape and all(s == 1 for s in steps):
        return x
    return make(SLICE, (x,), starts=starts, stops=stops, steps=steps)


def pad(x: Node, lows: Shape, highs: Shape, inner: tuple[int, ...], value: float) -> Node:
    """`x` with `value` around and between; itself if nothing is added."""
    if not any(dim != 0 for dim in lows + highs + inner):
        return x
    return make(PAD, (x,), lows=lows, highs=highs, inner=inner, value=value)


def flip(x: Node, axes: tuple[int, ...]) -> Node:
    """`x` with some axes reversed."""
    return make(FLIP, (x,), axes=axes) if axes else x


def concat(operands: tuple[Node, ...], axis: int) -> Node:
    """Operands along one axis; one alone is itself."""
    return operands[0] if len(operands) == 1 else make(CONCAT, operands, axis=axis)
