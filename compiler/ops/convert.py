"""What is known at once, and conversion: cast, a size as a number, a counting axis, an array."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ir import Node, Op, const, is_const, make, register
from ..types import Dim, TensorType
from .shape import reshape

if TYPE_CHECKING:
    import numpy as np


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
        return reshape(node, shape=(1,) * lead + node.shape)


@dataclass(frozen=True, slots=True)
class Data:
    """The elements of an array that never changes: two are equal where all their bytes are.

    Attributes:
        dtype: the elements' dtype.
        shape: their shape, all numbers.
        content: the elements in row-major order.
    """

    dtype: str
    shape: tuple[int, ...]
    content: bytes

    @property
    def digest(self) -> str:
        """A short name for the content."""
        return hashlib.sha256(self.content).hexdigest()[:16]

    def array(self) -> np.ndarray[Any, Any]:
        """The elements as a NumPy array that cannot be written to."""
        import numpy as np

        return np.frombuffer(self.content, self.dtype).reshape(self.shape)

    def __repr__(self) -> str:
        return f"Data({self.dtype}, {self.shape}, {self.digest})"


class Literal(Op):
    """An array that was given as such. attrs: data."""

    name = "literal"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The array's own type."""
        return TensorType(attrs["data"].dtype, attrs["data"].shape)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same along every leading axis."""
        return reshape(node, shape=(1,) * lead + node.shape)


CAST = register(Cast())
SIZE = register(SizeOf())
IOTA = register(Iota())
LITERAL = register(Literal())


def cast(x: Node, dtype: str) -> Node:
    """`x` as `dtype`; itself if it is so already."""
    if x.dtype == dtype:
        return x
    if is_const(x):
        return const(x.attr("value"), dtype)
    return make(CAST, (x,), dtype=dtype)


def size(dim: Dim, dtype: str) -> Node:
    """The size `dim` as a number of `dtype`."""
    return const(dim, dtype) if isinstance(dim, int) else make(SIZE, (), dim=dim, dtype=dtype)


def iota(dim: Dim, dtype: str = "int64") -> Node:
    """`0 ... dim - 1`."""
    return make(IOTA, (), dim=dim, dtype=dtype)


def literal(array: np.ndarray[Any, Any]) -> Node:
    """The elements of `array` as they are now; a plain constant where there are no axes."""
    import numpy as np

    dtype = array.dtype.name
    if not array.ndim:
        return const(array.item(), dtype)
    data = Data(dtype, array.shape, np.ascontiguousarray(array).tobytes())
    return make(LITERAL, (), data=data)
