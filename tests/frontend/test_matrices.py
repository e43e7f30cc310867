"""Jacobians, Hessians and what is made of them: shapes, known values, nesting, errors, targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import walk
from chainrule.compiler.jacobians import jacobian as taken

Array: TypeAlias = "np.ndarray[Any, Any]"


def run(inputs: list[cr.Tensor], outputs: Any, *arrays: Any, target: str = "numpy") -> Any:
    return cr.function(inputs, outputs, target)(*arrays)


def vector(name: str = "x", *shape: Any) -> cr.Tensor:
    return cr.tensor(name, shape or (3,), "float64")


POINT = np.array([0.5, -1.0, 2.0])
W = np.random.default_rng(0).normal(size=(3, 2))


def test_one_in_one_out_and_lists_in_lists_out() -> None:
    x, y = vector("x"), vector("y", 2)
    a, b = x[:2] * y, cr.sum(x)
    assert cr.jacobian(a, x).shape == (2, 3)
    assert [j.shape for j in cr.jacobian(a, [x, y])] == [(2, 3), (2, 2)]
    assert [j.shape for j in cr.jacobian([a, b], x)] == [(2, 3), (3,)]
    both = cr.jacobian([a, b], [x, y])
    assert [[j.shape for j in row] for row in both] == [[(2, 3), (2, 2)], [(3,), (2,)]]
    total = cr.sum(a) * b
    assert cr.hessian(total, x).shape == (3, 3)
    blocks = cr.hessian(total, [x, y])
    assert [[h.shape for h in row] for row in blocks] == [[(3, 3), (3, 2)], [(2, 3), (2, 2)]]
    assert [d.shape for d in cr.hessian_diagonal(total, [x, y])] == [(3,), (2,)]
    assert [d.shape for d in cr.laplacian(total, [x])] == [()]
    assert [v.shape for v in cr.gauss_newton_vp(total, a, [x], [POINT])] == [(3,)]


@pytest.mark.parametrize(
    ("y", "x", "made"),
    [((2,), (3, 4), 2), ((5, 4), (3,), 3), ((), (3,), None), (("n",), (4,), 4), ((4,), ("n",), 4)],
)
def test_the_smaller_side_is_the_one_that_is_lifted(y: Any, x: Any, made: int | None) -> None:
    """Of a number and an open size, the number."""
    a, b = cr.tensor("a", x, "float64"), cr.tensor("b", y, "float64")
    jacobian = taken((b * cr.sum(a)).node, a.node, symmetric=False)
    found = {node.type.shape[0] for node in walk([jacobian]) if node.op.name == "cast"}
    assert found == (set() if made is None else {made})


def test_nothing_is_differentiated_before_it_is_compiled() -> None:
    """A program that is in the cache is found by what was asked for."""
    x = vector()
    y = cr.tanh(x)
    for wanted in (cr.jacobian(y, x), cr.hessian(cr.sum(y), x), cr.taylor(y, x, 5)):
        names = [node.op.name for node in walk([wanted.node])]
        assert names.count("tanh") == 1
        assert {"gradient", "jacobian", "taylor"} & {*names}


def test_symbolic_sizes() -> None:
    x = cr.tensor("x", (None, 3), "float64")
    jacobian = cr.jacobian(cr.prod(x, axis=1), x)
    assert str(jacobian.shape) == "(batch, batch, 3)"
    f = cr.function([x], jacobian, "numpy")
    for rows in (1, 2, 5):
        a = np.random.default_rng(rows).normal(size=(rows, 3))
        expected = np.zeros((rows, rows, 3))
        for i in range(rows):
            expected[i, i] = np.prod(a[i]) / a[i]
        np.testing.assert_allclose(f(a), expected, rtol=1e-14)


def test_no_dependence_is_zeros() -> None:
    x, y = vector("x"), vector("y", 2)
    got = run(
        [x, y], [cr.jacobian(y, x), cr.hessian(cr.sum(y), x), cr.laplacian(y[0], x)], POINT, W[0]
    )
    for found, shape in zip(got, [(2, 3), (3, 3), ()], strict=True):
        np.testing.assert_array_equal(found, np.zeros(shape))


def test_for_an_inner_tensor() -> None:
    x = vector()
    h = x**2
    y = cr.sum(cr.exp(h) * h[0])
    found = run([x], [cr.jacobian(h * h[0], h), cr.hessian(y, h)], POINT)
    z = POINT**2
    first = np.zeros(3)
    first[0] = 1.0
    np.testing.assert_allclose(found[0], z[0] * np.eye(3) + np.outer(z, first), rtol=1e-14)
    e = np.exp(z)
    expected = np.diag(e * z[0]) + np.outer(e, first) + np.outer(first, e)
    np.testing.assert_allclose(found[1], expected, rtol=1e-14)


def test_the_gradient_of_the_norm_of_a_gradient() -> None:
    x = vector()
    norm = cr.vector_norm(cr.grad(cr.sum(x**3), x))
    found = run([x], cr.grad(norm, x), POINT)
    g = 3 * POINT**2
    np.testing.assert_allclose(found, g * 6 * POINT / np.sqrt(np.sum(g**2)), rtol=1e-14)


def test_the_hessian_of_the_trace_of_a_hessian() -> None:
    x = vector()
    hessian = cr.hessian(cr.sum(x**4) + cr.prod(x) ** 2, x)
    trace = cr.sum(hessian * np.eye(3))
    same = cr.laplacian(cr.sum(x**4) + cr.prod(x) ** 2, x)
    a, b, c = POINT
    # trace = 12 sum x^2 + 2 ((bc)^2 + (ac)^2 + (ab)^2)
    expected = np.array(
        [
            [24 + 4 * (b**2 + c**2), 8 * a * b, 8 * a * c],
            [8 * a * b, 24 + 4 * (a**2 + c**2), 8 * b * c],
            [8 * a * c, 8 * b * c, 24 + 4 * (a**2 + b**2)],
        ]
    )
    for found in run([x], [cr.hessian(trace, x), cr.hessian(same, x)], POINT):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_jacobian_of_a_jacobian() -> None:
    x = vector()
    third = cr.jacobian(cr.jacobian(cr.jacobian(cr.sum(x) ** 3, x), x), x)
    np.testing.assert_allclose(run([x], third, POINT), np.full((3, 3, 3), 6.0), rtol=1e-14)


def test_samples_of_a_batch() -> None:
    """Second derivatives of a network's output for its own inputs, sample by sample."""
    x, w = cr.tensor("x", (None, 2), "float64"), vector("w", 2, 4)
    u = cr.sum(cr.tanh(x @ w), axis=1)
    one = cr.tensor("one", (2,), "float64")
    single = cr.sum(cr.tanh(one @ w))
    a, b = (
        np.random.default_rng(1).normal(size=(5, 2)),
        np.random.default_rng(2).normal(size=(2, 4)),
    )
    diagonal, laplacian = run([x, w], [cr.hessian_diagonal(u, x), cr.laplacian(u, x)], a, b)
    f = cr.function([one, w], cr.hessian(single, one), "numpy")
    expected = np.array([np.diag(f(row, b)) for row in a])
    np.testing.assert_allclose(diagonal, expected, rtol=1e-12)
    np.testing.assert_allclose(laplacian, expected.sum(1), rtol=1e-12)


def test_the_gauss_newton_matrix() -> None:
    """J' H J with all three made; and it is the Hessian where y is linear."""
    w, v = vector("w", 3, 2), vector("v", 3, 2)
    x = cr.asarray(np.random.default_rng(3).normal(size=(4, 3)))
    y = cr.tanh(x @ w)
    loss = cr.sum(cr.exp(y)) + cr.sum(y) ** 2
    along = np.random.default_rng(4).normal(size=(3, 2))
    got, j, h, linear, hvp = run(
        [w, v],
        [
            cr.gauss_newton_vp(loss, y, w, v),
            cr.jacobian(y, w),
            cr.hessian(loss, y),
            cr.gauss_newton_vp(cr.sum(cr.exp(x @ w)), x @ w, w, v),
            cr.hvp(cr.sum(cr.exp(x @ w)), w, v),
        ],
        W,
        along,
    )
    j, h = j.reshape(8, 6), h.reshape(8, 8)
    np.testing.assert_allclose(got.ravel(), j.T @ h @ j @ along.ravel(), rtol=1e-12)
    np.testing.assert_allclose(linear, hvp, rtol=1e-12)


def test_a_vector_that_depends_on_the_point_is_a_constant() -> None:
    x = vector()
    np.testing.assert_allclose(run([x], cr.hvp(cr.sum(x**3), x, x), POINT), 6 * POINT**2)


def test_each_derivative_is_the_same_on_the_cpu() -> None:
    x, w = cr.tensor("x", (None, 3), "float64"), vector("w", 3, 2)
    y = cr.softmax(cr.tanh(x @ w), axis=1)
    loss = cr.sum(cr.logsumexp(y * x[:, :2], axis=1))
    at = cr.take(x, np.array([0, 2, 0]), axis=1)
    outputs = [
        cr.jacobian(y, w),
        cr.jacobian(at, x),
        cr.jacobian(cr.sum(y, axis=0), x),
        cr.hessian(loss, w),
        cr.laplacian(cr.sum(y[:, :1] * y, axis=1), x),
        cr.hessian_diagonal(loss, w),
        cr.gauss_newton_vp(loss, y, w, np.ones((3, 2))),
        cr.hessian(cr.laplacian(loss, w), w),
    ]
    a = np.random.default_rng(5).normal(size=(4, 3))
    for found, expected in zip(
        run([x, w], outputs, a, W, target="cpu"), run([x, w], outputs, a, W), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


x3, n2, i3 = vector(), cr.tensor("n", (None, 2)), cr.tensor("i", (3,), "int64")
MISTAKES: list[tuple[Callable[[], Any], type[ChainruleError], str]] = [
    (lambda: cr.jacobian(i3, x3), DTypeError, r"jacobian: i64\[3\] has no derivatives"),
    (lambda: cr.jacobian(x3, [1.0]), UsageError, "x is float"),  # type: ignore[list-item]
    (lambda: cr.hessian(x3, x3), ShapeError, r"grad of f64\[3\]"),
    (lambda: cr.laplacian(n2, x3), ShapeError, r"laplacian of f32\[batch, 2\] for f64\[3\]"),
    (lambda: cr.hessian_diagonal(x3, n2), ShapeError, "the first axes of x"),
    (
        lambda: cr.gauss_newton_vp(cr.sum(x3), x3, x3, n2),
        ShapeError,
        r"a vector of f32\[batch, 2\]",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_mistakes(make: Callable[[], Any], error: type[ChainruleError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        make()
    assert str(raised.value).startswith("test_matrices.py:")
    assert len(str(raised.value).splitlines()) == 3


def test_for_a_tensor_between_two_moves() -> None:
    """A reshape of a reshape, or a transpose of a transpose, still depends on what is between."""
    x, a = vector("x", 4), np.arange(1.0, 5.0)
    m = cr.reshape(x, (2, 2))
    t = cr.permute_dims(m, (1, 0))
    found = run([x], [cr.grad(cr.sum(cr.reshape(m, (4,)) ** 2), m), cr.grad(cr.sum(t.T**2), t)], a)
    np.testing.assert_array_equal(found[0], 2 * a.reshape(2, 2))
    np.testing.assert_array_equal(found[1], 2 * a.reshape(2, 2).T)


def test_a_hessian_reads_as_one_writes_it() -> None:
    """No product with the identity matrix; inputs that nothing needs keep their names."""
    a, b = cr.tensor("A", (5, 3), "float64"), cr.tensor("b", (5,), "float64")
    w = cr.tensor("w", (3,), "float64")
    f = cr.function([a, b, w], [cr.hessian(cr.sum((a @ w - b) ** 2), w)], target="numpy")
    assert "= 2 * A.T @ A " in f.source()
    assert "def step(A, b, w):" in f.source()
