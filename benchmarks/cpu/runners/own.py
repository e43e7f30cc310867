"""Our own side: `model.fit` over many batches, and nothing but what users have."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import chainrule as cr

from ..workloads import Sample, Workload
from ..workloads.sweep import Sweep
from .base import Runner

for name in ("Adam", "Callback", "Dense", "Input", "Model", "Sequential", "Sweep"):
    getattr(cr, name)  # what the package names is imported when it is first used


class Clock(cr.Callback):
    """Notes when each epoch ended."""

    def __init__(self) -> None:
        """The first epoch begins now."""
        self.ends = [time.perf_counter()]

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """An epoch ended."""
        self.ends.append(time.perf_counter())


class Own(Runner):
    """`fit` without progress; an epoch's time is from the end of the one before."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Make the model and give it the weights."""
        super().__init__(workload, sample, loss)
        self.x, self.y = sample.x, sample.y
        self.model = loss()
        self.model.set_weights([*sample.weights.values(), *sample.state.values()])

    def losses(self, first: int, count: int) -> list[float]:
        """A `fit` for each batch: the program of whole epochs, as it is timed."""
        found = []
        for number in range(first, first + count):
            rows = self.rows(number)
            history = self.model.fit(
                self.x[rows], self.y[rows], batch_size=self.batch, shuffle=False, verbose=0
            )
            found.append(history.history["loss"][0])
        return found

    def epoch(self) -> None:
        """One epoch alone."""
        self.epochs(1)

    def epochs(self, count: int) -> list[float]:
        """All epochs in one `fit`."""
        clock = Clock()
        self.model.fit(
            self.x,
            self.y,
            batch_size=self.batch,
            epochs=count,
            shuffle=False,
            verbose=0,
            callbacks=clock,
        )
        return [b - a for a, b in zip(clock.ends, clock.ends[1:], strict=False)]


class OwnPrediction(Own):
    """`model(x)` for each sample."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Cut the data into samples."""
        super().__init__(workload, sample, loss)
        self.samples = [self.x[rows] for rows in map(self.rows, range(self.batches))]

    def losses(self, first: int, count: int) -> list[float]:
        """What is compared: the outputs, squared and added up."""
        numbers = range(first, first + count)
        return [float((self.model(self.samples[n % self.batches]) ** 2).sum()) for n in numbers]

    def epochs(self, count: int) -> list[float]:
        """Each sample once an epoch."""
        return Runner.epochs(self, count)

    def epoch(self) -> None:
        """A call for each sample."""
        model = self.model
        for x in self.samples:
            model(x)


class OwnSweep(Runner):
    """`fit` of a sweep: each network is trained from the first epoch to the last on its own."""

    def __init__(self, workload: Workload, sample: Sample, loss: Callable[..., Any]) -> None:
        """Make the networks and give them the weights."""
        super().__init__(workload, sample, loss)
        assert isinstance(workload, Sweep)
        self.x, self.y = sample.x, sample.y
        self.sweep = workload.sweep()
        for number, model in enumerate(self.sweep.models):
            model.set_weights([w[number] for w in sample.weights.values()])

    def losses(self, first: int, count: int) -> list[float]:
        """A `fit` for each batch, and the sum of the networks' losses."""
        return [
            float(self.fit(rows, 1)["loss"].sum())
            for rows in map(self.rows, range(first, first + count))
        ]

    def epoch(self) -> None:
        """One epoch of all networks."""
        self.epochs(1)

    def epochs(self, count: int) -> list[float]:
        """All epochs in one `fit`, which have equal shares of its time: none ends by itself."""
        begun = time.perf_counter()
        self.fit(slice(None), count)
        return [(time.perf_counter() - begun) / count] * count

    def fit(self, rows: slice, epochs: int) -> dict[str, Any]:
        """Train on these rows."""
        return self.sweep.fit(
            self.x[rows],
            self.y[rows],
            batch_size=self.batch,
            epochs=epochs,
            shuffle=False,
            verbose=0,
        )
