"""Convolutions in fewer multiplications: the same sums, with errors that are no larger."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from chainrule.runtime.devices.cpu import winograd
from chainrule.runtime.devices.cpu.kinds import NUMBERS
from chainrule.runtime.devices.cpu.processor import Processor, host
from chainrule.runtime.devices.cpu.subscripts import positions
from chainrule.runtime.devices.cpu.values import Array, size_of

from . import test_contract
from .test_contract import check, computed

Dims = tuple[int, ...]
WIDE = Processor("x86_64-unknown-linux-gnu", "x86-64-v4", "+avx,+avx512f,+avx512vl")


def texts(c: int) -> tuple[str, str, str]:
    return (
        f"b x+u {c}y+v, u v f -> b x y f",
        f"b x y f, f u v -> b x+u {c}y+v",
        f"b x+u {c}y+v, b x y f -> u v f",
    )


def shapes(b: int, x: int, y: int, c: int, f: int) -> tuple[list[Dims], list[Dims], list[Dims]]:
    """Those of the operands and the result, of a convolution and of its two gradients."""
    image, result = (b, x + 2, (y + 2) * c), (b, x, y, f)
    window, back = (3, 3 * c, f), (f, 3, 3 * c)
    return [image, window, result], [result, back, image], [image, result, window]


def form(text: str, dims: list[Dims], processor: Processor = WIDE) -> winograd.Form | None:
    axes = positions(text)
    assert axes is not None
    arrays = [Array(NUMBERS["float32"], None, tuple(map(size_of, own))) for own in dims]
    return winograd.form_of(axes, arrays, processor)


@pytest.mark.parametrize("known", [True, None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(1, 4, 8, 16, 16), (9, 8, 4, 16, 32), (2, 6, 10, 32, 16)])
def test_a_convolution_and_its_gradients(sizes: Dims, dtype: str, known: bool | None) -> None:
    for text, own in zip(texts(sizes[3]), shapes(*sizes), strict=True):
        check(text, own, dtype, known)
        assert form(text, own) is not None


@pytest.mark.parametrize("features", ["+sse4.2", "+avx,+avx2,+fma"])
def test_narrower_vectors(features: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not all(host().has(feature[1:]) for feature in features.split(",")):
        pytest.skip(f"this processor has no {features}")
    narrow = replace(host(), name="x86-64", features=features)
    monkeypatch.setattr(test_contract, "PROCESSOR", narrow)
    for text, own in zip(texts(24), shapes(3, 8, 4, 24, 16), strict=True):
        check(text, own)
        assert form(text, own, narrow) is not None


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        ((64, 32, 32, 16, 16), True),
        ((1, 8, 8, 64, 64), True),
        ((1, 4, 8, 48, 32), True),
        ((1, 4, 8, 24, 32), False),  # no whole vectors
        ((1, 7, 8, 16, 16), False),  # an odd number of places
        ((1, 8, 7, 16, 16), False),
        ((1, 4, 2, 16, 16), False),  # too few parts
        ((1, 8, 8, 256, 256), False),  # too much memory
    ],
)
def test_where_it_is_worth_it(sizes: Dims, fits: bool) -> None:
    for text, own in zip(texts(sizes[3]), shapes(*sizes), strict=True):
        assert (form(text, own) is not None) is fits


def test_other_windows_are_not_meant() -> None:
    image, window, result = shapes(1, 8, 8, 16, 16)[0]
    for text, dims in (
        ("b 2x+u 16y+v, u v f -> b x y f", [(1, 17, 160), window, result]),
        ("b x+u 16y+v, u v f -> b x y f", [(1, 10, 192), (3, 80, 16), result]),
        ("b x+u 16y+v, u v f -> b x y f", [(1, 12, 160), (5, 48, 16), result]),
        ("b x+u 32y+v, u v f -> b x y f", [(1, 10, 272), window, result]),
        ("b x+u 16y+v, u f v -> b x y f", [image, (3, 16, 48), result]),
        ("x b y f, f u v -> b x+u 16y+v", [(8, 1, 8, 16), (16, 3, 48), image]),
    ):
        assert form(text, dims) is None


@pytest.mark.parametrize("channels", [16, 64])
def test_errors_are_no_larger_than_those_of_sums_one_by_one(channels: int) -> None:
    random = np.random.default_rng(0)
    dims = shapes(2, 8, 8, channels, channels)[0]
    image, window = (random.normal(size=own).astype(np.float32) for own in dims[:2])
    found = computed(texts(channels)[0], image, window, np.empty(dims[2], np.float32))
    windows = sliding_window_view(image.reshape(2, 10, 10, channels), (3, 3), (1, 2))
    terms = windows.transpose(0, 1, 2, 4, 5, 3).reshape(2, 8, 8, -1, 1)
    factors = window.reshape(-1, channels)
    exact = (terms.astype(np.float64) * factors).sum(3)
    one_by_one = np.add.accumulate(terms * factors, axis=3, dtype=np.float32)[..., -1, :]
    error, usual = (np.sqrt(np.mean((x - exact) ** 2)) for x in (found, one_by_one))
    assert 0 < error <= usual


def test_not_a_number_comes_through_and_stays_in_its_part() -> None:
    dims = shapes(1, 8, 8, 16, 16)[0]
    image, window = (np.ones(own, np.float32) for own in dims[:2])
    image[0, 4, 4 * 16 + 1] = np.nan
    found = computed(texts(16)[0], image, window, np.empty(dims[2], np.float32))
    lost = np.isnan(found[0, :, :, 0])
    assert lost[2:5, 2:5].all()
    assert not np.isnan(found[0, :2]).any()
    assert not np.isnan(found[0, 6:]).any()
    np.testing.assert_array_equal(found[~np.isnan(found)], 144)
