"""Sine, cosine and tangent without jumps or calls, right for numbers of every size.

x is q + f quarter turns, |f| <= 1/2; then sin and cos of f pi/2 are polynomials. q and f are found
by multiplying x with the digits of 2/pi that matter: with x = y 2^s and y whole, (2/pi 2^s) mod 4
times y, modulo 4. A float32 is multiplied in float64, by parts short enough for exact products;
for a float64 there is a table, and what products round away is added again.

Source: Payne and Hanek 1983, "Radian reduction for trigonometric functions", with tables by ranges
of exponents; the last steps of sin and cos are those of fdlibm's k_sin.c and k_cos.c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from llvmlite import ir

from .floating import DOUBLE, SINGLE, Value, polynomial, two_sum
from .kinds import INT64_TYPE

BITS = 1200  # of 2/pi that are known
WINDOW = 27  # a float32 from 2^(23 + i WINDOW) on is a multiple of 2^(i WINDOW)
ROW = 32  # the same for the rows of the table, from 2^52 on
HALF_PI = (math.pi / 2, 6.123233995736766e-17)

# (sin(r)/r - 1)/r^2 and (cos(r) - 1 + r^2/2)/r^4 in r^2, for |r| <= pi/4: by Chebyshev
# interpolation, for results of float32 and of float64.
SIN = {
    SINGLE: (
        -0.16666666663624022,
        0.00833333178567173,
        -0.00019840039113012213,
        2.7243811975258105e-06,
    ),
    DOUBLE: (
        -0.16666666666666666,
        0.008333333333333331,
        -0.0001984126984126457,
        2.755731921895673e-06,
        -2.5052106100926675e-08,
        1.605851097953535e-10,
        -7.58549250782124e-13,
    ),
}
COS = {
    SINGLE: (
        0.04166666666412821,
        -0.0013888887597706746,
        2.4800560630606344e-05,
        -2.7295856339546005e-07,
    ),
    DOUBLE: (
        0.041666666666666664,
        -0.0013888888888887241,
        2.4801587298533456e-05,
        -2.755731715246704e-07,
        2.087612165887116e-09,
        -1.1380876948169717e-11,
    ),
}


@cache
def two_over_pi() -> int:
    """floor(2^BITS 2/pi), with pi by Machin's formula."""
    spare = 64

    def arctangent(n: int) -> int:
        """arctan(1/n) by its series."""
        power = total = (1 << BITS + spare) // n
        k = 1
        while power:
            power //= n * n
            k += 2
            total += -power // k if k % 4 == 3 else power // k
        return total

    pi = 4 * (4 * arctangent(5) - arctangent(239))
    return (1 << 2 * BITS + spare + 1) // pi


def pieces(shift: int, sizes: Sequence[int]) -> list[float]:
    """(2/pi 2^shift) mod 4 as the sum of numbers of so many bits each."""
    known = BITS - shift
    rest = two_over_pi() & ((1 << known + 2) - 1)
    found, end = [], known + 2
    for size in sizes:
        end -= size
        piece, rest = rest >> end, rest & ((1 << end) - 1)
        found.append(math.ldexp(piece, end - known))
    return found


def _fraction(x: Value) -> tuple[Value, Value]:
    """The nearest integer, and what is left."""
    whole = x.call("rint")
    return whole, x - whole


def _modulo_four(whole: Value) -> Value:
    """An integer modulo 4, of any size."""
    return whole - (whole * 0.25).call("rint") * 4.0


def _single(x: Value) -> tuple[Value, Value, Value]:
    """Quarter turns, and what is left of a float32 in radians, as float64; nothing is left over."""
    wide = x.to(DOUBLE)
    size = abs(wide)
    # Products with the first two parts are exact, as is the sum of their fractions.
    rows = [
        [math.ldexp(piece, -shift) for piece in pieces(shift, (28, 26, 53))]
        for shift in range(0, 4 * WINDOW, WINDOW)
    ]
    parts = [wide.like(piece) for piece in rows[0]]
    for i, row in enumerate(rows[1:], 1):
        large = size.compare(">=", 2.0 ** (23 + i * WINDOW))
        parts = [
            wide.like(piece).where(large, part) for piece, part in zip(row, parts, strict=True)
        ]
    first, second, third = (wide * part for part in parts)
    (q1, f1), (q2, f2) = _fraction(first), _fraction(second)
    f = f1 + f2
    q = (f + third).call("rint")
    rest = (f - q + third) * HALF_PI[0]
    return _modulo_four(q1 + q2) + q, rest, rest.like(0.0)


def _double(x: Value) -> tuple[Value, Value, Value]:
    """Quarter turns, and what is left of a float64 in radians, in two parts."""
    builder, integer = x.builder, x.format.integer
    biased = builder.lshr(abs(x).bits(), x.whole(52))
    past = builder.sub(biased, x.whole(1023 + 52))
    row = builder.ashr(past, x.whole(int(math.log2(ROW))))
    row = builder.select(builder.icmp_signed(">", row, x.whole(0)), row, ir.Constant(integer, 0))
    y = x.from_bits(builder.sub(x.bits(), builder.shl(row, x.whole(52 + int(math.log2(ROW))))))
    t0, t1, t2, t3 = _table(x, row)
    p0, p1, p2 = y * t0, y * t1, y * t2
    (q0, f0), (q1, f1) = _fraction(p0), _fraction(y.lost(t0, p0))
    q2, f2 = _fraction(p1)
    near, lost = two_sum(f0 + f1, f2)
    q3, near = _fraction(near)
    small, lost_small = two_sum(y.lost(t1, p1), p2)
    near, lost_near = two_sum(near, small)
    rest = lost + lost_near + (lost_small + y.lost(t2, p2).times_plus(1.0, y * t3))
    q = _modulo_four(q0) + _modulo_four(q1) + _modulo_four(q2) + q3
    # What is not finite, is not a number.
    f = near + rest + (x - x)
    rest = rest - (f - near)
    high = f * HALF_PI[0]
    low = f.lost(HALF_PI[0], high) + f.times_plus(HALF_PI[1], rest * HALF_PI[0])
    return q, high, low


def _table(x: Value, row: Any) -> list[Value]:
    """The parts of (2/pi 2^(ROW row)) mod 4, from memory."""
    builder, name = x.builder, "chainrule_two_over_pi"
    table = builder.module.globals.get(name)
    if table is None:
        content = [
            ir.Constant(x.format.kind, piece)
            for shift in range(0, 1024 - 52, ROW)
            for piece in pieces(shift, (53,) * 4)
        ]
        kind = ir.ArrayType(x.format.kind, len(content))
        table = ir.GlobalVariable(builder.module, kind, name)
        table.linkage, table.global_constant, table.align = "internal", True, 64
        table.initializer = ir.Constant(kind, content)
    first = builder.shl(row, x.whole(2))
    places = [builder.add(first, x.whole(i)) for i in range(4)]
    zero = ir.Constant(INT64_TYPE, 0)
    return [
        Value(builder, x.format, builder.load(builder.gep(table, [zero, place], inbounds=True)))
        for place in places
    ]


def _turned(x: Value, quarters: int) -> tuple[Value, Value, Any]:
    """The sine and the cosine of what is left, and the number of quarter turns plus `quarters`."""
    q, r, low = _single(x) if x.format is SINGLE else _double(x)
    square = r * r
    cube = square * r
    series = polynomial(square, SIN[x.format])
    sine = r + cube.times_plus(series, low - low * square * 0.5)
    half = square * 0.5
    near = half.like(1.0) - half
    rest = (square * square).times_plus(polynomial(square, COS[x.format]), -(r * low))
    cosine = near + (((near.like(1.0) - near) - half) + rest)
    # The magic number leaves the integer in the lowest bits.
    return sine, cosine, (q + (1.5 * 2.0**52 + quarters)).bits()


def _sine(x: Value, quarters: int) -> Value:
    """sin(x + quarters pi/2)."""
    sine, cosine, q = _turned(x, quarters)
    builder = x.builder
    odd = builder.trunc(q, ir.IntType(1))
    value = cosine.where(odd, sine)
    sign = builder.shl(builder.and_(q, value.whole(2)), value.whole(62))
    return value.from_bits(builder.xor(value.bits(), sign)).to(x.format)


def _is_own(x: Value) -> Any:
    """Whether the sine of so small a number is the number; -0 is among them."""
    return abs(x).compare("<", 2.0 ** -(x.format.digits // 2 + 2))


def sin(x: Value) -> Value:
    """The sine."""
    return x.where(_is_own(x), _sine(x, 0))


def cos(x: Value) -> Value:
    """The cosine."""
    return _sine(x, 1)


def tan(x: Value) -> Value:
    """The tangent: sin / cos, or -cos / sin an odd number of quarter turns on."""
    sine, cosine, q = _turned(x, 0)
    odd = x.builder.trunc(q, ir.IntType(1))
    value = (-cosine).where(odd, sine) / sine.where(odd, cosine)
    return x.where(_is_own(x), value.to(x.format))
