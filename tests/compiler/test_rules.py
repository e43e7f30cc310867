"""Every rule is proved, fits what it is meant for, and does not undo another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from chainrule.compiler.ir import Node, const, evaluate, leaf, walk
from chainrule.compiler.ops.elementary import exp, log, log1p
from chainrule.compiler.ops.reduce import MEAN, SUM
from chainrule.compiler.ops.shape import reshape
from chainrule.compiler.ops.special import sigmoid, softplus
from chainrule.compiler.passes.rewrite import Rewrite
from chainrule.compiler.rules import ALGEBRA, FINISH, STABILIZE, AnyRule, Movement, Rule
from chainrule.compiler.rules.proof import WrongRuleError, prove
from chainrule.compiler.rules.rule import NUMBERS, pattern
from chainrule.compiler.types import TensorType

TABLE = ALGEBRA + STABILIZE + FINISH
EQUATIONS = tuple(rule for rule in TABLE if isinstance(rule, Rule))
MAIN = ALGEBRA + STABILIZE


def named(rule: AnyRule) -> str:
    return rule.name


@pytest.mark.parametrize("rule", TABLE, ids=named)
def test_rule_is_proved_as_it_says(rule: AnyRule) -> None:
    assert prove(rule) == rule.proof


def test_names_are_unique() -> None:
    names = [rule.name for rule in TABLE]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("rule", TABLE, ids=named)
def test_rule_says_why(rule: AnyRule) -> None:
    assert len(rule.why) > 5


@pytest.mark.parametrize(
    "wrong",
    [
        Rule("sign", lambda x: (log(1 + x), log1p(-x)), "wrong"),
        Rule("only near 0", lambda x: (log(sigmoid(x)), -exp(-x)), "wrong"),
        Rule("constant", lambda x: (exp(x) - 1, exp(x) - 1.000000000001), "wrong"),
        Rule("axes", lambda x, axes: (SUM(x, axes=axes), MEAN(x, axes=axes)), "wrong"),
        Rule("too wide a domain", lambda x: (log(x * x), 2 * log(x)), "wrong"),
        Movement(
            "order",
            ("reshape",),
            lambda node: reshape(node.operands[0] * 2, node.shape),
            "wrong",
            lambda: (reshape(leaf("x", TensorType("float64", (2, 3)), "input"), (6,)),),
        ),
    ],
    ids=named,
)
def test_wrong_rule_is_caught(wrong: AnyRule) -> None:
    with pytest.raises(WrongRuleError, match="differ"):
        prove(wrong)


def chosen(rule: Rule, dtype: str) -> tuple[Node, Node, list[Node]]:
    """Both sides on positive tensors of two axes, with numbers that fit the rule's condition."""
    variables: dict[str, Node] = {}
    for name, sample in pattern(rule).samples.items():
        if name in NUMBERS or not isinstance(sample, Node):
            continue
        kind = dtype if sample.dtype == "float64" else sample.dtype
        variables[name] = leaf(name, TensorType(kind, (2, 3)), "input")
    values = {"axes": (1,), "axis": 1, "shape": (4, 2, 3), "dtype": dtype}
    for (m, k), plain in itertools.product(NUMBER_PAIRS, (True, False)):
        numbers = {"k": const(k, dtype), "m": const(m, dtype), "n": const(3, dtype)}
        terms = {n: x if plain or x.dtype == "bool" else exp(x) for n, x in variables.items()}
        known = {**values, **numbers, **terms}
        if "r" in known:
            known["r"] = row(rule, dtype)
        if rule.when(*(known[name] for name in pattern(rule).conditions)):
            lhs, rhs = rule.equation(*(known[name] for name in pattern(rule).samples))
            return lhs, rhs, [x for x in walk([lhs]) if x.op.name == "leaf"]
    raise AssertionError(f"no numbers for {rule.name}")


NUMBER_PAIRS = ((2.0, 4.0), (1.0, 2.0), (-2.0, 2.0), (2.0, 2.0), (1.0, -2.0), (0.5, 0.25))


def drawn(rule: Rule, x: Node, draw: np.random.Generator) -> np.ndarray:
    shape = tuple(d for d in x.shape if isinstance(d, int))
    if x.dtype == "bool":
        return draw.random(shape) < 0.5
    return draw.uniform(*rule.domain.get(x.attr("name"), (-3, -1)), shape).astype(x.dtype)


def row(rule: Rule, dtype: str) -> Node:
    from chainrule.compiler.ops.convert import size

    if "size" in rule.name:
        from chainrule.compiler.types import symbol

        return size(symbol("batch"), dtype)
    shape = (2,) if "logsumexp" in rule.name else (2, 1)
    return leaf("r", TensorType(dtype, shape), "input")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", EQUATIONS, ids=named)
def test_rule_fits_its_left_side(rule: Rule, dtype: str) -> None:
    lhs, rhs, leaves = chosen(rule, dtype)
    after = rule.apply(lhs)
    assert after is not None
    assert after.type == lhs.type
    draw = np.random.default_rng(0)
    values = {x: drawn(rule, x, draw) for x in leaves}
    before, now = evaluate([lhs, after], values, {"batch": 4})
    assert now.dtype == before.dtype
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(now, before, rtol=tolerance, atol=tolerance, equal_nan=False)
    assert rhs.dtype == lhs.dtype


@pytest.mark.parametrize("rule", [r for r in EQUATIONS if r in MAIN], ids=named)
def test_both_sides_have_one_form(rule: Rule) -> None:
    """The table as a whole brings both sides to the same, so no rule is dead or undone."""
    lhs, rhs, _ = chosen(rule, "float64")
    rewrite = Rewrite(MAIN)
    left, right = rewrite.node(lhs), rewrite.node(rhs)
    if left.shape != right.shape:
        from chainrule.compiler.ops.shape import broadcast_to

        right = rewrite.node(broadcast_to(right, left.shape))
    assert left is right


def test_rules_see_through_several_steps() -> None:
    x = leaf("x", TensorType("float32", (2, 3)), "input")
    assert Rewrite(MAIN).node(log(1 - 1 / (1 + exp(-x)))) is -softplus(x)
