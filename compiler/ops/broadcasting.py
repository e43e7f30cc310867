"""Broadcasting, and its transpose: what elementwise ops and their derivatives do to shapes.

Ops are looked up by name here, since those that move elements are built on this.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ir import OPS, Node, const, is_const, make
from ..types import Dim, Shape


def broadcast_dims(name: str, shapes: tuple[Shape, ...]) -> Shape:
    """The shape that several shapes broadcast to: sizes equal, or 1, aligned at the right."""
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0] if shapes else ()
    rank = max(map(len, shapes), default=0)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(sizes) > 1:
            shown = " and ".join(shown_shape(shape) for shape in shapes)
            unknown = any(not isinstance(size, int) for size in sizes)
            raise ShapeError(
                f"{name}: shapes do not broadcast",
                f"{shown} differ on axis {axis}: {' and '.join(sorted(map(str, sizes)))}",
                "two different symbolic sizes never broadcast: give them one name"
                if unknown
                else "sizes must be equal or 1; insert an axis with expand_dims or reshape",
            )
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def shown_shape(shape: Shape) -> str:
    """A shape as it is printed."""
    return f"[{', '.join(map(str, shape))}]"


def aligned(x: Node, lead: int, rank: int) -> Node:
    """`x` with axes of size 1 after its `lead` leading ones, until it has `rank` axes."""
    if x.type.ndim in (0, rank):
        return x
    ones = (1,) * (rank - x.type.ndim)
    return _reshaped(x, x.shape[:lead] + ones + x.shape[lead:])


def times(a: Node, b: Node) -> Node:
    """`a * b`, leaving out factors of 1 and moving minus signs and 1 to the front."""
    if is_const(b, 1):
        return a
    if is_const(a, 1):
        return broadcast_like(b, a)
    if is_const(b, -1):
        return -a
    if b.op.name == "divide" and is_const(b.operands[0], 1):
        return OPS["divide"](a, b.operands[1])
    return a * b


def broadcast_like(x: Node, other: Node) -> Node:
    """`x`, broadcast to the shape that it has together with `other`."""
    shape = broadcast_dims("broadcast", (x.shape, other.shape))
    return _repeated(x, shape)


def unbroadcast(grad: Node, shape: Shape) -> Node:
    """The transpose of broadcasting from `shape`: sum over the axes that were repeated."""
    if grad.shape == shape:
        return grad
    extra = grad.type.ndim - len(shape)
    if extra < 0 or any(
        g == 1 and s != 1 for g, s in zip(grad.shape[max(extra, 0) :], shape, strict=False)
    ):
        grad = _repeated(grad, broadcast_dims("gradient", (grad.shape, shape)))
        if grad.shape == shape:
            return grad
        extra = grad.type.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + axis for axis, size in enumerate(shape) if size == 1 != grad.shape[extra + axis]
    )
    reduced = make(OPS["sum"], (grad,), axes=axes) if axes else grad
    return _reshaped(reduced, shape)


def zeros_like(x: Node) -> Node:
    """Zeros of the type of `x`."""
    return _repeated(const(0, x.dtype), x.shape)


def _reshaped(x: Node, shape: Shape) -> Node:
    return x if x.shape == shape else make(OPS["reshape"], (x,), shape=shape)


def _repeated(x: Node, shape: Shape) -> Node:
    return x if x.shape == shape else make(OPS["broadcast_to"], (x,), shape=shape)


def lifted_axes(attrs: dict[str, Any], lead: int) -> dict[str, Any]:
    """Attributes of an op whose `axes` or `axis` move right by `lead`."""
    if "axes" in attrs:
        attrs["axes"] = tuple(axis + lead for axis in attrs["axes"])
    if "axis" in attrs:
        attrs["axis"] = attrs["axis"] + lead
    return attrs
