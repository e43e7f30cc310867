"""Sorting, the largest, searching and interpolating, with ties and NaN, as NumPy has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, ShapeError, UsageError

Array: TypeAlias = "np.ndarray[Any, Any]"
RANDOM = np.random.default_rng(7)
TARGETS = ("numpy", "cpu")
# Few values: there are ties in every row.
few = st.sampled_from([-1.0, -0.0, 0.0, 2.0, 3.5, np.inf, -np.inf, np.nan])
arrays = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, min_side=0, max_side=6), elements=few)


def sorted_programs(x: cr.Tensor) -> list[cr.Tensor]:
    return [
        cr.sort(x),
        cr.argsort(x),
        cr.sort(x, descending=True),
        cr.argsort(x, descending=True),
        cr.sort(x, axis=0),
        cr.argsort(x, axis=0),
    ]


def sorted_arrays(x: Array) -> list[Array]:
    down = x.shape[-1] - 1 - np.flip(np.argsort(np.flip(x, -1), -1, kind="stable"), -1)
    return [
        np.sort(x),
        np.argsort(x, kind="stable"),
        np.take_along_axis(x, down, -1),
        down,
        np.sort(x, axis=0),
        np.argsort(x, axis=0, kind="stable"),
    ]


@pytest.fixture(scope="module")
def programs() -> list[Any]:
    x = cr.tensor("x", ("n", "m"), "float64")
    return [cr.function([x], sorted_programs(x), target=target) for target in TARGETS]


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 4), st.integers(0, 40)), elements=few))
def test_sorting_of_ties_and_nan(programs: list[Any], array: Array) -> None:
    for f in programs:
        for got, want in zip(f(array), sorted_arrays(array), strict=True):
            np.testing.assert_array_equal(got, want)


@given(arrays)
def test_sorting_of_any_shape(array: Array) -> None:
    x = cr.asarray(array)
    for got, want in zip(sorted_programs(x), sorted_arrays(array), strict=True):
        np.testing.assert_array_equal(np.asarray(got), want)


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float32", "float64"])
def test_every_dtype_and_many_elements(dtype: str) -> None:
    array = RANDOM.integers(0, 50, (3, 500)).astype(dtype)
    x = cr.tensor("x", array.shape, dtype)
    for target in TARGETS:
        got = cr.function([x], [cr.sort(x), cr.argsort(x)], target=target)(array)
        np.testing.assert_array_equal(got[0], np.sort(array))
        assert got[0].dtype == array.dtype
        np.testing.assert_array_equal(got[1], np.argsort(array, kind="stable"))


def test_the_gradient_of_a_sorted_vector_goes_back_to_where_it_came_from() -> None:
    x = cr.tensor("x", (4,), "float64")
    weights = np.array([1.0, 10.0, 100.0, 1000.0])
    array = np.array([2.0, 1.0, 2.0, 0.0])
    for target in TARGETS:
        f = cr.function([x], cr.grad(cr.sum(cr.sort(x) * weights), x), target=target)
        np.testing.assert_array_equal(f(array), [100.0, 10.0, 1000.0, 1.0])


@pytest.mark.parametrize("target", TARGETS)
def test_the_largest(target: str) -> None:
    x = cr.tensor("x", (None, 5), "float64")
    values, places = cr.top_k(x, 3)
    none, _ = cr.top_k(x, 0)
    slope = cr.grad(cr.sum(values * np.array([1.0, 2.0, 3.0])), x)
    columns, _ = cr.top_k(x, 2, axis=0)
    f = cr.function([x], [values, places, none, slope, columns], target=target)
    array = np.array([[1.0, 3.0, 3.0, 0.0, 2.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    got = f(array)
    np.testing.assert_array_equal(got[0], [[3, 3, 2], [5, 4, 3]])
    np.testing.assert_array_equal(got[1], [[1, 2, 4], [0, 1, 2]])
    assert got[2].shape == (2, 0)
    np.testing.assert_array_equal(got[3], [[0, 1, 2, 0, 3], [1, 2, 3, 0, 0]])
    np.testing.assert_array_equal(got[4], np.sort(array, axis=0)[::-1])
    with pytest.raises(ShapeError, match="must not be negative"):
        f(array[:1])  # of one row there are no two largest


vectors = hnp.arrays(np.float64, st.integers(1, 9), elements=few).map(np.sort)


@pytest.fixture(scope="module")
def searches() -> list[Any]:
    x, v = cr.tensor("x", ("n",), "float64"), cr.tensor("v", ("m",), "float64")
    both = [cr.searchsorted(x, v), cr.searchsorted(x, v, side="right")]
    return [cr.function([x, v], both, target=target) for target in TARGETS]


@given(vectors, hnp.arrays(np.float64, st.integers(0, 9), elements=few))
def test_searching(searches: list[Any], points: Array, values: Array) -> None:
    for f in searches:
        left, right = f(points, values)
        np.testing.assert_array_equal(left, np.searchsorted(points, values))
        np.testing.assert_array_equal(right, np.searchsorted(points, values, side="right"))


@pytest.mark.parametrize("target", TARGETS)
def test_lines_between_points(target: str) -> None:
    x = cr.tensor("x", (None, 3), "float64")
    xp, fp = cr.tensor("xp", ("n",), "float64"), cr.tensor("fp", ("n",), "float64")
    outputs = [cr.interp(x, xp, fp), cr.interp(x, xp, fp, left=-7.0, right=7.0)]
    f = cr.function([x, xp, fp], outputs, target=target)
    for n in (1, 2, 3, 8):
        points, values = np.cumsum(RANDOM.uniform(0.1, 1, n)), RANDOM.normal(size=n)
        at = RANDOM.uniform(-1, points[-1] + 1, (6, 3))
        at[0] = points[0], points[-1], points[n // 2]
        at[1] = np.nan if n > 1 else 0.0, np.inf, -np.inf
        plain, ended = f(at, points, values)
        np.testing.assert_allclose(plain, np.interp(at, points, values), rtol=1e-13, atol=1e-14)
        want = np.interp(at, points, values, -7.0, 7.0)
        np.testing.assert_allclose(ended, want, rtol=1e-13, atol=1e-14)


def test_slopes_of_lines() -> None:
    x, xp, fp = (cr.tensor(n, (3,), "float64") for n in ("x", "xp", "fp"))
    slopes = cr.grad(cr.sum(cr.interp(x, xp, fp)), [x, xp, fp])
    points, values = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.0])
    for target in TARGETS:
        f = cr.function([x, xp, fp], slopes, target=target)
        dx, dxp, dfp = f(np.array([-1.0, 1.0, 5.0]), points, values)
        np.testing.assert_array_equal(dx, [0.0, -1.0, 0.0])  # outside; the line on the right
        np.testing.assert_array_equal(dfp, [1.0, 1.0, 1.0])
        np.testing.assert_array_equal(dxp, [0.0, 1.0, 0.0])
        dx, dxp, dfp = f(np.array([0.5, 0.5, 2.0]), points, values)
        np.testing.assert_allclose(dx, [2.0, 2.0, -1.0])
        np.testing.assert_allclose(dfp, [1.0, 1.5, 0.5])


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: cr.sort(cr.tensor("x", ())), ShapeError, "no axis -1"),
        (lambda: cr.top_k(cr.tensor("x", (3,)), 4), ShapeError, "the 4 largest of 3"),
        (lambda: cr.top_k(cr.tensor("x", (3,)), -1), ShapeError, "the -1 largest"),
        (lambda: cr.searchsorted(cr.zeros((2, 2)), 0.0), ShapeError, "expected one axis"),
        (lambda: cr.searchsorted(cr.zeros((2,)), 0.0, side="top"), UsageError, "side 'top'"),
        (lambda: cr.interp(0.0, cr.zeros((2,)), cr.zeros((3,))), ShapeError, "interp between"),
        (lambda: cr.interp(0.0, cr.zeros((0,)), cr.zeros((0,))), ShapeError, "at least 1"),
        (
            lambda: cr.interp(*[cr.zeros((2,), dtype="bool")] * 3),
            DTypeError,
            "bool combines with bool alone",
        ),
    ],
)
def test_what_is_wrong(call: Callable[[], Any], error: type[ChainruleError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 3
