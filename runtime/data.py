"""What users pass as data, turned into the arrays that a program reads, or refused with why."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.compiler.errors import DataError, UnknownNameError, UsageError, nearest
from chainrule.compiler.program import Buffer

from .devices.base import Array
from .reading import in_shape, read
from .values import cast

Arrays: TypeAlias = dict[str, Array]

DEFAULT_BATCH_SIZE = 32
INFERENCE_BATCH = 256
# Streams of one seed: the order of each epoch, the validation rows, the layers' random numbers.
_ORDER, _SPLIT, _LAYERS = range(3)


@dataclass(frozen=True, slots=True)
class Slot:
    """An array that a model asks for; its first axis is the samples.

    Attributes:
        buffer: the program's buffer: dtype and shape, such as `f32[batch, 784]`.
        name: what users call it: the key when they pass a dictionary.
        classes: for integer labels, how many classes there are, where that is known.
    """

    buffer: Buffer
    name: str
    classes: int | None = None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Arrays by buffer name, ready for `Trainer.fit`."""

    train: Arrays
    validation: Arrays | None
    batch_size: int


def training_data(
    x: object,
    y: object,
    inputs: Sequence[Slot],
    targets: Sequence[Slot],
    *,
    batch_size: int | None = None,
    validation_data: object = None,
    validation_split: float = 0.0,
    seed: int,
) -> TrainingData:
    """Everything that `fit` is given, checked and converted.

    Args:
        x: an array for one input; a dictionary by name or a list for several.
        y: the targets, likewise; None for a model that has none.
        inputs: what the model reads.
        targets: what its loss compares with.
        batch_size: rows of a batch, at most the rows there are; by default 32 or all.
        validation_data: a pair `(x, y)`.
        validation_split: the share of the rows to hold out, drawn with the seed.
        seed: chooses the rows that are held out.

    Returns:
        The arrays to train on, those to validate on or None, and the size of a batch.

    Raises:
        DataError: NaN, infinity, labels out of range, empty or inconsistent data.
        ShapeError: a shape that the model does not take.
        DTypeError: text, objects, complex numbers.
        UsageError: arguments that do not make sense.
    """
    train = convert_all(("x", x, inputs), ("y", y, targets))
    rows = samples(train)
    validation: Arrays | None = None
    if validation_data is not None:
        if validation_split:
            raise UsageError(
                "validation_data and validation_split are both given",
                f"validation_split is {validation_split!r}",
                "pass one of them",
            )
        validation = _pair(validation_data, inputs, targets)
    elif validation_split:
        fraction = check_split(validation_split, rows)
        train, validation = split(train, fraction, seed)
        rows = samples(train)
    return TrainingData(train, validation, check_batch_size(batch_size, rows))


def convert(argument: str, given: object, slots: Sequence[Slot], *, finite: bool = True) -> Arrays:
    """The arrays of one argument, by buffer name.

    Args:
        argument: the argument's name, `x` or `y`, for the errors.
        given: an array or anything NumPy makes one of; a dictionary by name or a list for several.
        slots: what the model asks for.
        finite: whether NaN and infinity are refused.

    Returns:
        C-contiguous arrays of each buffer's dtype; where nothing had to change, the user's own.
    """
    return {
        slot.buffer.name: _array(label, value, slot, finite)
        for label, value, slot in _named(argument, given, slots)
    }


def convert_all(*arguments: tuple[str, object, Sequence[Slot]]) -> Arrays:
    """The arrays of several arguments that belong together, each as `convert` takes it.

    Raises:
        DataError: they differ in the number of rows.
    """
    arrays: Arrays = {}
    rows: dict[str, int] = {}
    for argument, given, slots in arguments:
        for label, value, slot in _named(argument, given, slots):
            array = _array(label, value, slot)
            arrays[slot.buffer.name], rows[label] = array, len(array)
    _check_rows(rows)
    return arrays


def samples(arrays: Mapping[str, Array]) -> int:
    """The number of rows that all arrays have."""
    rows = {name: len(array) for name, array in arrays.items()}
    _check_rows(rows)
    return next(iter(rows.values()))


def _check_rows(rows: Mapping[str, int]) -> None:
    if len(set(rows.values())) > 1:
        raise DataError(
            f"Found input variables with inconsistent numbers of samples: {list(rows.values())}",
            f"rows: {', '.join(f'{name} has {count}' for name, count in rows.items())}",
            "each row of one array belongs to the same row of the others",
        )


def split(arrays: Mapping[str, Array], fraction: float, seed: int) -> tuple[Arrays, Arrays]:
    """Rows to train on and rows to validate on, each in their original order.

    The validation rows are drawn with the seed, not taken from the end: data sorted by label, which
    is common, would otherwise be validated on classes that were never trained on.
    """
    rows = samples(arrays)
    held = min(max(round(rows * fraction), 1), rows - 1)
    chosen = np.zeros(rows, dtype=bool)
    chosen[_generator(seed, _SPLIT).permutation(rows)[:held]] = True
    return (
        {name: array[~chosen] for name, array in arrays.items()},
        {name: array[chosen] for name, array in arrays.items()},
    )


def permutation(seed: int, epoch: int, n: int) -> npt.NDArray[np.int64]:
    """The order of `n` rows in an epoch: a function of seed and epoch alone."""
    return _generator(seed, _ORDER, epoch).permutation(n).astype(np.int64, copy=False)


def layer_seed(seed: int) -> int:
    """A number of 31 bits for a program's own random numbers, which fits every integer dtype."""
    sequence = np.random.SeedSequence(seed, spawn_key=(_LAYERS,))
    return int(sequence.generate_state(1, np.uint32)[0] >> 1)


def _generator(seed: int, *stream: int) -> np.random.Generator:
    # PCG64 by name: the default generator may change with NumPy's version, a result should not.
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)))


def check_seed(seed: int | None) -> int:
    """The seed to use: a non-negative integer, or a fresh one from the system for None."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    return natural("seed", seed)


def check_epochs(epochs: int, initial_epoch: int = 0) -> tuple[int, int]:
    """The last epoch's number and the first one's."""
    return (
        positive("epochs", epochs),
        natural("initial_epoch", initial_epoch),
    )


def check_shuffle(shuffle: object) -> None:
    """UsageError for what is neither true nor false."""
    if not isinstance(shuffle, bool | np.bool_):
        raise UsageError(
            f"shuffle={shuffle!r}", "expected True or False", "rows are shuffled one by one"
        )


def check_batch_size(batch_size: int | None, rows: int) -> int:
    """The rows of a batch to train on: what was asked for, or 32 or all rows if those are fewer."""
    if batch_size is None:
        return min(DEFAULT_BATCH_SIZE, rows)
    size = positive("batch_size", batch_size)
    if size > rows:
        raise DataError(
            "batch_size is larger than the data",
            f"batch_size is {size}, and there are {rows} rows to train on",
            f"use batch_size={rows} or less",
        )
    return size


def check_split(fraction: object, rows: int) -> float:
    """The share of rows to hold out, between 0 and 1, with at least one row on each side."""
    if isinstance(fraction, bool) or not isinstance(fraction, int | float | np.number):
        number = float("nan")
    else:
        number = float(fraction)
    if not 0 < number < 1:
        raise UsageError(
            "validation_split must be between 0 and 1",
            f"got {fraction!r}",
            "0.1 holds out a tenth of the rows",
        )
    if rows < 2:
        raise DataError(
            "too few rows to hold some out for validation",
            f"validation_split is {number:g}, and there is {rows} row",
            "pass validation_data=(x, y)",
        )
    return number


def positive(name: str, given: object) -> int:
    """The argument as an integer of at least 1."""
    return _integer(name, given, at_least=1)


def natural(name: str, given: object) -> int:
    """The argument as an integer of at least 0."""
    return _integer(name, given, at_least=0)


def _integer(name: str, given: object, at_least: int) -> int:
    try:
        number = -1 if isinstance(given, bool | np.bool_) else operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < at_least:
        kind = "a positive integer" if at_least else "a non-negative integer"
        raise UsageError(
            f"{name} must be {kind}", f"got {given!r}", f"{name} counts from {at_least}"
        )
    return number


def _pair(given: object, inputs: Sequence[Slot], targets: Sequence[Slot]) -> Arrays:
    if not isinstance(given, tuple | list) or len(given) != 2:
        size = f" of {len(given)}" if isinstance(given, tuple | list) else ""
        raise UsageError(
            "validation_data must be a pair (x, y)",
            f"got a {type(given).__name__}{size}",
            "pass validation_data=(x_validation, y_validation)",
        )
    return convert_all(
        ("validation_data[0]", given[0], inputs), ("validation_data[1]", given[1], targets)
    )


def _named(
    argument: str, given: object, slots: Sequence[Slot]
) -> Iterator[tuple[str, object, Slot]]:
    """Label, value and slot of each array: the label is how the user would write it."""
    names = [slot.name for slot in slots]
    wanted = ", ".join(f"{slot.name}: {slot.buffer.type}" for slot in slots)
    if not slots:
        if given is not None:
            raise UsageError(
                f"{argument} is given, but the model reads none",
                f"got a {type(given).__name__}",
                f"leave {argument} out",
            )
        return
    if given is None:
        raise UsageError(f"{argument} is missing", f"expected {wanted}", f"pass {argument}")
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise UnknownNameError(
                    f"{argument} has no array called {name!r}",
                    f"expected {wanted}",
                    nearest(str(name), names),
                )
        for slot in slots:
            if slot.name not in given:
                raise UsageError(
                    f"{argument}[{slot.name!r}] is missing",
                    f"expected {wanted}",
                    "the dictionary has: " + (", ".join(map(str, given)) or "nothing"),
                )
            yield f"{argument}[{slot.name!r}]", given[slot.name], slot
    elif len(slots) == 1:
        # A model of one input is often written with a list of one, and so are its data.
        only = given[0] if isinstance(given, list | tuple) and len(given) == 1 else None
        if isinstance(only, np.ndarray) and only.ndim == slots[0].buffer.type.ndim:
            yield f"{argument}[0]", only, slots[0]
        else:
            yield argument, given, slots[0]
    elif isinstance(given, list | tuple) and len(given) == len(slots):
        for position, (value, slot) in enumerate(zip(given, slots, strict=True)):
            yield f"{argument}[{position}]", value, slot
    else:
        count = f"{len(given)} arrays" if isinstance(given, list | tuple) else "one array"
        raise UsageError(
            f"{argument} must hold {len(slots)} arrays",
            f"expected {wanted}; got {count}",
            "pass a dictionary by name, or a list in that order",
        )


def _array(label: str, value: object, slot: Slot, finite: bool = True) -> Array:
    wanted = slot.buffer.type
    array = in_shape(label, read(label, value), wanted)
    return cast(label, array, wanted.dtype, slot.classes, finite)
