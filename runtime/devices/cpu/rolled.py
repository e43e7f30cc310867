"""Short loops that stay loops, so that they become vector code.

LLVM writes out a loop of a dozen iterations before it looks for vectors, and what is written out
stays scalar: with vectors a row of 10 classes takes a half to a quarter of the time. A loop that
adds to the same few elements again and again is better written out: they stay in registers.
"""

from __future__ import annotations

import ast
from typing import Any

from llvmlite import ir

SHORT = range(5, 17)  # what takes a vector or two
FOLDED = range(17, 32)  # only where something is summed up, or compared, element by element


class LoopHint(ir.MDValue):  # type: ignore[misc]
    """What LLVM is told of one loop: metadata that begins with itself."""

    def __init__(self, module: Any, name: str) -> None:
        """A hint without a value."""
        hint = module.add_metadata([ir.MetaDataString(module, name)])
        super().__init__(module, [hint], name=str(len(module.metadata)))

    def descr(self, buffer: list[str]) -> None:
        """The text."""
        operands = ", ".join(part.get_reference() for part in (self, *self.operands))
        buffer += (f"distinct !{{ {operands} }}", "\n")


def keep_rolled(builder: Any, jump: Any) -> None:
    """Let the loop that ends with this jump be a loop."""
    jump.set_metadata("llvm.loop", LoopHint(builder.module, "llvm.loop.unroll.disable"))


def stays_rolled(node: ast.For, iterations: int, around: str | None) -> bool:
    """Whether an innermost loop of so many iterations does; `around` is what the next one counts.

    Without one around, it is None.
    """
    parts = [part for statement in node.body for part in ast.walk(statement)]
    if any(isinstance(part, ast.For | ast.While | ast.If) for part in parts):
        return False
    if iterations not in SHORT and not (iterations in FOLDED and any(map(_folds, parts))):
        return False
    return around is None or not any(_adds_in_place(part, around) for part in parts)


def _folds(part: ast.AST) -> bool:
    """Whether a statement makes a new value of a variable from its old one."""
    match part:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return any(isinstance(x, ast.Name) and x.id == name for x in ast.walk(value))
    return isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name)


def _adds_in_place(part: ast.AST, around: str) -> bool:
    """Whether a statement changes elements that the loop around its own does not choose."""
    match part:
        case ast.AugAssign(target=ast.Subscript() as target):
            old = True
        case ast.Assign(targets=[ast.Subscript() as target], value=value):
            text = ast.unparse(target)
            old = any(
                isinstance(x, ast.Subscript) and ast.unparse(x) == text for x in ast.walk(value)
            )
        case _:
            return False
    names = {x.id for x in ast.walk(target.slice) if isinstance(x, ast.Name)}
    return old and around not in names
