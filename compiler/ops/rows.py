"""Rows of a tensor: its parts along the first axis. An update of a few rows leaves the others."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from operator import add
from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, const, make, register
from ..types import TensorType, product
from .arithmetic import greater, where
from .broadcasting import zeros_like
from .convert import cast
from .index import ADD_AT
from .shape import broadcast_to, concat, reshape

COUNTED = "float32"


class ReplaceRows(Op):
    """`old`, with rows of `new` in the place of those that indices name. operands: old, new, ...

    As the new value of a parameter, `W <- replace_rows(W, new, t)`, it is an update of the rows
    that `t` names, which need not look at any other.
    """

    name = "replace_rows"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type of both."""
        old, new, *indices = operands
        if old.type != new.type or not old.shape:
            raise ShapeError(
                f"replace_rows: {old.type} and {new.type}",
                "expected two tensors of one type, with rows",
                "a row is what lies at a position of the first axis",
            )
        for index in indices:
            if index.dtype not in ("int32", "int64"):
                raise DTypeError(
                    f"replace_rows: indices are {index.type}",
                    "expected int32 or int64",
                    "convert with astype",
                )
        return old.type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Rows that are named lead to `new`, the others to `old`."""
        indices = node.operands[2:]
        zeros = zeros_like(out_grad)
        sides = replace_rows(out_grad, zeros, indices), replace_rows(zeros, out_grad, indices)
        return (*sides, *(None for _ in indices))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """A choice for each row; its position is counted behind the leading axes."""
        return _choice(node, operands, lead)


REPLACE_ROWS = register(ReplaceRows())


def replace_rows(old: Node, new: Node, indices: Sequence[Node]) -> Node:
    """`old`, with rows of `new` in the place of those that indices name."""
    return make(REPLACE_ROWS, (old, new, *indices))


def chosen(node: Node) -> Node:
    """The same, as a choice between all rows of both."""
    return _choice(node, node.operands, 0)


def written(new: Node) -> tuple[Node, tuple[Node, ...]]:
    """What an update writes, and indices of the rows that it writes; without any, it writes all."""
    return (new.operands[1], new.operands[2:]) if new.op is REPLACE_ROWS else (new, ())


def joined(indices: Sequence[Node]) -> Node:
    """Indices one after the other, along one axis."""
    dtype = indices[0].dtype if len({index.dtype for index in indices}) == 1 else "int64"
    flat = [cast(reshape(index, shape=(product(index.shape),)), dtype) for index in indices]
    return concat(tuple(flat), axis=0)


def _choice(node: Node, operands: Sequence[Node], lead: int) -> Node:
    """The choice, of operands with leading axes."""
    old, new, *indices = operands
    counts = [
        _count(node, own, index, lead)
        for own, index in zip(node.operands[2:], indices, strict=True)
    ]
    named = greater(functools.reduce(add, counts), const(0, COUNTED))
    dims = (*named.shape, *(1,) * (node.type.ndim - 1))
    return where(reshape(named, shape=dims), new, old)


def _count(node: Node, own: Node, index: Node, lead: int) -> Node:
    """How often an index, here with leading axes, names each row."""
    one = const(1, COUNTED)
    added = make(ADD_AT, (_ones(one, own), own), node.where, axis=0, dim=node.shape[0])
    return ADD_AT.lift(added, (_ones(one, index), index), lead) if lead else added


def _ones(one: Node, like: Node) -> Node:
    return broadcast_to(one, shape=like.shape)
