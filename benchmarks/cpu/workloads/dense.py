"""Stacks of dense layers: classifiers, and logistic regression, which has a single layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Workload
from .losses import compiled, jax_crossentropy

if TYPE_CHECKING:
    import chainrule as cr


@dataclass(frozen=True, kw_only=True)
class Dense(Workload):
    """Dense layers and a cross-entropy: of two classes if there is one output, or of as many.

    Attributes:
        widths: of the input and of each layer.
        activation: between the layers.
    """

    widths: tuple[int, ...]
    activation: str = "relu"

    @property
    def flops(self) -> int:
        """Two products a layer and direction, but no gradient of the input."""
        widths = list(pairwise(self.widths))
        products = 3 * sum(m * n for m, n in widths) - widths[0][0] * widths[0][1]
        return 2 * self.batch * products

    @property
    def binary(self) -> bool:
        """Whether there are two classes and one output."""
        return self.widths[-1] == 1

    @property
    def layers(self) -> range:
        """The layers' numbers in the names of weights."""
        return range(1, len(self.widths))

    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """Normal numbers and random classes, which cannot be learned: gradients stay as large."""
        x = random.standard_normal((rows, self.widths[0]))
        if self.binary:
            return x, random.integers(0, 2, (rows, 1)).astype(np.float64)
        return x, random.integers(0, self.widths[-1], rows)

    def model(self) -> cr.Model:
        """Layers one after the other."""
        import chainrule as cr

        hidden = [cr.Dense(units, activation=self.activation) for units in self.widths[1:-1]]
        model = cr.Sequential(
            [cr.Input((self.widths[0],), dtype=self.dtype), *hidden, cr.Dense(self.widths[-1])]
        )
        loss = "binary_crossentropy" if self.binary else "sparse_categorical_crossentropy"
        return compiled(model, self.rate, loss)

    def jax(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in JAX."""
        import jax
        import jax.numpy as jnp

        activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[self.activation]
        for n in self.layers:
            x = x @ w[f"W{n}"] + w[f"b{n}"]
            if n < self.layers[-1]:
                x = activation(x)
        if self.binary:
            return jnp.mean(jax.nn.softplus(x) - y * x)
        return jax_crossentropy(x, y)

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch."""
        import torch
        from torch.nn import functional

        activation = {"relu": torch.relu, "tanh": torch.tanh}[self.activation]
        for n in self.layers:
            x = torch.addmm(w[f"b{n}"], x, w[f"W{n}"])
            if n < self.layers[-1]:
                x = activation(x)
        if self.binary:
            return functional.binary_cross_entropy_with_logits(x, y)
        return functional.cross_entropy(x, y)


DENSE = (
    Dense(name="logistic", widths=(30, 1), batch=32, batches=1024),
    Dense(name="mlp-8-16-1", widths=(8, 16, 1), batch=16, batches=1024),
    Dense(name="mlp-64-32-10", widths=(64, 32, 10), batch=32, batches=1024),
    Dense(
        name="mlp-64-64-64-8",
        widths=(64, 64, 64, 8),
        batch=32,
        batches=512,
        activation="tanh",
    ),
    Dense(name="mlp-784-128-10", widths=(784, 128, 10), batch=64, batches=64),
    Dense(name="mlp-784-256-128-10", widths=(784, 256, 128, 10), batch=128, batches=32),
    Dense(
        name="mlp-784-1024-1024-10",
        widths=(784, 1024, 1024, 10),
        batch=256,
        batches=8,
        rate=1e-4,
    ),
    Dense(
        name="mlp-4096-4096-4096-10",
        widths=(4096, 4096, 4096, 10),
        batch=512,
        batches=2,
        rate=1e-5,
    ),
)
