"""Roots, fixed points and minima: values and derivatives against 50 digits, searches, mistakes."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any, TypeAlias

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import (
    ChainruleError,
    ConvergenceError,
    DTypeError,
    MatrixError,
    ShapeError,
    UsageError,
)
from chainrule.compiler.text import parse, show

Array: TypeAlias = "np.ndarray[Any, Any]"
TARGETS = ("numpy", "cpu")


def number(name: str = "a") -> cr.Tensor:
    return cr.tensor(name, (), "float64")


def vector(name: str, *shape: Any) -> cr.Tensor:
    return cr.tensor(name, shape, "float64")


def both(inputs: Any, outputs: list[cr.Tensor], *arrays: Any) -> list[Any]:
    """The results on numpy, which are those on the cpu."""
    found: list[Any] = cr.function(inputs, outputs, "numpy")(*arrays)
    for one, other in zip(found, cr.function(inputs, outputs, "cpu")(*arrays), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)
    return found


# A solution as a function of a and b, and the equation that mpmath solves for it.
SCALARS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any, Any], Any], float]] = {
    "root of a cubic": (
        lambda a, b: cr.root(lambda x: x**3 + b * x - a, 1.0),
        lambda x, a, b: x**3 + b * x - a,
        1.0,
    ),
    "root of Kepler's equation": (
        lambda a, b: cr.root(lambda e: e - 0.4 * b * cr.sin(e) - a, a),
        lambda e, a, b: e - 2 * b / 5 * mpmath.sin(e) - a,
        1.0,
    ),
    "fixed point": (
        lambda a, b: cr.fixed_point(lambda x: cr.cos(a * x) * b / 3, 0.0),
        lambda x, a, b: mpmath.cos(a * x) * b / 3 - x,
        0.3,
    ),
    "fixed point by plain iteration": (
        lambda a, b: cr.fixed_point(lambda x: cr.exp(-b * x) / (1 + a), 0.0, memory=0),
        lambda x, a, b: mpmath.exp(-b * x) / (1 + a) - x,
        0.3,
    ),
    "minimum": (
        lambda a, b: cr.argmin(lambda x: cr.exp(a * x) + b * x**2 - x, 0.0),
        lambda x, a, b: a * mpmath.exp(a * x) + 2 * b * x - 1,
        0.1,
    ),
    "minimum with a log": (
        lambda a, b: cr.argmin(lambda x: a * x - b * cr.log(x) + x**3, 3.0),
        lambda x, a, b: a - b / x + 3 * x**2,
        0.5,
    ),
}


def exact(equation: Callable[[Any, Any, Any], Any], near: float, a: float, b: float) -> list[Any]:
    """A solution to 50 digits, its gradient and its second derivatives for a and b."""
    with mpmath.workdps(60):
        start = mpmath.findroot(lambda x: equation(x, a, b), near)

        def solution(p: Any, q: Any) -> Any:
            return mpmath.findroot(lambda x: equation(x, p, q), start)

        at = (mpmath.mpf(a), mpmath.mpf(b))
        orders = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
        return [float(mpmath.diff(solution, at, n)) if sum(n) else float(start) for n in orders]


@pytest.mark.parametrize("name", SCALARS)
def test_values_and_two_derivatives_at_fifty_digits(name: str) -> None:
    a, b = number("a"), number("b")
    solve, equation, near = SCALARS[name]
    x = solve(a, b)
    slopes = cr.grad(x, [a, b])
    outputs = [x, *slopes, *cr.grad(slopes[0], [a, b]), cr.grad(slopes[1], b)]
    found = cr.function([a, b], outputs, "numpy")(0.8, 1.3)
    np.testing.assert_allclose(found, exact(equation, near, 0.8, 1.3), rtol=1e-12)


def test_third_derivatives_forward_mode_and_series() -> None:
    """x(a) with x^3 + x = a at 2: by hand from 3 x^2 x' + x' = 1 and its derivatives."""
    a = number()
    x = cr.root(lambda x: x**3 + x - a, 1.0)
    third = cr.grad(cr.grad(cr.grad(x, a), a), a)
    along = cr.jvp(cr.jvp(x, a, 1.0), a, 1.0)
    found = cr.function([a], [third, along, cr.taylor(x, a, 3)], "numpy")(2.0)
    first, second = 0.25, -6 / 64  # -6 x x'^2 / (3 x^2 + 1)
    last = -(6 * first**3 + 18 * first * second) / 4
    np.testing.assert_allclose(found[0], last, rtol=1e-13)
    np.testing.assert_allclose(found[1], second, rtol=1e-13)
    np.testing.assert_allclose(found[2], [1, first, second / 2, last / 6], rtol=1e-13)


def test_a_system_in_a_nest_against_its_closed_form() -> None:
    """u + v = s, u v = p: the roots of t^2 - s t + p; and a matrix times a vector is another."""
    s, p, m, c = number("s"), number("p"), vector("m", 2, 2), vector("c", 2)

    def equations(x: dict[str, cr.Tensor]) -> list[cr.Tensor]:
        return [x["u"] + x["v"] - s, x["u"] * x["v"] - p, m @ x["w"] - c]

    x = cr.root(equations, {"u": 2.0, "v": 0.0, "w": np.zeros(2)})
    assert {name: t.shape for name, t in x.items()} == {"u": (), "v": (), "w": (2,)}
    half = cr.sqrt(s**2 / 4 - p)
    closed = {"u": s / 2 + half, "v": s / 2 - half, "w": cr.linalg.solve(m, c)}
    outputs = []
    for of in (x, closed):
        total = of["u"] ** 2 + 3 * of["v"] + cr.sum(cr.sin(of["w"]))
        slopes = cr.grad(total, [s, p, m, c])
        size = slopes[0] ** 2 + slopes[1] ** 2 + cr.sum(slopes[2] ** 2) + cr.sum(slopes[3] ** 2)
        outputs.append([total, *slopes, *cr.grad(size, [s, p, m, c])])
    arrays = (3.0, 1.0, np.array([[2.0, 0.3], [-0.4, 1.0]]), np.array([0.5, -1.0]))
    expected = cr.function([s, p, m, c], outputs[1], "numpy")(*arrays)
    for one, other in zip(both([s, p, m, c], outputs[0], *arrays), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_a_function_of_two_variables_with_curved_valleys() -> None:
    """Rosenbrock's function from its usual start, where Newton's method alone would rise first."""
    a, b = number("a"), number("b")
    x = cr.argmin(lambda x: (a - x[0]) ** 2 + b * (x[1] - x[0] ** 2) ** 2, np.array([-1.2, 1.0]))
    outputs = [x, cr.jacobian(x, a), cr.hessian(x[1], a)]
    at, jacobian, hessian = cr.function([a, b], outputs, "numpy")(1.0, 100.0)
    np.testing.assert_allclose(at, [1, 1], rtol=1e-12)
    np.testing.assert_allclose(jacobian, [1, 2], rtol=1e-9)
    np.testing.assert_allclose(hessian, 2, rtol=1e-9)


def test_many_samples_at_once() -> None:
    """Each sample has an equation of its own, and ends when it is solved."""
    a, w = vector("a", None), number("w")
    roots = cr.root(lambda x: x[:, 0] ** 3 + w * x[:, 0] - a, cr.ones_like(a)[:, None], samples=1)
    lowest = cr.argmin(lambda x: cr.cosh(x - a) + w * x**2, 0 * a, samples=1)
    fixed = cr.fixed_point(
        lambda z: (cr.cos(z[0] + a) / 3 + z[1] / 4, cr.sin(z[0]) * w / 2),
        (0 * a, 0 * a),
        samples=1,
    )
    outputs = []
    for y in (roots[:, 0], lowest, fixed[0], fixed[1]):
        slope = cr.grad(cr.sum(y * a), [a, w])
        outputs += [y, *slope, cr.grad(slope[1], a)]
    values = np.array([-8.0, 0.0, 1e-3, 0.7, 30.0])
    found = both([a, w], outputs, values, 0.9)
    number_, singles = number(), []
    x = cr.root(lambda x: x**3 + w * x - number_, 1.0)
    low = cr.argmin(lambda x: cr.cosh(x - number_) + w * x**2, 0.0)
    z = cr.fixed_point(
        lambda z: (cr.cos(z[0] + number_) / 3 + z[1] / 4, cr.sin(z[0]) * w / 2), (0.0, 0.0)
    )
    for y in (x, low, *z):
        slope = cr.grad(y * number_, [number_, w])
        singles += [y, *slope, cr.grad(slope[1], number_)]
    one = cr.function([number_, w], singles, "numpy")
    alone = [one(v, 0.9) for v in values]
    for k, many in enumerate(found):
        expected = np.array([result[k] for result in alone])
        total = expected if many.shape else expected.sum()
        np.testing.assert_allclose(many, total, rtol=1e-9, atol=1e-11)


def test_ridge_regression_tuned_by_the_gradient_of_its_validation_loss() -> None:
    """Against the closed form of the weights, differentiated as it is."""
    strength = number("strength")
    rng = np.random.default_rng(0)
    x, t = vector("x", 12, 3), vector("t", 12)
    xv, tv = vector("xv", 8, 3), vector("tv", 8)

    def training(w: cr.Tensor) -> cr.Tensor:
        return cr.sum((x @ w - t) ** 2) + cr.exp(strength) * cr.sum(w**2)

    losses = [
        cr.mean((xv @ w - tv) ** 2)
        for w in (
            cr.argmin(training, np.zeros(3)),
            cr.linalg.solve(x.T @ x + cr.exp(strength) * np.eye(3), x.T @ t),
        )
    ]
    outputs = []
    for loss in losses:
        slope = cr.grad(loss, strength)
        outputs += [loss, slope, cr.grad(slope, strength), cr.grad(loss, t), cr.grad(slope, x)]
    weights = rng.normal(size=3)
    a, b = rng.normal(size=(12, 3)), rng.normal(size=(8, 3))
    arrays = (a, a @ weights + rng.normal(size=12), b, b @ weights + rng.normal(size=8))
    inputs = [strength, x, t, xv, tv]
    found = both(inputs, outputs[:5], 0.5, *arrays)
    expected = cr.function(inputs, outputs[5:], "numpy")(0.5, *arrays)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_a_minimum_inside_of_what_is_minimized() -> None:
    """min over x of (x - c)^2 + y(x)^2, where y(x) is the minimum of e^y - a x y."""
    a, c = number("a"), number("c")

    def outer(x: cr.Tensor) -> Any:
        y = cr.argmin(lambda y: cr.exp(y) - a * x * y, 0.0)  # log(a x)
        return (x - c) ** 2 + y**2

    x = cr.argmin(outer, 1.0)
    known = cr.argmin(lambda x: (x - c) ** 2 + cr.log(a * x) ** 2, 1.0)
    outputs = []
    for z in (x, known):
        slopes = cr.grad(z, [a, c])
        outputs += [z, *slopes, *cr.grad(slopes[0], [a, c])]
    found = cr.function([a, c], outputs, "numpy")(1.7, 2.0)
    native = cr.function([a, c], outputs[:3])(1.7, 2.0)
    np.testing.assert_allclose(native, found[:3], rtol=1e-11)
    np.testing.assert_allclose(found[:5], found[5:], rtol=1e-9)


def test_in_the_step_of_a_loop_and_under_leading_axes() -> None:
    """Implicit Euler for y' = -y^3 + a, whose derivative is that of the scheme."""
    a, h = number("a"), 0.25

    def step(y: cr.Tensor, _: None) -> tuple[cr.Tensor, cr.Tensor]:
        new = cr.root(lambda x: x - y - h * (a - x**3), y)
        return new, new

    last, _ = cr.scan(step, 0.3, length=5)
    slope = cr.grad(last, a)
    found = both([a], [last, slope, cr.grad(slope, a)], 0.7)
    y, first, second = 0.3, 0.0, 0.0
    for _ in range(5):
        roots = np.roots([h, 0, 1, -y - h * 0.7])
        x = float(roots[np.abs(roots.imag) < 1e-12].real[0])
        rate = 1 + 3 * h * x * x  # of rate dx = dy + h da
        new = (first + h) / rate
        second = (second - 6 * h * x * new**2) / rate
        y, first = x, new
    np.testing.assert_allclose(found, [y, first, second], rtol=1e-11)

    @cr.neuron
    def gate(x: Any, w: cr.PerInput, b: cr.Scalar = 0.5) -> Any:
        return cr.root(lambda z: z + cr.sinh(z) - cr.sum(w * x) - b, 0.0)

    inputs = cr.Input((2,))
    model = cr.Model(inputs, cr.Layer(gate, 3)(inputs))
    model.compile(loss="mse", optimizer=cr.SGD(0.1), target="numpy")
    z = model.predict(np.ones((4, 2), np.float32))
    assert z.shape == (4, 3)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(16, 2)).astype(np.float32)
    losses = model.fit(data, np.tile(data[:, :1], 3), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]


def test_a_layer_whose_output_is_a_fixed_point_is_trained(tmp_path: pathlib.Path) -> None:
    """A deep equilibrium layer, z = tanh(W z + U x): slopes are those of many steps of a loop."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(32, 3)).astype(np.float32)
    inner, outer = cr.Dense(4), cr.Dense(4)
    x = cr.Input((3,))
    mixed = outer(x)
    z = cr.fixed_point(lambda z: cr.tanh(0.3 * inner(z) + mixed), cr.zeros_like(mixed), samples=1)
    model = cr.Model(x, cr.Dense(1)(z))
    model.compile(loss="mse", optimizer=cr.Adam(0.02))
    target = np.sin(data[:, :1]) * data[:, 1:2]
    losses = model.fit(data, target, epochs=60, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    assert sum(p.size for p in map(np.asarray, model.get_weights())) == 20 + 16 + 5
    assert "dL/dz1 = " in str(model.explain("dL_dW1"))
    model.save(tmp_path / "model")
    again = cr.load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(data), model.predict(data))


def test_in_branches_loops_and_sparse_derivatives() -> None:
    a, w = vector("a", 20), number("w")
    x = cr.root(lambda x: x**3 + w * x - a, cr.ones_like(a), samples=1)
    assert cr.jacobian(x, a, sparse=True).colors == 1
    one_by_one = cr.map(lambda t: cr.root(lambda x: x**3 + w * x - t, 1.0), a)
    low = cr.cond(w > 0, lambda: cr.argmin(lambda x: cr.exp(x) - w * x, 0.0), lambda: w * 1.0)
    slope = cr.grad(low, w)
    total = cr.grad(cr.sum(one_by_one * a), w)
    outputs = [x, one_by_one, cr.jacobian(x, a), total, low, slope, cr.grad(slope, w)]
    at = np.linspace(-3, 3, 20)
    found = cr.function([a, w], outputs, "numpy")(at, 0.7)
    rate = 1 / (3 * found[0] ** 2 + 0.7)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(found[2], np.diag(rate), rtol=1e-12)
    np.testing.assert_allclose(found[3], -np.sum(found[0] * rate * at), rtol=1e-12)
    np.testing.assert_allclose(found[4:], [np.log(0.7), 1 / 0.7, -1 / 0.49], rtol=1e-12)


def fails(error: type[ChainruleError], message: str, inputs: Any, y: Any, *arrays: Any) -> None:
    """An error of three lines, the same on both targets, at the line that asked for y."""
    told = set()
    for target in TARGETS:
        with pytest.raises(error, match=message) as raised:
            cr.function(inputs, y, target)(*arrays)
        told.add(str(raised.value))
    (text,) = told
    assert text.startswith("test_implicit.py:")
    assert len(text.splitlines()) == 3


def test_what_has_no_solution_is_a_fault() -> None:
    a = number()
    none = cr.root(lambda x: x**2 + a, 0.7)
    fails(ConvergenceError, "root did not converge in 100 steps", [a], none, 1.0)
    grows = cr.fixed_point(lambda x: 2 * x + a, 0.0, max_steps=20, memory=0)
    fails(ConvergenceError, "fixed_point did not converge in 20 steps", [a], grows, 1.0)
    bottomless = cr.argmin(lambda x: -a * x, 0.0, max_steps=30)
    fails(ConvergenceError, "argmin did not converge in 30 steps", [a], bottomless, 1.0)
    flat = cr.root(lambda x: (x - a) * 0 + 1, 1.0)
    fails(MatrixError, "a matrix is singular", [a], flat, 1.0)
    double = cr.root(lambda x: x**2 * a, 0.0)  # found at once; but it has no derivative
    np.testing.assert_array_equal(cr.function([a], double, "numpy")(1.0), 0)
    fails(MatrixError, "a matrix is singular", [a], cr.grad(double, a), 1.0)


def test_searches_that_need_care() -> None:
    """Steps too long, scales far from 1, starts far away, a flat bottom, linear functions."""
    a = number()
    cases = {
        "a step too long": (cr.root(lambda x: cr.atan(x - a), 30.0), 2.0),
        "out of the domain": (cr.root(lambda x: cr.log(x) - cr.log(a), 20.0), 2.0),
        "small": (cr.root(lambda x: 1e-20 * (x**3 - a**3), 5e0, tolerance=1e-30), 2.0),
        "large": (cr.root(lambda x: 1e20 * (x**3 - a**3), 5.0), 2.0),
        "far": (cr.argmin(lambda x: cr.log(cr.cosh(x - a)), 500.0), 2.0),
        "double well": (cr.argmin(lambda x: (x**2 - a**2) ** 2, 0.01), 2.0),
        "a minimum of large values": (cr.argmin(lambda x: 1e9 + (x - a) ** 2, 50.0), 2.0),
        "a contraction": (cr.fixed_point(lambda x: a + 0.99 * (x - a), 100.0), 2.0),
        "oscillating": (cr.fixed_point(lambda x: a - 0.95 * (x - a), 9.0, memory=2), 2.0),
        "linear": (cr.root(lambda x: 3 * x - 3 * a, 100.0, max_steps=2), 2.0),
    }
    found = both([a], [x for x, _ in cases.values()], 2.0)
    for name, x in zip(cases, found, strict=True):
        np.testing.assert_allclose(x, cases[name][1], rtol=1e-9, err_msg=name)


def test_a_minimum_that_is_no_point_is_found_but_has_no_derivative() -> None:
    a = number()
    x = cr.argmin(lambda x: (x[0] + x[1] - a) ** 2, np.zeros(2))
    at = cr.function([a], x, "numpy")(3.0)
    np.testing.assert_allclose(at.sum(), 3.0, rtol=1e-10)


def test_single_precision_and_where_nothing_comes_from_outside() -> None:
    a = cr.tensor("a", ())
    x = cr.root(lambda x: x**3 + x - a, 1.0)
    y = cr.argmin(lambda x: cr.exp(x) - a * x, cr.zeros(()))
    z = cr.fixed_point(lambda x: cr.cos(x) * a / 2, 0.0)
    one = cr.root(lambda x: x**2 - 2, 1.0)
    assert {t.dtype for t in (x, y, z, one)} == {"float32"}
    outputs = [x, cr.grad(x, a), y, cr.grad(y, a), z, one, cr.grad(one * a, a)]
    expected = [1, 0.25, np.log(2), 0.5, 0.73908513, 2**0.5, 2**0.5]
    np.testing.assert_allclose(cr.function([a], outputs, "numpy")(2.0), expected, rtol=1e-6)
    native = cr.function([a], [x, cr.grad(x, a), y, z], "cpu")(2.0)
    np.testing.assert_allclose(native, [1, 0.25, np.log(2), 0.73908513], rtol=1e-6)


def test_the_graph_as_text() -> None:
    a = vector("a", 2)
    x = cr.argmin(lambda x: cr.sum(cr.exp(x) - a * x), np.zeros(2))
    f = cr.function([a], [x, cr.jacobian(x, a)], "numpy")
    assert parse(show(f._request)) == f._request
    assert parse(show(f.graph())) == f.graph()


def test_argmin_of_a_tensor_is_a_position() -> None:
    x = vector("x", 2, 2)
    found = cr.function([x], [cr.argmin(x), cr.argmin(x, axis=1, keepdims=True)], "numpy")
    one, other = found([[3.0, 1.0], [0.0, 5.0]])
    assert one == 2
    assert other.tolist() == [[1], [0]]


x3 = vector("x", 3)
MISTAKES: list[tuple[Callable[[], Any], type[ChainruleError], str]] = [
    (lambda: cr.root(x3, x3), UsageError, "root of Tensor"),  # type: ignore[arg-type]
    (lambda: cr.root(cr.exp, ()), UsageError, "root of nothing"),
    (lambda: cr.root(lambda x: x[:2], x3), ShapeError, r"gives f64\[2\]"),
    (lambda: cr.root(lambda x: x > 0, x3), DTypeError, r"gives bool\[3\]"),
    (lambda: cr.root(lambda x: x, np.arange(3)), DTypeError, "unknowns of int64"),
    (lambda: cr.root(cr.exp, x3, samples=2), UsageError, "samples=2"),
    (lambda: cr.root(cr.exp, x3, tolerance=0), UsageError, "tolerance=0"),
    (lambda: cr.root(cr.exp, x3, max_steps=0), UsageError, "max_steps=0"),
    (lambda: cr.root(lambda x: cr.Dropout(0.5)(x), x3), UsageError, "random numbers"),
    (lambda: cr.fixed_point(lambda x: (x, x), x3), ShapeError, "in the form"),
    (lambda: cr.fixed_point(lambda x: x[:2], x3), ShapeError, r"gives f64\[2\]"),
    (lambda: cr.fixed_point(cr.exp, x3, memory=-1), UsageError, "memory=-1"),
    (lambda: cr.argmin(cr.exp, x3), ShapeError, r"gives f64\[3\]"),
    (lambda: cr.argmin(cr.sum, x3, axis=0), UsageError, "takes no axis"),  # type: ignore[call-overload]
    (lambda: cr.argmin(x3, x3), UsageError, "takes no x0"),  # type: ignore[call-overload]
]


@pytest.mark.parametrize(("make", "error", "message"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes(make: Callable[[], Any], error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        make()
    assert str(raised.value).startswith("test_implicit.py:")
    assert len(str(raised.value).splitlines()) == 3
