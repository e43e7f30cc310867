"""The language of a schedule: kernels made of loops over named axes, with scalar bodies.

A body is a graph of nodes without axes. Beside the scalar rows it has a loop's position (`axis`),
an element of a tensor (`load`), a position that is checked against its axis (`checked`) and a
random number (`draw`). Nodes are interned, so a value that two statements of one loop need is one
node, computed once.

A kernel may have its outermost loops in panels: some rows go through all of them before the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from ..errors import Bound, Fault
from ..ir import CONST, LEAF, Graph, Node, Op, make
from ..ops.convert import LITERAL, SIZE
from ..types import Dim, Shape, TensorType, Where, add, floordiv

if TYPE_CHECKING:
    from .wholes import Core, Whole

LETTERS = "ijklmnpqrstuvw"


@dataclass(frozen=True, slots=True)
class Span:
    """Positions along a loop that are known only where it begins: `start` to `stop` - 1.

    There are `most` of them at most, those of all turns of the loops around it together.
    `any_order`: its iterations need nothing of each other.
    """

    start: Node
    stop: Node
    most: Dim
    any_order: bool = False


Extent: TypeAlias = "Dim | Span"
Domain: TypeAlias = "tuple[Extent, ...]"


class Axis(Op):
    """The position along a loop. operands: the ends of a span. attrs: depth, dim.

    A span has no dim, but says how many positions there are at `most`, and whether in `any_order`.
    """

    name = "axis"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """An integer."""
        return TensorType("int64")


class Load(Op):
    """An element of a tensor. operands: tensor, positions, a guard if any. attrs: shape, guarded.

    The tensor is seen in another `shape` of as many elements. Where the guard is false nothing is
    read, and the value is 0.
    """

    name = "load"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The tensor's dtype."""
        return TensorType(operands[0].dtype)


class Checked(Op):
    """A position that is inside an axis, or else 0 and a fault. operands: position, a guard if any.

    attrs: dim, code.
    """

    name = "checked"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """An integer."""
        return TensorType("int64")


class Draw(Op):
    """A random number in [0, 1). operands: seed, step, position. attrs: stream, dtype."""

    name = "draw"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """A number."""
        return TensorType(attrs["dtype"])


class Turn(Op):
    """Which panel it is, counted from 0."""

    name = "turn"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """An integer."""
        return TensorType("int64")


class Parts(Op):
    """What the rows of each panel add to a tensor. operands: the tensor. attrs: count, dtype."""

    name = "parts"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The parts one after the other."""
        return TensorType(attrs["dtype"], (attrs["count"], *operands[0].shape))


class Places(Op):
    """Checked positions of all rows. operands: that of a row. attrs: dim."""

    name = "places"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """Integers."""
        return TensorType("int64", (attrs["dim"],))


AXIS, LOAD, CHECKED, DRAW, TURN = Axis(), Load(), Checked(), Draw(), Turn()
PARTS, PLACES = Parts(), Places()


def axis(depth: int, extent: Extent) -> Node:
    """The position along the loop at this depth."""
    if isinstance(extent, Span):
        ends, order = (extent.start, extent.stop), extent.any_order
        return make(AXIS, ends, depth=depth, dim=None, most=extent.most, any_order=order)
    return make(AXIS, (), depth=depth, dim=extent)


def load(tensor: Node, index: tuple[Node, ...], shape: Shape, guard: Node | None = None) -> Node:
    """The element of `tensor`, seen in `shape`, at `index`."""
    operands = (tensor, *index) if guard is None else (tensor, *index, guard)
    return make(LOAD, operands, shape=shape, guarded=guard is not None)


def positions(node: Node) -> tuple[Node, ...]:
    """The positions of a load."""
    return node.operands[1 : 1 + len(node.attr("shape"))]


def scalars(roots: Iterable[Node]) -> list[Node]:
    """The nodes of scalar bodies, operands first, without the tensors that are loaded from."""
    seen: set[Node] = set()
    order: list[Node] = []
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((x, False) for x in reversed(inner(node)) if x not in seen)
    return order


def inner(node: Node) -> tuple[Node, ...]:
    """The operands of a scalar node that are scalar themselves."""
    return node.operands[1:] if node.op is LOAD else node.operands


def depth(node: Node, known: dict[Node, int]) -> int:
    """How many loops must be around a scalar node."""
    stack = [] if node in known else [node]
    while stack:
        x = stack[-1]
        unknown = [y for y in inner(x) if y not in known]
        if unknown:
            stack += unknown
            continue
        below = max((known[y] for y in inner(x)), default=0)
        if x.op is AXIS:
            below = max(below, x.attr("depth") + 1)
        known[x] = 1 if x.op is TURN else below  # panels are a loop as well
        stack.pop()
    return known[node]


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
    """

    dim: Dim
    rows: int
    body: tuple[Entry | Core, ...]
    local: tuple[Node, ...] = ()
    columns: tuple[Node, ...] = ()
    has_core: bool = True
    shares: tuple[Node, ...] = ()

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


def in_any_order(axis: Node) -> bool:
    """Whether the iterations of the loop along an axis need nothing of each other."""
    return bool(axis.operands) and bool(axis.attr("any_order"))


def given(tensor: Node) -> bool:
    """Whether a tensor is in memory from the start."""
    return tensor.op in (LEAF, LITERAL)


def in_place(tensor: Node) -> bool:
    """Whether a tensor comes from outside, so that writing it overwrites a value in use."""
    return tensor.op is LEAF and tensor.attr("role") != "placeholder"


def label(tensor: Node) -> str:
    """A short name of a tensor, for people who debug."""
    if tensor.op is LEAF:
        return str(tensor.attr("name"))
    return f"{tensor.op.name}.{id(tensor) // 16 % 4096:x}"


def show(node: Node) -> str:
    """A scalar node as text, for people who debug."""
    if node.op is AXIS:
        return LETTERS[node.attr("depth")]
    if node.op is TURN:
        return "panel"
    if node.op is CONST:
        return f"{node.attr('value'):g}"
    if node.op is SIZE:
        return str(node.attr("dim"))
    shown = ", ".join(map(show, inner(node)))
    if node.op is LOAD:
        return f"{label(node.operands[0])}[{shown}]"
    return f"{node.op.name}({shown})"
