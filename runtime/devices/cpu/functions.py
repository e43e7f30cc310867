"""Functions of one element, under the names of the language: one call or a few instructions each.

Every function takes float32 and gives float32, or takes float64 and gives float64; the special
values are those of C99, which are NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from . import circular, elementary, gaussian, inverse
from .floating import DOUBLE, REASSOCIATED, SINGLE, Value as Real
from .kinds import BOOL, FLOAT32, Kind, Number
from .routines import Intrinsic
from .values import Scalar, Value, declared

BIT = ir.IntType(1)
FLOAT, NUMBER = "floats", "floats and signed integers"


def call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Call of a function without side effects, of C or of LLVM, declared on first use."""
    function = declared(builder, name, result, arguments)
    if not name.startswith("llvm."):
        function.attributes.add("readnone")
        function.attributes.add("nounwind")
    return builder.call(function, arguments)


def by_type(name: str, real: Any) -> str:
    """A function's name for float32 or float64: `llvm.exp.f32`, or C's `tanhf`."""
    single = isinstance(real, ir.FloatType)
    if name.startswith("llvm."):
        return name + (".f32" if single else ".f64")
    return name + "f" if single else name


def _function(name: str, arity: int = 1) -> Any:
    """The function of C or LLVM called `name`, for the type of its arguments."""

    def lower(builder: Any, arguments: list[Any], kind: Any) -> Any:
        real = arguments[0].type
        return call(builder, by_type(name, real), real, arguments)

    return _row(arity, lower, FLOAT)


def _row(
    arity: int, lower: Callable[..., Any], accepts: str, result: Number | None = None
) -> Intrinsic:
    """A function of `arity` numbers of one type; `lower` gets builder, values and their type."""

    def infer(*kinds: Kind) -> Kind | None:
        if len(set(kinds)) != 1 or not isinstance(kinds[0], Number):
            return None
        fits = kinds[0].is_float or (accepts == NUMBER and kinds[0].family == "signed")
        return (result or kinds[0]) if fits else None

    def generate(builder: Any, *arguments: Scalar) -> Value:
        kind = arguments[0].kind
        value = lower(builder, [argument.value for argument in arguments], kind)
        return Scalar(result or kind, value)

    return Intrinsic(arity, infer, generate)


def _vector(function: Callable[..., Real], arity: int = 1) -> Intrinsic:
    """One of our own, without jumps or calls: loops over it become vector code."""

    def lower(builder: Any, arguments: list[Any], kind: Any) -> Any:
        format = SINGLE if kind is FLOAT32 else DOUBLE
        return function(*(Real(builder, format, argument) for argument in arguments)).value

    return _row(arity, lower, FLOAT)


def _single_vector(function: Callable[..., Real], arity: int = 1) -> Intrinsic:
    """One of our own for float32, and the function of C of this name for float64."""
    single, double = _vector(function, arity), _function(function.__name__, arity)

    def lower(builder: Any, *arguments: Scalar) -> Value:
        chosen = single if arguments[0].kind is FLOAT32 else double
        return chosen.lower(builder, *arguments)

    return Intrinsic(arity, single.infer, lower)


exp, expm1, log, log1p = map(
    _vector, (elementary.exp, elementary.expm1, elementary.log, elementary.log1p)
)
log2, log10, tanh, sigmoid = map(
    _vector, (elementary.log2, elementary.log10, elementary.tanh, elementary.sigmoid)
)
sinh, cosh = _vector(elementary.sinh), _vector(elementary.cosh)
sin, cos, tan = map(_vector, (circular.sin, circular.cos, circular.tan))
erf, erfc = _vector(gaussian.erf), _vector(gaussian.erfc)
sqrt, floor, ceil, trunc = map(_function, ("llvm.sqrt", "llvm.floor", "llvm.ceil", "llvm.trunc"))
round = _function("llvm.rint")  # halves to even, as the processor rounds
asin, acos, atan = map(_single_vector, (inverse.asin, inverse.acos, inverse.atan))
asinh, acosh, atanh = map(_single_vector, (inverse.asinh, inverse.acosh, inverse.atanh))
atan2, hypot = _single_vector(inverse.atan2, 2), _function("hypot", 2)
copysign = _function("llvm.copysign", 2)


def _abs(builder: Any, arguments: list[Any], kind: Any) -> Any:
    (x,) = arguments
    if kind.is_float:
        return call(builder, by_type("llvm.fabs", x.type), x.type, [x])
    zero = ir.Constant(x.type, 0)
    return builder.select(builder.icmp_signed("<", x, zero), builder.neg(x), x)


def _sign(builder: Any, arguments: list[Any], kind: Any) -> Any:
    """-1, 0 or 1; NaN stays NaN."""
    (x,) = arguments
    zero, one, minus = (ir.Constant(x.type, value) for value in (0, 1, -1))
    if kind.is_float:
        below = builder.select(builder.fcmp_ordered("<", x, zero), minus, zero)
        known = builder.select(builder.fcmp_ordered(">", x, zero), one, below)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, known)
    below = builder.select(builder.icmp_signed("<", x, zero), minus, zero)
    return builder.select(builder.icmp_signed(">", x, zero), one, below)


# Of 0 and -0 either may be the larger one: that takes half as many instructions.
ANY_ZERO = ("nsz",)


def _extremum(name: str, operator: str) -> Callable[..., Any]:
    """`llvm.maximum` or `llvm.minimum`, which are NaN where either operand is."""

    def lower(builder: Any, arguments: list[Any], kind: Any) -> Any:
        x, y = arguments
        if kind.is_float:
            function = declared(builder, by_type(f"llvm.{name}", x.type), x.type, [x, y])
            return builder.call(function, [x, y], fastmath=ANY_ZERO)
        return builder.select(builder.icmp_signed(operator, x, y), x, y)

    return lower


def _lgamma(builder: Any, arguments: list[Any], kind: Any) -> Any:
    """C's lgamma, but at -inf, where there is no limit, SciPy's -inf."""
    (x,) = arguments
    least = ir.Constant(x.type, float("-inf"))
    value = call(builder, by_type("lgamma", x.type), x.type, [x])
    return builder.select(builder.fcmp_ordered("==", x, least), least, value)


lgamma = _row(1, _lgamma, FLOAT)
abs = _row(1, _abs, NUMBER)
sign = _row(1, _sign, NUMBER)
maximum = _row(2, _extremum("maximum", ">"), NUMBER)
minimum = _row(2, _extremum("minimum", "<"), NUMBER)


def _isnan(builder: Any, arguments: list[Any], kind: Any) -> Any:
    (x,) = arguments
    return builder.fcmp_unordered("uno", x, x)


def _against_infinity(operator: str) -> Callable[..., Any]:
    """Compare `abs(x)` with infinity; NaN compares false."""

    def lower(builder: Any, arguments: list[Any], kind: Any) -> Any:
        size = _abs(builder, arguments, kind)
        return builder.fcmp_ordered(operator, size, ir.Constant(size.type, float("inf")))

    return lower


isnan = _row(1, _isnan, FLOAT, BOOL)
isinf = _row(1, _against_infinity("=="), FLOAT, BOOL)
isfinite = _row(1, _against_infinity("<"), FLOAT, BOOL)


def _divided(builder: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Integer quotient and remainder rounded to zero, and whether rounding down differs.

    Nothing divides by zero, and nothing divides by -1, which overflows for the least integer.
    """
    zero = ir.Constant(x.type, 0)
    if isinstance(y, ir.Constant) and y.constant > 0:
        rest = builder.srem(x, y)
        return builder.sdiv(x, y), rest, builder.icmp_signed("<", rest, zero)
    one, minus = (ir.Constant(x.type, value) for value in (1, -1))
    by_zero, by_minus = builder.icmp_signed("==", y, zero), builder.icmp_signed("==", y, minus)
    safe = builder.select(builder.or_(by_zero, by_minus), one, y)
    quotient, rest = builder.sdiv(x, safe), builder.srem(x, safe)
    quotient = builder.select(by_zero, zero, builder.select(by_minus, builder.neg(x), quotient))
    rest = builder.select(by_zero, zero, rest)
    unlike = builder.icmp_signed("<", builder.xor(rest, y), zero)
    return quotient, rest, builder.and_(builder.icmp_signed("!=", rest, zero), unlike)


def _remainder(builder: Any, arguments: list[Any], kind: Any) -> Any:
    """The remainder with the sign of the divisor, as NumPy's; an integer's by 0 is 0."""
    x, y = arguments
    if kind.is_integer:
        _, rest, differs = _divided(builder, x, y)
        return builder.select(differs, builder.add(rest, y), rest)
    zero = ir.Constant(x.type, 0.0)
    rest = call(builder, by_type("fmod", x.type), x.type, [x, y])
    unlike = builder.xor(builder.fcmp_ordered("<", rest, zero), builder.fcmp_ordered("<", y, zero))
    some = builder.fcmp_unordered("!=", rest, zero)
    signed = call(builder, by_type("llvm.copysign", x.type), x.type, [zero, y])
    moved = builder.select(unlike, builder.fadd(rest, y), rest)
    return builder.select(some, moved, signed)


def _floor_divide(builder: Any, arguments: list[Any], kind: Any) -> Any:
    """The quotient rounded down, as NumPy's: (x - remainder) / y, made an integer."""
    x, y = arguments
    if kind.is_integer:
        quotient, _, differs = _divided(builder, x, y)
        return builder.select(differs, builder.sub(quotient, ir.Constant(x.type, 1)), quotient)
    zero, half, one = (ir.Constant(x.type, value) for value in (0.0, 0.5, 1.0))
    rest = call(builder, by_type("fmod", x.type), x.type, [x, y])
    quotient = builder.fdiv(builder.fsub(x, rest), y)
    unlike = builder.and_(
        builder.fcmp_unordered("!=", rest, zero),
        builder.xor(builder.fcmp_ordered("<", rest, zero), builder.fcmp_ordered("<", y, zero)),
    )
    quotient = builder.select(unlike, builder.fsub(quotient, one), quotient)
    whole = call(builder, by_type("llvm.floor", x.type), x.type, [quotient])
    up = builder.fcmp_ordered(">", builder.fsub(quotient, whole), half)
    whole = builder.select(up, builder.fadd(whole, one), whole)
    plain = builder.fdiv(x, y)
    signed = call(builder, by_type("llvm.copysign", x.type), x.type, [zero, plain])
    result = builder.select(builder.fcmp_unordered("!=", quotient, zero), whole, signed)
    return builder.select(builder.fcmp_ordered("==", y, zero), plain, result)


remainder = _row(2, _remainder, NUMBER)
floor_divide = _row(2, _floor_divide, NUMBER)


def _power(builder: Any, arguments: list[Any], kind: Any) -> Any:
    """C's pow. Integers wrap around; a negative power of one is 1 / x^n, rounded to zero."""
    x, y = arguments
    if kind is FLOAT32:
        base, exponent = (Real(builder, SINGLE, argument) for argument in arguments)
        return inverse.power(base, exponent).value
    if kind.is_float:
        return call(builder, by_type("llvm.pow", x.type), x.type, [x, y])
    zero, one, minus = (ir.Constant(x.type, value) for value in (0, 1, -1))
    before = builder.block
    loop, end = builder.append_basic_block("power"), builder.append_basic_block("power.end")
    builder.cbranch(builder.icmp_signed(">", y, zero), loop, end)
    builder.position_at_end(loop)
    # Square and multiply: result * base^left = x^y all along.
    result, base, left = (builder.phi(x.type) for _ in range(3))
    factor = builder.select(builder.trunc(left, BIT), base, one)
    steps = (builder.mul(result, factor), builder.mul(base, base), builder.lshr(left, one))
    for phi, first, later in zip((result, base, left), (one, x, y), steps, strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(later, loop)
    builder.cbranch(builder.icmp_signed(">", steps[2], zero), loop, end)
    builder.position_at_end(end)
    power = builder.phi(x.type)
    power.add_incoming(one, before)
    power.add_incoming(steps[0], loop)
    sign = builder.select(builder.trunc(y, BIT), x, one)
    is_unit = builder.or_(builder.icmp_signed("==", x, one), builder.icmp_signed("==", x, minus))
    below = builder.select(is_unit, sign, zero)
    return builder.select(builder.icmp_signed("<", y, zero), below, power)


pow = _row(2, _power, NUMBER)


def _chosen(condition: Kind, x: Kind, y: Kind) -> Kind | None:
    return x if condition is BOOL and x == y and isinstance(x, Number) else None


def _choose(builder: Any, condition: Scalar, x: Scalar, y: Scalar) -> Value:
    values = [_unfolded(builder, x), _unfolded(builder, y)]
    return Scalar(x.kind, builder.select(condition.value, *values))


def _unfolded(builder: Any, x: Scalar) -> Any:
    """A value; of a constant infinity LLVM is not told which it is.

    The largest of `where(c, x, -inf)` would else become a largest that is updated where c holds, of
    which no vector code is made: the softmax of masked scores took eleven times as long.
    """
    if not x.kind.is_float or x.constant is None or not math.isinf(x.constant):
        return x.value
    real = x.value.type
    with builder.goto_entry_block():
        return call(builder, by_type("llvm.arithmetic.fence", real), real, [x.value])


# `x` if the condition holds, else `y`, without a jump: both have been computed.
where = Intrinsic(3, _chosen, _choose)


def _added(total: Kind, term: Kind) -> Kind | None:
    return total if total == term and isinstance(total, Number) and total.is_float else None


def _add(builder: Any, total: Scalar, term: Scalar) -> Value:
    return Scalar(total.kind, builder.fadd(total.value, term.value, flags=REASSOCIATED))


# `total + term`, where terms may be added in any order: such a loop vectorizes.
accumulate = Intrinsic(2, _added, _add)
