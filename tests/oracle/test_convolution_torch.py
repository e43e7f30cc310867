"""Every layer over space against PyTorch: the same weights, outputs and gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import substitute
from chainrule.frontend.tensor import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
F = torch.nn.functional


@dataclass(frozen=True)
class Case:
    """A layer, the same in PyTorch of a channels-first input and our weights, an input's shape."""

    layer: Callable[[], cr.BaseLayer]
    torch: Callable[..., Any]
    shape: tuple[int, ...]
    first: bool = False

    @property
    def rank(self) -> int:
        return len(self.shape) - 1


def kernel(w: Any) -> Any:
    """(*sizes, channels, results) as PyTorch has it: (results, channels, *sizes)."""
    return w.permute(w.ndim - 1, w.ndim - 2, *range(w.ndim - 2))


def depthwise(w: Any) -> Any:
    """(*sizes, channels, multiplier) as kernels of one channel each."""
    return kernel(w.reshape(*w.shape[:-2], 1, -1))


def padded(x: Any, *sides: int) -> Any:
    return F.pad(x, sides)


CONVOLUTIONS = {
    "Conv1D": Case(
        lambda: cr.Conv1D(5, 3, strides=2), lambda x, w, b: F.conv1d(x, kernel(w), b, 2), (9, 2)
    ),
    "Conv1D causal": Case(
        lambda: cr.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh"),
        lambda x, w, b: torch.tanh(F.conv1d(padded(x, 4, 0), kernel(w), b, dilation=2)),
        (7, 3),
    ),
    "Conv2D": Case(
        lambda: cr.Conv2D(4, (3, 2)), lambda x, w, b: F.conv2d(x, kernel(w), b), (6, 5, 3)
    ),
    "Conv2D same": Case(
        lambda: cr.Conv2D(4, 3, padding="same", activation="relu"),
        lambda x, w, b: F.relu(F.conv2d(x, kernel(w), b, padding="same")),
        (5, 6, 3),
    ),
    "Conv2D same, strides": Case(
        lambda: cr.Conv2D(4, 3, strides=2, padding="same"),
        lambda x, w, b: F.conv2d(padded(x, 0, 1, 0, 1), kernel(w), b, 2),
        (6, 8, 3),
    ),
    "Conv2D explicit": Case(
        lambda: cr.Conv2D(4, 3, (2, 1), padding=(1, 2), dilation_rate=(1, 2)),
        lambda x, w, b: F.conv2d(x, kernel(w), b, (2, 1), (1, 2), (1, 2)),
        (7, 6, 2),
    ),
    "Conv2D pairs": Case(
        lambda: cr.Conv2D(2, 2, padding=((2, 0), (1, 3)), use_bias=False),
        lambda x, w: F.conv2d(padded(x, 1, 3, 2, 0), kernel(w)),
        (4, 4, 2),
    ),
    "Conv2D groups": Case(
        lambda: cr.Conv2D(6, 3, groups=2, padding="same"),
        lambda x, w, b: F.conv2d(x, kernel(w), b, padding=1, groups=2),
        (5, 5, 4),
    ),
    "Conv2D 1x1": Case(
        lambda: cr.Conv2D(3, 1), lambda x, w, b: F.conv2d(x, kernel(w), b), (4, 3, 2)
    ),
    "Conv2D 1x1, strides": Case(
        lambda: cr.Conv2D(3, 1, strides=2), lambda x, w, b: F.conv2d(x, kernel(w), b, 2), (5, 4, 2)
    ),
    "Conv2D channels first": Case(
        lambda: cr.Conv2D(4, 3, data_format="channels_first", activation="sigmoid"),
        lambda x, w, b: torch.sigmoid(F.conv2d(x, kernel(w), b)),
        (3, 6, 5),
        first=True,
    ),
    "Conv3D": Case(
        lambda: cr.Conv3D(3, (2, 3, 2), strides=(1, 2, 1)),
        lambda x, w, b: F.conv3d(x, kernel(w), b, (1, 2, 1)),
        (4, 5, 3, 2),
    ),
    "DepthwiseConv1D": Case(
        lambda: cr.DepthwiseConv1D(3),
        lambda x, w, b: F.conv1d(x, depthwise(w), b, groups=3),
        (7, 3),
    ),
    "DepthwiseConv2D": Case(
        lambda: cr.DepthwiseConv2D(3, strides=2, padding=1, depth_multiplier=2),
        lambda x, w, b: F.conv2d(x, depthwise(w), b, 2, 1, groups=3),
        (6, 7, 3),
    ),
    "SeparableConv1D": Case(
        lambda: cr.SeparableConv1D(4, 3, depth_multiplier=2),
        lambda x, d, w, b: F.conv1d(F.conv1d(x, depthwise(d), groups=2), kernel(w), b),
        (6, 2),
    ),
    "SeparableConv2D": Case(
        lambda: cr.SeparableConv2D(4, 3, padding="same", activation="relu"),
        lambda x, d, w, b: F.relu(
            F.conv2d(F.conv2d(x, depthwise(d), padding=1, groups=3), kernel(w), b)
        ),
        (5, 4, 3),
    ),
    "Conv1DTranspose": Case(
        lambda: cr.Conv1DTranspose(4, 3, strides=2),
        lambda x, w, b: F.conv_transpose1d(x, kernel(w), b, 2),
        (5, 3),
    ),
    "Conv2DTranspose": Case(
        lambda: cr.Conv2DTranspose(4, 3, strides=2, padding=1, output_padding=1),
        lambda x, w, b: F.conv_transpose2d(x, kernel(w), b, 2, 1, 1),
        (4, 3, 2),
    ),
    "Conv2DTranspose same": Case(
        lambda: cr.Conv2DTranspose(4, 3, strides=2, padding="same", activation="tanh"),
        lambda x, w, b: torch.tanh(F.conv_transpose2d(x, kernel(w), b, 2)[:, :, :-1, :-1]),
        (4, 3, 2),
    ),
    "Conv2DTranspose wide strides": Case(
        lambda: cr.Conv2DTranspose(2, 2, strides=3),
        lambda x, w, b: F.conv_transpose2d(x, kernel(w), b, 3, 0, 1),
        (3, 4, 2),
    ),
    "Conv2DTranspose dilation": Case(
        lambda: cr.Conv2DTranspose(2, 2, dilation_rate=2, padding=1),
        lambda x, w, b: F.conv_transpose2d(x, kernel(w), b, padding=1, dilation=2),
        (4, 4, 2),
    ),
    "Conv3DTranspose": Case(
        lambda: cr.Conv3DTranspose(2, 2, strides=(1, 2, 2)),
        lambda x, w, b: F.conv_transpose3d(x, kernel(w), b, (1, 2, 2)),
        (2, 3, 2, 2),
    ),
}


def pooling(kind: str, short: str, rank: int) -> Case:
    """A pooling over `rank` axes, in windows of 2."""
    layer, pool = getattr(cr, f"{kind}{rank}D"), getattr(F, f"{short}_pool{rank}d")
    return Case(lambda: layer(2), lambda x: pool(x, 2), (*(5, 4, 6)[:rank], 3))


def over_all(kind: str, reduce: Callable[..., Any], keepdims: bool, rank: int) -> Case:
    """A pooling over all places."""
    layer, axes = getattr(cr, f"{kind}{rank}D"), tuple(range(2, 2 + rank))
    return Case(
        lambda: layer(keepdims=keepdims),
        lambda x: reduce(x, axes, keepdims),
        (*(4, 3, 2)[:rank], 3),
    )


SPACES = {
    **{f"MaxPooling{n}D": pooling("MaxPooling", "max", n) for n in (1, 2, 3)},
    **{f"AveragePooling{n}D": pooling("AveragePooling", "avg", n) for n in (1, 2, 3)},
    **{
        f"GlobalMaxPooling{n}D": over_all("GlobalMaxPooling", torch.amax, False, n)
        for n in (1, 2, 3)
    },
    **{
        f"GlobalAveragePooling{n}D": over_all("GlobalAveragePooling", torch.mean, True, n)
        for n in (1, 2, 3)
    },
    "MaxPooling2D overlapping": Case(
        lambda: cr.MaxPooling2D(3, strides=2, padding=1),
        lambda x: F.max_pool2d(x, 3, 2, 1),
        (7, 6, 2),
    ),
    "MaxPooling2D wide strides": Case(
        lambda: cr.MaxPooling2D(2, strides=3), lambda x: F.max_pool2d(x, 2, 3), (8, 7, 2)
    ),
    "MaxPooling2D channels first": Case(
        lambda: cr.MaxPooling2D((1, 2), data_format="channels_first"),
        lambda x: F.max_pool2d(x, (1, 2)),
        (3, 4, 5),
        first=True,
    ),
    "AveragePooling2D padded": Case(
        lambda: cr.AveragePooling2D(3, strides=2, padding=1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        (7, 6, 2),
    ),
    "AveragePooling2D same": Case(
        lambda: cr.AveragePooling2D(3, strides=1, padding="same"),
        lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
        (4, 5, 2),
    ),
    "UpSampling1D": Case(
        lambda: cr.UpSampling1D(3), lambda x: F.interpolate(x, scale_factor=3), (4, 2)
    ),
    "UpSampling2D": Case(
        lambda: cr.UpSampling2D((2, 3)),
        lambda x: F.interpolate(x, scale_factor=(2, 3)),
        (3, 4, 2),
    ),
    "UpSampling2D channels first": Case(
        lambda: cr.UpSampling2D(2, data_format="channels_first"),
        lambda x: F.interpolate(x, scale_factor=2),
        (2, 3, 4),
        first=True,
    ),
    "ZeroPadding1D": Case(lambda: cr.ZeroPadding1D((2, 1)), lambda x: F.pad(x, (2, 1)), (4, 2)),
    "ZeroPadding2D": Case(
        lambda: cr.ZeroPadding2D((1, 2)), lambda x: F.pad(x, (2, 2, 1, 1)), (3, 4, 2)
    ),
    "ZeroPadding2D channels first": Case(
        lambda: cr.ZeroPadding2D(((1, 0), (0, 2)), "channels_first"),
        lambda x: F.pad(x, (0, 2, 1, 0)),
        (2, 3, 4),
        first=True,
    ),
    "Cropping1D": Case(lambda: cr.Cropping1D((2, 1)), lambda x: x[:, :, 2:-1], (6, 2)),
    "Cropping2D": Case(
        lambda: cr.Cropping2D(((1, 0), (2, 1))), lambda x: x[:, :, 1:, 2:-1], (3, 5, 2)
    ),
}


def channels_first(x: Any) -> Any:
    return x.permute(0, x.ndim - 1, *range(1, x.ndim - 1))


def channels_last(x: Any) -> Any:
    return x.permute(0, *range(2, x.ndim), 1) if x.ndim > 2 else x


def theirs(case: Case, values: Sequence[Any], seed: Any) -> list[Any]:
    """The output, and the gradient of sum(seed * output) for the input and each weight."""
    leaves = [torch.tensor(value, requires_grad=True) for value in values]
    x, *weights = leaves
    y = case.torch(x if case.first else channels_first(x), *weights)
    y = y if case.first else channels_last(y)
    grads = torch.autograd.grad(torch.sum(torch.tensor(seed(tuple(y.shape))) * y), leaves)
    return [y.detach().numpy(), *(grad.numpy() for grad in grads)]


@pytest.mark.parametrize("group", [CONVOLUTIONS, SPACES], ids=["convolutions", "spaces"])
def test_layers(group: dict[str, Case]) -> None:
    """Outputs, gradients of inputs and of weights, to 1e-10."""
    random = np.random.default_rng(0)
    inputs: list[cr.Tensor] = []
    outputs: list[cr.Tensor] = []
    values: list[Any] = []
    wanted: list[tuple[str, Any]] = []
    for number, (name, case) in enumerate(group.items()):
        x = cr.tensor(f"x{number}", ("batch", *case.shape), "float64")
        layer = case.layer()
        y = layer(x)
        weights = [
            cr.tensor(f"{p.name}{number}", p.node.shape, "float64") for p in layer.parameters
        ]
        t = cr.tensor(f"t{number}", y.shape, "float64")
        known = {p.node: w.node for p, w in zip(layer.parameters, weights, strict=True)}
        y = Tensor(substitute([y.node], known)[0])
        given = [
            random.normal(size=(3, *case.shape)),
            *(random.normal(size=[int(str(dim)) for dim in w.shape]) for w in weights),
        ]
        seeds: list[Any] = []

        def seed(shape: tuple[int, ...], seeds: list[Any] = seeds) -> Any:
            seeds.append(random.normal(size=shape))
            return seeds[-1]

        expected = theirs(case, given, seed)
        inputs += [x, *weights, t]
        values += [*given, *seeds]
        outputs += [y, *cr.grad(cr.sum(t * y), [x, *weights])]
        wanted += [(f"{name}: result {i}", array) for i, array in enumerate(expected)]
    results = cr.function(inputs, outputs, target="numpy")(*values)
    assert len(results) == len(wanted)
    for found, (what, want) in zip(results, wanted, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-10, atol=1e-10, err_msg=what)
