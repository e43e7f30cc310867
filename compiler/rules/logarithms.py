"""Logarithms of what overflows, underflows or is near 1."""

from __future__ import annotations

import math

from ..ir import Node, const, leaf, make
from ..ops.arithmetic import abs, maximum, minimum, pow, sqrt, square, where
from ..ops.elementary import (
    acosh,
    asinh,
    atanh,
    cosh,
    exp,
    expm1,
    hypot,
    log,
    log1p,
    logaddexp,
    tanh,
)
from ..ops.index import TAKE, TAKE_ALONG
from ..ops.reduce import LOG_SOFTMAX, LOGSUMEXP, MEAN, PROD, SOFTMAX, SUM, count, kept
from ..ops.shape import reshape, transpose
from ..ops.special import relu, sigmoid, softplus
from ..ops.stable import log1m_square, log1mexp, log_cosh
from ..types import TensorType
from .numbers import number
from .rule import AnyRule, Movement, Rule, constant_along
from .signs import has_plain_log, positive

LN2 = math.log(2)
BELOW, ABOVE, INSIDE = (-5.0, -0.1), (0.1, 5.0), (-0.9, 0.9)
OVERFLOWS = "exp overflows above 709 (float32: 88) and underflows below -745 (-103)"
ROUNDS = "near 1 the argument has lost what the logarithm is of"


def _log(k: Node) -> Node:
    """The logarithm of a number."""
    return const(math.log(number(k)), k.dtype) if k.op.name == "const" else log(k)


OF_ONE = (
    Rule("log of exp", lambda x: (log(exp(x)), x), OVERFLOWS),
    Rule(
        "log of sigmoid",
        lambda x: (log(sigmoid(x)), -softplus(-x)),
        "sigmoid underflows below -745, softplus does not",
    ),
    Rule("log of cosh", lambda x: (log(cosh(x)), log_cosh(x)), "cosh overflows above 710"),
    Rule("log of root", lambda x: (log(sqrt(x)), 0.5 * log(x)), ROUNDS, domain={"x": ABOVE}),
    Rule(
        "log of square",
        lambda x: (log(square(x)), 2 * log(abs(x))),
        "the square overflows above 1e154 and underflows below 1e-162",
        domain={"x": ABOVE},
    ),
    Rule(
        "log of multiple of square",
        lambda k, x: (log(k * square(x)), 2 * log(abs(x)) + _log(k)),
        "the square overflows above 1e154 and underflows below 1e-162",
        when=lambda k: number(k) > 0,
        domain={"k": ABOVE, "x": ABOVE},
    ),
    Rule(
        "log of hypot minus 1",
        lambda x: (
            log(x * (x / (hypot(x, 1) + 1))),
            2 * log(abs(x)) - log(hypot(x, 1) + 1),
        ),
        "the square overflows above 1e154 and underflows below 1e-162",
        domain={"x": ABOVE},
    ),
    Rule(
        "log of power",
        lambda x, y: (log(pow(x, y)), y * log(x)),
        "the power overflows and underflows",
        when=lambda x: positive(x),
        domain={"x": ABOVE},
    ),
    Rule(
        "log of reciprocal", lambda x: (log(1 / x), -log(x)), "1/x overflows", domain={"x": ABOVE}
    ),
)
OF_SUMS = (
    Rule("log of 1 + exp", lambda x: (log(1 + exp(x)), softplus(x)), OVERFLOWS),
    Rule("log1p of exp", lambda x: (log1p(exp(x)), softplus(x)), OVERFLOWS),
    Rule("log of exp + exp", lambda x, y: (log(exp(x) + exp(y)), logaddexp(x, y)), OVERFLOWS),
    Rule(
        "log of exp + exp + exp",
        lambda x, y, z: (log(exp(x) + exp(y) + exp(z)), logaddexp(logaddexp(x, y), z)),
        OVERFLOWS,
    ),
    Rule(
        "log of number + exp",
        lambda k, x: (log(k + exp(x)), logaddexp(x, _log(k))),
        OVERFLOWS,
        when=lambda k: number(k) > 0,
        domain={"k": ABOVE},
    ),
    Rule(
        "log of exp + multiple of exp",
        lambda k, x, y: (log(exp(x) + k * exp(y)), logaddexp(x, y + _log(k))),
        OVERFLOWS,
        when=lambda k: number(k) > 0,
        domain={"k": ABOVE},
    ),
    Rule(
        "log of number + multiple of exp",
        lambda k, m, x: (log(m + k * exp(x)), logaddexp(x + _log(k), _log(m))),
        OVERFLOWS,
        when=lambda k, m: number(k) > 0 and number(m) > 0,
        domain={"k": ABOVE, "m": ABOVE},
    ),
    Rule(
        "log of multiples of exp",
        lambda k, m, x, y: (
            log(k * exp(x) + m * exp(y)),
            logaddexp(x + _log(k), y + _log(m)),
        ),
        OVERFLOWS,
        when=lambda k, m: number(k) > 0 and number(m) > 0,
        domain={"k": ABOVE, "m": ABOVE},
    ),
    Rule(
        "log of sum of exp",
        lambda x, axes: (log(SUM(exp(x), axes=axes)), LOGSUMEXP(x, axes=axes)),
        OVERFLOWS,
    ),
    Rule(
        "log of mean of exp",
        lambda x, axes: (
            log(MEAN(exp(x), axes=axes)),
            LOGSUMEXP(x, axes=axes) - log(count(x, axes)),
        ),
        OVERFLOWS,
    ),
    Rule(
        "log of softmax",
        lambda x, axes: (log(SOFTMAX(x, axes=axes)), LOG_SOFTMAX(x, axes=axes)),
        "a probability underflows where its logarithm is below -745",
    ),
    Rule(
        "log of expm1",
        lambda x: (log(expm1(x)), x + log1mexp(-x)),
        OVERFLOWS,
        domain={"x": ABOVE},
    ),
    Rule(
        "log of 1 - exp",
        lambda x: (log(-expm1(x)), log1mexp(x)),
        "for small e^x the result is -e^x, which 1 - e^x has lost",
        domain={"x": BELOW},
    ),
    Rule(
        "log1p of minus exp",
        lambda x: (log1p(-exp(x)), log1mexp(x)),
        "near 0 the difference 1 - e^x has lost its digits",
        domain={"x": BELOW},
    ),
    Rule(
        "log1p of minus sigmoid",
        lambda x: (log1p(-sigmoid(x)), -softplus(x)),
        "sigmoid rounds to 1 above 37",
    ),
    Rule(
        "log of 1 - tanh squared",
        lambda x: (log(1 - square(tanh(x))), -2 * log_cosh(x)),
        "tanh rounds to 1 above 19",
    ),
    Rule("log1p of expm1", lambda x: (log1p(expm1(x)), x), OVERFLOWS),
    Rule(
        "inverse hyperbolic sine",
        lambda x: (log(x + hypot(x, 1)), asinh(x)),
        "for negative x the sum cancels",
    ),
    Rule(
        "inverse hyperbolic cosine",
        lambda x: (log(x + sqrt((x - 1) * (x + 1))), acosh(x)),
        ROUNDS,
        domain={"x": (1.1, 5.0)},
    ),
    Rule(
        "inverse hyperbolic tangent",
        lambda x: (log((1 + x) / (1 - x)), 2 * atanh(x)),
        ROUNDS,
        domain={"x": INSIDE},
    ),
    Rule(
        "inverse hyperbolic tangent, two logarithms",
        lambda x: (log1p(x) - log1p(-x), 2 * atanh(x)),
        "two roundings less",
        domain={"x": INSIDE},
    ),
    Rule(
        "log of 1 - square",
        lambda x: (log((1 - x) * (1 + x)), log1m_square(x)),
        "near 0 the product rounds to 1, near 1 the square does",
        domain={"x": INSIDE},
    ),
    Rule("log of 1 + x", lambda x: (log(1 + x), log1p(x)), ROUNDS, domain={"x": (-0.9, 5.0)}),
    Rule("log of 1 - x", lambda x: (log(1 - x), log1p(-x)), ROUNDS, domain={"x": (-5.0, 0.9)}),
)
# Only where one side has a logarithm that neither overflows nor underflows: elsewhere the logarithm
# of a ratio near 1 is better than the difference of two logarithms.
OF_PRODUCTS = (
    Rule(
        "log of product",
        lambda x, y: (log(x * y), log(x) + log(y)),
        "the product overflows or underflows",
        when=lambda x, y: has_plain_log(x * y),
        domain={"x": ABOVE, "y": ABOVE},
    ),
    Rule(
        "log of ratio",
        lambda x, y: (log(x / y), log(x) - log(y)),
        "the ratio overflows or underflows",
        when=lambda x, y: has_plain_log(x / y),
        domain={"x": ABOVE, "y": ABOVE},
    ),
    Rule(
        "log of product over axes",
        lambda x, axes: (log(PROD(x, axes=axes)), SUM(log(x), axes=axes)),
        "the product of many numbers overflows or underflows",
        when=lambda x: positive(x),
        domain={"x": ABOVE},
    ),
    Rule(
        "log of maximum",
        lambda x, y: (log(maximum(x, y)), maximum(log(x), log(y))),
        "the larger of two logarithms, each taken well",
        when=lambda x, y: has_plain_log(maximum(x, y)),
        domain={"x": ABOVE, "y": ABOVE},
        proof="50 digits",
    ),
    Rule(
        "log of minimum",
        lambda x, y: (log(minimum(x, y)), minimum(log(x), log(y))),
        "the smaller of two logarithms, each taken well",
        when=lambda x, y: has_plain_log(minimum(x, y)),
        domain={"x": ABOVE, "y": ABOVE},
        proof="50 digits",
    ),
    Rule(
        "log of where",
        lambda c, x, y: (log(where(c, x, y)), where(c, log(x), log(y))),
        "each branch's logarithm taken well",
        when=lambda c, x, y: has_plain_log(where(c, x, y)),
        domain={"x": ABOVE, "y": ABOVE},
    ),
)
DIFFERENCES = (
    Rule(
        "softplus minus x",
        lambda x: (softplus(x) - x, softplus(-x)),
        "for large x both are alike and cancel",
    ),
    Rule(
        "x minus softplus",
        lambda x: (x - softplus(x), -softplus(-x)),
        "for large x both are alike and cancel",
    ),
    Rule(
        "logaddexp minus x",
        lambda x, y: (logaddexp(x, y) - x, softplus(y - x)),
        "for x above y both are alike and cancel",
    ),
    Rule(
        "x minus logaddexp",
        lambda x, y: (x - logaddexp(x, y), -softplus(y - x)),
        "for x above y both are alike and cancel",
    ),
    Rule("logaddexp with 0", lambda x: (logaddexp(x, 0), softplus(x)), "less work"),
    Rule(
        "logaddexp of x and -x",
        lambda x: (logaddexp(x, -x), log_cosh(x) + log(const(2, x.dtype))),
        "near 0 the two halves of the derivative cancel",
    ),
    Rule(
        "softplus from its stable parts",
        lambda x: (maximum(x, 0) + softplus(-abs(x)), softplus(x)),
        "the two halves of the derivative cancel",
        proof="50 digits",
    ),
    Rule(
        "softplus from its stable parts, with relu",
        lambda x: (relu(x) + softplus(-abs(x)), softplus(x)),
        "the two halves of the derivative cancel",
        proof="50 digits",
    ),
    Rule(
        "log cosh from softplus",
        lambda x: (x + softplus(-2 * x) - LN2, log_cosh(x)),
        "near 0 all three cancel",
        proof="50 digits",
    ),
    Rule(
        "log cosh of abs", lambda x: (log_cosh(abs(x)), log_cosh(x)), "less work", proof="50 digits"
    ),
    Rule("log cosh of minus", lambda x: (log_cosh(-x), log_cosh(x)), "less work"),
    Rule(
        "x minus logsumexp",
        lambda x, axes: (
            x - kept(LOGSUMEXP(x, axes=axes), x, axes),
            LOG_SOFTMAX(x, axes=axes),
        ),
        "where one element is far above the others both are alike and cancel",
    ),
    Rule(
        "logsumexp of shifted plus shift",
        lambda x, r, axes: (
            LOGSUMEXP(x - kept(r, x, axes), axes=axes) + r,
            LOGSUMEXP(x, axes=axes),
        ),
        "the shift is in logsumexp already, and its gradient is 0",
    ),
    Rule(
        "log_softmax of shifted",
        lambda x, r, axes: (LOG_SOFTMAX(x - r, axes=axes), LOG_SOFTMAX(x, axes=axes)),
        "the shift is in log_softmax already, and its gradient is 0",
        when=lambda x, r, axes: constant_along(r, x, axes),
    ),
)


def moved(node: Node) -> Node | None:
    """log of elements that are elsewhere = the logs, elsewhere."""
    (x,) = node.operands
    if x.op.name not in MOVES or not has_plain_log(x):
        return None
    return make(x.op, (log(x.operands[0]), *x.operands[1:]), **dict(x.attrs))


MOVES = ("reshape", "transpose", "slice", "flip", "take", "take_along_axis")


def _examples() -> tuple[Node, ...]:
    x = sigmoid(leaf("x", TensorType("float64", (2, 3)), "placeholder"))
    at = leaf("i", TensorType("int64", (2, 1)), "placeholder")
    return (
        log(TAKE_ALONG(x, at, axis=1)),
        log(TAKE(x, at, axis=0)),
        log(reshape(x, shape=(6,))),
        log(transpose(x, axes=(1, 0))),
    )


MOVED = (
    Movement(
        "log of elements elsewhere",
        ("log",),
        moved,
        "the logarithm is then taken of what has a good one",
        _examples,
    ),
)
LOGARITHMS: tuple[AnyRule, ...] = OF_ONE + OF_SUMS + OF_PRODUCTS + DIFFERENCES + MOVED
