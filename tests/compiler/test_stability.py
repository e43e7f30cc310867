"""Formulas written naively, and their gradients, at inputs where naive evaluation fails.

The truth is a difference quotient of the formula itself in 1,300 digits. Right means: off by no
more than 2,000 units of rounding, relative to the true value (or to `scale`, where a case says so),
or by less than the smallest normal number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import chainrule.compiler.ops  # noqa: F401
from chainrule.compiler.ir import Graph, Node, const, evaluate, leaf
from chainrule.compiler.ops.arithmetic import abs, maximum, minimum, pow, sqrt, square, where
from chainrule.compiler.ops.convert import cast, iota
from chainrule.compiler.ops.elementary import (
    cos,
    cosh,
    exp,
    log,
    sin,
    sinh,
    tanh,
)
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.ops.index import TAKE_ALONG, one_hot
from chainrule.compiler.ops.reduce import MAX, MEAN, PROD, SOFTMAX, SUM, kept
from chainrule.compiler.ops.shape import broadcast_to, reshape
from chainrule.compiler.ops.special import erf, sigmoid
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.pipeline import derive
from chainrule.compiler.precise import digits
from chainrule.compiler.types import TensorType

DIGITS, STEP = 1300, -300
ULPS = 2000
DTYPES = ("float64", "float32")
BIG = {"float64": (745.0, 710.0, 300.0, 40.0), "float32": (103.0, 89.0, 60.0, 18.0)}
SMALL = {"float64": (1e-3, 1e-9, 1e-160), "float32": (1e-2, 1e-4, 1e-22)}
HUGE = {"float64": (1e160, 1e9), "float32": (1e22, 1e5)}


def line(dtype: str) -> list[float]:
    """Both signs, from tiny to where exp has overflowed."""
    sizes = (*BIG[dtype], 5.0, 0.7, *SMALL[dtype])
    return [sign * x for x in sizes for sign in (1, -1)]


def above(dtype: str) -> list[float]:
    return [x for x in line(dtype) if x > 0]


def below(dtype: str) -> list[float]:
    return [x for x in line(dtype) if x < 0]


def unit(dtype: str) -> list[float]:
    """Between -1 and 1, near 0 and near both ends."""
    near = {"float64": (1 - 1e-12, 0.9), "float32": (1 - 1e-5, 0.9)}[dtype]
    return [sign * x for x in (*near, 0.5, *SMALL[dtype]) for sign in (1, -1)]


def wide(dtype: str) -> list[float]:
    """From where the square underflows to where it overflows."""
    return [sign * x for x in (*HUGE[dtype], 3.0, *SMALL[dtype]) for sign in (1, -1)]


def moderate(dtype: str) -> list[float]:
    return [sign * x for x in (20.0, 5.0, 0.7, *SMALL[dtype]) for sign in (1, -1)]


Points = Callable[[str], list[float]]


@dataclass(frozen=True)
class Case:
    """A formula of one number.

    A `scale` is the size of the derivative's own terms, where it is their difference: sigmoid'' at
    0, and 1 - tanh^2, which is left as it is because every network with tanh computes it. So is
    `value_scale` for the value.
    """

    name: str
    formula: Callable[[Node], Node]
    points: Points = line
    scale: float = 0.0
    value_scale: float = 0.0


def logistic(x: Node) -> Node:
    return 1 / (1 + exp(-x))


def cross_entropy(t: float, p: Node) -> Node:
    return -(t * log(p) + (1 - t) * log(1 - p))


CASES = (
    Case("log sigmoid", lambda x: log(sigmoid(x))),
    Case("log of 1/(1+exp(-x))", lambda x: log(logistic(x))),
    Case("log of exp/(1+exp)", lambda x: log(exp(x) / (1 + exp(x)))),
    Case("log(1 - sigmoid)", lambda x: log(1 - sigmoid(x))),
    Case("log(1 - 1/(1+exp(-x)))", lambda x: log(1 - logistic(x))),
    Case("softplus", lambda x: log(1 + exp(x))),
    Case("softplus, exp first", lambda x: log(exp(x) + 1)),
    Case("softplus of a multiple", lambda x: log(1 + exp(2 * x)) / 2),
    Case("x - log(1 + exp)", lambda x: x - log(1 + exp(x))),
    Case("log(1 + exp) - x", lambda x: log(1 + exp(x)) - x),
    Case("hinge, stable form", lambda x: maximum(x, 0) + log(1 + exp(-abs(x)))),
    Case("log(1 + x)", lambda x: log(1 + x), unit),
    Case("log(1 - x)", lambda x: log(1 - x), unit),
    Case("log(1 + x^2)", lambda x: log(1 + x * x), moderate),
    Case("log(1 - x^2)", lambda x: log(1 - square(x)), unit),
    Case("exp(x) - 1", lambda x: exp(x) - 1, moderate),
    Case("1 - exp(-x)", lambda x: 1 - exp(-x), moderate),
    Case("square of exp(x) - 1", lambda x: square(exp(x) - 1), moderate),
    Case("log(1 - exp(-x))", lambda x: log(1 - exp(-x)), above),
    Case("log(exp(x) - 1)", lambda x: log(exp(x) - 1), above),
    Case("log(exp(x))", lambda x: log(exp(x))),
    Case("log(exp(x) + exp(2x))", lambda x: log(exp(x) + exp(2 * x))),
    Case("log(exp(x) + exp(-x))", lambda x: log(exp(x) + exp(-x))),
    Case("log(2 + exp(x))", lambda x: log(2 + exp(x))),
    Case("log of a mixture", lambda x: log(0.25 * exp(x) + 0.75 * exp(-x)), value_scale=1),
    Case("log of three exps", lambda x: log(exp(x) + exp(2 * x) + exp(3 * x))),
    Case("sigmoid", logistic),
    Case("sigmoid, exp over 1 + exp", lambda x: exp(x) / (1 + exp(x))),
    Case("1 - sigmoid", lambda x: 1 - logistic(x)),
    Case("sigmoid (1 - sigmoid)", lambda x: logistic(x) * (1 - logistic(x)), above, 0.1),
    Case("logistic density", lambda x: exp(-x) / square(1 + exp(-x)), above, 0.1),
    Case("ratio of two exps", lambda x: exp(x) / (exp(x) + exp(-x))),
    Case("exp over 2 + exp", lambda x: exp(x) / (2 + exp(x))),
    Case("log odds", lambda x: log(logistic(x) / (1 - logistic(x)))),
    Case("sigmoid cross entropy, 1", lambda x: cross_entropy(1.0, sigmoid(x))),
    Case("sigmoid cross entropy, 0", lambda x: cross_entropy(0.0, sigmoid(x))),
    Case("sigmoid cross entropy, 0.25", lambda x: cross_entropy(0.25, logistic(x))),
    Case("focal loss", lambda x: -square(1 - logistic(x)) * log(logistic(x))),
    Case("cross entropy by where", lambda x: -log(where(x > -1e9, logistic(x), 1 - logistic(x)))),
    Case("hinge of log loss", lambda x: log(1 + exp(-3 * x))),
    Case("swish", lambda x: x / (1 + exp(-x)), moderate),
    Case("mish", lambda x: x * tanh(log(1 + exp(x))), moderate),
    Case("softsign", lambda x: x / (1 + abs(x)), wide),
    Case("gelu", lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))), moderate),
    Case("elu", lambda x: where(x > 0, x, exp(x) - 1)),
    Case("selu", lambda x: 1.05 * where(x > 0, x, 1.67 * exp(x) - 1.67)),
    Case("tanh from exps", lambda x: (exp(x) - exp(-x)) / (exp(x) + exp(-x)), moderate, 1.0),
    Case("tanh from exp(2x)", lambda x: (exp(2 * x) - 1) / (exp(2 * x) + 1), moderate, 1.0),
    Case("tanh from exp(-2x)", lambda x: (1 - exp(-2 * x)) / (1 + exp(-2 * x)), moderate, 1.0),
    Case("tanh from sigmoid", lambda x: 2 / (1 + exp(-2 * x)) - 1, moderate, 1.0),
    Case("1 - tanh", lambda x: 1 - tanh(x)),
    Case("sinh from exps", lambda x: (exp(x) - exp(-x)) / 2, moderate),
    Case("sinh over cosh", lambda x: sinh(x) / cosh(x), moderate, 1.0),
    Case("1 over cosh", lambda x: 1 / cosh(x)),
    Case("log cosh", lambda x: log(cosh(x))),
    Case("log cosh from exps", lambda x: log((exp(x) + exp(-x)) / 2)),
    Case("log cosh from softplus", lambda x: x + log(1 + exp(-2 * x)) - math.log(2)),
    Case("log(1 - tanh^2)", lambda x: log(1 - square(tanh(x)))),
    Case("cosh^2 - sinh^2", lambda x: x * (square(cosh(x)) - square(sinh(x)))),
    Case("1 - cos", lambda x: 1 - cos(x), unit),
    Case("log(1 - cos)", lambda x: log(1 - cos(x)), lambda d: [x for x in unit(d) if x > 1e-15]),
    Case("sin^2 + cos^2", lambda x: x * (square(sin(x)) + square(cos(x))), unit),
    Case("log(1 - erf)", lambda x: log(1 - erf(x)), lambda d: [0.5, 1.0, 3.0, 5.0, 8.0, -3.0]),
    Case("1 - erf", lambda x: 1 - erf(x), lambda d: [0.5, 1.0, 3.0, 5.0, 8.0, -3.0]),
    Case("sqrt(x^2)", lambda x: sqrt(square(x)), wide),
    Case("sqrt(x^2), as a power", lambda x: (x**2) ** 0.5, wide),
    Case("hypot", lambda x: sqrt(square(x) + square(2 * x)), wide),
    Case("x over its size", lambda x: x / sqrt(square(x)) + x, wide),
    Case("sqrt(1 + x^2)", lambda x: sqrt(1 + square(x)), wide),
    Case("x over sqrt(1 + x^2)", lambda x: x / sqrt(1 + square(x)), moderate),
    Case("sqrt(1 + x) - 1", lambda x: sqrt(1 + x) - 1, unit),
    Case("square of sqrt(1 + x) - 1", lambda x: square(sqrt(1 + x) - 1), unit),
    Case("square of sqrt(1 + x^2) - 1", lambda x: square(sqrt(1 + x * x) - 1), moderate),
    Case("log of sqrt(1 + x^2) - 1", lambda x: log(sqrt(1 + x * x) - 1), above),
    Case("arcsinh", lambda x: log(x + sqrt(x * x + 1)), wide),
    Case("arccosh", lambda x: log(x + sqrt(x * x - 1)), lambda d: [1.001, 1.5, 5.0, HUGE[d][1]]),
    Case("arctanh", lambda x: log((1 + x) / (1 - x)) / 2, unit),
    Case("log of a power", lambda x: log(exp(x) ** 3)),
    Case("log of a root", lambda x: log(sqrt(exp(x)))),
    Case("log of a square", lambda x: log(square(x)), wide),
    Case("log of a reciprocal", lambda x: log(1 / exp(x))),
    Case("log of a product of sigmoids", lambda x: log(sigmoid(x) * sigmoid(2 * x))),
    Case("log of a ratio of exps", lambda x: log(exp(x) / (1 + exp(2 * x)))),
    Case("exp(x) exp(-x)", lambda x: x * exp(x) * exp(-x)),
    Case("Gaussian log density", lambda x: log(exp(-square(x) / 2) / 2.5), moderate),
    Case("where sqrt", lambda x: where(x > 0, sqrt(x), 0.0)),
    Case("where log", lambda x: where(x > 0, log(x), x)),
    Case("where 1/x", lambda x: where(abs(x) > 1e-200, 1 / (x * x + x), 0.0), above),
    Case("where exp", lambda x: where(x < 1, exp(x), x)),
    Case("masked log", lambda x: cast(x > 0, x.dtype) * log(x)),
    Case("safe power", lambda x: where(x > 0, x**0.5 * log(x), 2 * x)),
    Case("relu of exp", lambda x: where(x > 0, x, exp(x) / (1 + exp(x)))),
)


def named(case: Any) -> str:
    return str(case.name)


@cache
def graphs(formula: Callable[[Node], Node], dtype: str, shape: tuple[int, ...]) -> Any:
    """The formula's gradient: with rules, and without."""
    x = leaf("x", TensorType(dtype, shape), "input")
    y = formula(x)
    total = SUM(y, axes=tuple(range(y.type.ndim)))
    wanted = gradient(total, x, const(1, dtype))
    request = Graph("f", (x,), outputs=(("dx", wanted),))
    return x, y, derive(request).roots[0], Differentiate()(request).roots[0]


@cache
def slope(formula: Callable[[Node], Node], dtype: str, shape: tuple[int, ...], at: Any) -> Any:
    """The true gradient at a point, rounded last."""
    x, y, _, _ = graphs(formula, dtype, shape)
    found = np.empty(shape, object)
    with mp.workdps(DIGITS):
        point = np.frompyfunc(mp.mpf, 1, 1)(np.asarray(at, object).reshape(shape))
        for index in np.ndindex(*shape):
            step = mp.mpf(10) ** STEP * (np.abs(point[index]) or 1)
            moved = []
            for sign in (1, -1):
                other = point.copy()
                other[index] += sign * step
                moved.append(digits([y], {x: other}, DIGITS)[0].sum())
            found[index] = (moved[0] - moved[1]) / (2 * step)
    return found


def right(got: Any, exact: Any, dtype: str, scale: float = 0.0) -> bool:
    """Whether a float is the true value, but for rounding."""
    info = np.finfo(dtype)
    if not np.isfinite(got):
        return bool(np.abs(exact) > info.max and math.copysign(1, got) == mp.sign(exact))
    error = np.abs(mp.mpf(float(got)) - exact)
    allowed = ULPS * float(info.eps) * max(np.abs(exact), scale)
    return bool(error <= allowed or error <= float(info.tiny))


def verdicts(case: Case, dtype: str) -> list[tuple[float, bool, bool, Any, Any]]:
    """At each point: whether ours is right, and whether the naive gradient is."""
    points = [float(np.dtype(dtype).type(x)) for x in case.points(dtype)]
    shape = (len(points),)
    x, _, ours, naive = graphs(case.formula, dtype, shape)
    good, plain = evaluate([ours, naive], {x: np.array(points, dtype)})
    one = [slope(case.formula, dtype, (1,), (p,))[0] for p in points]
    return [
        (p, right(a, t, dtype, case.scale), right(b, t, dtype, case.scale), a, t)
        for p, a, b, t in zip(points, good, plain, one, strict=True)
    ]


def probabilities(z: Node) -> Node:
    e = exp(z)
    return e / kept(SUM(e, axes=(0,)), z, (0,))


def target(z: Node) -> Node:
    """The one-hot row of class 1."""
    return reshape(one_hot(const(1, "int64"), 3, z.dtype), (3,))


def picked(x: Node) -> Node:
    at = broadcast_to(const(1, "int64"), (1,))
    return TAKE_ALONG(x, at, axis=0)


def shifted(z: Node) -> Node:
    return z - kept(MAX(z, axes=(0,)), z, (0,))


def deviation(x: Node) -> Node:
    return sqrt(MEAN(square(x), axes=(0,)) - square(MEAN(x, axes=(0,))))


VECTORS = {
    "float64": ((0.1, 0.2, 0.3), (900.0, 0.0, -900.0), (-900.0, -910.0, -905.0), (1e4, 9e3, 1.0)),
    "float32": ((0.1, 0.2, 0.3), (120.0, 0.0, -120.0), (-110.0, -115.0, -120.0), (1e3, 9e2, 1.0)),
}
SIZES = {
    "float64": ((3.0, 4.0, 12.0), (1e200, 2e200, 1e190), (1.0, 0.0, 2.0)),
    "float32": ((3.0, 4.0, 12.0), (1.0, 0.0, 2.0)),
}


def logits(dtype: str) -> Any:
    return VECTORS[dtype]


def sizes(dtype: str) -> Any:
    return SIZES["float32"]  # the sum of squares of a norm is not scaled


def near(dtype: str) -> Any:
    return ((1e5, 1e5 + 1, 1e5 + 3), (1.0, 2.0, 4.0))


@dataclass(frozen=True)
class Tensors:
    """A formula of three numbers; errors are relative to `scale`, as one entry may be 1 - p."""

    name: str
    formula: Callable[[Node], Node]
    points: Callable[[str], Any] = logits
    scale: float = 1.0


TENSORS = (
    Tensors("log of softmax", lambda z: log(SOFTMAX(z, axes=(0,)))),
    Tensors("log of exp over sum of exp", lambda z: log(probabilities(z))),
    Tensors("log sum exp", lambda z: log(SUM(exp(z), axes=(0,)))),
    Tensors("log mean exp", lambda z: log(MEAN(exp(z), axes=(0,)))),
    Tensors(
        "log sum exp, shifted", lambda z: log(SUM(exp(shifted(z)), axes=(0,))) + MAX(z, axes=(0,))
    ),
    Tensors("softmax", lambda z: probabilities(z) * np_row(z)),
    Tensors("softmax of shifted", lambda z: probabilities(shifted(z)) * np_row(z)),
    Tensors("cross entropy, one-hot", lambda z: -SUM(target(z) * log(probabilities(z)), axes=(0,))),
    Tensors("cross entropy, label", lambda z: -log(picked(probabilities(z)))),
    Tensors("cross entropy, log of picked", lambda z: -picked(log(probabilities(z)))),
    Tensors(
        "cross entropy, normalized again",
        lambda z: -log(picked(probabilities(z) / SUM(probabilities(z), axes=(0,)))),
    ),
    Tensors("entropy", lambda z: -SUM(probabilities(z) * log(probabilities(z)), axes=(0,)), near),
    Tensors(
        "divergence",
        lambda z: SUM(probabilities(z) * log(probabilities(z) / probabilities(2 * z)), axes=(0,)),
        lambda d: ((0.1, 0.2, 0.3), (1.0, 30.0, -30.0)),
    ),
    Tensors("product of sigmoids", lambda z: log(PROD(sigmoid(z), axes=(0,)))),
    Tensors("norm", lambda x: sqrt(SUM(square(x), axes=(0,))), sizes),
    Tensors("root mean square", lambda x: sqrt(MEAN(square(x), axes=(0,))), sizes),
    Tensors("standard deviation", deviation, near),
    Tensors("attention", lambda z: SUM(exp(z) * np_row(z), axes=(0,)) / SUM(exp(z), axes=(0,))),
)


def np_row(z: Node) -> Node:
    """Weights 0, 1, 2."""
    return cast(iota(3), z.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", TENSORS, ids=named)
def test_gradient_of_naive_tensor_formula(case: Tensors, dtype: str) -> None:
    for point in case.points(dtype):
        held = tuple(float(np.dtype(dtype).type(v)) for v in point)
        x, _, ours, _ = graphs(case.formula, dtype, (3,))
        (got,) = evaluate([ours], {x: np.array(held, dtype)})
        exact = slope(case.formula, dtype, (3,), held)
        for a, t in zip(got, exact, strict=True):
            assert right(a, t, dtype, case.scale), (held, got, [mp.nstr(v, 8) for v in exact])


def clipped(p: Node) -> Node:
    return minimum(maximum(p, 1e-7), 1 - 1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipped_cross_entropy_has_the_gradient_of_logits_inside(dtype: str) -> None:
    x = leaf("x", TensorType(dtype, (4,)), "input")
    loss = SUM(cross_entropy(1.0, clipped(logistic(x))), axes=(0,))
    request = Graph("f", (x,), outputs=(("dx", gradient(loss, x, const(1, dtype))),))
    at = np.array([-40.0, -8.0, 8.0, 40.0], dtype)
    (got,) = evaluate(derive(request).roots, {x: at})
    exact = -1 / (1 + np.exp(at.astype("float64")))
    np.testing.assert_allclose(got, [0, exact[1], exact[2], 0], rtol=1e-6)


def second(formula: Callable[[Node], Node], at: list[float]) -> Any:
    x = leaf("x", TensorType("float64", (len(at),)), "input")
    total = SUM(formula(x), axes=(0,))
    first = SUM(gradient(total, x, const(1, "float64")), axes=(0,))
    wanted = gradient(first, x, const(1, "float64"))
    graph = derive(Graph("f", (x,), outputs=(("d2x", wanted),)))
    return evaluate(graph.roots, {x: np.array(at)})[0]


@pytest.mark.parametrize(
    ("formula", "at", "exact"),
    [
        (lambda x: where(x > 0, sqrt(x), 0.0), [0.0, -1.0, 4.0], [0, 0, -1 / 32]),
        (lambda x: where(x > 0, log(x), 0.0), [0.0, -1.0, 2.0], [0, 0, -0.25]),
        (lambda x: where(x > 0, pow(x, 1.5), 2 * x), [0.0, -1.0, 4.0], [0, 0, 0.375]),
        (lambda x: where(x < 1, exp(x), x), [0.0, 800.0], [1, 0]),
        (lambda x: where(x > 0, 1 / x, x) * where(x > 0, log(x), x), [0.0, 1.0], [2, -3]),
        (lambda x: cast(x > 0, x.dtype) * sqrt(x), [-1.0, 0.0, 4.0], [0, 0, -1 / 32]),
        (lambda x: sqrt(where(x > 0, x, 1.0)), [-1.0, 0.0, 4.0], [0, 0, -1 / 32]),
    ],
)
def test_branch_that_is_not_taken_does_not_leak(formula: Any, at: Any, exact: Any) -> None:
    np.testing.assert_allclose(second(formula, at), exact, rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    "formula",
    [
        lambda x: sqrt(square(x)),
        lambda x: sqrt(x * x + square(2 * x)),
        lambda x: (x**2) ** 0.5,
        lambda x: sqrt(SUM(x * x, axes=(0,))),
        lambda x: sqrt(MEAN(x**2, axes=(0,))),
    ],
)
def test_gradient_of_a_norm_at_zero_is_zero(formula: Any) -> None:
    x, _, ours, _ = graphs(formula, "float64", (3,))
    np.testing.assert_array_equal(evaluate([ours], {x: np.zeros(3)})[0], np.zeros(3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=named)
def test_gradient_of_naive_formula(case: Case, dtype: str) -> None:
    wrong = [(p, a, mp.nstr(t, 8)) for p, ok, _, a, t in verdicts(case, dtype) if not ok]
    assert not wrong


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=named)
def test_value_of_naive_formula(case: Case, dtype: str) -> None:
    points = [float(np.dtype(dtype).type(x)) for x in case.points(dtype)]
    x = leaf("x", TensorType(dtype, (len(points),)), "input")
    y = case.formula(x)
    (ours,) = evaluate(
        derive(Graph("f", (x,), outputs=(("y", y),))).roots, {x: np.array(points, dtype)}
    )
    with mp.workdps(DIGITS):
        (exact,) = digits([y], {x: np.array(points, object)}, DIGITS)
        for p, a, t in zip(points, ours, exact, strict=True):
            scale = max(case.scale, case.value_scale)
            assert right(a, t, dtype, scale), (p, a, mp.nstr(t, 8))


def test_count() -> None:
    """How many gradients are right: all of ours, and not nearly all without the rules."""
    found = [v for case in CASES for dtype in DTYPES for v in verdicts(case, dtype)]
    ours, naive = sum(v[1] for v in found), sum(v[2] for v in found)
    assert ours == len(found)
    assert len(found) > 1500
    assert naive < 0.85 * len(found)
