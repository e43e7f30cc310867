"""PyTensor: a step compiled by Numba, with PyTensor's gradient and Adam as updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from ..workloads import Sample, Workload
from ..workloads.base import BETA_1, BETA_2, EPSILON
from .base import Runner


class PyTensor(Runner):
    """A call for each batch, whose arguments are not looked at."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Write the graph; it is compiled here."""
        super().__init__(workload, sample, loss)
        self.pairs = [
            (sample.x[rows], sample.y[rows]) for rows in map(self.rows, range(self.batches))
        ]
        self.weights = {
            name: pytensor.shared(w, name, borrow=True) for name, w in sample.weights.items()
        }
        inputs = [pt.tensor(n, dtype=a.dtype, shape=a.shape) for n, a in self.named()]
        self.run = self.compiled(inputs, workload)

    def named(self) -> list[tuple[str, Any]]:
        """The arguments of a call, with their names."""
        return list(zip("xy", self.pairs[0], strict=True))

    def compiled(self, inputs: list[Any], workload: Workload) -> Any:
        """A step: the loss, and new values of everything."""
        weights = list(self.weights.values())
        loss = self.loss(self.weights, *inputs)
        number = np.dtype(workload.dtype).type
        t = pytensor.shared(number(0), "t")
        updates = [(t, t + 1)]
        alpha = number(workload.rate) * pt.sqrt(1 - number(BETA_2) ** (t + 1))
        alpha = alpha / (1 - number(BETA_1) ** (t + 1))
        for p, g in zip(weights, pytensor.grad(loss, weights), strict=True):
            m, v = (pytensor.shared(np.zeros_like(p.get_value())) for _ in range(2))
            new_m = m + number(1 - BETA_1) * (g - m)
            new_v = v + number(1 - BETA_2) * (g**2 - v)
            updates += [(m, new_m), (v, new_v)]
            updates += [(p, p - alpha * new_m / (pt.sqrt(new_v) + number(EPSILON)))]
        function = pytensor.function(inputs, loss, updates=updates, mode="NUMBA")
        function.trust_input = True
        return function

    def losses(self, first: int, count: int) -> list[float]:
        """Steps one by one."""
        numbers = range(first, first + count)
        return [float(self.run(*self.pairs[n % self.batches])) for n in numbers]

    def epoch(self) -> None:
        """The same steps, whose losses nobody reads."""
        for x, y in self.pairs:
            self.run(x, y)


class PyTensorPrediction(PyTensor):
    """A call for each sample."""

    def named(self) -> list[tuple[str, Any]]:
        """The sample alone."""
        return [("x", self.pairs[0][0])]

    def compiled(self, inputs: list[Any], workload: Workload) -> Any:
        """The outputs."""
        function = pytensor.function(inputs, self.loss(self.weights, *inputs), mode="NUMBA")
        function.trust_input = True
        return function

    def losses(self, first: int, count: int) -> list[float]:
        """What is compared: the outputs, squared and added up."""
        samples = [self.pairs[n % self.batches][0] for n in range(first, first + count)]
        return [float((self.run(x) ** 2).sum()) for x in samples]

    def epoch(self) -> None:
        """A call for each sample."""
        for x, _ in self.pairs:
            self.run(x)
