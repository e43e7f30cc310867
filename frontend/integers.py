"""Integers that users give: checked where they are given, so that nothing later stumbles."""

from __future__ import annotations

import operator
from typing import Any

from chainrule.compiler.errors import UsageError
from chainrule.compiler.types import Dim, Size

LARGEST = 2**31 - 1  # what is larger is a mistake, and sizes made of it would overflow


def whole(given: Any) -> int | None:
    """What was given as an integer; None if it is none, such as a truth value."""
    try:
        return None if isinstance(given, bool) else operator.index(given)
    except TypeError:
        return None


def integer(name: str, what: str, given: Any, least: int = -LARGEST) -> int:
    """An integer, at least `least`.

    Raises:
        UsageError: it is none, or too small or too large.
    """
    number = whole(given)
    if number is None or not least <= number <= LARGEST:
        of = f", at least {least}" if least > -LARGEST else ""
        if number is not None and number > LARGEST:
            of = f", at most {LARGEST}"
        raise UsageError(
            f"{name}: {what}={given!r:.60}",
            f"expected an integer{of}",
            f"such as {what}={max(least, 2)}",
        )
    return number


def count(name: str, what: str, given: Any) -> Dim:
    """How many of something: an integer from 0, or a size of a tensor.

    Raises:
        UsageError: it is neither.
    """
    return given if isinstance(given, Size) else integer(name, what, given, 0)
