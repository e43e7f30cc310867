"""When a loss becomes NaN or infinite: the likely cause, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chainrule.compiler.errors import DivergenceError

from .devices.base import Array
from .rewind import Rewound

# A loss or weight that grew by this factor says that the steps are too long.
_GROWTH = 10.0
_LARGE_WEIGHT, _LARGE_INPUT = 1e3, 1e2


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
    anew = ", and the optimizer starts anew" if rewound.anew else ""
    return DivergenceError(
        f"the {what} became NaN or infinite in epoch {epoch + 1}, batch {batch + 1} of {batches}",
        f"likely cause: {cause}",
        f"{hint}; the weights are those before batch {rewound.batch + 1}{of}{anew}",
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
