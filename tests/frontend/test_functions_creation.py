"""Tensors made from nothing, and functions without derivatives, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

import chainrule as cr

Array: TypeAlias = "np.ndarray[Any, Any]"
VALUES = np.array([[3.0, -1.0, 2.0], [3.0, 5.0, -4.0]])
INTS = np.array([[1, 2], [3, 4]], np.int32)
MASK = VALUES > 0
NAN = np.array([1.0, np.nan, np.inf, np.nan])
SAME: list[tuple[str, Callable[[], cr.Tensor], Callable[[], Any]]] = [
    ("zeros", lambda: cr.zeros((2, 3)), lambda: np.zeros((2, 3), np.float32)),
    ("zeros_none", lambda: cr.zeros((2, 0)), lambda: np.zeros((2, 0), np.float32)),
    ("ones", lambda: cr.ones(3, dtype="int32"), lambda: np.ones(3, np.int32)),
    ("full", lambda: cr.full((2,), 7), lambda: np.full(2, 7)),
    ("full_bool", lambda: cr.full((2,), True), lambda: np.full(2, True)),
    ("full_float", lambda: cr.full((), 0.5), lambda: np.full((), 0.5, np.float32)),
    ("zeros_like", lambda: cr.zeros_like(VALUES), lambda: np.zeros_like(VALUES)),
    ("ones_like", lambda: cr.ones_like(MASK), lambda: np.ones_like(MASK)),
    ("full_like", lambda: cr.full_like(VALUES, 2), lambda: np.full_like(VALUES, 2)),
    ("arange", lambda: cr.arange(4), lambda: np.arange(4)),
    ("arange_step", lambda: cr.arange(7, 1, -2), lambda: np.arange(7, 1, -2)),
    ("arange_float", lambda: cr.arange(0.5, 3), lambda: np.arange(0.5, 3, dtype=np.float32)),
    ("arange_none", lambda: cr.arange(3, 1), lambda: np.arange(3, 1)),
    ("eye", lambda: cr.eye(2, 3, k=1), lambda: np.eye(2, 3, k=1, dtype=np.float32)),
    ("eye_below", lambda: cr.eye(3, k=-1, dtype="bool"), lambda: np.eye(3, k=-1, dtype=bool)),
    ("tril", lambda: cr.tril(VALUES, k=-1), lambda: np.tril(VALUES, -1)),
    ("triu_bool", lambda: cr.triu(MASK), lambda: np.triu(MASK)),
    ("argmax", lambda: cr.argmax(VALUES), lambda: np.argmax(VALUES)),
    ("argmax_ties", lambda: cr.argmax(VALUES, axis=0), lambda: np.argmax(VALUES, 0)),
    (
        "argmin_kept",
        lambda: cr.argmin(VALUES, axis=1, keepdims=True),
        lambda: np.argmin(VALUES, 1, keepdims=True),
    ),
    (
        "argmin_all_kept",
        lambda: cr.argmin(VALUES, keepdims=True),
        lambda: np.argmin(VALUES, keepdims=True),
    ),
    ("argmax_nan", lambda: cr.argmax(NAN), lambda: np.argmax(NAN)),
    ("argmin_nan", lambda: cr.argmin(NAN), lambda: np.argmin(NAN)),
    ("max_nan", lambda: cr.max(NAN), lambda: np.max(NAN)),
    ("min_nan", lambda: cr.min(NAN), lambda: np.min(NAN)),
    ("any", lambda: cr.any(MASK, axis=1), lambda: np.any(MASK, 1)),
    ("all", lambda: cr.all(MASK, keepdims=True), lambda: np.all(MASK, keepdims=True)),
    ("any_numbers", lambda: cr.any(VALUES), lambda: np.any(VALUES)),
    ("all_none", lambda: cr.all(cr.zeros((0,))), lambda: np.all(np.zeros(0))),
    ("sum_none", lambda: cr.sum(cr.zeros((0, 2)), axis=0), lambda: np.zeros(2, np.float32)),
    ("prod_none", lambda: cr.prod(cr.zeros((0,))), lambda: np.float32(1)),
    ("count", lambda: cr.sum(MASK, axis=0), lambda: np.sum(MASK, 0)),
    ("prod_int", lambda: cr.prod(np.array([2, 3], np.int32)), lambda: np.int64(6)),
    ("mean_nan", lambda: cr.mean(NAN), lambda: np.mean(NAN)),
    ("logsumexp_inf", lambda: cr.logsumexp(-NAN[2:3]), lambda: np.float64(-np.inf)),
    ("norm_0", lambda: cr.vector_norm(np.array([0.0, 2.0]), ord=0), lambda: np.float64(1)),
    ("norm_zeros", lambda: cr.vector_norm(np.zeros(2), ord=3), lambda: np.float64(0)),
    ("norm_of_nan", lambda: cr.vector_norm(NAN, ord=3), lambda: np.float64(np.nan)),
    ("one_hot", lambda: cr.one_hot(np.array([2, 0]), 3), lambda: np.eye(3, dtype="f4")[[2, 0]]),
    ("one_hot_outside", lambda: cr.one_hot(np.array([5]), 2), lambda: np.zeros((1, 2), "f4")),
    (
        "matmul_int",
        lambda: cr.matmul(np.eye(2, dtype="i4"), np.ones((2, 2), "i4")),
        lambda: np.ones((2, 2), "i4"),
    ),
    (
        "concat_flat",
        lambda: cr.concat([VALUES, NAN], axis=None),
        lambda: np.concatenate([VALUES, NAN], None),
    ),
    ("roll_empty", lambda: cr.roll(cr.zeros((0,)), 3), lambda: np.zeros(0, np.float32)),
    ("clip_low", lambda: cr.clip(VALUES, 0.0), lambda: np.clip(VALUES, 0, None)),
    ("clip_none", lambda: cr.clip(VALUES), lambda: VALUES),
    ("clip_nan", lambda: cr.clip(NAN, 0.0, 2.0), lambda: np.clip(NAN, 0, 2)),
    ("positive", lambda: +cr.asarray(NAN), lambda: NAN),
]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(
    ("ours", "theirs"), [case[1:] for case in SAME], ids=[case[0] for case in SAME]
)
def test_as_numpy(ours: Callable[[], cr.Tensor], theirs: Callable[[], Any]) -> None:
    got, want = ours(), np.asarray(theirs())
    assert (got.shape, got.dtype) == (want.shape, want.dtype.name)
    np.testing.assert_array_equal(np.asarray(got), want)
    computed = cr.function([], got, target="numpy")()
    np.testing.assert_array_equal(computed, want)
    assert (computed.shape, computed.dtype) == (want.shape, want.dtype)


def test_sizes_of_other_tensors() -> None:
    x = cr.tensor("x", (None, 3))
    batch = x.shape[0]
    f = cr.function(
        [x],
        [
            cr.zeros((batch, 2)),
            cr.arange(batch),
            cr.eye(batch),
            x / batch,
            cr.roll(x, 4, axis=0),
            cr.reshape(x, (-1,)),
            cr.broadcast_to(cr.ones((3,)), x.shape),
        ],
        target="numpy",
    )
    for n in (0, 1, 3):
        array = np.arange(3.0 * n, dtype=np.float32).reshape(n, 3)
        zeros, counts, eye, shares, rolled, flat, ones = f(array)
        assert zeros.shape == (n, 2)
        np.testing.assert_array_equal(counts, np.arange(n))
        np.testing.assert_array_equal(eye, np.eye(n))
        np.testing.assert_array_equal(shares, array / np.float32(n or 1))
        np.testing.assert_array_equal(rolled, np.roll(array, 4, axis=0))
        np.testing.assert_array_equal(flat, array.reshape(-1))
        np.testing.assert_array_equal(ones, np.ones((n, 3)))


def test_simple_powers_have_simple_names() -> None:
    x = cr.tensor("x", (3,))
    assert [(x**p).node.op.name for p in (2, 0.5, -1, 3, 1)] == [
        "square",
        "sqrt",
        "divide",
        "pow",
        "leaf",
    ]


def test_operators_are_functions() -> None:
    x, y = cr.tensor("x", (3,)), cr.tensor("y", (3,))
    a, b = x > 0, y > 0
    pairs = [
        (x + y, cr.add(x, y)),
        (1 - x, cr.subtract(1, x)),
        (x * 2, cr.multiply(x, 2)),
        (2 / x, cr.divide(2, x)),
        (x // y, cr.floor_divide(x, y)),
        (5 % x, cr.remainder(5, x)),
        (x**y, cr.pow(x, y)),
        (2**x, cr.pow(2, x)),
        (-x, cr.negative(x)),
        (abs(x), cr.abs(x)),
        (x == y, cr.equal(x, y)),
        (x != y, cr.not_equal(x, y)),
        (x <= y, cr.less_equal(x, y)),
        (1 < x, cr.greater(x, 1)),
        (a & b, cr.logical_and(a, b)),
        (True | a, cr.logical_or(True, a)),
        (a ^ b, cr.logical_xor(a, b)),
        (~a, cr.logical_not(a)),
    ]
    assert [left.node for left, _ in pairs] == [right.node for _, right in pairs]
