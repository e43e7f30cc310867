"""The language of a schedule: kernels made of loops over named axes, with scalar bodies.

A kernel may have its outermost loops in panels: some rows go through all of them before the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from ..errors import Bound, Fault
from ..ir import Graph, Node
from ..types import Dim, Shape, Where, add, floordiv
from .scalars import LOAD, Domain, label, load, scalars, show

if TYPE_CHECKING:
    from .wholes import Core, Whole

# How values come together in one element; those that are put into a tensor that was filled before
# are all there is to an element.
Combine: TypeAlias = Literal[
    "", "sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "put"
]


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """For all positions of a domain: target[index] = value, or is combined with it.

    Attributes:
        target: the tensor that is written; a parameter or state that is updated in place.
        node: the tensor whose value it is.
        domain: the loops' sizes or spans, outermost first; axes of size 1 have none.
        index: the element that is written.
        value: what is written; combined with what is there if `combine` says so.
        ready: how many of the loops an element needs around it; behind the others it is done.
        local: whether the partial result of a reduction is one number, not an array.
        shape: the shape in which `index` sees the target.
        panel: how many rows of the target a panel has, if these loops stand in one and add up at
            its rows alone; otherwise 0.
        loads: every element that is read.
    """

    target: Node
    node: Node
    domain: Domain
    index: tuple[Node, ...]
    value: Node
    ready: int
    combine: Combine = ""
    local: bool = False
    shape: Shape | None = None
    panel: int = 0
    loads: tuple[Node, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Collect the elements that are read, once for all who ask."""
        nodes = scalars([self.value, *self.index])
        object.__setattr__(self, "loads", tuple(node for node in nodes if node.op is LOAD))

    @property
    def result(self) -> Node:
        """The element that is written, as who reads it has it."""
        shape = self.target.shape if self.shape is None else self.shape
        return load(self.target, self.index, shape)

    def __str__(self) -> str:
        where = f"[{', '.join(map(show, self.index))}]" if self.index else ""
        sign = f"{self.combine}=" if self.combine else "="
        return f"{label(self.target)}{where} {sign} {show(self.value)}"


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The empty value of a reduction, before its loops."""

    statement: Statement


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """The end of a reduction to one number, behind its loops."""

    statement: Statement


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """For every position along an axis.

    Statements that follow each other in a body read before any of them updates in place, so that
    two parameters may be exchanged.
    """

    axis: Node
    body: tuple[Entry, ...]


Entry: TypeAlias = Statement | Start | Finish | Loop
ENTRIES = (Statement, Start, Finish, Loop)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Rows of a product that are computed and used before the next ones are, in any order.

    Attributes:
        dim: how many rows there are in all.
        rows: how many of them a panel has; the last one may have fewer.
        body: loops over the rows, and products of rows between them.
        local: tensors of which there are only the rows of a panel.
        columns: tensors that lie column by column in the loops, so that rows are side by side.
        has_core: whether the product is computed for each panel; else it was before, as a whole.
        shares: sums over all rows of which each panel has its own part, in memory of its own.
        batch: the axes around the rows, if these are rows of each matrix of a batch: loops over
            the batch stand around the panels, and only they may go in any order.
    """

    dim: Dim
    rows: int
    body: tuple[Entry | Core, ...]
    local: tuple[Node, ...] = ()
    columns: tuple[Node, ...] = ()
    has_core: bool = True
    shares: tuple[Node, ...] = ()
    batch: Shape = ()

    @property
    def count(self) -> Dim:
        """How many panels there are."""
        return floordiv(add(self.dim, self.rows - 1), self.rows)

    @property
    def whole(self) -> bool:
        """Whether every panel has all of its rows."""
        return isinstance(self.dim, int) and self.dim % self.rows == 0


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """One function: a contraction or another routine, if any, then loops.

    Attributes:
        core: what is computed first.
        body: loops over all of it.
        panel: loops before these that go over some rows at a time, of the core too if it says so.
        local: other tensors that lie in the function's own memory.
        rows: tensors of which an iteration of a loop in any order has a row of its own, and of
            which nothing else is there.
    """

    core: Whole | None
    body: tuple[Entry, ...]
    panel: Panel | None = None
    local: tuple[Node, ...] = ()
    rows: tuple[Node, ...] = ()

    def statements(self) -> list[Statement]:
        """Every statement, in order."""
        return list(statements(self.entries))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The loops of panels, and those behind them."""
        return tuple(x for x in self._all if isinstance(x, ENTRIES))

    @property
    def wholes(self) -> list[Whole]:
        """What is computed at once, in order: the core, or the products of a panel."""
        first = [] if self.core is None else [self.core]
        return [*first, *(cast("Whole", x) for x in self._all if not isinstance(x, ENTRIES))]

    @property
    def _all(self) -> tuple[Entry | Core, ...]:
        return self.body if self.panel is None else (*self.panel.body, *self.body)

    @property
    def own(self) -> tuple[Node, ...]:
        """The tensors that no other kernel knows of."""
        if self.panel is None:
            return self.local
        return (*self.local, *self.panel.local, *self.panel.shares)

    def reads(self) -> dict[Node, None]:
        """Tensors that are read, in order."""
        found = dict.fromkeys(x for whole in self.wholes for x in whole.operands)
        for statement in self.statements():
            found.update(dict.fromkeys(node.operands[0] for node in statement.loads))
        return found

    def writes(self) -> dict[Node, None]:
        """Tensors that are written, in order."""
        found = dict.fromkeys(x for whole in self.wholes for x in (*whole.work, whole.node))
        found.update(dict.fromkeys(statement.target for statement in self.statements()))
        return found

    def made(self) -> Iterator[Node]:
        """The tensors whose values are computed, in order."""
        if self.core is not None:
            yield self.core.node
        for entry in self._all:
            if isinstance(entry, ENTRIES):
                yield from (statement.node for statement in statements([entry]))
            else:
                yield entry.node

    @property
    def where(self) -> Where | None:
        """The user's line that the kernel came from."""
        return next((node.where for node in self.made() if node.where is not None), None)

    def __str__(self) -> str:
        lines, margin = [], ""
        if self.panel is not None:
            lines.append(f"for {self.panel.rows} rows of {self.panel.dim}:")
            margin = "    "
        if self.core is not None:
            inside = self.panel is not None and self.panel.has_core
            lines.insert(len(lines) if inside else 0, f"{margin if inside else ''}{self.core}")
        if self.panel is not None:
            lines += _lines(self.panel.body, margin)
        return "\n".join([*lines, *_lines(self.body, "")])


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Whether a value that several loops need, or one again and again, is stored.

    Attributes:
        node: the value.
        stored: or else computed where it is needed.
        cost: of computing one element from what is stored, in additions.
        times: how many elements are computed in all.
    """

    node: Node
    stored: bool
    cost: float
    times: Dim


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Kernels in order, and what they need.

    Attributes:
        graph: what is computed, with the contractions as kernels have them.
        kernels: functions, to be called one after the other.
        stored: tensors that lie in memory between loops, other than inputs and the like.
        faults: what each fault code stands for, 1 first.
        bounds: sizes that must not be negative in a call.
        outputs: the tensor of each output.
        names: what tensors and values are called in the graph.
        decisions: what was stored, or not, though it need not be.
    """

    graph: Graph
    kernels: tuple[Kernel, ...]
    stored: tuple[Node, ...]
    faults: tuple[Fault, ...]
    bounds: tuple[Bound, ...]
    outputs: tuple[Node, ...]
    names: Mapping[Node, str]
    decisions: tuple[Decision, ...] = ()

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.kernels))


def statements(entries: Iterable[Entry | Core]) -> Iterator[Statement]:
    """The statements of loops, in order."""
    for entry in entries:
        if isinstance(entry, Statement):
            yield entry
        elif isinstance(entry, Loop):
            yield from statements(entry.body)


def _lines(entries: Iterable[Entry | Core], margin: str) -> Iterator[str]:
    for entry in entries:
        if not isinstance(entry, ENTRIES):
            yield f"{margin}{entry}"
        elif isinstance(entry, Loop):
            ends = [show(x) for x in entry.axis.operands]
            size = " ... ".join(ends) if ends else f"< {entry.axis.attr('dim')}"
            yield f"{margin}for {show(entry.axis)} {size}:"
            yield from _lines(entry.body, margin + "    ")
        elif isinstance(entry, Statement):
            yield f"{margin}{entry}"
        elif isinstance(entry, Start):
            yield f"{margin}{label(entry.statement.target)} = empty {entry.statement.combine}"
        else:
            yield f"{margin}{label(entry.statement.target)} done"
