"""The two kinds of op that most of the table is made of: a scalar row and a composite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import DTypeError
from ..ir import Node, Op, make
from ..types import FLOATS, INTS, TensorType
from .broadcasting import aligned, broadcast_dims, lifted_axes, times, unbroadcast

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
            raise DTypeError(
                f"{self.name} takes {self.arity} operands, {len(operands)} given",
                ", ".join(str(x.type) for x in operands) or "none",
                "each operand once, in order",
            )
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
