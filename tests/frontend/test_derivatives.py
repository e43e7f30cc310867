"""Derivatives as tensors: grad, vjp, jvp and hvp, and how they fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import UsageError

Array: TypeAlias = "np.ndarray[Any, Any]"


def run(inputs: list[cr.Tensor], outputs: Any, *arrays: Any) -> Any:
    return cr.function(inputs, outputs, target="numpy")(*arrays)


def number(name: str = "x") -> cr.Tensor:
    return cr.tensor(name, (), "float64")


def test_one_in_one_out_and_lists_in_lists_out() -> None:
    x, y = number("x"), number("y")
    assert isinstance(cr.grad(x * y, x), cr.Tensor)
    assert isinstance(cr.grad(x * y, [x]), list)
    assert run([x, y], cr.grad(x * y, [x, y]), 2.0, 3.0) == [3.0, 2.0]
    assert run([x, y], cr.vjp([x * y, x], x, [1.0, 10.0]), 2.0, 3.0) == 13.0
    assert run([x, y], cr.jvp([x * y, x + y], [x, y], [1.0, 10.0]), 2.0, 3.0) == [23.0, 11.0]


def test_higher_derivatives() -> None:
    x = number()
    y, derivatives = cr.exp(2 * x), []
    for _ in range(5):
        y = cr.grad(y, x)
        derivatives.append(y)
    got = run([x], derivatives, 0.3)
    np.testing.assert_allclose(got, [2.0**k * np.exp(0.6) for k in range(1, 6)], rtol=1e-14)


def test_no_dependence_is_a_gradient_of_zeros() -> None:
    x, y = cr.tensor("x", (None, 2)), cr.tensor("y", (3,))
    got = run([x, y], cr.grad(cr.sum(y), [x, y]), np.ones((4, 2), "f4"), np.ones(3, "f4"))
    np.testing.assert_array_equal(got[0], np.zeros((4, 2)))
    np.testing.assert_array_equal(got[1], np.ones(3))
    assert got[0].dtype == "float32"


def test_no_dependence_is_a_jvp_of_zeros() -> None:
    x, y = number("x"), number("y")
    assert run([x, y], cr.jvp(y * y, x, 1.0), 1.0, 2.0) == 0.0


def test_gradient_for_an_inner_tensor() -> None:
    x = cr.tensor("x", (3,), "float64")
    h = cr.log(cr.softmax(x))  # rules rewrite it: what it is differentiated for must survive
    got = run([x], cr.grad(cr.sum(h * h), h), np.array([1.0, 2.0, 4.0]))
    z = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(got, 2 * (z - np.log(np.sum(np.exp(z)))), rtol=1e-14)


def test_gradient_for_itself() -> None:
    x = number()
    assert run([x], cr.grad(x, x), 5.0) == 1.0


def test_stop_gradient_is_a_constant() -> None:
    x = number()
    loss = cr.stop_gradient(x * x) * x
    assert run([x], [cr.grad(loss, x), cr.grad(cr.grad(loss, x), x), loss], 3.0) == [9.0, 0.0, 27.0]


def test_gradients_do_not_mix_up_tensors_of_one_name() -> None:
    x, twin = number(), number()
    slope = cr.grad(x * x * twin, x)
    f = cr.function([x], cr.grad(cr.stop_gradient(x) * x, x), target="numpy")
    assert f(2.0) == 2.0
    with pytest.raises(UsageError, match="needs 'x'"):
        cr.function([x], slope, target="numpy")


def test_a_gradient_inside_a_loss() -> None:
    x, w = cr.tensor("x", (3,), "float64"), number("w")
    y = cr.sum(cr.sin(w * x))
    penalty = cr.sum(cr.grad(y, x) ** 2)  # as in gradient penalties
    points = np.array([0.1, 0.5, -1.0])
    got = run([x, w], cr.grad(penalty, w), points, 1.5)
    h = 1e-6

    def value(v: float) -> float:
        return float(np.sum((v * np.cos(v * points)) ** 2))

    np.testing.assert_allclose(got, (value(1.5 + h) - value(1.5 - h)) / (2 * h), rtol=1e-8)


FUNCTIONS: dict[str, Callable[[cr.Tensor, cr.Tensor], cr.Tensor]] = {
    "dense": lambda x, w: cr.tanh(x @ w),
    "softmax": lambda x, w: cr.softmax(x @ w, axis=1),
    "log_softmax": lambda x, w: cr.log_softmax(x @ w, axis=0),
    "logsumexp": lambda x, w: cr.logsumexp(x @ w, axis=1),
    "norm": lambda x, w: cr.vector_norm(x @ w, axis=1),
    "norm_3": lambda x, w: cr.vector_norm(x @ w, axis=1, ord=3),
    "std": lambda x, w: cr.std(x @ w, axis=0, correction=1),
    "prod": lambda x, w: cr.prod(x @ w, axis=1),
    "max": lambda x, w: cr.max(x @ w, axis=1, keepdims=True) * x,
    "where": lambda x, w: cr.where(x @ w > 0, cr.exp(x @ w), x @ w),
    "slices": lambda x, w: (x @ w)[1:, ::-1] * x[:-1, 0][:, None],
    "cumulative": lambda x, w: cr.cumulative_sum(x @ w, axis=0) ** 2,
    "einsum": lambda x, w: cr.einsum("bi,ij,bj->b", x, w, x @ w),
    "einsum_trace": lambda x, w: cr.einsum("ii", w.T @ (x.T @ x) @ w),
    "pads": lambda x, w: cr.pad(x, ((1, 0), (0, 0))) @ w,
    "concat": lambda x, w: cr.concat([x @ w, x, x @ w], axis=0) ** 3,
    "special": lambda x, w: cr.lgamma(cr.softplus(x @ w)) * cr.erf(x),
    "triangle": lambda x, w: x @ cr.tril(w) @ cr.triu(w, k=1),
    "roll": lambda x, w: cr.roll(x, 1, axis=0) * (x @ w),
    "casts": lambda x, w: cr.sin(x @ w).astype("float64") * cr.sum(x > 0).astype("float64"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_four_agree_with_each_other_and_with_differences(name: str) -> None:
    """<u, J t> = <J' u, t>; both and the Hessian against central differences at float64.

    Differences with h = 1e-5 are right to h^2 = 1e-10, and to 1e-16 / h = 1e-11 of the value.
    """
    rng = np.random.default_rng(5)
    x, w = cr.tensor("x", (None, 3), "float64"), cr.tensor("w", (3, 3), "float64")
    y = FUNCTIONS[name](x, w)
    u = cr.tensor("u", y.shape, "float64")
    s, t = cr.tensor("s", x.shape, "float64"), cr.tensor("t", w.shape, "float64")
    loss = cr.sum(u * y)
    f = cr.function([x, w], y, target="numpy")
    slope = cr.function([x, w, u], cr.grad(loss, [x, w]), target="numpy")
    all_ = cr.function(
        [x, w, u, s, t],
        [
            cr.jvp(y, [x, w], [s, t]),
            *cr.vjp(y, [x, w], u),
            *cr.grad(loss, [x, w]),
            *cr.hvp(loss, [x, w], [s, t]),
        ],
        target="numpy",
    )
    a, b, da, db = (rng.uniform(-1, 1, shape) for shape in ((4, 3), (3, 3), (4, 3), (3, 3)))
    c = rng.uniform(0.5, 1, f(a, b).shape)
    along, pull_a, pull_b, grad_a, grad_b, curve_a, curve_b = all_(a, b, c, da, db)
    np.testing.assert_array_equal(pull_a, grad_a)
    np.testing.assert_array_equal(pull_b, grad_b)
    np.testing.assert_allclose(
        np.sum(c * along), np.sum(grad_a * da) + np.sum(grad_b * db), rtol=1e-12
    )
    h = 1e-5
    difference = (f(a + h * da, b + h * db) - f(a - h * da, b - h * db)) / (2 * h)
    np.testing.assert_allclose(along, difference, rtol=1e-7, atol=1e-9)
    up, down = slope(a + h * da, b + h * db, c), slope(a - h * da, b - h * db, c)
    for curve, high, low in zip((curve_a, curve_b), up, down, strict=True):
        np.testing.assert_allclose(curve, (high - low) / (2 * h), rtol=1e-6, atol=1e-8)


SPECIAL: list[tuple[str, Callable[[cr.Tensor], cr.Tensor], list[float], list[float]]] = [
    ("where_log", lambda x: cr.sum(cr.where(x > 0, cr.log(x), 0.0)), [2, 0, -1], [0.5, 0, 0]),
    ("where_sqrt", lambda x: cr.sum(cr.where(x > 1, cr.sqrt(x), x)), [4, 0, -1], [0.25, 1, 1]),
    ("where_divide", lambda x: cr.sum(cr.where(x == 0, 1.0, 1 / x)), [2, 0], [-0.25, 0]),
    ("norm_of_0", cr.vector_norm, [0, 0], [0, 0]),
    ("norm_3_of_0", lambda x: cr.vector_norm(x, ord=3), [0, 0], [0, 0]),
    ("norm_half_with_0", lambda x: cr.vector_norm(x, ord=0.5), [1, 0, 4], [3, 0, 1.5]),
    ("norm_minus_1_with_0", lambda x: cr.vector_norm(x, ord=-1), [0, 2], [0, 0]),
    ("std_of_equals", cr.std, [2, 2, 2], [0, 0, 0]),
    ("prod_one_0", cr.prod, [2, 0, 3], [0, 6, 0]),
    ("prod_two_0", cr.prod, [2, 0, 0], [0, 0, 0]),
    ("max_ties", cr.max, [1, 3, 3], [0, 0.5, 0.5]),
    ("min_ties", cr.min, [1, 1, 1, 1], [0.25, 0.25, 0.25, 0.25]),
    ("norm_inf_ties", lambda x: cr.vector_norm(x, ord=float("inf")), [-2, 2, 1], [-0.5, 0.5, 0]),
    ("clip", lambda x: cr.sum(cr.clip(x, 0.0, 1.0)), [-1, 0, 0.5, 1, 2], [0, 1, 1, 1, 0]),
    ("logsumexp_far", cr.logsumexp, [1000, 0, -1000], [1, 0, 0]),
    ("softmax_far", lambda x: cr.softmax(x)[0], [1000, 0], [0, 0]),
    ("log_softmax_far", lambda x: cr.log_softmax(x)[1], [1000, 0], [-1, 1]),
    ("take_twice", lambda x: cr.sum(cr.take(x, np.array([1, 1, 0]))), [1, 2, 3], [1, 2, 0]),
    ("floor", lambda x: cr.sum(cr.floor(x) * x), [1.5, -0.5], [1, -1]),
    ("through_integers", lambda x: cr.sum(x.astype("int64").astype("float64")), [1.5], [0]),
    ("through_floats", lambda x: cr.sum(x.astype("float32").astype("float64")), [1.5], [1]),
    ("argmax", lambda x: cr.sum(cr.one_hot(cr.argmax(x), 2, dtype="float64") * x), [1, 2], [0, 1]),
]


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_gradients_at_special_points(target: str) -> None:
    inputs = [cr.tensor(name, (len(at),), "float64") for name, _, at, _ in SPECIAL]
    outputs = [cr.grad(case[1](x), x) for x, case in zip(inputs, SPECIAL, strict=True)]
    got = cr.function(inputs, outputs, target)(*(case[2] for case in SPECIAL))
    found = {case[0]: slope.tolist() for case, slope in zip(SPECIAL, got, strict=True)}
    assert found == {case[0]: case[3] for case in SPECIAL}
