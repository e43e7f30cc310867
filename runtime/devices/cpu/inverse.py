"""Inverse functions and powers of float32 without jumps or calls, computed in float64.

Its digits to spare let the plain formulas be right to the last unit; for a float64 itself C's
functions are called.
"""

from __future__ import annotations

import math

from .elementary import expm1_reduced, log_normal, power_of_two, reduced
from .floating import DOUBLE, SINGLE, Value, polynomial

# (arctan(t)/t - 1)/t^2 in t^2, for 0 <= t <= 1: by Chebyshev interpolation, within 2^-33.
ARCTANGENT = (
    -0.3333333332694414,
    0.19999998154086215,
    -0.14285624891483525,
    0.11109392308322223,
    -0.09073553118976409,
    0.0758665283364667,
    -0.06246315194128317,
    0.047294798621813336,
    -0.02991311194551696,
    0.014072923344697239,
    -0.0042216579909296476,
    0.0005930437556365282,
)
TERMS = 9  # of the series of exp


def _arctangent(y: Value, x: Value) -> Value:
    """The angle of (x, y), neither of which is negative, from 0 to pi/2."""
    steep = y.compare(">", x)
    t = x.where(steep, y) / y.where(steep, x)
    square = t * t
    angle = t.times_plus(square * polynomial(square, ARCTANGENT), t)
    return (angle.like(math.pi / 2) - angle).where(steep, angle)


def atan(x: Value) -> Value:
    """The arctangent, from -pi/2 to pi/2."""
    wide = x.to(DOUBLE)
    return _arctangent(abs(wide), wide.like(1.0)).to(SINGLE).call("copysign", x)


def atan2(y: Value, x: Value) -> Value:
    """The angle of (x, y), from -pi to pi; of zeros and of infinities what C says."""
    above, along = abs(y.to(DOUBLE)), abs(x.to(DOUBLE))
    builder, one = x.builder, above.like(1.0)
    infinite = builder.and_(above.compare("==", math.inf), along.compare("==", math.inf))
    none = builder.and_(above.compare("==", 0.0), along.compare("==", 0.0))
    above, along = one.where(infinite, above), one.where(builder.or_(infinite, none), along)
    angle = _arctangent(above, along)
    left = builder.icmp_signed("<", x.bits(), x.whole(0))
    return (angle.like(math.pi) - angle).where(left, angle).to(SINGLE).call("copysign", y)


def asin(x: Value) -> Value:
    """The arcsine, from -pi/2 to pi/2: the angle of (sqrt(1 - x^2), x)."""
    size = abs(x.to(DOUBLE))
    along = ((size.like(1.0) - size) * (size + 1.0)).call("sqrt")
    return _arctangent(size, along).to(SINGLE).call("copysign", x)


def acos(x: Value) -> Value:
    """The arccosine, from 0 to pi: twice the angle of (sqrt(1 + x), sqrt(1 - x))."""
    wide = x.to(DOUBLE)
    above, along = ((wide.like(1.0) - wide).call("sqrt"), (wide + 1.0).call("sqrt"))
    return (_arctangent(above, along) * 2.0).to(SINGLE)


def _odd(x: Value, value: Value) -> Value:
    """With the sign of x; and x itself where it is so small that the cube is nothing beside it."""
    return x.where(abs(x).compare("<", 2.0**-13), value.to(SINGLE).call("copysign", x))


def asinh(x: Value) -> Value:
    """log(x + sqrt(x^2 + 1))."""
    size = abs(x.to(DOUBLE))
    return _odd(x, log_normal(size + size.times_plus(size, 1.0).call("sqrt")))


def acosh(x: Value) -> Value:
    """log(x + sqrt(x^2 - 1)), from 1 on."""
    wide = x.to(DOUBLE)
    root = ((wide - 1.0) * (wide + 1.0)).call("sqrt")
    value = log_normal(wide + root).to(SINGLE)
    return value.where(x.compare(">=", 1.0), math.nan)


def atanh(x: Value) -> Value:
    """log((1 + x) / (1 - x)) / 2."""
    size = abs(x.to(DOUBLE))
    return _odd(x, log_normal((size + 1.0) / (size.like(1.0) - size)) * 0.5)


def power(x: Value, y: Value) -> Value:
    """x^y as exp(y log|x|), with C's special values."""
    size = abs(x)
    exponent = y.to(DOUBLE) * log_normal(size.to(DOUBLE))
    # 1 to an infinite power is 1.
    exponent = exponent.like(0.0).where(size.compare("==", 1.0), exponent)
    n, r = reduced(exponent.within(-200.0, 200.0))
    value = ((expm1_reduced(r, TERMS) + 1.0) * power_of_two(n)).to(SINGLE)
    whole, half = y.call("rint"), y * 0.5
    is_whole = y.compare("==", whole)
    is_odd = y.builder.and_(is_whole, y.builder.not_(half.compare("==", half.call("rint"))))
    value = value.call("copysign", x).where(is_odd, value)
    negative = x.builder.and_(x.compare("<", 0.0), x.compare(">", -math.inf))
    value = value.where(x.builder.or_(is_whole, x.builder.not_(negative)), math.nan)
    one = x.builder.or_(y.compare("==", 0.0), x.compare("==", 1.0))
    return x.like(1.0).where(one, value)
