"""Many small classifiers at once, which differ in their first weights and in their rates."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Sample
from .dense import Dense

if TYPE_CHECKING:
    import chainrule as cr


@dataclass(frozen=True, kw_only=True)
class Sweep(Dense):
    """Stacks of dense layers that see the same batches; the loss is the sum of all losses.

    Weights have a first axis of networks.

    Attributes:
        networks: how many.
    """

    sweeps = True

    networks: int

    @property
    def flops(self) -> int:
        """Those of each network."""
        return self.networks * super().flops

    @property
    def bytes(self) -> int:
        """Those of each network."""
        return self.networks * super().bytes

    @property
    def rates(self) -> list[float]:
        """Adam's, for each network, around `rate`."""
        rates: list[float] = np.geomspace(self.rate / 3, self.rate * 3, self.networks).tolist()
        return rates

    def sweep(self) -> cr.Sweep:
        """Our networks, whose seeds are their numbers."""
        import chainrule as cr

        return cr.Sweep(self.model(), learning_rate=self.rates)

    def numpy(self) -> Sample:
        """All arrays; each network has drawn its own weights."""
        drawn = [dict(model.parameters) for model in self.sweep().models]
        weights = {name: np.stack([each[name] for each in drawn]) for name in drawn[0]}
        return dataclasses.replace(super().numpy(), weights=weights)

    # PyTorch's fused Adam has a single rate. Weights in units of `scales`, at the rate `rate`, move
    # as far as weights at `rates` do: Adam's steps do not depend on the scale of gradients.

    @property
    def scales(self) -> np.ndarray[Any, Any]:
        """The rates in units of the one that PyTorch's Adam has, to be multiplied with matrices."""
        scales = np.array(self.rates) / self.rate
        return scales.astype(self.dtype)[:, None, None]

    def for_torch(self, sample: Sample) -> Sample:
        """Weights in units of `scales`; biases are rows."""
        weights = {
            name: (w[:, None] if w.ndim == 2 else w) / self.scales
            for name, w in sample.weights.items()
        }
        return dataclasses.replace(sample, weights=weights)

    def torch_scores(self, w: Any, x: Any) -> Any:
        """The outputs of all networks in PyTorch, by products of stacks of matrices."""
        import torch

        activation = {"relu": torch.relu, "tanh": torch.tanh}[self.activation]
        scales = torch.from_numpy(self.scales)
        x = x.expand(self.networks, *x.shape)
        for n in self.layers:
            x = torch.baddbmm(w[f"b{n}"] * scales, x, w[f"W{n}"] * scales)
            if n < self.layers[-1]:
                x = activation(x)
        return x

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch."""
        from torch.nn import functional

        scores = self.torch_scores(w, x).flatten(0, 1)
        return self.networks * functional.cross_entropy(scores, y.repeat(self.networks))
