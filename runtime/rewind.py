"""Back to the last finite weights: copies of what training changes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np

from .devices.base import Array
from .values import all_finite

# A copy is made when its cost is at most this share of the time since the one before; one of so few
# bytes at the beginning of each epoch, whatever it costs.
_SHARE = 0.02
_SMALL = 1 << 20
# Of more bytes than these, what the optimizer keeps for itself is not copied: for Adam two thirds.
_LARGE = 1 << 26


class Rewind:
    """A copy of all that training changes, from which steps can be repeated bit for bit.

    Of more than 64 MB the optimizer's own arrays are left out: after going back it starts anew, and
    no step is repeated. The memory of the copies is kept from one training to the next, since to
    get new pages takes several times as long as to write to them.

    Args:
        arrays: parameters, state and settings; restored in place.
        params: names of those that must stay finite.
        optimizer: the first values of those that the optimizer keeps for itself.

    Attributes:
        epoch: when the copy was made; -1 if there is none.
        first: the batch of that epoch before which it was.
        busy: whether a training has begun, and not ended.
        is_small: whether each epoch can have a copy of its own.
        is_whole: whether the optimizer's arrays are copied too.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array],
        params: Collection[str],
        optimizer: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Nothing is copied yet."""
        size = sum(array.nbytes for array in arrays.values())
        left_out = optimizer if size > _LARGE else {}
        self._params = {name: arrays[name] for name in params}
        self._copies = [
            (array, np.empty_like(array)) for name, array in arrays.items() if name not in left_out
        ]
        self._starts = [(arrays[name], start) for name, start in left_out.items()]
        self.is_small, self.is_whole = size <= _SMALL, not left_out
        self._begin()
        self.busy = False

    def __enter__(self) -> Self:
        """A training begins: what was copied before belongs to another."""
        self._begin()
        self.busy = True
        return self

    def __exit__(self, *_: object) -> None:
        """It has ended."""
        self.busy = False

    def _begin(self) -> None:
        self._taken, self._cost = -math.inf, 0.0
        self.epoch, self.first = -1, 0

    @property
    def due(self) -> bool:
        """Whether a new copy is worth its time."""
        return time.perf_counter() - self._taken > self._cost / _SHARE

    def broken(self) -> list[str]:
        """Names of the parameters that hold NaN or infinity."""
        return [name for name, array in self._params.items() if not all_finite(array)]

    def take(self, epoch: int, first: int) -> None:
        """Copy, before batch `first` of an epoch."""
        start = time.perf_counter()
        for array, copy in self._copies:
            copy[...] = array
        self._taken = time.perf_counter()
        self._cost = self._taken - start
        self.epoch, self.first = epoch, first

    def restore(self) -> None:
        """Copy back."""
        for array, copy in self._copies:
            array[...] = copy
        for array, start in self._starts:
            array[...] = start

    def back(self, epoch: int, batch: int, repeat: Callable[[int, int], float | None]) -> Rewound:
        """Go to the weights before `batch`, or before the one ahead of it if those are not finite.

        From another epoch no batch is repeated: somebody may have changed weights in between. Nor
        is one from a copy without what the optimizer had then.

        Args:
            epoch: the number of the epoch.
            batch: the number of the batch in it.
            repeat: runs batches `first ... last - 1` again: their mean loss, None if it cannot.
        """
        broken: list[str] = []
        for target in (batch, batch - 1) if self.is_whole and epoch == self.epoch else ():
            self.restore()
            if target <= self.first:
                break
            before = repeat(self.first, target - 1) if target - 1 > self.first else 0.0
            loss = None if before is None else repeat(target - 1, target)
            if loss is None:
                break
            if not self.broken():
                return Rewound(epoch, target, loss, broken)
            broken = broken or self.broken()
        self.restore()
        return Rewound(self.epoch, self.first, None, broken, not self.is_whole)


@dataclass(frozen=True, slots=True)
class Rewound:
    """Where the weights stand after going back.

    Attributes:
        epoch: the epoch of the batch that they stand before.
        batch: its number.
        loss: of the last batch ahead of it, where that was repeated.
        broken: parameters that were not finite before the batch that was asked for.
        anew: whether the optimizer is as at its start.
    """

    epoch: int
    batch: int
    loss: float | None
    broken: list[str]
    anew: bool = False
