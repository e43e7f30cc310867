"""Which rows of a table a step reads, and whether a step may leave the others alone.

A table is a parameter of which a model takes rows, such as those of an embedding. If that is all
that it does with it, the gradient is zero elsewhere. An optimizer's formula is then either applied
to those rows only, where that was asked for, or it would not change the others anyway.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import Node, is_const, walk
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.convert import CAST
from chainrule.compiler.ops.index import TAKE
from chainrule.compiler.ops.rows import replace_rows
from chainrule.compiler.ops.shape import BROADCAST_TO

Updates = Sequence[tuple[Node, Node]]
# So many rows must a table have for each that a sample reads, to be updated by rows unasked.
MANY = 64


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A parameter of which only rows are read.

    Attributes:
        node: the parameter.
        indices: the positions of rows, of each use.
        asked: whether updates of these rows alone were asked for.
    """

    node: Node
    indices: tuple[Node, ...]
    asked: bool

    def updates(self, dense: Updates, gradient: Node) -> Updates:
        """The updates of the parameter and its states, of rows where that is to be.

        Raises:
            UsageError: that was asked for, but the formula looks at other rows too.
        """
        own = [(old, new) for old, new in dense if old.shape == self.node.shape]
        seen = {gradient, *(old for old, _ in own)}
        if self.asked:
            reader = _reader([new for _, new in dense], seen, self.node)
            if reader is not None:
                raise refused(self.node, f"the optimizer's formula has {_told(reader)}")
        elif not self._large or not all(_stays(new, old, gradient) for old, new in own):
            return dense
        changed = {old for old, _ in own}
        return [
            (old, replace_rows(old, new, self.indices) if old in changed else new)
            for old, new in dense
        ]

    @property
    def _large(self) -> bool:
        """Whether a batch reads few of the rows."""
        sizes = [[dim for dim in index.shape if isinstance(dim, int)] for index in self.indices]
        rows = self.node.shape[0]
        return isinstance(rows, int) and rows >= MANY * sum(map(math.prod, sizes))


def tables(loss: Node, params: Iterable[Node], asked: Iterable[str]) -> dict[Node, Table]:
    """The parameters of which a loss reads rows.

    Args:
        loss: what is made small.
        params: leaves.
        asked: names of those for which updates of rows were asked for.

    Raises:
        UsageError: one of these is used otherwise too.
    """
    users: dict[Node, list[Node]] = {p: [] for p in params}
    for node in walk([loss]):
        for x in dict.fromkeys(node.operands):
            if x in users:
                users[x].append(node)
    wanted = frozenset(asked)
    found: dict[Node, Table] = {}
    for p, own in users.items():
        others = [node for node in own if not _takes_rows(node, p)]
        sparse = p.attr("name") in wanted
        if sparse and others:
            raise refused(p, f"{p.attr('name')} is also used whole, in {_told(others[0])}")
        if own and not others:
            indices = tuple(dict.fromkeys(node.operands[1] for node in own))
            found[p] = Table(p, indices, sparse)
    return found


def refused(table: Node, why: str) -> UsageError:
    """An error that says why rows cannot be updated alone."""
    layer = table.where.layer if table.where is not None else ""
    return UsageError(
        f"{layer or table.attr('name')}: its rows cannot be updated alone",
        why,
        "without sparse=True all rows are updated",
        table.where,
    )


def _takes_rows(node: Node, table: Node) -> bool:
    return node.op is TAKE and node.attr("axis") == 0 and node.operands[1] is not table


def _told(node: Node) -> str:
    """An operation, and the line that it comes from."""
    place = f" of {node.where} {node.where.layer}".rstrip() if node.where is not None else ""
    return f"{node.op.name}{place}"


def _reader(roots: Sequence[Node], seen: set[Node], table: Node) -> Node | None:
    """What is made of several rows of the tensors seen; None if all goes element by element."""
    above = set(seen)
    for node in walk(roots, seen):
        if node in seen or above.isdisjoint(node.operands):
            continue
        if not (isinstance(node.op, Scalar) or node.op is CAST) or node.shape != table.shape:
            return node
        above.add(node)
    return None


def _stays(new: Node, old: Node, gradient: Node) -> bool:
    """Whether a new value is the old one where the gradient is 0."""
    zero: dict[Node, bool] = {gradient: True}
    for node in walk([new], {gradient}):
        if node is not gradient:
            zero[node] = is_const(node, 0) or _vanishes(node, zero)
    while new is not old:
        if new.op.name not in ("add", "subtract"):
            return False
        first, second = new.operands
        if new.op.name == "add" and zero[first]:
            first, second = second, first
        if not zero[second]:
            return False
        new = first
    return True


def _vanishes(node: Node, zero: Mapping[Node, bool]) -> bool:
    """Whether a node is 0 where some of its operands are, and the others finite."""
    given = [zero[x] for x in node.operands]
    if node.op.name == "multiply":
        return any(given)
    if node.op.name == "divide":
        return given[0]
    if node.op.name in ("negative", "square", "abs", "sign") or node.op in (CAST, BROADCAST_TO):
        return all(given)
    return False
