"""Arithmetic, rounding, comparison, logic and selection: the rows that formulas are made of."""

from __future__ import annotations

from typing import Any

from ..ir import Node, const, is_const, make, register
from ..types import Where as Place
from .base import Scalar, unbroadcast

WIDE = (-1e3, 1e3)


def _row(row: Scalar) -> Scalar:
    register(row)
    return row


add: Scalar = _row(
    Scalar(
        "add",
        "number",
        2,
        "np.add",
        grads=lambda out, x, y: (_one(x), _one(y)),
        domain=(WIDE, WIDE),
    )
)
subtract: Scalar = _row(
    Scalar(
        "subtract",
        "number",
        2,
        "np.subtract",
        grads=lambda out, x, y: (_one(x), _minus_one(y)),
        domain=(WIDE, WIDE),
    )
)
multiply: Scalar = _row(
    Scalar(
        "multiply", "number", 2, "np.multiply", grads=lambda out, x, y: (y, x), domain=(WIDE, WIDE)
    )
)
divide: Scalar = _row(
    Scalar(
        "divide",
        "float",
        2,
        "np.divide",
        grads=lambda out, x, y: (1 / y, -(out / y)),
        domain=(WIDE, (0.1, 1e3)),
    )
)
negative: Scalar = _row(
    Scalar(
        "negative",
        "number",
        1,
        "np.negative",
        grads=lambda out, x: (_minus_one(x),),
        domain=(WIDE,),
    )
)
floor_divide: Scalar = _row(
    Scalar(
        "floor_divide",
        "number",
        2,
        "np.floor_divide",
        grads=lambda out, x, y: (None, None),
        domain=(WIDE, (0.5, 10.0)),
    )
)
remainder: Scalar = _row(
    Scalar(
        "remainder",
        "number",
        2,
        "np.remainder",
        grads=lambda out, x, y: (_one(x), -floor(x / y)),
        domain=(WIDE, (0.5, 10.0)),
        doc="The remainder has the sign of the divisor.",
    )
)
pow: Scalar = _row(
    Scalar(
        "pow",
        "number",
        2,
        "np.power",
        grads=lambda out, x, y: (_pow_base(x, y), _pow_exponent(out, x, y)),
        domain=((0.1, 10.0), (-5.0, 5.0)),
        doc="The derivative for the exponent is 0 where the base is 0.",
    )
)
square: Scalar = _row(
    Scalar("square", "number", 1, "np.square", grads=lambda out, x: (2 * x,), domain=(WIDE,))
)
sqrt: Scalar = _row(
    Scalar(
        "sqrt",
        "float",
        1,
        "np.sqrt",
        "sqrt",
        grads=lambda out, x: (0.5 / out,),
        domain=((1e-3, 1e3),),
    )
)
abs: Scalar = _row(
    Scalar(
        "abs",
        "number",
        1,
        "np.abs",
        grads=lambda out, x: (sign(x),),
        domain=(WIDE,),
        doc="The derivative at 0 is 0.",
    )
)
sign: Scalar = _row(Scalar("sign", "number", 1, "np.sign", grads=lambda out, x: (None,), domain=(WIDE,)))
floor: Scalar = _row(Scalar("floor", "float", 1, "np.floor", grads=lambda out, x: (None,), domain=(WIDE,)))
ceil: Scalar = _row(Scalar("ceil", "float", 1, "np.ceil", grads=lambda out, x: (None,), domain=(WIDE,)))
round: Scalar = _row(
    Scalar(
        "round",
        "float",
        1,
        "np.round",
        grads=lambda out, x: (None,),
        domain=(WIDE,),
        doc="Halves go to the even neighbor.",
    )
)
trunc: Scalar = _row(Scalar("trunc", "float", 1, "np.trunc", grads=lambda out, x: (None,), domain=(WIDE,)))
maximum: Scalar = _row(
    Scalar(
        "maximum",
        "number",
        2,
        "np.maximum",
        grads=lambda out, x, y: (
            where(x >= y, 1.0, const(0, x.dtype)),
            where(x >= y, 0.0, const(1, x.dtype)),
        ),
        domain=(WIDE, WIDE),
        doc="Where both are equal the derivative goes to the first.",
    )
)
minimum: Scalar = _row(
    Scalar(
        "minimum",
        "number",
        2,
        "np.minimum",
        grads=lambda out, x, y: (
            where(x <= y, 1.0, const(0, x.dtype)),
            where(x <= y, 0.0, const(1, x.dtype)),
        ),
        domain=(WIDE, WIDE),
        doc="Where both are equal the derivative goes to the first.",
    )
)

equal: Scalar = _row(Scalar("equal", "compare", 2, "np.equal"))
not_equal: Scalar = _row(Scalar("not_equal", "compare", 2, "np.not_equal"))
less: Scalar = _row(Scalar("less", "compare", 2, "np.less"))
less_equal: Scalar = _row(Scalar("less_equal", "compare", 2, "np.less_equal"))
greater: Scalar = _row(Scalar("greater", "compare", 2, "np.greater"))
greater_equal: Scalar = _row(Scalar("greater_equal", "compare", 2, "np.greater_equal"))
isnan: Scalar = _row(Scalar("isnan", "predicate", 1, "np.isnan"))
isinf: Scalar = _row(Scalar("isinf", "predicate", 1, "np.isinf"))
isfinite: Scalar = _row(Scalar("isfinite", "predicate", 1, "np.isfinite"))

logical_and: Scalar = _row(Scalar("logical_and", "logic", 2, "np.logical_and"))
logical_or: Scalar = _row(Scalar("logical_or", "logic", 2, "np.logical_or"))
logical_xor: Scalar = _row(Scalar("logical_xor", "logic", 2, "np.logical_xor"))
logical_not: Scalar = _row(Scalar("logical_not", "logic", 1, "np.logical_not"))


class Where(Scalar):
    """`where(condition, x, y)`: one of two values; a branch that is not taken has no say."""

    __slots__ = ()

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The gradient goes to the branch that was taken, and a zero, whatever it is, to the other."""
        if not node.type.is_float:
            return (None, None, None)
        condition, x, y = node.operands
        zero = const(0, node.dtype)
        return (
            None,
            unbroadcast(where(condition, out_grad, zero), x.shape),
            unbroadcast(where(condition, zero, out_grad), y.shape),
        )

    def __call__(self, *operands: Node | complex, where: Place | None = None, **attrs: Any) -> Node:
        """A Python number becomes a constant of the other branch's dtype."""
        dtype = next((x.dtype for x in reversed(operands) if isinstance(x, Node)), "float64")
        nodes = tuple(x if isinstance(x, Node) else const(x, dtype) for x in operands)
        return make(self, nodes, where)


where: Where = Where(
    "where",
    "select",
    3,
    "np.where",
    grads=lambda out, c, x, y: (
        None,
        where(c, 1.0, const(0, x.dtype)),
        where(c, 0.0, const(1, x.dtype)),
    ),
)
register(where)


def _one(x: Node) -> Node:
    return const(1, x.dtype)


def _minus_one(x: Node) -> Node:
    return const(-1, x.dtype)


def _pow_base(x: Node, y: Node) -> Node:
    """d(x^y)/dx = y x^(y-1), which is 0 for y = 0 whatever x is."""
    if y.op.name == "const":
        power = y.attr("value")
        if power == 2:
            return 2 * x
        return const(power, x.dtype) * pow(x, power - 1)
    return where(equal(y, 0), const(0, x.dtype), y * pow(x, y - 1))


def _pow_exponent(out: Node, x: Node, y: Node) -> Node | None:
    """d(x^y)/dy = x^y log x; the limit at x = 0 is 0 for y > 0."""
    if is_const(y):
        return None
    return where(equal(x, 0), const(0, x.dtype), out * _log(x))


def _log(x: Node) -> Node:
    from .elementary import log

    return log(x)
