"""Equations of elementary algebra: they save work and bring formulas into one form.

Each keeps the value of every finite input up to the last rounding (the sign of a zero aside), and
none rounds more often than what it replaces. Where a side divides by 0 or leaves a function's
domain it is no equation; `domain` says where it is. Products with zero stay: 0 times infinity is
not 0.
"""

from __future__ import annotations

from ..ir import CONST, const
from ..ops.arithmetic import (
    abs,
    logical_not,
    maximum,
    minimum,
    negative,
    pow,
    sign,
    sqrt,
    square,
    where,
)
from ..ops.convert import SIZE
from ..ops.elementary import asinh, atan, cos, cosh, hypot, sin, sinh, tan, tanh
from ..ops.reduce import MEAN, SUM
from ..ops.special import erf
from .movement import MOVEMENTS
from .numbers import (
    difference_is_exact,
    is_moderate,
    less,
    minus,
    number,
    over,
    plus,
    product_is_exact,
    quotient_is_exact,
    sum_is_exact,
    times,
)
from .parts import PARTS
from .rule import AnyRule, Rule
from .signs import nonnegative, positive

LESS = "less work, the same value"
FORM = "one form for what is the same, so that other rules see it"
OUT = "one operation on the result instead of one an element"
ABOVE = (0.1, 5.0)

NEUTRAL = (
    Rule("add zero", lambda x: (x + 0, x), LESS),
    Rule("subtract zero", lambda x: (x - 0, x), LESS),
    Rule("zero minus", lambda x: (0 - x, -x), LESS),
    Rule("times one", lambda x: (x * 1, x), LESS),
    Rule("over one", lambda x: (x / 1, x), LESS),
    Rule("times minus one", lambda x: (x * -1, -x), LESS),
    Rule("over minus one", lambda x: (x / -1, -x), LESS),
    Rule("minus itself", lambda x: (x - x, const(0, x.dtype)), LESS + ", NaN where x is infinite"),
    Rule(
        "over itself",
        lambda x: (x / x, const(1, x.dtype)),
        LESS,
        when=lambda x: positive(x),
        domain={"x": ABOVE},
    ),
)
SIGNS = (
    Rule("minus minus", lambda x: (negative(negative(x)), x), LESS),
    Rule("plus minus", lambda x, y: (x + -y, x - y), FORM),
    Rule("minus of minus", lambda x, y: (x - -y, x + y), FORM),
    Rule("minus a difference", lambda x, y: (-(x - y), y - x), FORM),
    Rule("minus x minus y", lambda x, y: (-x - y, -(x + y)), FORM),
    Rule("number times minus", lambda k, x: (k * -x, minus(k) * x), FORM),
    Rule("minus of number times", lambda k, x: (-(k * x), minus(k) * x), FORM),
    Rule("minus of number over", lambda k, x: (-(k / x), minus(k) / x), FORM, domain={"x": ABOVE}),
    Rule("number over minus", lambda k, x: (k / -x, minus(k) / x), FORM, domain={"x": ABOVE}),
    Rule(
        "over a negative number",
        lambda k, x: (x / k, -(x / minus(k))),
        FORM,
        when=lambda k: number(k) < 0,
        domain={"k": (-5.0, -0.1)},
    ),
    Rule("minus times", lambda x, y: (-x * y, -(x * y)), FORM),
    Rule("minus over", lambda x, y: (-x / y, -(x / y)), FORM, domain={"y": ABOVE}),
    Rule("over minus", lambda x, y: (x / -y, -(x / y)), FORM, domain={"y": ABOVE}),
    Rule(
        "plus a negative multiple",
        lambda k, x, y: (y + k * x, y - minus(k) * x),
        FORM,
        when=lambda k: number(k) < 0,
    ),
    Rule(
        "minus a negative multiple",
        lambda k, x, y: (y - k * x, y + minus(k) * x),
        FORM,
        when=lambda k: number(k) < 0,
    ),
    Rule("abs of minus", lambda x: (abs(-x), abs(x)), LESS),
    Rule("square of minus", lambda x: (square(-x), square(x)), LESS),
    Rule("cos of minus", lambda x: (cos(-x), cos(x)), LESS),
    Rule("cosh of minus", lambda x: (cosh(-x), cosh(x)), LESS),
    Rule("sin of minus", lambda x: (sin(-x), -sin(x)), FORM),
    Rule("tan of minus", lambda x: (tan(-x), -tan(x)), FORM, domain={"x": (-1.0, 1.0)}),
    Rule("atan of minus", lambda x: (atan(-x), -atan(x)), FORM),
    Rule("sinh of minus", lambda x: (sinh(-x), -sinh(x)), FORM),
    Rule("tanh of minus", lambda x: (tanh(-x), -tanh(x)), FORM),
    Rule("asinh of minus", lambda x: (asinh(-x), -asinh(x)), FORM),
    Rule("erf of minus", lambda x: (erf(-x), -erf(x)), FORM),
    Rule("sign of minus", lambda x: (sign(-x), -sign(x)), FORM),
)
NUMBERS = (
    Rule("number first", lambda x, k: (x * k, k * x), FORM, when=lambda x: x.op is not CONST),
    Rule(
        "number times number",
        lambda k, m, x: (k * (m * x), times(k, m) * x),
        LESS,
        when=product_is_exact,
    ),
    Rule(
        "number times over number",
        lambda k, m, x: (k * (x / m), over(k, m) * x),
        LESS,
        when=quotient_is_exact,
        domain={"m": ABOVE},
    ),
    Rule(
        "number times number over",
        lambda k, m, x: (k * (m / x), times(k, m) / x),
        LESS,
        when=product_is_exact,
        domain={"x": ABOVE},
    ),
    Rule(
        "number times, over number",
        lambda k, m, x: (k * x / m, over(k, m) * x),
        LESS,
        when=quotient_is_exact,
        domain={"m": ABOVE},
    ),
    Rule(
        "over number over number",
        lambda k, m, x: (x / k / m, x / times(k, m)),
        LESS,
        when=product_is_exact,
        domain={"k": ABOVE, "m": ABOVE},
    ),
    Rule(
        "number out of a product",
        lambda k, x, y: (k * x * y, k * (x * y)),
        FORM,
        when=lambda k, x, y: is_moderate(k) and y.op is not CONST,
    ),
    Rule(
        "ratio of multiples",
        lambda k, m, x, y: (k * x / (m * y), over(k, m) * (x / y)),
        LESS,
        when=quotient_is_exact,
        domain={"m": ABOVE, "y": ABOVE},
    ),
    Rule(
        "number plus number",
        lambda k, m, x: (k + (m + x), plus(k, m) + x),
        LESS,
        when=sum_is_exact,
    ),
    Rule(
        "number minus number minus",
        lambda k, m, x: (k - (m - x), less(k, m) + x),
        LESS,
        when=difference_is_exact,
    ),
    Rule(
        "number minus number plus",
        lambda k, m, x: (k - (m + x), less(k, m) - x),
        LESS,
        when=difference_is_exact,
    ),
    Rule(
        "number plus, minus number",
        lambda k, m, x: (k + x - m, x + less(k, m)),
        LESS,
        when=difference_is_exact,
    ),
)
PRODUCTS = (
    Rule("times itself", lambda x: (x * x, square(x)), FORM),
    Rule("plus itself", lambda x: (x + x, 2 * x), FORM),
    Rule(
        "times a reciprocal",
        lambda x, y: (x * (1 / y), x / y),
        "one rounding less, and 1/y may overflow",
        domain={"y": ABOVE},
    ),
    Rule(
        "times minus a reciprocal",
        lambda x, y: (x * (-1 / y), -(x / y)),
        "one rounding less, and 1/y may overflow",
        domain={"y": ABOVE},
    ),
    Rule(
        "minus a ratio of a difference",
        lambda x, y, z: (-((x - y) / z), (y - x) / z),
        FORM,
        domain={"z": ABOVE},
    ),
    Rule(
        "over a reciprocal",
        lambda x, y: (x / (1 / y), x * y),
        "one rounding less, and 1/y may overflow",
        domain={"y": ABOVE},
    ),
    Rule(
        "one over a ratio",
        lambda x, y: (1 / (x / y), y / x),
        "one rounding less, and x/y may overflow",
        domain={"x": ABOVE, "y": ABOVE},
    ),
)
# A number of elements is no danger to a product: it moves outwards, as means are written.
SIZES = (
    Rule(
        "times over a size",
        lambda x, y, r: (x * (y / r), x * y / r),
        OUT,
        when=lambda r: r.op is SIZE,
        domain={"r": ABOVE},
        outwards=True,
    ),
    Rule(
        "over a size plus over a size",
        lambda x, y, r: (x / r + y / r, (x + y) / r),
        OUT,
        when=lambda r: r.op is SIZE,
        domain={"r": ABOVE},
        outwards=True,
    ),
    Rule(
        "over a size minus over a size",
        lambda x, y, r: (x / r - y / r, (x - y) / r),
        OUT,
        when=lambda r: r.op is SIZE,
        domain={"r": ABOVE},
        outwards=True,
    ),
    Rule(
        "sum over a size",
        lambda x, r, axes: (SUM(x / r, axes=axes), SUM(x, axes=axes) / r),
        OUT,
        when=lambda r: r.op is SIZE,
        domain={"r": ABOVE},
        outwards=True,
    ),
    Rule(
        "sum of minus",
        lambda x, axes: (SUM(-x, axes=axes), -SUM(x, axes=axes)),
        OUT,
        outwards=True,
    ),
    Rule(
        "mean of minus",
        lambda x, axes: (MEAN(-x, axes=axes), -MEAN(x, axes=axes)),
        OUT,
        outwards=True,
    ),
)
POWERS = (
    Rule("power zero", lambda x: (pow(x, 0), const(1, x.dtype)), LESS),
    Rule("power one", lambda x: (pow(x, 1), x), LESS),
    Rule("power two", lambda x: (pow(x, 2), square(x)), LESS),
    Rule("power half", lambda x: (pow(x, 0.5), sqrt(x)), LESS, domain={"x": ABOVE}),
    Rule("power minus one", lambda x: (pow(x, -1), 1 / x), LESS, domain={"x": ABOVE}),
    Rule("power minus half", lambda x: (pow(x, -0.5), 1 / sqrt(x)), LESS, domain={"x": ABOVE}),
    Rule("power minus two", lambda x: (pow(x, -2), 1 / square(x)), LESS, domain={"x": ABOVE}),
    Rule("square of abs", lambda x: (square(abs(x)), square(x)), LESS),
    Rule(
        "square of root",
        lambda x: (square(sqrt(x)), x),
        LESS,
        when=lambda x: nonnegative(x),
        domain={"x": ABOVE},
    ),
    Rule(
        "square of hypot",
        lambda x, y: (square(hypot(x, y)), square(x) + square(y)),
        "no root that is squared again",
    ),
    Rule(
        "abs of what is not negative",
        lambda x: (abs(x), x),
        LESS,
        when=lambda x: nonnegative(x),
        domain={"x": ABOVE},
    ),
    Rule(
        "maximum with zero of what is not negative",
        lambda x: (maximum(x, 0), x),
        LESS,
        when=lambda x: nonnegative(x),
        domain={"x": ABOVE},
    ),
)
IDENTITIES = (
    Rule("sine and cosine", lambda x: (square(sin(x)) + square(cos(x)), const(1, x.dtype)), LESS),
    Rule(
        "cosine less sine, hyperbolic",
        lambda x: (square(cosh(x)) - square(sinh(x)), const(1, x.dtype)),
        "both squares grow as exp(2x) and their difference is 1",
    ),
    Rule("maximum of itself", lambda x: (maximum(x, x), x), LESS),
    Rule("minimum of itself", lambda x: (minimum(x, x), x), LESS),
)
SELECTION = (
    Rule("where both are the same", lambda c, x: (where(c, x, x), x), LESS),
    Rule("where not", lambda c, x, y: (where(logical_not(c), x, y), where(c, y, x)), LESS),
    Rule(
        "where where, taken", lambda c, x, y, z: (where(c, where(c, x, y), z), where(c, x, z)), LESS
    ),
    Rule(
        "where where, other", lambda c, x, y, z: (where(c, x, where(c, y, z)), where(c, x, z)), LESS
    ),
    Rule(
        "where plus where",
        lambda c, x, y: (where(c, x, 0) + where(c, 0, y), where(c, x, y)),
        LESS,
    ),
    Rule(
        "where plus where, same side",
        lambda c, x, y: (where(c, x, 0) + where(c, y, 0), where(c, x + y, 0)),
        LESS,
    ),
    Rule(
        "where plus where, other side",
        lambda c, x, y: (where(c, 0, x) + where(c, 0, y), where(c, 0, x + y)),
        LESS,
    ),
    Rule("not not", lambda c: (logical_not(logical_not(c)), c), LESS),
)

ALGEBRA: tuple[AnyRule, ...] = (
    MOVEMENTS
    + PARTS
    + NEUTRAL
    + SIGNS
    + NUMBERS
    + SIZES
    + POWERS
    + PRODUCTS
    + IDENTITIES
    + SELECTION
)
