"""A recurrent classifier of sequences: an LSTM, and a dense layer on its last state."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Sample, Workload
from .losses import compiled, jax_crossentropy

if TYPE_CHECKING:
    import chainrule as cr


@dataclass(frozen=True, kw_only=True)
class LSTM(Workload):
    """Long short-term memory.

    Attributes:
        units: of the LSTM.
        length: steps of a sequence.
        features: numbers of a step.
        classes: what sequences are told apart.
    """

    units: int = 64
    length: int = 32
    features: int = 64
    classes: int = 10

    @property
    def flops(self) -> int:
        """Three products for each layer, but no gradient of the input, nor of the first state."""
        gates = 4 * self.units
        inputs = 2 * self.length * self.features * gates
        states = (3 * self.length - 2) * self.units * gates + self.units * gates
        return 2 * self.batch * (inputs + states + 3 * self.units * self.classes)

    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """Normal numbers and random classes."""
        x = random.standard_normal((rows, self.length, self.features))
        return x, random.integers(0, self.classes, rows)

    def model(self) -> cr.Model:
        """Two layers."""
        import chainrule as cr

        shape = (self.length, self.features)
        layers = [cr.LSTM(self.units), cr.Dense(self.classes)]
        return compiled(cr.Sequential([cr.Input(shape, dtype=self.dtype), *layers]), self.rate)

    def jax(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in JAX: what does not depend on the state is one product for all steps."""
        import jax
        import jax.numpy as jnp

        def step(carry: Any, inputs: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(inputs + h @ w["U1"], 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        inputs = jnp.swapaxes(x, 0, 1) @ w["W1"] + w["b1"]
        zeros = jnp.zeros((x.shape[0], self.units), x.dtype)
        (h, _), _ = jax.lax.scan(step, (zeros, zeros), inputs)
        return jax_crossentropy(h @ w["W2"] + w["b2"], y)

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch: its own LSTM, whose second bias is not trained."""
        import torch
        from torch.nn import functional

        zeros = x.new_zeros((1, x.shape[0], self.units))
        weights = [w["W1"], w["U1"], w["b1"], torch.zeros_like(w["b1"])]
        _, h, _ = torch.lstm(x, (zeros, zeros), weights, True, 1, 0.0, True, False, True)
        return functional.cross_entropy(torch.addmm(w["b2"], h[0], w["W2"]), y)

    def for_torch(self, sample: Sample) -> Sample:
        """A row for each gate."""
        turned = {name: np.ascontiguousarray(sample.weights[name].T) for name in ("W1", "U1")}
        return dataclasses.replace(sample, weights={**sample.weights, **turned})
