"""cr.map: a function of each part of tensors, one after the other, on both targets."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tests.frontend.targets import TARGETS, both

import chainrule as cr
from chainrule.compiler.errors import ShapeError, UsageError

F64 = "float64"


@pytest.fixture(scope="module")
def mapped() -> Any:
    a, b = cr.tensor("a", ("n", 3, 2), F64), cr.tensor("b", ("n",), "int64")
    w = cr.tensor("w", (2, 2), F64)

    def each(parts: dict[str, Any]) -> tuple[Any, Any]:
        h = cr.tanh(parts["a"] @ w)
        return h, {"sum": cr.sum(h) * parts["b"].astype(F64), "next": parts["b"] + 1}

    hs, rest = cr.map(each, {"a": a, "b": b})
    y = cr.sum(hs**2) + cr.sum(rest["sum"])
    slopes = cr.grad(y, [a, w])
    curves = cr.grad(cr.sum(slopes[1] ** 2), w)
    plain = cr.tanh(a @ w)
    z = cr.sum(plain**2) + cr.sum(cr.sum(plain, axis=(1, 2)) * b.astype(F64))
    right = cr.grad(z, [a, w])
    others = [plain, b + 1, *right, cr.grad(cr.sum(right[1] ** 2), w)]
    return both([a, b, w], [hs, rest["next"], *slopes, curves, *others])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_it_is_the_function_of_all_at_once(mapped: Any, n: int) -> None:
    random = np.random.default_rng(n)
    given = random.normal(size=(n, 3, 2)), random.integers(0, 5, n), random.normal(size=(2, 2))
    found = mapped(*given)
    for array, right in zip(found[:5], found[5:], strict=True):
        np.testing.assert_allclose(array, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("axis", [1, -1])
def test_along_another_axis(axis: int) -> None:
    a, b = cr.tensor("a", (2, 5), F64), cr.tensor("b", (3, 5), F64)
    y = cr.map(lambda pair: cr.sum(pair[0]) * pair[1], (a, b), axis)
    assert y.shape == (5, 3)
    random = np.random.default_rng(0)
    x, z = random.normal(size=(2, 5)), random.normal(size=(3, 5))
    (found,) = both([a, b], [y])(x, z)
    np.testing.assert_allclose(found, x.sum(0)[:, None] * z.T)


def test_the_code_does_not_grow() -> None:
    def source(n: int, target: str) -> str:
        x = cr.tensor("x", (n,), F64)
        y = cr.sum(cr.map(lambda v: cr.cond(v > 0, cr.log, cr.square, v), x))
        return cr.function(x, cr.grad(y, x), target=target).source()

    for target in TARGETS:
        assert re.sub(r"\b10000\b", "17", source(10_000, target)) == source(17, target)


X = cr.tensor("x", (3, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.map(lambda x: x, ()), UsageError, "map over nothing"),
        (lambda: cr.map(lambda x: x, X, 2), ShapeError, "map: no axis 2"),
        (lambda: cr.map(lambda x: x, (X, X[:2])), ShapeError, "map: lengths differ"),
        (lambda: cr.map(lambda x: x, (X, X[:, 0:1]), 1), ShapeError, r"1 on axis 1 of f32\[3, 1\]"),
        (lambda: cr.map(lambda x: x, 1.0), ShapeError, "map: no axis 0"),
    ],
)
def test_what_is_no_map_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
