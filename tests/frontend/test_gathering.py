"""`x[i, j]` with arrays, adding at positions, segments, running products: what NumPy gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.compiler.errors import (
    ChainruleError,
    DTypeError,
    IndexOutOfRange,
    ShapeError,
    UsageError,
)

Array: TypeAlias = "np.ndarray[Any, Any]"
RANDOM = np.random.default_rng(11)
TARGETS = ("numpy", "cpu")
X = RANDOM.normal(size=(3, 6, 4, 2))


@st.composite
def keyed(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """A shape, and a key for it of arrays, masks, integers, slices, None and dots."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    block = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    keys: list[Any] = []
    axis, dots = 0, False
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["array", "array", "slice", "integer", "none", "dots", "mask"]))
        axis += kind != "none"
        if kind == "array":
            some = draw(st.sampled_from([block, block[-1:], ()]))
            keys.append(draw(hnp.arrays(np.int64, some, elements=st.integers(-n, n - 1))))
        elif kind == "slice":
            keys.append(draw(st.sampled_from([slice(None), slice(1, None), slice(None, None, -1)])))
        elif kind == "integer":
            keys.append(draw(st.integers(-n, n - 1)))
        elif kind == "mask":
            keys.append(draw(hnp.arrays(np.bool_, n)))
        elif kind == "dots" and not dots:
            keys.append(...)
            axis, dots = draw(st.integers(axis, len(shape))), True
        else:
            keys.append(None)
    return shape, tuple(keys)


@given(keyed())
def test_any_key(drawn: tuple[tuple[int, ...], tuple[Any, ...]]) -> None:
    shape, key = drawn
    array = np.arange(float(np.prod(shape))).reshape(shape)
    try:
        want = array[key]
    except IndexError:  # masks of different counts do not broadcast
        with pytest.raises(ChainruleError):
            cr.asarray(array)[key]
        return
    got = cr.asarray(array)[key]
    assert got.shape == want.shape
    np.testing.assert_array_equal(np.asarray(got), want)


@pytest.mark.parametrize("target", TARGETS)
def test_positions_that_are_known_when_run(target: str) -> None:
    x = cr.tensor("x", ("n", 6, 4, 2), "float64")
    i, j = cr.tensor("i", ("k", 5), "int64"), cr.tensor("j", (5,), "int32")
    single = cr.tensor("single", (), "int64")
    at = RANDOM.integers(-3, 3, (2, 5)), RANDOM.integers(-4, 4, 5).astype(np.int32), np.array(-2)
    keys: list[Callable[..., tuple[Any, ...]]] = [
        lambda i, j, s: (i,),
        lambda i, j, s: (s,),
        lambda i, j, s: (i, j),
        lambda i, j, s: (slice(None), i, j),
        lambda i, j, s: (i, slice(None), j),
        lambda i, j, s: (0, slice(None), j),
        lambda i, j, s: (slice(None), None, i, slice(1, 3), 0),
        lambda i, j, s: (..., j, slice(None)),
        lambda i, j, s: (s, j, j, [0, 1, 1, 0, -1]),
    ]
    f = cr.function([x, i, j, single], [x[key(i, j, single)] for key in keys], target=target)
    for got, key in zip(f(X, *at), keys, strict=True):
        np.testing.assert_array_equal(got, X[key(*at)])
    # An index out of range is an error with the line of the key, whatever the other does.
    for wrong in ((3, 0), (-4, 0), (0, 4)):
        g = cr.function([x, i, j], x[i, :, j], target=target)
        with pytest.raises(IndexOutOfRange) as caught:
            g(X, np.full((1, 5), wrong[0]), np.full(5, wrong[1], np.int32))
        assert str(caught.value).startswith("test_gathering.py:")


def test_a_condition_that_is_known_when_run_has_no_shape() -> None:
    x = cr.tensor("x", (3,))
    with pytest.raises(UsageError, match=r"cr\.where") as caught:
        x[x > 0]
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("target", TARGETS)
def test_adding_at_positions(target: str) -> None:
    x, v = cr.tensor("x", (3, 4), "float64"), cr.tensor("v", ("k", 4), "float64")
    i, j = cr.tensor("i", ("k",), "int64"), cr.tensor("j", ("k",), "int64")
    outputs = [
        cr.scatter_add(x, i, v),
        cr.scatter_add(x, (i, j), v[:, 0]),
        cr.scatter_add(x, i, 1),
        cr.segment_sum(v, i % 3, 5),
    ]
    weights = RANDOM.normal(size=(3, 4))
    slopes = cr.grad(cr.sum(outputs[1] * outputs[1] * weights), [x, v])
    f = cr.function([x, v, i, j], [*outputs, *slopes], target=target)
    a, b = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(7, 4))
    at, to = RANDOM.integers(-3, 3, 7), RANDOM.integers(-4, 4, 7)
    wants = [a.copy(), a.copy(), a.copy(), np.zeros((5, 4))]
    added: list[Any] = [(at, b), ((at, to), b[:, 0]), (at, 1.0), (at % 3, b)]
    for want, (places, values) in zip(wants, added, strict=True):
        np.add.at(want, places, values)
    first = f(a, b, at, to)
    for got, want in zip(first, wants, strict=False):
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(first[4], 2 * weights * wants[1])
    np.testing.assert_allclose(first[5][:, 0], (2 * weights * wants[1])[at, to])
    np.testing.assert_array_equal(first[5][:, 1:], 0)
    for again, got in zip(f(a, b, at, to), first, strict=True):
        np.testing.assert_array_equal(again, got)
    assert [x.shape for x in f(a, b[:0], at[:0], to[:0])[:2]] == [(3, 4), (3, 4)]
    with pytest.raises(IndexOutOfRange):
        f(a, b, at, to + 9)


@pytest.mark.parametrize("target", TARGETS)
def test_second_derivatives_of_running_log_sum_exps_of_large_numbers(target: str) -> None:
    # The last has no next one, and e^(y - 0) would overflow.
    x = cr.tensor("x", (3,), "float64")
    f = cr.function([x], cr.hessian_diagonal(cr.sum(cr.cumulative_logsumexp(x)), x), target=target)
    # p (1 - p) for each share p of an element in a result.
    np.testing.assert_allclose(f(np.full(3, 1e4)), [1 / 4 + 2 / 9, 1 / 4 + 2 / 9, 2 / 9])


@pytest.mark.parametrize("target", TARGETS)
def test_running_products_and_log_sum_exps(target: str) -> None:
    x = cr.tensor("x", ("n", 4), "float64")
    products, sums = cr.cumulative_prod(x, axis=0), cr.cumulative_logsumexp(x, axis=1)
    outputs = [
        products,
        sums,
        cr.cumulative_prod(x, axis=1, include_initial=True),
        cr.grad(cr.sum(products), x),
        cr.grad(cr.sum(sums), x),
    ]
    f = cr.function([x], outputs, target=target)
    for array in (
        RANDOM.normal(size=(6, 4)),
        RANDOM.integers(-1, 2, (6, 4)).astype(float),  # with zeros
        np.zeros((0, 4)),
        np.ones((1, 4)),
        RANDOM.normal(size=(3, 4)) * 500,
    ):
        got = f(array)
        np.testing.assert_allclose(got[0], np.cumprod(array, 0), rtol=1e-13)
        np.testing.assert_allclose(got[1], np.logaddexp.accumulate(array, 1), rtol=1e-13)
        np.testing.assert_allclose(got[2][:, 1:], np.cumprod(array, 1), rtol=1e-13)
        np.testing.assert_array_equal(got[2][:, 0], 1)
        slope = np.zeros_like(array)
        for i in range(len(array)):
            others = array.copy()
            others[i] = 1
            slope[i] = np.cumprod(others, 0)[i:].sum(0)
        np.testing.assert_allclose(got[3], slope, rtol=1e-11, atol=1e-12)
        # e^(x[k] - y[j]) for all j >= k; it is at most 1.
        apart = array[:, :, None] - got[1][:, None, :]
        shares = np.triu(np.exp(np.minimum(apart, 0)))
        np.testing.assert_allclose(got[4], shares.sum(2), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("target", TARGETS)
def test_infinities_in_running_values(target: str) -> None:
    x = cr.tensor("x", (4,), "float64")
    y = cr.cumulative_logsumexp(x)
    f = cr.function([x], [y, cr.grad(y[3], x), cr.cumulative_prod(x)], target=target)
    inf = np.inf
    value, slope, _ = f(np.array([-inf, -inf, 0.0, 0.0]))
    np.testing.assert_allclose(value, [-inf, -inf, 0, np.log(2)])
    np.testing.assert_allclose(slope, [0, 0, 0.5, 0.5])
    value, _, products = f(np.array([inf, 2.0, 0.0, 1.0]))
    np.testing.assert_array_equal(value, [inf] * 4)
    np.testing.assert_array_equal(products, [inf, inf, np.nan, np.nan])


def test_integers_run_in_their_own_kind() -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    assert np.asarray(cr.cumulative_prod(array, axis=1)).dtype == np.int64
    x = cr.tensor("x", (2, 3), "int32")
    y = cr.cumulative_prod(x, axis=1, dtype="int32")
    for target in TARGETS:
        got = cr.function([x], y, target=target)(array)
        np.testing.assert_array_equal(got, np.cumprod(array, 1))
        assert got.dtype == np.int32


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: cr.scatter_add(cr.zeros((2,)), (), 1.0), ShapeError, "at 0 positions"),
        (lambda: cr.scatter_add(cr.zeros((2,)), np.array([2]), 1.0), IndexOutOfRange, "size 2"),
        (lambda: cr.scatter_add(cr.zeros((2,)), np.array([0.0]), 1.0), DTypeError, "integers"),
        (
            lambda: cr.scatter_add(cr.zeros((2,), dtype="bool"), np.array([0]), True),
            DTypeError,
            "expected numbers",
        ),
        (
            lambda: cr.segment_sum(cr.zeros((3,)), np.array([0, 1]), 2),
            ShapeError,
            "a segment for each row",
        ),
        (lambda: cr.cumulative_prod(cr.zeros((2, 2))), ShapeError, "along no axis"),
        (
            lambda: cr.cumulative_logsumexp(cr.tensor("x", (2,), "int64")),
            DTypeError,
            "takes float32, float64",
        ),
    ],
)
def test_what_is_wrong(call: Callable[[], Any], error: type[ChainruleError], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 3
