"""Proofs of rules: by SymPy where it can, else at 50 digits over the domain."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from ..errors import ChainruleError
from ..ir import Node, evaluate as run, walk
from ..precise import digits, evaluate, expression, expressions
from ..types import symbols
from .rule import CONDITIONS, NUMBERS, AnyRule, Movement, Proof, Rule, pattern

DIGITS, SAMPLES, EFFORT = 50, 40, 120
DEFAULT = (-5.0, 5.0)


class WrongRuleError(ChainruleError):
    """A rule whose sides differ."""


def prove(rule: AnyRule) -> Proof:
    """Prove a rule, and say how.

    Returns:
        "sympy" where SymPy finds that the sides are equal, "50 digits" where they agree to nearly
        as many digits at random points of the domain, "elements" for a movement.

    Raises:
        WrongRuleError: the sides differ.
    """
    if isinstance(rule, Movement):
        return _moves(rule)
    _agree(rule)
    return "sympy" if _simplifies(rule) else "50 digits"


def sides(rule: Rule) -> tuple[Node, Node, dict[str, Node]]:
    """Both sides, and the leaves that are free in them."""
    samples = dict(pattern(rule).samples)
    for name, of in rule.given.items():
        samples[name] = of(
            *(x for other, x in samples.items() if other != name and other in NUMBERS)
        )
    lhs, rhs = rule.equation(*samples.values())
    return (
        lhs,
        rhs,
        {n: x for n, x in samples.items() if isinstance(x, Node) and n not in rule.given},
    )


def _agree(rule: Rule) -> None:
    """Both sides agree at random points of the domain."""
    import mpmath as mp

    lhs, rhs, leaves = sides(rule)
    draw = random.Random(rule.name)
    for _ in range(SAMPLES):
        with mp.workdps(DIGITS):
            values = {x: _sample(rule, name, x, draw) for name, x in leaves.items()}
            left, right = digits([lhs, rhs], values, DIGITS)
            for a, b in np.nditer([left, right], flags=["refs_ok"]):
                gap, scale = abs(a.item() - b.item()), max(abs(a.item()), abs(b.item()), 1)
                # An intermediate may be large where the difference is small, so not all digits.
                if not gap <= scale * mp.mpf(10) ** (-DIGITS + 12):
                    raise WrongRuleError(
                        f"{rule.name}: the sides differ",
                        f"{mp.nstr(a.item(), 12)} and {mp.nstr(b.item(), 12)} at "
                        + ", ".join(f"{x.attr('name')} = {v}" for x, v in values.items()),
                        "correct the equation, or the domain for which it is one",
                    )


def _sample(rule: Rule, name: str, x: Node, draw: random.Random) -> Any:
    import mpmath as mp

    shape = _shape(x)
    if name in CONDITIONS:
        return np.array([draw.random() < 0.5 for _ in range(int(np.prod(shape)))]).reshape(shape)
    low, high = rule.domain.get(name, DEFAULT)

    def one() -> Any:
        return mp.mpf(low) + mp.mpf(high - low) * draw.randrange(10**40) / 10**40

    values = np.empty(shape, object)
    for at in np.ndindex(*shape):
        values[at] = one()
    return values


def _shape(x: Node) -> tuple[int, ...]:
    return tuple(int(str(size)) for size in x.shape)


def _simplifies(rule: Rule) -> bool:
    """Whether SymPy brings the difference of the sides to 0, with bounded effort."""
    import sympy as sp

    lhs, rhs, leaves = sides(rule)
    # Elementwise rules are proved for one element, rules over axes for each of a few.
    values = {}
    for name, x in leaves.items():
        array: Any = np.empty(_shape(x), object)
        for at in np.ndindex(array.shape):
            array[at] = _symbol(rule, name, x, at)
        values[x] = array
    left, right = evaluate([lhs, rhs], values, expressions(), expression)
    left, right = np.broadcast_arrays(left, right)
    pairs = list(zip(left.flat, right.flat, strict=True))
    if "axes" not in pattern(rule).samples:
        pairs = pairs[:1]
    return all(_zero(sp.sympify(a - b)) for a, b in pairs)


def _symbol(rule: Rule, name: str, x: Node, at: tuple[int, ...]) -> Any:
    import sympy as sp

    label = name + "".join(map(str, at))
    if name in CONDITIONS:
        return sp.Symbol(label)
    low, high = rule.domain.get(name, DEFAULT)
    if low > 0:
        return sp.Symbol(label, positive=True)
    return sp.Symbol(label, negative=True) if high < 0 else sp.Symbol(label, real=True)


def _zero(gap: Any) -> bool:
    import sympy as sp

    steps = (
        lambda e: e,
        sp.expand,
        lambda e: sp.expand_log(sp.expand_log(e, force=True).rewrite(sp.exp), force=True),
        lambda e: sp.expand(sp.piecewise_fold(e)),
        lambda e: sp.expand(e.rewrite(sp.erf)),
        lambda e: sp.simplify(sp.expand_log(e.rewrite(sp.log), force=True)),
        lambda e: sp.simplify(e.rewrite(sp.exp)),
        sp.simplify,
        lambda e: sp.simplify(sp.logcombine(sp.expand_log(e, force=True), force=True)),
    )
    for step in steps:
        if gap.count_ops() > EFFORT:
            return False
        if step(gap) == 0:
            return True
    return False


def _moves(rule: Movement) -> Proof:
    """The elements before and after, in numbers that need no rounding."""
    for before in rule.examples():
        after = rule.apply(before)
        if after is None or after.type != before.type:
            raise WrongRuleError(f"{rule.name}: does not fit its example", f"{before!r}")
        draw = np.random.default_rng(1)
        values = {}
        for x in walk([before]):
            if x.op.name == "leaf":
                shape = tuple(d if isinstance(d, int) else 5 for d in x.shape)
                drawn = (
                    draw.integers(0, 2, shape)
                    if x.dtype != "float64"
                    else draw.integers(1, 9, shape)
                )
                values[x] = drawn.astype(x.dtype)
        sizes = {name: 5 for x in walk([before]) for name in symbols(x.shape)}
        left, right = run([before, after], values, sizes)
        if not np.allclose(left, right, rtol=1e-12, atol=0) or left.dtype != right.dtype:
            raise WrongRuleError(f"{rule.name}: the elements differ", f"{left} and {right}")
    return "elements"
