"""chainrule: networks as formulas, gradients that can be read, epochs as one native program.

A public name loads its module when it is first used, so `import chainrule` imports next to nothing.
To make a name public, add it to its module's row in `_NAMES` (a whole module: in `_MODULES`) and to
the imports that type checkers read; the tests compare the two.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.frontend.layers import (
        Activation as Activation,
        Add as Add,
        BaseLayer as BaseLayer,
        Concatenate as Concatenate,
        Dense as Dense,
        Dropout as Dropout,
        Flatten as Flatten,
        Input as Input,
        Layer as Layer,
        Multiply as Multiply,
        Reshape as Reshape,
    )
    from chainrule.runtime.callbacks import Callback as Callback, EarlyStopping as EarlyStopping
    from chainrule.runtime.history import History as History

    from . import datasets as datasets
    from .model import Model as Model, Sequential as Sequential
    from .saving import load_model as load_model

    __version__: str

_NAMES: dict[str, tuple[str, ...]] = {
    "chainrule.frontend.layers": (
        "Activation",
        "Add",
        "BaseLayer",
        "Concatenate",
        "Dense",
        "Dropout",
        "Flatten",
        "Input",
        "Layer",
        "Multiply",
        "Reshape",
    ),
    "chainrule.model": ("Model", "Sequential"),
    "chainrule.runtime.callbacks": ("Callback", "EarlyStopping"),
    "chainrule.runtime.history": ("History",),
    "chainrule.saving": ("load_model",),
}

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
