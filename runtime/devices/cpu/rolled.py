"""Which loops are written out, iteration by iteration, before loops become vector code.

Those of a few iterations are, such as the loops over a window or over few channels: what they leave
side by side becomes vectors then. No others are: LLVM would take up to a third longer, and steps
would take as long.

Of a dozen iterations what is written out stays scalar: with vectors a row of 10 classes takes a
half to a quarter of the time. A loop that adds to the same few elements again and again is better
written out: they stay in registers.
"""

from __future__ import annotations

import ast
from math import inf
from typing import Any

from llvmlite import ir

SHORT = range(5, 17)  # what takes a vector or two
FOLDED = range(17, 32)  # only where something is summed up, or compared, element by element
WRITTEN_OUT = 400  # at most so many instructions, as they are before LLVM's passes


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


def hint(
    builder: Any, jump: Any, node: ast.For, count: int | None, around: str | None, size: float
) -> float:
    """Tell LLVM whether a loop is written out.

    Args:
        builder: where the loop stands.
        jump: ends the loop's body.
        node: the loop in the source.
        count: the number of iterations, if it is known.
        around: what the loop around it counts, if there is one.
        size: the instructions of one iteration; infinite if a loop in it stays one.

    Returns:
        The instructions that writing it out adds; infinity if it stays a loop.
    """
    if count is None:
        return inf
    if stays_rolled(node, count, around):
        jump.set_metadata("llvm.loop", LoopHint(builder.module, "llvm.loop.unroll.disable"))
        return inf
    if count * size > WRITTEN_OUT or size == inf:
        return inf
    jump.set_metadata("llvm.loop", LoopHint(builder.module, "llvm.loop.unroll.full"))
    return (count - 1) * size


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
