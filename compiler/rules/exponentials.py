"""Exponentials, the logistic function and the softmax, trigonometric and error functions."""

from __future__ import annotations

from ..ir import Node, const
from ..ops.arithmetic import abs, pow, sqrt, square
from ..ops.elementary import cos, cosh, exp, expm1, log, log1p, sin, sinh, tanh
from ..ops.reduce import LOG_SOFTMAX, SOFTMAX, SUM, kept
from ..ops.special import erf, erfc, sigmoid, softplus
from ..ops.stable import softsign
from .numbers import minus, number
from .rule import AnyRule, Rule, constant_along
from .signs import nonnegative

ABOVE = (0.1, 5.0)
CANCELS = "for small x both are alike and cancel"
OVERFLOWS = "exp overflows above 709 (float32: 88), and its derivative with it"
SATURATES = "1 - sigmoid(x) is 0 above 37 (float32: 17), sigmoid(-x) is not"


def _log(k: Node) -> Node:
    import math

    return const(math.log(number(k)), k.dtype) if k.op.name == "const" else log(k)


EXP = (
    Rule(
        "exp of log",
        lambda x: (exp(log(x)), x),
        "less work",
        when=lambda x: nonnegative(x),
        domain={"x": ABOVE},
    ),
    Rule("exp of log1p", lambda x: (exp(log1p(x)), 1 + x), "less work", domain={"x": (-0.9, 5.0)}),
    Rule("expm1 of log1p", lambda x: (expm1(log1p(x)), x), "less work", domain={"x": (-0.9, 5.0)}),
    Rule("exp of softplus", lambda x: (exp(softplus(x)), 1 + exp(x)), "less work"),
    Rule("exp of minus softplus", lambda x: (exp(-softplus(x)), sigmoid(-x)), "less work"),
    Rule("exp minus 1", lambda x: (exp(x) - 1, expm1(x)), CANCELS),
    Rule("1 minus exp", lambda x: (1 - exp(x), -expm1(x)), CANCELS),
    Rule("expm1 plus 1", lambda x: (expm1(x) + 1, exp(x)), "less work"),
    Rule(
        "multiple of exp minus number",
        lambda k, x: (k * exp(x) - k, k * expm1(x)),
        CANCELS,
    ),
    Rule(
        "number minus multiple of exp", lambda k, x: (k - k * exp(x), minus(k) * expm1(x)), CANCELS
    ),
    Rule("reciprocal of exp", lambda x: (1 / exp(x), exp(-x)), OVERFLOWS),
    Rule("exp over exp", lambda x, y: (exp(x) / exp(y), exp(x - y)), OVERFLOWS),
    Rule("over exp", lambda x, y: (y / exp(x), y * exp(-x)), OVERFLOWS),
    Rule("exp times exp of minus", lambda x, y: (exp(x) * exp(-y), exp(x - y)), OVERFLOWS),
    Rule(
        "product with exp times exp of minus",
        lambda x, y, z: (z * exp(x) * exp(-y), z * exp(x - y)),
        OVERFLOWS,
    ),
    Rule("square of exp", lambda x: (square(exp(x)), exp(2 * x)), OVERFLOWS),
    Rule("root of exp", lambda x: (sqrt(exp(x)), exp(0.5 * x)), OVERFLOWS),
    Rule("power of exp", lambda x, y: (pow(exp(x), y), exp(y * x)), OVERFLOWS),
)
LOGISTIC = (
    Rule("exp over 1 + exp", lambda x: (exp(x) / (1 + exp(x)), sigmoid(x)), OVERFLOWS),
    Rule(
        "product with exp over 1 + exp",
        lambda x, y: (y * exp(x) / (1 + exp(x)), y * sigmoid(x)),
        OVERFLOWS,
    ),
    Rule(
        "half-angle tanh",
        lambda x: (expm1(x) / (1 + exp(x)), tanh(0.5 * x)),
        OVERFLOWS,
    ),
    Rule("over 1 + exp", lambda x, y: (y / (1 + exp(x)), y * sigmoid(-x)), OVERFLOWS),
    Rule(
        "exp over squared 1 + exp",
        lambda x: (exp(x) / square(1 + exp(x)), sigmoid(x) * sigmoid(-x)),
        OVERFLOWS,
    ),
    Rule(
        "over squared 1 + exp",
        lambda x, y: (y / square(1 + exp(x)), y * square(sigmoid(-x))),
        OVERFLOWS,
    ),
    Rule(
        "exp over exp + exp",
        lambda x, y: (exp(x) / (exp(x) + exp(y)), sigmoid(x - y)),
        OVERFLOWS,
    ),
    Rule(
        "exp over number + exp",
        lambda k, x: (exp(x) / (k + exp(x)), sigmoid(x - _log(k))),
        OVERFLOWS,
        when=lambda k: number(k) > 0,
        domain={"k": ABOVE},
    ),
    Rule(
        "over number + exp",
        lambda k, x, y: (y / (k + exp(x)), y * sigmoid(_log(k) - x) / k),
        OVERFLOWS,
        when=lambda k: number(k) > 0,
        domain={"k": ABOVE},
    ),
    Rule("1 minus sigmoid", lambda x: (1 - sigmoid(x), sigmoid(-x)), SATURATES),
    Rule("sigmoid minus 1", lambda x: (sigmoid(x) - 1, -sigmoid(-x)), SATURATES),
    Rule(
        "sigmoid plus its mirror",
        lambda x: (sigmoid(x) + sigmoid(-x), const(1, x.dtype)),
        "less work",
    ),
    Rule("sigmoid over its mirror", lambda x: (sigmoid(x) / sigmoid(-x), exp(x)), OVERFLOWS),
    Rule(
        "tanh from sigmoid",
        lambda k, m, x: (k * sigmoid(x) - m, m * tanh(0.5 * x)),
        CANCELS,
        when=lambda k, m: number(k) == 2 * number(m),
        given={"k": lambda m: 2 * m},
    ),
    Rule(
        "minus tanh from sigmoid",
        lambda k, m, x: (m - k * sigmoid(x), minus(m) * tanh(0.5 * x)),
        CANCELS,
        when=lambda k, m: number(k) == 2 * number(m),
        given={"k": lambda m: 2 * m},
    ),
    Rule("centered sigmoid", lambda x: (sigmoid(x) - 0.5, 0.5 * tanh(0.5 * x)), CANCELS),
    Rule(
        "1 minus tanh",
        lambda x: (1 - tanh(x), 2 * sigmoid(-2 * x)),
        "1 - tanh(x) is 0 above 19",
    ),
    Rule(
        "1 plus tanh",
        lambda x: (1 + tanh(x), 2 * sigmoid(2 * x)),
        "1 + tanh(x) is 0 below -19",
    ),
    Rule(
        "tanh minus 1",
        lambda x: (tanh(x) - 1, -2 * sigmoid(-2 * x)),
        "tanh(x) - 1 is 0 above 19",
    ),
    Rule(
        "softsign",
        lambda x: (x / (1 + abs(x)), softsign(x)),
        "the derivative is then not a difference of two that are alike for large x",
    ),
)
HYPERBOLIC = (
    Rule("exp minus exp of minus", lambda x: (exp(x) - exp(-x), 2 * sinh(x)), CANCELS),
    Rule("exp of minus minus exp", lambda x: (exp(-x) - exp(x), -2 * sinh(x)), CANCELS),
    Rule("exp plus exp of minus", lambda x: (exp(x) + exp(-x), 2 * cosh(x)), "less work"),
    Rule(
        "exp minus exp of minus, multiples",
        lambda k, m, x: (exp(k * x) - exp(m * x), 2 * sinh(k * x)),
        CANCELS,
        when=lambda k, m: number(k) == -number(m),
        given={"m": lambda k: -k},
    ),
    Rule(
        "exp plus exp of minus, multiples",
        lambda k, m, x: (exp(k * x) + exp(m * x), 2 * cosh(k * x)),
        "less work",
        when=lambda k, m: number(k) == -number(m),
        given={"m": lambda k: -k},
    ),
    Rule("exp over cosh", lambda x: (exp(x) / cosh(x), 2 * sigmoid(2 * x)), OVERFLOWS),
    Rule("exp of minus over cosh", lambda x: (exp(-x) / cosh(x), 2 * sigmoid(-2 * x)), OVERFLOWS),
    Rule(
        "exp over multiple of cosh",
        lambda k, x: (exp(x) / (k * cosh(x)), 2 * sigmoid(2 * x) / k),
        OVERFLOWS,
        when=lambda k: number(k) != 0,
        domain={"k": ABOVE},
    ),
    Rule(
        "exp of minus over multiple of cosh",
        lambda k, x: (exp(-x) / (k * cosh(x)), 2 * sigmoid(-2 * x) / k),
        OVERFLOWS,
        when=lambda k: number(k) != 0,
        domain={"k": ABOVE},
    ),
    Rule(
        "over cosh times sinh",
        lambda x, y: (y / cosh(x) * sinh(x), y * tanh(x)),
        "both overflow above 710",
    ),
    Rule("sinh over cosh", lambda x: (sinh(x) / cosh(x), tanh(x)), "both overflow above 710"),
)
SOFTMAXES = (
    Rule(
        "exp of log_softmax",
        lambda x, axes: (exp(LOG_SOFTMAX(x, axes=axes)), SOFTMAX(x, axes=axes)),
        "less work",
    ),
    Rule(
        "exp over sum of exp",
        lambda x, axes: (
            exp(x) / kept(SUM(exp(x), axes=axes), x, axes),
            SOFTMAX(x, axes=axes),
        ),
        OVERFLOWS,
    ),
    Rule(
        "product with exp over sum of exp",
        lambda x, y, axes: (
            exp(x) * y / kept(SUM(exp(x), axes=axes), x, axes),
            SOFTMAX(x, axes=axes) * y,
        ),
        OVERFLOWS,
    ),
    Rule(
        "mean weighted with exp",
        lambda x, y, axes: (
            SUM(exp(x) * y, axes=axes) / SUM(exp(x), axes=axes),
            SUM(SOFTMAX(x, axes=axes) * y, axes=axes),
        ),
        OVERFLOWS,
        when=lambda x, y: x.shape == y.shape,
    ),
    Rule(
        "softmax sums to 1",
        lambda x, axes: (SUM(SOFTMAX(x, axes=axes), axes=axes), const(1, x.dtype)),
        "less work, and a sum that is exact",
    ),
    Rule(
        "softmax of shifted",
        lambda x, r, axes: (SOFTMAX(x - r, axes=axes), SOFTMAX(x, axes=axes)),
        "the shift is in softmax already, and its gradient is 0",
        when=lambda x, r, axes: constant_along(r, x, axes),
    ),
    Rule(
        "softmax of shifted up",
        lambda x, r, axes: (SOFTMAX(x + r, axes=axes), SOFTMAX(x, axes=axes)),
        "the shift is in softmax already, and its gradient is 0",
        when=lambda x, r, axes: constant_along(r, x, axes),
    ),
)
OTHERS = (
    Rule("1 minus cos", lambda x: (1 - cos(x), 2 * square(sin(0.5 * x))), CANCELS),
    Rule("cos minus 1", lambda x: (cos(x) - 1, -2 * square(sin(0.5 * x))), CANCELS),
    Rule("1 minus erf", lambda x: (1 - erf(x), erfc(x)), "erf rounds to 1 above 6"),
    Rule("1 plus erf", lambda x: (1 + erf(x), erfc(-x)), "erf rounds to -1 below -6"),
    Rule("erf minus 1", lambda x: (erf(x) - 1, -erfc(x)), "erf rounds to 1 above 6"),
    Rule("1 minus erfc", lambda x: (1 - erfc(x), erf(x)), "erfc rounds to 1 below 1e-16"),
)
EXPONENTIALS: tuple[AnyRule, ...] = EXP + HYPERBOLIC + LOGISTIC + SOFTMAXES + OTHERS
