"""chainrule: networks as formulas, gradients that can be read, epochs as one native program.

The public names are the imports of `__init__.pyi`, which type checkers read: an import there makes
a name public. It is carried out when the name is first used, so `import chainrule` costs little.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any


def _homes() -> dict[str, str]:
    """The module that each public name is imported from."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    return {
        alias.name: ".".join(filter(None, [__name__ if node.level else "", node.module]))
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


_HOMES = _homes()

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name, once: it is an ordinary attribute afterwards."""
    home = _HOMES.get(name)
    if home == __name__:
        value = importlib.import_module(f"{home}.{name}")
    elif home is not None:
        # What `from home import name` does: a name may be a module of the home, not yet loaded.
        value = getattr(__import__(home, fromlist=[name]), name)
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
