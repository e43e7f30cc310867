"""What loops store, step after step, and what their reverse computes again instead."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..autodiff import dependents
from ..ir import Graph, Node, is_leaf, transform, walk
from ..ops.scan import SCAN, Body, Parts, parts
from ..ops.steps import bodies
from ..passes.merge import Merge
from ..types import BYTES, Dim, FloorDiv, TensorType, Where, add, floordiv, mul, symbol
from .formulas import display_names, text
from .notation import Text
from .printer import Printer
from .sizes import checked

FORMULA, CONSTANT = 60, 16  # how long they are at most


@dataclass(frozen=True, slots=True)
class Stored:
    """A value that a loop stores for every step: what it is, and the stack of it."""

    formula: str
    type: TensorType

    @property
    def size(self) -> Dim:
        """In bytes."""
        return mul(self.type.size, BYTES[self.type.dtype])


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop: what it stores, what it computes again of the loop that it is the reverse of.

    Attributes:
        where: the user's line.
        steps: how many; None without a bound.
        early: whether they may be fewer.
        reverse_of: the number of the loop that this is the way back of, or -1.
        stored: a stack for each.
        again: formulas that the steps of that loop computed already.
        recompute: whether all is computed again but the carries before its steps.
        inside: the loops in a step.
    """

    where: Where | None
    steps: Dim | None
    early: bool
    reverse_of: int
    stored: tuple[Stored, ...]
    again: tuple[str, ...]
    recompute: bool
    inside: tuple[Loop, ...]

    @property
    def size(self) -> Dim:
        """Bytes of all that it stores, and that the loops in a step do."""
        total: Dim = 0
        for size in (*(x.size for x in self.stored), *(x.size for x in self.inside)):
            total = add(total, size)
        return total


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of a program, in order; prints as text.

    Attributes:
        name: the program's name.
        loops: those that stand in no other.
        sizes: numbers for sizes, with which it prints.
    """

    name: str
    loops: tuple[Loop, ...]
    sizes: Mapping[str, int]

    @property
    def size(self) -> Dim:
        """Bytes of all that loops store, if no two share memory."""
        total: Dim = 0
        for loop in self.loops:
            total = add(total, loop.size)
        return total

    def __str__(self) -> str:
        if not self.loops:
            return f"{self.name} has no loops"
        lines = [f"{self.name}: loops store {self._bytes(self.size)}"]
        for number, loop in enumerate(self.loops, 1):
            lines += ["", *self._lines(loop, str(number), "")]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _lines(self, loop: Loop, number: str, margin: str) -> Iterator[str]:
        """A loop as text, with the loops in its step."""
        if loop.steps is None:
            steps = "until a condition fails"
        else:
            steps = f"{'at most ' if loop.early else ''}{self._size(loop.steps)} steps"
        place = "" if loop.where is None else f"   {loop.where} {loop.where.layer}".rstrip()
        way = ""
        if loop.reverse_of >= 0:
            outer, dot, _ = number.rpartition(".")
            way = f", back through loop {outer}{dot}{loop.reverse_of + 1}"
        yield f"{margin}loop {number}: {steps}{way}{place}"
        inner = margin + "    "
        for x in loop.stored:
            yield f"{inner}stores {x.formula}: {self._bytes(x.size)}"
        if loop.recompute:
            yield f"{inner}computes all else of the steps again"
        for formula in loop.again if not loop.recompute else ():
            yield f"{inner}computes {formula} again"
        for i, each in enumerate(loop.inside, 1):
            yield from self._lines(each, f"{number}.{i}", inner)

    def _bytes(self, size: Dim) -> str:
        return f"{self._size(size)} bytes"

    def _size(self, size: Dim) -> str:
        return shown_size(size, self.sizes)


def loops(graph: Graph, sizes: Mapping[str, int]) -> Loops:
    """What the loops of a graph store, and what they compute again.

    Args:
        graph: with all gradients taken.
        sizes: numbers for sizes; others stay symbols.
    """
    sizes = checked(graph, sizes)
    graph = Merge()(graph)
    return Loops(graph.name, _found(graph.nodes(), display_names(graph)), sizes)


def _found(nodes: Sequence[Node], names: Mapping[Node, str]) -> tuple[Loop, ...]:
    """The loops among nodes, in order."""
    families: dict[object, Parts] = {}
    chosen: dict[Body, tuple[Loop, ...]] = {}  # those in the branches of choices
    for node in nodes:
        if node.op is SCAN:
            families.setdefault(node.op.family(node), parts(node))
            continue
        for body in bodies(node).values():
            if body not in chosen:
                chosen[body] = _found(walk(body.outputs), {})
    found = list(families.values())
    made = (_loop(loop, found[:i], names) for i, loop in enumerate(found))
    return (*made, *itertools.chain(*chosen.values()))


def _loop(loop: Parts, before: Sequence[Parts], names: Mapping[Node, str]) -> Loop:
    of, known = -1, dict[Node, Node]()
    for i, other in enumerate(before):
        shared = _shared(loop, other)
        taken = set(other.results()[len(other.inits) :])
        if shared and any(x in taken for x in loop.sequences):
            of, known = i, shared
    n, called = len(loop.inits), _called(loop, names)
    stored = tuple(
        Stored(shortened(text(of_step, called)), x.type)
        for x, of_step in zip(loop.results()[n:], loop.stacked, strict=True)
    )
    again = tuple(_again(loop, before[of], known, called)) if of >= 0 else ()
    inside = _found(walk(loop.body.outputs), called)
    length, recompute = loop.node.attr("length"), loop.node.attr("recompute")
    return Loop(
        loop.node.where, length, loop.ends_early, of, stored, again, recompute and of >= 0, inside
    )


def _shared(loop: Parts, other: Parts) -> dict[Node, Node]:
    """For each leaf of a loop's step what it is in the step of a loop the other way round."""
    attrs = ("length", "recompute")
    if any(loop.node.attr(k) != other.node.attr(k) for k in attrs):
        return {}
    if loop.node.attr("reverse") == other.node.attr("reverse"):
        return {}
    outside = dict(zip(other.results()[len(other.inits) :], other.stacked, strict=True))
    outside.update(zip(other.sequences, other.elements, strict=True))
    fixed = dict(zip(other.constants, other.fixed, strict=True))
    found = {own: outside[x] for own, x in zip(loop.elements, loop.sequences, strict=True)
             if x in outside}  # fmt: skip
    found |= {own: fixed[x] for own, x in zip(loop.fixed, loop.constants, strict=True)
              if x in fixed}  # fmt: skip
    return found


def _called(loop: Parts, names: Mapping[Node, str]) -> dict[Node, str]:
    """What the leaves of a step are called: of what is the same in every step, what it is."""
    found = {x: str(x.attr("name")) for x in loop.body.inputs}
    for own, x in zip(loop.fixed, loop.constants, strict=True):
        if not is_leaf(x) or x in names:
            known = names.get(x) or text(x, names, 2)
            found[own] = known if len(known) <= CONSTANT and "…" not in known else found[own]
        else:
            found[own] = str(x.attr("name"))
    return found


def _again(
    loop: Parts, other: Parts, known: Mapping[Node, Node], called: Mapping[Node, str]
) -> Iterator[str]:
    """The formulas, the largest ones, that the steps of the other loop computed already."""
    mapped = transform(loop.body.outputs, known=known)
    there = {x for x in walk(other.body.outputs) if x.operands and not is_leaf(x)}
    leaves = set(loop.body.inputs)
    grounded = dependents(loop.body.outputs, leaves)
    same = {x for x in mapped if x in grounded and x not in leaves and mapped[x] in there}
    used: set[Node] = set()
    for node in walk(loop.body.outputs):
        if node not in same:
            used.update(x for x in node.operands if x in same)
    used.update(x for x in loop.body.outputs if x in same)
    for node in walk(loop.body.outputs):
        if node in used and node.op is not SCAN:
            yield shortened(text(node, called))


def with_numbers(size: Dim, numbers: Mapping[str, int]) -> Dim:
    """A size with numbers for some of its symbols."""
    if isinstance(size, int):
        return size
    total: Dim = 0
    for atoms, factor in size.terms:
        product: Dim = factor
        for x in atoms:
            if isinstance(x, FloorDiv):
                product = mul(product, floordiv(with_numbers(x.size, numbers), x.by))
            else:
                product = mul(product, numbers.get(x, symbol(x)))
        total = add(total, product)
    return total


def shown_size(size: Dim, numbers: Mapping[str, int]) -> str:
    """A size with numbers for some of its symbols, as text."""
    known = with_numbers(size, numbers)
    return f"{known:,}" if isinstance(known, int) else Printer({}, Text()).size(known).text


def shortened(formula: str) -> str:
    """A formula that is not too long."""
    return formula if len(formula) <= FORMULA else formula[: FORMULA - 1] + "…"
