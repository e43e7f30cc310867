"""The functions of target cpu whose accuracy is promised, and how wrong they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import scipy.special

from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import TensorType, symbol
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable

FLOATS = ("float32", "float64")
DIGITS = 50
N = symbol("n")
C = 2.0  # where the function of the C library is called


@dataclass(frozen=True, slots=True)
class Row:
    """A function of one number.

    Attributes:
        text: how a kernel calls it.
        exact: the same with mpmath.
        wide: the same in float64, for all numbers of float32.
        bound: how many units in the last place it may be wrong, in float32 and in float64.
        least, most: beyond them, its value is that at them, or infinite, for float64 too.
    """

    text: str
    exact: Callable[[Any], Any]
    wide: Callable[[Any], Any]
    bound: tuple[float, float]
    least: float = float("-inf")
    most: float = float("inf")


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _positive(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A logarithm, which mpmath would continue into the complex plane."""
    return lambda x: function(x) if x > 0 else mpmath.mpf("-inf" if x == 0 else "nan")


def _real(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that mpmath would continue into the complex plane."""

    def restricted(x: Any) -> Any:
        value = function(x)
        return mpmath.nan if isinstance(value, mpmath.mpc) else value

    return restricted


def _log1p(x: Any) -> Any:
    with mpmath.workdps(400):
        return _positive(mpmath.log)(1 + x)


ROWS: dict[str, Row] = {
    "exp": Row("exp(x[i])", mpmath.exp, np.exp, (1.1, 1.1), -800, 800),
    "expm1": Row("expm1(x[i])", mpmath.expm1, np.expm1, (1.8, 1.8), -800, 800),
    "log": Row("log(x[i])", _positive(mpmath.log), np.log, (0.9, 0.9)),
    "log1p": Row("log1p(x[i])", _log1p, np.log1p, (0.9, 0.9)),
    "log2": Row("log2(x[i])", _positive(lambda x: mpmath.log(x, 2)), np.log2, (0.9, 0.9)),
    "log10": Row("log10(x[i])", _positive(mpmath.log10), np.log10, (0.9, 0.9)),
    "tanh": Row("tanh(x[i])", mpmath.tanh, np.tanh, (1.5, 1.5), -50, 50),
    "sigmoid": Row("sigmoid(x[i])", _sigmoid, scipy.special.expit, (2.0, 2.0), -800, 800),
    "sinh": Row("sinh(x[i])", mpmath.sinh, np.sinh, (2.5, 2.5), -800, 800),
    "cosh": Row("cosh(x[i])", mpmath.cosh, np.cosh, (1.5, 1.5), -800, 800),
    "erf": Row("erf(x[i])", mpmath.erf, scipy.special.erf, (1.5, 1.5), -50, 50),
    "erfc": Row("erfc(x[i])", mpmath.erfc, scipy.special.erfc, (4.0, 3.5), -50, 50),
    "sin": Row("sin(x[i])", mpmath.sin, np.sin, (0.51, 1.5)),
    "cos": Row("cos(x[i])", mpmath.cos, np.cos, (0.51, 1.5)),
    "tan": Row("tan(x[i])", mpmath.tan, np.tan, (0.51, 2.5)),
    "asin": Row("asin(x[i])", _real(mpmath.asin), np.arcsin, (0.51, C)),
    "acos": Row("acos(x[i])", _real(mpmath.acos), np.arccos, (0.51, C)),
    "atan": Row("atan(x[i])", mpmath.atan, np.arctan, (0.51, C)),
    "asinh": Row("asinh(x[i])", mpmath.asinh, np.arcsinh, (0.51, C)),
    "acosh": Row("acosh(x[i])", _real(mpmath.acosh), np.arccosh, (0.51, C)),
    "atanh": Row("atanh(x[i])", _real(mpmath.atanh), np.arctanh, (0.51, C)),
    "sqrt": Row(
        "sqrt(x[i])", lambda x: mpmath.sqrt(x) if x >= 0 else mpmath.nan, np.sqrt, (0.501, 0.501)
    ),
    "rsqrt": Row(
        "{dtype}(1.0) / sqrt(x[i])",
        lambda x: 1 / mpmath.sqrt(x) if x > 0 else mpmath.nan,
        lambda x: 1 / np.sqrt(x),
        (1.5, 1.5),
    ),
}


@cache
def native(name: str, dtype: str) -> Executable:
    """A program of one loop over one function."""
    call = ROWS[name].text.replace("{dtype}", {"float32": "f32", "float64": "f64"}[dtype])
    source = f"""from chainrule.runtime.devices.cpu.library import *


@kernel
def k1(n, x, y):
    for i in range(n):
        y[i] = {call}


@program
def step(n, x, y, fault):
    k1(n, x, y)
"""
    x, y = (
        Buffer("x", "input", TensorType(dtype, (N,))),
        Buffer("y", "output", TensorType(dtype, (N,))),
    )
    return load(Program(name, "cpu", source, (x, y), (), ("n",), None, (), (), "0"))


def every_exponent(dtype: str, mantissas: int, seed: int = 0) -> npt.NDArray[Any]:
    """Numbers of every sign and exponent, random or at the ends, and all special ones."""
    kind = np.finfo(dtype)
    whole = np.dtype(f"uint{kind.bits}").type
    random = np.random.default_rng(seed)
    ends = np.arange(1 << (kind.bits - kind.nmant), dtype=whole)[:, None] << whole(kind.nmant)
    size = (1 << kind.nmant) - 1
    low = random.integers(0, size, (ends.size, mantissas), whole, endpoint=True)
    low[:, :2] = 0, size
    x: npt.NDArray[Any] = (ends | low).view(dtype).ravel()
    near = random.normal(size=200 * mantissas) * np.exp(random.normal(size=200 * mantissas))
    return np.concatenate([x, near.astype(dtype), (1 + near / 100).astype(dtype)])


def truth(name: str, x: npt.NDArray[Any]) -> list[Any]:
    """The true values, to 50 digits."""
    row = ROWS[name]
    with mpmath.workdps(DIGITS):
        return [_true(row, v) for v in x.tolist()]


def _true(row: Row, x: float) -> Any:
    if x == 0 and row is ROWS["rsqrt"]:
        return mpmath.mpf(math.copysign(math.inf, x))
    return mpmath.nan if x != x else row.exact(mpmath.mpf(min(max(x, row.least), row.most)))


def errors(came: npt.NDArray[Any], exact: list[Any]) -> npt.NDArray[np.float64]:
    """How many units in the last place each result is wrong; infinite where special ones differ."""
    dtype = came.dtype
    found = np.zeros(came.shape)
    largest = mpmath.mpf(float(np.finfo(dtype).max))
    with np.errstate(all="ignore"), mpmath.workdps(DIGITS):
        for i, (have, want) in enumerate(zip(came.tolist(), exact, strict=True)):
            rounded = dtype.type(float(want))
            if rounded != rounded or have != have:
                found[i] = 0 if rounded != rounded and have != have else np.inf
            elif have in (float("inf"), float("-inf")):
                # What is larger than all numbers, or would be rounded to that, may be infinite.
                right = abs(want) > largest and (want > 0) == (have > 0)
                found[i] = 0 if right else np.inf
            else:
                unit = float(np.spacing(np.minimum(np.abs(rounded), np.finfo(dtype).max)))
                error = np.inf if mpmath.isinf(want) else abs(mpmath.mpf(have) - want) / unit
                found[i] = float(error)
    return found
