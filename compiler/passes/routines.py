"""Ops that a routine of the library computes: what it is given, and the room that it works in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..ir import Node, leaf
from ..ops import algebra, order
from ..ops.shape import TRANSPOSE
from ..types import Dim, Shape, TensorType, product
from .pull import Puller
from .scalars import given
from .wholes import Routine


def room(name: str, dtype: str, *dims: Dim) -> Node:
    """A tensor for a routine to work in."""
    return leaf(name, TensorType(dtype, dims), "placeholder")


def _argsort(node: Node, code: int) -> Routine:
    axis = node.attr("axis")
    n = node.shape[axis]
    seen = (product(node.shape[:axis]), n, product(node.shape[axis + 1 :]))
    work = (room("order", "int64", n), room("merged", "int64", n))
    return Routine("argsort", node, node.operands, (seen, seen), work)


def _searchsorted(node: Node, code: int) -> Routine:
    x, values = node.operands
    flat = (values.type.size,)
    right = node.attr("side") == "right"
    return Routine("searchsorted", node, (x, values), (x.shape, flat, flat), options=(right,))


def matrices(x: Node, axes: int = 2) -> Shape:
    """The shape with all leading axes as one."""
    lead = x.type.ndim - axes
    return (product(x.shape[:lead]), *x.shape[lead:])


def _eliminating(a: Node) -> tuple[Node, ...]:
    n = a.shape[-1]
    return (room("factors", a.dtype, n, n), room("swaps", "int32", n))


def _solve(node: Node, code: int) -> Routine:
    a, b = node.operands
    n, m = b.shape[-2:]
    work = (*_eliminating(a), room("sides", a.dtype, m, n))
    views = (matrices(a), matrices(b), matrices(node))
    return Routine("solve", node, (a, b), views, work, code=code, product=(n, n, n))


def _triangular(node: Node, code: int) -> Routine:
    a, b = node.operands
    n, m = b.shape[-2:]
    options = (node.attr("lower"), node.attr("transposed"))
    views = (matrices(a), matrices(b), matrices(node))
    product = (n, n, m)
    return Routine("solve_triangular", node, (a, b), views, (), options, code, product)


def _cholesky(node: Node, code: int) -> Routine:
    n, views = node.shape[-1], (matrices(node), matrices(node))
    return Routine("cholesky", node, node.operands, views, code=code, product=(n, n, n))


def _pivots(node: Node, code: int) -> Routine:
    (a,) = node.operands
    n = a.shape[-1]
    views = (matrices(a), matrices(node, 1))
    return Routine("pivots", node, (a,), views, _eliminating(a), product=(n, n, n))


ROUTINES: dict[object, Callable[[Node, int], Routine]] = {
    order.ARGSORT: _argsort,
    order.SEARCHSORTED: _searchsorted,
    algebra.SOLVE: _solve,
    algebra.SOLVE_TRIANGULAR: _triangular,
    algebra.CHOLESKY: _cholesky,
    algebra.PIVOTS: _pivots,
}


def transposition(node: Node) -> Routine | None:
    """The routine that transposes a matrix that is in memory; None where a node is something else.

    It goes by blocks in registers, as loops would not.
    """
    if node.op is not TRANSPOSE or node.type.ndim != 2 or not node.type.is_float:
        return None
    (x,) = node.operands
    return Routine("transposed", node, (x,), (x.shape, node.shape)) if given(x) else None


def routine(node: Node, pull: Puller) -> Routine:
    """The routine that computes a node, which may find a fault."""
    fault = algebra.FAULTS.get(node.op)
    code = 0 if fault is None else pull.fault(replace(fault, where=node.where))
    return ROUTINES[node.op](node, code)
