"""How the cpu target writes scalar functions and constants: one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import Op
from ...ops.base import Scalar
from ...types import SHORT

# How tightly Python's operators bind.
CHOICE, COMPARE, BITS, SUM, PRODUCT, UNARY, ATOM = range(7)
INTEGERS = ("int32", "int64")
WIDTH = 100  # of a line


@dataclass(frozen=True, slots=True)
class Infix:
    """An operator between two operands."""

    sign: str
    binds: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """An operator before its operand."""

    sign: str
    binds: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the support library."""

    name: str


@dataclass(frozen=True, slots=True)
class Square:
    """The operand times itself."""


CALLS = (
    "abs sign floor ceil round trunc sqrt exp expm1 log log1p log2 log10 "
    "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh atan2 hypot "
    "copysign sigmoid erf erfc lgamma digamma zeta maximum minimum remainder floor_divide pow "
    "isnan isinf isfinite where"
).split()
TABLE: dict[str, Infix | Prefix | Call | Square] = {
    **{name: Call(name) for name in CALLS},
    "add": Infix("+", SUM),
    "subtract": Infix("-", SUM),
    "multiply": Infix("*", PRODUCT),
    "divide": Infix("/", PRODUCT),
    "negative": Prefix("-", UNARY),
    "square": Square(),
    "equal": Infix("==", COMPARE),
    "not_equal": Infix("!=", COMPARE),
    "less": Infix("<", COMPARE),
    "less_equal": Infix("<=", COMPARE),
    "greater": Infix(">", COMPARE),
    "greater_equal": Infix(">=", COMPARE),
    "logical_and": Infix("&", BITS),
    "logical_or": Infix("|", BITS),
    "logical_xor": Infix("!=", COMPARE),
    "logical_not": Prefix("not ", CHOICE),
}


def spells(op: Op) -> bool:
    """Whether the target writes an op itself: primitives of tensors, and the rows of the table."""
    from ...ir import OPS

    if isinstance(op, Scalar):
        return op.name in TABLE and OPS.get(op.name) is op
    return type(op).expand is Op.expand


def number(value: float, dtype: str) -> tuple[str, int, tuple[str, ...]]:
    """A constant: its text, how tightly it binds, and the library's names in it."""
    if dtype == "bool":
        return str(bool(value)), ATOM, ()
    if dtype == "int64":
        return str(int(value)), ATOM if value >= 0 else UNARY, ()
    kind = SHORT[dtype]
    if dtype == "int32":
        return f"i32({int(value)})", ATOM, ("i32",)
    if math.isnan(value):
        return f"{kind}(nan)", ATOM, (kind, "nan")
    if math.isinf(value):
        return f"{kind}({'-' if value < 0 else ''}inf)", ATOM, (kind, "inf")
    return f"{kind}({float(value)!r})", ATOM, (kind,)


def row(name: str, dtype: str, given: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """A scalar function of operands whose texts are given, with how tightly they bind."""
    spelling = TABLE[name]
    texts = [text for text, _ in given]
    if isinstance(spelling, Call):
        return f"{spelling.name}({', '.join(texts)})", ATOM
    if isinstance(spelling, Square):
        given, spelling = [*given, *given], Infix("*", PRODUCT)
    if isinstance(spelling, Prefix):
        text, binds = f"{spelling.sign}{within(given[0], spelling.binds + 1)}", spelling.binds
    else:
        # Comparisons do not chain, so both sides bind more tightly; a sum may open with a sum.
        left = spelling.binds + (spelling.binds == COMPARE)
        first, second = within(given[0], left), within(given[1], spelling.binds + 1)
        text, binds = f"{first} {spelling.sign} {second}", spelling.binds
    # Two int32 make an int64 there, as Numba has it; NumPy wraps around.
    return (f"i32({text})", ATOM) if dtype == "int32" else (text, binds)


def within(piece: tuple[str, int], binds: int) -> str:
    """A text, in parentheses if it binds less tightly than asked for."""
    return piece[0] if piece[1] >= binds else f"({piece[0]})"


def call_text(head: str, given: Sequence[str], tail: str) -> str:
    """A call or a definition, over several lines where it is long."""
    line = f"{head}({', '.join(given)}){tail}"
    margin = " " * (len(head) - len(head.lstrip()) + 4)
    if len(line) <= WIDTH:
        return line
    lines: list[str] = []
    for text in given:
        if lines and len(lines[-1]) + len(text) + 2 <= WIDTH:
            lines[-1] += f" {text},"
        else:
            lines.append(f"{margin}{text},")
    return "\n".join([f"{head}(", *lines, f"{margin[4:]}){tail}"])
