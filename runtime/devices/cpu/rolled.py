"""What LLVM is told of loops: which are written out before loops become vector code, and which do.

Those of a few iterations are, such as the loops over a window or over few channels: what they leave
side by side becomes vectors then. No others are: LLVM would take up to a third longer, and steps
would take as long.

Of a dozen iterations what is written out stays scalar: with vectors a row of 10 classes takes a
half to a quarter of the time. A loop that adds to the same few elements again and again is better
written out: they stay in registers.

Where short rows lie column by column, it is the loop over the rows that becomes vector code, and so
all loops in it are written out.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from math import inf
from typing import Any

from llvmlite import ir

from .kinds import BOOL
from .processor import processor_of

SHORT = range(5, 17)  # what takes a vector or two
FOLDED = range(17, 32)  # only where something is summed up, or compared, element by element
WRITTEN_OUT = 400  # at most so many instructions, as they are before LLVM's passes


class LoopHint(ir.MDValue):  # type: ignore[misc]
    """What LLVM is told of one loop: metadata that begins with itself."""

    def __init__(self, module: Any, *options: tuple[str, Any]) -> None:
        """Names of options, each with a constant, or None where it has no value."""
        hints = [
            module.add_metadata([ir.MetaDataString(module, f"llvm.loop.{name}"), *values])
            for name, value in options
            for values in ([] if value is None else [value],)
        ]
        super().__init__(module, hints, name=str(len(module.metadata)))

    def descr(self, buffer: list[str]) -> None:
        """The text."""
        operands = ", ".join(part.get_reference() for part in (self, *self.operands))
        buffer += (f"distinct !{{ {operands} }}", "\n")


def hint(
    builder: Any, jump: Any, node: ast.For, count: int | None, around: ast.For | None, size: float
) -> float:
    """Tell LLVM whether a loop is written out, or is vector code.

    Args:
        builder: where the loop stands.
        jump: ends the loop's body.
        node: the loop in the source.
        count: the number of iterations, if it is known.
        around: the loop around it, if there is one.
        size: the instructions of one iteration; infinite if a loop in it stays one.

    Returns:
        The instructions that writing it out adds; infinity if it stays a loop.
    """
    if is_side_by_side(node):
        _in_lanes(builder, jump)
        return inf
    if count is None:
        return inf
    in_lanes = around is not None and is_side_by_side(around)
    name = None if around is None else ast.unparse(around.target)
    if not in_lanes and stays_rolled(node, count, name):
        jump.set_metadata("llvm.loop", LoopHint(builder.module, ("unroll.disable", None)))
        return inf
    if not in_lanes and (count * size > WRITTEN_OUT or size == inf):
        return inf
    jump.set_metadata("llvm.loop", LoopHint(builder.module, ("unroll.full", None)))
    return (count - 1) * size


def _in_lanes(builder: Any, jump: Any) -> None:
    """Tell LLVM that the last rows of those side by side are no loop of their own.

    They are fewer than lanes: masks leave the others out, where the processor has masks. How many
    lanes there are is LLVM's to choose; of a number that it cannot have it would complain.
    """
    if processor_of(builder.module).has_masks:
        masked = "vectorize.predicate.enable", ir.Constant(BOOL.llvm, 1)
        jump.set_metadata("llvm.loop", LoopHint(builder.module, masked))


def is_side_by_side(node: ast.For) -> bool:
    """Whether a loop is over a panel's rows that lie column by column: `x[j, i - first]`.

    There are only short loops in it, over the columns.
    """
    inside = [x for x in node.body if isinstance(x, ast.For)]
    if not inside or _loops(node.body) != len(inside):
        return False
    row = ast.unparse(node.target)
    return any(
        _is_in_column(part, row, ast.unparse(loop.target))
        for loop in inside
        for part in ast.walk(loop)
        if isinstance(part, ast.Subscript)
    )


def _loops(statements: Sequence[ast.stmt]) -> int:
    """How many loops there are among statements, and in what is in them."""
    found = 0
    for x in statements:
        if isinstance(x, ast.For | ast.While):
            found += 1 + _loops(x.body)
        elif isinstance(x, ast.If):
            found += _loops(x.body) + _loops(x.orelse)
    return found


def _is_in_column(part: ast.AST, row: str, column: str) -> bool:
    """Whether it is an element of a column."""
    match part:
        case ast.Subscript(slice=ast.Tuple(elts=[ast.Name(id=first), ast.BinOp(left=last)])):
            return first == column and ast.unparse(last) == row
    return False


def stays_rolled(node: ast.For, iterations: int, around: str | None) -> bool:
    """Whether an innermost loop of so many iterations does; `around` is what the next one counts.

    Without one around, it is None.
    """
    if iterations not in SHORT and iterations not in FOLDED:
        return False
    if any(isinstance(x, ast.For | ast.While | ast.If) for x in node.body):
        return False
    parts = [part for statement in node.body for part in ast.walk(statement)]
    if iterations in FOLDED and not any(map(_folds, parts)):
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
            read = [x for x in ast.walk(value) if isinstance(x, ast.Subscript)]
            text = ast.unparse(target) if read else ""
            old = any(ast.unparse(x) == text for x in read)
        case _:
            return False
    names = {x.id for x in ast.walk(target.slice) if isinstance(x, ast.Name)}
    return old and around not in names
