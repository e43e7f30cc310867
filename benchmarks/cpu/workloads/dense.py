"""Stacks of dense layers: classifiers, and logistic regression, which has a single layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import BETA_1, BETA_2, EPSILON, Workload
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

    def jax_scores(self, w: Any, x: Any) -> Any:
        """The outputs in JAX."""
        import jax
        import jax.numpy as jnp

        activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[self.activation]
        for n in self.layers:
            x = x @ w[f"W{n}"] + w[f"b{n}"]
            if n < self.layers[-1]:
                x = activation(x)
        return x

    def jax(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in JAX."""
        import jax
        import jax.numpy as jnp

        scores = self.jax_scores(w, x)
        if self.binary:
            return jnp.mean(jax.nn.softplus(scores) - y * scores)
        return jax_crossentropy(scores, y)

    def torch_scores(self, w: Any, x: Any) -> Any:
        """The outputs in PyTorch."""
        import torch

        activation = {"relu": torch.relu, "tanh": torch.tanh}[self.activation]
        for n in self.layers:
            x = torch.addmm(w[f"b{n}"], x, w[f"W{n}"])
            if n < self.layers[-1]:
                x = activation(x)
        return x

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch."""
        from torch.nn import functional

        scores = self.torch_scores(w, x)
        if self.binary:
            return functional.binary_cross_entropy_with_logits(scores, y)
        return functional.cross_entropy(scores, y)

    def pytensor_scores(self, w: Any, x: Any) -> Any:
        """The outputs in PyTensor."""
        import pytensor.tensor as pt

        activation = {"relu": lambda x: pt.maximum(x, 0), "tanh": pt.tanh}[self.activation]
        for n in self.layers:
            x = x @ w[f"W{n}"] + w[f"b{n}"]
            if n < self.layers[-1]:
                x = activation(x)
        return x

    def pytensor(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTensor."""
        import pytensor.tensor as pt

        scores = self.pytensor_scores(w, x)
        if self.binary:
            return pt.mean(pt.softplus(scores) - y * scores)
        return -pt.mean(pt.special.log_softmax(scores, axis=1)[pt.arange(self.batch), y])

    def sklearn(self) -> Any:
        """The classifier of scikit-learn, which has weights and loss of its own."""
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(
            self.widths[1:-1],
            activation=self.activation,
            alpha=0,
            batch_size=self.batch,
            learning_rate_init=self.rate,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
            shuffle=False,
        )


@dataclass(frozen=True, kw_only=True)
class Prediction(Dense):
    """The outputs of dense layers for one sample at a time."""

    predicts = True

    @property
    def flops(self) -> int:
        """A product for each layer."""
        return 2 * self.batch * sum(m * n for m, n in pairwise(self.widths))

    @property
    def bytes(self) -> int:
        """The weights, which are read."""
        count = sum((m + 1) * n for m, n in pairwise(self.widths))
        return np.dtype(self.dtype).itemsize * count


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

PREDICTIONS = tuple(
    Prediction(
        name=given.name.replace("mlp", "predict"),
        widths=given.widths,
        activation=given.activation,
        batch=1,
        batches=64,
    )
    for given in DENSE
    if len(given.widths) > 2
)
