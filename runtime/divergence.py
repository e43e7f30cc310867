"""When a loss becomes NaN or infinite: back to the last finite weights, and the likely cause."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.compiler.errors import DivergenceError

from .devices.base import Array
from .values import all_finite

# A copy is made when its cost is at most this share of the time since the one before; one of so few
# bytes at the beginning of each epoch, whatever it costs.
_SHARE = 0.05
_SMALL = 1 << 20
# A loss or weight that grew by this factor says that the steps are too long.
_GROWTH = 10.0
_LARGE_WEIGHT, _LARGE_INPUT = 1e3, 1e2


class Rewind:
    """A copy of all that training changes, from which steps can be repeated bit for bit.

    Args:
        arrays: parameters, state and settings; restored in place.
        params: names of those that must stay finite.

    Attributes:
        epoch: when the copy was made; -1 if there is none.
        first: the batch of that epoch before which it was.
        is_small: whether each epoch can have a copy of its own.
    """

    def __init__(self, arrays: Mapping[str, Array], params: Collection[str]) -> None:
        """Nothing is copied yet."""
        self._arrays, self._params = arrays, params
        self._copies = {name: np.empty_like(array) for name, array in arrays.items()}
        self._taken, self._cost = -math.inf, 0.0
        self.epoch, self.first = -1, 0
        self.is_small = sum(array.nbytes for array in arrays.values()) <= _SMALL

    @property
    def due(self) -> bool:
        """Whether a new copy is worth its time."""
        return time.perf_counter() - self._taken > self._cost / _SHARE

    def broken(self) -> list[str]:
        """Names of the parameters that hold NaN or infinity."""
        return [name for name in self._params if not all_finite(self._arrays[name])]

    def take(self, epoch: int, first: int) -> None:
        """Copy, before batch `first` of an epoch."""
        start = time.perf_counter()
        for name, copy in self._copies.items():
            np.copyto(copy, self._arrays[name])
        self._taken = time.perf_counter()
        self._cost = self._taken - start
        self.epoch, self.first = epoch, first

    def restore(self) -> None:
        """Copy back."""
        for name, copy in self._copies.items():
            np.copyto(self._arrays[name], copy)

    def back(self, epoch: int, batch: int, repeat: Callable[[int, int], float | None]) -> Rewound:
        """Go to the weights before `batch`, or before the one ahead of it if those are not finite.

        From another epoch no batch is repeated: somebody may have changed weights in between.

        Args:
            epoch: the number of the epoch.
            batch: the number of the batch in it.
            repeat: runs batches `first ... last - 1` again: their mean loss, None if it cannot.
        """
        broken: list[str] = []
        for target in (batch, batch - 1) if epoch == self.epoch else ():
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
        return Rewound(self.epoch, self.first, None, broken)


@dataclass(frozen=True, slots=True)
class Rewound:
    """Where the weights stand after going back.

    Attributes:
        epoch: the epoch of the batch that they stand before.
        batch: its number.
        loss: of the last batch ahead of it, where that was repeated.
        broken: parameters that were not finite before the batch that was asked for.
    """

    epoch: int
    batch: int
    loss: float | None
    broken: list[str]


def diverged(
    what: str,
    *,
    epoch: int,
    batch: int,
    batches: int,
    rewound: Rewound,
    first_loss: float | None,
    params: Mapping[str, Array],
    inputs: Mapping[str, Array],
) -> DivergenceError:
    """The error for a loss or weights that are not finite, with the likely cause.

    Args:
        what: which of the two.
        epoch: its number, from 0.
        batch: the number of the batch in the epoch, from 0.
        batches: how many an epoch has.
        rewound: where the weights stand now.
        first_loss: the loss of the first batch of all, if that was finite.
        params: the parameters, finite again.
        inputs: the batch's inputs.
    """
    cause, hint = _cause(rewound, first_loss, params, inputs)
    of = "" if rewound.epoch == epoch else f" of epoch {rewound.epoch + 1}"
    return DivergenceError(
        f"the {what} became NaN or infinite in epoch {epoch + 1}, batch {batch + 1} of {batches}",
        f"likely cause: {cause}",
        f"{hint}; the weights are those before batch {rewound.batch + 1}{of}",
    )


def broken_weights(names: Collection[str]) -> DivergenceError:
    """The error for weights that are not finite before the first step."""
    return DivergenceError(
        f"there is NaN or infinity in the weights before training: {', '.join(names)}",
        "expected finite weights",
        "build the model again, or load weights that are finite",
    )


def _cause(
    rewound: Rewound,
    first_loss: float | None,
    params: Mapping[str, Array],
    inputs: Mapping[str, Array],
) -> tuple[str, str]:
    """What it was, and what to do about it."""
    loss, broken = rewound.loss, rewound.broken
    name, weight = _largest(params)
    input_name, size = _largest(inputs)
    slower = "lower the learning rate or clip the gradients"
    if size > _LARGE_INPUT:
        slower = f"scale {input_name} to mean 0 and deviation 1, or {slower}"
    if first_loss is not None and loss is not None and abs(loss) > _GROWTH * abs(first_loss):
        return (
            f"the learning rate is too high: the loss went from {first_loss:.3g} to {loss:.3g}",
            slower,
        )
    if weight > _LARGE_WEIGHT:
        return (
            f"the learning rate is too high: the largest weight, in {name}, is {weight:.3g}",
            slower,
        )
    if broken:
        return (
            f"the step of {', '.join(broken)} overflowed, or its gradient is not defined there: "
            "the square root or a power of 0, for example",
            slower,
        )
    if size > _LARGE_INPUT:
        return f"an overflow: {input_name} is as large as {size:.3g}", slower
    return (
        "the logarithm of 0 or a division by 0 in the loss or a formula; all weights are finite "
        f"and at most {weight:.3g}",
        "use the loss that takes logits, or keep the argument away from 0",
    )


def _largest(arrays: Mapping[str, Array]) -> tuple[str, float]:
    """The largest magnitude in any of the arrays, and which has it."""
    sizes = {
        name: float(max(abs(float(array.max())), abs(float(array.min()))))
        for name, array in arrays.items()
        if array.size and array.dtype.kind == "f"
    }
    if not sizes:
        return "", 0.0
    name = max(sizes, key=sizes.__getitem__)
    return name, sizes[name]
