"""Find the matrix products: a sum of products becomes a contraction, and takes up what moves axes.

`sum(x[:, None, :] * w[None, :, :], 2)` is `x @ w.T`. In letters: each axis that does not repeat its
operand's elements gets a letter of the result's axis, so axes of size 1 and broadcasts vanish, and
a transpose only permutes letters.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from ..ir import Graph, Node, located, rebuilt, walk
from ..ops.arithmetic import equal, multiply
from ..ops.convert import CAST, iota
from ..ops.linear import CONTRACT, contract
from ..ops.reduce import SUM, sum as total
from ..ops.shape import BROADCAST_TO, RESHAPE, TRANSPOSE, reshape, transpose
from ..trace import Trace
from ..types import Shape

WHY = "a sum of products is one contraction: no product is stored"
FLOATS = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Contractions:
    """Sums of products become contractions; transposes of operands and results become letters."""

    name: str = "contractions"

    def __call__(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """The graph with its contractions found."""
        mapped = self._found((*graph.leaves, *graph.roots, *graph.names), graph.names, (), trace)
        if trace is not None:
            trace.passed(mapped)
        return graph.map(mapped)

    def node(self, root: Node, names: Mapping[Node, str]) -> Node:
        """One node with its contractions found; what has a name below it is left as it is."""
        return self._found([root], names, names, None)[root]

    def _found(
        self,
        roots: Iterable[Node],
        names: Container[Node],
        stop: Container[Node],
        trace: Trace | None,
    ) -> dict[Node, Node]:
        """The new node of every node below the roots, or below what `stop` has."""

        def visit(node: Node) -> Node:
            while True:
                with located(node.where):
                    after = None if _inner(node) in stored else contraction(node)
                if after is None or after is node:
                    return node
                if trace is not None:
                    trace.rule("contraction", WHY, node, after)
                node = after

        nodes = walk(roots, stop)
        uses = Counter(x for node in nodes for x in node.operands)
        stored: set[Node] = set()
        mapped: dict[Node, Node] = {}
        for node in nodes:
            if node in stop:
                mapped[node] = node
            else:
                mapped[node] = visit(rebuilt(node, tuple(mapped[x] for x in node.operands)))
            if uses[node] > 1 or node in names:
                stored.add(mapped[node])
        return mapped


def _inner(node: Node) -> Node | None:
    """What a sum adds up or a transpose moves. If others need it too, it is there anyway."""
    return node.operands[0] if node.op in (SUM, TRANSPOSE) else None


def contraction(node: Node) -> Node | None:
    """The contraction that a node is, or a better one; None if it is none."""
    if node.op is SUM and node.dtype in FLOATS:
        return sum_of_product(node)
    if node.op is CONTRACT:
        return picked(node) or absorbed(node)
    if node.op is TRANSPOSE and node.operands[0].op is CONTRACT:
        (x,) = node.operands
        a, b = x.operands
        out = "".join(x.attr("out")[axis] for axis in node.attr("axes"))
        return contract(a, b, x.attr("left"), x.attr("right"), out)
    return None


def sum_of_product(node: Node) -> Node | None:
    """sum(a * b, axes) as a contraction, where it is not a product of two tensors of one shape.

    The sum of such a product is one pass over both in either form, and reads better as it stands.
    """
    (product,) = node.operands
    if product.op is not multiply:
        return None
    a, b = product.operands
    letters = string.ascii_letters[: product.type.ndim]
    (a, left), (b, right) = (_lettered(x, letters, product.shape) for x in (a, b))
    a, left = _once(a, left, right)
    long = {letter for letter, size in zip(letters, product.shape, strict=True) if size != 1}
    if long & set(left) == long & set(right) or not long & set(left) or not long & set(right):
        return None
    # A letter of neither side would stand for repeated products, which the sum counts.
    if not long <= set(left + right):
        return None
    axes = node.attr("axes")
    out = "".join(x for i, x in enumerate(letters) if i not in axes and x in left + right)
    if not set(left) & set(right) - set(out):
        return None
    return _reshaped(lean(a, b, left, right, out), shape=node.shape)


def _lettered(x: Node, letters: str, full: Shape) -> tuple[Node, str]:
    """`x` without the axes that were inserted or are repeated, and the letters of the others."""
    own = letters[len(letters) - x.type.ndim :]
    while x.op in (BROADCAST_TO, TRANSPOSE):
        x, own = _untransposed(x, own)
        if x.op is BROADCAST_TO:
            (x,) = x.operands
            own = own[len(own) - x.type.ndim :]
    sizes = dict(zip(letters, full, strict=True))
    keep = [i for i in _own(x) if x.shape[i] != 1 or sizes[own[i]] == 1]
    thin = _reshaped(x, shape=tuple(x.shape[i] for i in keep))
    return thin, "".join(own[i] for i in keep)


def _own(x: Node) -> list[int]:
    """The axes of `x` that a reshape below it did not insert."""
    if x.op is not RESHAPE:
        return list(range(x.type.ndim))
    below, found = list(x.operands[0].shape), []
    for i in range(x.type.ndim - 1, -1, -1):
        while below and below[-1] == 1 != x.shape[i]:
            below.pop()
        if below and below[-1] == x.shape[i]:
            below.pop()
            found.append(i)
        elif x.shape[i] != 1:
            return [i for i, size in enumerate(x.shape) if size != 1]
    return found[::-1]


def _once(x: Node, own: str, other: str) -> tuple[Node, str]:
    """`x` without axes of size 1 that the other operand has too."""
    keep = [i for i, size in enumerate(x.shape) if size != 1 or own[i] not in other]
    return _reshaped(x, shape=tuple(x.shape[i] for i in keep)), "".join(own[i] for i in keep)


def lean(a: Node, b: Node, left: str, right: str, out: str) -> Node:
    """The contraction, after summing each operand over the letters that it alone has."""
    sides = []
    for x, own, other in ((a, left, right), (b, right, left)):
        alone = tuple(i for i, y in enumerate(own) if y not in other + out)
        kept = "".join(y for i, y in enumerate(own) if i not in alone)
        sides.append((total(x, axes=alone), kept))
    (a, left), (b, right) = sides
    return contract(a, b, left, right, out)


def picked(node: Node) -> Node | None:
    """A contraction with the identity matrix, which only moves axes: the other operand, moved."""
    left, right, out = (node.attr(side) for side in ("left", "right", "out"))
    a, b = node.operands
    for hot, own, x, letters in ((a, left, b, right), (b, right, a, left)):
        if not identity(hot):
            continue
        for summed, kept in (own, own[::-1]):
            moved = letters.replace(summed, kept)
            if summed in letters and summed not in out and sorted(moved) == sorted(out):
                return transpose(x, axes=tuple(moved.index(letter) for letter in out))
    return None


def identity(node: Node) -> bool:
    """Whether a tensor is the identity matrix: ones where row and column are the same."""
    while node.op is TRANSPOSE:
        (node,) = node.operands
    if node.op is not CAST or node.type.ndim != 2 or node.operands[0].op is not equal:
        return False
    n = node.shape[0]
    places = iota(n)
    return set(node.operands[0].operands) == {places, reshape(places, shape=(n, 1))}


def absorbed(node: Node) -> Node | None:
    """A contraction whose operands were transposed or broadcast: the letters say it."""
    a, b = node.operands
    left, right, out = node.attr("left"), node.attr("right"), node.attr("out")
    (a2, left2), (b2, right2) = _untransposed(a, left), _untransposed(b, right)
    a2, left2 = _unrepeated(a2, left2, right2, out)
    b2, right2 = _unrepeated(b2, right2, left2, out)
    if a2 is a and b2 is b:
        return None
    return lean(a2, b2, left2, right2, out)


def _untransposed(x: Node, letters: str) -> tuple[Node, str]:
    while x.op is TRANSPOSE:
        axes = x.attr("axes")
        letters = "".join(letters[axes.index(i)] for i in range(len(axes)))
        (x,) = x.operands
    return x, letters


def _unrepeated(x: Node, letters: str, other: str, out: str) -> tuple[Node, str]:
    """Drop axes along which `x` only repeats itself, where the other operand has the letter too.

    A letter that is summed over and that the other operand lacks would count the repeats: it stays.
    """
    if x.op is not BROADCAST_TO:
        return x, letters
    (inner,) = x.operands
    lead = x.type.ndim - inner.type.ndim
    repeats = {i for i in range(x.type.ndim) if i < lead or inner.shape[i - lead] != x.shape[i]}
    if not repeats or not all(letters[i] in other for i in repeats):
        return x, letters
    keep = [i for i in range(x.type.ndim) if i not in repeats]
    thin = _reshaped(inner, shape=tuple(inner.shape[i - lead] for i in keep))
    return thin, "".join(letters[i] for i in keep)


def _reshaped(x: Node, shape: Shape) -> Node:
    """`x` in another shape: one reshape for two."""
    while x.op is RESHAPE:
        (x,) = x.operands
    return reshape(x, shape)
