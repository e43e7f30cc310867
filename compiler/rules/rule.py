"""What a rule is: an equation between formulas, read from left to right.

An equation is written once, as a function of its variables, and used three ways: called with
placeholders it is the pattern; called with what the variables stand for it is the replacement;
called with samples it is proved. What a variable may stand for, its name says:

| name | stands for |
| --- | --- |
| `x`, `y`, `z`, `a`, `b`, `t`, `w` | any tensor |
| `r`, `s` | a tensor that does not vary along the reduced axes (where the rule says so in `when`) |
| `c` | a condition |
| `k`, `m`, `n` | a number |
| `i` | integers |
| `axes`, `axis`, `shape`, `dtype` | an attribute |
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeAlias

from ..ir import CONST, LEAF, Node, Op, is_const, leaf
from ..ops.shape import BROADCAST_TO, RESHAPE, broadcast_to
from ..types import Shape, TensorType
from .numbers import number

Proof = Literal["sympy", "50 digits", "elements"]
Interval: TypeAlias = "tuple[float, float]"
Environment: TypeAlias = "dict[str, Any]"

ROWS, CONDITIONS, NUMBERS, POSITIONS = "rs", "c", "kmn", "i"
COMMUTATIVE = frozenset(
    ("add", "multiply", "maximum", "minimum", "logaddexp", "hypot", "equal", "logical_and")
)
ELEMENTWISE = "elementwise"  # a movement of every scalar row
SIZE = 3  # of the axis that pattern variables have


class _Axes(tuple[int, ...]):
    """Axes, or a shape, in a pattern: told from others by identity."""


class _Axis(int):
    """An axis in a pattern: told from others by identity."""


class _Dtype(str):
    """A dtype in a pattern: told from others by identity."""


ATTRIBUTES: Mapping[str, Callable[[], Any]] = {
    "axes": lambda: _Axes((0,)),
    "axis": lambda: _Axis(0),
    "shape": lambda: _Axes((2, SIZE)),
    "dtype": lambda: _Dtype("float64"),
}


def always() -> bool:
    """The rule holds for all values."""
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """An equation: where a node has the form of its left side, the right side is computed instead.

    Attributes:
        name: what the trace and the documentation call it.
        equation: from variables to both sides.
        why: what the left side gets wrong, or what the right side saves.
        when: a condition on some of the variables, by name.
        domain: intervals of variables for which it is an equation; elsewhere one side is not
            finite. Others are sampled from (-5, 5).
        given: what a number is in terms of the others, where `when` ties them.
        proof: how the equation was proved.
        outwards: whether it moves an operation from an operand to the result, which saves nothing
            where that operand is stored in any case.
    """

    name: str
    equation: Callable[..., tuple[Node, Node]]
    why: str
    when: Callable[..., bool] = always
    domain: Mapping[str, Interval] = field(default_factory=dict)
    given: Mapping[str, Callable[..., Node]] = field(default_factory=dict)
    proof: Proof = "sympy"
    outwards: bool = False

    @property
    def lhs(self) -> Node:
        """The left side, in placeholders."""
        return pattern(self).lhs

    @property
    def rhs(self) -> Node:
        """The right side, in placeholders."""
        return self.equation(*pattern(self).samples.values())[1]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables."""
        return tuple(pattern(self).samples)

    def roots(self) -> tuple[str, ...]:
        """The names of the ops that the left side starts with."""
        return (self.lhs.op.name,)

    def may_fit(self, ops: Sequence[Op]) -> bool:
        """Whether it may fit a node with operands of these ops: a quick look before matching."""
        return pattern(self).may_fit(ops)

    def apply(self, node: Node) -> Node | None:
        """What the node is by this rule; None where the rule does not fit."""
        left = pattern(self)
        for env in match(left.lhs, node, {}, left):
            if not self.when(*(env[name] for name in left.conditions)):
                continue
            found = self.equation(*(env[name] for name in left.samples))[1]
            if found.dtype != node.dtype:
                continue
            return found if found.shape == node.shape else broadcast_to(found, shape=node.shape)
        return None


@dataclass(frozen=True, slots=True)
class Pattern:
    """The left side of a rule in placeholders.

    Attributes:
        lhs: the pattern.
        samples: what each variable is in it.
        names: the variable of each placeholder, and of each attribute by its identity.
        conditions: the variables that the rule's `when` wants.
        heads: the ops that each operand may have; None: any.
    """

    lhs: Node
    samples: Mapping[str, Any]
    names: Mapping[Any, str]
    conditions: tuple[str, ...]
    heads: tuple[frozenset[Op] | None, ...]

    def may_fit(self, ops: Sequence[Op]) -> bool:
        """Whether operands of these ops are possible, in this order or the other one."""
        orders = [ops, ops[::-1]] if self.lhs.op.name in COMMUTATIVE else [ops]
        return len(ops) == len(self.heads) and any(
            all(head is None or op in head for head, op in zip(self.heads, order, strict=True))
            for order in orders
        )


@cache
def pattern(rule: Rule) -> Pattern:
    """The left side of a rule in placeholders."""
    samples = {name: placeholder(name) for name in inspect.signature(rule.equation).parameters}
    names = {x if isinstance(x, Node) else id(x): name for name, x in samples.items()}
    lhs = rule.equation(*samples.values())[0]
    heads = tuple(_heads(x, names) for x in lhs.operands)
    return Pattern(lhs, samples, names, tuple(inspect.signature(rule.when).parameters), heads)


def _heads(left: Node, names: Mapping[Any, str]) -> frozenset[Op] | None:
    """The ops that a node may have that is to match."""
    number = left.op is CONST or (left.op is LEAF and names[left] in NUMBERS)
    if number:
        return frozenset((CONST, BROADCAST_TO, RESHAPE))
    if left.op is LEAF:
        return None
    if left.op is RESHAPE and id(left.attr("shape")) not in names:
        inner = _heads(left.operands[0], names)
        return None if inner is None else inner | {RESHAPE}
    return frozenset((left.op,))


def placeholder(name: str) -> Any:
    """What a variable of this name is in a pattern."""
    if name in ATTRIBUTES:
        return ATTRIBUTES[name]()
    dtype = {"c": "bool", "i": "int64"}.get(name, "float64")
    shape = () if name in ROWS + NUMBERS else (SIZE,)
    return leaf(name, TensorType(dtype, shape), "placeholder")


def plain(node: Node) -> Node:
    """The number that a node repeats, if it does so; else the node."""
    inner = node
    while inner.op is BROADCAST_TO or inner.op is RESHAPE:
        inner = inner.operands[0]
    return inner if inner.op is CONST else node


def match(left: Node, node: Node, env: Environment, pattern: Pattern) -> Iterator[Environment]:
    """The ways in which `node` has the form of `left`, as what the variables then stand for."""
    if left.op is LEAF:
        yield from _bind(pattern.names[left], node, env)
    elif left.op is CONST:
        if is_const(plain(node), number(left)):
            yield env
    elif left.op is RESHAPE and id(left.attr("shape")) not in pattern.names:
        yield from _kept(left, node, env, pattern)
    elif left.op is node.op and len(left.operands) == len(node.operands):
        found = _attributes(left, node, env, pattern)
        if found is None:
            return
        yield from _operands(left.operands, node.operands, found, pattern)
        if left.op.name in COMMUTATIVE and left.operands[0] is not left.operands[1]:
            yield from _operands(left.operands, node.operands[::-1], found, pattern)


def _operands(
    left: tuple[Node, ...], nodes: tuple[Node, ...], env: Environment, pattern: Pattern
) -> Iterator[Environment]:
    # Fail on an operand that cannot match before looking into the others.
    for side, node in zip(left, nodes, strict=True):
        if side.op is not node.op and side.op not in (LEAF, CONST, RESHAPE):
            return
    if not left:
        yield env
        return
    for found in match(left[0], nodes[0], env, pattern):
        yield from _operands(left[1:], nodes[1:], found, pattern)


def _bind(name: str, node: Node, env: Environment) -> Iterator[Environment]:
    if name in NUMBERS:
        node = plain(node)
        if node.op is not CONST or node.dtype == "bool":
            return
    elif (name in CONDITIONS) != (node.dtype == "bool"):
        return
    known = env.get(name)
    if known is None:
        yield {**env, name: node}
    elif known is node:
        yield env


def _attributes(left: Node, node: Node, env: Environment, pattern: Pattern) -> Environment | None:
    for (_, wanted), (_, value) in zip(left.attrs, node.attrs, strict=True):
        name = pattern.names.get(id(wanted))
        if name is None:
            if wanted != value:
                return None
        elif name not in env:
            env = {**env, name: value}
        elif env[name] != value:
            return None
    return env


def _kept(left: Node, node: Node, env: Environment, pattern: Pattern) -> Iterator[Environment]:
    """A reduction, or a row, whose axes are put back as size 1; leading ones need not be."""
    (reduced,) = left.operands
    inner = node.operands[0] if node.op is RESHAPE else node
    for found in match(reduced, inner, env, pattern):
        axes = found.get("axes")
        if axes is not None and (
            node.shape == with_ones(inner.shape, axes)
            or (node is inner and axes == tuple(range(len(axes))))
        ):
            yield found


def with_ones(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """The shape with sizes of 1 put back at `axes`."""
    rest = iter(shape)
    rank = len(shape) + len(axes)
    return tuple(1 if axis in axes else next(rest) for axis in range(rank))


def constant_along(row: Node, x: Node, axes: tuple[int, ...]) -> bool:
    """Whether `row`, broadcast against `x`, does not vary along these axes of `x`."""
    lead = x.type.ndim - row.type.ndim
    return lead >= 0 and all(axis < lead or row.shape[axis - lead] == 1 for axis in axes)


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """A rule about where elements stand, which no formula of single elements can say.

    Attributes:
        name: what the trace and the documentation call it.
        ops: the names of the ops that it rewrites; "elementwise": every scalar row.
        rewrite: the node that a node becomes, or None.
        why: what it saves.
        examples: nodes that it rewrites; the proof compares elements before and after.
        outwards: as a rule's.
    """

    name: str
    ops: tuple[str, ...]
    rewrite: Callable[[Node], Node | None]
    why: str
    examples: Callable[[], tuple[Node, ...]]
    proof: Proof = "elements"
    outwards: bool = False

    @property
    def lhs(self) -> Node:
        """The first example."""
        return self.examples()[0]

    @property
    def rhs(self) -> Node:
        """What the first example becomes."""
        found = self.apply(self.lhs)
        assert found is not None
        return found

    def roots(self) -> tuple[str, ...]:
        """The names of the ops that it rewrites."""
        return self.ops

    def may_fit(self, ops: Sequence[Op]) -> bool:
        """Whatever the operands are."""
        return True

    def apply(self, node: Node) -> Node | None:
        """What the node is by this rule; None where the rule does not fit."""
        found = self.rewrite(node)
        return None if found is node else found


AnyRule: TypeAlias = "Rule | Movement"
