"""Loops and choices as mathematics: `while(|x² - a| > 1e-12: x ← (x + a / x) / 2, from a)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ir import Node, substitute, walk
from ..ops.arithmetic import where
from ..ops.choice import branches
from ..ops.scan import Parts, parts
from .notation import Piece

if TYPE_CHECKING:
    from .printer import Printer

LONGEST = 30  # characters of what goes in
LARGEST = 60  # a step of more nodes is told by what goes in


def choice(printer: Printer, node: Node, depth: int) -> Piece:
    """One of two formulas."""
    return printer.open(where(node.operands[0], *branches(node)), depth)


def loop(printer: Printer, node: Node, depth: int) -> Piece:
    """What becomes of the carries in a step, and what they begin with."""
    made_of, index = parts(node), node.attr("index")
    word = "scan" if made_of.condition is None else "while"
    if len(walk(made_of.body.outputs)) <= LARGEST:
        piece = _whole(printer, made_of, index, word, depth)
        if len(piece.text) <= printer.notation.longest_loop:
            return piece
    return printer.notation.call(word, [_short(printer, x, depth) for x in node.operands])


def _short(printer: Printer, x: Node, depth: int) -> Piece:
    """What goes in; what is long would hide what happens."""
    piece = printer.piece(x, depth - 1)
    return piece if len(piece.text) <= LONGEST else Piece(printer.notation.dots)


def _whole(printer: Printer, made_of: Parts, index: int, word: str, depth: int) -> Piece:
    notation, n = printer.notation, len(made_of.inits)
    tests = () if made_of.condition is None else made_of.condition.outputs
    known = dict(zip(made_of.fixed, made_of.constants, strict=True))
    inside = substitute((*made_of.body.outputs, *tests), known)
    pieces = [printer.piece(x, depth - 1) for x in inside]
    names = [printer.piece(x, depth) for x in made_of.carries]
    steps = [notation.becomes(*pair) for pair in zip(names, pieces, strict=False)]
    starts = [_short(printer, x, depth) for x in made_of.inits]
    over = [
        notation.member(printer.piece(x, depth), _short(printer, xs, depth))
        for x, xs in zip(made_of.elements, made_of.sequences, strict=True)
    ]
    head = pieces[-1] if tests else None
    found = notation.loop(word, head, steps, starts, over)
    if index == len(made_of.body.outputs):
        return notation.part(notation.words("steps"), found)
    if index >= n:
        return notation.part(pieces[index], found, each=True)
    return notation.part(names[index], found) if n > 1 else found
