"""Formulas as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from .notation import ATOM, CHOICE, COMPARE, FRACTION, POWER, PRODUCT, SUM, Notation, Piece

GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega".split()
)
FUNCTIONS = {name: rf"\{name}" for name in "exp log sin cos tan sinh cosh tanh max min".split()} | {
    "asin": r"\arcsin",
    "acos": r"\arccos",
    "atan": r"\arctan",
    "sigmoid": r"\sigma",
    "lgamma": r"\log\Gamma",
    "digamma": r"\psi",
    "zeta": r"\zeta",
    "maximum": r"\max",
    "minimum": r"\min",
    "sum": r"\sum",
    "prod": r"\prod",
    "log2": r"\log_2",
    "log10": r"\log_{10}",
}
SPECIAL = {
    "\\": r"\backslash ", "{": r"\{", "}": r"\}", "_": r"\_", "^": r"\hat{}", "#": r"\#",
    "$": r"\$", "%": r"\%", "&": r"\&", "~": r"\sim ",
}  # fmt: skip


class Latex(Notation):
    r"""LaTeX: fractions are `\frac`, elementwise products `\odot`."""

    signs: ClassVar[dict[str, str]] = {
        "less": "<",
        "less_equal": r"\le",
        "greater": ">",
        "greater_equal": r"\ge",
        "equal": "=",
        "not_equal": r"\ne",
        "logical_and": r"\land",
        "logical_or": r"\lor",
        "logical_xor": r"\oplus",
    }
    times = r" \odot "
    dots = r"\dots"
    longest_loop: ClassVar[int] = 300
    left, right = r"\left(", r"\right)"

    def name(self, name: str) -> Piece:
        """One letter with an index, a Greek letter, or upright text."""
        match = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
        if match is None or not match.group(1):
            return Piece(rf"\mathrm{{{escaped(name)}}}")
        word, index = match.groups()
        if word in GREEK:
            word = rf"\{word}"
        elif len(word) > 1:
            word = rf"\mathrm{{{word}}}"
        return Piece(
            f"{word}_{{{index}}}" if len(index) > 1 else f"{word}_{index}" if index else word
        )

    def adjoint(self, result: str, name: str) -> Piece:
        """A fraction of differentials."""
        above, below = self.name(result).text, self.name(name).text
        return Piece(rf"\frac{{\partial {above}}}{{\partial {below}}}", FRACTION)

    def number(self, value: float | bool) -> Piece:
        """Powers of ten instead of an exponent's letter."""
        text, binds = super().number(value)
        text = text.replace("∞", r"\infty")
        mantissa, mark, exponent = text.partition("e")
        if not mark:
            return Piece(text, binds)
        power = f"10^{{{int(exponent)}}}"
        if mantissa == "1":
            return Piece(power, POWER)
        return Piece(rf"{mantissa} \cdot {power}", min(binds, PRODUCT))

    def product(self, factors: Sequence[Piece]) -> Piece:
        """Numbers side by side would run into each other."""
        if len(factors) == 1:
            return factors[0]
        text = self.within(factors[0], FRACTION)
        for before, piece in pairwise(factors):
            shown = self.within(piece, FRACTION)
            number = before.text.replace(".", "", 1).isdigit()
            text += (r" \, " if number and not shown[0].isdigit() else self.times) + shown
        return Piece(text, PRODUCT)

    def fraction(self, above: Piece, below: Piece) -> Piece:
        """A fraction with a bar."""
        return Piece(rf"\frac{{{above.text}}}{{{below.text}}}", FRACTION)

    def matrix_product(self, factors: Sequence[Piece]) -> Piece:
        """Factors side by side."""
        return Piece(r" \, ".join(self.within(piece, FRACTION) for piece in factors), PRODUCT)

    def dot(self, first: Piece, second: Piece) -> Piece:
        """A raised dot."""
        return Piece(
            rf"{self.within(first, FRACTION)} \cdot {self.within(second, FRACTION)}", PRODUCT
        )

    def transpose(self, piece: Piece) -> Piece:
        """A raised top."""
        return Piece(rf"{self.within(piece, ATOM)}^\top", POWER)

    def power(self, base: Piece, exponent: Piece) -> Piece:
        """A raised exponent."""
        return Piece(f"{self.within(base, ATOM)}^{{{exponent.text}}}", POWER)

    def root(self, piece: Piece) -> Piece:
        """A root with a bar."""
        return Piece(rf"\sqrt{{{piece.text}}}")

    def absolute(self, piece: Piece) -> Piece:
        """Bars that grow."""
        return Piece(rf"\left|{piece.text}\right|")

    def norm(self, piece: Piece, over: str) -> Piece:
        """Double bars that grow."""
        return Piece(rf"\left\lVert {piece.text} \right\rVert{over}", POWER if over else ATOM)

    def negation(self, piece: Piece) -> Piece:
        """Logical not."""
        return Piece(rf"\lnot {self.within(piece, POWER)}", POWER)

    def indicator(self, piece: Piece) -> Piece:
        """An Iverson bracket."""
        return Piece(rf"\left[{piece.text}\right]")

    def choice(self, condition: Piece, first: Piece, second: Piece) -> Piece:
        """Cases."""
        rows = (
            rf"{first.text} & \text{{if }} {condition.text} \\ {second.text} & \text{{otherwise}}"
        )
        return Piece(rf"\begin{{cases}} {rows} \end{{cases}}", CHOICE)

    def call(self, name: str, arguments: Sequence[Piece]) -> Piece:
        """An operator's name and its arguments."""
        operator = FUNCTIONS.get(name) or rf"\operatorname{{{escaped(name)}}}"
        return Piece(rf"{operator}\left({', '.join(piece.text for piece in arguments)}\right)")

    def words(self, text: str) -> Piece:
        """Upright."""
        return Piece(rf"\text{{ {text} }}")

    def becomes(self, name: Piece, new: Piece) -> Piece:
        """An arrow to the left."""
        return Piece(rf"{name.text} \gets {new.text}")

    def member(self, name: Piece, sequence: Piece) -> Piece:
        """An element of a sequence."""
        return Piece(rf"{name.text} \in {sequence.text}")

    def over(self, labels: Sequence[str]) -> str:
        """A lower index."""
        return f"_{{{', '.join(self.name(label).text for label in labels)}}}" if labels else ""

    def reduction(self, name: str, labels: Sequence[str], piece: Piece) -> Piece:
        """A big operator with what it runs over below."""
        operator = FUNCTIONS.get(name) or rf"\operatorname{{{escaped(name)}}}"
        if not labels and name not in ("sum", "prod"):
            return self.call(name, [piece])
        return Piece(rf"{operator}{self.over(labels)} {self.within(piece, PRODUCT)}", SUM)

    def einsum(self, letters: str, pieces: Sequence[Piece]) -> Piece:
        """The letters as text."""
        return self.call("einsum", [Piece(rf"\text{{{letters}}}".replace("→", r"$\to$")), *pieces])

    def compare(self, sign: str, first: Piece, second: Piece) -> Piece:
        """A sign between two sides."""
        text, _ = super().compare(sign, first, second)
        return Piece(text, COMPARE)


def escaped(name: str) -> str:
    """Letters that mean something to TeX, as letters."""
    return "".join(SPECIAL.get(c, c if c.isprintable() else " ") for c in name)
