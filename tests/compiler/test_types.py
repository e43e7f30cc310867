"""Sizes are polynomials in one canonical form."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from chainrule.compiler.types import (
    Dim,
    TensorType,
    add,
    divide,
    floordiv,
    mul,
    product,
    sub,
    symbol,
    symbols,
    value,
)

BATCH, N = symbol("batch"), symbol("n")
SIZES = {"batch": 7, "n": 3}

dims: st.SearchStrategy[Dim] = st.recursive(
    st.one_of(st.integers(-4, 9), st.sampled_from([BATCH, N])),
    lambda inner: st.one_of(
        st.builds(add, inner, inner),
        st.builds(sub, inner, inner),
        st.builds(mul, inner, inner),
        st.builds(floordiv, inner, st.integers(1, 4)),
    ),
    max_leaves=6,
)


@given(dims, dims)
def test_arithmetic_means_what_it_says(a: Dim, b: Dim) -> None:
    p, q = value(a, SIZES), value(b, SIZES)
    assert value(add(a, b), SIZES) == p + q
    assert value(sub(a, b), SIZES) == p - q
    assert value(mul(a, b), SIZES) == p * q


@given(dims, dims)
def test_one_size_has_one_form(a: Dim, b: Dim) -> None:
    assert add(a, b) == add(b, a)
    assert mul(a, b) == mul(b, a)
    assert sub(add(a, b), b) == a
    assert hash(add(a, b)) == hash(add(b, a))


@given(dims, st.integers(1, 5))
def test_floor_division(a: Dim, by: int) -> None:
    assert value(floordiv(a, by), SIZES) == value(a, SIZES) // by
    assert floordiv(mul(a, by), by) == a


@given(dims, st.sampled_from([2, 3, BATCH, mul(BATCH, N), mul(N, 2)]))
def test_exact_division(a: Dim, b: Dim) -> None:
    assert divide(mul(a, b), b) == a


def test_division_that_is_not_exact() -> None:
    assert divide(BATCH, 2) is None
    assert divide(add(BATCH, 1), BATCH) is None
    assert divide(3, 0) is None


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (BATCH, "batch"),
        (add(mul(2, BATCH), 1), "2*batch + 1"),
        (sub(mul(BATCH, N), 1), "batch*n - 1"),
        (sub(BATCH, BATCH), "0"),
        (floordiv(add(BATCH, 1), 2), "((batch + 1) // 2)"),
    ],
)
def test_sizes_print(dim: Dim, text: str) -> None:
    assert str(dim) == text


def test_a_type_prints_as_people_write_it() -> None:
    assert str(TensorType("float32", (BATCH, 10))) == "f32[batch, 10]"
    assert product((BATCH, 2, N)) == mul(2, mul(BATCH, N))
    assert symbols((BATCH, 3, floordiv(add(N, 1), 2))) == {"batch", "n"}
