"""Arithmetic, rounding, comparison, logic and selection: the rows that formulas are made of."""

from __future__ import annotations

from typing import Any

from ..ir import OPS, Node, const, is_const, make, register
from ..types import Where as Place
from .base import Scalar
from .broadcasting import unbroadcast

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
        doc="The sum x + y.",
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
        doc="The difference x - y.",
    )
)
multiply: Scalar = _row(
    Scalar(
        "multiply",
        "number",
        2,
        "np.multiply",
        grads=lambda out, x, y: (y, x),
        domain=(WIDE, WIDE),
        doc="The product x y.",
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
        doc="The quotient x / y; integers are divided as floats.",
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
        doc="The negative -x.",
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
        doc="The quotient rounded down, floor(x / y); of integers over 0 it is 0.",
    )
)
remainder: Scalar = _row(
    Scalar(
        "remainder",
        "number",
        2,
        "np.remainder",
        grads=lambda out, x, y: (_one(x), -floor_divide(x, y)),
        domain=(WIDE, (0.5, 10.0)),
        doc="The remainder x - y floor(x / y), of the sign of y; of integers over 0 it is 0.",
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
        doc="The power x^y. Its derivative for y is 0 where x is 0.",
    )
)
square: Scalar = _row(
    Scalar(
        "square",
        "number",
        1,
        "np.square",
        grads=lambda out, x: (2 * x,),
        domain=(WIDE,),
        doc="The square x^2.",
    )
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
        doc="The square root of x; NaN for x < 0.",
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
        doc="The absolute value |x|. Its derivative at 0 is 0.",
    )
)
sign: Scalar = _row(
    Scalar(
        "sign",
        "number",
        1,
        "np.sign",
        grads=lambda out, x: (None,),
        domain=(WIDE,),
        doc="The sign of x: -1, 0 or 1. Its derivative is 0 everywhere.",
    )
)
copysign: Scalar = _row(
    Scalar(
        "copysign",
        "float",
        2,
        "np.copysign",
        grads=lambda out, x, y: (sign(x) * copysign(const(1, x.dtype), y), None),
        domain=(WIDE, WIDE),
        doc=(
            "|x| with the sign of y, that of -0.0 too. Its derivative for x at 0 is 0, as is that "
            "for y everywhere."
        ),
    )
)
floor: Scalar = _row(
    Scalar(
        "floor",
        "float",
        1,
        "np.floor",
        grads=lambda out, x: (None,),
        domain=(WIDE,),
        doc="The largest integer that is not above x. Its derivative is 0 everywhere.",
    )
)
ceil: Scalar = _row(
    Scalar(
        "ceil",
        "float",
        1,
        "np.ceil",
        grads=lambda out, x: (None,),
        domain=(WIDE,),
        doc="The smallest integer that is not below x. Its derivative is 0 everywhere.",
    )
)
round: Scalar = _row(
    Scalar(
        "round",
        "float",
        1,
        "np.round",
        grads=lambda out, x: (None,),
        domain=(WIDE,),
        doc=("The integer nearest to x; of two, the even one. Its derivative is 0 everywhere."),
    )
)
trunc: Scalar = _row(
    Scalar(
        "trunc",
        "float",
        1,
        "np.trunc",
        grads=lambda out, x: (None,),
        domain=(WIDE,),
        doc="The integer part of x, rounded towards 0. Its derivative is 0 everywhere.",
    )
)
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
        doc=(
            "The larger of x and y; NaN if one is. Where both are equal the "
            "derivative goes to the first."
        ),
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
        doc=(
            "The smaller of x and y; NaN if one is. Where both are equal the "
            "derivative goes to the first."
        ),
    )
)

equal: Scalar = _row(
    Scalar(
        "equal",
        "compare",
        2,
        "np.equal",
        doc="Whether x = y; NaN equals nothing.",
    )
)
not_equal: Scalar = _row(
    Scalar(
        "not_equal",
        "compare",
        2,
        "np.not_equal",
        doc="Whether x and y differ; NaN differs from everything.",
    )
)
less: Scalar = _row(
    Scalar(
        "less",
        "compare",
        2,
        "np.less",
        doc="Whether x < y.",
    )
)
less_equal: Scalar = _row(
    Scalar(
        "less_equal",
        "compare",
        2,
        "np.less_equal",
        doc="Whether x <= y.",
    )
)
greater: Scalar = _row(
    Scalar(
        "greater",
        "compare",
        2,
        "np.greater",
        doc="Whether x > y.",
    )
)
greater_equal: Scalar = _row(
    Scalar(
        "greater_equal",
        "compare",
        2,
        "np.greater_equal",
        doc="Whether x >= y.",
    )
)
isnan: Scalar = _row(
    Scalar(
        "isnan",
        "predicate",
        1,
        "np.isnan",
        doc="Whether x is NaN.",
    )
)
isinf: Scalar = _row(
    Scalar(
        "isinf",
        "predicate",
        1,
        "np.isinf",
        doc="Whether x is infinity or minus infinity.",
    )
)
isfinite: Scalar = _row(
    Scalar(
        "isfinite",
        "predicate",
        1,
        "np.isfinite",
        doc="Whether x is a number: neither infinite nor NaN.",
    )
)

logical_and: Scalar = _row(
    Scalar(
        "logical_and",
        "logic",
        2,
        "np.logical_and",
        doc="Whether x and y are both true.",
    )
)
logical_or: Scalar = _row(
    Scalar(
        "logical_or",
        "logic",
        2,
        "np.logical_or",
        doc="Whether x, y or both are true.",
    )
)
logical_xor: Scalar = _row(
    Scalar(
        "logical_xor",
        "logic",
        2,
        "np.logical_xor",
        doc="Whether one of x and y is true and the other is not.",
    )
)
logical_not: Scalar = _row(
    Scalar(
        "logical_not",
        "logic",
        1,
        "np.logical_not",
        doc="Whether x is false.",
    )
)


class Where(Scalar):
    """`where(condition, x, y)`: one of two values; a branch that is not taken has no say."""

    __slots__ = ()

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The gradient goes to the branch that was taken; the other gets 0, whatever it is."""
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
    doc=(
        "x where the condition is true, y elsewhere; of the value not taken, "
        "not even a NaN has a say in the gradient."
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
    return OPS["log"](x)
