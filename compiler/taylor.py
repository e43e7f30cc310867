"""Taylor coefficients along a line, order by order: products of series instead of nested sweeps.

An elementwise function z = f(x) obeys z' = f'(x) x', and as power series in h that is

    k z_k = sum over j = 1..k of j x_j d_(k-j),   d the series of f'(x).

Each op's derivative rule gives f', or says that the op is linear, or bilinear; there is no rule of
its own for series. The graph grows with the square of the order.

Source: Griewank and Walther 2008, "Evaluating Derivatives", 2nd ed., section 13.2.
"""

from __future__ import annotations

from collections.abc import Sequence

from .autodiff import backward
from .ir import Node, leaf, located, make, rebuilt, walk
from .ops.arithmetic import divide, where
from .ops.base import Scalar
from .ops.broadcasting import times, zeros_like
from .ops.custom import CUSTOM
from .ops.shape import broadcast_to, concat, reshape


def coefficients(y: Node, x: Node, direction: Node, order: int) -> Node:
    """The coefficients of `y` along `x + h direction`, of h^0 to h^order, along a first axis."""
    series = _Series(x, direction)
    nodes = walk([y])
    for k in range(order + 1):
        for node in nodes:  # operands first, lower orders first: no deep recursion
            series(node, k)
    parts = [_or_zeros(series(y, k), y) for k in range(order + 1)]
    return concat(tuple(reshape(part, shape=(1, *y.shape)) for part in parts), axis=0)


def _or_zeros(coefficient: Node | None, like: Node) -> Node:
    return zeros_like(like) if coefficient is None else coefficient


class _Series:
    """The coefficients of nodes; None is 0."""

    def __init__(self, x: Node, direction: Node) -> None:
        self.known: dict[tuple[Node, int], Node | None] = {(x, 1): direction}
        self.x = x
        self.moving = {x: True}  # whether a node depends on x
        self.rates: dict[Node, Node] = {}  # a leaf that stands for the change of a node

    def __call__(self, node: Node, k: int) -> Node | None:
        """The coefficient of h^k."""
        if (node, k) not in self.known:
            with located(node.where):
                found = self._find(node, k)
                if found is not None and found.shape != node.shape:
                    found = broadcast_to(found, shape=node.shape)
            self.known[node, k] = found
        return self.known[node, k]

    def _moves(self, node: Node) -> bool:
        for below in walk([node], frozenset(self.moving)):
            if below not in self.moving:
                self.moving[below] = any(self.moving[x] for x in below.operands)
        return self.moving[node]

    def _find(self, node: Node, k: int) -> Node | None:
        if node in self.rates:  # the change of a series: its derivative for h
            base = self(self.rates[node], k + 1)
            return None if base is None else (k + 1) * base
        if not self._moves(node):
            return None if k else node
        if k == 0:
            if not self.rates or not any(x in self.rates for x in walk([node])):
                return node
            return rebuilt(node, tuple(_or_zeros(self(x, 0), x) for x in node.operands))
        if node is self.x or not node.type.is_float:
            return None
        if isinstance(node.op, Scalar):
            return self._elementwise(node, node.op, k)
        return self._tensor(node, k)

    def _elementwise(self, node: Node, row: Scalar, k: int) -> Node | None:
        """The recurrence above; of a choice, the choice of the coefficients."""
        if row.kind == "select":
            condition, x, y = node.operands
            a, b = self(x, k), self(y, k)
            if a is None and b is None:
                return None
            return where(condition, _or_zeros(a, x), _or_zeros(b, y))
        if row is divide:
            return self._quotient(node, k)
        total: Node | None = None
        for x, slope in zip(node.operands, row.derivatives(node), strict=True):
            if slope is None or not self._moves(x):
                continue
            for j in range(1, k + 1):
                a, d = self(x, j), self(slope, k - j)
                if a is not None and d is not None:
                    product = times(a, d)
                    total = _sum(total, product if j == k else j / k * product)
        return total

    def _quotient(self, node: Node, k: int) -> Node | None:
        """From b z = a: its own recurrence is shorter than that of its derivatives."""
        a, b = node.operands
        rest = self(a, k)
        for j in range(1, k + 1):
            low, high = self(b, j), self(node, k - j)
            if low is not None and high is not None:
                part = times(low, high)
                rest = -part if rest is None else rest - part
        return None if rest is None else rest / b

    def _tensor(self, node: Node, k: int) -> Node | None:
        u = leaf("cotangent", node.type, "placeholder")
        shares = node.op.vjp(node, u)
        moving = [
            (x, share)
            for x, share in zip(node.operands, shares, strict=True)
            if share is not None and self._moves(x)
        ]
        if not moving:
            return None
        if all(not self._moves(share) for _, share in moving):  # linear
            return along(moving, u, [self(x, k) for x, _ in moving])
        if node.op is not CUSTOM:
            expanded = node.op.expand(node)
            if expanded is not None:
                return self(expanded, k)
            if bilinear(node):
                return self._convolved(node, k)
        rates = []
        for x, _ in moving:
            rates.append(leaf("rate", x.type, "placeholder"))
            self.rates[rates[-1]] = x
            self.moving[rates[-1]] = True
        rate = along(moving, u, rates)
        change = None if rate is None else self(rate, k - 1)
        return None if change is None else change / k

    def _convolved(self, node: Node, k: int) -> Node | None:
        a, b = node.operands
        total: Node | None = None
        for j in range(k + 1):
            left, right = self(a, j), self(b, k - j)
            if left is not None and right is not None:
                total = _sum(total, make(node.op, (left, right), **dict(node.attrs)))
        return total


def along(moving: list[tuple[Node, Node]], u: Node, rates: Sequence[Node | None]) -> Node | None:
    """The change of a node when its operands change by `rates`: its vjp, transposed.

    Args:
        moving: the operands, each with its share of the gradient.
        u: the gradient of the node, which the shares are made of.
        rates: how each operand changes; None is 0.
    """
    total: Node | None = None
    for (_, share), rate in zip(moving, rates, strict=True):
        if rate is not None:
            total = _sum(total, backward(share, [u], rate).get(u))
    return total


def _sum(total: Node | None, part: Node | None) -> Node | None:
    if total is None or part is None:
        return part if total is None else total
    return total + part


def bilinear(node: Node) -> bool:
    """Whether the op is linear in each of its two operands: the gradient for one is free of it."""
    if len(node.operands) != 2:
        return False
    a, b = (leaf("x", x.type, "placeholder") for x in node.operands)
    twin = make(node.op, (a, b), **dict(node.attrs))
    shares = twin.op.vjp(twin, leaf("cotangent", twin.type, "placeholder"))
    return all(
        share is not None and x not in (below := walk([share])) and twin not in below
        for x, share in zip((a, b), shares, strict=True)
    )
