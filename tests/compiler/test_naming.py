"""Names of values that have none: what they are made of, where that takes few words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainrule.compiler.ir import Node, is_leaf
from chainrule.compiler.ops import reduce, shape
from chainrule.compiler.ops.arithmetic import abs, pow, sqrt, square
from chainrule.compiler.ops.convert import cast, size
from chainrule.compiler.ops.elementary import exp
from chainrule.compiler.ops.index import one_hot
from chainrule.compiler.targets.naming import LONGEST, described

from .graphs import BATCH, tensor

Y, T, H = tensor("y", BATCH, 3), tensor("t", BATCH, 3), tensor("h1", BATCH, 3)
RATE, PLACES = tensor("learning_rate"), tensor("places", BATCH, dtype="int64")
FAR = tensor("places_of_far_away_rows", BATCH, dtype="int64")
LONG, ODD = tensor("dL_dlaplacian_h1", BATCH, 3), tensor("y_minus_t", BATCH, 3)
TOTAL = tensor("total_2", BATCH, 3)  # a noun with a number tells nothing of what it is

PHRASES: dict[str, Callable[[], Node]] = {
    "y_minus_t": lambda: Y - T,
    "y_over_t": lambda: Y / T,
    "one_minus_h1": lambda: 1 - H,
    "y_plus_one": lambda: Y + 1,
    "h1_squared": lambda: square(H),
    "one_minus_h1_squared": lambda: 1 - square(H),
    "square_y_minus_t": lambda: square(Y - T),
    "total_h1_squared": lambda: reduce.sum(square(H), axes=(1,)),
    "exp_y": lambda: exp(Y),
    "root_y_plus_t": lambda: sqrt(Y + T),
    "half_h1": lambda: H / 2,
    "half_y": lambda: 0.5 * Y,
    "twice_h1": lambda: 2 * H,
    "scaled_h1": lambda: 2 * (H * (1 - square(H))),
    "scaled_y": lambda: Y / (LONG * T),
    "scaled_t": lambda: T * (1 - Y),
    "step_size": lambda: RATE * sqrt(1 - pow(RATE, 2)),
    "mean_h1": lambda: reduce.sum(H, axes=(0,)) / size(BATCH, "float32"),
    "scaled_total_h1": lambda: reduce.sum(H, axes=(1,)) / size(BATCH, "float32"),
    "one_hot": lambda: one_hot(PLACES, 3, "float32"),
    "magnitude_y": lambda: abs(cast(Y, "float64")),
    "transposed_y": lambda: shape.transpose(Y, axes=(1, 0)),
    "places_plus_one": lambda: PLACES + 1,
}
# These words would be too many, or tell it wrong.
NOUNS: dict[str, list[Callable[[], Node]]] = {
    "product": [lambda: LONG * H, lambda: (Y - T) * (Y - H)],
    "difference": [lambda: (Y - T) - H, lambda: Y - (T - H), lambda: ODD - H],
    "ratio": [lambda: (Y - T) / (Y + T), lambda: TOTAL / 3],
    "total": [lambda: LONG + T, lambda: reduce.sum(TOTAL, axes=(1,))],
    "exponential": [lambda: exp(Y - T - H)],
    "place": [lambda: FAR * FAR],
}


def name(node: Node, longest: int = LONGEST) -> str:
    return described(node, lambda x: x.attr("name") if is_leaf(x) else None, longest)


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases(phrase: str) -> None:
    assert name(PHRASES[phrase]()) == phrase
    assert len(phrase) <= LONGEST


@pytest.mark.parametrize("noun", NOUNS)
def test_nouns(noun: str) -> None:
    assert [name(made()) for made in NOUNS[noun]] == [noun] * len(NOUNS[noun])


def test_a_phrase_is_as_long_as_there_is_room() -> None:
    assert name(Y - T, len("y_minus_t")) == "y_minus_t"
    assert name(Y - T, len("y_minus_t") - 1) == "difference"


def test_deep_values_cost_no_more_than_shallow_ones() -> None:
    x = Y
    for _ in range(200):
        x = x * x + x
    assert name(x) == "total"
