"""Names that users give: checked once, before they reach a graph or source text."""

from __future__ import annotations

import keyword

from chainrule.compiler.errors import UnknownNameError


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
