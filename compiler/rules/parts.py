"""Rules about what lies side by side: parts of a tensor that are taken, and put together again.

The gradient of a part is the part with zeros around it. Where parts make up the whole, no zeros are
added to it: the gradients of the parts lie side by side.
"""

from __future__ import annotations

from ..ir import Node, leaf
from ..ops.arithmetic import add
from ..ops.shape import CONCAT, PAD, concat, pad, slice_
from ..types import Dim, TensorType, add as plus, sub
from .rule import Movement

WHOLE = "no zeros are added"


def side_by_side(node: Node) -> Node | None:
    """pad(x) + pad(y) + ... = concat(x, y, ...) where the operands fill an axis, each its part."""
    terms = _terms(node)
    axis = _padded_axis(terms[0]) if terms else None
    if axis is None or any(_padded_axis(x) != axis for x in terms):
        return None
    by_start = {x.attr("lows")[axis]: x for x in terms}
    parts: list[Node] = []
    start: Dim = 0
    while start in by_start and by_start[start].operands[0].shape[axis] != 0:
        parts += by_start[start].operands
        start = plus(start, parts[-1].shape[axis])
    if len(parts) < len(terms) or start != node.shape[axis]:
        return None
    return concat(tuple(parts), axis)


def _terms(node: Node) -> list[Node]:
    """What a node adds up, as far as it is padded; nothing if it adds something twice.

    What is added twice does not lie beside itself, and could be in exponentially many terms.
    """
    terms: list[Node] = []
    stack, seen = [node], set[Node]()
    while stack:
        x = stack.pop()
        if x in seen:
            return []
        seen.add(x)
        if x.op is add and all(y.op in (add, PAD) and y.shape == x.shape for y in x.operands):
            stack += x.operands
        else:
            terms.append(x)
    return terms


def _padded_axis(node: Node) -> int | None:
    """The one axis along which zeros are put around an operand; None if it is not like that."""
    if node.op is not PAD or node.attr("value") != 0 or any(node.attr("inner")):
        return None
    sides = zip(node.attr("lows"), node.attr("highs"), strict=True)
    padded = [axis for axis, (low, high) in enumerate(sides) if low != 0 or high != 0]
    return padded[0] if len(padded) == 1 else None


def part_of_parts(node: Node) -> Node | None:
    """concat(x, y)[part] = x[part] where the part is one of x alone."""
    (x,) = node.operands
    if x.op is not CONCAT:
        return None
    axis = x.attr("axis")
    starts, stops = node.attr("starts"), node.attr("stops")
    first = 0
    for own in x.operands:
        size = own.shape[axis]
        start, stop = sub(starts[axis], first), sub(stops[axis], first)
        if not (isinstance(start, int) and isinstance(stop, int) and isinstance(size, int)):
            return None
        if 0 <= start and stop <= size:
            starts = (*starts[:axis], start, *starts[axis + 1 :])
            stops = (*stops[:axis], stop, *stops[axis + 1 :])
            return slice_(own, starts, stops, node.attr("steps"))
        first += size
    return None


def _sample(columns: int) -> Node:
    return leaf(f"x{columns}", TensorType("float64", (2, columns)), "placeholder")


def _around(x: Node, low: int, high: int) -> Node:
    return pad(x, (0, low), (0, high), (0, 0), 0.0)


PARTS: tuple[Movement, ...] = (
    Movement(
        "parts side by side",
        ("add",),
        side_by_side,
        WHOLE,
        lambda: (
            _around(_sample(3), 0, 1) + _around(_sample(1), 3, 0),
            _around(_sample(1), 3, 2) + (_around(_sample(2), 4, 0) + _around(_sample(3), 0, 3)),
        ),
    ),
    Movement(
        "part of parts",
        ("slice",),
        part_of_parts,
        "it is taken where it comes from",
        lambda: (
            slice_(concat((_sample(3), _sample(4)), 1), (0, 3), (2, 7), (1, 1)),
            slice_(concat((_sample(3), _sample(4)), 1), (1, 4), (2, 6), (1, 2)),
        ),
    ),
)
