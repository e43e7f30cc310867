"""Batches in chunks: native calls of about a tenth of a second, each of which may be taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chainrule.compiler.errors import DivergenceError

from .data import samples
from .devices.base import Array, Executable, Fixed
from .divergence import broken_weights, diverged
from .interrupts import Interrupts
from .rewind import Rewind, Rewound

CHUNK_SECONDS = 0.1
# A chunk is at most so many times as long as the one before it.
_GROWTH = 8


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that programs report for each batch: the loss, or a metric.

    Attributes:
        name: its key in the logs.
        finish: what turns the mean over the rows into what is reported, such as a square root.
    """

    name: str
    finish: Callable[[float], float] | None = None

    def value(self, total: float, rows: int) -> float:
        """What to report for the sum over so many rows."""
        mean = total / rows
        return mean if self.finish is None else float(self.finish(mean))


def report(
    quantities: Sequence[Quantity], totals: npt.NDArray[np.float64], rows: int
) -> dict[str, float]:
    """The quantities by name, for their sums over so many rows."""
    return {
        quantity.name: quantity.value(float(total), rows)
        for quantity, total in zip(quantities, totals, strict=True)
    }


class Pace:
    """How many batches make a chunk."""

    def __init__(self) -> None:
        """The first chunk is one batch."""
        self._next = 1

    def batches(self, left: int) -> int:
        """The number of batches for the next chunk, of those that are left."""
        return min(self._next, left)

    def took(self, batches: int, seconds: float) -> None:
        """Learn from a chunk."""
        fitting = int(CHUNK_SECONDS * batches / max(seconds, 1e-9))
        self._next = max(1, min(fitting, _GROWTH * self._next))


class Run:
    """One training over one set of data: where it stands, chunk by chunk.

    Args:
        program: the program of a training step.
        state: parameters, state and settings, changed in place.
        params: names of those that are parameters.
        data: the arrays of all rows.
        quantities: what the program reports.
        batch_size: rows of a batch.
        interrupts: holds Ctrl-C back during a chunk.
        rewind: copies of the state, to go back to.

    Attributes:
        done: batches of the epoch that are done.
        batches: batches of an epoch.
    """

    def __init__(
        self,
        program: Executable,
        state: Mapping[str, Array],
        params: Sequence[str],
        data: Mapping[str, Array],
        quantities: Sequence[Quantity],
        batch_size: int,
        interrupts: Interrupts,
        rewind: Rewind,
    ) -> None:
        """Refuse weights that are not finite from the start."""
        self._program, self._state, self._params = program, state, params
        self._data, self._arrays = data, Fixed({**state, **data})
        self._quantities, self._interrupts = quantities, interrupts
        self._batch_size, self._rows = batch_size, samples(data)
        self._rewind, self._pace = rewind, Pace()
        self._totals = np.zeros(len(quantities))
        self._first_loss: float | None = None
        self.batches = -(-self._rows // batch_size)
        self.begin(0, np.arange(0))
        if broken := self._rewind.broken():
            raise broken_weights(broken)

    def begin(self, epoch: int, order: npt.NDArray[np.int64], one_by_one: bool = False) -> None:
        """An epoch begins.

        Args:
            epoch: its number.
            order: the rows in their order, which nobody changes.
            one_by_one: whether somebody looks after every batch, and may change weights then.
        """
        self._epoch, self._order, self._one_by_one = epoch, order, one_by_one
        order.flags.writeable = False
        self._totals[:] = 0.0
        self.done = 0

    @property
    def rows_done(self) -> int:
        """Rows of the epoch that are done."""
        return min(self.done * self._batch_size, self._rows)

    def logs(self) -> dict[str, float]:
        """Means over the epoch so far; nothing before its first batch."""
        if not self.done:
            return {}
        return report(self._quantities, self._totals, self.rows_done)

    def chunk(self) -> None:
        """Train on the next batches, in one native call."""
        first = self.done
        begins = first == 0 and (self._rewind.is_small or self._rewind.epoch < 0)
        if begins or self._rewind.due:
            if first:
                self.check()
            self._rewind.take(self._epoch, first)
        count = 1 if self._one_by_one else self._pace.batches(self.batches - first)
        with self._interrupts.held:
            start, totals = time.perf_counter(), self._totals.copy()
            try:
                done = self._call(first, first + count, self._totals)
            except BaseException:
                # It may have been in the middle of a step: back to where the chunk began.
                self._totals[:] = totals
                self._back(first)
                raise
            self._pace.took(count, time.perf_counter() - start)
            self.done = first + done
            if done < count:
                raise self._diverged("loss", self.done)
            if self._first_loss is None:
                self._first_loss = float(self._totals[0]) / self.rows_done

    def check(self) -> None:
        """DivergenceError if a finite loss has left weights that are not."""
        with self._interrupts.held:
            if self._rewind.broken():
                raise self._diverged("weights", self.done - 1)

    def _call(self, first: int, last: int, totals: npt.NDArray[np.float64]) -> int:
        return self._program.epoch(first, last, self._batch_size, self._order, self._arrays, totals)

    def _repeat(self, first: int, last: int) -> float | None:
        totals = np.zeros_like(self._totals)
        # Who looks after every batch may have changed something that we do not know of.
        if self._one_by_one or self._call(first, last, totals) < last - first:
            return None
        rows = min(last * self._batch_size, self._rows) - first * self._batch_size
        return float(totals[0]) / rows

    def _back(self, batch: int) -> Rewound:
        return self._rewind.back(self._epoch, batch, self._repeat)

    def _diverged(self, what: str, batch: int) -> DivergenceError:
        """Go back to the last finite weights, and say what happened in which batch."""
        rows = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        return diverged(
            what,
            epoch=self._epoch,
            batch=batch,
            batches=self.batches,
            rewound=self._back(self.done),
            first_loss=self._first_loss,
            params={name: self._state[name] for name in self._params},
            inputs={name: array[rows] for name, array in self._data.items()},
        )
