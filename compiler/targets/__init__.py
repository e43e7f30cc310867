"""Targets: each spells a lowered graph as source text.

A target is a module with a `TARGET`, named in the entry-point group `chainrule.targets`; a new one
is a new sibling of the folders here, or another package's module.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

from ..errors import UnknownNameError, nearest

if TYPE_CHECKING:
    from ..ir import Graph, Op
    from ..program import Program

GROUP = "chainrule.targets"
BUILT_IN = {name: f"{__name__}.{name}" for name in ("cpu", "numpy")}

__all__ = ["Target", "known", "target"]


class Target(Protocol):
    """Turns a graph into a program's text; knows nothing of how it is run."""

    @property
    def name(self) -> str:
        """What users call it."""

    def spells(self, op: Op) -> bool:
        """Whether it writes this op itself; others are expanded before it sees the graph."""

    def emit(self, graph: Graph, fingerprint: str) -> Program:
        """The program of a graph that has no gradients to be taken and only ops that it spells."""


def known() -> list[str]:
    """The names of all targets that are installed."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN, *(found.name for found in entry_points(group=GROUP))})


def target(name: str) -> Target:
    """The target of this name.

    Args:
        name: such as "numpy" or "cpu".

    Returns:
        The target.

    Raises:
        UnknownNameError: no such target is installed.
    """
    # The built-in ones are not looked for among all installed packages: that takes time.
    if name in BUILT_IN:
        module = importlib.import_module(BUILT_IN[name])
    else:
        from importlib.metadata import entry_points

        found = list(entry_points(group=GROUP, name=name))
        if not found:
            raise UnknownNameError(
                f"unknown target {name!r}",
                f"expected one of {', '.join(known())}",
                nearest(name, known()),
            )
        module = found[0].load()
    chosen: Target = module.TARGET
    return chosen
