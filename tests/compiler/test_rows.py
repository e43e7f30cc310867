"""Every row: its derivative by SymPy, its stable spelling and derivatives to the last digits."""

from __future__ import annotations

import itertools
import math
import random
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import chainrule.compiler.ops  # noqa: F401
from chainrule.compiler.ir import OPS, Node, evaluate, leaf, make
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.precise import digits, evaluate as exactly, expression, expressions
from chainrule.compiler.types import TensorType

FLOATS = ("float64", "float32")
ROWS = tuple(
    row for row in OPS.values() if isinstance(row, Scalar) and row.kind in ("float", "number")
)
HARD = (1e-300, 1e-30, 1e-8, 0.5, 1.0, 5.0, 20.0, 40.0, 88.0, 300.0, 700.0)
DIGITS = 760  # 1 + 1e-300 and its square are told from 1
SLOW = ("zeta", "lgamma", "digamma", "erf", "erfc")  # in mpmath; SciPy's, not spelled by us


def named(row: Scalar) -> str:
    return row.name


def is_smooth(row: Scalar) -> bool:
    return row.derivatives(applied(row, "float64")[0]) != (None,) * row.arity


@cache
def applied(row: Scalar, dtype: str) -> tuple[Node, tuple[Node, ...]]:
    leaves = tuple(leaf("xyz"[i], TensorType(dtype), "input") for i in range(row.arity))
    return make(row, leaves), leaves


def inside(row: Scalar, count: int = 8) -> list[tuple[float, ...]]:
    """Points of the row's domain."""
    draw = random.Random(row.name)
    return [tuple(draw.uniform(*interval) for interval in row.domain) for _ in range(count)]


def hard(row: Scalar) -> list[tuple[float, ...]]:
    """Points where formulas overflow, underflow or cancel."""
    signed = [sign * x for x in HARD for sign in (1, -1)]
    points = list(itertools.product(signed, repeat=row.arity))
    random.Random(row.name).shuffle(points)
    return points[:22]


def truth(node: Node, leaves: tuple[Node, ...], point: tuple[float, ...], count: int) -> Any:
    """The value of the formula; None where it has none."""
    with mp.workdps(count):
        try:
            (found,) = digits([node], dict(zip(leaves, point, strict=True)), count)
        except (ZeroDivisionError, ValueError, TypeError):
            return None  # a pole, or a complex number that is compared
        value = found.item()
        return None if isinstance(value, mp.mpc) or not mp.isfinite(value) else mp.mpf(value)


def held(point: tuple[float, ...], dtype: str) -> tuple[float, ...]:
    return tuple(float(np.dtype(dtype).type(x)) for x in point)


def ulps(got: Any, exact: Any, dtype: str) -> float:
    """The error in units of the last place of the exact value."""
    with np.errstate(all="ignore"):
        rounded = np.dtype(dtype).type(float(exact))
    if not np.isfinite(rounded):
        return 0.0 if got == rounded else math.inf
    if not np.isfinite(got):
        return math.inf
    unit = max(float(np.spacing(np.abs(rounded))), float(np.finfo(dtype).smallest_subnormal))
    return float(abs(mp.mpf(float(got)) - exact) / mp.mpf(unit))


def measure(row: Scalar, dtype: str, points: list[tuple[float, ...]], count: int) -> float:
    node, leaves = applied(row, dtype)
    spelled = row.expand(node)
    assert spelled is not None
    worst, tried = 0.0, 0
    for point in (held(p, dtype) for p in points):
        exact = truth(node, leaves, point, count)
        if exact is None:
            continue
        values = dict(zip(leaves, map(np.dtype(dtype).type, point), strict=True))
        tried += 1
        worst = max(worst, ulps(evaluate([spelled], values)[0], exact, dtype))
    assert tried
    return worst


SPELLED = tuple(row for row in ROWS if row.stable is not None)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("row", SPELLED, ids=named)
def test_stable_spelling(row: Scalar, dtype: str) -> None:
    assert measure(row, dtype, inside(row) + hard(row), DIGITS) <= 4


def derivative(row: Scalar, point: tuple[float, ...], index: int, order: int = 1) -> Any:
    """A difference quotient in so many digits that it is exact where a float can tell."""
    node, leaves = applied(row, "float64")
    with mp.workdps(DIGITS):
        x = [mp.mpf(v) for v in point]
        step = mp.mpf(10) ** -200 * (abs(x[index]) or 1)
        shifts = {1: (1, -1), 2: (1, 0, -1)}[order]
        values = []
        for shift in shifts:
            at = [v + shift * step if i == index else v for i, v in enumerate(x)]
            value = truth(node, leaves, tuple(at), DIGITS)
            if value is None:
                return None
            values.append(value)
        if order == 1:
            return (values[0] - values[1]) / (2 * step)
        return (values[0] - 2 * values[1] + values[2]) / step**2


DIFFERENTIABLE = tuple(row for row in ROWS if is_smooth(row) and row.name not in SLOW)


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=named)
def test_first_and_second_derivative(row: Scalar) -> None:
    node, leaves = applied(row, "float64")
    for index, wanted in enumerate(row.derivatives(node)):
        if wanted is None:
            continue
        from chainrule.compiler.autodiff import backward
        from chainrule.compiler.ir import const

        second = backward(wanted, [leaves[index]], const(1, "float64")).get(leaves[index])
        for point in inside(row, 4):
            values = dict(zip(leaves, map(np.float64, point), strict=True))
            for order, found in ((1, wanted), (2, second)):
                exact = derivative(row, point, index, order)
                got = 0.0 if found is None else evaluate([found], values)[0]
                scale = max(abs(exact), mp.mpf(10) ** -6)
                assert abs(mp.mpf(float(got)) - exact) <= 1e-12 * scale, (point, order)


def test_every_smooth_row_is_tested() -> None:
    assert len(DIFFERENTIABLE) > 35
    assert {"sigmoid", "softplus", "log1mexp", "log_cosh", "logaddexp"} <= set(map(named, SPELLED))


WITH_FORMULA = tuple(row for row in ROWS if row.formula is not None and row.grads is not None)
# Where SymPy cannot bring the difference to 0 the derivatives are compared at 50 digits alone.
BY_DIGITS: tuple[str, ...] = ("relu", "hypot")


@pytest.mark.parametrize("row", WITH_FORMULA, ids=named)
def test_declared_derivative_is_that_of_the_formula(row: Scalar) -> None:
    import sympy as sp

    node, leaves = applied(row, "float64")
    symbols = [sp.Symbol(f"x{i}", real=True) for i in range(row.arity)]
    values = dict(zip(leaves, symbols, strict=True))

    def written(x: Node) -> Any:
        (found,) = exactly([x], values, expressions(), expression)
        return sp.sympify(found.item())

    formula = written(node)
    proved = True
    for x, wanted in zip(symbols, row.derivatives(node), strict=True):
        if wanted is not None:
            gap = sp.simplify((written(wanted) - sp.diff(formula, x)).rewrite(sp.exp))
            proved = proved and gap == 0
    assert proved == (row.name not in BY_DIGITS)
