"""Taylor coefficients against mpmath's, along lines, through tensor functions, and their slopes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, ShapeError, UsageError

ORDER = 9
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = {
    "exp": (cr.exp, mpmath.exp, 0.7),
    "expm1": (cr.expm1, mpmath.expm1, 0.2),
    "log": (cr.log, mpmath.log, 1.7),
    "log1p": (cr.log1p, mpmath.log1p, 0.7),
    "log2": (cr.log2, lambda x: mpmath.log(x, 2), 1.7),
    "sqrt": (cr.sqrt, mpmath.sqrt, 2.0),
    "sin": (cr.sin, mpmath.sin, 0.7),
    "cos": (cr.cos, mpmath.cos, 0.7),
    "tan": (cr.tan, mpmath.tan, 0.7),
    "asin": (cr.asin, mpmath.asin, 0.3),
    "acos": (cr.acos, mpmath.acos, 0.3),
    "atan": (cr.atan, mpmath.atan, 0.7),
    "sinh": (cr.sinh, mpmath.sinh, 0.7),
    "cosh": (cr.cosh, mpmath.cosh, 0.7),
    "tanh": (cr.tanh, mpmath.tanh, 0.7),
    "asinh": (cr.asinh, mpmath.asinh, 0.7),
    "acosh": (cr.acosh, mpmath.acosh, 1.7),
    "atanh": (cr.atanh, mpmath.atanh, 0.3),
    "erf": (cr.erf, mpmath.erf, 0.7),
    "lgamma": (cr.lgamma, mpmath.loggamma, 2.5),
    "sigmoid": (cr.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x)), 0.7),
    "softplus": (cr.softplus, lambda x: mpmath.log(1 + mpmath.exp(x)), 0.7),
    "power": (lambda x: x**2.5, lambda x: x ** mpmath.mpf(2.5), 1.3),
    "integer power": (lambda x: x**3, lambda x: x**3, 0.0),
    "reciprocal": (lambda x: 1 / (1 + x**2), lambda x: 1 / (1 + x**2), 0.7),
    "composed": (
        lambda x: cr.sin(x) * cr.exp(x) / (1 + x**2),
        lambda x: mpmath.sin(x) * mpmath.exp(x) / (1 + x**2),
        0.7,
    ),
    "nested": (
        lambda x: cr.exp(cr.sin(cr.exp(x))),
        lambda x: mpmath.exp(mpmath.sin(mpmath.exp(x))),
        0.2,
    ),
    "an activation": (
        lambda x: cr.mish(x),
        lambda x: x * mpmath.tanh(mpmath.log(1 + mpmath.exp(x))),
        0.4,
    ),
    "a choice": (lambda x: cr.where(x > 0, cr.exp(x), x), mpmath.exp, 0.7),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_coefficients_are_exact(name: str) -> None:
    f, exact, at = FUNCTIONS[name]
    x = cr.tensor("x", (), "float64")
    found = cr.function([x], cr.taylor(f, ORDER)(x), "numpy")(at)
    with mpmath.workdps(50):
        expected = np.array([float(mpmath.re(c)) for c in mpmath.taylor(exact, at, ORDER)])
    np.testing.assert_allclose(found, expected, rtol=2e-13, atol=1e-15)


def test_elementwise_functions_of_a_tensor_one_by_one() -> None:
    x = cr.tensor("x", (None,), "float64")
    f = cr.function([x], cr.taylor(cr.exp(x), x, 3), "numpy")
    points = np.array([0.0, 1.0, -2.0])
    np.testing.assert_allclose(f(points), [np.exp(points) / math.factorial(k) for k in range(4)])


def along_a_line(y: Callable[[Any], Any]) -> None:
    """A function of a matrix, along a line: the same as nested derivatives for h."""
    rng = np.random.default_rng(0)
    a, d = rng.uniform(0.2, 1, (2, 3)), rng.normal(size=(2, 3))
    x, h = cr.tensor("x", (None, 3), "float64"), cr.tensor("h", (), "float64")
    v = cr.tensor("v", (None, 3), "float64")
    nested, slopes = y(x + h * v), []
    for k in range(4):
        slopes.append(nested / math.factorial(k))
        nested = cr.jvp(nested, h, 1.0)
    found = cr.function([x, v], cr.taylor(y(x), x, 3, direction=v), "numpy")(a, d)
    for k, expected in enumerate(cr.function([x, v, h], slopes, "numpy")(a, d, 0.0)):
        np.testing.assert_allclose(found[k], expected, rtol=1e-11, atol=1e-12)


TENSOR_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "contract": lambda x: cr.einsum("bi,bj->ij", cr.sin(x), x),
    "softmax": lambda x: cr.softmax(x * x, axis=1),
    "log_softmax": lambda x: cr.log_softmax(x, axis=1),
    "logsumexp": lambda x: cr.logsumexp(x, axis=1),
    "norm": lambda x: cr.vector_norm(x, axis=1),
    "prod": lambda x: cr.prod(x, axis=1) * cr.prod(cr.exp(x)),
    "mean": lambda x: cr.mean(x**2, axis=0) / cr.sum(x),
    "max": lambda x: cr.max(cr.exp(x), axis=1),
    "movement": lambda x: cr.pad(cr.flip(x.T, axis=0), 1, constant_values=3.0)[1:, ::2] ** 2,
    "concat": lambda x: cr.concat([x, cr.exp(x)], axis=1) ** 2,
    "take": lambda x: cr.take(cr.exp(x), np.array([0, 2, 0]), axis=1),
    "cumulative": lambda x: cr.exp(cr.cumulative_sum(x, axis=1)),
    "constant": lambda x: cr.stop_gradient(x) * x + cr.floor(x),
    "own": lambda x: cr.straight_through(cr.round(x), x) ** 3,
    "gradient": lambda x: cr.grad(cr.sum(cr.exp(x) * x), x),
}


@pytest.mark.parametrize("name", TENSOR_FUNCTIONS)
def test_along_a_line(name: str) -> None:
    along_a_line(TENSOR_FUNCTIONS[name])


def test_high_orders_stay_small() -> None:
    """The graph grows with the square of the order; nested gradients grow exponentially."""
    x = cr.tensor("x", (), "float64")
    sizes = [
        len(cr.function([x], cr.taylor(cr.tanh(cr.sin(x)), x, n), "numpy").graph().nodes())
        for n in (5, 10, 20)
    ]
    assert sizes[2] < 6 * sizes[1]
    assert sizes[1] < 6 * sizes[0]


def test_coefficients_are_differentiated_again_on_both_targets() -> None:
    """dc[k]/dx = (k + 1) c[k + 1]."""
    x = cr.tensor("x", (), "float64")
    c = cr.taylor(cr.exp(cr.sin(x)), x, 6)
    for target in ("numpy", "cpu"):
        values, slopes = cr.function([x], [c, cr.jacobian(c, x)], target)(0.3)
        np.testing.assert_allclose(slopes[:-1], np.arange(1, 7) * values[1:], rtol=1e-12)


def test_of_a_function_at_any_point() -> None:
    """A number, an inner tensor, a direction; what is closed over stays as it is."""
    x, v = (cr.tensor(name, (3,), "float64") for name in "xv")
    a, d = np.array([0.3, -1.0, 2.0]), np.array([1.0, -2.0, 0.5])
    of = cr.taylor(lambda t: t**2 * x, order=2)
    found, along, number, graph = cr.function(
        [x, v],
        [of(x), of(2 * x, v), cr.taylor(cr.exp, 3)(0.5), cr.taylor(4 * x**3, 2 * x, 2, v)],
        "numpy",
    )(a, d)
    np.testing.assert_allclose(found, [a**3, 2 * a**2, a], rtol=1e-15)
    np.testing.assert_allclose(along, [4 * a**3, 4 * a**2 * d, a * d**2], rtol=1e-15)
    np.testing.assert_allclose(number, np.exp(0.5) / np.array([1, 1, 2, 6]), rtol=1e-15)
    np.testing.assert_array_equal(graph, [4 * a**3, 0 * a, 0 * a])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: cr.taylor(cr.exp, -1), UsageError, "taylor: order=-1"),
        (lambda x: cr.taylor(cr.exp, x, 2), UsageError, "taylor of a function takes an order"),  # type: ignore[call-overload]
        (lambda x: cr.taylor(cr.exp, 2)(x, np.ones(2)), ShapeError, "a direction of"),
        (lambda x: cr.taylor(x, x, -1), UsageError, "taylor: order=-1"),
        (lambda x: cr.taylor(x, x, 1.5), UsageError, "taylor: order=1.5"),  # type: ignore[call-overload]
        (lambda x: cr.taylor(x, x, 2, direction=np.ones(2)), ShapeError, "a direction of"),
        (lambda x: cr.taylor(1.0, x, 2), UsageError, "y is float"),  # type: ignore[call-overload]
    ],
)
def test_mistakes(make: Any, error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        make(cr.tensor("x", (3,), "float64"))
    assert str(raised.value).startswith("test_series.py:")
