"""Windows and convolutions as NumPy expressions: calls of functions that a module has with it."""

from __future__ import annotations

from collections.abc import Callable

from ...ir import Node
from ...ops import convolution, windows
from .code import Code, Scope, call, operand, tuple_of

# What the functions of a module call in turn.
NEEDS = {
    "convolution": ("windows", "padded"),
    "convolution_transpose": ("overlap_add",),
    "correlation": ("windows", "padded"),
}


def _windows(scope: Scope, node: Node) -> Code:
    """Windows, and their transpose."""
    size = node.attr("size" if node.op is windows.WINDOWS else "dims")
    where = f"{node.attr('axis')}", tuple_of(scope, size)
    options = [_option("stride", node), _option("dilation", node)]
    helper = scope.use(node.op.name)
    return call(helper, operand(scope, node.operands[0]), *where, *filter(None, options))


def _convolution(scope: Scope, node: Node) -> Code:
    """A convolution or one of its transposes."""
    first, second = (operand(scope, x) for x in node.operands)
    for helper in NEEDS[node.op.name]:
        scope.use(helper)
    own = {"convolution_transpose": "dims", "correlation": "size"}.get(node.op.name)
    sizes = [] if own is None else [tuple_of(scope, node.attr(own))]
    sides = tuple(zip(node.attr("lows"), node.attr("highs"), strict=True))
    numbers = {number for side in sides for number in side}
    padding = f"padding={numbers.pop() if len(numbers) == 1 else sides}"
    options = [_option("stride", node, "strides"), "" if padding == "padding=0" else padding]
    options.append(_option("dilation", node))
    if node.attr("groups") != 1:
        options.append(f"groups={node.attr('groups')}")
    return call(scope.use(node.op.name), first, second, *sizes, *filter(None, options))


def _option(name: str, node: Node, attr: str = "") -> str:
    """Numbers for each axis, or one where they are alike; nothing where they are 1."""
    numbers = node.attr(attr or name)
    shown = f"{name}={numbers[0] if len(set(numbers)) == 1 else numbers}"
    return "" if shown == f"{name}=1" else shown


SPACE: dict[object, Callable[[Scope, Node], Code]] = {
    windows.WINDOWS: _windows,
    windows.OVERLAP_ADD: _windows,
    convolution.CONVOLUTION: _convolution,
    convolution.CONVOLUTION_TRANSPOSE: _convolution,
    convolution.CORRELATION: _convolution,
}
