"""Exponentials and logarithms without jumps or calls, so that a loop over them is vector code.

A loop that calls C's functions is not vectorized: it takes 7 to 40 times as long. These are within
1.1 units in the last place (exp, log, log1p), 1.8 (expm1) and 2.6 (tanh), with C's special values.

With x = n log 2 + r, |r| <= log(2) / 2:    exp(x) = 2^n exp(r),
                                            expm1(x) = 2^n expm1(r) + 2^n - 1.
With x = 2^k (1 + f), |log(1 + f)| <= log(2) / 2:    log(x) = k log 2 + log(1 + f).

Source: Muller, "Elementary Functions", 3rd ed., chapters 5 and 11; the logarithm's last step is
that of fdlibm's e_log.c, log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))), s = f / (2 + f).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from llvmlite import ir

from .values import declared


@dataclass(frozen=True, slots=True)
class Format:
    """What the functions need to know of a floating-point type.

    Attributes:
        suffix: of LLVM's intrinsics.
        bits: of the integer of the same size.
        digits: bits of the fraction that are stored.
        bias: what is added to an exponent.
        log2: log 2 in two parts; the first has zeros at its end, so that n times it is exact.
        lowest: below it, exp is 0.
        highest: above it, exp is infinite.
        one: above it, tanh is 1.
        terms: of the series of exp; half as many for the logarithm's.
    """

    suffix: str
    bits: int
    digits: int
    bias: int
    log2: tuple[float, float]
    lowest: float
    highest: float
    one: float
    terms: int

    @property
    def kind(self) -> Any:
        """LLVM's type."""
        return ir.FloatType() if self.bits == 32 else ir.DoubleType()

    @property
    def integer(self) -> Any:
        """LLVM's type of the integer of the same size."""
        return ir.IntType(self.bits)

    def encoded(self, number: float) -> int:
        """The number's bits."""
        letters = "<f", "<i", "<d", "<q"
        real, whole = letters[:2] if self.bits == 32 else letters[2:]
        found: int = struct.unpack(whole, struct.pack(real, number))[0]
        return found


SINGLE = Format("f32", 32, 23, 127, (0.693359375, -2.12194440054690583e-4), -104, 89, 10, 8)
DOUBLE = Format(
    "f64", 64, 52, 1023, (6.93147180369123816490e-1, 1.90821492927058770002e-10), -746, 710, 20, 14
)


@dataclass(frozen=True, slots=True)
class Value:
    """A number in LLVM code, with operators; Python's numbers become constants of its type."""

    builder: Any
    format: Format
    value: Any

    def _other(self, other: Value | float) -> Any:
        return other.value if isinstance(other, Value) else ir.Constant(self.value.type, other)

    def _new(self, value: Any) -> Value:
        return Value(self.builder, self.format, value)

    def __add__(self, other: Value | float) -> Value:
        return self._new(self.builder.fadd(self.value, self._other(other)))

    def __sub__(self, other: Value | float) -> Value:
        return self._new(self.builder.fsub(self.value, self._other(other)))

    def __mul__(self, other: Value | float) -> Value:
        return self._new(self.builder.fmul(self.value, self._other(other)))

    def __truediv__(self, other: Value | float) -> Value:
        return self._new(self.builder.fdiv(self.value, self._other(other)))

    def compare(self, operator: str, other: Value | float) -> Any:
        """A condition, false for NaN."""
        return self.builder.fcmp_ordered(operator, self.value, self._other(other))

    def where(self, condition: Any, other: Value | float) -> Value:
        """This value where the condition holds, else the other."""
        return self._new(self.builder.select(condition, self.value, self._other(other)))

    def like(self, number: float) -> Value:
        """A constant of the same type."""
        return self._new(ir.Constant(self.value.type, number))

    def call(self, name: str, *others: Value | float) -> Value:
        """LLVM's intrinsic of this name."""
        values = [self.value, *map(self._other, others)]
        name = f"llvm.{name}.{self.format.suffix}"
        function = declared(self.builder, name, self.value.type, values)
        return self._new(self.builder.call(function, values))

    def times_plus(self, factor: Value | float, term: Value | float) -> Value:
        """`self * factor + term`, rounded once where the processor can."""
        return self.call("fmuladd", factor, term)

    def bits(self) -> Any:
        """The integer of the same bits."""
        return self.builder.bitcast(self.value, self.format.integer)

    def from_bits(self, bits: Any) -> Value:
        """The number of these bits."""
        return self._new(self.builder.bitcast(bits, self.format.kind))

    def is_nan(self) -> Any:
        """Whether it is not a number."""
        return self.builder.fcmp_unordered("uno", self.value, self.value)


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """The sum of c[i] x^i, by Horner's rule."""
    *rest, last = coefficients
    return reduce(lambda sum, c: sum.times_plus(x, c), reversed(rest), x.like(last))


def power_of_two(n: Value) -> Value:
    """2^n for an integer n that is an exponent: shift it to where exponents are.

    Adding 1.5 * 2^digits leaves n, and the bias, in the lowest bits of the fraction.
    """
    low = n + (1.5 * 2.0**n.format.digits + n.format.bias)
    return n.from_bits(n.builder.shl(low.bits(), ir.Constant(n.format.integer, n.format.digits)))


def _reduced(x: Value) -> tuple[Value, Value]:
    """n and r, of a finite x."""
    n = (x * (1 / math.log(2))).call("rint")
    high, low = x.format.log2
    return n, n.times_plus(-low, n.times_plus(-high, x))


def _expm1_reduced(r: Value) -> Value:
    """exp(r) - 1 by Taylor's series: r + r^2 (1/2 + r/6 + ...)."""
    series = polynomial(r, [1 / math.factorial(i) for i in range(2, r.format.terms)])
    return (r * r).times_plus(series, r)


def exp(x: Value) -> Value:
    """e^x."""
    inside = x.where(x.compare("<", x.format.highest), float(x.format.highest))
    inside = inside.where(inside.compare(">", x.format.lowest), float(x.format.lowest))
    n, r = _reduced(inside)
    # In two factors: 2^n itself may be too large, or too small.
    half = (n * 0.5).call("rint")
    power = (_expm1_reduced(r) + 1.0) * power_of_two(half) * power_of_two(n - half)
    return x.where(x.is_nan(), power)


def expm1(x: Value) -> Value:
    """e^x - 1."""
    limit = 2.0 * -x.format.digits  # there it is -1
    inside = x.where(x.compare("<", x.format.highest), float(x.format.highest))
    inside = inside.where(inside.compare(">", limit), limit)
    n, r = _reduced(inside)
    half = power_of_two(n - 1.0)  # 2^n may be too large
    value = half.times_plus(_expm1_reduced(r), half - 0.5) * 2.0
    value = x.where(x.is_nan(), value)
    return x.where(x.compare("==", 0.0), value)  # -0 stays -0


def tanh(x: Value) -> Value:
    """(e^2x - 1) / (e^2x + 1), from the side where nothing cancels."""
    size = x.call("fabs")
    inside = size.where(size.compare("<", x.format.one), float(x.format.one))
    n, r = _reduced(inside * 2.0)
    power = power_of_two(n)
    above = power.times_plus(_expm1_reduced(r), power - 1.0)
    return x.where(x.is_nan(), (above / (above + 2.0)).call("copysign", x))


def _log_one_plus(f: Value, k: Value, low: Value | float) -> Value:
    """k log 2 + log(1 + f) + low."""
    s = f / (f + 2.0)
    half_square = f * f * 0.5
    z = s * s
    rest = z * polynomial(z, [2 / (2 * i + 1) for i in range(1, f.format.terms - 2)])
    high_log2, low_log2 = f.format.log2
    correction = k.times_plus(low_log2, low)
    inner = half_square - s.times_plus(half_square + rest, correction)
    return k * high_log2 - (inner - f)


def _split(x: Value) -> tuple[Value, Value]:
    """k and 1 + f, of a positive normal x."""
    builder, format = x.builder, x.format

    def constant(bits: int) -> Any:
        return ir.Constant(format.integer, bits)

    root, one = format.encoded(math.sqrt(0.5)), format.encoded(1.0)
    moved = builder.add(x.bits(), constant(one - root))
    exponent = builder.lshr(moved, constant(format.digits))
    # An integer in the fraction of 2^digits is a float, without a conversion.
    k = x.from_bits(builder.or_(exponent, constant(format.encoded(2.0**format.digits))))
    fraction = builder.and_(moved, constant(2**format.digits - 1))
    one_plus_f = x.from_bits(builder.add(fraction, constant(root)))
    return k - (2.0**format.digits + format.bias), one_plus_f


def log(x: Value) -> Value:
    """The natural logarithm."""
    scale = x.format.digits + 2
    small = x.compare("<", 2.0 ** (2 - x.format.bias))
    normal = (x * 2.0**scale).where(small, x)
    k, one_plus_f = _split(normal)
    k = (k - float(scale)).where(small, k)
    return _log_special(x, _log_one_plus(one_plus_f - 1.0, k, 0.0))


def log1p(x: Value) -> Value:
    """log(1 + x): what 1 + x rounds away is added again."""
    u = x + 1.0
    lost = x - (u - 1.0)
    lost = (x.like(1.0) - (u - x)).where(u.compare(">", 2.0), lost)
    k, one_plus_f = _split(u)
    exact = k.compare("==", 0.0)
    f = x.where(exact, one_plus_f - 1.0)
    low = x.like(0.0).where(exact, lost / u)
    value = _log_special(u, _log_one_plus(f, k, low))
    return x.where(x.compare("==", 0.0), value)


def _log_special(x: Value, value: Value) -> Value:
    """The logarithms of what is not positive and finite."""
    value = x.where(x.compare("==", math.inf), value)
    value = x.like(-math.inf).where(x.compare("==", 0.0), value)
    value = x.like(math.nan).where(x.compare("<", 0.0), value)
    return x.where(x.is_nan(), value)
