"""Layers over space: what they are called, what they print, what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, ShapeError

IMAGE = (8, 6, 3)
WRITTEN: list[tuple[cr.BaseLayer, str, tuple[int, ...]]] = [
    (cr.Conv2D(4, 3), "Conv2D(4, 3)", (6, 4, 4)),
    (
        cr.Conv2D(6, (3, 2), 2, "same", groups=3, activation="relu"),
        'Conv2D(6, (3, 2), strides=2, padding="same", groups=3, activation="relu")',
        (4, 3, 6),
    ),
    (
        cr.Conv2D(4, 3, padding=((1, 1), (0, 2)), dilation_rate=(2, 1)),
        "Conv2D(4, 3, padding=((1, 1), (0, 2)), dilation_rate=(2, 1))",
        (6, 6, 4),
    ),
    (
        cr.DepthwiseConv2D(3, depth_multiplier=2),
        "DepthwiseConv2D(3, depth_multiplier=2)",
        (6, 4, 6),
    ),
    (cr.SeparableConv2D(5, 3), "SeparableConv2D(5, 3)", (6, 4, 5)),
    (cr.Conv2DTranspose(2, 3, 2, "same"), 'Conv2DTranspose(2, 3, strides=2, padding="same")',
     (16, 12, 2)),
    (cr.MaxPooling2D(), "MaxPooling2D(2)", (4, 3, 3)),
    (cr.AveragePooling2D((2, 3), 1), "AveragePooling2D((2, 3), strides=1)", (7, 4, 3)),
    (cr.GlobalMaxPooling2D(keepdims=True), "GlobalMaxPooling2D(keepdims=True)", (1, 1, 3)),
    (cr.GlobalAveragePooling2D(), "GlobalAveragePooling2D()", (3,)),
    (cr.UpSampling2D((1, 2)), "UpSampling2D((1, 2))", (8, 12, 3)),
    (cr.ZeroPadding2D((1, 2)), "ZeroPadding2D(((1, 1), (2, 2)))", (10, 10, 3)),
    (cr.Cropping2D(1), "Cropping2D(1)", (6, 4, 3)),
    (cr.Cropping2D(), "Cropping2D(0)", (8, 6, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "text", "shape"), WRITTEN, ids=[text for _, text, _ in WRITTEN])
def test_written(layer: cr.BaseLayer, text: str, shape: tuple[int, ...]) -> None:
    assert layer.describe() == text
    assert layer(cr.Input(IMAGE)).shape[1:] == shape


def test_formulas() -> None:
    layers = [
        cr.Conv2D(4, 3, activation="relu"),
        cr.MaxPooling2D(),
        cr.SeparableConv2D(2, 2),
        cr.GlobalAveragePooling2D(),
        cr.Dense(2),
    ]
    model = cr.Sequential([cr.Input(IMAGE), *layers])
    model.compile("mse", cr.SGD(0.1))
    formulas = [row.formula for row in model.rows]
    assert formulas[0] == "h1 = relu(conv(x, W1) + b1)"
    assert formulas[1] == "p1 = max_pool(h1)"
    assert formulas[2].endswith(", W2) + b2")
    gradients = str(model.gradients())
    assert "dL/dW1 = correlate(x, dL/dz1)" in gradients
    assert "dL/dz1 = [z1 > 0] * dL/dh1" in gradients
    assert "dL/dW2 = correlate(" in gradients
    assert "\\operatorname{conv" in model.gradients().latex()
    source = model.source("numpy")
    assert "z1 = convolution(x, W1) + b1" in source
    assert "dL_dW1 = correlation(x, dL_dz1, (3, 3))" in source


def test_initial_values_and_regularizers() -> None:
    """Glorot's limit counts the window; a regularizer is part of the loss."""
    layer = cr.Conv2D(16, 5, kernel_regularizer=cr.L2(0.5), bias_initializer="ones")
    model = cr.Sequential([cr.Input((5, 5, 4)), layer, cr.Flatten()])
    model.compile("mse", cr.SGD(0.1), target="numpy")
    w, b = (model.parameters[name] for name in ("W1", "b1"))
    assert w.shape == (5, 5, 4, 16)
    limit = np.sqrt(6 / (25 * 4 + 25 * 16))
    assert 0.9 * limit < np.max(np.abs(w)) <= limit
    np.testing.assert_array_equal(b, np.ones(16))
    x = np.zeros((2, 5, 5, 4), "f")
    loss = model.evaluate(x, np.ones((2, 16), "f"), verbose=0)["loss"]
    np.testing.assert_allclose(loss, 0.5 * np.sum(w.astype("d") ** 2), rtol=1e-5)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "axes": (lambda: cr.Conv2D(4, 3)(cr.Input((8, 8))), "[batch, height, width, channels]"),
    "more axes": (lambda: cr.Conv1D(4, 3)(cr.Input(IMAGE)), "is called 2D"),
    "first": (
        lambda: cr.MaxPooling1D(data_format="channels_first")(cr.Input((3,))),
        "expected [batch, channels, steps]",
    ),
    "kernel": (lambda: cr.Conv2D(4, 9)(cr.Input(IMAGE)), "a kernel of 9 on an axis of 8"),
    "groups": (lambda: cr.Conv2D(4, 3, groups=2)(cr.Input(IMAGE)), "3 channels in 2 groups"),
    "filters": (lambda: cr.Conv2D(4, 3, groups=3), "4 filters in 3 groups"),
    "no filters": (lambda: cr.Conv2D(0, 3), "filters=0"),
    "kernel_size": (lambda: cr.Conv2D(4, (3, 3, 3)), "kernel_size=(3, 3, 3)"),
    "bias": (lambda: cr.Conv2D(4, 3, use_bias=False, bias_regularizer="l2"), "without a bias"),
    "option": (lambda: cr.Conv2D(4, kernel=3), "no option 'kernel'"),  # type: ignore[call-arg]
    "data_format": (lambda: cr.Conv2D(4, 3, data_format="NHWC"), "data_format='NHWC'"),
    "causal": (lambda: cr.Conv1DTranspose(4, 3, padding="causal"), "causal"),
    "integers": (lambda: cr.Conv2D(4, 3)(cr.Input(IMAGE, dtype="int32")), "weights are floats"),
    "channels": (lambda: cr.Conv1D(4, 3)(cr.Input((9, "n"))), "of no known size"),
    "interpolation": (lambda: cr.UpSampling2D(2, interpolation="bilinear"), "interpolation"),
    "cropping": (lambda: cr.Cropping2D(4)(cr.Input(IMAGE)), "nothing is left of axis 1"),
    "padding": (lambda: cr.ZeroPadding2D((1, 2, 3)), "padding=(1, 2, 3)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(ChainruleError) as caught:
        call()
    assert words in str(caught.value)
    assert str(caught.value).startswith("test_layers_space.py:")


def test_an_error_names_the_line_of_the_layer() -> None:
    with pytest.raises(ShapeError) as caught:
        cr.Sequential([cr.Input(IMAGE), cr.MaxPooling2D(4), cr.Conv2D(4, 3)])
    assert "spatial axis 0\n    a kernel of 3 on an axis of 2" in str(caught.value)
    assert str(caught.value).startswith("test_layers_space.py:")
