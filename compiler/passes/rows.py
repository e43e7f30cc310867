"""Updates of rows: what a step changes of a table are the rows that its batch names.

`W <- replace_rows(W, new, t)` is a loop over the rows that `t` names, each once. A gradient that is
added up at such rows, `add_at(g, t)`, lies row by row in the same order, and no other row of it is
computed. That is so if it serves such updates alone, element by element.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import add
from typing import Any

from ..ir import Graph, Node, Op, const, leaf, make, transform, walk
from ..ops import index
from ..ops.base import Scalar
from ..ops.convert import CAST
from ..ops.rows import REPLACE_ROWS, chosen, joined, replace_rows
from ..ops.shape import broadcast_to, concat, reshape
from ..types import Dim, Shape, TensorType, add as plus_dim, product
from .loops import Statement
from .pull import Index, Puller, number, plus, regrouped
from .routines import room
from .scalars import Domain, Span, axis, load
from .wholes import Routine


class DistinctRows(Op):
    """The rows that an index names, each once; behind them there may be anything. attrs: dim."""

    name = "distinct_rows"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """As many as there may be."""
        return TensorType("int64", (operands[0].type.size,))


DISTINCT_ROWS = DistinctRows()


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that an index names: each once, in the order in which they are named first.

    Attributes:
        index: positions of rows.
        updates: parameters and states of which these rows get new values, and the values.
        sums: what is added up at these rows, and the tensor in which the rows of the sum lie.
        inside: what is computed at these rows alone.
        rows: the position of each row.
        count: how many there are.
        places: where in the index they are named, row by row.
        first: for each row, where its places begin; those of the next row follow.
    """

    index: Node
    updates: tuple[tuple[Node, Node], ...]
    sums: Mapping[Node, Node]
    inside: frozenset[Node]
    rows: Node
    count: Node
    places: Node
    first: Node

    def routine(self, pull: Puller) -> Routine:
        """Finds the rows, and the places where they are named."""
        code = pull.fault(replace(index.OUTSIDE, where=self.rows.where))
        slots = room("slots", "int64", self.rows.attr("dim"))
        work = (self.count, self.places, self.first, slots)
        flat = self.rows.shape
        return Routine("group_rows", self.rows, (self.index,), (flat, flat), work, code=code)

    def at(self, dims: Shape) -> tuple[Domain, Index]:
        """Loops over the elements of these rows, and where a tensor of all rows has them."""
        domain, (own, *rest) = self._own(dims)
        # Along an axis of size 1 the position is 0 wherever elements are pulled.
        row = number(0) if dims[0] == 1 else load(self.rows, (own,), self.rows.shape)
        return domain, (row, *rest)

    def know(self, pull: Puller) -> None:
        """Elements of the sums are read where their rows lie."""
        for node, tensor in self.sums.items():
            _, own = self._own(node.shape)
            _, at = self.at(node.shape)
            pull.know(node, at, load(tensor, own, tensor.shape))

    def sum(self, node: Node, pull: Puller) -> Statement:
        """Adds up row by row, in the order of the places."""
        grad, at = node.operands
        row = axis(0, self._every)
        begin, end = (load(self.first, (x,), self.first.shape) for x in (row, plus(row, number(1))))
        some = Span(begin, end, self.rows.type.size)
        place = load(self.places, (axis(1, some),), self.places.shape)
        domain, rest = further((self._every, some), node.shape[1:])
        value = pull(grad, (*regrouped((place,), self.places.shape, at.shape), *rest))
        return Statement(self.sums[node], node, domain, (row, *rest), value, 1, "sum")

    def statements(self, pull: Puller) -> Iterator[Statement]:
        """The updates."""
        for target, new in self.updates:
            domain, at = self.at(target.shape)
            yield Statement(target, new, domain, at, pull(new.operands[1], at), len(domain))

    @property
    def _every(self) -> Span:
        return Span(number(0), load(self.count, (), ()), self.rows.type.size, any_order=True)

    def _own(self, dims: Shape) -> tuple[Domain, Index]:
        """The loops, and where a tensor of these rows alone has the elements."""
        domain, rest = further((self._every,), dims[1:])
        return domain, (axis(0, self._every), *rest)


def further(domain: Domain, dims: Shape) -> tuple[Domain, Index]:
    """One more loop for each axis that is not of size 1, and the positions along all of them."""
    at: list[Node] = []
    for dim in dims:
        at.append(number(0) if dim == 1 else axis(len(domain), dim))
        domain = domain if dim == 1 else (*domain, dim)
    return domain, tuple(at)


def grouped(graph: Graph) -> tuple[Rows, ...]:
    """The updates of rows, those together that an index names."""
    found: dict[tuple[Node, Dim], list[tuple[Node, Node]]] = {}
    for target, new in graph.updates:
        if new.op is REPLACE_ROWS and new.operands[0] is target and len(new.operands) == 3:
            if 0 not in (*target.shape, *new.operands[2].shape):
                found.setdefault((new.operands[2], target.shape[0]), []).append((target, new))
    return tuple(_rows(graph, at, updates) for (at, _), updates in found.items())


def _rows(graph: Graph, at: Node, updates: Sequence[tuple[Node, Node]]) -> Rows:
    news = frozenset(new for _, new in updates)
    sums: dict[Node, Node] = {}
    inside: set[Node] = set(news)
    n = product(at.shape)
    for node in walk(news):
        if _sum_at(node, (at,)) and (above := _above(graph, node, news)) is not None:
            inside |= above
            type_ = TensorType(node.dtype, (n, *node.shape[1:]))
            sums[node] = leaf(graph.names.get(node, "gradient"), type_, "placeholder")
    (_, new), *_ = updates
    where = next(iter(sums), new).where
    return Rows(
        at,
        tuple(updates),
        sums,
        frozenset(inside),
        rows=make(DISTINCT_ROWS, (at,), where, dim=new.shape[0]),
        count=room("count", "int64"),
        places=room("places", "int64", n),
        first=room("begins", "int64", plus_dim(n, 1)),
    )


def _sum_at(node: Node, indices: Sequence[Node]) -> bool:
    """Whether a node adds up at rows that one of the indices names."""
    return node.op is index.ADD_AT and node.attr("axis") == 0 and node.operands[1] in indices


def _above(graph: Graph, total: Node, news: frozenset[Node]) -> set[Node] | None:
    """What is made of a sum, if that is updates of rows alone, element by element."""
    above, roots = {total}, {*graph.roots} - news
    for node in graph.nodes():
        if above.isdisjoint(node.operands):
            continue
        if node in news:
            if not above.isdisjoint(node.operands[2:]):
                return None
        elif (isinstance(node.op, Scalar) or node.op is CAST) and node.shape == total.shape:
            above.add(node)
        else:
            return None
    return None if above & roots else above


def settled(graph: Graph) -> Graph:
    """The graph with one index for each update of rows; elsewhere rows are chosen among all."""
    if not any(node.op is REPLACE_ROWS for node in graph.nodes()):
        return graph
    known: dict[Node, Node] = {}
    for _, new in graph.updates:
        if new.op is REPLACE_ROWS and len(new.operands) > 3:
            _unite(new, known)

    def visit(node: Node) -> Node:
        if node.op is not REPLACE_ROWS:
            return node
        old, new, *indices = node.operands
        return replace_rows(old, new, [joined(indices)]) if len(indices) > 1 else node

    every = (*graph.leaves, *graph.roots, *graph.names)
    graph = graph.map(transform(every, visit, known))
    kept = {new for group in grouped(graph) for _, new in group.updates}

    def choice(node: Node) -> Node:
        return chosen(node) if node.op is REPLACE_ROWS and node not in kept else node

    return graph.map(transform((*graph.leaves, *graph.roots, *graph.names), choice))


def _unite(new: Node, known: dict[Node, Node]) -> None:
    """Sums at several indices, added up, are a sum at all of them together."""
    _, value, *indices = new.operands
    for node in walk([value]):
        terms = _terms(node, indices)
        if not terms:
            continue
        rest = node.shape[1:]
        parts = []
        for at in indices:
            flat = (product(at.shape), *rest)
            own = [reshape(x.operands[0], shape=flat) for x in terms if x.operands[1] is at]
            parts.append(
                functools.reduce(add, own)
                if own
                else broadcast_to(const(0, node.dtype), shape=flat)
            )
        both = (concat(tuple(parts), axis=0), joined(indices))
        known[node] = make(index.ADD_AT, both, node.where, axis=0, dim=node.shape[0])


def _terms(node: Node, indices: Sequence[Node]) -> list[Node]:
    """The sums at indices that a node adds up; none if it is anything else."""
    if _sum_at(node, indices):
        return [node]
    if node.op.name != "add":
        return []
    sides = [_terms(x, indices) if x.shape == node.shape else [] for x in node.operands]
    return [term for side in sides for term in side] if all(sides) else []
