"""chainrule: networks as formulas, gradients that can be read, epochs as one native program.

A public name loads its module when it is first used, so `import chainrule` imports next to nothing.
To make a name public, add it to its module's row in `_NAMES` (a whole module: in `_MODULES`) and to
the imports that type checkers read; the tests compare the two.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets as datasets

    __version__: str

_NAMES: dict[str, tuple[str, ...]] = {}

_MODULES = {
    "datasets": "chainrule.datasets",
}

_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted({*_HOMES, *_MODULES})


def __getattr__(name: str) -> Any:
    """Load a public name, once: it is an ordinary attribute afterwards."""
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(_MODULES[name])
    elif name == "__version__":
        from importlib.metadata import version

        value = version("chainrule")
    else:
        raise AttributeError(_unknown(name), name=name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _unknown(name: str) -> str:
    message = f"module 'chainrule' has no attribute {name!r}"
    if name.startswith("__"):
        return message  # a tool that asks whether there is one, not a person who mistyped
    from chainrule.compiler.errors import nearest

    return f"{message}; {nearest(name, __all__)}"
