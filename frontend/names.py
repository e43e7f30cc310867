"""Names that users give: checked once, before they reach a graph or source text."""

from __future__ import annotations

import functools
import inspect
import keyword
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from chainrule.compiler.errors import UnknownNameError, nearest

P = ParamSpec("P")
R = TypeVar("R")


def identifier(name: object, what: str) -> str:
    """`name`, if it is a plain ASCII identifier that source text can carry.

    Args:
        name: what the user gave.
        what: what it names, for the error: `a tensor's name`.

    Raises:
        UnknownNameError: it is not a string, not an identifier, a keyword, or has leading
            underscores.
    """
    if (
        not isinstance(name, str)
        or not name.isascii()
        or not name.isidentifier()
        or keyword.iskeyword(name)
        or keyword.issoftkeyword(name)
        or name.startswith("_")
        or len(name) > 64
    ):
        raise UnknownNameError(
            f"{what} is {name!r}",
            "expected letters, digits and underscores, a letter first, no Python keyword",
            "such as 'x', 'hidden_1' or 'head'",
        )
    return name


def check_options(called: str, function: Callable[..., Any], given: Iterable[str]) -> None:
    """Whether a function has arguments of these names.

    Raises:
        UnknownNameError: it has not; the nearest name is in the message.
    """
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    known = [name for name in parameters if name != "self"]
    for name in given:
        if name not in known:
            raise UnknownNameError(
                f"{called} has no option {name!r}",
                f"it has {', '.join(known) or 'none'}",
                nearest(name, known),
            )


def options(function: Callable[P, R]) -> Callable[P, R]:
    """A function that says which of its arguments was meant by one that it does not have."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs:
            check_options(function.__name__, function, kwargs)
        return function(*args, **kwargs)

    return checked
