"""Names for values that have none: what they are made of, in a few words, or what they are.

`y_minus_t`, `one_minus_h1_squared`, `total_dz2_dx_squared`; `scaled_h1` is h1 times something that
has no name. Where that says too much, a noun has to do: `product`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..explain.seen import one_hot
from ..ir import CONST, Node, is_const
from ..ops.convert import CAST, SIZE
from ..ops.reduce import SUM
from ..ops.shape import BROADCAST_TO, RESHAPE, TRANSPOSE
from ..passes.scalars import LOAD
from ..types import product

Named = Callable[[Node], str | None]

LONGEST = 20  # of a name
DEEPEST = 4  # operations that it tells of
SEEN_THROUGH = (CAST, RESHAPE, BROADCAST_TO, TRANSPOSE)
BETWEEN = {"add": "plus", "subtract": "minus", "multiply": "times", "divide": "over"}
# What stands before the name of a single operand, and alone where that says too much: other words
# than those that Python or NumPy have functions of, or else a target puts a number behind them.
NOUNS = {
    "add": "total",
    "subtract": "difference",
    "multiply": "product",
    "contract": "product",
    "divide": "ratio",
    "floor_divide": "quotient",
    "negative": "minus",
    "sqrt": "root",
    "pow": "power",
    "abs": "magnitude",
    "where": "chosen",
    "round": "rounded",
    "broadcast_to": "full",
    "reshape": "shaped",
    "pad": "padded",
    "transpose": "transposed",
    "slice": "part",
    "sum": "total",
    "max": "highest",
    "min": "lowest",
    "any": "some",
    "all": "every",
    "checked": "place",
    "draw": "random",
    **dict.fromkeys("less less_equal greater greater_equal not_equal equal".split(), "test"),
    **dict.fromkeys("logical_and logical_or logical_xor logical_not".split(), "test"),
    **dict.fromkeys(("take", "take_along_axis", "gather"), "taken"),
    **dict.fromkeys(("add_at", "add_along_axis", "scatter_add"), "added"),
    "overlap_add": "overlapped",
    "replace_rows": "replaced",
    "distinct_rows": "touched",
    "rows_by_panel": "named",
    "argsort": "order",
    "searchsorted": "place",
    "cholesky": "factor",
    "inv": "inverse",
    **dict.fromkeys(("solve", "solve_triangular"), "solution"),
    **dict.fromkeys(("linear_recurrence", "cumulative_prod"), "running"),
    **dict.fromkeys(("cumulative_sum", "cumulative_logsumexp"), "running"),
}
# Elementary functions keep their names before an operand; alone the commonest have a noun.
ALONE = {
    "exp": "exponential",
    "log": "logarithm",
    "sigmoid": "logistic",
    **dict.fromkeys(("maximum", "minimum"), "extreme"),
}
SAYS_LITTLE = {*NOUNS.values(), *ALONE.values()}
SCALED = {"learning_rate": "step_size"}


class Phrase(NamedTuple):
    """A name that says what a value is made of.

    Attributes:
        text: the name.
        binds: how tightly its words hold together: a name of one value most, `a_minus_b` least.
    """

    text: str
    binds: int


BETWEEN_TWO, BEFORE_ONE, BEHIND_ONE, NAME = range(4)


def described(node: Node, named: Named, longest: int = LONGEST) -> str:
    """A name for a value that has none.

    Args:
        node: the value.
        named: the names of those that it is made of, where they have one.
        longest: a phrase with more letters is too long.
    """
    op = node.op.name
    if node.op in SEEN_THROUGH:
        (x,) = node.operands
        name = named(x)
        return described(x, named, longest) if name is None else f"{NOUNS.get(op, op)}_{name}"
    found = phrase(node, named)
    if found is not None and len(found.text) <= longest:
        return found.text
    if node.dtype == "int64" and op in BETWEEN:
        return "place"
    return ALONE.get(op) or NOUNS.get(op, op)


def phrase(node: Node, named: Named, depth: int = DEEPEST) -> Phrase | None:
    """The words for a value; None where they would be too many."""
    name = named(node)
    if name is not None:
        if re.sub(r"_\d+$", "", name) in SAYS_LITTLE:
            return None
        told = any(f"_{word}_" in name for word in BETWEEN.values())
        found: Phrase | None = Phrase(name, BETWEEN_TWO if told else NAME)
    elif node.op is CONST or not depth:
        return None
    elif one_hot(node) is not None:
        found = Phrase("one_hot", NAME)
    elif node.op in SEEN_THROUGH:
        return phrase(node.operands[0], named, depth)
    else:
        found = _made_of(node, [phrase(x, named, depth - 1) for x in node.operands])
    return found if found and len(found.text) <= LONGEST else None


def _made_of(node: Node, parts: Sequence[Phrase | None]) -> Phrase | None:
    """The words for an operation on operands with these."""
    op = node.op.name
    if op == "square" and parts[0] is not None and parts[0].binds == NAME:
        return Phrase(f"{parts[0].text}_squared", BEHIND_ONE)
    if op in BETWEEN:
        left, right = parts
        if op in ("add", "subtract"):
            one = Phrase("one", NAME)
            left, right = (
                one if is_const(x, 1) else part
                for x, part in zip(node.operands, parts, strict=True)
            )
        if left and right and left.binds > BEFORE_ONE and right.binds > BETWEEN_TWO:
            found = Phrase(f"{left.text}_{BETWEEN[op]}_{right.text}", BETWEEN_TWO)
            return found if len(found.text) <= LONGEST else None
        return _scaled(node, parts) if op in ("multiply", "divide") else None
    inner = [x for x in node.operands if x.op is not CONST]
    if len(inner) != 1:
        return None
    of = parts[node.operands.index(inner[0])]
    return Phrase(f"{NOUNS.get(op, op)}_{of.text}", BEFORE_ONE) if of else None


def _scaled(node: Node, parts: Sequence[Phrase | None]) -> Phrase | None:
    """A value times a number, or times something that has no name."""
    left, right = (part if part and part.binds > BETWEEN_TWO else None for part in parts)
    if node.op.name == "divide":
        of, other, factors = left, right, {0.5: "twice", 2.0: "half"}
    else:
        of, other = (left, right) if left else (right, left)
        factors = {2.0: "twice", 0.5: "half"}
    if of is None or other is not None:
        return None
    if of.text.startswith("total_") and _is_mean(node):
        return Phrase(f"mean_{of.text.removeprefix('total_')}", BEFORE_ONE)
    if of.text in SCALED.values() or of.text.startswith("scaled_"):
        return Phrase(of.text, BEFORE_ONE)
    numbers = [x.attr("value") for x in node.operands if x.op is CONST]
    word = next((factors[number] for number in numbers if number in factors), "scaled")
    text = SCALED.get(of.text) if word == "scaled" else None
    return Phrase(text or f"{word}_{of.text}", BEFORE_ONE)


def _is_mean(node: Node) -> bool:
    """Whether a sum is divided by the number of its terms."""
    if node.op.name != "divide" or node.operands[1].op is not SIZE:
        return False
    total, count = node.operands
    while total.op in (*SEEN_THROUGH, LOAD):
        total = total.operands[0]
    if total.op is not SUM:
        return False
    (x,) = total.operands
    terms = product(tuple(x.shape[axis] for axis in total.attr("axes")))
    return bool(terms == count.attr("dim"))
