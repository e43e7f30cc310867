"""Exponentials and logarithms without jumps or calls, so that a loop over them is vector code.

A loop that calls C's functions is not: it takes 7 to 40 times as long. docs/numbers.md says how
close each is; the special values are C's.

With x = n log 2 + r, |r| <= log(2) / 2:    exp(x) = 2^n exp(r),
                                            expm1(x) = 2^n expm1(r) + 2^n - 1.
With x = 2^k (1 + f), |log(1 + f)| <= log(2) / 2:    log(x) = k log 2 + log(1 + f).

Source: Muller, "Elementary Functions", 3rd ed., chapters 5 and 11; the logarithm's last step is
that of fdlibm's e_log.c, log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))), s = f / (2 + f).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext

from .floating import DOUBLE, SINGLE, Value, polynomial


@dataclass(frozen=True, slots=True)
class Range:
    """What exponentials and logarithms need to know of a type.

    Attributes:
        log2: log 2 in two parts; the first has zeros at its end, so that n times it is exact.
        lowest: below it, exp is 0.
        highest: above it, exp is infinite.
        one: above it, tanh is 1.
        terms: of the series of exp; half as many for the logarithm's.
    """

    log2: tuple[float, float]
    lowest: float
    highest: float
    one: float
    terms: int


LOG2 = (6.93147180369123816490e-1, 1.90821492927058770002e-10)
RANGES = {
    SINGLE: Range((0.693359375, -2.12194440054690583e-4), -104.0, 89.0, 10.0, 8),
    DOUBLE: Range(LOG2, -746.0, 710.0, 20.0, 14),
}
# For |x| < 0.625, tanh(x) = x + x^3 P(x^2) / Q(x^2). Source: Moshier, Cephes, tanh.c.
TANH_P = (-1614.68768441708447952, -99.2877231001918586564, -0.964399179425052238628)
TANH_Q = (4844.06305325125486048, 2235.48839060100448583, 112.811678491632931402, 1.0)
TANH_SMALL = 0.625


def power_of_two(n: Value) -> Value:
    """2^n for an integer n that is an exponent: shift it to where exponents are.

    Adding 1.5 * 2^digits leaves n, and the bias, in the lowest bits of the fraction.
    """
    low = n + (1.5 * 2.0**n.format.digits + n.format.bias)
    return n.from_bits(n.builder.shl(low.bits(), n.whole(n.format.digits)))


def scaled(x: Value, n: Value) -> Value:
    """x 2^n, in two factors: 2^n itself may be too large, or too small."""
    half = (n * 0.5).call("rint")
    return x * power_of_two(half) * power_of_two(n - half)


def reduced(x: Value) -> tuple[Value, Value]:
    """n and r, of a finite x."""
    n = (x * (1 / math.log(2))).call("rint")
    high, low = RANGES[x.format].log2
    return n, n.times_plus(-low, n.times_plus(-high, x))


def expm1_reduced(r: Value, terms: int = 0) -> Value:
    """exp(r) - 1 by Taylor's series: r + r^2 (1/2 + r/6 + ...)."""
    terms = terms or RANGES[r.format].terms
    series = polynomial(r, [1 / math.factorial(i) for i in range(2, terms)])
    return (r * r).times_plus(series, r)


def exp(x: Value) -> Value:
    """e^x."""
    n, r = reduced(x.within(RANGES[x.format].lowest, RANGES[x.format].highest))
    return scaled(expm1_reduced(r) + 1.0, n)


def expm1(x: Value) -> Value:
    """e^x - 1."""
    limit = 2.0 * -x.format.digits  # there it is -1
    n, r = reduced(x.within(limit, RANGES[x.format].highest))
    half = power_of_two(n - 1.0)  # 2^n may be too large
    value = half.times_plus(expm1_reduced(r), half - 0.5) * 2.0
    return x.where(x.compare("==", 0.0), value)  # -0 stays -0


def sigmoid(x: Value) -> Value:
    """1 / (1 + e^-x) is 1 / (1 + e) or e / (1 + e) with e = e^-|x|, which is that of -x too.

    Where e is too small to be normal it is computed times 2^bits. What 1 + e rounds away is made
    good: 1 / (1 + e) is the value itself, or what it lacks to 1.
    """
    n, r = reduced(-abs(x).within(0.0, -RANGES[x.format].lowest))
    up, down = 2.0**x.format.bits, 2.0**-x.format.bits
    large = (expm1_reduced(r) + 1.0) * power_of_two(n + float(x.format.bits))
    under = large.times_plus(down, 1.0)
    lost = large.times_plus(down, -(under - 1.0))
    positive = x.compare(">=", 0.0)
    value = x.like(up).where(positive, large) / under
    part = value * down
    inverse = part.where(positive, part.like(1.0) - part)
    return value.times_plus(-(lost * inverse), value) * down


def tanh(x: Value) -> Value:
    """1 - 2 / (e^2x + 1), and near 0 a quotient of polynomials; with one division for both."""
    size = abs(x).within(0.0, RANGES[x.format].one)
    n, r = reduced(size * 2.0)
    under = (expm1_reduced(r) + 1.0).times_plus(power_of_two(n), 1.0)
    small, square = size.compare("<", TANH_SMALL), size * size
    over = (size * square * polynomial(square, TANH_P)).where(small, -2.0)
    under = polynomial(square, TANH_Q).where(small, under)
    return (size.where(small, 1.0) + over / under).call("copysign", x)


def sinh(x: Value) -> Value:
    """(E + E / (E + 1)) / 2 with E = expm1(|x|), in quarters: E may be too large."""
    size = abs(x).within(0.0, RANGES[x.format].highest + 0.5)
    n, r = reduced(size)
    quarter = power_of_two(n - 2.0)
    part = quarter.times_plus(expm1_reduced(r), quarter - 0.25)
    value = (part + part / part.times_plus(4.0, 1.0)) * 2.0
    return x.where(size.compare("<", 2.0 ** -(x.format.digits // 2 + 2)), value.call("copysign", x))


def cosh(x: Value) -> Value:
    """(e + 1 / e) / 2 with e = exp(|x|), in quarters: e may be too large."""
    n, r = reduced(abs(x).within(0.0, RANGES[x.format].highest + 0.5))
    quarter = (expm1_reduced(r) + 1.0) * power_of_two(n - 2.0)
    return (quarter + x.like(0.0625) / quarter) * 2.0


# Logarithms


def _series(f: Value) -> tuple[Value, Value]:
    """f^2/2 and s (f^2/2 + R): log(1 + f) = f - (f^2/2 - s (f^2/2 + R))."""
    s = f / (f + 2.0)
    half_square = f * f * 0.5
    z = s * s
    rest = z * polynomial(z, [2 / (2 * i + 1) for i in range(1, RANGES[f.format].terms - 2)])
    return half_square, s * (half_square + rest)


def _log_one_plus(f: Value, k: Value, low: Value | float) -> Value:
    """k log 2 + log(1 + f) + low."""
    half_square, rest = _series(f)
    high_log2, low_log2 = RANGES[f.format].log2
    inner = half_square - (rest + k.times_plus(low_log2, low))
    return k * high_log2 - (inner - f)


def _split(x: Value) -> tuple[Value, Value]:
    """k and 1 + f, of a positive normal x."""
    builder, format = x.builder, x.format
    root, one = format.encoded(math.sqrt(0.5)), format.encoded(1.0)
    moved = builder.add(x.bits(), x.whole(one - root))
    exponent = builder.lshr(moved, x.whole(format.digits))
    # An integer in the fraction of 2^digits is a float, without a conversion.
    k = x.from_bits(builder.or_(exponent, x.whole(format.encoded(2.0**format.digits))))
    fraction = builder.and_(moved, x.whole(2**format.digits - 1))
    one_plus_f = x.from_bits(builder.add(fraction, x.whole(root)))
    return k - (2.0**format.digits + format.bias), one_plus_f


def _split_any(x: Value) -> tuple[Value, Value]:
    """k and f, of a positive x."""
    scale = x.format.digits + 2
    small = x.compare("<", 2.0 ** (2 - x.format.bias))
    k, one_plus_f = _split((x * 2.0**scale).where(small, x))
    return (k - float(scale)).where(small, k), one_plus_f - 1.0


def log(x: Value) -> Value:
    """The natural logarithm."""
    k, f = _split_any(x)
    return _log_special(x, _log_one_plus(f, k, 0.0))


def log_normal(x: Value) -> Value:
    """The natural logarithm, where no positive number is smaller than the normal ones."""
    k, one_plus_f = _split(x)
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


def log2(x: Value) -> Value:
    """The logarithm to base 2."""
    return _log_to_base(x, 2)


def log10(x: Value) -> Value:
    """The logarithm to base 10."""
    return _log_to_base(x, 10)


def _log_to_base(x: Value, base: int) -> Value:
    """k log_b 2 + log(1 + f) log_b e, each in two parts whose products are exact.

    Source: the way of FreeBSD's e_log2.c and e_log10.c.
    """
    k, f = _split_any(x)
    half_square, rest = _series(f)
    high = (f - half_square).leading()
    low = (f - high) - half_square + rest
    with localcontext(prec=50):
        e_high, e_low = _parts(1 / Decimal(base).ln(), x)
        two_high, two_low = _parts(Decimal(2).ln() / Decimal(base).ln(), x)
    large, part = k * two_high, high * e_high
    small = (low + high).times_plus(e_low, low.times_plus(e_high, k * two_low))
    total = large + part
    return _log_special(x, total + (small + ((large - total) + part)))


def _parts(number: Decimal, x: Value) -> tuple[float, float]:
    """A constant as two of x's type; the first has as few digits as x.leading()."""
    _, exponent = math.frexp(float(number))
    unit = 2.0 ** (exponent - (x.format.digits + 1 - x.short))
    high = math.floor(float(number) / unit) * unit
    return high, float(number - Decimal(high))


def _log_special(x: Value, value: Value) -> Value:
    """The logarithms of what is not positive and finite."""
    other = x.like(-math.inf).where(x.compare("==", 0.0), math.nan)
    other = x.where(x.compare(">", 0.0), other)  # infinity is its own logarithm
    usual = x.builder.and_(x.compare(">", 0.0), x.compare("<", math.inf))
    return value.where(usual, other)
