"""Random shapes, slices, permutations and einsums: what NumPy gives, on sizes known and open."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from hypothesis import assume, given, strategies as st

import chainrule as cr
from chainrule.compiler.errors import ShapeError
from chainrule.compiler.ir import evaluate

Array: TypeAlias = "np.ndarray[Any, Any]"
Shape: TypeAlias = "tuple[int, ...]"
sizes = st.integers(0, 4)
shapes = st.lists(sizes, max_size=4).map(tuple)


def numbered(shape: Shape) -> Array:
    return np.arange(float(math.prod(shape))).reshape(shape)


def same(got: cr.Tensor, want: Array) -> None:
    assert got.shape == want.shape
    np.testing.assert_array_equal(np.asarray(got), want)


@given(shapes, shapes)
def test_broadcasting(a: Shape, b: Shape) -> None:
    x, y = cr.tensor("x", a), cr.tensor("y", b)
    try:
        shape: Shape | None = np.broadcast_shapes(a, b)
    except ValueError:
        shape = None
    try:
        assert (x + y).shape == shape
    except ShapeError:
        assert shape is None


bounds = st.none() | st.integers(-6, 6)
steps = st.none() | st.integers(-3, 3).filter(bool)
slices = st.builds(slice, bounds, bounds, steps)
keys = st.lists(st.integers(-4, 3) | slices | st.none() | st.just(Ellipsis), max_size=4).map(tuple)


@given(shapes, keys)
def test_indexing(shape: Shape, key: Any) -> None:
    array = numbered(shape)
    x = cr.asarray(array)
    try:
        want = array[key]
    except IndexError:
        try:
            x[key]
        except (ShapeError, IndexError):
            return
        raise
    same(x[key], want)


@given(st.integers(0, 6), slices)
def test_slices_of_an_open_axis_are_numpys_or_an_error(n: int, key: slice) -> None:
    x = cr.tensor("x", ("n",), "float64")
    array = numbered((n,))
    try:
        part = x[key]
    except ShapeError:
        assert key.stop is not None
        return
    # Where a start lies beyond the axis, NumPy cuts it off; a program says that it is too small.
    start = key.start or 0
    assume((-n <= start <= n and (key.step or 1) > 0) or -n <= start < n)
    assume(key.stop is None or -n <= key.stop)
    want = array[key]
    f = cr.function([x], part, target="numpy")
    try:
        got = f(array)
    except ShapeError:
        assert want.size == 0
        return
    np.testing.assert_array_equal(got, want)


@given(st.data())
def test_shapes(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    array = numbered(shape)
    x, n = cr.asarray(array), len(shape)
    order = data.draw(st.permutations(range(n)))
    same(cr.permute_dims(x, order), np.transpose(array, order))
    axes = data.draw(st.lists(st.integers(-n, n - 1), unique_by=lambda i: i % n)) if n else []
    same(cr.flip(x, axis=tuple(axes)), np.flip(array, tuple(axes)))
    for keep in (False, True):
        want = np.sum(array, axis=tuple(axes), keepdims=keep)
        same(cr.sum(x, axis=tuple(axes), keepdims=keep), want)
    shifts = tuple(data.draw(st.integers(-9, 9)) for _ in axes)
    if axes:
        same(cr.roll(x, shifts, axis=tuple(axes)), np.roll(array, shifts, tuple(axes)))
    widths = [(data.draw(sizes), data.draw(sizes)) for _ in shape]
    if n:
        same(cr.pad(x, widths, constant_values=-1), np.pad(array, widths, constant_values=-1))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_reshapes_with_one_open_size(shape: list[int], data: st.DataObject) -> None:
    array = numbered(tuple(shape))
    given_ = [int(p) for p in data.draw(st.permutations(shape))]
    given_[data.draw(st.integers(0, len(shape) - 1))] = -1
    same(cr.reshape(cr.asarray(array), given_), array.reshape(given_))
    batch = cr.tensor("x", (None, *shape))
    assert cr.reshape(batch, (batch.shape[0], *given_)).shape[1:] == array.reshape(given_).shape
    assert cr.reshape(batch, (-1, *shape)).shape == batch.shape


@st.composite
def contractions(draw: st.DrawFn) -> tuple[str, list[Shape]]:
    """Subscripts and shapes that NumPy takes: sizes of 1 broadcast, dots are up to two axes."""
    size = {letter: draw(st.integers(1, 3)) for letter in "abcd"}
    dots = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(0, 2)))]
    parts, found = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.lists(st.sampled_from("abcd"), max_size=3))
        width = draw(st.integers(0, len(dots)))
        lead = dots[len(dots) - width :]
        shown = "..." if width or draw(st.booleans()) else ""
        parts.append(shown + "".join(letters))
        # Letters that repeat in one operand take a diagonal, and do not broadcast there.
        dims = [
            1 if letters.count(letter) == 1 and draw(st.integers(0, 4)) == 0 else size[letter]
            for letter in letters
        ]
        found.append(tuple(1 if draw(st.integers(0, 4)) == 0 else d for d in lead) + tuple(dims))
    text = ",".join(parts)
    used = sorted(set(text) & set("abcd"))
    if draw(st.booleans()):
        kept = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
        text += "->" + ("..." if "..." in text else "") + "".join(kept)
    return text, found


@given(contractions(), st.randoms(use_true_random=False))
def test_einsum(case: tuple[str, list[Shape]], random: Any) -> None:
    text, found = case
    arrays = [np.array([random.randint(-3, 3) for _ in range(math.prod(s))]) for s in found]
    operands = [array.reshape(s).astype(float) for array, s in zip(arrays, found, strict=True)]
    want = np.einsum(text, *operands)
    got = cr.einsum(text, *operands)
    assert got.shape == want.shape
    np.testing.assert_allclose(np.asarray(got), want, atol=1e-12)


@given(st.integers(0, 3), st.integers(0, 3), st.data())
def test_matmul(a: int, b: int, data: st.DataObject) -> None:
    lead = [data.draw(st.integers(1, 3)) for _ in range(3)]
    k = data.draw(sizes)

    def operand(rank: int, last: Shape) -> Array:
        dims = [1 if data.draw(st.booleans()) else d for d in lead[len(lead) - rank :]]
        return numbered((*dims, *last)) if rank else numbered(last)

    x = operand(a, (data.draw(sizes), k)) if a else numbered((k,))
    y = operand(b, (k, data.draw(sizes))) if b else numbered((k,))
    same(cr.matmul(x, y), np.matmul(x, y))
    left, right = cr.tensor("left", x.shape, "float64"), cr.tensor("right", y.shape, "float64")
    (got,) = evaluate([(left @ right).node], {left.node: x, right.node: y})
    np.testing.assert_array_equal(got, x @ y)
