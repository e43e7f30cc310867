"""PyTorch: eager with its fused Adam, and the loss compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..workloads import Sample, Workload
from ..workloads.base import BETA_1, BETA_2, EPSILON
from .base import Runner


class Torch(Runner):
    """Eager mode. The batches are views that exist beforehand; gradients are freed, not zeroed."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Take over the arrays."""
        super().__init__(workload, sample, loss)
        sample = workload.for_torch(sample)
        state = {name: torch.from_numpy(s) for name, s in sample.state.items()}
        self.also = (state,) if state else ()
        self.weights = {
            name: torch.from_numpy(w).requires_grad_() for name, w in sample.weights.items()
        }
        x, y = (a if a.dtype.kind == "f" else a.astype(np.int64) for a in (sample.x, sample.y))
        self.pairs = [
            (torch.from_numpy(x[rows]), torch.from_numpy(y[rows]))
            for rows in map(self.rows, range(self.batches))
        ]
        self.loss = self.compiled(loss)
        dense = [w for name, w in self.weights.items() if name not in workload.sparse]
        tables = [self.weights[name] for name in workload.sparse]
        betas = (BETA_1, BETA_2)
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Adam(dense, workload.rate, betas, EPSILON, fused=True)
        ]
        if tables:
            self.optimizers.append(torch.optim.SparseAdam(tables, workload.rate, betas, EPSILON))

    def compiled(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """The loss as it is."""
        return loss

    def step(self, x: Any, y: Any) -> Any:
        """The loss, its gradient, and Adam."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.weights, x, y, *self.also)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def losses(self, first: int, count: int) -> list[float]:
        """Steps one by one."""
        numbers = range(first, first + count)
        return [self.step(*self.pairs[number % self.batches]).item() for number in numbers]

    def epoch(self) -> None:
        """The same steps, whose losses nobody reads."""
        for x, y in self.pairs:
            self.step(x, y)


class TorchCompile(Torch):
    """The loss and its gradient compiled for these shapes; Adam is PyTorch's fused one."""

    def compiled(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """The loss through PyTorch's compiler."""
        compiled: Callable[..., Any] = torch.compile(loss, dynamic=False)
        return compiled


class TorchPrediction(Torch):
    """A call for each sample, in inference mode."""

    def losses(self, first: int, count: int) -> list[float]:
        """What is compared: the outputs, squared and added up."""
        samples = [self.pairs[n % self.batches][0] for n in range(first, first + count)]
        with torch.inference_mode():
            return [(self.loss(self.weights, x) ** 2).sum().item() for x in samples]

    def epoch(self) -> None:
        """A call for each sample."""
        with torch.inference_mode():
            for x, _ in self.pairs:
                self.loss(self.weights, x)


class TorchCompilePrediction(TorchCompile, TorchPrediction):
    """The same, compiled."""
