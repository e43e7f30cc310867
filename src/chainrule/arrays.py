"""The arrays of a model, by name: written to in place, never replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from chainrule.compiler.errors import DTypeError, ShapeError, UnknownNameError, UsageError, nearest
from chainrule.compiler.ir import Node
from chainrule.compiler.types import value

from .compiled import name_of

Array = np.ndarray[Any, Any]


class Arrays(dict[str, Array]):
    """Arrays that belong to a model.

    `arrays["b1"] = 0.0` writes into the array, as `arrays["b1"][...] = 0.0` does: programs run on
    the array itself.
    """

    def __missing__(self, name: object) -> NoReturn:
        raise UnknownNameError(
            f"there is no array {name!r}",
            f"the model has {', '.join(self) or 'none'}",
            nearest(str(name), self),
        )

    def __setitem__(self, name: str, given: Any) -> None:
        self[name][...] = fitting(name, given, self[name])

    def __delitem__(self, name: str) -> NoReturn:
        raise UsageError(
            f"the array {name!r} belongs to a model",
            "it can be written to, and not be taken away",
            "a model without it is another model: build that one",
        )


def fitting(name: str, given: Any, array: Array) -> Array:
    """What is given for an array, if it holds numbers and has its shape or that of one number.

    Args:
        name: the array's name, for the errors.
        given: an array, or anything that NumPy makes one of.
        array: what it is written to.

    Raises:
        DTypeError: text, objects, complex numbers.
        ShapeError: it has another shape.
    """
    try:
        found = np.asarray(given)
    except ValueError:  # rows of different lengths
        found = np.asarray(None)
    if found.dtype.kind not in "biuf":
        raise DTypeError(
            f"{name} does not hold real numbers",
            f"expected {array.dtype}, came {type(given).__name__} of dtype {found.dtype}",
            "convert it to numbers first",
        )
    if found.shape not in (array.shape, ()):
        raise ShapeError(
            f"{name} of shape {found.shape}",
            f"expected {array.shape}",
            "an array is written as a whole, or filled with one number",
        )
    return found


def room(p: Node) -> Array:
    """An array without values for a parameter or a state."""
    from chainrule.runtime.memory import empty

    with enough_memory(p):
        return empty(tuple(value(dim, {}) for dim in p.shape), p.dtype)


@contextmanager
def enough_memory(p: Node) -> Iterator[None]:
    """Inside, memory that cannot be had is the parameter's: UsageError."""
    try:
        yield
    except MemoryError as error:
        raise UsageError(
            f"{name_of(p)} does not fit into memory",
            f"{p.type}: {value(p.type.size, {}):,} numbers",
            "make the layer smaller",
            p.where,
        ) from error
