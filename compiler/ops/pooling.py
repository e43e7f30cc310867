"""Pooling: one number for each window, channel by channel. Channels stand last.

attrs of each: size, strides, lows, highs, with a number for each spatial axis.
"""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, const, make, register
from ..types import Dim, TensorType, add
from .arithmetic import equal, where
from .base import Composite
from .convert import cast
from .reduce import kept, max, sum
from .shape import broadcast_to, pad, reshape, slice_
from .windows import overlap_add, places, windows


class Pool(Composite):
    """What the poolings have in common."""

    # What stands where a window reaches over the edge.
    outside: float = 0.0
    lift = Op.lift

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """[batch, places..., channels]."""
        (x,) = operands
        size, rank = attrs["size"], len(attrs["size"])
        if not x.type.is_float:
            raise DTypeError(f"{self.name} of {x.type}", "takes float32, float64", "convert it")
        if x.type.ndim != rank + 2:
            raise ShapeError(
                f"{self.name} of {x.type}",
                f"expected [batch, {rank} spatial axes, channels]",
                "a size with a number for each axis says how many there are",
            )
        out: list[Dim] = []
        for axis, k in enumerate(size):
            low, high = attrs["lows"][axis], attrs["highs"][axis]
            if low >= k or high >= k:
                raise ShapeError(
                    f"{self.name}: a window of padding alone on spatial axis {axis}",
                    f"padding of {low} and {high}, a window of {k}",
                    "the padding must be smaller than the window",
                )
            whole = add(add(x.shape[1 + axis], low), high)
            along = f"spatial axis {axis}"
            out.append(places(self.name, along, whole, k, attrs["strides"][axis], 1))
        return TensorType(x.dtype, (x.shape[0], *out, x.shape[-1]))

    def windows(self, node: Node, x: Node) -> Node:
        """The windows of a padded tensor: [batch, places..., size..., channels]."""
        size, lows, highs = (node.attr(name) for name in ("size", "lows", "highs"))
        inner = (0,) * x.type.ndim
        whole = pad(x, (0, *lows, 0), (0, *highs, 0), inner=inner, value=self.outside)
        return windows(whole, 1, size, node.attr("strides"), (1,) * len(size))

    def put_back(self, node: Node, grads: Node) -> Node:
        """The gradient for the operand, from those for the elements of windows."""
        (x,) = node.operands
        lows, highs, strides = (node.attr(name) for name in ("lows", "highs", "strides"))
        dims = tuple(
            add(add(dim, low), high)
            for dim, low, high in zip(x.shape[1:-1], lows, highs, strict=True)
        )
        whole = overlap_add(grads, 1, dims, strides, (1,) * len(dims))
        ends = tuple(add(low, dim) for low, dim in zip(lows, x.shape[1:-1], strict=True))
        stops = (x.shape[0], *ends, x.shape[-1])
        return slice_(whole, (0, *lows, 0), stops, (1,) * x.type.ndim)


def inside(rank: int) -> tuple[int, ...]:
    """The axes of windows that run inside them."""
    return tuple(range(1 + rank, 1 + 2 * rank))


class MaxPool(Pool):
    """y[b, o, c] = the largest x[b, o*stride + k, c]; those that tie share the gradient."""

    name = "max_pool"
    outside = float("-inf")

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """To the elements that equal the largest of their window, in equal parts."""
        (x,) = node.operands
        axes = inside(len(node.attr("size")))
        found = self.windows(node, x)
        hits = equal(found, kept(node, found, axes))
        ties = kept(sum(cast(hits, x.dtype), axes=axes), found, axes)
        share = where(hits, kept(out_grad, found, axes) / ties, const(0, x.dtype))
        return (self.put_back(node, share),)

    def expand(self, node: Node) -> Node:
        """The largest over the window."""
        return max(self.windows(node, node.operands[0]), axes=inside(len(node.attr("size"))))


class AveragePool(Pool):
    """y[b, o, c] = the mean of x[b, o*stride + k, c], of those elements that exist."""

    name = "average_pool"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Every element of a window changes the mean alike."""
        size = node.attr("size")
        share = out_grad / self.count(node)
        full = (*node.shape[:-1], *size, node.shape[-1])
        ones = (*node.shape[:-1], *(1,) * len(size), node.shape[-1])
        return (self.put_back(node, broadcast_to(reshape(share, ones), full)),)

    def expand(self, node: Node) -> Node:
        """The sum over the window, over how many elements it has."""
        (x,) = node.operands
        total = sum(self.windows(node, x), axes=inside(len(node.attr("size"))))
        return total / self.count(node)

    def count(self, node: Node) -> Node:
        """How many elements each window has: all of them, less those in the padding."""
        (x,) = node.operands
        names = ("size", "strides", "lows", "highs")
        total = const(1, x.dtype)
        rank = len(node.attr("size"))
        for axis, (k, stride, low, high) in enumerate(zip(*map(node.attr, names), strict=True)):
            if low == high == 0:
                total = total * k if total.shape else const(total.attr("value") * k, x.dtype)
                continue
            ones = broadcast_to(const(1, x.dtype), (x.shape[1 + axis],))
            whole = pad(ones, (low,), (high,), inner=(0,), value=0.0)
            count = sum(windows(whole, 0, (k,), (stride,), (1,)), axes=(1,))
            total = total * reshape(count, (*count.shape, *(1,) * (rank - axis)))
        return total


MAX_POOL, AVERAGE_POOL = MaxPool(), AveragePool()
register(MAX_POOL)
register(AVERAGE_POOL)


def pool(
    op: Pool,
    x: Node,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    lows: tuple[int, ...],
    highs: tuple[int, ...],
) -> Node:
    """One number for each window."""
    return make(op, (x,), size=size, strides=strides, lows=lows, highs=highs)
