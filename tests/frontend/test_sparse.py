"""Sparse Jacobians and Hessians: entries, sweeps and work; both targets; mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array

import chainrule as cr
from chainrule._function import Function
from chainrule.compiler import jacobians
from chainrule.compiler.errors import ChainruleError, ShapeError, UsageError
from chainrule.compiler.ir import Node, evaluate, is_leaf, walk
from chainrule.compiler.passes.differentiate import derived
from chainrule.compiler.types import value


def vector(n: Any, name: str = "x") -> cr.Tensor:
    return cr.tensor(name, (n,), "float64")


def residual(x: cr.Tensor) -> cr.Tensor:
    """A reaction-diffusion equation in one dimension, discretized."""
    u = cr.pad(x, 1)
    return u[:-2] - 2 * x + u[2:] + 0.1 * cr.exp(x)


def rosenbrock(x: cr.Tensor) -> cr.Tensor:
    return cr.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def arrow(x: cr.Tensor) -> cr.Tensor:
    return cr.sum(cr.exp(x[0] * x[1:])) + cr.sum(x**3)


def banded(values: Any, offset: float = 1.0) -> Any:
    n = len(values)
    return np.diag(values) + offset * (np.eye(n, k=1) + np.eye(n, k=-1))


def test_entries_are_what_scipy_takes_and_dense_is_the_same_on_both_targets() -> None:
    n, x = 40, vector(40)
    a = np.random.default_rng(0).normal(size=n)
    wanted = [
        cr.jacobian(residual(x), x, sparse=True),
        cr.hessian(rosenbrock(x), x, sparse=True),
        cr.hessian(arrow(x), x, sparse=True),
    ]
    assert [(len(s.rows), s.colors) for s in wanted] == [(118, 3), (118, 3), (118, 2)]
    assert repr(wanted[0]) == "<sparse 40 x 40, 118 entries, 3 colors>"
    dense = [
        cr.jacobian(residual(x), x),
        cr.hessian(rosenbrock(x), x),
        cr.hessian(arrow(x), x),
        cr.jacobian(cr.tanh(x) * x, x),
        cr.hessian(cr.sum(cr.sin(x)), x),
    ]
    outputs = [s.data for s in wanted] + dense
    found = cr.function([x], outputs, "numpy")(a)
    for one, same in zip(found, cr.function([x], outputs, "cpu")(a), strict=True):
        np.testing.assert_allclose(same, one, rtol=1e-12, atol=1e-12)
    for s, data, full in zip(wanted, found, found[3:], strict=False):
        np.testing.assert_array_equal(
            coo_array((data, (s.rows, s.columns)), s.shape).toarray(), full
        )
    np.testing.assert_allclose(found[3], banded(0.1 * np.exp(a) - 2), rtol=1e-14)
    slope = np.tanh(a) + a / np.cosh(a) ** 2
    np.testing.assert_allclose(found[6], np.diag(slope), rtol=1e-13, atol=0)
    np.testing.assert_allclose(found[7], np.diag(-np.sin(a)), rtol=1e-14, atol=0)
    # Of Rosenbrock's function: 1200 x^2 - 400 y + 2 and 200 on the diagonal, -400 x beside it.
    inner = np.r_[1200 * a[:-1] ** 2 - 400 * a[1:] + 2, 0] + np.r_[0, np.full(n - 1, 200)]
    beside = np.diag(-400 * a[:-1], 1)
    np.testing.assert_allclose(found[4], np.diag(inner) + beside + beside.T, rtol=1e-12)


def work(function: Function) -> int:
    """Elements of all floats that are computed."""
    nodes = function.graph().nodes()
    return sum(int(value(x.type.size, {})) for x in nodes if x.type.is_float)


def only_leaf(node: Node) -> Node:
    (found,) = (x for x in walk([node]) if is_leaf(x))
    return found


@pytest.mark.parametrize("which", ["jacobian", "hessian"])
def test_few_sweeps_are_little_work(which: str) -> None:
    """Three instead of 200: beside the matrix itself hardly anything is computed."""

    def made() -> tuple[int, Any]:
        x = vector(200)
        dense = cr.jacobian(residual(x), x) if which == "jacobian" else cr.hessian(rosenbrock(x), x)
        function = cr.function([x], dense, "numpy")
        return work(function), derived(dense.node)

    few, small = made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jacobians, "WORTHWHILE", 1000)
        many, dense = made()
    assert few < 100_000 < 250_000 < many
    points = [{leaf: np.linspace(0.5, 1.5, 200)} for leaf in map(only_leaf, (small, dense))]
    for one, other in zip(evaluate([small], points[0]), evaluate([dense], points[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_derivatives_of_sparse_derivatives() -> None:
    x = vector(20)
    s = cr.hessian(rosenbrock(x), x, sparse=True)
    trace = cr.sum(cr.hessian(rosenbrock(x), x) * np.eye(20))
    of_data = cr.sum(s.data * (s.rows == s.columns).astype(float))
    a = np.linspace(-1, 1, 20)
    one, other = cr.function([x], [cr.grad(trace, x), cr.grad(of_data, x)], "numpy")(a)
    expected = np.r_[2400 * a[:-1], 0] - np.r_[0, np.full(19, 400)]
    np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(other, expected, rtol=1e-12, atol=1e-11)


def test_a_declared_derivative_need_not_be_symmetric() -> None:
    """Its Jacobian is not read in the other triangle."""

    @cr.custom_gradient(vjp=lambda g, y, x: g * cr.flip(x) ** 2, check=False)
    def odd(x: cr.Tensor) -> cr.Tensor:
        return cr.sum(x)

    def half(x: cr.Tensor) -> cr.Tensor:
        return cr.sum(x * cr.stop_gradient(cr.pad(x[1:], (0, 1))))

    x, a = vector(20), np.linspace(1, 2, 20)
    odd_, half_ = cr.function([x], [cr.hessian(odd(x), x), cr.hessian(half(x), x)], "numpy")(a)
    np.testing.assert_allclose(odd_, np.diag(2 * a[::-1])[:, ::-1], rtol=1e-14)
    np.testing.assert_array_equal(half_, np.zeros((20, 20)))


def test_of_an_inner_tensor_and_of_matrices() -> None:
    x = cr.tensor("x", (8, 3), "float64")
    h = x**2
    y = cr.sum(h * h[:, ::-1], axis=1)
    s = cr.jacobian(y, h, sparse=True)
    a = np.random.default_rng(1).normal(size=(8, 3))
    full, data = cr.function([x], [cr.jacobian(y, h), s.data], "numpy")(a)
    assert (s.shape, s.colors, len(data)) == ((8, 24), 1, 24)
    assert full.shape == (8, 8, 3)
    for i in range(8):
        np.testing.assert_allclose(full[i, i], 2 * a[i, ::-1] ** 2, rtol=1e-14)
    assert np.count_nonzero(full) == 24


x3, n2, big = vector(3), cr.tensor("n", (None, 2), "float64"), vector(300)
MISTAKES: list[tuple[Callable[[], Any], type[ChainruleError], str]] = [
    (lambda: cr.jacobian(n2**2, n2, sparse=True), ShapeError, "all sizes are numbers"),
    (lambda: cr.jacobian([x3], x3, sparse=True), UsageError, "a sparse jacobian of lists"),  # type: ignore[call-overload]
    (lambda: cr.hessian(cr.sum(x3), [x3], sparse=True), UsageError, "hessian of lists"),  # type: ignore[call-overload]
    (lambda: cr.jacobian(big / cr.sum(big), big, sparse=True), UsageError, "at most 32,768"),
]


@pytest.mark.parametrize(("make", "error", "message"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes(make: Callable[[], Any], error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        make()
    assert str(raised.value).startswith("test_sparse.py:")
    assert len(str(raised.value).splitlines()) == 3
