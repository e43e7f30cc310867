"""Sizes that must not be negative: what calls are refused for, in the same words on every target.

A size with a name in it, such as n - 3, is known only when the program is called. Loops, and
positions that are computed, stay inside arrays as long as none of these sizes is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from ..errors import Bound
from ..ir import Node, Op
from ..ops import convolution, index, pooling, reduce, rows, scan, shape, windows
from ..types import Dim, Shape, Size, mul, product, sub

Need: TypeAlias = tuple[Dim, str]


def bounds(nodes: Iterable[Node]) -> tuple[Bound, ...]:
    """What must hold so that nodes make sense, those that always do left out."""
    found: dict[Dim, Bound] = {}
    for node in nodes:
        for size, what in needs(node):
            if _may_be_negative(size):
                found.setdefault(size, Bound(size, what, node.where))
    return tuple(found.values())


def together(*several: Iterable[Bound]) -> tuple[Bound, ...]:
    """Bounds, of those of one size the first."""
    found: dict[Dim, Bound] = {}
    for some in several:
        for bound in some:
            found.setdefault(bound.size, bound)
    return tuple(found.values())


def needs(node: Node) -> Iterator[Need]:
    """Sizes that must not be negative for one node, and what is wrong where one is."""
    rule = NEEDS.get(node.op)
    if rule is not None:
        yield from rule(node)
    for axis, dim in enumerate(node.shape):
        yield dim, f"axis {axis} would have a negative size"


def _may_be_negative(dim: Dim) -> bool:
    if isinstance(dim, Size):
        return any(factor < 0 for _, factor in dim.terms)
    return dim < 0


def _slice(node: Node) -> Iterator[Need]:
    (x,) = node.operands
    ends = zip(node.attr("starts"), node.attr("stops"), x.shape, strict=True)
    for axis, (start, stop, dim) in enumerate(ends):
        what = f"axis {axis} is shorter than what is taken from it"
        yield from ((size, what) for size in (start, sub(stop, start), sub(dim, stop)))


def _extreme(node: Node) -> Iterator[Need]:
    (x,) = node.operands
    attrs = dict(node.attrs)
    for axis in attrs["axes"] if "axes" in attrs else (attrs["axis"],):
        yield sub(x.shape[axis], 1), f"{node.op.name} of no elements"


def _positions(count: Dim, dims: Shape) -> Iterator[Need]:
    """Where there are positions, there is an element."""
    for dim in dims:
        yield mul(count, sub(dim, 1)), "an index into an axis that has no elements"


def _take(node: Node) -> Iterator[Need]:
    x, at = node.operands
    yield from _positions(at.type.size, (x.shape[node.attr("axis")],))


def _add_at(node: Node) -> Iterator[Need]:
    yield from _positions(node.operands[1].type.size, (node.attr("dim"),))


def _gather(node: Node) -> Iterator[Need]:
    x, *indices = node.operands
    yield from _positions(product(index.together(indices)), x.shape[: len(indices)])


def _scatter(node: Node) -> Iterator[Need]:
    _, *indices = node.operands
    yield from _positions(product(index.together(indices)), node.attr("dims"))


def _rows(node: Node) -> Iterator[Need]:
    for positions in node.operands[2:]:
        yield from _positions(positions.type.size, node.shape[:1])


def _windows(node: Node) -> Iterator[Need]:
    for i, size in enumerate(windows.beyond(node)):
        yield size, f"windows: the window is larger than axis {node.attr('axis') + i}"


def _conv(node: Node) -> Iterator[Need]:
    x, w = node.operands
    form = convolution.geometry(node)
    kernel = zip(convolution.kernel_of(w), form.dilation, strict=True)
    for axis, (dim, (k, gap)) in enumerate(zip(form.padded(x.shape[1:-1]), kernel, strict=True)):
        reach = windows.span(k, gap)
        yield sub(dim, reach), f"conv: the kernel is larger than spatial axis {axis}"


def _conv_transpose(node: Node) -> Iterator[Need]:
    for axis, dim in enumerate(node.operands[0].shape[1:-1]):
        yield sub(dim, 1), f"conv_transpose: there is nothing along spatial axis {axis}"
    for axis, dim in enumerate(node.shape[1:-1]):
        yield dim, f"conv_transpose: nothing is left of spatial axis {axis}"


def _pool(node: Node) -> Iterator[Need]:
    (x,) = node.operands
    sides = (node.attr(name) for name in ("size", "lows", "highs"))
    for axis, (dim, k, low, high) in enumerate(zip(x.shape[1:-1], *sides, strict=True)):
        what = f"{node.op.name}: the window is larger than spatial axis {axis}"
        yield sub(dim, k - low - high), what


def _loop(node: Node) -> Iterator[Need]:
    length = node.attr("length")
    if length is not None:
        yield length, "the number of steps is negative"


NEEDS: Mapping[Op, Callable[[Node], Iterator[Need]]] = {
    shape.SLICE: _slice,
    **dict.fromkeys((reduce.MAX, reduce.MIN, reduce.ARGMAX, reduce.ARGMIN), _extreme),
    **dict.fromkeys((reduce.SOFTMAX, reduce.LOG_SOFTMAX, reduce.LOGSUMEXP), _extreme),
    index.TAKE: _take,
    index.TAKE_ALONG: _take,
    index.ADD_AT: _add_at,
    index.ADD_ALONG: _add_at,
    index.GATHER: _gather,
    index.SCATTER_ADD: _scatter,
    rows.REPLACE_ROWS: _rows,
    windows.WINDOWS: _windows,
    convolution.CONVOLUTION: _conv,
    convolution.CONVOLUTION_TRANSPOSE: _conv_transpose,
    pooling.MAX_POOL: _pool,
    pooling.AVERAGE_POOL: _pool,
    scan.SCAN: _loop,
}
