"""From nodes to mathematics: what stands for what, whatever the notation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from itertools import groupby
from typing import NamedTuple

from ..ir import CONST, Node, is_const, is_leaf
from ..ops.arithmetic import where
from ..types import Dim, FloorDiv, Size
from .notation import Notation, Piece
from .operations import CALLED, SPECIAL, UNARY
from .seen import one_hot, seen_through

LONGEST = 240
PRODUCTS = ("multiply", "divide", "negative")
FLIPPED = {
    "less": "greater_equal",
    "less_equal": "greater",
    "greater": "less_equal",
    "greater_equal": "less",
    "equal": "not_equal",
    "not_equal": "equal",
}


class Factors(NamedTuple):
    """A product taken apart."""

    minus: bool
    number: float
    above: list[Piece]
    below: list[Piece]


class Printer:
    """Prints nodes; named ones by their names.

    Args:
        names: what nodes are called. A name `dL_dh1` of known names prints as a derivative.
        notation: how pieces are put together.
        depth: how deep unnamed nodes are opened.
        words: the names that derivatives are made of; by default those of `names`.
    """

    def __init__(
        self,
        names: Mapping[Node, str],
        notation: Notation,
        depth: int = 12,
        words: Set[str] | None = None,
    ) -> None:
        """Start with nothing printed."""
        self.names, self.notation, self.depth = names, notation, depth
        self.words = set(names.values()) if words is None else words
        self.known: dict[tuple[Node, int], Piece] = {}

    def formula(self, node: Node) -> str:
        """The node, opened even if it has a name."""
        return self.open(node, self.depth).text

    def name(self, name: str) -> str:
        """A name as it is printed."""
        return self.named(name).text

    def named(self, name: str) -> Piece:
        """A name; `dL_dh1` is a derivative if L and h1 are names."""
        for match in re.finditer("_d", name):
            result, other = name[1 : match.start()], name[match.end() :]
            if name.startswith("d") and other in self.words and result in self.words:
                return self.notation.adjoint(result, other)
        return self.notation.name(name)

    def piece(self, node: Node, depth: int) -> Piece:
        """The node as part of a formula: its name if it has one."""
        if node in self.names:
            return self.named(self.names[node])
        if is_leaf(node):
            return self.named(node.attr("name"))
        if node.op is CONST:
            return self.notation.number(node.attr("value"))
        seen = seen_through(node)
        if seen is not node:
            return self.piece(seen, depth)
        if depth <= 0:
            return Piece(self.notation.dots)
        key = node, depth
        if key not in self.known:
            piece = self.open(node, depth)
            self.known[key] = piece if len(piece.text) <= LONGEST else Piece(self.notation.dots)
        return self.known[key]

    def open(self, node: Node, depth: int) -> Piece:
        """The node's operation on its operands."""
        name = node.op.name
        if is_leaf(node) or node.op is CONST:
            return self.piece(node, depth)
        if name in ("add", "subtract"):
            return self._sum(self._terms(node, depth, top=True))
        if name in ("multiply", "divide", "negative") or node.op is where:
            return self._product(node, depth)
        if node.op in SPECIAL:
            return SPECIAL[node.op](self, node, depth)
        seen = seen_through(node)
        if seen is not node:
            return self.piece(seen, depth)
        operands = [self.piece(x, depth - 1) for x in node.operands]
        if name in self.notation.signs:
            if (hot := one_hot(node)) is not None:
                return self.notation.call("onehot", [self.piece(hot, depth - 1)])
            return self.notation.compare(name, operands[0], operands[1])
        if name in UNARY:
            return UNARY[name](self.notation, operands[0])
        if name == "pow":
            return self.notation.power(operands[0], operands[1])
        return self.notation.call(CALLED.get(name, name), operands)

    def _sum(self, terms: list[Factors]) -> Piece:
        """A sum; over one denominator where all terms have the same, and a plus in front."""
        if terms[0].minus and not all(term.minus for term in terms):
            first = next(term for term in terms if not term.minus)
            terms = [first, *(term for term in terms if term is not first)]
        below = terms[0].below
        if below and all(term.below == below for term in terms):
            above = [(term.minus, self._assembled(term._replace(below=[]))) for term in terms]
            return self.notation.fraction(self.notation.total(above), self.notation.product(below))
        return self.notation.total([(term.minus, self._assembled(term)) for term in terms])

    def _terms(self, node: Node, depth: int, top: bool = False) -> list[Factors]:
        """The terms of a sum, from the left."""
        node = node if top or node in self.names else seen_through(node)
        if node.op.name in ("add", "subtract") and (top or node not in self.names) and depth > 0:
            first, second = node.operands
            terms = self._terms(first, depth - 1)
            last = self._term(second, depth - 1)
            return [*terms, last._replace(minus=last.minus != (node.op.name == "subtract"))]
        return [self._term(node, depth)]

    def _term(self, node: Node, depth: int) -> Factors:
        """A term with its sign and its denominators apart."""
        seen = node if node in self.names else seen_through(node)
        if (
            seen.op is CONST
            or (node not in self.names and seen.op.name in PRODUCTS)
            or (node not in self.names and seen.op is where)
        ):
            return self._factors(seen, depth)
        return Factors(False, 1, [self.piece(node, depth)], [])

    def _product(self, node: Node, depth: int) -> Piece:
        factors = self._factors(node, depth, top=True)
        piece = self._assembled(factors)
        return self.notation.total([(True, piece)]) if factors.minus else piece

    def _assembled(self, factors: Factors) -> Piece:
        above = list(factors.above)
        if factors.number != 1 or not above:
            above.insert(0, self.notation.number(factors.number))
        piece = self.notation.product(above)
        if not factors.below:
            return piece
        return self.notation.fraction(piece, self.notation.product(factors.below))

    def _factors(self, node: Node, depth: int, top: bool = False) -> Factors:
        """A product with its number, its minus signs and its denominators apart."""
        node = node if top or node in self.names else seen_through(node)
        name = node.op.name
        if node.op is CONST and not isinstance(node.attr("value"), bool):
            value = node.attr("value")
            return Factors(value < 0, abs(value), [], [])
        if depth <= 0 or (node in self.names and not top):
            return Factors(False, 1, [self.piece(node, depth)], [])
        if name == "negative":
            minus, number, above, below = self._factors(node.operands[0], depth - 1)
            return Factors(not minus, number, above, below)
        if name == "multiply":
            a, b = (self._factors(x, depth - 1) for x in node.operands)
            number, more = merged(a.number, b.number)
            extra = [self.notation.number(more)] if more != 1 else []
            return Factors(a.minus != b.minus, number, extra + a.above + b.above, a.below + b.below)
        if name == "divide":
            minus, number, above, below = self._factors(node.operands[0], depth - 1)
            divisor = self.piece(node.operands[1], depth - 1)
            return Factors(minus, number, above, [*below, divisor])
        if node.op is where:
            return self._choice(node, depth)
        return Factors(False, 1, [self.open(node, depth) if top else self.piece(node, depth)], [])

    def _choice(self, node: Node, depth: int) -> Factors:
        """`where` with a zero is a product with a condition, in brackets, that is 1 or 0."""
        condition, first, second = node.operands
        for kept, dropped, holds in ((first, second, True), (second, first, False)):
            if is_const(seen_through(dropped), 0):
                minus, number, above, below = self._factors(kept, depth - 1)
                shown = self._condition(condition, depth - 1, holds)
                if one_hot(condition) is None or condition in self.names or not holds:
                    shown = self.notation.indicator(shown)
                return Factors(minus, number, [shown, *above], below)
        pieces = [self.piece(x, depth - 1) for x in node.operands]
        return Factors(False, 1, [self.notation.choice(*pieces)], [])

    def _condition(self, node: Node, depth: int, holds: bool) -> Piece:
        if holds or node in self.names:
            piece = self.piece(node, depth)
            return piece if holds else self.notation.negation(piece)
        if node.op.name == "logical_not":
            return self.piece(node.operands[0], depth)
        if node.op.name in FLIPPED and one_hot(node) is None:
            first, second = (self.piece(x, depth - 1) for x in node.operands)
            return self.notation.compare(FLIPPED[node.op.name], first, second)
        return self.notation.negation(self.piece(node, depth))

    def size(self, dim: Dim) -> Piece:
        """A size: `2 batch`."""
        if isinstance(dim, int):
            return self.notation.number(dim)
        terms = []
        for atoms, factor in dim.terms:
            pieces = [self._factor(a, len([*same])) for a, same in groupby(atoms)]
            if abs(factor) != 1 or not pieces:
                pieces.insert(0, self.notation.number(abs(factor)))
            terms.append((factor < 0, self.notation.product(pieces)))
        return terms[0][1] if len(terms) == 1 and not terms[0][0] else self.notation.total(terms)

    def _factor(self, atom: str | FloorDiv, times: int) -> Piece:
        """A symbol of a size or a rounded quotient, as often as it is a factor: `n²`."""
        if isinstance(atom, FloorDiv):
            quotient = self.notation.fraction(self.size(atom.size), Piece(str(atom.by)))
            piece = self.notation.call("floor", [quotient])
        else:
            piece = self.notation.name(atom)
        if times == 1:
            return piece
        return self.notation.power(piece, self.notation.number(times))

    def rows(self, indices: Sequence[Node]) -> str:
        """The rows of a tensor that indices name: `[t]`, and nothing where there are none."""
        shown = ", ".join(self.piece(index, self.depth).text for index in indices)
        return f"[{shown}]" if shown else ""

    def labels(self, x: Node, axes: Sequence[int]) -> list[str]:
        """What the axes of a reduction are called; nothing if it runs over all."""
        if len(axes) == x.type.ndim:
            return []
        return [
            str(dim) if isinstance(dim, Size) and str(dim) in dim.symbols() else f"axis{axis}"
            for axis, dim in enumerate(x.shape)
            if axis in axes
        ]


def merged(a: float, b: float) -> tuple[float, float]:
    """Two numbers as one, where that is no longer to read; else both."""
    if len(f"{a * b!r}") <= max(len(f"{a!r}"), len(f"{b!r}")) + 1:
        return a * b, 1
    return a, b
