"""What is known of a node's values without computing them: signs, and logarithms that are easy."""

from __future__ import annotations

from ..ir import CONST, Node

DEPTH = 12  # how far below a node is looked

# Positive wherever it is a number; it may round to 0.
_POSITIVE = frozenset(("exp", "sigmoid", "softmax", "softplus", "cosh", "erfc"))
_NONNEGATIVE = frozenset(("square", "abs", "sqrt", "norm", "hypot", "uniform", "acosh"))
_MOVED = frozenset(
    ("reshape", "transpose", "broadcast_to", "slice", "flip", "take", "take_along_axis", "cast")
)
_REDUCED = frozenset(("sum", "mean", "prod", "max", "min", "concat"))


def positive(node: Node, depth: int = DEPTH) -> bool:
    """Whether every value is certainly above 0, were it not rounded."""
    name, xs = node.op.name, node.operands
    if node.op is CONST:
        return bool(node.attr("value") > 0)
    if name in _POSITIVE:
        return True
    if depth == 0:
        return False
    if name in ("multiply", "divide", *_REDUCED):
        return all(positive(x, depth - 1) for x in xs)
    if name in _MOVED or name in ("sqrt", "pow", "square"):
        return xs[0].dtype != "bool" and positive(xs[0], depth - 1)
    if name == "maximum":
        return any(positive(x, depth - 1) for x in xs)
    if name == "minimum":
        return all(positive(x, depth - 1) for x in xs)
    if name == "where":
        return all(positive(x, depth - 1) for x in xs[1:])
    if name in ("add", "hypot"):
        return any(positive(x, depth - 1) for x in xs) and all(
            nonnegative(x, depth - 1) for x in xs
        )
    return False


def nonnegative(node: Node, depth: int = DEPTH) -> bool:
    """Whether every value is certainly 0 or above."""
    name, xs = node.op.name, node.operands
    if node.op is CONST:
        return bool(node.attr("value") >= 0)
    if name in _NONNEGATIVE or (name == "cast" and xs[0].dtype == "bool"):
        return True
    if positive(node, depth):
        return True
    if depth == 0:
        return False
    if name in ("add", "multiply", "divide", "minimum", *_REDUCED):
        return all(nonnegative(x, depth - 1) for x in xs)
    if name == "maximum":
        return any(nonnegative(x, depth - 1) for x in xs)
    if name == "where":
        return all(nonnegative(x, depth - 1) for x in xs[1:])
    if name in _MOVED or name == "pow":
        return nonnegative(xs[0], depth - 1)
    return False


def has_plain_log(node: Node, depth: int = DEPTH) -> bool:
    """Whether the logarithm has a form that neither overflows nor underflows when the node does."""
    name, xs = node.op.name, node.operands
    if name in ("exp", "sigmoid", "softmax", "cosh"):
        return True
    if depth == 0:
        return False
    if name in ("sum", "mean"):
        return xs[0].op.name == "exp"
    if name == "add":
        return any(x.op.name == "exp" for x in xs) and all(positive(x) for x in xs)
    if name in ("multiply", "divide"):
        return all(positive(x) for x in xs) and any(has_plain_log(x, depth - 1) for x in xs)
    if name in _MOVED or name in ("square", "sqrt", "pow", "prod"):
        return has_plain_log(xs[0], depth - 1)
    if name in ("maximum", "minimum"):
        return any(has_plain_log(x, depth - 1) for x in xs) and all(positive(x) for x in xs)
    if name == "where":
        return any(has_plain_log(x, depth - 1) for x in xs[1:])
    return False
