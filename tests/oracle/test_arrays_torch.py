"""Indexing, sorting, running values and linear algebra against PyTorch, twice differentiated."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(17)
A = RANDOM.normal(size=(2, 4, 4)) + 2 * np.eye(4)
B = RANDOM.normal(size=(2, 4, 3))
ROWS, J = RANDOM.integers(-4, 4, (3, 2)), RANDOM.integers(0, 3, 2)
SEGMENTS = np.array([1, 0, 1, 3])
TIES = RANDOM.integers(0, 3, (2, 4, 3)).astype(float)
linalg = cr.linalg


def ours_gram(a: cr.Tensor) -> cr.Tensor:
    return a @ a.mT + cr.eye(4, dtype="float64")


def theirs_gram(a: Any) -> Any:
    return a @ a.mT + torch.eye(4, dtype=torch.float64)


def added(x: Any, index: Any, values: Any) -> Any:
    return x.index_put(tuple(map(torch.as_tensor, index)), values, accumulate=True)


Case = tuple[Callable[..., cr.Tensor], Callable[..., Any], tuple[Array, ...]]
CASES: dict[str, Case] = {
    "gather": (lambda b: b[:, ROWS, J], lambda b: b[:, ROWS, J], (B,)),
    "gather apart": (lambda b: b[[0, 1], :, J], lambda b: b[[0, 1], :, J], (B,)),
    "gather one": (lambda b: b[:, ROWS], lambda b: b[:, ROWS], (B,)),
    "scatter_add": (
        lambda b, v: cr.scatter_add(b[0], (ROWS, J), v),
        lambda b, v: added(b[0], (ROWS, np.broadcast_to(J, ROWS.shape).copy()), v),
        (B, RANDOM.normal(size=(3, 2))),
    ),
    "segment_sum": (
        lambda b: cr.segment_sum(b[0], SEGMENTS, 5),
        lambda b: torch.zeros(5, 3, dtype=b.dtype).index_add(0, torch.as_tensor(SEGMENTS), b[0]),
        (B,),
    ),
    "sort": (lambda b: cr.sort(b, axis=1), lambda b: b.sort(1).values, (B,)),
    "sort ties": (
        lambda b: cr.sort(b, descending=True),
        lambda b: b.sort(dim=-1, descending=True, stable=True).values,
        (TIES,),
    ),
    "top_k": (lambda b: cr.top_k(b, 2)[0], lambda b: b.topk(2).values, (B,)),
    "cumulative_prod": (
        lambda b: cr.cumulative_prod(b, axis=1),
        lambda b: b.cumprod(1),
        (B,),
    ),
    "cumulative_prod of zeros": (
        lambda b: cr.cumulative_prod(b, axis=2),
        lambda b: b.cumprod(2),
        (TIES,),
    ),
    "cumulative_logsumexp": (
        lambda b: cr.cumulative_logsumexp(b, axis=1),
        lambda b: b.logcumsumexp(1),
        (B * 20,),
    ),
    "solve": (linalg.solve, torch.linalg.solve, (A, B)),
    "solve a vector": (
        lambda a, b: linalg.solve(a, b[0, :, 0]),
        lambda a, b: torch.linalg.solve(a, b[0, :, 0].expand(2, 4)),
        (A, B),
    ),
    "lower": (
        linalg.solve_triangular,
        lambda a, b: torch.linalg.solve_triangular(a.tril(), b, upper=False),
        (A, B),
    ),
    "upper transposed": (
        lambda a, b: linalg.solve_triangular(a, b, upper=True, transpose=True),
        lambda a, b: torch.linalg.solve_triangular(a.triu().mT, b, upper=False),
        (A, B),
    ),
    "inv": (linalg.inv, torch.linalg.inv, (A,)),
    "det": (linalg.det, torch.linalg.det, (A,)),
    "logabsdet": (
        lambda a: linalg.slogdet(a).logabsdet,
        lambda a: torch.linalg.slogdet(a).logabsdet,
        (A,),
    ),
    "cholesky": (
        lambda a: linalg.cholesky(ours_gram(a)),
        lambda a: torch.linalg.cholesky(theirs_gram(a)),
        (A,),
    ),
    # The gradient for the matrix itself is symmetric.
    "cholesky of a symmetric one": (
        linalg.cholesky,
        torch.linalg.cholesky,
        (A @ A.swapaxes(1, 2) + np.eye(4),),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name: str) -> None:
    ours, theirs, arrays = CASES[name]
    xs = [cr.tensor(f"x{i}", array.shape, "float64") for i, array in enumerate(arrays)]
    y = ours(*xs)
    first = cr.grad(cr.sum(cr.sin(y)), xs)
    second = cr.grad(cr.sum(cr.stack([cr.sum(cr.cos(g)) for g in first])), xs)
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = theirs(*leaves)
    slopes = torch.autograd.grad(value.sin().sum(), leaves, create_graph=True)
    curves = torch.autograd.grad(sum(g.cos().sum() for g in slopes), leaves)
    wanted = [value, *slopes, *curves]
    outputs = [y, *first, *second]
    # Native code for the second derivatives too would only take long to compile.
    for target, some in (("numpy", outputs), ("cpu", outputs[: 1 + len(xs)])):
        found = cr.function(xs, some, target=target)(*arrays)
        for got, want in zip(found, wanted, strict=False):
            exact = want.detach().numpy()
            scale = max(1.0, float(np.abs(exact).max()))
            np.testing.assert_allclose(got, exact, rtol=1e-10, atol=1e-12 * scale)
