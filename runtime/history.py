"""What training reported, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# A longer table leaves out its middle.
_HEAD, _TAIL = 20, 20


@dataclass(frozen=True, slots=True)
class PartialEpoch:
    """An epoch that was not finished: Ctrl-C, divergence, or an error in a callback.

    Attributes:
        epoch: its number, counted from 0.
        batches: how many of its batches were done.
        of: how many it has.
        logs: the means over those that were done.
    """

    epoch: int
    batches: int
    of: int
    logs: Mapping[str, float]

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1} after batch {self.batches} of {self.of}"


@dataclass(slots=True)
class History:
    """Losses and metrics of a training.

    Attributes:
        history: for each quantity its values, one an epoch.
        epoch: the numbers of those epochs, counted from 0.
        params: `epochs`, `steps`, `batch_size`, `samples`, `seed` and `metrics`.
        partial: the epoch in which training ended early, if it did.

    Example:
        >>> history = History()
        >>> history.append(0, {"loss": 2.25, "accuracy": 0.5})
        >>> print(history)
        epoch  loss  accuracy
            1  2.25       0.5
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    partial: PartialEpoch | None = None

    def append(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Record a finished epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def __str__(self) -> str:
        """A table with a line an epoch."""
        names = list(self.history) or list(self.partial.logs if self.partial else ())
        rows = [["epoch", *names], *self._rows(names)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )

    def _rows(self, names: list[str]) -> Iterator[list[str]]:
        for position, epoch in enumerate(self.epoch):
            if len(self.epoch) > _HEAD + _TAIL + 1 and _HEAD <= position < len(self.epoch) - _TAIL:
                if position == _HEAD:
                    yield ["..."] * (1 + len(names))
                continue
            yield [str(epoch + 1), *(self._cell(name, position) for name in names)]
        if self.partial is not None:
            done = f"{self.partial.epoch + 1} ({self.partial.batches}/{self.partial.of})"
            logs = self.partial.logs
            yield [done, *(number(logs[name]) if name in logs else "" for name in names)]

    def _cell(self, name: str, position: int) -> str:
        # A quantity that a callback adds later has fewer values than there are epochs.
        index = position - len(self.epoch) + len(self.history[name])
        return number(self.history[name][index]) if index >= 0 else ""


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"
