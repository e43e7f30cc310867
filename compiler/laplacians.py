"""Laplacians in one sweep forwards: of each node its slopes, and the sum of its second derivatives.

What depends on x is followed along all directions of x side by side. Of z = f(u, v), with a slope
d for each direction and the sum c over all of them of the second derivatives,

    d z = f_u d u + f_v d v
    c z = f_u c u + f_v c v + sum over directions of (f_uu (d u)^2 + 2 f_uv d u d v + f_vv (d v)^2)

and a linear op takes d to d and c to c. For n elements of x that is n + 2 times the work of f;
gradients of gradients take twice as much, and forward mode for each direction 2 n + 1 times.

Source: Li et al. 2023, "Forward Laplacian: A New Computational Framework for Neural Network-based
Variational Monte Carlo".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from string import ascii_letters
from typing import TypeAlias

from .autodiff import backward, dependents
from .ir import Node, const, leaf, located, make, substitute, walk
from .jacobians import one_hots
from .lifting import lifted
from .ops.arithmetic import square, where
from .ops.base import Scalar
from .ops.broadcasting import aligned, times, zeros_like
from .ops.custom import CUSTOM
from .ops.gradient import gradient
from .ops.linear import CONTRACT, contract, used
from .ops.reduce import sum as summed
from .ops.shape import broadcast_to, reshape, transpose
from .ops.steps import bodies
from .taylor import along, bilinear
from .types import Dim, TensorType, product

# Told of a node, of its slopes and of its curvature.
Name: TypeAlias = Callable[[Node, Node | None, Node | None], None]


def laplacian(y: Node, x: Node, name: Name) -> Node:
    """The sum of the second derivatives of `y` for a leaf `x`, which begins with the axes of y.

    Args:
        y: a number, or one for each sample; below it no derivative is still to be taken.
        x: a leaf of the graph below `y`.
        name: told what was found of each node.
    """
    try:
        found = _Sweep(x, y.type.ndim, name).curvature(y)
    except _UnknownError:
        axes = (0, *range(1 + y.type.ndim, 1 + x.type.ndim))
        return summed(curvatures(y, x), axes=axes)
    return zeros_like(y) if found is None else found


def curvatures(y: Node, x: Node) -> Node:
    """d2y/dx[i]^2 at place i of slab i of the first axis, and 0 elsewhere."""
    samples, own = x.shape[: y.type.ndim], x.shape[y.type.ndim :]
    slope = gradient(summed(y, axes=tuple(range(y.type.ndim))), x, const(1, y.dtype))
    if product(own) == 1:
        ones = broadcast_to(const(1, x.dtype), shape=x.shape)
        return reshape(gradient(slope, x, ones), shape=(1, *x.shape))
    hots = one_hots(own, x.dtype)
    spread = reshape(hots, shape=(hots.shape[0], *(1,) * len(samples), *own))
    directions = broadcast_to(spread, shape=(hots.shape[0], *x.shape))
    return gradient(slope, x, directions) * directions


class _UnknownError(Exception):
    """An op that is not followed forwards."""


@dataclass(frozen=True, slots=True)
class _Motion:
    """How a node changes with x; None is 0.

    Attributes:
        slopes: along each direction. The directions are an axis behind those of samples, or in
            front where the node has none; axes along which all are alike may have size 1.
        curvature: the sum of its second derivatives, of its own shape.
    """

    slopes: Node | None
    curvature: Node | None


class _Sweep:
    """From x upwards: the motion of each node that moves."""

    def __init__(self, x: Node, samples: int, name: Name) -> None:
        self.samples = x.shape[:samples]
        self.name = name
        hots = one_hots(x.shape[samples:], x.dtype)
        start = reshape(hots, shape=(*(1,) * samples, *hots.shape))
        self.known = {x: _Motion(start, None)}

    def curvature(self, y: Node) -> Node | None:
        """The sum of the second derivatives of `y`."""
        for node in walk([y]):  # operands first: no deep recursion
            if node not in self.known and node.type.is_float:
                self._follow(node)
        return self.known[y].curvature if y in self.known else None

    def _follow(self, node: Node) -> None:
        if not any(x in self.known for x in node.operands):
            return
        with located(node.where):
            if isinstance(node.op, Scalar):
                found = self._elementwise(node, node.op)
            else:
                found = self._tensor(node)
        if found.slopes is None and found.curvature is None:
            return
        whole = found.curvature
        if whole is not None and whole.shape != node.shape:
            found = replace(found, curvature=broadcast_to(whole, shape=node.shape))
        self.known[node] = found
        self.name(node, found.slopes, found.curvature)

    # Elementwise functions

    def _elementwise(self, node: Node, row: Scalar) -> _Motion:
        """The formulas above; of a choice, the choice between both."""
        if row.kind == "select":
            return self._choice(node)
        slopes: Node | None = None
        curvature: Node | None = None
        partial = row.derivatives(node)
        moving = [i for i, x in enumerate(node.operands) if x in self.known]
        changes = {i: self._slopes(node.operands[i], node) for i in moving}
        for i in moving:
            rate, change = partial[i], changes[i]
            if rate is None:
                continue
            if change is not None:
                slopes = _sum(slopes, times(change, self._spread(rate, node)))
            own = self.known[node.operands[i]].curvature
            if own is not None:
                curvature = _sum(curvature, times(own, rate))
        for (i, j), second in _seconds(node, row, moving).items():
            a, b = changes[i], changes[j]
            if a is not None and b is not None:
                products = summed(square(a) if i == j else a * b, axes=(self._place(node),))
                product = times(products, second)
                curvature = _sum(curvature, product if i == j else 2 * product)
        return _Motion(slopes, curvature)

    def _choice(self, node: Node) -> _Motion:
        condition, *both = node.operands
        slopes = [self._slopes(x, node) for x in both]
        curvatures = [self.known[x].curvature if x in self.known else None for x in both]
        found: list[Node | None] = []
        for parts, chosen in ((slopes, self._spread(condition, node)), (curvatures, condition)):
            given = [const(0, node.dtype) if part is None else part for part in parts]
            found.append(where(chosen, *given) if any(part is not None for part in parts) else None)
        return _Motion(*found)

    # Other ops

    def _tensor(self, node: Node) -> _Motion:
        if bodies(node) or node.op is CUSTOM:
            raise _UnknownError
        u = leaf("cotangent", node.type, "placeholder")
        shares = zip(node.operands, node.op.vjp(node, u), strict=True)
        moving = [(x, share) for x, share in shares if share is not None and x in self.known]
        if not moving:
            return _Motion(None, None)
        above = dependents([share for _, share in moving], self.known)
        if not any(share in above for _, share in moving):  # linear
            return self._linear(node, moving, u)
        expanded = node.op.expand(node)
        if expanded is not None:
            for below in walk([expanded], frozenset(self.known)):
                if below not in self.known and below.type.is_float:
                    self._follow(below)
            return self.known.get(expanded, _Motion(None, None))
        if bilinear(node):
            return self._bilinear(node)
        raise _UnknownError

    def _linear(self, node: Node, moving: list[tuple[Node, Node]], u: Node) -> _Motion:
        curvature = along(moving, u, [self.known[x].curvature for x, _ in moving])
        slopes: Node | None = None
        for x, share in moving:
            own = self.known[x].slopes
            if own is None:
                continue
            beside = self._beside(node, x, own)
            if beside is None:
                rate = leaf("rate", x.type, "placeholder")
                change = along([(x, share)], u, [rate])
                if change is None:
                    continue
                whole = broadcast_to(self._front(x, own), shape=(self._count(x, own), *x.shape))
                beside = self._back(node, lifted(change, {rate: whole}, 1))
            slopes = _sum(slopes, beside)
        return _Motion(slopes, curvature)

    def _beside(self, node: Node, x: Node, slopes: Node) -> Node | None:
        """The slopes of a product with something that is the same for all samples."""
        place = self._place(x)
        if node.op is not CONTRACT or not place or self._place(node) != place:
            return None
        a, b = node.operands
        left, right, out = (node.attr(name) for name in ("left", "right", "out"))
        letters, others = (left, right) if x is a else (right, left)
        lead = letters[:place]
        if a is b or out[:place] != lead or set(lead) & set(others):
            return None
        new = next(letter for letter in ascii_letters if letter not in used(node))
        out = f"{lead}{new}{out[place:]}"
        letters = f"{lead}{new}{letters[place:]}"
        # Samples may be alike here, but what is added up has all of its terms.
        whole = (*slopes.shape[: place + 1], *x.shape[place:])
        slopes = slopes if slopes.shape == whole else broadcast_to(slopes, shape=whole)
        if x is a:
            return contract(slopes, b, letters, right, out)
        return contract(a, slopes, left, letters, out)

    def _bilinear(self, node: Node) -> _Motion:
        a, b = node.operands
        attrs = dict(node.attrs)
        slopes: Node | None = None
        curvature: Node | None = None
        ahead: list[tuple[Node, Node]] = []
        for i, x in enumerate(node.operands):
            found = self.known.get(x, _Motion(None, None))
            rate = leaf("rate", x.type, "placeholder")
            twin = make(node.op, (rate, b) if i == 0 else (a, rate), **attrs)
            if found.curvature is not None:
                sides = (found.curvature, b) if i == 0 else (a, found.curvature)
                curvature = _sum(curvature, make(node.op, sides, **attrs))
            if found.slopes is not None:
                whole = (self._count(x, found.slopes), *x.shape)
                led = broadcast_to(self._front(x, found.slopes), shape=whole)
                ahead.append((rate, led))
                slopes = _sum(slopes, self._back(node, lifted(twin, {rate: led}, 1)))
        if len(ahead) == 2:
            twin = make(node.op, tuple(rate for rate, _ in ahead), **attrs)
            products = summed(lifted(twin, dict(ahead), 1), axes=(0,))
            curvature = _sum(curvature, 2 * products)
        return _Motion(slopes, curvature)

    # The axis of directions

    def _place(self, node: Node) -> int:
        """Where a node has the axis of directions."""
        count = len(self.samples)
        return count if node.shape[:count] == self.samples else 0

    def _count(self, x: Node, slopes: Node) -> Dim:
        return slopes.shape[self._place(x)]

    def _front(self, x: Node, slopes: Node) -> Node:
        """Slopes of a node with the axis of directions in front."""
        return _moved(slopes, self._place(x), 0)

    def _back(self, node: Node, led: Node) -> Node:
        """Slopes of a node from those that have the axis of directions in front."""
        return _moved(led, 0, self._place(node))

    def _slopes(self, x: Node, node: Node) -> Node | None:
        """Slopes of an operand, with the axes of an elementwise function of it."""
        found = self.known[x].slopes if x in self.known else None
        if found is None or (x.type.ndim == node.type.ndim and self._place(x) == self._place(node)):
            return found
        return self._back(node, aligned(self._front(x, found), 1, 1 + node.type.ndim))

    def _spread(self, x: Node, node: Node) -> Node:
        """An operand of an elementwise function, with an axis of size 1 for the directions."""
        if not x.shape:
            return x
        full = (*(1,) * (node.type.ndim - x.type.ndim), *x.shape)
        place = self._place(node)
        return reshape(x, shape=(*full[:place], 1, *full[place:]))


def _moved(x: Node, start: int, stop: int) -> Node:
    """A node with an axis at another place."""
    axes = [axis for axis in range(x.type.ndim) if axis != start]
    axes.insert(stop, start)
    return transpose(x, axes=tuple(axes))


def _seconds(node: Node, row: Scalar, moving: list[int]) -> dict[tuple[int, int], Node]:
    """The second derivatives of an elementwise function that are not 0, for i <= j."""
    wide = {
        i: leaf("x", TensorType(x.dtype, node.shape), "placeholder")
        for i, x in enumerate(node.operands)
        if i in moving
    }
    twin = make(row, tuple(wide.get(i, x) for i, x in enumerate(node.operands)))
    back = {leaf_: broadcast_to(node.operands[i], shape=node.shape) for i, leaf_ in wide.items()}
    back[twin] = node
    found = {}
    for i, rate in enumerate(row.derivatives(twin)):
        later = [j for j in moving if j >= i]
        if rate is None or i not in moving:
            continue
        one = broadcast_to(const(1, rate.dtype), shape=rate.shape)
        grads = backward(rate, [wide[j] for j in later], one)
        for j in later:
            if wide[j] in grads:
                (found[i, j],) = substitute([grads[wide[j]]], back)
    return found


def _sum(total: Node | None, part: Node) -> Node:
    return part if total is None else total + part
