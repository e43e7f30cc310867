"""Every activation against its formula at 50 digits, and at the points where formulas break."""

import functools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.explain.formulas import text
from chainrule.compiler.ir import Graph, evaluate
from chainrule.compiler.pipeline import derive
from chainrule.frontend.activations import ACTIVATIONS

ALPHA = mpmath.mpf("1.6732632423543772848170429916717")
SCALE = mpmath.mpf("1.0507009873554804934193349852946")
# A result of order 1 that is a sum of such terms is off by a few units of 1, not of itself.
EPSILON = 2.0**-52
close = functools.partial(np.testing.assert_allclose, rtol=64 * EPSILON, atol=4 * EPSILON)
Function = Callable[[Any], Any]
Array = np.ndarray[Any, Any]


def elu(x: Any) -> Any:
    return x if x > 0 else mpmath.expm1(x)


def normal(x: Any) -> Any:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def tanh_normal(x: Any) -> Any:
    u = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(0.044715) * x**3)
    return 1 / (1 + mpmath.exp(-2 * u))


def logistic(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def plus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x))


MATHEMATICS: dict[str, Function] = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "leaky_relu": lambda x: x if x > 0 else mpmath.mpf(0.2) * x,
    "elu": elu,
    "selu": lambda x: SCALE * (x if x > 0 else ALPHA * mpmath.expm1(x)),
    "gelu": lambda x: x * normal(x),
    "silu": lambda x: x * logistic(x),
    "mish": lambda x: x * mpmath.tanh(plus(x)),
    "softplus": plus,
    "softsign": lambda x: x / (1 + abs(x)),
    "tanh": mpmath.tanh,
    "sigmoid": logistic,
    "hard_sigmoid": lambda x: min(max(x + 3, mpmath.mpf(0)), mpmath.mpf(6)) / 6,
}
SMOOTH = np.array([-30.0, -7.3, -5.0, -2.0, -0.9, -0.1, -1e-3, 1e-3, 0.1, 0.7, 2.0, 5.0, 7.3, 30.0])
ELEMENTWISE = sorted(MATHEMATICS)


def run(formula: Callable[[cr.Tensor], cr.Tensor], x: Array) -> tuple[Array, Array, Array]:
    """Value, gradient and second derivative of an elementwise formula, as they are compiled."""
    t = cr.tensor("x", (None,), dtype=str(x.dtype))
    y = formula(t)
    dy = cr.grad(cr.sum(y), t)
    d2y = cr.grad(cr.sum(dy), t)
    outputs = (("y", y.node), ("dy", dy.node), ("d2y", d2y.node))
    graph = derive(Graph("test", inputs=(t.node,), outputs=outputs))
    value, first, second = evaluate(graph.roots, {t.node: x})
    return value, first, second


def exact(function: Function, x: Array, order: int) -> Array:
    """The derivative of this order at 50 digits."""
    with mpmath.workdps(50):
        values = [mpmath.diff(function, mpmath.mpf(float(v)), order) for v in x]
        return np.array([float(v) for v in values])


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_float64_agrees_with_50_digits(name: str, order: int) -> None:
    found = run(ACTIVATIONS[name], SMOOTH)[order]
    wanted = exact(MATHEMATICS[name], SMOOTH, order)
    close(found, wanted)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_float32_agrees_with_50_digits(name: str) -> None:
    x = SMOOTH.astype("float32")
    value, first, _ = run(ACTIVATIONS[name], x)
    assert value.dtype == first.dtype == np.float32
    np.testing.assert_allclose(value, exact(MATHEMATICS[name], x, 0), rtol=2e-6, atol=1e-7)
    np.testing.assert_allclose(first, exact(MATHEMATICS[name], x, 1), rtol=4e-6, atol=2e-7)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_far_out_everything_is_finite(name: str) -> None:
    far = np.array([-1e300, -1e5, -800.0, 800.0, 1e5, 1e300])
    if name == "gelu":
        far = far[1:-1]
    for found in run(ACTIVATIONS[name], far)[:2]:
        assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("name", "point", "wanted"),
    [
        ("relu", 0.0, 0.0),
        ("leaky_relu", 0.0, 0.2),
        ("elu", 0.0, 1.0),
        ("hard_sigmoid", -3.0, 0.0),
        ("hard_sigmoid", 3.0, 0.0),
        ("softsign", 0.0, 1.0),
    ],
)
def test_the_derivative_at_a_kink(name: str, point: float, wanted: float) -> None:
    assert run(ACTIVATIONS[name], np.array([point]))[1] == [wanted]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_stays_nan(name: str) -> None:
    assert np.isnan(run(ACTIVATIONS[name], np.array([np.nan]))[0]).all()


def test_gelu_has_its_approximation() -> None:
    def formula(x: Any) -> Any:
        return x * tanh_normal(x)

    found = run(ACTIVATIONS["gelu"](approximate=True), SMOOTH)
    close(found[0], exact(formula, SMOOTH, 0))
    close(found[1], exact(formula, SMOOTH, 1))


@pytest.mark.parametrize(
    ("configured", "formula"),
    [
        (cr.leaky_relu(negative_slope=0.5), lambda x: x if x > 0 else x / 2),
        (cr.elu(alpha=2), lambda x: x if x > 0 else 2 * mpmath.expm1(x)),
    ],
)
def test_settings_change_the_function(configured: Any, formula: Function) -> None:
    found = run(configured, SMOOTH)
    np.testing.assert_allclose(found[0], exact(formula, SMOOTH, 0), rtol=2e-15)
    np.testing.assert_allclose(found[1], exact(formula, SMOOTH, 1), rtol=2e-15)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_along_an_axis(axis: int) -> None:
    z = np.array([[1.0, 2.0, 3.0], [-1000.0, 0.0, 1000.0]])
    t = cr.tensor("z", (2, 3), dtype="float64")
    p = cr.activation("softmax")(axis=axis)(t)
    q = cr.activation("log_softmax")(t, axis=axis)
    graph = derive(Graph("test", inputs=(t.node,), outputs=(("p", p.node), ("q", q.node))))
    found = evaluate(graph.roots, {t.node: z})
    with mpmath.workdps(1000):
        powers = np.array([[mpmath.exp(v) for v in row] for row in z])
        wanted = powers / powers.sum(axis=axis, keepdims=True)
        logs = np.array([[float(mpmath.log(v)) for v in row] for row in wanted])
    np.testing.assert_allclose(found[0], wanted.astype(float), rtol=1e-15, atol=1e-300)
    np.testing.assert_allclose(found[1], logs, rtol=1e-15)


def test_names_survive_into_the_graph() -> None:
    x = cr.tensor("x", (3,))
    for name in ("leaky_relu", "gelu", "silu", "mish", "hard_sigmoid"):
        assert cr.activation(name)(x).node.op.name == name


def test_what_has_a_name_gets_no_second_one() -> None:
    x = cr.tensor("x", (3,))
    assert cr.activation("sigmoid")(x).node is cr.sigmoid(x).node
    assert cr.activation("linear")(x).node is x.node


def test_equal_settings_make_equal_expressions() -> None:
    x = cr.tensor("x", (3,))
    assert cr.leaky_relu(x, negative_slope=0.3).node is cr.leaky_relu(negative_slope=0.3)(x).node
    assert cr.leaky_relu(x, negative_slope=0.3).node is not cr.leaky_relu(x).node


def test_the_gradient_of_gelu_reads_as_in_the_paper() -> None:
    x = cr.tensor("x", (None,))
    dx = cr.grad(cr.sum(cr.gelu(x)), x)
    graph = derive(Graph("test", inputs=(x.node,), outputs=(("dx", dx.node),)))
    assert "exp(-0.5 x²)" in text(graph.roots[0], {})  # not -0.49999999999999994
