"""Numbers in rules: they are put together only where that needs no rounding.

In a pattern a number is a placeholder; these functions then write the operation down.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ..ir import CONST, Node, const, is_const
from ..ops.arithmetic import where
from ..ops.base import Scalar
from ..ops.convert import CAST
from ..ops.shape import broadcast_to


def number(node: Node) -> float:
    """The value of a number."""
    value: float = node.attr("value")
    return value


def fraction(k: Node) -> Fraction | None:
    """A number, exactly, as its dtype holds it; None where it is not finite."""
    held = float(np.dtype(k.dtype).type(number(k)))
    return Fraction(held) if math.isfinite(held) else None


def _held(value: Fraction, dtype: str) -> bool:
    """Whether a dtype holds this number exactly, with room below and above."""
    if not Fraction(1, 10**30) <= abs(value) <= 10**30:
        return value == 0
    return Fraction(float(np.dtype(dtype).type(float(value)))) == value


def product_is_exact(k: Node, m: Node) -> bool:
    """Whether k m needs no rounding, and is not 0."""
    a, b = fraction(k), fraction(m)
    return bool(a and b) and _held(a * b, k.dtype)  # type: ignore[operator]


def quotient_is_exact(k: Node, m: Node) -> bool:
    """Whether k / m needs no rounding, and is not 0."""
    a, b = fraction(k), fraction(m)
    return bool(a and b) and _held(a / b, k.dtype)  # type: ignore[operator]


def sum_is_exact(k: Node, m: Node) -> bool:
    """Whether k + m needs no rounding."""
    a, b = fraction(k), fraction(m)
    return a is not None and b is not None and _held(a + b, k.dtype)


def difference_is_exact(k: Node, m: Node) -> bool:
    """Whether k - m needs no rounding."""
    a, b = fraction(k), fraction(m)
    return a is not None and b is not None and _held(a - b, k.dtype)


def root_is_exact(k: Node) -> bool:
    """Whether the root of k is a number that needs no rounding."""
    value = number(k)
    return 0 < value < 2**40 and math.sqrt(value).is_integer()


def is_moderate(k: Node) -> bool:
    """Whether a product with k overflows or underflows much as it would without."""
    return 1e-4 <= abs(number(k)) <= 1e4


def _both(k: Node, m: Node) -> bool:
    return k.op is CONST and m.op is CONST


def times(k: Node, m: Node) -> Node:
    """The number k m."""
    return const(number(k) * number(m), k.dtype) if _both(k, m) else k * m


def over(k: Node, m: Node) -> Node:
    """The number k / m."""
    return const(number(k) / number(m), k.dtype) if _both(k, m) else k / m


def plus(k: Node, m: Node) -> Node:
    """The number k + m."""
    return const(number(k) + number(m), k.dtype) if _both(k, m) else k + m


def less(k: Node, m: Node) -> Node:
    """The number k - m."""
    return const(number(k) - number(m), k.dtype) if _both(k, m) else k - m


def minus(k: Node) -> Node:
    """The number -k."""
    return const(-number(k), k.dtype) if k.op is CONST else -k


def folded(node: Node) -> Node:
    """The number that a node is, where all its operands are numbers; else the node."""
    if node.op is where and is_const(node.operands[0]):
        chosen = node.operands[1 if node.operands[0].attr("value") else 2]
        return broadcast_to(chosen, shape=node.shape)
    if not isinstance(node.op, Scalar) and node.op is not CAST:
        return node
    if not all(x.op is CONST for x in node.operands):
        return node
    from ..reference import run

    (value,) = run([node], {}, {})
    return const(_shortest(value), node.dtype) if math.isfinite(value) else node


def rounded(node: Node) -> Node:
    """A number as its dtype holds it, so that numbers which round to one are one node."""
    if node.op is not CONST or not node.type.is_float or not math.isfinite(number(node)):
        return node
    held = np.dtype(node.dtype).type(number(node))
    return const(_shortest(held), node.dtype) if math.isfinite(held) else node


def _shortest(value: Any) -> Any:
    """The number with the fewest digits that rounds to this one in its own dtype."""
    return float(str(value)) if value.dtype.kind == "f" else value.item()
