"""What is found by going through the loops of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from ..ir import Node
from ..types import Dim, mul, product
from .loops import ENTRIES, Entry, Finish, Kernel, Loop, Start, Statement
from .scalars import in_place

if TYPE_CHECKING:
    from .wholes import Core

Item = TypeVar("Item")


def placed(
    entries: Iterable[Entry], around: tuple[Loop, ...] = ()
) -> Iterator[tuple[tuple[Loop, ...], Statement]]:
    """The statements of loops, in order, each with the loops that it stands in."""
    for entry in entries:
        if isinstance(entry, Statement):
            yield around, entry
        elif isinstance(entry, Loop):
            yield from placed(entry.body, (*around, entry))


def times(around: Iterable[Loop]) -> Dim:
    """How often the body of loops inside each other runs, at most."""
    axes = [loop.axis for loop in around]
    known = product(tuple(x.attr("dim") for x in axes if not x.operands))
    spans = [x.attr("most") for x in axes if x.operands]
    return mul(known, spans[-1]) if spans else known


def units(entries: Iterable[Item]) -> Iterator[list[Item]]:
    """Entries one by one, but a loop together with the starts and ends of its reductions."""
    unit: list[Item] = []
    for entry in entries:
        if unit and not isinstance(entry, Finish) and not isinstance(unit[-1], Start):
            yield unit
            unit = []
        unit.append(entry)
    if unit:
        yield unit


def replaced(entry: Entry, known: Mapping[Statement, Statement]) -> Entry:
    """An entry with other statements."""
    if isinstance(entry, Statement):
        return known.get(entry, entry)
    if isinstance(entry, Loop):
        return Loop(entry.axis, tuple(replaced(x, known) for x in entry.body))
    return type(entry)(known.get(entry.statement, entry.statement))


def changed(
    entries: Iterable[Entry | Core], change: Callable[[Entry], Entry]
) -> tuple[Entry | Core, ...]:
    """The body of a panel with other loops; products stay."""
    return tuple(change(x) if isinstance(x, ENTRIES) else x for x in entries)


def unforwarded(kernel: Kernel) -> dict[Node, None]:
    """Tensors of which an element is read that was not computed right before in the same loops."""
    needed: dict[Node, None] = {}
    for whole in kernel.wholes:
        needed.update(dict.fromkeys((whole.node, *whole.operands, *whole.work)))

    def visit(entries: Iterable[Entry], known: set[Node]) -> None:
        for entry in entries:
            if isinstance(entry, Loop):
                visit(entry.body, set(known))
            elif isinstance(entry, Finish):
                known.add(entry.statement.result)
            elif isinstance(entry, Statement):
                for found in entry.loads:
                    if found not in known:
                        needed[found.operands[0]] = None
                if not entry.combine and not in_place(entry.target):
                    known.add(entry.result)

    visit(kernel.entries, set())
    return needed


def loops(entries: Iterable[Entry]) -> int:
    """How many loops stand inside each other, at most, those of a start included."""
    deepest = 0
    for entry in entries:
        if isinstance(entry, Loop):
            deepest = max(deepest, 1 + loops(entry.body))
        elif isinstance(entry, Start) and not entry.statement.local:
            deepest = max(deepest, entry.statement.target.type.ndim)
    return deepest
