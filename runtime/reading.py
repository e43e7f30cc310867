"""Anything that NumPy makes an array of, as an array of real numbers in the wanted shape."""

from __future__ import annotations

import sys

import numpy as np

from chainrule.compiler.errors import DataError, DTypeError, ShapeError
from chainrule.compiler.types import SHORT, TensorType

from .devices.base import Array


def read(label: str, value: object) -> Array:
    """The value as a NumPy array of booleans or real numbers, not yet of the wanted type."""
    check_unmasked(label, value)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{label} is not an array with equal rows",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            "every row must have the same number of values",
        ) from error
    if array.dtype.kind in "biuf":
        return array
    hints = {
        "c": "pass real and imaginary parts as two columns",
        "U": "number the labels: names, y = numpy.unique(y, return_inverse=True)",
        "S": "number the labels: names, y = numpy.unique(y, return_inverse=True)",
        "M": "convert dates to numbers, such as days",
        "m": "divide by a unit of time, such as numpy.timedelta64(1, 's')",
    }
    hint = hints.get(array.dtype.kind, "convert every value to a number first")
    if array.ndim == 0 and array.dtype.kind == "O":
        hint = "pass an array, a list of rows or a data frame; call .toarray() on a sparse matrix"
    raise DTypeError(
        f"{label} does not hold real numbers",
        f"expected numbers, got {_described(array, value)}",
        hint,
    )


def check_unmasked(label: str, value: object) -> None:
    """Masked values have no meaning here.

    Raises:
        DataError: there are some.
    """
    ma = sys.modules.get("numpy.ma")  # without which there are no such arrays; it takes 10 ms
    if ma is not None and isinstance(value, ma.MaskedArray) and ma.is_masked(value):
        mask = ma.getmaskarray(value)
        raise DataError(
            f"{label} has masked values",
            f"{int(mask.sum())} of {mask.size} values are masked",
            "fill them in, for example with .filled(0), or leave those rows out",
        )


def _described(array: Array, value: object) -> str:
    if array.ndim == 0:
        return f"a {type(value).__name__}"
    first = array.reshape(-1)[0] if array.size else ""
    return f"dtype {array.dtype}, such as {first!r}"


def in_shape(label: str, array: Array, wanted: TensorType) -> Array:
    """The array in the wanted shape: as it is, or with a last axis of size one added or dropped.

    Args:
        label: how the user would write the array.
        array: what was passed.
        wanted: sizes that are numbers must be equal; the others may be anything but 0.

    Raises:
        DataError: the array is empty.
        ShapeError: it has other axes.
    """
    if array.size == 0:
        raise DataError(
            f"{label} is empty",
            f"expected {wanted}, got shape {array.shape}",
            "pass at least one row",
        )
    shapes = [array.shape]
    if array.ndim:
        shapes.append((*array.shape, 1))
    if array.ndim > 1 and array.shape[-1] == 1:
        shapes.append(array.shape[:-1])
    for shape in shapes:
        if len(shape) == wanted.ndim and all(
            size == dim
            for size, dim in zip(shape, wanted.shape, strict=True)
            if isinstance(dim, int)
        ):
            return array.reshape(shape)
    kind = SHORT.get(str(array.dtype), str(array.dtype))
    raise ShapeError(
        f"{label} has the wrong shape",
        f"expected {wanted}, got {kind}[{', '.join(map(str, array.shape))}]",
        _shape_hint(label, array.shape, wanted),
    )


def _shape_hint(label: str, shape: tuple[int, ...], wanted: TensorType) -> str:
    if wanted.dtype.startswith("int") and len(shape) == wanted.ndim + 1:
        return f"class numbers are wanted: of one-hot rows, numpy.argmax({label}, axis=-1)"
    row = wanted.shape[1:]
    if all(isinstance(dim, int) for dim in row):
        sizes = tuple(dim for dim in row if isinstance(dim, int))
        needed = int(np.prod(sizes))
        if shape == sizes:
            return f"one sample needs an axis for the batch too: {label}[None]"
        if shape and int(np.prod(shape[1:])) == needed:
            return (
                f"{label}.reshape(len({label}), {', '.join(map(str, sizes))}) has the right shape"
            )
        if len(shape) == 2 and (shape[0],) == sizes:
            return f"samples are rows: {label}.T has the right shape"
        if needed > 1 and len(shape) == wanted.ndim - 1:
            return f"a row of {needed} a sample is wanted; class numbers go with the sparse_ losses"
    return "the first axis is the samples, and the model fixes the others"
