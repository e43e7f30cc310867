"""Tensors made from nothing, and functions without derivatives, against NumPy."""

from __future__ import annotations

import functools
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
INF = float("inf")
NONE = np.zeros((0, 2), np.float32)
GIVEN = {"v": VALUES, "i": INTS, "m": MASK, "n": NAN, "e": NONE}
Case: TypeAlias = "tuple[str, Callable[..., cr.Tensor], Callable[..., Any]]"
# Both functions are given arrays of GIVEN by the names of their parameters.
SAME: list[Case] = [
    ("zeros", lambda: cr.zeros((2, 3)), lambda: np.zeros((2, 3), np.float32)),
    ("zeros_none", lambda: cr.zeros((2, 0)), lambda: np.zeros((2, 0), np.float32)),
    ("ones", lambda: cr.ones(3, dtype="int32"), lambda: np.ones(3, np.int32)),
    ("full", lambda: cr.full((2,), 7), lambda: np.full(2, 7)),
    ("full_bool", lambda: cr.full((2,), True), lambda: np.full(2, True)),
    ("full_float", lambda: cr.full((), 0.5), lambda: np.full((), 0.5, np.float32)),
    ("zeros_like", lambda v: cr.zeros_like(v), lambda v: np.zeros_like(v)),
    ("ones_like", lambda m: cr.ones_like(m), lambda m: np.ones_like(m)),
    ("full_like", lambda v: cr.full_like(v, 2), lambda v: np.full_like(v, 2)),
    ("arange", lambda: cr.arange(4), lambda: np.arange(4)),
    ("arange_step", lambda: cr.arange(7, 1, -2), lambda: np.arange(7, 1, -2)),
    ("arange_float", lambda: cr.arange(0.5, 3), lambda: np.arange(0.5, 3, dtype=np.float32)),
    ("arange_none", lambda: cr.arange(3, 1), lambda: np.arange(3, 1)),
    ("eye", lambda: cr.eye(2, 3, k=1), lambda: np.eye(2, 3, k=1, dtype=np.float32)),
    ("eye_below", lambda: cr.eye(3, k=-1, dtype="bool"), lambda: np.eye(3, k=-1, dtype=bool)),
    ("tril", lambda v: cr.tril(v, k=-1), lambda v: np.tril(v, -1)),
    ("triu_bool", lambda m: cr.triu(m), lambda m: np.triu(m)),
    ("argmax", lambda v: cr.argmax(v), lambda v: np.argmax(v)),
    ("argmax_ties", lambda v: cr.argmax(v, axis=0), lambda v: np.argmax(v, 0)),
    (
        "argmin_kept",
        lambda v: cr.argmin(v, axis=1, keepdims=True),
        lambda v: np.argmin(v, 1, keepdims=True),
    ),
    (
        "argmin_all_kept",
        lambda v: cr.argmin(v, keepdims=True),
        lambda v: np.argmin(v, keepdims=True),
    ),
    ("argmax_nan", lambda n: cr.argmax(n), lambda n: np.argmax(n)),
    ("argmin_nan", lambda n: cr.argmin(n), lambda n: np.argmin(n)),
    ("argmax_int", lambda i: cr.argmax(i, axis=1), lambda i: np.argmax(i, 1)),
    ("max_nan", lambda n: cr.max(n), lambda n: np.max(n)),
    ("min_nan", lambda n: cr.min(n), lambda n: np.min(n)),
    ("min_int", lambda i: cr.min(i, axis=0), lambda i: np.min(i, 0)),
    ("max_kept", lambda v: cr.max(v, axis=1, keepdims=True), lambda v: np.max(v, 1, keepdims=True)),
    ("any", lambda m: cr.any(m, axis=1), lambda m: np.any(m, 1)),
    ("all", lambda m: cr.all(m, keepdims=True), lambda m: np.all(m, keepdims=True)),
    ("any_numbers", lambda v: cr.any(v), lambda v: np.any(v)),
    ("all_nan", lambda n: cr.all(n), lambda n: np.all(n)),
    ("all_none", lambda e: cr.all(e), lambda e: np.all(e)),
    ("any_none", lambda e: cr.any(e, axis=0), lambda e: np.any(e, 0)),
    ("sum_none", lambda e: cr.sum(e, axis=0), lambda e: np.sum(e, 0)),
    ("sum_of_none", lambda e: cr.sum(e, axis=1), lambda e: np.sum(e, 1)),
    ("sum_nan", lambda n: cr.sum(n), lambda n: np.sum(n)),
    ("sum_no_axes", lambda v: cr.sum(v, axis=()), lambda v: np.sum(v, ())),
    ("prod_none", lambda e: cr.prod(e), lambda e: np.prod(e)),
    ("prod_int", lambda i: cr.prod(i), lambda i: np.prod(i)),
    ("count", lambda m: cr.sum(m, axis=0), lambda m: np.sum(m, 0)),
    ("cumulative_int", lambda i: cr.cumulative_sum(i, axis=1), lambda i: np.cumsum(i, 1)),
    ("cumulative_nan", lambda n: cr.cumulative_sum(n), lambda n: np.cumsum(n)),
    ("mean_nan", lambda n: cr.mean(n), lambda n: np.mean(n)),
    ("mean_none", lambda e: cr.mean(e), lambda e: np.float32(np.nan)),
    ("var_none", lambda e: cr.var(e, axis=0), lambda e: np.full(2, np.nan, np.float32)),
    ("var_nan", lambda n: cr.var(n), lambda n: np.float64(np.nan)),
    ("std_same", lambda v: cr.std(v * 0 + 2), lambda v: np.std(v * 0 + 2)),
    ("std_of_one", lambda v: cr.std(v[0, :1], correction=1), lambda v: np.float64(np.nan)),
    ("logsumexp_none", lambda e: cr.logsumexp(e, axis=1), lambda e: np.zeros(0, np.float32)),
    ("logsumexp_nan", lambda n: cr.logsumexp(n), lambda n: np.float64(np.nan)),
    ("logsumexp_inf", lambda n: cr.logsumexp(n[2:3]), lambda n: np.float64(np.inf)),
    ("logsumexp_minus", lambda n: cr.logsumexp(-n[2:3]), lambda n: np.float64(-np.inf)),
    ("softmax_big", lambda v: cr.softmax(v * 1e4, axis=1), lambda v: np.eye(3)[[0, 1]]),
    ("softmax_none", lambda e: cr.softmax(e.T), lambda e: np.zeros((2, 0), np.float32)),
    ("log_softmax_none", lambda e: cr.log_softmax(e.T), lambda e: np.zeros((2, 0), np.float32)),
    (
        "log_softmax_big",
        lambda v: cr.log_softmax(v * 1e4, axis=1),
        lambda v: v * 1e4 - np.max(v * 1e4, 1, keepdims=True),
    ),
    ("norm_0", lambda n: cr.vector_norm(n[:1] * 0, ord=0), lambda n: np.float64(0)),
    ("norm_count", lambda v: cr.vector_norm(v, ord=0), lambda v: np.float64(6)),
    ("norm_zeros", lambda v: cr.vector_norm(v * 0, ord=3), lambda v: np.float64(0)),
    ("norm_of_nan", lambda n: cr.vector_norm(n, ord=3), lambda n: np.float64(np.nan)),
    ("norm_minus_1", lambda v: cr.vector_norm(v * 0, ord=-1), lambda v: np.float64(0)),
    ("norm_none", lambda e: cr.vector_norm(e), lambda e: np.float32(0)),
    ("one_hot", lambda i: cr.one_hot(i, 4), lambda i: np.eye(5, 4, dtype="f4")[i]),
    ("matmul_int", lambda i: i @ i, lambda i: i @ i),
    ("matmul_none", lambda e: e.T @ e, lambda e: e.T @ e),
    ("einsum_none", lambda e: cr.einsum("ij->j", e), lambda e: np.zeros(2, np.float32)),
    ("concat_flat", lambda n, v: cr.concat([n, v], axis=None), lambda n, v: np.append(n, v)),
    ("concat_none", lambda e: cr.concat([e, e], axis=1), lambda e: np.zeros((0, 4), np.float32)),
    ("roll_none", lambda e: cr.roll(e, 3), lambda e: e),
    ("flip_none", lambda e: cr.flip(e), lambda e: e),
    ("pad_none", lambda e: cr.pad(e, 1), lambda e: np.pad(e, 1)),
    (
        "pad_int",
        lambda i: cr.pad(i, (1, 0), constant_values=7),
        lambda i: np.pad(i, (1, 0), constant_values=7),
    ),
    ("take_int", lambda i: cr.take(i, i[0] - 1, axis=0), lambda i: np.take(i, i[0] - 1, 0)),
    ("clip_low", lambda v: cr.clip(v, 0.0), lambda v: np.clip(v, 0, None)),
    ("clip_none", lambda v: cr.clip(v), lambda v: v),
    ("clip_nan", lambda n: cr.clip(n, 0.0, 2.0), lambda n: np.clip(n, 0, 2)),
    ("clip_int", lambda i: cr.clip(i, 2, 3), lambda i: np.clip(i, 2, 3)),
    ("where_nan", lambda n: cr.where(cr.isnan(n), 0.0, n), lambda n: np.where(np.isnan(n), 0, n)),
    ("floor_divide_int", lambda i: -i // 2, lambda i: -i // 2),
    ("remainder_int", lambda i: -i % 3, lambda i: -i % 3),
    ("square_int", lambda i: i**2, lambda i: i**2),
    ("pow_int", lambda i: i**3, lambda i: i**3),
    ("abs_int", lambda i: abs(-i), lambda i: i),
    ("sign_int", lambda i: cr.sign(i - 2), lambda i: np.sign(i - 2)),
    ("maximum_int", lambda i: cr.maximum(i, 2), lambda i: np.maximum(i, 2)),
    ("repeat", lambda i: cr.repeat(i, 2), lambda i: np.repeat(i, 2)),
    ("repeat_never", lambda m: cr.repeat(m, 0, axis=1), lambda m: np.repeat(m, 0, 1)),
    ("tile", lambda i: cr.tile(i, (3, 1, 2)), lambda i: np.tile(i, (3, 1, 2))),
    ("tile_number", lambda i: cr.tile(i[0, 0], (2, 2)), lambda i: np.tile(i[0, 0], (2, 2))),
    ("tile_none", lambda e: cr.tile(e, (2, 2)), lambda e: np.tile(e, (2, 2))),
    ("moveaxis", lambda m: cr.moveaxis(m, 1, 0), lambda m: np.moveaxis(m, 1, 0)),
    ("meshgrid_one", lambda n: cr.meshgrid(n)[0], lambda n: n),
    (
        "meshgrid_matrix",
        lambda n, i: cr.meshgrid(n, i[0], indexing="ij")[1],
        lambda n, i: np.meshgrid(n, i[0], indexing="ij")[1],
    ),
    (
        "broadcast_arrays",
        lambda m, v: cr.broadcast_arrays(m[0], v)[0],
        lambda m, v: np.broadcast_arrays(m[0], v)[0],
    ),
    ("unstack", lambda i: cr.unstack(i, axis=-1)[1], lambda i: i[:, 1]),
    ("diff_int", lambda i: cr.diff(i, axis=0), lambda i: np.diff(i, axis=0)),
    ("diff_beyond", lambda v: cr.diff(v, n=4), lambda v: np.diff(v, n=4)),
    ("diff_never", lambda n: cr.diff(n, n=0, append=n), lambda n: n),
    ("diff_none", lambda e: cr.diff(e, axis=0), lambda e: np.diff(e, axis=0)),
    ("linspace", lambda: cr.linspace(-1, 3.3, 7), lambda: np.linspace(-1, 3.3, 7, dtype="f4")),
    (
        "linspace_open",
        lambda: cr.linspace(5, -1, 4, endpoint=False, dtype="float64"),
        lambda: np.linspace(5, -1, 4, endpoint=False),
    ),
    ("linspace_one", lambda: cr.linspace(2.0, 3.0, 1), lambda: np.full(1, 2, np.float32)),
    ("linspace_none", lambda: cr.linspace(2.0, 3.0, 0), lambda: np.zeros(0, np.float32)),
    ("linspace_ends", lambda v: cr.linspace(v[0, 0], 0, 3), lambda v: np.array([3.0, 1.5, 0.0])),
    (
        "linspace_ints",
        lambda i: cr.linspace(i[0, 0], i[1, 1], 4),
        lambda i: np.arange(1, 5, dtype=np.float32),
    ),
    ("reciprocal_nan", lambda n: cr.reciprocal(n), lambda n: 1 / n),
    ("reciprocal_int", lambda i: cr.reciprocal(i), lambda i: 1 / i.astype(np.float32)),
    ("nonzero_nan", lambda n: cr.count_nonzero(n), lambda n: np.count_nonzero(n)),
    (
        "nonzero_kept",
        lambda v: cr.count_nonzero(v - 3, axis=1, keepdims=True),
        lambda v: np.count_nonzero(v - 3, axis=1, keepdims=True),
    ),
    ("nonzero_bool", lambda m: cr.count_nonzero(m, axis=0), lambda m: np.count_nonzero(m, axis=0)),
    ("copysign_zero", lambda v: cr.copysign(v, v * 0), lambda v: np.copysign(v, v * 0)),
    (
        "cross_kinds",
        lambda v, i: cr.linalg.cross(v, cr.repeat(i[0], 2)[:3]),
        lambda v, i: np.cross(v, np.repeat(i[0], 2)[:3]),
    ),
    ("diagonal_far", lambda v: cr.linalg.diagonal(v, offset=3), lambda v: np.diagonal(v, 3)),
    ("diagonal_low", lambda v: cr.linalg.diagonal(v, offset=-1), lambda v: np.diagonal(v, -1)),
    ("trace_int", lambda i: cr.linalg.trace(i), lambda i: np.trace(i)),
    ("trace_far", lambda v: cr.linalg.trace(v, offset=9), lambda v: np.trace(v, 9)),
    (
        "trace_dtype",
        lambda i: cr.linalg.trace(i, offset=1, dtype="float32"),
        lambda i: np.trace(i, 1, dtype="float32"),
    ),
    (
        "power_int",
        lambda i: cr.linalg.matrix_power(i, 6),
        lambda i: np.linalg.matrix_power(i, 6),
    ),
    ("power_0", lambda i: cr.linalg.matrix_power(i, 0), lambda i: np.eye(2, dtype=np.int32)),
    ("power_1", lambda i: cr.linalg.matrix_power(i, 1), lambda i: i),
    (
        "power_minus",
        lambda i: cr.linalg.matrix_power(2.0 * cr.triu(i.astype("float64")), -2),
        lambda i: np.array([[0.25, -0.15625], [0.0, 0.015625]]),
    ),
    (
        "matrix_norms",
        lambda v: cr.stack([cr.linalg.matrix_norm(v, ord=ord) for ord in (1, -1, INF, -INF)]),
        lambda v: np.array([np.linalg.norm(v, ord) for ord in (1, -1, INF, -INF)]),
    ),
    (
        "matrix_norm_kept",
        lambda e: cr.linalg.matrix_norm(e, keepdims=True),
        lambda e: np.zeros((1, 1), np.float32),
    ),
    ("matrix_norm_zero", lambda v: cr.linalg.matrix_norm(v * 0), lambda v: np.float64(0)),
    ("positive", lambda n: +n, lambda n: n),
]
NAMES = [case[0] for case in SAME]


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return function.__code__.co_varnames[: function.__code__.co_argcount]


@functools.cache
def computed(target: str) -> dict[str, Array]:
    """Every case in one program."""
    inputs = {name: cr.tensor(name, x.shape, x.dtype) for name, x in GIVEN.items()}
    outputs = [ours(*(inputs[name] for name in parameters(ours))) for _, ours, _ in SAME]
    f = cr.function(list(inputs.values()), outputs, target)
    return dict(zip(NAMES, f(*GIVEN.values()), strict=True))


@pytest.mark.parametrize("target", ["numpy", "cpu"])
@pytest.mark.parametrize(("name", "ours", "theirs"), SAME, ids=NAMES)
def test_as_numpy(name: str, ours: Any, theirs: Callable[..., Any], target: str) -> None:
    with np.errstate(all="ignore"):
        want = np.asarray(theirs(*(GIVEN[x] for x in parameters(theirs))))
    got = computed(target)[name]
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("name", "ours", "theirs"), SAME, ids=NAMES)
def test_values_of_constants(name: str, ours: Any, theirs: Callable[..., Any]) -> None:
    constants = (cr.asarray(GIVEN[x]) for x in parameters(ours))
    got = np.asarray(ours(*constants))
    want = computed("numpy")[name]
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("target", ["numpy", "cpu"])
@pytest.mark.parametrize("array", [*GIVEN.values(), NAN.astype("f4")], ids=repr)
def test_constants_in_programs(array: Array, target: str) -> None:
    x = cr.tensor("x", array.shape, array.dtype)
    f = cr.function([x], [cr.asarray(array), cr.where(x == x, array, array)], target)
    for got in f(array):
        assert (got.shape, got.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(got, array)


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


def test_arranging_what_has_open_sizes() -> None:
    x = cr.tensor("x", (None, 3))
    batch = x.shape[0]
    line = cr.linspace(x[0, 0], 5.0, batch)
    outputs = [
        cr.repeat(x, 2, axis=0),
        cr.repeat(x, batch),
        cr.tile(x, (2, batch)),
        cr.moveaxis(x, 0, 1),
        cr.stack(cr.meshgrid(x[:, 0], x[:, 1])),
        cr.diff(x, axis=0),
        line,
        cr.linspace(0, 1, batch, endpoint=False),
        cr.stack(cr.unstack(x, axis=1)),
        cr.grad(cr.sum(cr.square(cr.diff(x, axis=0))), x),
        cr.grad(cr.sum(line), x)[0, 0],
    ]
    assert [str(y.shape[0]) for y in outputs[:3]] == ["2*batch", "3*batch*batch", "2*batch"]
    for target in ("numpy", "cpu"):
        f = cr.function([x], outputs, target)
        for n in (1, 4):
            array = np.arange(3.0 * n, dtype=np.float32).reshape(n, 3) ** 2
            steps = np.pad(2 * np.diff(array, axis=0), ((1, 1), (0, 0)))
            wanted: list[Any] = [
                np.repeat(array, 2, 0),
                np.repeat(array, n),
                np.tile(array, (2, n)),
                array.T,
                np.stack(np.meshgrid(array[:, 0], array[:, 1])),
                np.diff(array, axis=0),
                np.linspace(array[0, 0], 5, n, dtype=np.float32),
                np.linspace(0, 1, n, endpoint=False, dtype=np.float32),
                array.T,
                -np.diff(steps, axis=0),
                1.0 if n == 1 else n / 2,
            ]
            for got, want in zip(f(array), wanted, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-6)


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
