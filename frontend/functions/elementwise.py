"""Functions of each element by itself; operands broadcast.

There is a line for each, made from the op's row. What a function is, its derivative where it is not
the obvious one and where the spelling comes from stand in the row; a line here adds the example.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from chainrule.compiler.errors import caller
from chainrule.compiler.ir import OPS, located, make
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.gradient import STOP_GRADIENT
from chainrule.compiler.types import INTS

from ..tensor import Like, Tensor, apply, as_tensor, public

F = TypeVar("F", bound=Callable[..., Tensor])
Unary: TypeAlias = Callable[[Like], Tensor]
Binary: TypeAlias = Callable[[Like, Like], Tensor]

ACCEPTS = {
    "float": "float32 or float64",
    "number": "any dtype but bool",
    "logic": "dtype bool",
    "compare": "any dtype",
    "predicate": "any dtype but bool",
}
GIVES = {"logic": "of dtype bool", "compare": "of dtype bool", "predicate": "of dtype bool"}


def _unary(name: str, example: str, value: str) -> Unary:
    def function(x: Like, /) -> Tensor:
        with located(caller()):
            return apply(name, x)

    return _described(function, name, "x", example, value)


def _binary(name: str, example: str, value: str, operands: str = "x y") -> Binary:
    def function(x: Like, y: Like, /) -> Tensor:
        with located(caller()):
            return apply(name, x, y)

    return _described(function, name, operands, example, value)


def _rounding(name: str, example: str, value: str) -> Unary:
    """A function that leaves integers as they are."""

    def function(x: Like, /) -> Tensor:
        with located(caller()):
            given = as_tensor(x)
            return given if given.dtype in INTS else apply(name, given)

    return _described(function, name, "x", example, value)


def _described(function: F, name: str, operands: str, example: str, value: str) -> F:
    """The function with the docstring that its row and its example make."""
    row = OPS[name]
    assert isinstance(row, Scalar)
    what, _, more = row.doc.partition(". ")
    lines = [what.rstrip(".") + ".", ""]
    if more:
        lines += [more, ""]
    accepts = "any dtype but bool" if name in ROUNDING else ACCEPTS[row.kind]
    lines += ["Args:"]
    lines += [f"    {operand}: a tensor, {accepts}." for operand in operands.split()]
    shape = "the shape of x" if row.arity == 1 else "the shape that x and y broadcast to"
    gives = GIVES.get(row.kind, "of the operands' dtype")
    lines += ["", "Returns:", f"    A tensor of {shape}, {gives}.", ""]
    lines += ["Raises:", "    DTypeError: an operand is of another dtype.", ""]
    lines += ["Example:", "    >>> import chainrule as cr, numpy as np"]
    if row.kind in GIVES:
        lines += [f"    >>> print(np.asarray(cr.{example}))"]
    elif len(value.partition(".")[2]) == 6:
        lines += [f'    >>> print(f"{{float(cr.{example}):.6f}}")']
    else:
        lines += [f"    >>> float(cr.{example})"]
    lines += [f"    {value}", ""]
    if row.source:
        lines += ["Source:", f"    {row.source}.", ""]
    function.__doc__ = "\n".join(lines)
    function.__name__ = function.__qualname__ = name
    signature = inspect.signature(function)
    named = zip(signature.parameters.values(), operands.split(), strict=True)
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            parameter.replace(name=operand, kind=parameter.POSITIONAL_ONLY)
            for parameter, operand in named
        ]
    )
    return function


ROUNDING = frozenset({"floor", "ceil", "round", "trunc"})

exp = _unary("exp", "exp(1.0)", "2.718282")
expm1 = _unary("expm1", "expm1(1e-20)", "1e-20")
log = _unary("log", "log(10.0)", "2.302585")
log1p = _unary("log1p", "log1p(1e-20)", "1e-20")
log2 = _unary("log2", "log2(8.0)", "3.0")
log10 = _unary("log10", "log10(1000.0)", "3.0")
logaddexp = _binary("logaddexp", "logaddexp(1000.0, 0.0)", "1000.0")
sqrt = _unary("sqrt", "sqrt(2.0)", "1.414214")
square = _unary("square", "square(3.0)", "9.0")
abs = _unary("abs", "abs(-2.5)", "2.5")
sign = _unary("sign", "sign(-2.5)", "-1.0")
copysign = _binary("copysign", "copysign(2.0, -0.5)", "-2.0")
negative = _unary("negative", "negative(2.5)", "-2.5")

floor = _rounding("floor", "floor(-2.5)", "-3.0")
ceil = _rounding("ceil", "ceil(-2.5)", "-2.0")
round = _rounding("round", "round(-2.5)", "-2.0")
trunc = _rounding("trunc", "trunc(-2.5)", "-2.0")

sin = _unary("sin", "sin(0.5)", "0.479426")
cos = _unary("cos", "cos(0.0)", "1.0")
tan = _unary("tan", "tan(0.5)", "0.546302")
asin = _unary("asin", "asin(1.0)", "1.570796")
acos = _unary("acos", "acos(-1.0)", "3.141593")
atan = _unary("atan", "atan(1.0)", "0.785398")
atan2 = _binary("atan2", "atan2(1.0, -1.0)", "2.356194", "y x")
hypot = _binary("hypot", "hypot(3.0, 4.0)", "5.0")
sinh = _unary("sinh", "sinh(1.0)", "1.175201")
cosh = _unary("cosh", "cosh(0.0)", "1.0")
tanh = _unary("tanh", "tanh(0.5)", "0.462117")
asinh = _unary("asinh", "asinh(0.0)", "0.0")
acosh = _unary("acosh", "acosh(1.0)", "0.0")
atanh = _unary("atanh", "atanh(0.5)", "0.549306")

erf = _unary("erf", "erf(0.5)", "0.520500")
erfc = _unary("erfc", "erfc(0.0)", "1.0")
lgamma = _unary("lgamma", "lgamma(1.0)", "0.0")
digamma = _unary("digamma", "digamma(1.0)", "-0.577216")
sigmoid = _unary("sigmoid", "sigmoid(0.0)", "0.5")
softplus = _unary("softplus", "softplus(1000.0)", "1000.0")
relu = _unary("relu", "relu(-2.0)", "0.0")

add = _binary("add", "add(1.0, 2.0)", "3.0")
subtract = _binary("subtract", "subtract(1.0, 2.0)", "-1.0")
multiply = _binary("multiply", "multiply(2.0, 3.0)", "6.0")
divide = _binary("divide", "divide(1.0, 4.0)", "0.25")
floor_divide = _binary("floor_divide", "floor_divide(-7.0, 2.0)", "-4.0")
remainder = _binary("remainder", "remainder(-7.0, 2.0)", "1.0")
pow = _binary("pow", "pow(2.0, 10.0)", "1024.0")
maximum = _binary("maximum", "maximum(1.0, 2.0)", "2.0")
minimum = _binary("minimum", "minimum(1.0, 2.0)", "1.0")

equal = _binary("equal", "equal(1.0, 1.0)", "True")
not_equal = _binary("not_equal", "not_equal(1.0, 1.0)", "False")
less = _binary("less", "less(1.0, 2.0)", "True")
less_equal = _binary("less_equal", "less_equal(1.0, 1.0)", "True")
greater = _binary("greater", "greater(1.0, 2.0)", "False")
greater_equal = _binary("greater_equal", "greater_equal(1.0, 1.0)", "True")
isnan = _unary("isnan", 'isnan(float("nan"))', "True")
isinf = _unary("isinf", 'isinf(float("inf"))', "True")
isfinite = _unary("isfinite", "isfinite(1.0)", "True")

logical_and = _binary("logical_and", "logical_and(True, False)", "False")
logical_or = _binary("logical_or", "logical_or(True, False)", "True")
logical_xor = _binary("logical_xor", "logical_xor(True, True)", "False")
logical_not = _unary("logical_not", "logical_not(True)", "False")


def positive(x: Like) -> Tensor:
    """x itself.

    Args:
        x: a tensor, any dtype.

    Returns:
        The same tensor.

    Example:
        >>> import chainrule as cr
        >>> float(cr.positive(2.5))
        2.5
    """
    return as_tensor(x)


@public
def reciprocal(x: Like, /) -> Tensor:
    """The reciprocal 1 / x; infinite at 0.

    Args:
        x: a tensor, any dtype but bool; integers are divided as floats.

    Returns:
        A tensor of the shape of x.

    Raises:
        DTypeError: x is of dtype bool.

    Example:
        >>> import chainrule as cr
        >>> float(cr.reciprocal(4.0))
        0.25
    """
    return apply("divide", 1, x)


@public
def where(condition: Like, x: Like, y: Like) -> Tensor:
    """`x` where the condition is true, `y` elsewhere.

    Of the value that is not taken not even a NaN has a say, in the result or in the gradient:
    `where(x > 0, log(x), 0)` has gradient 0 for x <= 0.

    Args:
        condition: a tensor of dtype bool.
        x: a tensor, any dtype.
        y: a tensor, any dtype that combines with that of x.

    Returns:
        A tensor of the shape that the three broadcast to, of the dtype that x and y have together.

    Raises:
        DTypeError: the condition is not bool, or x and y do not combine.
        ShapeError: the three do not broadcast.

    Example:
        >>> import chainrule as cr
        >>> float(cr.where(True, 1.0, 2.0))
        1.0
    """
    return apply("where", condition, x, y)


@public
def clip(x: Like, min: Like | None = None, max: Like | None = None) -> Tensor:
    """`x` where it lies between two bounds, the nearer bound elsewhere.

    The derivative is 1 between the bounds and on them, 0 outside.

    Args:
        x: a tensor, any dtype but bool.
        min: the lower bound, None for no bound; takes the dtype of x.
        max: the upper bound, None for no bound; takes the dtype of x.

    Returns:
        A tensor of the shape that the three broadcast to.

    Raises:
        DTypeError: the operands do not combine.
        ShapeError: the operands do not broadcast.

    Example:
        >>> import chainrule as cr
        >>> float(cr.clip(7.0, 0.0, 1.0))
        1.0
    """
    result = as_tensor(x)
    if min is not None:
        result = apply("maximum", result, min)
    if max is not None:
        result = apply("minimum", result, max)
    return result


@public
def stop_gradient(x: Like) -> Tensor:
    """`x`, as a constant for every derivative.

    Args:
        x: a tensor, any dtype.

    Returns:
        A tensor of the same value.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (), "float64")
        >>> f = cr.function([x], cr.grad(x * cr.stop_gradient(x), x), target="numpy")
        >>> float(f(3.0))
        3.0
    """
    given = as_tensor(x)
    return Tensor(make(STOP_GRADIENT, (given.node,)), given.weak)


@public
def astype(x: Like, dtype: Any) -> Tensor:
    """The elements of `x` in another dtype.

    Floats lose their fraction when they become integers, 0 alone becomes False, and True becomes 1.
    Between floats the derivative is 1.

    Args:
        x: a tensor, any dtype.
        dtype: the new one, by name or as NumPy's.

    Returns:
        A tensor of the shape of x.

    Raises:
        DTypeError: there is no such dtype.

    Example:
        >>> import chainrule as cr
        >>> cr.astype(cr.tensor("x", (3,)), "int64")
        <tensor cast: i64[3]>
    """
    return as_tensor(x).astype(dtype)
