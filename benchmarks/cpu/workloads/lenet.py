"""LeNet-5 on images of 28 x 28 pixels, rectified, with maxima.

Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Sample, Workload, channels_second
from .losses import compiled, jax_crossentropy

if TYPE_CHECKING:
    import chainrule as cr

CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class LeNet(Workload):
    """Two convolutions, two poolings, three dense layers.

    Attributes:
        size: pixels along each side of an image.
        channels: of the two convolutions.
        units: of the two hidden dense layers.
    """

    size: int = 28
    channels: tuple[int, int] = (6, 16)
    units: tuple[int, int] = (120, 84)

    @property
    def inner(self) -> int:
        """Along each side of what the second convolution gives."""
        return self.size // 2 - 4

    @property
    def flops(self) -> int:
        """Three products for each layer, but no gradient of the input."""
        c, d = self.channels
        first = 25 * c * self.size**2
        widths = ((self.inner // 2) ** 2 * d, *self.units, CLASSES)
        dense = sum(m * n for m, n in pairwise(widths))
        return 2 * self.batch * (2 * first + 3 * (25 * c * d * self.inner**2 + dense))

    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """Normal numbers and random classes."""
        x = random.standard_normal((rows, self.size, self.size, 1))
        return x, random.integers(0, CLASSES, rows)

    def model(self) -> cr.Model:
        """Layers one after the other."""
        import chainrule as cr

        c, d = self.channels
        model = cr.Sequential(
            [
                cr.Input((self.size, self.size, 1), dtype=self.dtype),
                cr.Conv2D(c, 5, padding="same", activation="relu"),
                cr.MaxPooling2D(2),
                cr.Conv2D(d, 5, activation="relu"),
                cr.MaxPooling2D(2),
                cr.Flatten(),
                *[cr.Dense(units, activation="relu") for units in self.units],
                cr.Dense(CLASSES),
            ]
        )
        return compiled(model, self.rate)

    def jax(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in JAX."""
        import jax
        import jax.numpy as jnp
        from jax import lax

        for n, padding in ((1, "SAME"), (2, "VALID")):
            axes = ("NHWC", "HWIO", "NHWC")
            x = lax.conv_general_dilated(x, w[f"W{n}"], (1, 1), padding, dimension_numbers=axes)
            x = jax.nn.relu(x + w[f"b{n}"])
            window = (1, 2, 2, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        x = x.reshape(len(x), -1)
        for n in (3, 4):
            x = jax.nn.relu(x @ w[f"W{n}"] + w[f"b{n}"])
        return jax_crossentropy(x @ w["W5"] + w["b5"], y)

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch."""
        import torch
        from torch.nn import functional

        for n, padding in ((1, 2), (2, 0)):
            x = torch.relu(functional.conv2d(x, w[f"W{n}"], w[f"b{n}"], padding=padding))
            x = functional.max_pool2d(x, 2)
        x = x.permute(0, 2, 3, 1).flatten(1)
        for n in (3, 4):
            x = torch.relu(torch.addmm(w[f"b{n}"], x, w[f"W{n}"]))
        return functional.cross_entropy(torch.addmm(w["b5"], x, w["W5"]), y)

    def for_torch(self, sample: Sample) -> Sample:
        """Channels second, but last in memory, which is faster."""
        return channels_second(sample)
