"""Tensors side by side: each is computed where it lies in the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.targets import target

WIDTHS = st.lists(st.sampled_from([0, 1, 2, 3, 7, 16, 17, 64]), min_size=2, max_size=4)


def text(f: Any) -> str:
    return str(target("cpu").emit(lower(derive(f._request), "cpu"), "0" * 32).source)


def parts_by(widths: list[int], axis: int, dtype: str) -> Any:
    """Parts that are computed, side by side; a product of them, a sum, and a gradient."""
    shapes = [
        tuple(width if i == axis else size for i, size in enumerate("n3")) for width in widths
    ]
    shapes = [tuple(3 if dim == "3" else dim for dim in shape) for shape in shapes]
    xs = [cr.tensor(f"x{i}", shape, dtype) for i, shape in enumerate(shapes)]
    whole = cr.concat([cr.tanh(x * (i + 1)) for i, x in enumerate(xs)], axis=axis)
    asked = [whole @ whole.T, cr.sum(whole, axis=1), cr.exp(whole) + 1]
    total = cr.sum(asked[0] * asked[0])
    return xs, [*asked, *cr.grad(total, xs)]


@settings(max_examples=12)
@given(
    widths=WIDTHS,
    axis=st.sampled_from([0, 1]),
    rows=st.sampled_from([1, 2, 13, 40]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_values_are_those_of_numpy(widths: list[int], axis: int, rows: int, dtype: str) -> None:
    xs, asked = parts_by(widths, axis, dtype)
    random = np.random.default_rng(0)
    shapes = [(width, 3) if axis == 0 else (rows, width) for width in widths]
    arrays = [random.normal(size=shape).astype(dtype) for shape in shapes]
    expected = cr.function(xs, asked, target="numpy")(*arrays)
    error = 1e-4 if dtype == "float32" else 1e-12
    for came, right in zip(cr.function(xs, asked)(*arrays), expected, strict=True):
        scale = error * max(1.0, float(np.max(np.abs(right), initial=0)))
        np.testing.assert_allclose(came, right, error, scale)


def test_parts_of_one_shape_share_a_loop() -> None:
    x, w = cr.tensor("x", ("n", 8)), cr.tensor("w", (16, 4))
    whole = cr.concat([cr.tanh(x), cr.exp(x)], axis=1)
    lines = text(cr.function([x, w], whole @ w)).splitlines()
    (first,) = (i for i, line in enumerate(lines) if "= tanh(" in line)
    assert "for j in range(8):" in lines[first - 2]
    assert "[i, j + 8] = exp(" in lines[first + 1]


def test_parts_along_the_rows_have_one_loop() -> None:
    x, y = cr.tensor("x", ("n", 8)), cr.tensor("y", ("n", 8))
    found = text(cr.function([x, y], cr.concat([cr.tanh(x), y], axis=0)))
    assert "for i in range(2 * n):" in found


@pytest.mark.parametrize("split", [(2, 3), (1, 4)])
def test_the_gradient_of_parts_that_make_up_a_whole(split: tuple[int, int]) -> None:
    """It lies side by side, whatever the order in which its parts were used."""
    x = cr.tensor("x", ("n", sum(split)))
    a, b = x[:, : split[0]], x[:, split[0] :]
    f = cr.function([x], cr.grad(cr.sum(cr.exp(b)) + cr.sum(cr.sin(a)), x))
    assert "concat" in str(derive(f._request))
    assert "pad" not in str(derive(f._request))


def test_a_part_of_a_whole_is_padded() -> None:
    x = cr.tensor("x", ("n", 5))
    f = cr.function([x], cr.grad(cr.sum(cr.exp(x[:, :2])) + cr.sum(cr.sin(x[:, 3:])), x))
    assert str(derive(f._request)).count("pad(") == 2
