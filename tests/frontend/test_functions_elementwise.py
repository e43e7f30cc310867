"""Elementwise functions: value, first and second derivatives against 50 digits, and edge points.

The measure at smooth points is mixed forward-backward error: a result may be off by `ULPS` units
in the last place of itself, or of what it becomes when the inputs are off by as much. That is all
that floating point can promise where a function is steep or crosses 0. `ULPS` counts the roundings:
libraries give elementary functions within 4 units, and the longest of the derivatives (`pow`'s
second ones) is a chain of 8 operations.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import mpmath
import numpy as np
import pytest
import scipy.special

import chainrule as cr
from chainrule.compiler.ir import OPS
from chainrule.compiler.ops.base import Scalar
from chainrule.frontend.functions import elementwise

Array: TypeAlias = "np.ndarray[Any, Any]"
Exact: TypeAlias = Callable[..., Any]

ULPS = 16
POINTS = 12
FLOATS = ("float32", "float64")
mp = mpmath.mp.clone()
mp.dps = 50

ln2 = mp.log(2)
EXACT: dict[str, Exact] = {
    "exp": mp.exp,
    "expm1": mp.expm1,
    "log": mp.log,
    "log1p": mp.log1p,
    "log2": lambda x: mp.log(x) / ln2,
    "log10": mp.log10,
    "logaddexp": lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
    "sqrt": mp.sqrt,
    "square": lambda x: x * x,
    "abs": abs,
    "sign": mp.sign,
    "copysign": lambda x, y: abs(x) if y > 0 else -abs(x),
    "negative": operator.neg,
    "floor": mp.floor,
    "ceil": mp.ceil,
    "round": mp.nint,
    "trunc": lambda x: mp.floor(x) if x > 0 else mp.ceil(x),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "atan2": mp.atan2,
    "hypot": mp.hypot,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "lgamma": lambda x: mp.log(abs(mp.gamma(x))),
    "digamma": mp.digamma,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "relu": lambda x: x if x > 0 else x * 0,
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": lambda x, y: mp.floor(x / y),
    "remainder": lambda x, y: x - y * mp.floor(x / y),
    "pow": mp.power,
    "maximum": max,
    "minimum": min,
}
TRUTH = {  # functions that give bool: NumPy is all the truth there is
    name
    for name, op in OPS.items()
    if isinstance(op, Scalar) and op.kind in ("compare", "predicate", "logic")
}


def row(name: str) -> Scalar:
    op = OPS[name]
    assert isinstance(op, Scalar)
    return op


def seed(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def smooth_points(name: str, dtype: str) -> list[Array]:
    """Points of the row's domain, an array an operand, exact in the dtype."""
    rng = seed(name)
    return [rng.uniform(low, high, POINTS).astype(dtype) for low, high in row(name).domain]


def derivatives(f: Exact, x: Sequence[Any]) -> list[Any]:
    """The value, the first derivatives and the second ones, by central differences at 50 digits."""
    h = mp.mpf(10) ** -12
    n = len(x)

    def at(*steps: tuple[int, int]) -> Any:
        moved = list(x)
        for i, sign in steps:
            moved[i] += sign * h
        return f(*moved)

    first = [(at((i, 1)) - at((i, -1))) / (2 * h) for i in range(n)]
    second = [
        (at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1)))
        / (4 * h * h)
        for i, j in itertools.product(range(n), repeat=2)
    ]
    return [f(*x), *first, *second]


def exact(name: str, points: Sequence[Array]) -> tuple[Array, Array]:
    """Each derivative at each point, and how much it may be off for each unit of error."""
    f = EXACT[name]
    want, slack = [], []
    delta = mp.mpf(10) ** -6
    for numbers in zip(*points, strict=True):
        x = [mp.mpf(float(number)) for number in numbers]
        values = derivatives(f, x)
        moved = [mp.mpf(0)] * len(values)
        for i in range(len(x)):
            up = derivatives(f, [v * (1 + delta) if i == j else v for j, v in enumerate(x)])
            down = derivatives(f, [v * (1 - delta) if i == j else v for j, v in enumerate(x)])
            moved = [m + abs(a - b) / (2 * delta) for m, a, b in zip(moved, up, down, strict=True)]
        want.append(values)
        slack.append([abs(v) + m for v, m in zip(values, moved, strict=True)])
    return np.array(want, object).T, np.array(slack, object).T


@functools.cache
def known(name: str, dtype: str) -> tuple[Array, Array]:
    return exact(name, smooth_points(name, dtype))


def graph_of(name: str, dtype: str) -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    """The function of named vectors, and its value, first and second derivatives."""
    n = len(row(name).domain)
    xs = [cr.tensor(f"{name}_{i}", ("points",), dtype) for i in range(n)]
    y = getattr(cr, name)(*xs)
    first = cr.grad(cr.sum(y), xs)
    second = [g for slope in first for g in cr.grad(cr.sum(slope), xs)]
    return xs, [y, *first, *second]


GROUPS = [sorted(EXACT)[i : i + 12] for i in range(0, len(EXACT), 12)]
HOME = {name: i for i, names in enumerate(GROUPS) for name in names}


@functools.cache
def program(target: str, dtype: str, group: int) -> tuple[Any, dict[str, slice]]:
    """One program for a dozen functions, as compiling takes time, and the part of each."""
    inputs: list[cr.Tensor] = []
    outputs: list[cr.Tensor] = []
    parts = {}
    for name in GROUPS[group]:
        xs, ys = graph_of(name, dtype)
        parts[name] = slice(len(outputs), len(outputs) + len(ys))
        inputs += xs
        outputs += ys
    return cr.function(inputs, outputs, target), parts


@functools.cache
def results(target: str, dtype: str, group: int, points: str) -> dict[str, list[Array]]:
    """Value and derivatives of a dozen functions at their points."""
    f, parts = program(target, dtype, group)
    values = f(*(x for name in GROUPS[group] for x in POINTS_OF[points](name, dtype)))
    return {name: values[part] for name, part in parts.items()}


def edges(dtype: str) -> Array:
    limits = np.finfo(dtype)
    positive: list[Any] = [0, 1, 2.5, limits.tiny, limits.smallest_subnormal, limits.max, np.inf]
    return np.array([*positive, *(-x for x in positive), np.nan], dtype)


def edge_points(name: str, dtype: str) -> list[Array]:
    """Every pair of edge points, for functions of one operand too: the programs are shared."""
    pairs = np.array(list(itertools.product(edges(dtype), repeat=2)), dtype)
    return [pairs[:, 0].copy(), pairs[:, 1].copy()][: row(name).arity]


def no_points(name: str, dtype: str) -> list[Array]:
    return [np.empty(0, dtype)] * row(name).arity


POINTS_OF = {"smooth": smooth_points, "edges": edge_points, "none": no_points}


def numpy_value(name: str, points: Sequence[Array]) -> Array:
    """NumPy's or SciPy's own value."""
    own: dict[str, Callable[..., Array]] = {
        "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
        "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    }
    module, _, function = row(name).numpy.partition(".")
    home: Any = {"np": np, "special": scipy.special}.get(module)
    with np.errstate(all="ignore"):
        value: Array = own[name](*points) if name in own else getattr(home, function)(*points)
    return value


TARGETS = ("numpy", "cpu")
ULP = {"float32": 2.0**-23, "float64": 2.0**-52}
# Of zeros that are equal but of two signs, or of x and -0.0, IEEE 754 lets either be the result.
ANY_ZERO = {"maximum", "minimum", "relu"}


def test_every_function_of_floats_is_here() -> None:
    functions = {
        name
        for name, op in OPS.items()
        if isinstance(op, Scalar) and op.kind in ("float", "number") and hasattr(elementwise, name)
    }
    assert functions == set(EXACT)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", EXACT)
def test_value_and_derivatives_to_50_digits(name: str, target: str, dtype: str) -> None:
    want, slack = known(name, dtype)
    for k, values in enumerate(results(target, dtype, HOME[name], "smooth")[name]):
        assert values.dtype == dtype
        for value, true, allowed in zip(values, want[k], slack[k], strict=True):
            error = abs(mp.mpf(float(value)) - true)
            assert error <= ULPS * ULP[dtype] * allowed + mp.mpf(10) ** -20, (k, value, true)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", EXACT)
def test_edge_points_have_numpys_bits_on_target_numpy(name: str, dtype: str) -> None:
    got = results("numpy", dtype, HOME[name], "edges")[name][0]
    want = numpy_value(name, edge_points(name, dtype))
    # NumPy has no softplus: log(e^x + e^0) is the same within roundings.
    np.testing.assert_allclose(got, want, rtol=2 * ULP[dtype] if name == "softplus" else 0, atol=0)
    if name not in ANY_ZERO:
        np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(want[got == 0]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", EXACT)
def test_edge_points_have_numpys_values_on_target_cpu(name: str, dtype: str) -> None:
    got = results("cpu", dtype, HOME[name], "edges")[name][0]
    points = edge_points(name, dtype)
    want = numpy_value(name, points)
    near = 4.0 * ULP[dtype]
    if name == "lgamma":
        # SciPy's overflows at the smallest float64, where it is 744; -2.5 is close to a zero of it.
        tiny = np.abs(points[0]) == np.finfo("float64").smallest_subnormal
        want = np.where(tiny, 744.4400719213812, want)
        near *= 2
    tiniest = float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(got, want, rtol=near, atol=4 * tiniest)
    if name not in ANY_ZERO:
        np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", EXACT)
def test_no_elements(name: str, target: str, dtype: str) -> None:
    for value in results(target, dtype, HOME[name], "none")[name]:
        assert (value.shape, value.dtype) == ((0,), dtype)


@functools.cache
def numbers(target: str, dtype: str) -> dict[str, Array]:
    """Every function of tensors without axes."""
    inputs, outputs = [], []
    for name in EXACT:
        xs = [cr.tensor(f"{name}_{i}", (), dtype) for i in range(row(name).arity)]
        inputs += xs
        outputs.append(getattr(cr, name)(*xs))
    f = cr.function(inputs, outputs, target)
    values = f(*(x[0] for name in EXACT for x in smooth_points(name, dtype)))
    return dict(zip(EXACT, values, strict=True))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", EXACT)
def test_tensors_without_axes(name: str, target: str, dtype: str) -> None:
    got = numbers(target, dtype)[name]
    want = numpy_value(name, [x[0] for x in smooth_points(name, dtype)])
    assert (got.shape, got.dtype) == ((), dtype)
    np.testing.assert_allclose(got, want, rtol=ULPS * ULP[dtype])


@functools.cache
def truths(target: str, dtype: str) -> dict[str, tuple[Array, Array]]:
    """Every function that gives truth values, and NumPy's values."""
    points = np.array(list(itertools.product(OPERANDS[dtype], repeat=2)), dtype).T.copy()
    names = sorted(name for name in TRUTH if (row(name).kind == "logic") == (dtype == "bool"))
    if dtype.startswith("int"):
        names = [name for name in names if row(name).kind == "compare"]
    xs = [cr.tensor(name, (points.shape[1],), dtype) for name in ("x", "y")]
    f = cr.function(xs, [getattr(cr, name)(*xs[: row(name).arity]) for name in names], target)
    got = f(*points)
    return {
        name: (value, numpy_value(name, list(points[: row(name).arity])))
        for name, value in zip(names, got, strict=True)
    }


OPERANDS: dict[str, Any] = {
    "bool": [False, True],
    "int32": [-(2**31), -1, 0, 1, 2**31 - 1],
    "int64": [-(2**63), -1, 0, 1, 2**63 - 1],
    "float32": edges("float32"),
    "float64": edges("float64"),
}


@pytest.mark.parametrize("dtype", OPERANDS)
@pytest.mark.parametrize("target", TARGETS)
def test_truth_values_are_numpys(target: str, dtype: str) -> None:
    found = truths(target, dtype)
    assert len(found) == {"bool": 4, "int32": 6, "int64": 6}.get(dtype, 9)
    for got, want in found.values():
        assert got.dtype == "bool"
        np.testing.assert_array_equal(got, want)


KINKS = [  # declared derivatives where there is none
    ("abs", (0.0,), (0.0,)),
    ("relu", (0.0,), (0.0,)),
    ("sign", (0.0,), (0.0,)),
    ("copysign", (0.0, -1.0), (0.0, 0.0)),
    ("copysign", (3.0, -0.0), (-1.0, 0.0)),
    ("copysign", (-3.0, -0.0), (1.0, 0.0)),
    ("floor", (1.0,), (0.0,)),
    ("maximum", (1.0, 1.0), (1.0, 0.0)),
    ("minimum", (1.0, 1.0), (1.0, 0.0)),
    ("hypot", (0.0, 0.0), (0.0, 0.0)),
    ("atan2", (0.0, 0.0), (0.0, 0.0)),
    ("pow", (0.0, 2.0), (0.0, 0.0)),
    ("pow", (2.0, 0.0), (0.0, 0.6931471805599453)),
    ("sqrt", (np.inf,), (0.0,)),
    ("softplus", (1000.0,), (1.0,)),
    ("softplus", (-1000.0,), (0.0,)),
    ("sigmoid", (-1000.0,), (0.0,)),
    ("sigmoid", (1000.0,), (0.0,)),
    ("logaddexp", (1000.0, -1000.0), (1.0, 0.0)),
    ("logaddexp", (-1000.0, -1000.0), (0.5, 0.5)),
    ("tanh", (1000.0,), (0.0,)),
    ("erf", (100.0,), (0.0,)),
    ("expm1", (-1000.0,), (0.0,)),
]


@pytest.mark.parametrize(("name", "at", "slopes"), KINKS)
def test_derivatives_at_kinks_and_far_out(
    name: str, at: tuple[float, ...], slopes: tuple[float, ...]
) -> None:
    xs = [cr.tensor(f"x{i}", (), "float64") for i in range(len(at))]
    f = cr.function(xs, cr.grad(getattr(cr, name)(*xs), xs), target="numpy")
    assert [float(slope) for slope in f(*at)] == list(slopes)
