"""Patterns hold all that is not 0, colorings tell entries apart, and compressed is as dense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import sparse

import chainrule as cr
from chainrule.compiler import jacobians
from chainrule.compiler.coloring import columns, own, stars
from chainrule.compiler.ir import Node, evaluate, is_leaf, leaf, walk
from chainrule.compiler.jacobians import by_columns, by_rows, compression, jacobian
from chainrule.compiler.passes.differentiate import derived
from chainrule.compiler.reference import shape_of
from chainrule.compiler.sparsity import pattern
from chainrule.compiler.types import TensorType
from chainrule.frontend.tensor import Tensor

Array: TypeAlias = "np.ndarray[Any, Any]"
N = 6
RNG = np.random.default_rng(0)
TRIDIAGONAL = np.diag(np.ones(N)) + np.diag(np.ones(N - 1), 1) - np.diag(np.ones(N - 1), -1)
AT = np.array([0, 5, 2, 2])


def point(n: int = N) -> Node:
    return leaf("x", TensorType("float64", (n,)), "input")


def shape(node: Node) -> tuple[int, ...]:
    return shape_of(node.shape, {})


def band(*offsets: int) -> Array:
    found: Array = np.asarray(sum(np.eye(N, k=k) for k in offsets)) != 0
    return found


def blocks(height: int, width: int) -> Array:
    found: Array = np.kron(np.eye(N // width), np.ones((height, width))) != 0
    return found


# A function of a vector of 6, and its pattern.
CASES: dict[str, tuple[Callable[[Any], Any], Array]] = {
    "elementwise": (lambda x: cr.exp(x) * x + 2, band(0)),
    "reversed": (lambda x: cr.flip(x) ** 2, band(0)[::-1]),
    "differences": (lambda x: x[1:] - x[:-1] ** 2, band(0, 1)[:-1]),
    "a stencil with edges": (
        lambda x: (lambda r: r[:-2] * r[2:] - 2 * r[1:-1])(cr.pad(x, 1)),
        band(-1, 0, 1),
    ),
    "a stencil by windows": (lambda x: cr.windows(x, 3) @ np.ones(3), band(0, 1, 2)[:4]),
    "a running sum": (lambda x: cr.cumulative_sum(x), np.ones((N, N)) != 0),
    "steps": (lambda x: x[::2] * 3, np.eye(N)[::2] != 0),
    "repeated": (lambda x: cr.broadcast_to(x, (2, N)), np.tile(np.eye(N), (2, 1)) != 0),
    "known positions": (lambda x: cr.take(x, AT) ** 2, np.eye(N)[AT] != 0),
    "by two indices": (
        lambda x: cr.reshape(x, (2, 3))[np.array([0, 1]), np.array([2, 0])],
        np.eye(N)[[2, 3]] != 0,
    ),
    "added at known positions": (
        lambda x: cr.scatter_add(cr.zeros((3,), dtype="float64"), np.array([0, 2, 0, 1, 2, 2]), x),
        np.array([[1, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 1]]) != 0,
    ),
    "segments": (
        lambda x: cr.segment_sum(x**2, np.array([0, 0, 1, 1, 2, 2]), 3),
        blocks(1, 2),
    ),
    "rows of samples": (lambda x: cr.softmax(cr.reshape(x, (3, 2)), axis=1), blocks(2, 2)),
    "sums over samples": (lambda x: cr.sum(cr.reshape(x, (3, 2)), axis=1), blocks(1, 2)),
    "a dense layer on samples": (
        lambda x: cr.tanh(cr.reshape(x, (2, 3)) @ np.ones((3, 2))),
        blocks(2, 3),
    ),
    "a product with a sparse matrix": (lambda x: TRIDIAGONAL @ cr.sin(x), TRIDIAGONAL != 0),
    "systems of samples": (
        lambda x: cr.linalg.solve(3 * np.eye(2) + np.zeros((3, 2, 2)), cr.reshape(x, (3, 2, 1))),
        blocks(2, 2),
    ),
    "stacked": (lambda x: cr.concat([x, cr.flip(x)]), np.vstack([np.eye(N), np.eye(N)[::-1]]) != 0),
    "a choice": (lambda x: cr.where(x > 0, x, cr.flip(x)), (np.eye(N) + np.eye(N)[::-1]) != 0),
    "constant": (lambda x: cr.stop_gradient(x) + cr.floor(cr.stop_gradient(x)), band()),
    "straight through": (lambda x: cr.straight_through(cr.round(x), cr.flip(x)), band(0)[::-1]),
    "gradient of a chain": (
        lambda x: cr.grad(cr.sum((x[1:] - x[:-1] ** 2) ** 2), x),
        band(-1, 0, 1),
    ),
    "a loop": (lambda x: cr.scan(lambda c, t: (c + t, c * t), 0.0, x)[1], np.ones((N, N)) != 0),
    "everything": (lambda x: x / cr.sum(x), np.ones((N, N)) != 0),
}


def applied(function: Callable[[Any], Any], x: Node) -> Node:
    return derived(function(Tensor(x)).node)


@pytest.mark.parametrize("name", CASES)
def test_the_pattern_of_each_kind_of_op(name: str) -> None:
    function, expected = CASES[name]
    x = point()
    found = pattern(applied(function, x), x)
    assert found is not None
    np.testing.assert_array_equal(found.toarray(), expected)


def check(y: Node, x: Node, symmetric: bool = False) -> None:
    """The compressed Jacobian is the dense one, and 0 where the pattern says so."""
    found = compression(y, x, symmetric)
    assert found is not None
    wanted = (jacobian(y, x, symmetric), by_columns(y, x), by_rows(y, x))
    roots = [derived(node) for node in wanted]
    # A loop may carry a cotangent along of which nothing that is wanted is made.
    at = {node: np.ones(shape(node)) for node in walk(roots) if is_leaf(node)}
    at[x] = RNG.uniform(0.3, 1.5, shape(x))
    jacobian_, rows, dense = evaluate(roots, at)
    np.testing.assert_allclose(jacobian_, dense, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(rows, dense, rtol=1e-12, atol=1e-12)
    outside = dense.reshape(found.shape).copy()
    outside[found.rows, found.columns] = 0
    np.testing.assert_array_equal(outside, 0)


@pytest.mark.parametrize("name", CASES)
def test_compressed_is_dense(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobians, "WORTHWHILE", 1)
    x = point()
    check(applied(CASES[name][0], x), x)


PARTS: tuple[Callable[[Any], Any], ...] = (
    cr.sin,
    lambda x: x * cr.flip(x),
    lambda x: cr.pad(x[1:], (0, 1)) * x,
    lambda x: cr.pad(x[:-2], (2, 0)) - x,
    lambda x: cr.take(x, np.array([1, 1, 0, 7, 3, 4, 5, 2])),
    lambda x: cr.reshape(cr.reshape(x, (4, 2)).T, (8,)),
    lambda x: cr.reshape(cr.reshape(x, (4, 2)) * cr.sum(cr.reshape(x, (4, 2)), axis=1)[:, None], 8),
    lambda x: cr.scatter_add(
        cr.zeros((8,), dtype="float64"), np.array([0, 0, 3, 4, 7, 7, 1, 2]), x
    ),
    lambda x: cr.where(x > 0.7, x, 2.0),
    lambda x: cr.reshape(cr.softmax(cr.reshape(x, (2, 4)), axis=0), (8,)),
)


@given(st.lists(st.integers(0, len(PARTS) - 1), min_size=1, max_size=4))
def test_compressed_is_dense_for_random_functions(chosen: list[int]) -> None:
    x = point(8)
    t = Tensor(x)
    for i in chosen:
        t = PARTS[i](t)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jacobians, "WORTHWHILE", 1)
        check(t.node, x)
        check(derived(cr.grad(cr.sum(t**2), Tensor(x)).node), x, symmetric=True)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_columns_of_a_color_share_no_row(m: int, n: int, seed: int, density: float) -> None:
    found = np.random.default_rng(seed).uniform(size=(m, n)) < density
    colors = columns(sparse.csr_array(found))
    if colors is not None:
        for color in range(int(colors.max()) + 1):
            assert found[:, colors == color].sum(axis=1).max() <= 1


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0, 0.6))
def test_each_entry_of_a_star_coloring_is_read_in_its_row_or_column(
    n: int, seed: int, density: float
) -> None:
    half = np.random.default_rng(seed).uniform(size=(n, n)) < density
    found = sparse.csr_array(half | half.T | np.eye(n, dtype=bool))
    colors, entries = stars(found), found.tocoo()
    assert colors is not None
    by_row = own(colors, entries.row, entries.col)
    by_column = own(colors, entries.col, entries.row)
    assert np.all(by_row | by_column)


def counted(function: Callable[[Any], Any], n: int, symmetric: bool = False) -> int:
    x = point(n)
    found = compression(applied(function, x), x, symmetric)
    assert found is not None
    return found.count


def test_how_many_colors() -> None:
    """Three for a band of three, one for each place inside a block, two for an arrow."""

    def laplace(x: Any) -> Any:
        u = cr.pad(cr.reshape(x, (12, 12)), 1)
        inner = u[1:-1, 1:-1]
        return inner**3 + u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * inner

    assert counted(CASES["a stencil with edges"][0], 200) == 3
    assert counted(cr.tanh, 500) == 1
    assert counted(lambda x: cr.softmax(cr.reshape(x, (50, 4)), axis=1), 200) == 4
    assert counted(laplace, 144) <= 8  # 5 at best
    for k in (-1, 0):  # wherever the row and column stand that are full

        def arrow(x: Any, k: int = k) -> Any:
            return cr.grad(cr.sum(cr.sin(x[k] * x)), x)

        assert counted(arrow, 100, symmetric=True) == 2
        assert counted(arrow, 100) == 100


def test_where_nothing_is_known() -> None:
    """Symbolic sizes have no pattern; positions that come from outside reach everything."""
    x, n = cr.tensor("x", ("n",), "float64"), cr.tensor("x", (N,), "float64")
    i = cr.tensor("i", (N,), "int64")
    assert compression(cr.exp(x).node, x.node, False) is None
    found = pattern(cr.take(n, i).node, n.node)
    assert found is not None
    assert found.nnz == N * N
