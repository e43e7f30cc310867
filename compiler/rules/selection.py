"""`where` with an invalid branch: what is not taken must not leak a NaN into a value or a gradient.

The gradient that reaches an untaken branch is 0, and 0 times an infinite derivative is NaN. So the
selection moves outwards, past everything that keeps 0: then it is the last thing that is done.
For finite values both sides are equal.
"""

from __future__ import annotations

from ..ir import Node, const, is_const, leaf, make
from ..ops.arithmetic import logical_not, where
from ..ops.convert import cast
from ..ops.shape import broadcast_to, reshape, transpose
from ..types import TensorType
from .numbers import number
from .rule import AnyRule, Movement, Rule, plain

LEAKS = "0 times infinity is NaN: the branch that is not taken leaks into the gradient"
ONCE = "one subtraction and one product; for small differences it loses nothing"
ABOVE = (0.1, 5.0)

PRODUCTS = (
    Rule("where times", lambda c, x, y: (where(c, x, 0) * y, where(c, x * y, 0)), LEAKS),
    Rule("where not, times", lambda c, x, y: (where(c, 0, x) * y, where(c, 0, x * y)), LEAKS),
    Rule(
        "where over",
        lambda c, x, y: (where(c, x, 0) / y, where(c, x / y, 0)),
        LEAKS,
        domain={"y": ABOVE},
    ),
    Rule(
        "where not, over",
        lambda c, x, y: (where(c, 0, x) / y, where(c, 0, x / y)),
        LEAKS,
        domain={"y": ABOVE},
    ),
    Rule("minus where", lambda c, x: (-where(c, x, 0), where(c, -x, 0)), LEAKS),
    Rule("minus where not", lambda c, x: (-where(c, 0, x), where(c, 0, -x)), LEAKS),
    Rule(
        "where minus where",
        lambda c, x, y: (where(c, x, 0) - where(c, y, 0), where(c, x - y, 0)),
        LEAKS,
    ),
    Rule(
        "where not minus where not",
        lambda c, x, y: (where(c, 0, x) - where(c, 0, y), where(c, 0, x - y)),
        LEAKS,
    ),
    Rule(
        "where minus where not",
        lambda c, x, y: (where(c, x, 0) - where(c, 0, y), where(c, x, -y)),
        LEAKS,
    ),
)
MASKS = (
    Rule(
        "mask times",
        lambda c, x, dtype: (cast(c, dtype) * x, where(c, x, 0)),
        "a mask is a choice, and 0 times infinity is NaN",
    ),
    Rule(
        "1 minus mask",
        lambda c, dtype: (1 - cast(c, dtype), cast(logical_not(c), dtype)),
        "the other choice",
    ),
)

# Applied last: before, a choice stands alone so that other rules see it.
CHOICES: tuple[AnyRule, ...] = (
    Rule(
        "softmax minus one-hot, over a number",
        lambda c, x, y: (where(c, -1 / y, 0) + x / y, (x - cast(c, x.dtype)) / y),
        ONCE,
        domain={"y": ABOVE},
    ),
    Rule(
        "softmax minus one-hot, times a number",
        lambda c, k, m, x: (where(c, m, 0) + k * x, k * (x - cast(c, x.dtype))),
        ONCE,
        when=lambda k, m: number(m) == -number(k),
        given={"m": lambda k: -k},
    ),
    Rule(
        "softmax minus one-hot, times a share",
        lambda c, x, y: (where(c, -y, 0) + x * y, (x - cast(c, x.dtype)) * y),
        ONCE,
    ),
    Rule(
        "one-hot minus softmax, times a share",
        lambda c, x, y: (where(c, y, 0) - x * y, (cast(c, x.dtype) - x) * y),
        ONCE,
    ),
    Rule(
        "softmax minus one-hot",
        lambda c, x: (where(c, const(-1, x.dtype), 0) + x, x - cast(c, x.dtype)),
        ONCE,
    ),
)


def moved(node: Node) -> Node | None:
    """f(where(c, x, 0)) = where(f(c), f(x), 0) for an f that only moves elements, and casts."""
    (inner,) = node.operands
    if inner.op is not where or not inner.type.is_float or not node.type.is_float:
        return None
    condition, x, y = inner.operands
    if is_zero(y):
        return where(_moved(node, condition), _moved(node, x), const(0, node.dtype))
    if is_zero(x):
        return where(_moved(node, condition), const(0, node.dtype), _moved(node, y))
    return None


def is_zero(x: Node) -> bool:
    """Whether a node is the number 0, broadcast or not."""
    value = plain(x)
    return is_const(value, 0)


def _moved(node: Node, x: Node) -> Node:
    (inner,) = node.operands
    if node.op.name == "cast":
        return x if x.dtype == "bool" else cast(x, node.dtype)
    value = plain(x)
    if is_const(value):
        return value
    return make(node.op, (broadcast_to(x, shape=inner.shape),), **dict(node.attrs))


def _examples() -> tuple[Node, ...]:
    c = leaf("c", TensorType("bool", (3,)), "placeholder")
    x = leaf("x", TensorType("float64", (2, 3)), "placeholder")
    chosen = where(c, x, 0)
    return (
        reshape(chosen, shape=(3, 2)),
        transpose(where(c, 0, x), axes=(1, 0)),
        cast(chosen, "float32"),
    )


MOVED = (
    Movement(
        "where, moved",
        ("reshape", "transpose", "slice", "flip", "cast"),
        moved,
        LEAKS,
        _examples,
    ),
)
SELECTIONS: tuple[AnyRule, ...] = PRODUCTS + MASKS + MOVED
