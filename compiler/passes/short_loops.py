"""Short loops over the same axes, one after the other, are one loop.

What a kernel adds up over panels, and the updates of biases and the like behind that, are loops of
a few dozen elements each: most of a kernel's text would be their heads, and much of its compiling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..ir import Node
from .loops import Entry, Kernel, Loop, Start, Statement, statements
from .nests import units

SHORT = 1024  # elements of what is written: of longer loops it does not matter how many there are


def with_fewer_loops(kernel: Kernel) -> Kernel:
    """The kernel with fewer loops behind its panels."""
    return replace(kernel, body=tuple(x for unit in _joined(kernel.body) for x in unit))


def _joined(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Loops with the starts of their sums: each with the last one before it that it can join."""
    found: list[list[Entry]] = []
    for unit in units(entries):
        for place in reversed(range(len(found))):
            together = _together(found[place], unit)
            if together is not None:
                found[place] = together
                break
            if _meet(found[place], unit):
                found.append(unit)
                break
        else:
            found.append(unit)
    return found


def _together(first: Sequence[Entry], second: Sequence[Entry]) -> list[Entry] | None:
    """Two loops that have nothing to do with each other as one, if they are alike and short."""
    *starts, one = first
    *more, other = second
    if not isinstance(one, Loop) or not isinstance(other, Loop) or _meet(first, second):
        return None
    if not all(isinstance(x, Start) for x in (*starts, *more)):
        return None
    if not all(map(_is_short, statements([one, other]))):
        return None
    loop = _merged(one, other)
    return None if loop is None else [*starts, *more, loop]


def _is_short(statement: Statement) -> bool:
    size = statement.target.type.size
    return isinstance(size, int) and size <= SHORT


def _meet(first: Iterable[Entry], second: Iterable[Entry]) -> bool:
    """Whether one of them writes what the other reads or writes."""
    reads, writes = _traffic(first)
    own_reads, own_writes = _traffic(second)
    return bool(writes & (own_reads | own_writes) or own_writes & reads)


def _traffic(entries: Iterable[Entry]) -> tuple[set[Node], set[Node]]:
    members = list(statements(entries))
    reads = {found.operands[0] for member in members for found in member.loads}
    return reads, {member.target for member in members}


def _merged(one: Loop, other: Loop) -> Loop | None:
    """One loop for two over the same axes that have nothing but statements in the innermost one."""
    if one.axis is not other.axis or one.axis.operands:
        return None
    match one.body, other.body:
        case [Loop() as first], [Loop() as second]:
            inner = _merged(first, second)
            return None if inner is None else Loop(one.axis, (inner,))
    body = (*one.body, *other.body)
    return Loop(one.axis, body) if all(isinstance(x, Statement) for x in body) else None
