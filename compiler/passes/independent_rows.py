"""Loops whose rows go their own ways: each row of a batch passes all steps, whatever others do.

Such a loop may be taken a few rows at a time, all of its steps for them, by several threads that
need not wait for each other after each step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from ..ir import Graph, Node, is_leaf
from ..ops import convert, linear, reduce, shape
from ..ops.base import Scalar
from ..ops.steps import bodies
from ..types import Dim, Size, divide, symbols
from .wholes import Repeat

Kind: TypeAlias = Literal["rows", "same"]
REDUCTIONS = (reduce.SUM, reduce.PROD, reduce.MAX, reduce.MIN, reduce.ANY, reduce.ALL)
POSITIONS = (reduce.ARGMAX, reduce.ARGMIN)


def rows_of(loop: Repeat, room: Iterable[Dim] = ()) -> Size | None:
    """The size of the axis along which all steps go row by row, which is the first; None if none.

    A loop that ends early does so for all rows at once.

    Args:
        loop: the loop.
        room: the sizes of buffers that its steps work in, which each row needs a part of.
    """
    graph = loop.step.graph
    found = {x.shape[0] for x in graph.state if x.shape}
    if loop.ends_early or len(found) != 1 or not all(x.shape for x in graph.state):
        return None
    (rows,) = found
    if not isinstance(rows, Size) or len(rows.symbols()) != 1 or str(rows) not in rows.symbols():
        return None
    if not all(isinstance(divide(size, rows), int) for size in room):
        return None
    kinds = kinds_of(graph, rows)
    made = (*(node for _, node in graph.outputs), *(new for _, new in graph.updates))
    return rows if all(kinds.get(node) == "rows" for node in made) else None


def kinds_of(graph: Graph, rows: Size) -> dict[Node, Kind]:
    """Of each node whether it has those rows, each made of the same row, or is the same for all.

    What is neither is not in it.
    """
    kinds: dict[Node, Kind] = {}
    for node in graph.nodes():
        kind = _kind(node, rows, kinds)
        if kind is not None:
            kinds[node] = kind
    return kinds


def _kind(node: Node, rows: Size, kinds: dict[Node, Kind]) -> Kind | None:
    below = {kinds.get(x) for x in node.operands}
    if None in below or _mentions(node.shape[1:], rows):
        return None
    if is_leaf(node):
        return _own(node, rows)
    if "rows" not in below:
        if node.op is shape.BROADCAST_TO and _starts(node, rows):
            return "rows" if _spreads(node.operands[0], node) else None
        attrs = (y for _, x in node.attrs for y in (x if isinstance(x, tuple) else (x,)))
        dims = (*node.shape, *(x for x in attrs if isinstance(x, Size)))
        return None if bodies(node) or _mentions(dims, rows) else "same"
    return "rows" if _starts(node, rows) and _keeps_rows(node, rows, kinds) else None


def _own(node: Node, rows: Size) -> Kind | None:
    if not _mentions(node.shape, rows):
        return "same"
    return "rows" if _starts(node, rows) else None


def _starts(node: Node, rows: Size) -> bool:
    return bool(node.shape) and node.shape[0] == rows


def _mentions(dims: Iterable[Dim], rows: Size) -> bool:
    return bool(symbols(tuple(dims)) & rows.symbols())


def _spreads(x: Node, node: Node) -> bool:
    """Whether an operand is the same for all rows of a node."""
    return x.type.ndim < node.type.ndim or x.shape[0] == 1


def _keeps_rows(node: Node, rows: Size, kinds: dict[Node, Kind]) -> bool:
    """Whether each row of a node is made of the same row of its operands."""
    op = node.op
    if isinstance(op, Scalar) or op is convert.CAST:
        return all(
            x.type.ndim == node.type.ndim if kinds[x] == "rows" else _spreads(x, node)
            for x in node.operands
        )
    if op is linear.CONTRACT:
        first = node.attr("out")[0]
        sides = zip(node.operands, (node.attr("left"), node.attr("right")), strict=True)
        return all(
            letters[:1] == first if kinds[x] == "rows" else first not in letters
            for x, letters in sides
        )
    if op is shape.CONCAT:
        return bool(node.attr("axis")) and all(kinds[x] == "rows" for x in node.operands)
    if op in REDUCTIONS:
        return not {0} & set(node.attr("axes"))
    if op in POSITIONS:
        return bool(node.attr("axis"))
    if len(node.operands) != 1:
        return False
    (x,) = node.operands
    if op is shape.TRANSPOSE:
        return not node.attr("axes")[0]
    if op is shape.SLICE:
        return (node.attr("starts")[0], node.attr("stops")[0], node.attr("steps")[0]) == (
            0,
            rows,
            1,
        )
    if op is shape.PAD:
        return not any(node.attr(name)[0] for name in ("lows", "highs", "inner"))
    return op is shape.RESHAPE or (op is shape.BROADCAST_TO and x.type.ndim == node.type.ndim)
