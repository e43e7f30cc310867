"""`contract` against sums of products one by one: any windows, sizes known or not."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from chainrule.runtime.devices.cpu import objects
from chainrule.runtime.devices.cpu.binding import block, words
from chainrule.runtime.devices.cpu.kinds import NUMBERS, ArrayKind
from chainrule.runtime.devices.cpu.loader import NativeLibrary
from chainrule.runtime.devices.cpu.processor import host
from chainrule.runtime.devices.cpu.routines import TranslationError
from chainrule.runtime.devices.cpu.translate import Translation

Array = np.ndarray[Any, Any]
PROCESSOR = host()
SOURCE = '''"""One contraction."""

from chainrule.runtime.devices.cpu.library import contract, kernel, program


@kernel
def k(a, b, out):
    contract("{text}", a, b, out)


@program
def step(a, b, out):
    k(a, b, out)
'''


def native(text: str, arrays: tuple[Array, ...], known: bool | None = True) -> NativeLibrary:
    """The contraction for such arrays; if `known` is None, all sizes but the first of each are."""
    kinds = []
    for x in arrays:
        some = tuple(n if known or (known is None and i) else None for i, n in enumerate(x.shape))
        kinds.append(ArrayKind(NUMBERS[x.dtype.name], some))
    translation = Translation(SOURCE.format(text=text), "text", "module", PROCESSOR)
    translation.entry("step", kinds)
    code, imports = objects.compile_text(str(translation.module), PROCESSOR)
    return NativeLibrary(code, ["step"], imports)


def computed(text: str, a: Array, b: Array, out: Array, known: bool | None = True) -> Array:
    """What native code writes over `out`."""
    library = native(text, (a, b, out), known)
    packed = block([word for x in (a, b, out) for word in words(x)])
    library.entries["step"](ctypes.addressof(packed))
    return out


def expected(text: str, a: Array, b: Array, dims: tuple[int, ...]) -> Array:
    """The sum, in float64, each product put where it belongs."""
    operands, result = text.split("->")
    sides = [
        [re.findall(r"(\d*)([a-z])", axis) for axis in side.split()]
        for side in (*operands.split(","), result)
    ]
    sizes = {
        axis[0][1]: n
        for side, own in zip(sides, (a.shape, b.shape, dims), strict=True)
        for axis, n in zip(side, own, strict=True)
        if len(axis) == 1 and axis[0][0] == ""
    }
    places = np.meshgrid(*map(np.arange, sizes.values()), indexing="ij")
    at = {letter: place.ravel() for letter, place in zip(sizes, places, strict=True)}
    zero = np.zeros(places[0].size, np.int64)
    left, right, out = (
        tuple(zero + sum(int(n or 1) * at[letter] for n, letter in axis) for axis in side)
        for side in sides
    )
    found = np.zeros(dims)
    np.add.at(found, out, a.astype(np.float64)[left] * b.astype(np.float64)[right])
    return found


def check(
    text: str, shapes: list[tuple[int, ...]], dtype: str = "float32", known: bool | None = True
) -> None:
    """Native code against the sum; what was in the result before does not count."""
    random = np.random.default_rng(0)
    a, b = (random.normal(size=dims).astype(dtype) for dims in shapes[:2])
    found = computed(text, a, b, np.full(shapes[2], np.nan, dtype), known)
    want = expected(text, a, b, shapes[2])
    terms = a.size * b.size / max(found.size, 1)
    tolerance = (1e-6 if dtype == "float32" else 1e-14) * (8 + np.sqrt(terms))
    np.testing.assert_allclose(found, want, rtol=tolerance, atol=tolerance, err_msg=text)


def axis(place: str, stride: int, inside: str, gap: int) -> str:
    return f"{stride if stride > 1 else ''}{place}+{gap if gap > 1 else ''}{inside}"


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    """Sizes, strides and gaps of a convolution, in one or two axes of space."""
    rank = draw(st.integers(1, 2))
    size = [draw(st.integers(1, 4)) for _ in range(rank)]
    stride = [draw(st.integers(1, 3)) for _ in range(rank)]
    gap = [draw(st.integers(1, 2)) for _ in range(rank)]
    out = [draw(st.integers(1, 9)) for _ in range(rank)]
    more = [draw(st.integers(0, 2)) for _ in range(rank)]
    dims = [
        (o - 1) * s + (k - 1) * d + 1 + m
        for o, s, k, d, m in zip(out, stride, size, gap, more, strict=True)
    ]
    moved = [axis(*each) for each in zip("xy", stride, "uv", gap, strict=False)]
    batch, c, f = draw(st.integers(0, 3)), draw(st.integers(1, 17)), draw(st.integers(1, 35))
    return {
        "x": (batch, *dims, c),
        "w": (*size, c, f),
        "t": (f, *size, c),
        "y": (batch, *out, f),
        "at": " ".join(moved),
        "o": " ".join("xy"[:rank]),
        "k": " ".join("uv"[:rank]),
    }


@settings(max_examples=25)
@given(convolutions(), st.sampled_from(["float32", "float64"]), st.sampled_from([True, None]))
def test_convolutions_and_their_transposes(c: dict[str, Any], dtype: str, known: Any) -> None:
    check("b {at} c, {k} c f -> b {o} f".format(**c), [c["x"], c["w"], c["y"]], dtype, known)
    check("b {at} c, b {o} f -> {k} c f".format(**c), [c["x"], c["y"], c["w"]], dtype, known)
    check("b {o} f, f {k} c -> b {at} c".format(**c), [c["y"], c["t"], c["x"]], dtype, known)


@settings(max_examples=8)
@given(convolutions())
def test_no_size_is_known(c: dict[str, Any]) -> None:
    check("b {at} c, {k} c f -> b {o} f".format(**c), [c["x"], c["w"], c["y"]], known=False)
    check("b {at} c, b {o} f -> {k} c f".format(**c), [c["x"], c["y"], c["w"]], known=False)
    check("b {o} f, f {k} c -> b {at} c".format(**c), [c["y"], c["t"], c["x"]], known=False)


@pytest.mark.parametrize("features", ["+sse4.2", "+avx,+avx2,+fma"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_narrower_vectors(features: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a processor that has no more than this one."""
    if not all(host().has(feature[1:]) for feature in features.split(",")):
        pytest.skip(f"this processor has no {features}")
    narrow = replace(host(), name="x86-64", features=features)
    monkeypatch.setattr(sys.modules[__name__], "PROCESSOR", narrow)
    check("b x+u y+v c, u v c f -> b x y f", [(2, 9, 15, 3), (3, 2, 3, 21), (2, 7, 14, 21)], dtype)
    check("b x+u y+v c, b x y f -> u v c f", [(2, 9, 15, 3), (2, 7, 14, 21), (3, 2, 3, 21)], dtype)
    check("b x y f, f u v c -> b x+u y+v c", [(2, 7, 14, 21), (21, 3, 2, 3), (2, 9, 15, 3)], dtype)


# What is no ordinary convolution: groups, channels apart, vectors along what is summed, no vectors.
OTHERS: dict[str, list[tuple[int, ...]]] = {
    "b x+u y+v 4g+c, u v c g f -> b x y g f": [(2, 6, 5, 8), (2, 3, 4, 2, 3), (2, 5, 3, 2, 3)],
    "b x+u c, u c -> b x c": [(3, 8, 37), (3, 37), (3, 6, 37)],
    "b x+u y+v c, u v c -> b x y": [(2, 9, 7, 37), (3, 3, 37), (2, 7, 5)],
    "b x+u c, f u c -> b x f": [(2, 9, 5), (7, 3, 5), (2, 7, 7)],
    "b c x+u, u c f -> b f x": [(2, 3, 9), (3, 3, 5), (2, 5, 7)],
    "b 2x 3y c, 0 0 c f -> b x y f": [(2, 5, 7, 3), (1, 1, 3, 5), (2, 3, 3, 5)],
    "b x y f, f 0 0 c -> b 2x 3y c": [(2, 3, 3, 5), (5, 1, 1, 3), (2, 6, 8, 3)],
    "x y f, f c -> 3x 2y c": [(40, 30, 8), (8, 5), (121, 60, 5)],
    "x y f, f u c -> 2x+u 2y c": [(9, 30, 8), (8, 5, 3), (22, 60, 3)],
    "b x+u, u f -> b x f": [(4, 40), (9, 3), (4, 32, 3)],
    "b x+u y, b x y -> u": [(3, 6, 33), (3, 5, 33), (2,)],
}


@pytest.mark.parametrize("known", [True, False, None])
@pytest.mark.parametrize("text", OTHERS)
def test_other_contractions(text: str, known: bool | None) -> None:
    check(text, OTHERS[text], known=known)


@pytest.mark.parametrize("known", [True, False, None])
@pytest.mark.parametrize("rows", [118, 120, 121])
def test_nothing_beyond_the_result_is_written(known: bool | None, rows: int) -> None:
    """Rows of a result that windows leave out are zeros, and where the last one ends, it ends."""
    a, b = np.ones((40, 30, 8), np.float32), np.ones((8, 5), np.float32)
    room = np.full((rows + 6, 60, 5), 7, np.float32)
    out = computed("x y f, f c -> 3x 2y c", a, b, room[3:-3], known)
    want = np.zeros_like(out)
    want[: 3 * 40 : 3, ::2] = 8
    np.testing.assert_array_equal(out, want)
    np.testing.assert_array_equal(room[:3], 7)
    np.testing.assert_array_equal(room[-3:], 7)


def test_sums_that_go_through_more_than_the_caches() -> None:
    """They are taken in parts, each of which is added to the result."""
    check("b x+u c, b x f -> u c f", [(3, 5003, 2), (3, 5001, 19), (3, 2, 19)])
    check("b x+u c, u c f -> b x f", [(2, 40, 33), (37, 33, 70), (2, 4, 70)])


def test_not_a_number_comes_through() -> None:
    a, b = np.ones((1, 5, 3), np.float32), np.ones((2, 3, 4), np.float32)
    a[0, 2, 1] = np.nan
    found = computed("b x+u c, u c f -> b x f", a, b, np.zeros((1, 4, 4), np.float32))
    np.testing.assert_array_equal(np.isnan(found[0, :, 0]), [False, True, True, False])


@pytest.mark.parametrize(
    "text", ["b x, x c", "b x, x c -> b c d", "b -> c", "b X, x c -> b c", "b 2, x c -> b c"]
)
def test_a_text_that_says_nothing(text: str) -> None:
    arrays = (np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(TranslationError, match="contract does not take"):
        native(text, arrays)
