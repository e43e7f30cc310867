"""Roots, norms, and differences of numbers that are alike."""

from __future__ import annotations

import math

from ..ir import Node, const, leaf
from ..ops.arithmetic import abs, maximum, minimum, sign, sqrt, square
from ..ops.elementary import direction, hypot
from ..ops.linear import CONTRACT, contract
from ..ops.reduce import MEAN, NORM, SUM, count, kept
from ..types import TensorType
from .numbers import number, root_is_exact
from .rule import AnyRule, Movement, Rule
from .signs import has_plain_log

ABOVE, INSIDE = (0.1, 5.0), (-0.9, 0.9)
SQUARES = "the squares overflow above 1e154, and at 0 the derivative of the root is infinite"
CANCELS = "both are alike and cancel"


def _root(k: Node) -> Node:
    """The root of a number that has an exact one."""
    return const(math.sqrt(number(k)), k.dtype) if k.op.name == "const" else sqrt(k)


NORMS = (
    Rule("root of square", lambda x: (sqrt(square(x)), abs(x)), SQUARES),
    Rule(
        "root of three squares",
        lambda x, y, z: (sqrt(square(x) + square(y) + square(z)), hypot(hypot(x, y), z)),
        SQUARES,
    ),
    Rule("root of two squares", lambda x, y: (sqrt(square(x) + square(y)), hypot(x, y)), SQUARES),
    Rule(
        "root of number plus square",
        lambda k, x: (sqrt(k + square(x)), hypot(x, _root(k))),
        SQUARES,
        when=root_is_exact,
        domain={"k": ABOVE},
    ),
    Rule(
        "root of sum of squares",
        lambda x, axes: (sqrt(SUM(square(x), axes=axes)), NORM(x, axes=axes)),
        SQUARES,
    ),
    Rule(
        "root of mean of squares",
        lambda x, axes: (
            sqrt(MEAN(square(x), axes=axes)),
            NORM(x, axes=axes) / sqrt(count(x, axes)),
        ),
        SQUARES,
    ),
    Rule(
        "root of sum of squares over number",
        lambda k, x, axes: (
            sqrt(SUM(square(x), axes=axes) / k),
            NORM(x, axes=axes) / sqrt(k),
        ),
        SQUARES,
        when=lambda k: number(k) > 0,
        domain={"k": ABOVE},
    ),
    Rule(
        "square of norm",
        lambda x, axes: (square(NORM(x, axes=axes)), SUM(square(x), axes=axes)),
        "no root that is squared again",
    ),
)


def root_of_dot(node: Node) -> Node | None:
    """sqrt(x . x) = |x|, over the axes that the dot product sums."""
    (x,) = node.operands
    if x.op is not CONTRACT or x.operands[0] is not x.operands[1]:
        return None
    left, out = x.attr("left"), x.attr("out")
    axes = tuple(axis for axis, letter in enumerate(left) if letter not in out)
    if x.attr("right") != left or out != "".join(y for y in left if y in out):
        return None
    return NORM(x.operands[0], axes=axes)


def _dots() -> tuple[Node, ...]:
    x = leaf("x", TensorType("float64", (2, 3)), "placeholder")
    return (sqrt(contract(x, x, "ab", "ab", "")), sqrt(contract(x, x, "ab", "ab", "a")))


DOTS = (Movement("root of dot product", ("sqrt",), root_of_dot, SQUARES, _dots),)
RATIOS = (
    Rule("x over abs", lambda x: (x / abs(x), sign(x)), "0/0 at 0", domain={"x": ABOVE}),
    Rule("abs over x", lambda x: (abs(x) / x, sign(x)), "0/0 at 0", domain={"x": ABOVE}),
    Rule("root over x", lambda x: (sqrt(x) / x, 1 / sqrt(x)), "0/0 at 0", domain={"x": ABOVE}),
    Rule("x over root", lambda x: (x / sqrt(x), sqrt(x)), "0/0 at 0", domain={"x": ABOVE}),
    Rule(
        "square over x", lambda x: (square(x) / x, x), "the square overflows", domain={"x": ABOVE}
    ),
    Rule(
        "x over square",
        lambda x: (x / square(x), 1 / x),
        "the square overflows",
        domain={"x": ABOVE},
    ),
    Rule(
        "square over abs",
        lambda x: (square(x) / abs(x), abs(x)),
        "the square overflows",
        domain={"x": ABOVE},
    ),
    Rule("sign times abs", lambda x: (sign(x) * abs(x), x), "less work"),
    Rule("sign times x", lambda x: (sign(x) * x, abs(x)), "less work"),
)
DIRECTIONS = (
    Rule(
        "x over hypot",
        lambda x, y: (x / hypot(x, y), direction(x, y)),
        "the derivative is then not a difference of two that are alike",
        domain={"x": ABOVE},
    ),
)
DIFFERENCES = (
    Rule(
        "root of 1 + x, minus 1",
        lambda x: (sqrt(1 + x) - 1, x / (sqrt(1 + x) + 1)),
        "for small x " + CANCELS,
        domain={"x": (-0.9, 5.0)},
    ),
    Rule(
        "1 minus root of 1 - x",
        lambda x: (1 - sqrt(1 - x), x / (1 + sqrt(1 - x))),
        "for small x " + CANCELS,
        domain={"x": (-5.0, 0.9)},
    ),
    Rule(
        "1 minus root of 1 - square",
        lambda x: (1 - sqrt((1 - x) * (1 + x)), x * (x / (1 + sqrt((1 - x) * (1 + x))))),
        "for small x " + CANCELS,
        domain={"x": INSIDE},
    ),
    Rule(
        "hypot minus 1",
        lambda x: (hypot(x, 1) - 1, x * (x / (hypot(x, 1) + 1))),
        "for small x " + CANCELS,
    ),
    Rule(
        "root of x + number minus root of x",
        lambda k, x: (sqrt(k + x) - sqrt(x), k / (sqrt(k + x) + sqrt(x))),
        "for large x " + CANCELS,
        domain={"k": ABOVE, "x": ABOVE},
    ),
    Rule(
        "difference of squares",
        lambda x, y: (square(x) - square(y), (x - y) * (x + y)),
        "the squares have lost what their difference is made of",
    ),
    Rule(
        "number minus square",
        lambda k, x: (k - square(x), (_root(k) - x) * (_root(k) + x)),
        "near the root of the number " + CANCELS,
        # For tanh, 1 - tanh^2 is its derivative: what is lost there, tanh lost before.
        when=lambda k, x: root_is_exact(k) and x.op.name not in ("tanh", "sigmoid"),
        domain={"k": ABOVE},
    ),
    Rule(
        "square minus number",
        lambda k, x: (square(x) - k, (x - _root(k)) * (x + _root(k))),
        "near the root of the number " + CANCELS,
        when=root_is_exact,
        domain={"k": ABOVE},
    ),
    Rule(
        "mean of squares minus square of mean",
        lambda x, axes: (
            MEAN(square(x), axes=axes) - square(MEAN(x, axes=axes)),
            MEAN(square(x - kept(MEAN(x, axes=axes), x, axes)), axes=axes),
        ),
        "where the mean is large against the spread " + CANCELS,
    ),
    Rule(
        "1 minus maximum",
        lambda k, m, x: (k - maximum(x, m), minimum(k - x, k - m)),
        "what 1 - x loses near 1 another rule can then keep",
        when=lambda x: has_plain_log(x),
        proof="50 digits",
    ),
    Rule(
        "1 minus minimum",
        lambda k, m, x: (k - minimum(x, m), maximum(k - x, k - m)),
        "what 1 - x loses near 1 another rule can then keep",
        when=lambda x: has_plain_log(x),
        proof="50 digits",
    ),
)
ROOTS: tuple[AnyRule, ...] = NORMS + DOTS + RATIOS + DIRECTIONS + DIFFERENCES
