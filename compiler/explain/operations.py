"""How operations print that are neither arithmetic nor plain calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..ir import Node
from ..ops import (
    algebra,
    convert,
    index,
    linear,
    normalization,
    order,
    reduce,
    running,
    shape,
)
from ..ops.choice import COND
from ..ops.scan import SCAN
from ..targets.spelling import matrix_product
from .nested import choice, loop
from .notation import POWER, Notation, Piece
from .seen import one_hot, seen_through

if TYPE_CHECKING:
    from .printer import Printer


def _contract(printer: Printer, node: Node, depth: int) -> Piece:
    notation = printer.notation
    pieces = [printer.piece(x, depth - 1) for x in node.operands]
    left, right, out = (node.attr(side) for side in ("left", "right", "out"))
    plan = matrix_product(node)
    if plan is not None:
        first, second = pieces[plan.first], pieces[plan.second]
        if not out and len(left) == 1:
            return notation.dot(first, second)
        first = notation.transpose(first) if plan.transposed[0] else first
        second = notation.transpose(second) if plan.transposed[1] else second
        product = notation.matrix_product([first, second])
        return notation.transpose(product) if plan.transposed[2] else product
    if len(left) == len(right) == 1 and len(out) == 2:
        first, second = pieces if out == left + right else pieces[::-1]
        return notation.matrix_product([first, notation.transpose(second)])
    if set(out) == set(left) | set(right):
        return notation.product(pieces)
    if left == right:
        axes = [axis for axis, letter in enumerate(left) if letter not in out]
        labels = printer.labels(node.operands[0], axes)
        return notation.reduction("sum", labels, notation.product(pieces))
    return notation.einsum(f"{left},{right}→{out}", pieces)


def _axes(node: Node) -> tuple[int, ...]:
    attrs = dict(node.attrs)
    axes: tuple[int, ...] = attrs["axes"] if "axes" in attrs else (attrs["axis"],)
    return axes


def _reduction(printer: Printer, node: Node, depth: int) -> Piece:
    (x,) = node.operands
    axes = _axes(node)
    if not axes and node.op is not reduce.NORM:
        return printer.piece(x, depth)
    piece = printer.piece(x, depth - 1)
    labels = printer.labels(x, axes)
    if node.op is reduce.NORM:
        return printer.notation.norm(piece, printer.notation.over(labels))
    return printer.notation.reduction(node.op.name, labels, piece)


def _along(printer: Printer, node: Node, depth: int) -> Piece:
    """Functions along an axis, which is the last unless the formula says so."""
    (x,) = node.operands
    axes = _axes(node)
    piece = printer.piece(x, depth - 1)
    labels = [] if axes == (x.type.ndim - 1,) else printer.labels(x, axes)
    return printer.notation.call(node.op.name + "".join(f"_{label}" for label in labels), [piece])


def _cast(printer: Printer, node: Node, depth: int) -> Piece:
    (x,) = node.operands
    piece = printer.piece(x, depth - 1)
    if x.dtype == "bool":
        return piece if one_hot(x) and x not in printer.names else printer.notation.indicator(piece)
    return printer.notation.call(node.dtype, [piece]) if not node.type.is_float else piece


def _transpose(printer: Printer, node: Node, depth: int) -> Piece:
    piece = printer.piece(node.operands[0], depth - 1)
    if node.type.ndim == 2:
        return printer.notation.transpose(piece)
    return printer.notation.call("permute", [piece, _plain(node.attr("axes"))])


def _slice(printer: Printer, node: Node, depth: int) -> Piece:
    (x,) = node.operands
    parts = []
    for size, start, stop, step in zip(
        x.shape, node.attr("starts"), node.attr("stops"), node.attr("steps"), strict=True
    ):
        first = "" if start == 0 else printer.size(start).text
        last = "" if stop == size else printer.size(stop).text
        parts.append(f"{first}:{last}" + (f":{step}" if step != 1 else ""))
    piece = printer.notation.within(printer.piece(x, depth - 1), POWER)
    return Piece(f"{piece}[{', '.join(parts)}]")


def _taken(printer: Printer, node: Node, depth: int) -> Piece:
    x, positions = (printer.piece(operand, depth - 1) for operand in node.operands)
    return Piece(f"{printer.notation.within(x, POWER)}[{positions.text}]")


def _shaped(printer: Printer, node: Node, depth: int) -> Piece:
    piece = printer.piece(node.operands[0], depth - 1)
    sizes = ", ".join(printer.size(dim).text for dim in node.shape)
    return printer.notation.call(node.op.name, [piece, Piece(f"[{sizes}]")])


def _size(printer: Printer, node: Node, depth: int) -> Piece:
    return printer.size(node.attr("dim"))


def _iota(printer: Printer, node: Node, depth: int) -> Piece:
    return printer.notation.call("range", [printer.size(node.attr("dim"))])


def _literal(printer: Printer, node: Node, depth: int) -> Piece:
    """The elements where they are few, else the shape."""
    array = node.attr("data").array()
    if array.size <= 6:
        return Piece(str(array.tolist()))
    return Piece(f"array{list(array.shape)}")


def _plain(numbers: Sequence[int]) -> Piece:
    return Piece("(" + ", ".join(map(str, numbers)) + ")")


def _gathered(printer: Printer, node: Node, depth: int) -> Piece:
    x, *indices = (printer.piece(operand, depth - 1) for operand in node.operands)
    places = ", ".join(index.text for index in indices)
    return Piece(f"{printer.notation.within(x, POWER)}[{places}]")


def _solution(printer: Printer, node: Node, depth: int) -> Piece:
    """Solving is a product with an inverse."""
    a, *sides = (printer.piece(operand, depth - 1) for operand in node.operands)
    if dict(node.attrs).get("transposed"):
        a = printer.notation.transpose(a)
    inverse = printer.notation.power(a, Piece("-1"))
    return printer.notation.matrix_product([inverse, *sides]) if sides else inverse


def _determinant(printer: Printer, node: Node, depth: int) -> Piece:
    found = printer.notation.call("det", [printer.piece(node.operands[0], depth - 1)])
    if node.op is algebra.SIGNDET:
        return printer.notation.call("sign", [found])
    return printer.notation.call("log", [printer.notation.absolute(found)])


SPECIAL: dict[object, Callable[[Printer, Node, int], Piece]] = {
    COND: choice,
    SCAN: loop,
    linear.CONTRACT: _contract,
    **dict.fromkeys((reduce.SUM, reduce.PROD, reduce.MAX, reduce.MIN), _reduction),
    **dict.fromkeys((reduce.ANY, reduce.ALL, reduce.MEAN, reduce.NORM), _reduction),
    normalization.VARIANCE: _reduction,
    normalization.NORMALIZE: lambda printer, node, depth: printer.open(
        normalization.NORMALIZE.formula(node), depth
    ),
    **dict.fromkeys((reduce.ARGMAX, reduce.ARGMIN, reduce.LOGSUMEXP), _along),
    **dict.fromkeys((reduce.SOFTMAX, reduce.LOG_SOFTMAX, reduce.CUMULATIVE_SUM), _along),
    convert.CAST: _cast,
    convert.SIZE: _size,
    convert.IOTA: _iota,
    convert.LITERAL: _literal,
    shape.TRANSPOSE: _transpose,
    shape.SLICE: _slice,
    shape.RESHAPE: lambda printer, node, depth: (
        printer.piece(node.operands[0], depth)
        if seen_through(node) is not node
        else _shaped(printer, node, depth)
    ),
    shape.PAD: _shaped,
    index.TAKE: _taken,
    index.TAKE_ALONG: _taken,
    index.GATHER: _gathered,
    **dict.fromkeys((algebra.SOLVE, algebra.SOLVE_TRIANGULAR, algebra.INV), _solution),
    **dict.fromkeys((algebra.LOGABSDET, algebra.SIGNDET), _determinant),
    **dict.fromkeys((order.ARGSORT, running.CUMULATIVE_PROD), _along),
    running.CUMULATIVE_LOGSUMEXP: _along,
}
UNARY: dict[str, Callable[[Notation, Piece], Piece]] = {
    "square": lambda notation, x: notation.power(x, Piece("2")),
    "sqrt": lambda notation, x: notation.root(x),
    "abs": lambda notation, x: notation.absolute(x),
    "logical_not": lambda notation, x: notation.negation(x),
    "stop_gradient": lambda notation, x: notation.call("constant", [x]),
}
CALLED = {
    "maximum": "max",
    "minimum": "min",
    "floor_divide": "floordiv",
    "remainder": "mod",
    "convolution": "conv",
    "convolution_transpose": "conv_transpose",
    "correlation": "correlate",
}
