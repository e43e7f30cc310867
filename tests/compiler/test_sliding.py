"""Convolutions read windows where they lie: what kernels say, and that it is right."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import chainrule as cr

SHAPES: dict[str, tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]] = {
    "plain": (dict(), (5, 6, 3), (3, 2, 3, 4)),
    "strides": (dict(strides=(2, 1), padding="same"), (5, 6, 3), (3, 2, 3, 4)),
    "dilation": (dict(dilation=2), (7, 8, 3), (3, 2, 3, 4)),
    "groups": (dict(groups=2), (5, 6, 4), (3, 2, 2, 6)),
    "depthwise": (dict(groups=4), (5, 6, 4), (3, 2, 1, 4)),
    "skipping": (dict(strides=2), (5, 6, 3), (1, 1, 3, 4)),
    "channels first": (dict(data_format="channels_first"), (3, 5, 6), (3, 2, 3, 4)),
}
CALLS = {
    "plain": [
        "b x+u 3y+v, u v f -> b x y f",
        "b x+u 3y+v, b x y f -> u v f",
        "b x y f, f u v -> b x+u 3y+v",
    ],
    "strides": [
        "b 2x+u 3y+v, u v f -> b x y f",
        "b 2x+u 3y+v, b x y f -> u v f",
        "b x y f, f u v -> b 2x+u 3y+v",
    ],
    "dilation": [
        "b x+2u y+2v c, u v c f -> b x y f",
        "b x+2u y+2v c, b x y f -> u v c f",
        "b x y f, f u v c -> b x+2u y+2v c",
    ],
    "groups": [
        "b x+u y+v 2g+c, u v c g f -> b x y g f",
        "b x+u y+v 2g+c, b x y g f -> u v c g f",
        "b x y g f, f g u v c -> b x+u y+v 2g+c",
    ],
    "depthwise": [
        "b x+u y+v c, u v 0 c 0 -> b x y c 0",
        "b x+u y+v c, b x y c 0 -> u v 0 c 0",
        "b x y c 0, u v 0 c 0 -> b x+u y+v c",
    ],
    "skipping": [
        "b 2x 2y c, 0 0 c f -> b x y f",
        "b 2x 2y c, b x y f -> 0 0 c f",
        "b x y f, f 0 0 c -> b 2x 2y c",
    ],
    "channels first": [
        "b x+u 3y+v, u v f -> b x y f",
        "b x+u 3y+v, b x y f -> u v f",
        "b f x y, f u v -> b x+u 3y+v",
    ],
}


def derivatives(x: cr.Tensor, w: cr.Tensor, **options: Any) -> list[cr.Tensor]:
    """A convolution, and the gradients of a function of it."""
    y = cr.conv(x, w, **options)
    return [y, *cr.grad(cr.sum(cr.sin(y)), [x, w])]


@pytest.mark.parametrize("name", SHAPES)
def test_no_windows_are_stored(name: str) -> None:
    options, dims, kernel = SHAPES[name]
    x, w = cr.tensor("x", ("batch", *dims)), cr.tensor("w", kernel)
    source = cr.function([x, w], derivatives(x, w, **options), target="cpu").source()
    found = re.findall(r'contract\(\s*"([^"]*)"', source)
    assert sorted(found) == sorted(CALLS[name])
    assert "matmul(" not in source
    assert "windows = view" not in source
    assert "windows_2 = view" not in source


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    """A convolution's options, and the shapes of x and w."""
    rank = draw(st.integers(1, 2))
    size = [draw(st.integers(1, 4)) for _ in range(rank)]
    strides = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(rank))
    padding = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(rank)]
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    c, f = (groups * draw(st.integers(1, 17 // groups)) for _ in range(2))
    dims = [(k - 1) * d + 1 + draw(st.integers(0, 6)) for k, d in zip(size, dilation, strict=True)]
    first = draw(st.booleans())
    whole = (c, *dims) if first else (*dims, c)
    options = {
        "strides": strides,
        "dilation": dilation,
        "padding": padding,
        "groups": groups,
        "data_format": "channels_first" if first else "channels_last",
    }
    return options, [(draw(st.integers(0, 3)), *whole), (*size, c // groups, f)]


@settings(max_examples=12)
@given(convolutions(), st.sampled_from(["float32", "float64"]))
def test_derivatives_are_those_of_numpy(case: Any, dtype: str) -> None:
    """First and second ones."""
    options, (dims, kernel) = case
    x, w = cr.tensor("x", ("batch", *dims[1:]), dtype), cr.tensor("w", kernel, dtype)
    outputs = derivatives(x, w, **options)
    again = cr.grad(cr.sum(outputs[1] ** 2) + cr.sum(outputs[2] ** 2), [x, w])
    random = np.random.default_rng(1)
    values = [random.normal(size=dims).astype(dtype), random.normal(size=kernel).astype(dtype)]
    want, found = (
        cr.function([x, w], [*outputs, *again], target=target)(*values)
        for target in ("numpy", "cpu")
    )
    tolerance = 2e-4 if dtype == "float32" else 1e-11
    for a, b in zip(want, found, strict=True):
        scale = tolerance * max(1.0, float(np.max(np.abs(a), initial=0)))
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=scale)


def test_jacobians() -> None:
    dims, kernel = (2, 4, 5, 2), (2, 3, 2, 3)
    x, w = cr.tensor("x", dims, "float64"), cr.tensor("w", kernel, "float64")
    outputs = [cr.jacobian(cr.conv(x, w, 2, "same"), each) for each in (x, w)]
    random = np.random.default_rng(2)
    values = [random.normal(size=dims), random.normal(size=kernel)]
    want, found = (cr.function([x, w], outputs, target=t)(*values) for t in ("numpy", "cpu"))
    for a, b in zip(want, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)


def test_threads_change_no_bit() -> None:
    """Images are shared out among threads; what is summed over them is summed in fixed parts."""
    dims, kernel = (19, 9, 9, 3), (3, 3, 3, 8)
    x, w = cr.tensor("x", ("batch", *dims[1:])), cr.tensor("w", kernel)
    outputs = derivatives(x, w)
    function = cr.function([x, w], outputs, target="cpu")
    random = np.random.default_rng(3)
    values = [random.normal(size=each).astype(np.float32) for each in (dims, kernel)]
    before, found = cr.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            cr.set_num_threads(threads)
            found += [function(*values) for _ in range(5)]
    finally:
        cr.set_num_threads(before)
    for results in found[1:]:
        for a, b in zip(found[0], results, strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(cr.function([x, w], outputs, target="numpy")(*values), found[0], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4)


def network(target: str) -> cr.Sequential:
    """Convolutions with padding, strides and pooling, and normalization between them."""
    model = cr.Sequential(
        [
            cr.Input((10, 10, 2)),
            cr.Conv2D(5, 3, padding="same", activation="relu"),
            cr.MaxPooling2D(2),
            cr.Conv2D(6, 3, strides=2, padding="same", use_bias=False),
            cr.BatchNormalization(),
            cr.Activation("relu"),
            cr.Conv2D(4, 2, activation="tanh"),
            cr.AveragePooling2D(2),
            cr.Flatten(),
            cr.Dense(3),
        ]
    )
    loss = "sparse_categorical_crossentropy_from_logits"
    model.compile(loss=loss, optimizer=cr.SGD(0.05), target=target)
    return model


@pytest.mark.parametrize("batch", [1, 8, 21])
def test_a_network_trains_as_on_numpy(batch: int) -> None:
    """In panels of a few images, of which the last may have fewer."""
    random = np.random.default_rng(6)
    x = random.normal(size=(batch, 10, 10, 2)).astype(np.float32)
    y = random.integers(0, 3, batch)
    models = [network(target) for target in ("numpy", "cpu")]
    for name, value in models[0].parameters.items():
        models[1].parameters[name][...] = value
    for _ in range(3):
        want, found = (model.train_on_batch(x, y)["loss"] for model in models)
        assert found == pytest.approx(want, rel=1e-5)
    for name, value in models[0].parameters.items():
        np.testing.assert_allclose(
            models[1].parameters[name], value, rtol=2e-4, atol=2e-5, err_msg=name
        )


@settings(max_examples=10)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=3))
def test_padding_is_put_around(sides: list[tuple[int, int, int]]) -> None:
    """A tensor between numbers, not one choice for each element; windows of it overlap."""
    dims = tuple(dim for dim, _, _ in sides)
    x = cr.tensor("x", dims, "float32")
    widths = [(low, high + max(0, 2 - dim - low - high)) for dim, low, high in sides]
    seen = cr.windows(cr.pad(x * 2.0, widths, constant_values=1.5), 2, axis=len(dims) - 1)
    value = np.random.default_rng(4).normal(size=dims).astype("float32")
    want, found = (cr.function([x], seen + 1.0, target=t)(value) for t in ("numpy", "cpu"))
    np.testing.assert_array_equal(found, want)


def test_windows_with_many_axes() -> None:
    """There are letters for all of them."""
    dims, kernel = (2, 1, 2, 1, 2, 2, 2, 2, 2, 3, 6), (3, 4)
    x, w = cr.tensor("x", dims), cr.tensor("w", kernel)
    y = cr.einsum("abcdefghijxu,uz->abcdefghijxz", cr.windows(x, 3, axis=10), w)
    random = np.random.default_rng(5)
    values = [random.normal(size=each).astype(np.float32) for each in (dims, kernel)]
    functions = [cr.function([x, w], y, target=target) for target in ("numpy", "cpu")]
    assert "contract(" in functions[1].source()
    want, found = (function(*values) for function in functions)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)
