"""Convolution, pooling and windows: against plain loops and their own identities; both targets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, ShapeError
from chainrule.compiler.ir import evaluate, leaf
from chainrule.compiler.ops import convolution as ops, pooling, windows
from chainrule.compiler.types import TensorType

Array = np.ndarray[Any, Any]


def positions(*dims: int) -> Any:
    return itertools.product(*map(range, dims))


def convolved(x: Array, w: Array, shape: ops.Geometry) -> Array:
    """The definition, a loop for each letter."""
    rank, groups = len(shape.strides), shape.groups
    size, (per, results) = w.shape[:rank], w.shape[rank:]
    whole = np.pad(x, ((0, 0), *zip(shape.lows, shape.highs, strict=True), (0, 0)))
    out = [
        (n - (k - 1) * gap - 1) // step + 1
        for n, k, gap, step in zip(
            whole.shape[1:-1], size, shape.dilation, shape.strides, strict=True
        )
    ]
    y = np.zeros((x.shape[0], *out, results))
    for b, f in positions(x.shape[0], results):
        first = f // (results // groups) * per
        for o, k, c in itertools.product(positions(*out), positions(*size), range(per)):
            at = (o[i] * shape.strides[i] + k[i] * shape.dilation[i] for i in range(rank))
            y[(b, *o, f)] += whole[(b, *at, first + c)] * w[(*k, c, f)]
    return y


@st.composite
def geometries(draw: Callable[..., Any]) -> tuple[tuple[int, ...], tuple[int, ...], ops.Geometry]:
    """A shape of x, a shape of w, and how the one goes over the other."""
    rank = draw(st.integers(1, 3))
    groups, per, more = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    largest = {1: 4, 2: 3, 3: 2}[rank]

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    size, dilation = each(1, largest), each(1, 2)
    lows, highs = each(0, 2), each(0, 2)
    least = [
        max((k - 1) * gap + 1 - low - high, 1)
        for k, gap, low, high in zip(size, dilation, lows, highs, strict=True)
    ]
    dims = tuple(n + draw(st.integers(0, 3)) for n in least)
    shape = ops.Geometry(each(1, 3), dilation, lows, highs, groups)
    batch = draw(st.integers(0, 2))
    return (batch, *dims, groups * per), (*size, per, groups * more), shape


@settings(max_examples=60, deadline=None)
@given(geometries(), st.integers(0, 2**31))
def test_the_three_are_one_trilinear_form(case: Any, seed: int) -> None:
    """Value against plain loops; the transposes by <y, conv(x, w)> = F(x, w, y) for any x, w, y."""
    xs, ws, shape = case
    random = np.random.default_rng(seed)
    x, w = random.normal(size=xs), random.normal(size=ws)
    want = convolved(x, w, shape)
    y = np.asarray(random.normal(size=want.shape))
    a, b, c = (
        leaf(name, TensorType("float64", array.shape), "input")
        for name, array in (("x", x), ("w", w), ("y", y))
    )
    forward = ops.convolution(a, b, shape)
    back = ops.convolution_transpose(c, b, a.shape[1:-1], shape)
    weights = ops.correlation(a, c, ws[:-2], shape)
    found, dx, dw = evaluate([forward, back, weights], {a: x, b: w, c: y})
    np.testing.assert_allclose(found, want, rtol=1e-11, atol=1e-11)
    assert (dx.shape, dw.shape) == (x.shape, w.shape)
    np.testing.assert_allclose(np.sum(dx * x), np.sum(want * y), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.sum(dw * w), np.sum(want * y), rtol=1e-9, atol=1e-9)
    u, v = random.normal(size=xs), random.normal(size=ws)
    np.testing.assert_allclose(np.sum(dx * u), np.sum(convolved(u, w, shape) * y), atol=1e-9)
    np.testing.assert_allclose(np.sum(dw * v), np.sum(convolved(x, v, shape) * y), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 4)), max_size=3),
    st.data(),
)
def test_pooling_against_plain_loops(axes: Any, data: Any) -> None:
    axes = axes or [(2, 2, 3)]
    size, strides = tuple(k for k, _, _ in axes), tuple(s for _, s, _ in axes)
    lows, highs = (tuple(data.draw(st.integers(0, k - 1)) for k in size) for _ in range(2))
    dims = (2, *(k + n for k, _, n in axes), 2)
    x: Array = np.random.default_rng(len(axes)).normal(size=dims)
    a = leaf("x", TensorType("float64", x.shape), "input")
    for op in (pooling.MAX_POOL, pooling.AVERAGE_POOL):
        (y,) = evaluate([pooling.pool(op, a, size, strides, lows, highs)], {a: x})
        for b, c in positions(2, 2):
            for o in positions(*y.shape[1:-1]):
                starts = [o[i] * strides[i] - lows[i] for i in range(len(size))]
                seen = x[
                    (b, *(slice(max(s, 0), s + k) for s, k in zip(starts, size, strict=True)), c)
                ]
                want = np.max(seen) if op is pooling.MAX_POOL else np.mean(seen)
                np.testing.assert_allclose(y[(b, *o, c)], want, rtol=1e-12, atol=1e-12)


def test_windows_and_their_transpose() -> None:
    x = np.arange(24.0).reshape(2, 4, 3)
    a = leaf("x", TensorType("float64", x.shape), "input")
    seen = windows.windows(a, 1, (2, 2), (1, 1), (2, 1))
    (found,) = evaluate([seen], {a: x})
    assert found.shape == (2, 2, 2, 2, 2)
    for b, o, p, k, n in positions(*found.shape):
        assert found[b, o, p, k, n] == x[b, o + 2 * k, p + n]
    back = windows.overlap_add(seen, 1, (4, 3), (1, 1), (2, 1))
    times = np.ones(4)[:, None] * np.array([1.0, 2.0, 1.0])
    np.testing.assert_array_equal(evaluate([back], {a: x})[0], x * times)


# Both targets, every derivative


def cases() -> dict[str, tuple[Callable[..., cr.Tensor], list[tuple[Any, ...]]]]:
    """A function, and the shapes of its arguments."""
    b = "batch"
    return {
        "plain": (lambda x, w: cr.conv(x, w), [(b, 5, 4, 2), (3, 2, 2, 3)]),
        "same": (
            lambda x, w: cr.conv(x, w, 2, "same", dilation=1),
            [(b, 5, 6, 1), (3, 3, 1, 2)],
        ),
        "groups": (
            lambda x, w: cr.conv(x, w, padding=1, dilation=2, groups=2),
            [(b, 6, 4), (3, 2, 4)],
        ),
        "depthwise": (lambda x, w: cr.conv(x, w, groups=3), [(b, 4, 5, 3), (2, 2, 1, 3)]),
        "one": (lambda x, w: cr.conv(x, w, 2), [(b, 3, 2, 2), (1, 1, 2, 3)]),
        "larger": (
            lambda x, w: cr.conv_transpose(x, w, 2, "same"),
            [(b, 2, 3, 2), (3, 3, 2, 2)],
        ),
        "wide": (lambda x, w: cr.conv_transpose(x, w, 3), [(b, 3, 2), (2, 2, 2)]),
        "largest": (lambda x: cr.max_pool(x * x, 2), [(b, 5, 4, 2)]),
        "overlapping": (lambda x: cr.max_pool(x, 3, 2, "same"), [(b, 5, 4, 2)]),
        "mean": (lambda x: cr.average_pool(x * x, 3, 2, "same"), [(b, 5, 4, 1)]),
        "apart": (lambda x: cr.average_pool(x**3, 2, 3), [(b, 6, 2)]),
        "windows": (lambda x: cr.windows(x, 3, axis=1) ** 2, [(b, 5)]),
    }


class Together:
    """All cases in one program: the sum of each, its slope along a direction, and gradients.

    Each case takes its arguments, then a direction for each.
    """

    def __init__(self, dtype: str, second: Container[str]) -> None:
        self.inputs: list[cr.Tensor] = []
        self.outputs: list[cr.Tensor] = []
        self.labels: list[str] = []
        self.moves: dict[int, int] = {}  # an argument's direction, by their places
        for name, (function, shapes) in cases().items():
            xs = [cr.tensor(f"{name}{i}", dims, dtype) for i, dims in enumerate(shapes)]
            ds = [cr.tensor(f"{name}_d{i}", dims, dtype) for i, dims in enumerate(shapes)]
            at = len(self.inputs)
            self.moves.update({at + i: at + len(xs) + i for i in range(len(xs))})
            self.inputs += [*xs, *ds]
            total = cr.sum(cr.sin(function(*xs)))
            slopes = cr.grad(total, xs)
            along = cr.sum(slopes[0] * ds[0])
            for g, d in zip(slopes[1:], ds[1:], strict=True):
                along = along + cr.sum(g * d)
            found = [total, along, *slopes, *(cr.grad(along, xs) if name in second else [])]
            self.outputs += found
            kinds = ["total", "along", *["gradient"] * len(xs), *["second"] * len(xs)]
            self.labels += [f"{name}: {kind}" for kind in kinds[: len(found)]]

    def function(self, target: str) -> Callable[..., list[Array]]:
        return cr.function(self.inputs, self.outputs, target=target)

    def draw(self, batch: int, random: np.random.Generator) -> list[Array]:
        return [
            random.normal(size=[d if isinstance(d, int) else batch for d in x.shape]).astype(
                x.dtype
            )
            for x in self.inputs
        ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_agree(dtype: str) -> None:
    """Values and gradients, some second derivatives; empty batches and those of one too."""
    second = ("plain", "overlapping") if dtype == "float64" else ()
    together, random = Together(dtype, second), np.random.default_rng(3)
    both = [together.function(target) for target in ("numpy", "cpu")]
    tolerance = 2e-4 if dtype == "float32" else 1e-11
    for batch in (0, 1, 3):
        values = together.draw(batch, random)
        numpy, cpu = (function(*values) for function in both)
        for want, found, label in zip(numpy, cpu, together.labels, strict=True):
            assert (found.dtype, found.shape) == (want.dtype, want.shape), label
            scale = max(1.0, float(np.max(np.abs(want), initial=0)))
            np.testing.assert_allclose(
                found, want, rtol=tolerance, atol=tolerance * scale, err_msg=label
            )


def test_gradients_are_slopes() -> None:
    """A step along the directions changes each total as its slope says, and each gradient too."""
    together = Together("float64", cases())
    function, values = together.function("numpy"), together.draw(2, np.random.default_rng(4))
    step = 1e-6
    ahead, behind = list(values), list(values)
    for at, direction in together.moves.items():
        ahead[at] = values[at] + step * values[direction]
        behind[at] = values[at] - step * values[direction]
    here, after, before = function(*values), function(*ahead), function(*behind)
    changes = [(b - a) / (2 * step) for a, b in zip(before, after, strict=True)]
    kinds: dict[str, list[int]] = {}
    for i, label in enumerate(together.labels):
        kinds.setdefault(label, []).append(i)
    for label, places in kinds.items():
        name, kind = label.split(": ")
        slope = {"along": "total", "second": "gradient"}.get(kind)
        if slope is None:
            continue
        for i, j in zip(places, kinds[f"{name}: {slope}"], strict=True):
            np.testing.assert_allclose(here[i], changes[j], rtol=1e-4, atol=1e-4, err_msg=label)


def test_symbolic_sizes() -> None:
    """One program for every image size."""
    x, w = cr.tensor("x", (None, "h", "w", 2)), cr.tensor("k", (3, 3, 2, 4))
    y = cr.conv(x, w, padding="same")
    assert [str(dim) for dim in y.shape] == ["batch", "h", "w", "4"]
    p = cr.average_pool(cr.max_pool(y, 2), 3, 1, "same")
    g = cr.grad(cr.sum(p**2), w)
    both = [cr.function([x, w], [p, g], target=target) for target in ("numpy", "cpu")]
    random = np.random.default_rng(0)
    for size in ((4, 6), (7, 5)):
        values = [random.normal(size=s).astype("f") for s in ((2, *size, 2), (3, 3, 2, 4))]
        numpy, cpu = (function(*values) for function in both)
        for want, found in zip(numpy, cpu, strict=True):
            np.testing.assert_allclose(found, want, rtol=2e-4, atol=2e-4)
    with pytest.raises(ChainruleError):
        both[1](np.zeros((1, 1, 4, 2), "f"), values[1])


# What is refused

X = cr.tensor("x", (None, 8, 6, 3))
W = cr.tensor("w", (3, 3, 3, 4))
REFUSED: dict[str, tuple[Callable[[], Any], type[ChainruleError], str]] = {
    "channels": (
        lambda: cr.conv(X, cr.tensor("w", (3, 3, 2, 4))),
        ShapeError,
        "has 3 on its last axis; the kernel f32[3, 3, 2, 4] takes 2",
    ),
    "large": (
        lambda: cr.conv(X, cr.tensor("w", (3, 7, 3, 4))),
        ShapeError,
        "kernel is larger than spatial axis 1\n    a kernel of 7 on an axis of 6",
    ),
    "dilated": (
        lambda: cr.conv(X, W, padding=1, dilation=(1, 4)),
        ShapeError,
        "a kernel of 9 (3 with dilation 4) on an axis of 6 and padding of 2",
    ),
    "rank": (lambda: cr.conv(X, cr.tensor("w", (3, 3, 4))), ShapeError, "expected a kernel of 4"),
    "flat": (lambda: cr.conv(cr.tensor("x", (None, 3)), W), ShapeError, "one to three axes"),
    "groups": (
        lambda: cr.conv(X, cr.tensor("w", (3, 3, 1, 4)), groups=3),
        ShapeError,
        "4 channels in 3 groups",
    ),
    "strides": (lambda: cr.conv(X, W, (1, 2, 3)), ChainruleError, "strides=(1, 2, 3)"),
    "no stride": (lambda: cr.conv(X, W, 0), ChainruleError, "strides=0"),
    "half": (lambda: cr.conv(X, W, 1.5), ChainruleError, "strides=1.5"),  # type: ignore[arg-type]
    "padding": (lambda: cr.conv(X, W, padding="smae"), ChainruleError, "did you mean 'same'"),
    "negative": (lambda: cr.conv(X, W, padding=-1), ChainruleError, "padding=-1"),
    "pairs": (lambda: cr.conv(X, W, padding=((1, 1),)), ChainruleError, "expected 2 pairs"),
    "format": (
        lambda: cr.conv(X, W, data_format="channel_last"),
        ChainruleError,
        "did you mean 'channels_last'",
    ),
    "whole numbers": (
        lambda: cr.conv(cr.tensor("x", (None, 8, 3), "int32"), cr.tensor("w", (3, 3, 4), "int32")),
        DTypeError,
        "expected two of float32",
    ),
    "unknown size": (
        lambda: cr.conv(cr.tensor("x", (None, "n", 3)), cr.tensor("w", (3, 3, 4)), 2, "same"),
        ShapeError,
        "spatial axis 0 has size n",
    ),
    "transposed channels": (
        lambda: cr.conv_transpose(X, W),
        ShapeError,
        "has 3 on its last axis; the kernel f32[3, 3, 3, 4] takes 4",
    ),
    "nothing left": (
        lambda: cr.conv_transpose(cr.tensor("y", (None, 1, 1, 4)), W, padding=2),
        ShapeError,
        "nothing is left of spatial axis 0",
    ),
    "output_padding": (
        lambda: cr.conv_transpose(cr.tensor("y", (None, 2, 2, 4)), W, 2, output_padding=2),
        ChainruleError,
        "smaller than the stride",
    ),
    "pool": (lambda: cr.max_pool(X, 7), ShapeError, "a window of 7 on an axis of 6"),
    "pool of padding": (lambda: cr.max_pool(X, 2, padding=2), ShapeError, "padding alone"),
    "pool of integers": (
        lambda: cr.average_pool(cr.tensor("x", (None, 4, 1), "int64"), 2),
        DTypeError,
        "takes float32",
    ),
    "windows": (lambda: cr.windows(X, 9, axis=1), ShapeError, "larger than axis 1"),
    "axes": (lambda: cr.windows(X, (2, 2), axis=3), ShapeError, "over 2 axes from axis 3"),
    "no axis": (lambda: cr.windows(X, 2, axis=4), ShapeError, "no axis 4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, kind, words = REFUSED[name]
    with pytest.raises(kind) as caught:
        call()
    assert words in str(caught.value)
    assert str(caught.value).startswith("test_convolution.py:")


@pytest.mark.parametrize(("padding", "longer"), [(0, 2), (1, 2), (3, 2), (1, 1)])
def test_results_of_transposed_convolution_that_are_longer_by_the_dilation(
    padding: int, longer: int
) -> None:
    y, w = cr.tensor("y", (1, 4, 1), "float64"), cr.tensor("w", (3, 1, 1), "float64")
    made = cr.conv_transpose(y, w, 1, padding, output_padding=longer, dilation=3)
    whole = cr.conv_transpose(y, w, 1, 0, dilation=3)  # of 10 places
    arrays = np.arange(1.0, 5).reshape(1, 4, 1), np.array([2.0, 3.0, 5.0]).reshape(3, 1, 1)
    found, full = cr.function([y, w], [made, whole], target="numpy")(*arrays)
    want = np.pad(full, ((0, 0), (0, longer), (0, 0)))[:, padding : 10 - padding + longer]
    np.testing.assert_array_equal(found, want)
