"""The two kinds of op that most of the table is made of: a scalar row and a composite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, const, make
from ..types import FLOATS, INTS, Dim, Shape, TensorType

Kind = Literal["float", "number", "integer", "logic", "compare", "predicate", "select"]
# What an operand of each kind may be; the result is the same, except that `compare` and
# `predicate` give bool, and `select` gives its second operand's dtype.
ACCEPTS: dict[str, tuple[str, ...]] = {
    "float": FLOATS,
    "number": FLOATS + INTS,
    "integer": INTS,
    "logic": ("bool",),
    "compare": ("bool", *FLOATS, *INTS),
    "predicate": FLOATS,
    "select": ("bool", *FLOATS, *INTS),
}


def broadcast_dims(name: str, shapes: tuple[Shape, ...]) -> Shape:
    """The shape that several shapes broadcast to: sizes equal, or 1, aligned at the right."""
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scalar(Op):
    """One elementwise function: what people read, what is evaluated, how it changes.

    Attributes:
        name: the name in the language.
        kind: which dtypes it takes and gives.
        arity: how many operands.
        numpy: NumPy's or SciPy's function of the same meaning (`np.exp`, `special.erf`); a row
            without one is evaluated by its stable spelling.
        sympy: SymPy's function of the same meaning, if there is one.
        formula: the mathematics, in terms of other rows; a primitive has none.
        stable: what is evaluated where the formula overflows or cancels; None: the formula.
        grads: the derivative for each operand, from the result and the operands; None inside: no
            derivative; no `grads` at all: the derivative of `formula`, found by SymPy.
        domain: where the function is smooth and tests sample, an interval an operand.
        source: where formula or spelling come from.
    """

    name: str
    kind: Kind = "float"
    arity: int = 1
    numpy: str = ""
    sympy: str = ""
    formula: Callable[..., Node] | None = None
    stable: Callable[..., Node] | None = None
    grads: Callable[..., tuple[Node | None, ...]] | None = None
    domain: tuple[tuple[float, float], ...] = ((-20.0, 20.0),)
    doc: str = ""
    source: str = ""

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """Operands of one dtype, broadcast."""
        if len(operands) != self.arity:
            raise DTypeError(f"{self.name} takes {self.arity} operands, {len(operands)} given")
        data = operands[1:] if self.kind == "select" else operands
        dtypes = {x.type.dtype for x in data}
        if len(dtypes) != 1 or not dtypes <= set(ACCEPTS[self.kind]):
            raise DTypeError(
                f"{self.name}: operands of dtype {' and '.join(x.type.dtype for x in data)}",
                f"takes {', '.join(ACCEPTS[self.kind])}, the same for all operands",
                "convert one with astype",
            )
        if self.kind == "select" and operands[0].type.dtype != "bool":
            raise DTypeError(
                f"{self.name}: the condition is {operands[0].type}",
                "expected bool",
                "compare first",
            )
        shape = broadcast_dims(self.name, tuple(x.shape for x in operands))
        return TensorType("bool" if self.kind in ("compare", "predicate") else dtypes.pop(), shape)

    def derivatives(self, node: Node) -> tuple[Node | None, ...]:
        """The derivative of the result for each operand, elementwise."""
        if self.grads is not None:
            return self.grads(node, *node.operands)
        if self.formula is None:
            return (None,) * self.arity
        from ..symbolic import derivatives

        return derivatives(self, node)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The chain rule: the incoming gradient times the derivative, summed where it broadcast."""
        if not node.type.is_float:
            return (None,) * self.arity
        return tuple(
            None if d is None or not x.type.is_float else unbroadcast(times(out_grad, d), x.shape)
            for x, d in zip(node.operands, self.derivatives(node), strict=True)
        )

    def expand(self, node: Node) -> Node | None:
        """The stable spelling, or the formula."""
        spelled = self.stable or self.formula
        return None if spelled is None else spelled(*node.operands)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Elementwise: align the leading axes, the rest is broadcasting."""
        rank = node.type.ndim + lead
        return make(self, tuple(aligned(x, lead, rank) for x in operands), node.where)


def aligned(x: Node, lead: int, rank: int) -> Node:
    """`x` with axes of size 1 after its `lead` leading ones, until it has `rank` axes."""
    from .shape import reshape

    if x.type.ndim in (0, rank):
        return x
    ones = (1,) * (rank - x.type.ndim)
    return reshape(x, shape=x.shape[:lead] + ones + x.shape[lead:])


def times(a: Node, b: Node) -> Node:
    """`a * b`, leaving out factors of 1 and moving minus signs and 1 to the front."""
    from ..ir import OPS, is_const

    if is_const(b, 1):
        return a
    if is_const(a, 1):
        return broadcast_like(b, a)
    if is_const(b, -1):
        return -a
    if b.op.name == "reciprocal":
        return OPS["divide"](a, b.operands[0])
    if b.op.name == "divide" and is_const(b.operands[0], 1):
        return OPS["divide"](a, b.operands[1])
    return a * b


def broadcast_like(x: Node, other: Node) -> Node:
    """`x`, broadcast to the shape that it has together with `other`."""
    from .shape import broadcast_to

    shape = broadcast_dims("broadcast", (x.shape, other.shape))
    return x if shape == x.shape else broadcast_to(x, shape=shape)


def unbroadcast(grad: Node, shape: Shape) -> Node:
    """The transpose of broadcasting from `shape`: sum over the axes that were repeated."""
    from .reduce import sum
    from .shape import broadcast_to, reshape

    if grad.shape == shape:
        return grad
    extra = grad.type.ndim - len(shape)
    if extra < 0 or any(
        g == 1 and s != 1 for g, s in zip(grad.shape[max(extra, 0) :], shape, strict=False)
    ):
        grad = broadcast_to(grad, shape=broadcast_dims("gradient", (grad.shape, shape)))
        if grad.shape == shape:
            return grad
        extra = grad.type.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + axis for axis, size in enumerate(shape) if size == 1 != grad.shape[extra + axis]
    )
    reduced = sum(grad, axes=axes) if axes else grad
    return reduced if reduced.shape == shape else reshape(reduced, shape=shape)


def zeros_like(x: Node) -> Node:
    """Zeros of the type of `x`."""
    from .shape import broadcast_to

    zero = const(0, x.dtype)
    return broadcast_to(zero, shape=x.shape) if x.shape else zero


class Composite(Op):
    """A tensor function with a formula in other ops: `expand` is what is evaluated."""

    def formula(self, node: Node) -> Node:
        """The mathematics, as people read it."""
        expanded = self.expand(node)
        assert expanded is not None
        return expanded

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The op under leading axes: axes move to the right."""
        return make(self, operands, node.where, **lifted_axes(dict(node.attrs), lead))


def lifted_axes(attrs: dict[str, Any], lead: int) -> dict[str, Any]:
    """Attributes of an op whose `axes` or `axis` move right by `lead`."""
    if "axes" in attrs:
        attrs["axes"] = tuple(axis + lead for axis in attrs["axes"])
    if "axis" in attrs:
        attrs["axis"] = attrs["axis"] + lead
    return attrs
