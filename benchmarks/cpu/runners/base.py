"""What a runner is: a framework that holds weights and data of a workload, and trains."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ..workloads import Sample, Workload


class Runner(ABC):
    """Trains one workload, step by step where losses are wanted, and epoch by epoch in time.

    Args:
        workload: what is trained.
        sample: its arrays.
        loss: the workload's method for this framework: what it calls its loss, or builds its model.
    """

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Take over the arrays; nothing is compiled yet."""
        self.batch, self.batches, self.loss = workload.batch, workload.batches, loss

    @abstractmethod
    def losses(self, first: int, count: int) -> list[float]:
        """Take steps on batches `first`, `first + 1`, ..., each once; the loss before each step."""

    @abstractmethod
    def epoch(self) -> None:
        """Train on every batch, and wait until it is done."""

    def epochs(self, count: int) -> list[float]:
        """Train for so many epochs: the seconds of each."""
        seconds = []
        for _ in range(count):
            begun = time.perf_counter()
            self.epoch()
            seconds.append(time.perf_counter() - begun)
        return seconds

    def rows(self, number: int) -> slice:
        """The rows of a batch; after the last one comes the first."""
        first = number % self.batches * self.batch
        return slice(first, first + self.batch)
