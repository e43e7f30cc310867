"""Functions that users pass to be traced: checked before they are called."""

from __future__ import annotations

import inspect
from typing import Any

from chainrule.compiler.errors import UsageError


def parameters(what: str, function: Any, count: int, takes: str, hint: str) -> list[str]:
    """The names of a function's parameters; none where they cannot be told.

    Args:
        what: what the function is, such as "scan: the step".
        function: what came.
        count: how many arguments it will be called with.
        takes: what these are.
        hint: what to do about another number of them.

    Raises:
        UsageError: it is no function, or one of another number of arguments.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # of what is not written in Python nothing is known
        return []
    except TypeError:
        raise UsageError(
            f"{what} is {type(function).__name__}", f"expected a function of {takes}", hint
        ) from None
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        raise UsageError(
            f"{what} is one of {signature}", f"expected a function of {takes}", hint
        ) from None
    return [name for name in signature.parameters if name.isidentifier()]
