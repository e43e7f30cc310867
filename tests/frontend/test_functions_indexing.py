"""`x[...]` as NumPy has it, on sizes that are known and on sizes that are not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import (
    ChainruleError,
    DTypeError,
    IndexOutOfRange,
    ShapeError,
    UsageError,
)
from chainrule.compiler.ir import evaluate

ARRAY = np.arange(24.0).reshape(2, 3, 4)
KNOWN: list[Any] = [
    0,
    -1,
    np.int64(1),
    slice(1, None),
    slice(None, None, -1),
    (slice(None, None, -1), 1),
    (Ellipsis, slice(None, None, 2)),
    (None, 0, Ellipsis, None),
    (slice(5, None, -2), slice(-1, -5, -1)),
    (0, slice(2, 1)),
    (slice(None), slice(0, 99, 2), slice(3, 0, -2)),
    (slice(-99, 1), 2, -4),
    (1, 2, 3),
    (),
    Ellipsis,
    None,
]


@pytest.mark.parametrize("key", KNOWN, ids=repr)
def test_known_sizes(key: Any) -> None:
    x = cr.tensor("x", ARRAY.shape, "float64")
    (got,) = evaluate([x[key].node], {x.node: ARRAY})
    np.testing.assert_array_equal(got, ARRAY[key])
    assert x[key].shape == ARRAY[key].shape


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        2,
        slice(1, None),
        slice(None, -1),
        slice(None, None, 2),
        slice(1, None, 2),
        slice(None, None, -1),
        slice(None, None, -2),
        slice(-1, None, -2),
        slice(None, 0, -1),
        slice(-2, None),
        slice(1, -1),
        slice(None, -1, 3),
        slice(2, None, -1),
        slice(-2, 0, -1),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n", [3, 4, 7])
def test_open_sizes(key: Any, n: int) -> None:
    x = cr.tensor("x", ("n", 2))
    array = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    (got,) = evaluate([x[key].node], {x.node: array})
    np.testing.assert_array_equal(got, array[key])


@pytest.mark.parametrize(
    ("key", "error", "said"),
    [
        (3, IndexOutOfRange, "position 3 is out of range"),
        ((0, -4), IndexOutOfRange, "position -4 is out of range"),
        ((0, 0, 0), ShapeError, "indexed with 3 positions"),
        ((Ellipsis, Ellipsis), ShapeError, "'...' stands once"),
        (slice(None, None, 0), UsageError, "step 0"),
        (slice(None, 1.5), UsageError, "a slice with 1.5"),
        ("a", UsageError, "indexed with str"),
        (1.0, UsageError, "indexed with float"),
        (True, UsageError, "indexed with bool"),
        ([0, 3], IndexOutOfRange, "position 3 is out of range"),
        ((0, np.array([[-4]])), IndexOutOfRange, "axis 1 of f32[3, 3] has size 3"),
        ([0.5], DTypeError, "an array of float64"),
        (cr.tensor("i", (2,)), DTypeError, "indexed with f32[2]"),
        (([0], [0], [0]), ShapeError, "indexed with 3 positions"),
        (([0, 1], [0, 1, 2]), ShapeError, "do not broadcast"),
        ([True, False], ShapeError, "truth values of shape [2]"),
    ],
)
def test_wrong_keys(key: Any, error: type[ChainruleError], said: str) -> None:
    x = cr.tensor("x", (3, 3))
    with pytest.raises(error, match=re.escape(said)):
        x[key]


def test_tensors_are_no_keys() -> None:
    x = cr.tensor("x", (3,))
    with pytest.raises(UsageError, match=r"cr\.where"):
        x[x > 0]


@pytest.mark.parametrize("key", [slice(None, 3), slice(None, -3, -1), slice(0, 0)])
def test_a_fixed_stop_on_an_open_axis(key: slice) -> None:
    x = cr.tensor("x", (None, 2))
    with pytest.raises(ShapeError, match="count from the other end") as caught:
        x[key]
    assert len(str(caught.value).splitlines()) == 3


def test_sizes_too_small_for_a_slice_are_told_when_run() -> None:
    x = cr.tensor("x", (None,))
    for part in (x[2:-1], x[2], x[-3]):
        f = cr.function([x], part, target="numpy")
        f(np.ones(3, np.float32))
        with pytest.raises(ShapeError, match="must not be negative"):
            f(np.ones(2, np.float32))


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_positions_out_of_range_are_told_when_run(target: str) -> None:
    x, i = cr.tensor("x", (3,)), cr.tensor("i", (None,), "int64")
    f = cr.function([x, i], cr.take(x, i), target)
    values = np.array([1, 2, 3], np.float32)
    np.testing.assert_array_equal(f(values, [2, 0]), [3, 1])
    for wrong in ([3], [0, -1]):
        with pytest.raises(IndexOutOfRange, match="an index lies outside its axis"):
            f(values, wrong)
