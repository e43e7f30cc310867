"""The scalar nodes of a schedule's loops: positions, and elements of tensors at positions.

A body is a graph of nodes without axes. Beside the scalar rows it has a loop's position (`axis`),
an element of a tensor (`load`), a position that is checked against its axis (`checked`) and a
random number (`draw`). Nodes are interned, so a value that two statements of one loop need is one
node, computed once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..ir import CONST, LEAF, Node, Op, make
from ..ops.convert import LITERAL, SIZE
from ..types import Dim, Shape, TensorType

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
    stack: list[Node | None] = [*roots]
    stack.reverse()
    while stack:
        node = stack.pop()
        if node is None:  # what is below the next one is there
            done = stack.pop()
            assert done is not None
            order.append(done)
        elif node not in seen:
            seen.add(node)
            below = inner(node)
            if not below:
                order.append(node)
            else:
                stack += (node, None)
                stack += [x for x in reversed(below) if x not in seen]
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
