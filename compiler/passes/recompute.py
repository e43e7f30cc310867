"""Recompute: what has an element for each pair of places is computed again for the gradient.

The weights of attention are as many as pairs of a query and a key. Stored for the gradient, they
are the largest thing that there is, and are written and read from far away; computed again, an
element costs a few products and an exponential. So where they do not stay in a cache, all that the
gradient needs of them is computed from queries and keys once more, block by block (`blocks.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..ir import Graph, Node, rebuilt
from ..ops import convert, linear, reduce, shape
from ..ops.base import Scalar
from ..types import BYTES, Shape, product
from .again import AGAIN, again
from .contractions import core, kind_of
from .sizes import long_axes
from .sliding import all_sliding

LEAST = 128 * 1024  # bytes of a matrix: smaller ones are stored, a few of them in a cache
MOST = 256  # products of an element: computing more takes longer than to write and read it
KEEP = (convert.CAST, reduce.SUM, reduce.MAX, reduce.MIN, shape.RESHAPE, shape.BROADCAST_TO)


def recomputed(graph: Graph) -> Graph:
    """The graph, in which what is better computed twice is there twice.

    Args:
        graph: whose contractions are as kernels have them.
    """
    nodes = graph.nodes()
    windows = set(all_sliding(nodes, graph.roots).values())
    products = (node for node in nodes if node.op is linear.CONTRACT and node not in windows)
    found = [node for node in products if _is_large(node)]
    families = [family for node in found if (family := _family(node, nodes, graph.roots))]
    if not families:
        return graph
    mapped: dict[Node, Node] = {}
    for node in nodes:
        operands = [mapped[x] for x in node.operands]
        for family in families:
            if node in family.later:
                for place, x in enumerate(node.operands):
                    if x in family.members:
                        operands[place] = family.copy(x, mapped)
        mapped[node] = rebuilt(node, tuple(operands))
    copies = [pair for family in families for pair in family.copies.items()]
    named = {copy: f"{graph.names[x]}_again" for x, copy in copies if x in graph.names}
    new = graph.map(mapped)
    return replace(new, names={**new.names, **named})


def is_copy(node: Node) -> bool:
    """Whether a product is computed a second time."""
    if node.op is not linear.CONTRACT:
        return False
    x = node.operands[0]
    while x.op in (shape.RESHAPE, shape.TRANSPOSE):
        (x,) = x.operands
    return x.op is AGAIN


@dataclass(slots=True)
class _Family:
    """A product, and what is made of rows of it.

    Attributes:
        product: whose elements are pairs of places.
        members: the product, and what is computed of its rows and of what is there before it is
            used the first time.
        later: what depends on the first use.
        copies: members that are computed a second time.
    """

    product: Node
    members: set[Node]
    later: set[Node]
    copies: dict[Node, Node] = field(default_factory=dict)

    def copy(self, node: Node, mapped: Mapping[Node, Node]) -> Node:
        """A member, computed a second time."""
        if node not in self.copies:
            if node is self.product:
                left, right = (mapped[x] for x in node.operands)
                operands: tuple[Node, ...] = (again(left), right)
            else:
                operands = tuple(
                    self.copy(x, mapped) if x in self.members else mapped[x] for x in node.operands
                )
            self.copies[node] = rebuilt(node, operands)
        return self.copies[node]


def _family(product: Node, nodes: Sequence[Node], wanted: Collection[Node]) -> _Family | None:
    """A product with what is made of it, if that is needed again after what depends on it."""
    found = core(product)
    rows = (*found.batch, found.m)
    family = _Family(product, {product}, set())
    use: Node | None = None
    is_again = False
    for node in nodes:
        own = any(x in family.members for x in node.operands)
        if any(x is use or x in family.later for x in node.operands):
            family.later.add(node)
            is_again = is_again or own
        elif own and _keeps_rows(node, rows):
            family.members.add(node)
        elif own and node.op is not linear.CONTRACT:
            return None
        elif own and use is None:
            use = node
    return family if is_again and not family.members & {*wanted} else None


def _keeps_rows(node: Node, rows: Shape) -> bool:
    """Whether each row of a node is made of the same row of its operands."""
    known = isinstance(node.op, Scalar) or node.op in KEEP
    return known and long_axes(node.shape)[: len(rows)] == rows


def _is_large(node: Node) -> bool:
    """Whether a product has a large matrix for each of a batch, whose elements are short sums."""
    if kind_of(node) != "gemm":
        return False
    found = core(node)
    size = product((found.m, found.n))
    return (
        bool(found.batch)
        and isinstance(size, int)
        and isinstance(found.k, int)
        and size * BYTES[node.dtype] >= LEAST
        and found.k <= MOST
        and long_axes(node.shape) == (*found.batch, found.m, found.n)
    )
