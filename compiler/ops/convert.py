"""Leaves that are known at once, and conversion: cast, a size as a number, a counting axis."""

from __future__ import annotations

from typing import Any

from ..ir import Node, Op, make, register
from ..types import Dim, TensorType


class Cast(Op):
    """`x` in another dtype; float to integer truncates, to bool compares with 0."""

    name = "cast"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operand's shape."""
        return TensorType(attrs["dtype"], operands[0].shape)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Cast back, between floats."""
        (x,) = node.operands
        if not (x.type.is_float and node.type.is_float):
            return (None,)
        return (cast(out_grad, x.dtype),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Elementwise."""
        return make(self, operands, node.where, **dict(node.attrs))


class SizeOf(Op):
    """A symbolic size as a number."""

    name = "size"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """A tensor of no axes."""
        return TensorType(attrs["dtype"])

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same number: it broadcasts."""
        return node


class Iota(Op):
    """`0, 1, ..., n - 1`."""

    name = "iota"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """One axis."""
        return TensorType(attrs["dtype"], (attrs["dim"],))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same along every leading axis."""
        from .shape import reshape

        return reshape(node, shape=(1,) * lead + node.shape)


CAST = register(Cast())
SIZE = register(SizeOf())
IOTA = register(Iota())


def cast(x: Node, dtype: str) -> Node:
    """`x` as `dtype`; itself if it is so already."""
    from ..ir import const, is_const

    if x.dtype == dtype:
        return x
    if is_const(x):
        return const(x.attr("value"), dtype)
    return make(CAST, (x,), dtype=dtype)


def size(dim: Dim, dtype: str) -> Node:
    """The size `dim` as a number of `dtype`."""
    from ..ir import const

    return const(dim, dtype) if isinstance(dim, int) else make(SIZE, (), dim=dim, dtype=dtype)


def iota(dim: Dim, dtype: str = "int64") -> Node:
    """`0 ... dim - 1`."""
    return make(IOTA, (), dim=dim, dtype=dtype)
