"""How formulas are put together from parts: as Unicode text here, as LaTeX in `latex`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

# How tightly the outermost operation of a piece binds.
CHOICE, COMPARE, SUM, PRODUCT, FRACTION, POWER, ATOM = range(7)


class Piece(NamedTuple):
    """A part of a formula and how tightly it binds."""

    text: str
    binds: int = ATOM


SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
SIGNS = {
    "less": "<", "less_equal": "≤", "greater": ">", "greater_equal": "≥", "equal": "==",
    "not_equal": "≠", "logical_and": "∧", "logical_or": "\N{LOGICAL OR}", "logical_xor": "⊕",
}  # fmt: skip


class Notation:
    """Puts pieces together. This class says how in text; `Latex` overrides what differs."""

    signs: ClassVar[dict[str, str]] = SIGNS
    times = " * "
    dots = "…"
    left, right = "(", ")"
    longest_loop: ClassVar[int] = 120  # a longer one is told by what goes in

    def within(self, piece: Piece, binds: int) -> str:
        """The piece's text, in parentheses if it binds less tightly than asked for."""
        return piece.text if piece.binds >= binds else f"{self.left}{piece.text}{self.right}"

    def name(self, name: str) -> Piece:
        """A name."""
        return Piece(name or "_")

    def adjoint(self, result: str, name: str) -> Piece:
        """The derivative of one name for another."""
        return Piece(f"d{result}/d{name}", FRACTION)

    def number(self, value: float | bool) -> Piece:
        """A number, as short as it reads back the same; a negative one binds as a sum."""
        text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
        text = (
            str(int(value)) if value == value and abs(value) < 1e6 and value == int(value) else text
        )
        return Piece({"inf": "∞", "-inf": "-∞"}.get(text, text), SUM if text[0] == "-" else ATOM)

    def total(self, terms: Sequence[tuple[bool, Piece]]) -> Piece:
        """A sum of terms; True is for those that are subtracted."""
        text = ""
        for minus, piece in terms:
            shown = self.within(piece, PRODUCT if minus or text else SUM)
            if text:
                text += f" {'-' if minus else '+'} {shown}"
            else:
                text = f"-{shown}" if minus else shown
        return Piece(text, SUM)

    def product(self, factors: Sequence[Piece]) -> Piece:
        """A product; a number stands before the others without a sign."""
        if len(factors) == 1:
            return factors[0]
        text = self.within(factors[0], FRACTION)
        for before, piece in pairwise(factors):
            close = before.text[-1].isdigit() and _is_number(before.text)
            shown = self.within(piece, FRACTION)
            text += (" " if close and not shown[0].isdigit() else self.times) + shown
        return Piece(text, PRODUCT)

    def fraction(self, above: Piece, below: Piece) -> Piece:
        """A quotient."""
        return Piece(f"{self.within(above, PRODUCT)} / {self.within(below, POWER)}", PRODUCT)

    def matrix_product(self, factors: Sequence[Piece]) -> Piece:
        """Factors side by side."""
        first, second = factors
        return Piece(f"{self.within(first, FRACTION)} {self.within(second, FRACTION)}", PRODUCT)

    def dot(self, first: Piece, second: Piece) -> Piece:
        """The product of two vectors, a number."""
        return Piece(f"{self.within(first, FRACTION)} · {self.within(second, FRACTION)}", PRODUCT)

    def transpose(self, piece: Piece) -> Piece:
        """Rows and columns exchanged."""
        return Piece(f"{self.within(piece, ATOM)}ᵀ", POWER)

    def power(self, base: Piece, exponent: Piece) -> Piece:
        """A power."""
        if exponent.text.lstrip("-").isdigit():
            return Piece(self.within(base, ATOM) + exponent.text.translate(SUPERSCRIPT), POWER)
        return Piece(f"{self.within(base, ATOM)}^{self.within(exponent, ATOM)}", POWER)

    def root(self, piece: Piece) -> Piece:
        """A square root."""
        return Piece(f"√{self.within(piece, ATOM)}", POWER)

    def absolute(self, piece: Piece) -> Piece:
        """A value without its sign."""
        return Piece(f"|{piece.text}|")

    def norm(self, piece: Piece, over: str) -> Piece:
        """The length of a vector."""
        return Piece(f"‖{piece.text}‖{over}")

    def compare(self, sign: str, first: Piece, second: Piece) -> Piece:
        """Two pieces with a sign of comparison or logic between them."""
        text = f"{self.within(first, SUM)} {self.signs[sign]} {self.within(second, SUM)}"
        return Piece(text, COMPARE)

    def negation(self, piece: Piece) -> Piece:
        """Logical not."""
        return Piece(f"¬{self.within(piece, POWER)}", POWER)

    def indicator(self, piece: Piece) -> Piece:
        """1 where a condition holds, else 0."""
        return Piece(f"[{piece.text}]")

    def choice(self, condition: Piece, first: Piece, second: Piece) -> Piece:
        """One of two values."""
        text = f"{self.within(first, SUM)} if {condition.text} else {self.within(second, CHOICE)}"
        return Piece(text, CHOICE)

    def call(self, name: str, arguments: Sequence[Piece]) -> Piece:
        """A function."""
        return Piece(f"{name}({', '.join(piece.text for piece in arguments)})")

    def words(self, text: str) -> Piece:
        """Plain words."""
        return Piece(text)

    def becomes(self, name: Piece, new: Piece) -> Piece:
        """A name and its next value."""
        return Piece(f"{name.text} ← {new.text}")

    def member(self, name: Piece, sequence: Piece) -> Piece:
        """A name for each element of a sequence."""
        return Piece(f"{name.text} in {sequence.text}")

    def loop(
        self,
        word: str,
        condition: Piece | None,
        steps: Sequence[Piece],
        starts: Sequence[Piece],
        over: Sequence[Piece],
    ) -> Piece:
        """A loop: what happens in a step, what it begins with, and over what it goes."""
        text = "" if condition is None else f"{condition.text}: "
        text += ", ".join(piece.text for piece in steps)
        for which, pieces in (("from", starts), ("for", over)):
            if pieces:
                shown = ", ".join(piece.text for piece in pieces)
                text += f"{', ' if text else ''}{self.words(which).text} {shown}"
        return self.call(word, [Piece(text)])

    def part(self, which: Piece, whole: Piece, each: bool = False) -> Piece:
        """One of the results of a loop, or one for each of its steps."""
        of = self.words("in each step of" if each else "of").text
        return Piece(f"{which.text} {of} {whole.text}", CHOICE)

    def over(self, labels: Sequence[str]) -> str:
        """The axes that a reduction runs over, as they stand at its name."""
        return "".join(f"_{label}" for label in labels)

    def reduction(self, name: str, labels: Sequence[str], piece: Piece) -> Piece:
        """A reduction, over some axes or over all."""
        if not labels:
            return self.call(name, [piece])
        return Piece(f"{name}{self.over(labels)} {self.within(piece, FRACTION)}", PRODUCT)

    def einsum(self, letters: str, pieces: Sequence[Piece]) -> Piece:
        """A contraction that is no matrix product."""
        return self.call("einsum", [Piece(letters), *pieces])


class Text(Notation):
    """Unicode text."""


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("e-", "", 1).isdigit()
