"""A small residual network on color images of 32 x 32 pixels.

Source: He et al. 2016, "Deep residual learning for image recognition", section 4.2; a block whose
shape changes has a projection, option B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Sample, Workload, channels_second
from .losses import compiled, jax_crossentropy

if TYPE_CHECKING:
    import chainrule as cr

CLASSES, COLORS = 10, 3
NORMALIZED, MOMENTUM = 1e-3, 0.99  # epsilon, and what is kept of a running mean


@dataclass(frozen=True, kw_only=True)
class ResNet(Workload):
    """A convolution, residual blocks, the mean over all places, and a dense layer.

    Each convolution but the projections is normalized over the batch.

    Attributes:
        size: pixels along each side of an image.
        blocks: the channels of each block; where they change, a block takes every second place.
    """

    size: int = 32
    blocks: tuple[int, ...] = (16, 16, 32, 64)

    def convolutions(self) -> Iterator[tuple[int, int, int, int]]:
        """Window, channels before and after, and places along each side, of each convolution."""
        size, before = self.size, self.blocks[0]
        yield 3, COLORS, before, size
        for after in self.blocks:
            if after != before:
                size //= 2
                yield 1, before, after, size
            yield 3, before, after, size
            yield 3, after, after, size
            before = after

    @property
    def flops(self) -> int:
        """Three products for each layer, but no gradient of the input."""
        products = [k * k * m * n * side**2 for k, m, n, side in self.convolutions()]
        dense = self.blocks[-1] * CLASSES
        return 2 * self.batch * (3 * (sum(products) + dense) - products[0])

    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """Normal numbers and random classes."""
        x = random.standard_normal((rows, self.size, self.size, COLORS))
        return x, random.integers(0, CLASSES, rows)

    def model(self) -> cr.Model:
        """Blocks one after the other, whose layers have names."""
        import chainrule as cr

        def convolution(x: Any, name: str, channels: int, window: int, stride: int) -> Any:
            return cr.Conv2D(
                channels, window, strides=stride, padding="same", use_bias=False, name=name
            )(x)

        def normalized(x: Any, name: str) -> Any:
            layer = cr.BatchNormalization(momentum=MOMENTUM, epsilon=NORMALIZED, name=f"n_{name}")
            return layer(x)

        x = cr.Input((self.size, self.size, COLORS), dtype=self.dtype)
        h = self.forward(convolution, normalized, cr.Activation("relu"), x)
        y = cr.Dense(CLASSES, name="scores")(cr.GlobalAveragePooling2D()(h))
        return compiled(cr.Model(x, y), self.rate)

    def forward(self, convolution: Any, normalized: Any, relu: Any, x: Any) -> Any:
        """The blocks, by what a framework calls its parts.

        Args:
            convolution: of what is given, by the layer's name, channels, window and stride.
            normalized: what is given, by the name of the convolution before.
            relu: the activation.
            x: images.
        """
        before = self.blocks[0]
        h = relu(normalized(convolution(x, "first", before, 3, 1), "first"))
        for n, after in enumerate(self.blocks):
            stride = 1 if after == before else 2
            kept = h if stride == 1 else convolution(h, f"p{n}", after, 1, stride)
            inner = relu(normalized(convolution(h, f"a{n}", after, 3, stride), f"a{n}"))
            h = relu(kept + normalized(convolution(inner, f"b{n}", after, 3, 1), f"b{n}"))
            before = after
        return h

    def jax(self, w: Any, x: Any, y: Any, s: Any) -> Any:
        """The loss in JAX, and the running means and variances after it."""
        import jax
        import jax.numpy as jnp
        from jax import lax

        moved = dict(s)

        def convolution(x: Any, name: str, channels: int, window: int, stride: int) -> Any:
            axes = ("NHWC", "HWIO", "NHWC")
            strides = (stride, stride)
            return lax.conv_general_dilated(
                x, w[f"W_{name}"], strides, "SAME", dimension_numbers=axes
            )

        def normalized(x: Any, name: str) -> Any:
            mean = jnp.mean(x, axis=(0, 1, 2))
            variance = jnp.mean((x - mean) ** 2, axis=(0, 1, 2))
            for what, now in (("moving_mean", mean), ("moving_variance", variance)):
                old = s[f"{what}_n_{name}"]
                moved[f"{what}_n_{name}"] = old + (1 - MOMENTUM) * (lax.stop_gradient(now) - old)
            factor = w[f"gamma_n_{name}"] / jnp.sqrt(variance + NORMALIZED)
            return (x - mean) * factor + w[f"beta_n_{name}"]

        h = jnp.mean(self.forward(convolution, normalized, jax.nn.relu, x), axis=(1, 2))
        return jax_crossentropy(h @ w["W_scores"] + w["b_scores"], y), moved

    def torch(self, w: Any, x: Any, y: Any, s: Any) -> Any:
        """The loss in PyTorch; the running means and variances are changed in place."""
        import torch
        from torch.nn import functional

        def convolution(x: Any, name: str, channels: int, window: int, stride: int) -> Any:
            weight = w[f"W_{name}"]
            if stride == 2 and window == 3:  # "same" has the odd place behind
                return functional.conv2d(functional.pad(x, (0, 1, 0, 1)), weight, stride=2)
            return functional.conv2d(x, weight, stride=stride, padding=window // 2)

        def normalized(x: Any, name: str) -> Any:
            mean, variance = (s[f"moving_{what}_n_{name}"] for what in ("mean", "variance"))
            gamma, beta = w[f"gamma_n_{name}"], w[f"beta_n_{name}"]
            return functional.batch_norm(
                x, mean, variance, gamma, beta, True, 1 - MOMENTUM, NORMALIZED
            )

        h = self.forward(convolution, normalized, torch.relu, x).mean((2, 3))
        return functional.cross_entropy(torch.addmm(w["b_scores"], h, w["W_scores"]), y)

    def for_torch(self, sample: Sample) -> Sample:
        """Channels second, but last in memory, which is faster."""
        return channels_second(sample)
