"""Kernels that do the same to different tensors: one function serves all of them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from ..ir import Node, Op
from ..ops.convert import LITERAL
from .loops import Entry, Finish, Kernel, Loop, Start, Statement
from .scalars import CHECKED, DRAW, LOAD, in_place, scalars
from .wholes import Core, Part, Whole

Pattern: TypeAlias = "tuple[Hashable, ...]"
# Attributes of scalar nodes that may differ between kernels that are alike: which stream of random
# numbers, which fault. They are passed to the function where they do.
PASSED: Mapping[Op, str] = {DRAW: "stream", CHECKED: "code"}
Number: TypeAlias = "tuple[str, int]"


def passed(kernel: Kernel) -> tuple[Number, ...]:
    """The numbers of a kernel that may be others in one that is alike: each once, in order."""
    roots = [root for s in kernel.statements() for root in (s.value, *s.index)]
    return tuple(dict.fromkeys(number_of(node) for node in scalars(roots) if node.op in PASSED))


def inside(part: Part) -> Pattern:
    """What a graph inside a kernel does: its kernels, and which tensors they have in common."""
    graph, planned = part.graph, part.planned
    stored = frozenset(planned.stored)
    numbers: dict[Node, int] = {}
    for tensor in (*graph.inputs, *graph.state, *planned.outputs):
        numbers.setdefault(tensor, len(numbers))
    found: list[Hashable] = [tuple(map(numbers.__getitem__, (*numbers, *planned.outputs)))]
    for kernel in planned.kernels:
        tensors = (*kernel.reads(), *kernel.writes())
        used = [numbers.setdefault(tensor, len(numbers)) for tensor in tensors]
        found.append((pattern(kernel, stored), passed(kernel), tuple(used)))
    # A constant array is its own: the text of the part names it.
    types = [(x.type, x in stored, x if x.op is LITERAL else None) for x in numbers]
    order = tuple(numbers.get(tensor) for tensor in planned.stored)
    return graph.name, order, tuple(types), *found


def number_of(node: Node) -> Number:
    """Such a number, and what it is."""
    name = PASSED[node.op]
    return name, node.attr(name)


def pattern(kernel: Kernel, stored: Collection[Node]) -> Pattern:
    """What a kernel does, with numbers in place of tensors.

    Two kernels of one pattern are the same text up to the names of their arrays, which are the
    same in number, order, dtype and shape. Tensors that are one in the first are one in the second.

    Args:
        kernel: what is described.
        stored: tensors that lie in memory; it makes a difference whether one does.
    """
    return _Pattern(stored).of(kernel)


class _Pattern:
    """Numbers for tensors, scalar values and statements, in the order in which they are met."""

    def __init__(self, stored: Collection[Node]) -> None:
        self.stored = stored
        self.written: dict[Node, None] = {}
        self.rows: list[Hashable] = []
        self.numbers: dict[Node | Statement, int] = {}
        self.passed: dict[Number, int] = {}

    def of(self, kernel: Kernel) -> Pattern:
        """The rows of all that was numbered, and the kernel in numbers."""
        self.written = kernel.writes()
        core = None if kernel.core is None else self._core(kernel.core)
        panel = None
        if kernel.panel is not None:
            found = kernel.panel
            local = tuple(map(self._tensor, found.local))
            columns = tuple(map(self._tensor, found.columns))
            shares = tuple(map(self._tensor, found.shares))
            rows = found.batch, found.dim, found.rows
            panel = *rows, self._body(found.body), local, columns, shares
        body = self._body(kernel.body)
        local = tuple(map(self._tensor, kernel.local))
        return (*self.rows, core, panel, body, local)

    def _number(self, thing: Node | Statement, row: Hashable) -> int:
        self.rows.append(row)
        return self.numbers.setdefault(thing, len(self.numbers))

    def _tensor(self, tensor: Node) -> int:
        if tensor in self.numbers:
            return self.numbers[tensor]
        # What is only read may lie anywhere.
        how = (in_place(tensor), tensor in self.stored) if tensor in self.written else None
        return self._number(tensor, (tensor.type, tensor.op is LITERAL, how))

    def _value(self, root: Node) -> int:
        for node in scalars([root]):
            if node not in self.numbers:
                if node.op is LOAD:
                    self._tensor(node.operands[0])
                operands = tuple(self.numbers[x] for x in node.operands)
                # One without operands is itself: 0 and -0 are equal, but not the same node.
                row = (node.op, node.type, self._attrs(node), operands)
                self._number(node, row if operands else node)
        return self.numbers[root]

    def _attrs(self, node: Node) -> Hashable:
        """The attributes, with numbers in place of those that are passed."""
        if node.op not in PASSED:
            return node.attrs
        place = self.passed.setdefault(number_of(node), len(self.passed))
        return place, *(pair for pair in node.attrs if pair[0] != PASSED[node.op])

    def _statement(self, s: Statement) -> int:
        if s in self.numbers:
            return self.numbers[s]
        value, index = self._value(s.value), tuple(map(self._value, s.index))
        how = (s.domain, s.ready, s.combine, s.local, s.shape, s.panel)
        return self._number(s, (self._tensor(s.target), index, value, how))

    def _core(self, core: Whole) -> Hashable:
        """The fields, whatever they are."""
        return (type(core), *(self._field(getattr(core, field.name)) for field in fields(core)))

    def _field(self, value: Any) -> Hashable:
        if isinstance(value, Node):
            return "tensor", self._tensor(value)
        if isinstance(value, tuple):
            return tuple(map(self._field, value))
        if isinstance(value, Part):
            return inside(value), self._field(value.given), self._field(value.made)
        found: Hashable = value
        return found

    def _body(self, entries: Iterable[Entry | Core]) -> Hashable:
        found: list[Hashable] = []
        for entry in entries:
            if isinstance(entry, Loop):
                found.append((entry.axis, self._body(entry.body)))
            elif isinstance(entry, Start | Finish):
                found.append((type(entry), self._statement(entry.statement)))
            elif isinstance(entry, Statement):
                found.append(self._statement(entry))
            else:
                found.append(self._core(entry))
        return tuple(found)
