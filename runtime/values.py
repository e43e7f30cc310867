"""The values of an array, checked, and cast to the type that a program reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chainrule.compiler.errors import DataError
from chainrule.compiler.types import FLOATS

from .devices.base import Array

FEW = 4096  # elements that are looked at one by one


def cast(
    label: str, array: Array, dtype: str, classes: int | None = None, finite: bool = True
) -> Array:
    """The array in C order and the wanted dtype, where no value is lost by that.

    Rounding float64 to float32 is no loss; a fraction, a number out of range, NaN or infinity is.

    Args:
        label: how the user would write the array, such as `x[0]`.
        array: booleans, integers or floating-point numbers, of any shape with at least one axis.
        dtype: the wanted dtype.
        classes: for integers, the number of classes that they are labels of.
        finite: whether floating-point numbers must be finite where floating-point numbers are read.

    Returns:
        The array itself if it is as wanted, else a copy.

    Raises:
        DataError: naming the first row with such a value, and how many there are.
    """
    if finite or dtype not in FLOATS:
        check_finite(label, array)
    if dtype in FLOATS:
        with np.errstate(over="ignore"):
            result = np.require(array, dtype, ["C", "A", "E"])
        narrower = array.dtype.itemsize > result.dtype.itemsize
        if narrower and not all_finite(result) and (np.isinf(result) & ~np.isinf(array)).any():
            _refuse(
                f"{label} contains a value too large for {dtype}",
                f"expected at most {np.finfo(dtype).max:.3g}",
                "scale the values, or build the model with float64",
                label,
                array,
                np.isinf(result) & ~np.isinf(array),
            )
        return result
    if array.dtype.kind == "f":
        _check_integers(label, array)
    if dtype == "bool":
        _check_range(
            label, array, 0, 1, "expected False or True, 0 or 1", "compare with a threshold"
        )
    elif classes is not None:
        _check_range(
            label,
            array,
            0,
            classes - 1,
            f"expected labels 0 to {classes - 1}, for {classes} classes",
            _label_hint(label, array, classes),
            what="has a label out of range",
        )
    else:
        info = np.iinfo(dtype)
        _check_range(
            label,
            array,
            info.min,
            info.max,
            f"expected numbers that fit {dtype}",
            "scale the values",
        )
    return np.require(array, dtype, ["C", "A", "E"])


def all_finite(array: Array) -> bool:
    """Whether no value is NaN or infinite."""
    if array.dtype.kind != "f":
        return True
    if array.size <= FEW:
        # Its truth values are bytes; asking `all` takes three times as long.
        return b"\0" not in np.isfinite(array).tobytes()
    # NaN and infinity survive a sum, which needs no memory; it may also overflow by itself.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):
            return True
    return bool(np.isfinite(array).all())


def plain(array: Array, classes: int | None) -> bool:
    """Whether an array has, at a glance, nothing that `cast` refuses; a large one may not tell.

    Args:
        array: numbers of the dtype that is read.
        classes: for labels, the number of classes.
    """
    if classes is None:
        return all_finite(array)
    return array.size <= FEW and b"\0" not in ((array >= 0) & (array < classes)).tobytes()


def check_finite(label: str, array: Array) -> None:
    """DataError where a value is NaN or infinite."""
    if all_finite(array):
        return
    nan = np.isnan(array)
    kind, bad = ("NaN", nan) if nan.any() else ("infinity", np.isinf(array))
    _refuse(
        f"Input {label} contains {kind}.",
        "expected finite numbers",
        "leave those rows out, or fill in values, before training",
        label,
        array,
        bad,
    )


def _check_integers(label: str, array: Array) -> None:
    fraction = array != np.floor(array)
    if fraction.any():
        _refuse(
            f"{label} must hold integers",
            "expected whole numbers",
            "the loss takes labels 0, 1, 2, ...; for real-valued targets use a regression loss",
            label,
            array,
            fraction,
        )


def _check_range(
    label: str,
    array: Array,
    low: int,
    high: int,
    expected: str,
    hint: str,
    what: str = "has a value out of range",
) -> None:
    if int(array.min()) >= low and int(array.max()) <= high:
        return
    # The largest integer of a dtype may be no float of its own; one more is.
    above = array >= float(high) + 1 if array.dtype.kind == "f" else array > high
    bad = (array < low) | above
    _refuse(f"{label} {what}", expected, hint, label, array, bad)


def _label_hint(label: str, array: Array, classes: int) -> str:
    low, high = int(array.min()), int(array.max())
    if low == 1 and high == classes:
        return f"labels count from 0: pass {label} - 1"
    if low < 0:
        return "labels count from 0; number them with numpy.unique(y, return_inverse=True)"
    return f"give the last layer {high + 1} units, or number the labels from 0"


def _refuse(
    what: str,
    expected: str,
    hint: str,
    label: str,
    array: Array,
    bad: npt.NDArray[np.bool_],
) -> None:
    """Raise DataError with the first bad value, and how many rows have one."""
    first = np.unravel_index(int(bad.argmax()), bad.shape)
    place = ", ".join(str(int(index)) for index in first)
    rows = int(bad.reshape(len(bad), -1).any(axis=1).sum())
    raise DataError(
        what,
        f"{expected}, got {label}[{place}] = {array[first].item()!r}; "
        f"{int(bad.sum())} such values in {rows} of {len(bad)} rows",
        hint,
    )
