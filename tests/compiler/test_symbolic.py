"""The bridge to SymPy and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import chainrule.compiler.ops  # noqa: F401
from chainrule.compiler.errors import UsageError
from chainrule.compiler.from_sympy import from_sympy
from chainrule.compiler.ir import OPS, Node, const, evaluate, leaf, make, walk
from chainrule.compiler.ops.arithmetic import abs, maximum, minimum, sign, sqrt, square, where
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.elementary import cosh, exp, log, tanh
from chainrule.compiler.ops.reduce import SUM
from chainrule.compiler.ops.special import erf, sigmoid, softplus
from chainrule.compiler.symbolic import (
    NoExpressionError,
    function,
    rational,
    to_sympy,
)
from chainrule.compiler.types import TensorType

X, Y = sp.symbols("x y", real=True)
x, y = (leaf(name, TensorType("float64"), "input") for name in "xy")
NODES = {X: x, Y: y}


def read(e: Any) -> Node:
    return from_sympy(e, NODES, "float64")


def test_the_chain_rule_is_sympys_and_names_survive() -> None:
    assert str(sp.diff(function(OPS["softplus"])(3 * X + Y), X)) == "3*sigmoid(3*x + y)"


def test_importing_the_compiler_imports_no_sympy() -> None:
    code = "import chainrule.compiler.pipeline, sys; print('sympy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (0.1, sp.Rational(1, 10)),
        (2.0, sp.Integer(2)),
        (1 / 3, sp.Rational(1, 3)),
        (-0.5, sp.Rational(-1, 2)),
        (float("inf"), sp.oo),
        (float("-inf"), -sp.oo),
        (0.7978845608028654, sp.Rational(*(0.7978845608028654).as_integer_ratio())),
    ],
)
def test_numbers_are_exact(value: float, exact: Any) -> None:
    assert rational(value) == exact
    assert float(rational(value)) == value


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (exp(-x) * 2, "2*exp(-x)"),
        (x - y / 3, "x - y/3"),
        (sqrt(square(x) + 1), "sqrt(x**2 + 1)"),
        (softplus(x), "softplus(x)"),
        (maximum(x, 0), "maximum(x, 0)"),
        (where(x > y, x, exp(y)), "where(x > y, x, exp(y))"),
        (tanh(x) ** 3, "tanh(x)**3"),
    ],
)
def test_node_as_expression(node: Node, text: str) -> None:
    assert str(to_sympy(node, {x: X, y: Y})) == text


@pytest.mark.parametrize(
    ("node", "expression"),
    [
        (softplus(x), sp.log(1 + sp.exp(X))),
        (maximum(x, y), sp.Max(X, Y)),
        (where(x > 0, x, y), sp.Piecewise((X, X > 0), (Y, True))),
        (abs(x), sp.Abs(X)),
    ],
)
def test_written_out(node: Node, expression: Any) -> None:
    assert to_sympy(node, {x: X, y: Y}, opaque=False) == expression


@pytest.mark.parametrize(
    ("expression", "node"),
    [
        (X - Y, x - y),
        (-X - Y, -(x + y)),
        (X / Y, x / y),
        (-X / Y, -(x / y)),
        (X / 3, x / 3),
        (sp.sqrt(X), sqrt(x)),
        (1 / sp.sqrt(X), 1 / sqrt(x)),
        (X**-2, 1 / square(x)),
        (X**3, x**3),
        (sp.exp(-X), exp(-x)),
        (sp.pi * X, np.pi * x),
        (sp.Max(X, 0), maximum(x, 0)),
        (sp.Min(X, 1), minimum(x, 1)),
        (sp.Abs(X), abs(x)),
        (sp.sign(X), sign(x)),
        (sp.sech(X), 1 / cosh(x)),
        (sp.Piecewise((X, X > 0), (sp.exp(X), True)), where(x > 0, x, exp(x))),
        (sp.erf(X), erf(x)),
        (function(OPS["sigmoid"])(X), sigmoid(x)),
        (sp.Float(0.1), const(0.1, "float64")),
    ],
)
def test_expression_as_a_person_would_write_it(expression: Any, node: Node) -> None:
    assert read(expression) is node


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        (sp.Heaviside(X), "Heaviside is no known function"),
        (sp.DiracDelta(X), "DiracDelta is no known function"),
        (sp.Function("f")(X), "f is no known function"),
        (sp.Derivative(sp.Function("f")(X), X), "no known function"),
        (sp.Piecewise((X, X > 0)), "Piecewise without a case"),
        (sp.I * X, "not real"),
        (sp.Symbol("unknown") + X, "Symbol is no known function"),
        (sp.nan, "not real"),
    ],
)
def test_what_is_no_formula_is_an_error(expression: Any, what: str) -> None:
    with pytest.raises(NoExpressionError, match=what) as caught:
        read(expression)
    assert str(caught.value).count("\n") == 2
    assert "hint: " in str(caught.value)


def test_a_string_is_never_parsed() -> None:
    with pytest.raises(sp.SympifyError):
        read("__import__('os').getcwd()")


FORMULAS: dict[str, Callable[[Node], Node]] = {
    "swish": lambda x: x * sigmoid(x),
    "mish": lambda x: x * tanh(log(1 + exp(x))),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / 2**0.5)),
    "elu": lambda x: where(x > 0, x, exp(x) - 1),
    "huber": lambda x: where(abs(x) <= 1, 0.5 * square(x), abs(x) - 0.5),
    "hard sigmoid": lambda x: minimum(maximum(x / 6 + 0.5, 0), 1),
    "log cosh": lambda x: log(cosh(x)),
    "rational": lambda x: (1 + x) / (2 + square(x)),
    "cubic": lambda x: x**3 - 2 * x,
    "root": lambda x: sqrt(1 + square(x)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_derivative_of_a_row_without_one(name: str, dtype: str) -> None:
    row = Scalar(name, formula=FORMULAS[name])
    at = leaf("x", TensorType(dtype, (5,)), "input")
    node = make(row, (at,))
    (wanted,) = row.derivatives(node)
    assert wanted is not None
    assert wanted.dtype == dtype
    points = np.array([-3.3, -0.7, 0.4, 1.9, 6.1])
    (got,) = evaluate([wanted], {at: points.astype(dtype)})
    exact = leaf("x", TensorType("float64", (5,)), "input")
    step = 1e-6
    values = [
        evaluate([FORMULAS[name](exact)], {exact: points + shift})[0] for shift in (step, -step)
    ]
    tolerance = 2e-5 if dtype == "float32" else 1e-7
    np.testing.assert_allclose(
        np.broadcast_to(got, 5),
        (values[0] - values[1]) / (2 * step),
        rtol=tolerance,
        atol=tolerance,
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_no_step_leaks(name: str) -> None:
    node = make(Scalar(name, formula=FORMULAS[name]), (x,))
    (wanted,) = node.op.derivatives(node)  # type: ignore[attr-defined]
    known = {*OPS, name, "direction"}
    assert {inner.op.name for inner in walk([wanted])} <= known


def test_derivative_uses_the_value_where_it_occurs() -> None:
    row = Scalar("logistic", formula=lambda x: 1 / (1 + exp(-x)))
    node = make(row, (x,))
    (wanted,) = row.derivatives(node)
    assert wanted is not None
    assert node in walk([wanted])


def test_derivatives_are_taken_once_a_row() -> None:
    from chainrule.compiler.symbolic import _templates

    row = Scalar("once", formula=lambda x: x * tanh(x))
    hits = _templates.cache_info().hits
    row.derivatives(make(row, (x,)))
    row.derivatives(make(row, (y,)))
    assert _templates.cache_info().hits == hits + 1


def test_row_without_an_elementwise_formula_is_named() -> None:
    row = Scalar(
        "summed",
        formula=lambda x: x * SUM(leaf("v", TensorType("float64", (2,)), "input"), axes=(0,)),
    )
    with pytest.raises(UsageError, match="summed: its formula has no derivative") as caught:
        row.derivatives(make(row, (x,)))
    assert str(caught.value).count("\n") == 2
