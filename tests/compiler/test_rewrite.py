"""Passes that rewrite: to a fixed point, in linear time, keeping places, names and values."""

from __future__ import annotations

import time

import numpy as np
import pytest

import chainrule.compiler.ops  # noqa: F401
from chainrule.compiler.ir import (
    Graph,
    Node,
    const,
    evaluate,
    is_const,
    leaf,
    located,
    make,
    walk,
)
from chainrule.compiler.ops.arithmetic import logical_not, sqrt, where
from chainrule.compiler.ops.convert import CAST, size
from chainrule.compiler.ops.elementary import exp, log, tanh
from chainrule.compiler.ops.linear import CONTRACT, contract
from chainrule.compiler.ops.reduce import SUM
from chainrule.compiler.ops.shape import broadcast_to, pad, reshape, transpose
from chainrule.compiler.ops.special import sigmoid, softplus
from chainrule.compiler.passes.contract import Contractions
from chainrule.compiler.passes.fold import Fold
from chainrule.compiler.passes.rewrite import Rewrite
from chainrule.compiler.rules import ALGEBRA, STABILIZE, Rule
from chainrule.compiler.trace import Trace
from chainrule.compiler.types import Dim, TensorType, Where, symbol

BATCH = symbol("batch")
MAIN = Rewrite(ALGEBRA + STABILIZE)


def tensor(name: str, *shape: Dim, dtype: str = "float64") -> Node:
    return leaf(name, TensorType(dtype, shape), "input")


def test_trace_is_told_of_each_rule() -> None:
    x, trace = tensor("x", 3), Trace()
    after = MAIN.node(log(1 / (1 + exp(-x))), trace)
    assert after is -softplus(-x)
    names = [step.name for step in trace.steps]
    assert "over 1 + exp" in names
    assert names[-1] == "log of sigmoid"
    assert all(step.why for step in trace.steps)


def test_new_nodes_keep_the_place_of_the_old() -> None:
    place = Where("model.py", 7, "hidden")
    x = tensor("x", 3)
    with located(place):
        y = log(sigmoid(x * 3))
    for node in walk([MAIN.node(y)]):
        assert node is x or is_const(node) or node.where == place


def test_names_move_along() -> None:
    x = tensor("x", 3)
    h = 1 / (1 + exp(-x))
    after = MAIN(Graph("f", (x,), outputs=(("y", tanh(h)),), names={h: "h"}))
    assert after.names[sigmoid(x)] == "h"


def test_a_node_used_often_is_rewritten_once() -> None:
    x, trace = tensor("x", 3), Trace()
    h = log(sigmoid(x))
    MAIN.nodes([h + exp(h), h * tanh(h)], trace)
    assert [step.name for step in trace.steps].count("log of sigmoid") == 1


def test_ten_thousand_nodes_take_a_second() -> None:
    x = y = tensor("x", BATCH, 3)
    for i in range(2500):
        y = tanh(y * (1 + i % 7) + x) - x
    nodes = len(walk([y]))
    assert nodes > 9_000
    start = time.process_time()
    MAIN.node(y)
    assert time.process_time() - start < 1.5


def test_what_is_added_many_times_takes_no_longer() -> None:
    x = tensor("x", 2)
    parts = [pad(x, (low,), (2 - low,), (0,), 0.0) for low in (0, 1)]
    for _ in range(34):
        parts = [parts[1], parts[0] + parts[1]]
    start = time.process_time()
    MAIN.node(parts[1])
    assert time.process_time() - start < 1.5


def test_rules_that_undo_each_other_are_found() -> None:
    there = Rule("there", lambda x: (exp(x), tanh(x)), "a loop")
    back = Rule("back", lambda x: (tanh(x), exp(x)), "a loop")
    with pytest.raises(RuntimeError, match="undo each other"):
        Rewrite((there, back)).node(exp(tensor("x", 3)))


def test_literals_match_in_both_float_types_and_when_broadcast() -> None:
    for dtype in ("float32", "float64"):
        x = tensor("x", 2, 3, dtype=dtype)
        assert MAIN.node(log(broadcast_to(const(1, dtype), (2, 3)) + exp(x))) is softplus(x)


def test_result_keeps_its_shape() -> None:
    x = tensor("x", BATCH, 3)
    after = MAIN.node(x - x)
    assert after is broadcast_to(const(0, "float64"), (BATCH, 3))


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (const(2, "float32") * const(3, "float32"), 6.0),
        (sqrt(const(2, "float32")), float(str(np.sqrt(np.float32(2))))),
        (exp(const(1, "float64")), float(np.exp(1.0))),
        (logical_not(const(True, "bool")), False),
        (const(7, "int64") + const(1, "int64"), 8),
        (make(CAST, (const(2.5, "float64"),), dtype="int32"), 2),
        (const(2, "float64") < const(3, "float64"), True),
    ],
)
def test_fold_computes_numbers_in_their_own_dtype(node: Node, value: float) -> None:
    after = Fold().node(node)
    assert is_const(after, value)
    assert after.dtype == node.dtype
    assert evaluate([after], {})[0] == evaluate([node], {})[0]


def test_fold_makes_one_node_of_numbers_that_round_to_one() -> None:
    x = leaf("x", TensorType("float32", (3,)), "input")
    half = Fold(rounds=True).node(exp(x * const(0.5**0.5, "float32")))
    assert Fold(rounds=True).node(exp(x * -const(-(0.5**0.5), "float32"))) is half
    assert is_const(half.operands[0].operands[1], 0.70710677)


def test_fold_leaves_what_is_not_finite_and_sizes() -> None:
    infinite = 1 / const(0, "float64")
    assert Fold().node(infinite) is infinite
    count = size(BATCH, "float64") * 2
    assert Fold().node(count) is count


def test_fold_takes_the_branch_that_is_known() -> None:
    x, y = tensor("x", 3), tensor("y", 2, 3)
    assert Fold().node(where(const(True, "bool"), x, y)) is broadcast_to(x, (2, 3))


def contracted(node: Node) -> Node:
    return Contractions()(Graph("f", (), outputs=(("y", node),))).roots[0]


def same(before: Node, after: Node) -> None:
    draw = np.random.default_rng(0)
    leaves = [x for x in walk([before]) if x.op.name == "leaf"]
    shapes = [[d if isinstance(d, int) else 5 for d in x.shape] for x in leaves]
    values = {x: draw.normal(size=s) for x, s in zip(leaves, shapes, strict=True)}
    old, new = evaluate([before, after], values)
    np.testing.assert_allclose(new, old, rtol=1e-12)
    assert before.type == after.type


def test_weighted_sum_of_every_neuron_is_a_matrix_product() -> None:
    x, w = tensor("x", BATCH, 4), tensor("w", 5, 4)
    y = SUM(reshape(x, (BATCH, 1, 4)) * reshape(w, (1, 5, 4)), axes=(2,))
    assert contracted(y) is contract(x, w, "bi", "ui", "bu")
    same(y, contracted(y))


@pytest.mark.parametrize(
    "build",
    [
        lambda x, w: SUM(broadcast_to(reshape(x, (BATCH, 1, 4)), (BATCH, 5, 4)) * w, axes=(2,)),
        lambda x, w: transpose(SUM(reshape(x, (BATCH, 1, 4)) * w, axes=(2,)), (1, 0)),
        lambda x, w: SUM(transpose(reshape(x, (1, BATCH, 4)), (2, 1, 0))
                         * reshape(transpose(w, (1, 0)), (4, 1, 5)), axes=(0,)),
        lambda x, w: contract(transpose(x, (1, 0)), w, "ib", "ui", "bu"),
        lambda x, w: contract(broadcast_to(reshape(w, (1, 5, 4)), (BATCH, 5, 4)), x,
                              "bui", "bi", "bu"),
        lambda x, w: SUM(reshape(w, (5, 1, 4, 1)) * reshape(x, (1, BATCH, 4, 1)), axes=(2, 3)),
    ],
)  # fmt: skip
def test_other_forms_are_matrix_products_too(build: object) -> None:
    x, w = tensor("x", BATCH, 4), tensor("w", 5, 4)
    y = build(x, w)  # type: ignore[operator]
    after = contracted(y)
    names = {node.op.name for node in walk([after])}
    assert "contract" in names
    assert not names & {"transpose", "broadcast_to", "sum"}
    same(y, after)


def test_sums_that_are_no_matrix_product_stay() -> None:
    x, v = tensor("x", BATCH, 4), tensor("v", BATCH, 4)
    for y in (SUM(x * v, axes=(1,)), SUM(x * x, axes=(0, 1)), SUM(x * 3, axes=(0,))):
        assert contracted(y) is y


def test_an_axis_of_one_side_is_summed_first() -> None:
    x, v = tensor("x", BATCH, 4), tensor("v", 4)
    y = SUM(x * v, axes=(0, 1))
    assert contracted(y) is contract(SUM(x, axes=(0,)), v, "i", "i", "")
    same(y, contracted(y))


def test_a_product_that_others_use_is_not_computed_twice() -> None:
    x, w = tensor("x", BATCH, 4), tensor("w", 4)
    product = x * w
    y = SUM(product, axes=(1,)) + SUM(tanh(product), axes=(1,))
    assert all(node.op is not CONTRACT for node in walk([contracted(y)]))


@pytest.mark.parametrize("apply", [MAIN, Fold(), Contractions()], ids=lambda p: p.name)
def test_passes_are_idempotent(apply: Rewrite) -> None:
    x, w = tensor("x", BATCH, 4), tensor("w", 5, 4)
    y = log(1 + exp(SUM(reshape(x, (BATCH, 1, 4)) * reshape(w, (1, 5, 4)), axes=(2,)) * 2 * 3))
    once = apply(Graph("f", (x, w), outputs=(("y", y),)))
    assert apply(once).roots == once.roots
