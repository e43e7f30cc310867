"""`cr.linalg`: values at 50 digits, both targets, batches, and matrices that do not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, MatrixError, ShapeError
from chainrule.compiler.ir import evaluate

Array: TypeAlias = "np.ndarray[Any, Any]"
linalg = cr.linalg
RANDOM = np.random.default_rng(5)
A = RANDOM.normal(size=(3, 4, 4))
SYMMETRIC = A @ A.swapaxes(1, 2) + np.eye(4)
B = RANDOM.normal(size=(3, 4, 2))
TARGETS = ("numpy", "cpu")


def exact(function: Callable[..., Any], *arrays: Array) -> Array:
    """A function of mpmath's matrices at 50 digits, for each matrix of a batch, rounded."""
    with mpmath.workdps(50):
        rows = zip(*arrays, strict=True)
        found = [function(*(mpmath.matrix(x.tolist()) for x in row)) for row in rows]
        return np.array([x.tolist() if isinstance(x, mpmath.matrix) else x for x in found], float)


def triangle(a: Any, keep: Callable[[int, int], bool]) -> Any:
    result = a.copy()
    for i in range(a.rows):
        for j in range(a.cols):
            if not keep(i, j):
                result[i, j] = 0
    return result


CASES: dict[str, tuple[Callable[..., cr.Tensor], tuple[Array, ...], Callable[..., Any]]] = {
    "solve": (linalg.solve, (A, B), lambda a, b: a**-1 * b),
    "inv": (linalg.inv, (A,), lambda a: a**-1),
    "det": (linalg.det, (A,), mpmath.det),
    "sign": (lambda a: linalg.slogdet(a).sign, (A,), lambda a: mpmath.sign(mpmath.det(a))),
    "logabsdet": (
        lambda a: linalg.slogdet(a).logabsdet,
        (A,),
        lambda a: mpmath.log(abs(mpmath.det(a))),
    ),
    "cholesky": (linalg.cholesky, (SYMMETRIC,), mpmath.cholesky),
    "upper": (
        lambda a: linalg.cholesky(a, upper=True),
        (SYMMETRIC,),
        lambda a: mpmath.cholesky(a).T,
    ),
    "triangular": (
        linalg.solve_triangular,
        (A, B),
        lambda a, b: triangle(a, lambda i, j: i >= j) ** -1 * b,
    ),
    "transposed upper": (
        lambda a, b: linalg.solve_triangular(a, b, upper=True, transpose=True),
        (A, B),
        lambda a, b: triangle(a, lambda i, j: i <= j).T ** -1 * b,
    ),
    "diagonal": (linalg.diagonal, (A,), lambda a: mpmath.matrix([a[i, i] for i in range(4)]).T),
    "trace": (linalg.trace, (A,), lambda a: sum(a[i, i] for i in range(4))),
    # Gradients, in closed form.
    "gradient of logabsdet": (
        lambda a: cr.grad(cr.sum(linalg.slogdet(a).logabsdet), a),
        (A,),
        lambda a: (a**-1).T,
    ),
    "gradient of det": (
        lambda a: cr.grad(cr.sum(linalg.det(a)), a),
        (A,),
        lambda a: mpmath.det(a) * (a**-1).T,
    ),
    "gradient of the sum of the inverse": (
        lambda a: cr.grad(cr.sum(linalg.inv(a)), a),
        (A,),
        lambda a: -((a**-1).T * mpmath.ones(4) * (a**-1).T),
    ),
    "gradient of logabsdet by Cholesky": (
        lambda a: cr.grad(2 * cr.sum(cr.log(linalg.diagonal(linalg.cholesky(a)))), a),
        (SYMMETRIC,),
        lambda a: a**-1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_values_and_gradients_at_50_digits(target: str) -> None:
    a, s, b = (
        cr.tensor(name, ("m", *x.shape[1:]), "float64")
        for name, x in (("a", A), ("s", SYMMETRIC), ("b", B))
    )
    by_array = {id(A): a, id(SYMMETRIC): s, id(B): b}
    outputs = [f(*(by_array[id(x)] for x in arrays)) for f, arrays, _ in CASES.values()]
    found = cr.function([a, s, b], outputs, target=target)(A, SYMMETRIC, B)
    for got, (name, (_, arrays, truth)) in zip(found, CASES.items(), strict=True):
        want = exact(truth, *arrays).reshape(got.shape)
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13 * scale, err_msg=name)


def test_targets_agree_in_single_precision() -> None:
    a, b = cr.tensor("a", (None, 4, 4)), cr.tensor("b", (None, 4, 2))
    s = a @ cr.matrix_transpose(a) + cr.eye(4)
    outputs = [
        linalg.solve(s, b),
        linalg.solve_triangular(linalg.cholesky(s), b),
        linalg.det(s),
        *linalg.slogdet(s),
        cr.grad(cr.sum(linalg.solve(s, b) ** 2) + cr.sum(linalg.slogdet(s).logabsdet), a),
    ]
    arrays = A.astype(np.float32), B.astype(np.float32)
    results = [cr.function([a, b], outputs, target=target)(*arrays) for target in TARGETS]
    for x, y in zip(*results, strict=True):
        assert x.dtype == y.dtype == np.float32
        np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-4)


def test_vectors_and_leading_axes_broadcast() -> None:
    for a, b in (
        (A[0], B[0, :, 0]),
        (A, B[0, :, 0]),
        (A[:, None], B),
        (A[0], B),
        (A.reshape(3, 1, 4, 4), RANDOM.normal(size=(2, 4, 1))),
    ):
        got = np.asarray(linalg.solve(a, b))
        np.testing.assert_allclose(got, np.linalg.solve(a, b), rtol=1e-10)
        rows = np.tril(a)
        got = np.asarray(linalg.solve_triangular(a, b))
        np.testing.assert_allclose(got, np.linalg.solve(rows, b), rtol=1e-8)


def test_what_is_not_symmetric_counts_as_its_symmetric_part() -> None:
    skew = RANDOM.normal(size=(3, 4, 4))
    skew = skew - skew.swapaxes(1, 2)
    got, want = (np.asarray(linalg.cholesky(x)) for x in (SYMMETRIC + skew, SYMMETRIC))
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_matrices_of_nothing_and_nothing_of_matrices(target: str) -> None:
    a, b = cr.tensor("a", ("m", "n", "n"), "float64"), cr.tensor("b", ("m", "n", "k"), "float64")
    symmetric = a @ cr.matrix_transpose(a) + cr.eye(a.shape[-1], dtype="float64")
    outputs = [
        linalg.solve(a, b),
        linalg.solve_triangular(a, b),
        linalg.cholesky(symmetric),
        linalg.inv(a),
        linalg.det(a),
        *linalg.slogdet(a),
        cr.grad(cr.sum(linalg.solve(symmetric, b)), b),
    ]
    f = cr.function([a, b], outputs, target=target)
    for m, n, k in ((2, 0, 0), (2, 0, 3), (0, 2, 1), (2, 2, 0), (1, 1, 1)):
        found = f(np.ones((m, 1, 1)) * np.eye(n), np.ones((m, n, k)))
        shapes = [(m, n, k)] * 2 + [(m, n, n)] * 2 + [(m,)] * 3 + [(m, n, k)]
        assert [x.shape for x in found] == shapes
        if n == 0:
            np.testing.assert_array_equal(found[4], np.ones(m))
            np.testing.assert_array_equal(found[6], np.zeros(m))


@pytest.mark.parametrize("target", TARGETS)
def test_not_a_number_stays_so(target: str) -> None:
    a = cr.tensor("a", (2, 2), "float64")
    outputs = [linalg.cholesky(a), linalg.solve(a, a), linalg.solve_triangular(a, a), linalg.det(a)]
    factor, *others = cr.function([a], outputs, target=target)(np.full((2, 2), np.nan))
    np.testing.assert_array_equal(np.isnan(factor), [[True, False], [True, True]])
    assert all(np.isnan(x).any() for x in others)


@pytest.mark.parametrize("target", TARGETS)
def test_determinants_of_singular_matrices(target: str) -> None:
    a = cr.tensor("a", (2, 2), "float64")
    f = cr.function([a], [linalg.det(a), *linalg.slogdet(a)], target=target)
    assert [float(x) for x in f(np.array([[1.0, 2.0], [2.0, 4.0]]))] == [0.0, 0.0, -np.inf]


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
INDEFINITE = np.array([[1.0, 2.0], [2.0, 1.0]])
WRONG: dict[str, tuple[Callable[[cr.Tensor], cr.Tensor], Array, str]] = {
    "solve": (lambda a: linalg.solve(a, a), SINGULAR, "a matrix is singular"),
    "inv": (linalg.inv, SINGULAR, "a matrix is singular"),
    "solve_triangular": (
        lambda a: linalg.solve_triangular(a, a),
        np.array([[1.0, 0.0], [1.0, 0.0]]),
        "a matrix is singular",
    ),
    "cholesky": (linalg.cholesky, INDEFINITE, "a matrix is not positive definite"),
    "semidefinite": (linalg.cholesky, SINGULAR, "a matrix is not positive definite"),
    "gradient of det": (
        lambda a: cr.grad(linalg.det(a), a),
        SINGULAR,
        "a matrix is singular",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_matrix_that_does_not_do_is_an_error(name: str) -> None:
    function, array, said = WRONG[name]
    a = cr.tensor("a", (2, 2), "float64")
    y = function(a)
    told = set()
    for target in TARGETS:
        f = cr.function([a], y, target=target)
        with pytest.raises(MatrixError, match=said) as caught:
            f(array)
        told.add(str(caught.value))
        f(np.eye(2))  # the next call is another one
    if name != "gradient of det":
        with pytest.raises(MatrixError) as caught:
            evaluate([y.node], {a.node: array})
        told.add(str(caught.value))
    (message,) = told  # the same words everywhere
    assert len(message.splitlines()) == 3
    assert message.startswith("test_linalg.py:")


def test_the_line_of_each_matrix() -> None:
    a, b = cr.tensor("a", (2, 2), "float64"), cr.tensor("b", (2, 2), "float64")
    first = linalg.solve(a, b)
    line = first.node.where
    f = cr.function([a, b], [linalg.cholesky(b), first], target="cpu")
    for arrays, where in (((SINGULAR, np.eye(2)), line), ((np.eye(2), INDEFINITE), None)):
        with pytest.raises(MatrixError) as caught:
            f(*arrays)
        assert caught.value.where is not None
        assert (caught.value.where == where) == (where is not None)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: linalg.inv(cr.tensor("a", (2, 3))), ShapeError, "expected square matrices"),
        (lambda: linalg.inv(cr.tensor("a", (2,))), ShapeError, "expected square matrices"),
        (lambda: linalg.cholesky(cr.tensor("a", (2, 3))), ShapeError, "cholesky of"),
        (lambda: linalg.det(cr.tensor("a", (2, 2), "int64")), DTypeError, "float32, float64"),
        (lambda: linalg.cholesky(cr.tensor("a", (2, 2), "int64")), DTypeError, "float32, float64"),
        (
            lambda: linalg.solve(cr.tensor("a", (2, 2)), cr.tensor("b", (3,))),
            ShapeError,
            "3 rows, the matrix 2 columns",
        ),
        (
            lambda: linalg.solve(cr.tensor("a", (4, 2, 2)), cr.tensor("b", (3, 2, 1))),
            ShapeError,
            "do not broadcast",
        ),
        (lambda: linalg.solve(cr.tensor("a", (2, 2)), 1.0), ShapeError, "a right side"),
    ],
)
def test_what_is_wrong_before_it_runs(
    call: Callable[[], Any], error: type[ChainruleError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 3
    assert str(caught.value).startswith("test_linalg.py:")


def test_formulas_are_written_with_inverses() -> None:
    a, b = cr.tensor("a", (2, 2)), cr.tensor("b", (2, 2))
    f = cr.function([a, b], [linalg.solve(a, b), linalg.inv(a), linalg.slogdet(a).logabsdet])
    shown = str(f.formula())
    for part in ("a⁻¹ b", "= a⁻¹", "log(|det(a)|)"):
        assert part in shown


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_diagonals_powers_and_norms_of_open_sizes(target: str) -> None:
    a, b = cr.tensor("a", ("n", "n"), "float64"), cr.tensor("b", ("n", 3), "float64")
    f = cr.function(
        [a, b],
        [
            linalg.diagonal(a, offset=1),
            linalg.trace(a, offset=-1),
            linalg.matrix_power(a, 3),
            linalg.matrix_power(a, 0),
            linalg.matrix_norm(a, ord=1),
            linalg.matrix_norm(b, ord=float("inf")),
            linalg.cross(b, b[::-1]),
            cr.grad(linalg.trace(a @ a, offset=1), a),
        ],
        target,
    )
    for n in (1, 4):
        rng = np.random.default_rng(n)
        x, y = rng.normal(size=(n, n)), rng.normal(size=(n, 3))
        above = np.eye(n, k=1)
        want: list[Any] = [
            np.diagonal(x, 1),
            np.trace(x, -1),
            x @ x @ x,
            np.eye(n),
            np.linalg.norm(x, 1),
            np.linalg.norm(y, np.inf),
            np.cross(y, y[::-1]),
            above @ x.T + x.T @ above,
        ]
        for got, true in zip(f(x, y), want, strict=True):
            np.testing.assert_allclose(got, true, rtol=1e-12, atol=1e-12)
    far = cr.function([a], linalg.diagonal(a, offset=4), target)
    with pytest.raises(ShapeError, match="n - 4 must not be negative"):
        far(np.ones((2, 2)))
