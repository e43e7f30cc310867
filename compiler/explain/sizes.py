"""Numbers for the named sizes of a graph, as a user gives them."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from ..errors import UnknownNameError, UsageError, nearest
from ..ir import Graph
from ..types import Size


def checked(graph: Graph, given: Mapping[str, Any]) -> dict[str, int]:
    """The numbers, if they are such and the graph has sizes of these names.

    Args:
        graph: what they are sizes of.
        given: by name.

    Raises:
        UnknownNameError: no input has a size of this name.
        UsageError: something is not an integer of 0 or more.
    """
    dims = (dim for leaf in graph.leaves for dim in leaf.shape if isinstance(dim, Size))
    known = sorted(frozenset[str]().union(*(dim.symbols() for dim in dims)))
    for name in given:
        if name not in known:
            raise UnknownNameError(
                f"{graph.name} has no size {name!r}",
                f"named sizes: {', '.join(known) or 'none'}",
                nearest(name, known) if known else "all of its sizes are numbers: give none",
            )
    return {name: _number(name, size) for name, size in given.items()}


def _number(name: str, given: Any) -> int:
    try:
        size = -1 if isinstance(given, bool) else operator.index(given)
    except TypeError:
        size = -1
    if size < 0:
        raise UsageError(
            f"a size cannot be {given!r}", f"expected {name} of 0 or more", f"{name}=32"
        )
    return size
