"""chainrule: networks written as formulas, gradients that can be read, epochs as one native program.

Public names load when they are first used, so that `import chainrule` costs almost nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets as datasets

# Where each public name lives: a module, or `module:name` where a name inside it is meant.
_PUBLIC = {
    "datasets": "chainrule.datasets",
}


def __getattr__(name: str) -> Any:
    raise AttributeError(name)
