"""What a NumPy expression is made of: text, how tightly it binds, and where it stands."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ...ir import Node
from ...types import Dim, Shape

# How tightly the outermost operation of an expression binds. A matrix product binds as a product
# in Python; here it stands below, so that it gets parentheses inside one.
COMPARE, SUM, MATRIX, PRODUCT, MINUS, POWER, ATOM = range(7)


class Code(NamedTuple):
    """An expression and how tightly it binds; `weak` for a Python number, which has no dtype."""

    text: str
    binds: int = ATOM
    weak: bool = False

    def within(self, binds: int) -> str:
        """The text, in parentheses if it binds less tightly than asked for."""
        return self.text if self.binds >= binds else f"({self.text})"


class Scope(Protocol):
    """What an expression needs to know of the function that it stands in."""

    def code(self, node: Node) -> Code:
        """The node as an operand: a name, or an expression."""

    def inlined(self, node: Node) -> bool:
        """Whether the node is written where it is used, rather than as a statement of its own."""

    def size(self, dim: Dim) -> Code:
        """A size as an expression."""

    def use(self, helper: str) -> str:
        """The name of a helper function, which is then part of the module."""


def number(value: Any, dtype: str) -> Code:
    """A Python number; without a decimal point where it is whole."""
    if isinstance(value, bool):
        return Code(str(value), weak=True)
    if value != value or value in (float("inf"), -float("inf")):
        text = {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(float(value))]
    elif value == int(value) and abs(value) < 1e15 and str(value) != "-0.0":
        text = str(int(value))
    else:
        text = repr(value)
    return Code(text, MINUS if text[0] == "-" else ATOM, weak=True)


def typed(code: Code, dtype: str) -> Code:
    """A Python number with a dtype."""
    return Code(f"{numpy_dtype(dtype)}({code.text})") if code.weak else code


def numpy_dtype(dtype: str) -> str:
    """A dtype's name in NumPy."""
    return "np.bool_" if dtype == "bool" else f"np.{dtype}"


def call(function: str, *arguments: Code | str) -> Code:
    """A function's call."""
    texts = [x if isinstance(x, str) else x.text for x in arguments]
    return Code(f"{function}({', '.join(texts)})")


def operand(scope: Scope, node: Node) -> Code:
    """A node as an operand that must have its dtype."""
    return typed(scope.code(node), node.dtype)


def tuple_of(scope: Scope, dims: Shape) -> str:
    """A shape."""
    texts = [scope.size(dim).text for dim in dims]
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
