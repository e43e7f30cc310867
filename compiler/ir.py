"""The graph: interned nodes, each one op applied to other nodes.

Equal expressions are one object, so common subexpressions are shared by construction and `is` is
equality. Nodes carry operators (`x + 1`, `-x`, `x @ w`), so formulas, rules and derivatives are
written as mathematics.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import (
    Callable,
    Container,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from .types import Dim, TensorType, Where

if TYPE_CHECKING:
    import numpy as np

Attrs: TypeAlias = "tuple[tuple[str, Any], ...]"
LeafRole = Literal["input", "setting", "param", "state", "placeholder"]


class Op(ABC):
    """What a node does: its type, its derivative, its meaning.

    One derivative rule an op. `vjp` is written with other ops, so a gradient is a graph again.
    """

    name: str
    doc: str = ""
    source: str = ""

    @abstractmethod
    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type of the result; ShapeError or DTypeError where the operands do not fit."""

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The gradient for each operand, given that of the result; None where there is none."""
        return (None,) * len(node.operands)

    def family(self, node: Node) -> Hashable | None:
        """What nodes share that are results of one computation, and so differentiated together."""
        return None

    def vjp_of(self, grads: Mapping[Node, Node]) -> tuple[Node | None, ...]:
        """The gradient for each operand of a family, given those of some of its members."""
        ((node, out_grad),) = grads.items()
        return self.vjp(node, out_grad)

    def expand(self, node: Node) -> Node | None:
        """The same value written with simpler ops, stably; None for a primitive."""
        return None

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The op applied to operands that each have `lead` more leading axes (sizes may be 1)."""
        from .errors import UsageError

        raise UsageError(
            f"{self.name} inside a neuron formula",
            f"a neuron is replicated over units and batch; {self.name} cannot be",
            "use elementwise functions, sums and products of the neuron's own inputs",
            node.where,
        )

    def __call__(self, *operands: Node | complex, where: Where | None = None, **attrs: Any) -> Node:
        """Apply the op; a Python number becomes a constant of the other operands' dtype."""
        dtype = next((x.type.dtype for x in operands if isinstance(x, Node)), "float64")
        nodes = tuple(x if isinstance(x, Node) else const(x, dtype) for x in operands)
        return make(self, nodes, where, **attrs)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False, repr=False)
class Node:
    """One op applied to operands. Only `make` makes one, interned; `where` is not part of it."""

    op: Op
    operands: tuple[Node, ...]
    attrs: Attrs
    type: TensorType
    where: Where | None

    def attr(self, name: str) -> Any:
        """The value of one attribute."""
        for key, value in self.attrs:
            if key == name:
                return value
        raise KeyError(name)

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The sizes of the axes."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.type.dtype

    def __repr__(self) -> str:
        return f"<{self.op.name}: {self.type}>"

    def __add__(self, other: Node | float) -> Node:
        return OPS["add"](self, other)

    def __radd__(self, other: float) -> Node:
        return OPS["add"](other, self)

    def __sub__(self, other: Node | float) -> Node:
        return OPS["subtract"](self, other)

    def __rsub__(self, other: float) -> Node:
        return OPS["subtract"](other, self)

    def __mul__(self, other: Node | float) -> Node:
        return OPS["multiply"](self, other)

    def __rmul__(self, other: float) -> Node:
        return OPS["multiply"](other, self)

    def __truediv__(self, other: Node | float) -> Node:
        return OPS["divide"](self, other)

    def __rtruediv__(self, other: float) -> Node:
        return OPS["divide"](other, self)

    def __pow__(self, other: Node | float) -> Node:
        return OPS["pow"](self, other)

    def __neg__(self) -> Node:
        return OPS["negative"](self)

    def __lt__(self, other: Node | float) -> Node:
        return OPS["less"](self, other)

    def __le__(self, other: Node | float) -> Node:
        return OPS["less_equal"](self, other)

    def __gt__(self, other: Node | float) -> Node:
        return OPS["greater"](self, other)

    def __ge__(self, other: Node | float) -> Node:
        return OPS["greater_equal"](self, other)


OPS: dict[str, Op] = {}
"""Every built-in op by its name. Ops that a user's formula makes are not in it."""

_INTERNED: weakref.WeakValueDictionary[Any, Node] = weakref.WeakValueDictionary()
_WHERE: ContextVar[Where | None] = ContextVar("where", default=None)
# Graphs may be built in several threads; equal nodes are still one object.
_LOCK = threading.RLock()


@dataclass(frozen=True, slots=True, eq=False)
class _Fresh:
    """The nodes that are made in one block, and a mark of the block, which does not hold them."""

    nodes: set[Node] = field(default_factory=set)
    mark: object = field(default_factory=object)


_FRESH: ContextVar[_Fresh | None] = ContextVar("fresh", default=None)


def register(op: Op) -> Op:
    """Put a built-in op into the table."""
    if op.name in OPS:
        raise ValueError(f"two ops are called {op.name}")
    OPS[op.name] = op
    return op


class located:
    """Nodes made inside, where they do not say otherwise, belong to this line of the user's."""

    __slots__ = ("token", "where")

    def __init__(self, where: Where | None) -> None:
        self.where = where

    def __enter__(self) -> None:
        self.token = _WHERE.set(self.where or _WHERE.get())

    def __exit__(self, *_: object) -> None:
        _WHERE.reset(self.token)


@contextlib.contextmanager
def fresh() -> Iterator[Set[Node]]:
    """Nodes made inside are new even where equal ones exist; the set of them.

    So what a function computes is told apart from what it only uses.
    """
    made = _Fresh()
    token = _FRESH.set(made)
    try:
        yield made.nodes
    finally:
        _FRESH.reset(token)


def make(op: Op, operands: tuple[Node, ...], where: Where | None = None, **attrs: Any) -> Node:
    """The node of this op, operands and attributes: the one that exists, or a new one."""
    ordered = tuple(sorted(attrs.items()))
    # 0.0 and -0.0, and 1 and True, are equal keys but different constants.
    exact = tuple(repr(v) if isinstance(v, float | bool) else v for _, v in ordered)
    made = _FRESH.get()
    key = (
        None if made is None else made.mark,
        op,
        operands,
        tuple(name for name, _ in ordered),
        exact,
    )
    found = _INTERNED.get(key)
    if found is None:
        # A number is shared by all who write it: it belongs to no line.
        where = None if op is CONST else where or _WHERE.get()
        with located(where):
            type_ = op.infer(operands, **attrs)
        with _LOCK:
            found = _INTERNED.setdefault(key, Node(op, operands, ordered, type_, where))
    if made is not None:
        made.nodes.add(found)
    return found


class Leaf(Op):
    """A value that comes from outside: an input, a setting, a parameter, a state.

    Two leaves are never the same, even of one name: `uid` tells them apart.
    """

    name = "leaf"
    _ids: ClassVar[Iterator[int]] = itertools.count()

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The declared type."""
        declared: TensorType = attrs["type"]
        return declared


class Const(Op):
    """A number."""

    name = "const"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """A tensor of no axes."""
        return TensorType(attrs["dtype"])

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same number: it broadcasts."""
        return node


LEAF = register(Leaf())
CONST = register(Const())


def leaf(name: str, type: TensorType, role: LeafRole, where: Where | None = None) -> Node:
    """A new leaf."""
    return make(LEAF, (), where, name=name, type=type, role=role, uid=next(Leaf._ids))


def const(value: complex, dtype: str) -> Node:
    """The number `value` as a tensor of no axes."""
    kind: Any = {"bool": bool}.get(dtype, int if dtype.startswith("int") else float)
    return make(CONST, (), value=kind(value), dtype=dtype)


def is_leaf(node: Node) -> bool:
    """Whether the node comes from outside."""
    return node.op is LEAF


def is_const(node: Node, value: float | None = None) -> bool:
    """Whether the node is a number, and this one if given."""
    return node.op is CONST and (value is None or node.attr("value") == value)


def walk(roots: Iterable[Node], stop: Container[Node] = ()) -> list[Node]:
    """Every node that the roots need, operands before what uses them; not below `stop`."""
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
            if not node.operands or node in stop:
                order.append(node)
            else:
                stack += (node, None)
                stack += [x for x in reversed(node.operands) if x not in seen]
    return order


def rebuilt(node: Node, operands: tuple[Node, ...]) -> Node:
    """The node with other operands."""
    if operands == node.operands:
        return node
    return make(node.op, operands, node.where, **dict(node.attrs))


def transform(
    roots: Iterable[Node],
    visit: Callable[[Node], Node] = lambda node: node,
    known: Mapping[Node, Node] | None = None,
) -> dict[Node, Node]:
    """Map every node, operands first, to `visit` of the node with its operands mapped.

    Args:
        roots: where to start.
        visit: gets a node whose operands are already the new ones.
        known: nodes that are mapped already; nothing below them is visited.

    Returns:
        The new node of every old one.
    """
    mapped: dict[Node, Node] = dict(known or {})
    for node in walk(roots, known or {}):
        if node not in mapped:
            mapped[node] = visit(rebuilt(node, tuple(mapped[x] for x in node.operands)))
    return mapped


def substitute(roots: Sequence[Node], known: Mapping[Node, Node]) -> list[Node]:
    """The roots with some nodes replaced."""
    mapped = transform(roots, known=known)
    return [mapped[root] for root in roots]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """What is to be computed: outputs, and new values for parameters and state.

    Attributes:
        name: an identifier.
        inputs: leaves of the roles input and setting, in the order of the arguments.
        params: leaves that updates may change, trained.
        state: leaves that updates may change, not trained (an optimizer's, a step counter).
        outputs: names and nodes; in a training step the loss comes first.
        updates: a parameter or state, and its new value.
        names: what inner nodes are called in formulas and code.
    """

    name: str
    inputs: tuple[Node, ...] = ()
    params: tuple[Node, ...] = ()
    state: tuple[Node, ...] = ()
    outputs: tuple[tuple[str, Node], ...] = ()
    updates: tuple[tuple[Node, Node], ...] = ()
    names: Mapping[Node, str] = field(default_factory=dict)

    @property
    def leaves(self) -> tuple[Node, ...]:
        """Everything that comes from outside."""
        return self.inputs + self.params + self.state

    @property
    def roots(self) -> tuple[Node, ...]:
        """Everything that is wanted."""
        return tuple(node for _, node in self.outputs) + tuple(new for _, new in self.updates)

    def nodes(self) -> list[Node]:
        """Every node, operands before what uses them."""
        return walk(self.leaves + self.roots)

    def map(self, mapped: Mapping[Node, Node]) -> Graph:
        """The graph after a transformation; names move along."""
        names: dict[Node, str] = {}
        for node, name in self.names.items():
            names.setdefault(mapped.get(node, node), name)
        return Graph(
            self.name,
            self.inputs,
            self.params,
            self.state,
            tuple((name, mapped[node]) for name, node in self.outputs),
            tuple((old, mapped[new]) for old, new in self.updates),
            names,
        )

    def __eq__(self, other: object) -> bool:
        """Whether two graphs print the same: they then compute the same."""
        from .text import show

        return isinstance(other, Graph) and show(self) == show(other)

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        from .text import show

        return show(self)


def evaluate(
    roots: Sequence[Node], values: Mapping[Node, Any], sizes: Mapping[str, int] | None = None
) -> list[np.ndarray[Any, Any]]:
    """The reference meaning of nodes: one NumPy operation a node, nothing clever.

    Args:
        roots: what is wanted.
        values: an array for every leaf (or any other node) that they depend on.
        sizes: the symbolic sizes; those that leaf arrays show need not be given.
    """
    from .reference import run

    return run(roots, values, sizes or {})
