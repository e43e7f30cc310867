"""Functions of target cpu are as close to the truth as docs/numbers.md says.

`python -m tests.accuracy` tries all numbers of float32 instead of a sample.
"""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import TensorType
from chainrule.runtime.devices import load

from .functions import FLOATS, ROWS, N, errors, every_exponent, native, truth

SAMPLE = {"float32": 6, "float64": 3}  # mantissas for each sign and exponent


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ROWS)
def test_functions_are_within_their_bounds(name: str, dtype: str) -> None:
    x = every_exponent(dtype, SAMPLE[dtype])
    (came,) = native(name, dtype).call(x)
    wrong = errors(came, truth(name, x))
    bound = ROWS[name].bound[FLOATS.index(dtype)]
    worst = int(np.argmax(wrong))
    assert wrong[worst] <= bound, (x[worst], came[worst])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "sinh", "erf", "sin", "tan", "sqrt"])
def test_minus_zero_stays(name: str, dtype: str) -> None:
    (came,) = native(name, dtype).call(np.array([-0.0, 0.0], dtype))
    assert came.tolist() == [0, 0]
    assert np.signbit(came).tolist() == [True, False]


def test_numbers_whose_turns_are_hardest_to_find() -> None:
    """A float32 and a float64 that are nearer to a multiple of pi/2 than all others.

    Source: Muller, "Elementary Functions", 3rd ed., section 11.3, table 11.1 (float64).
    """
    for dtype, x in (("float32", 16367173 * 2.0**72), ("float64", 6381956970095103 * 2.0**797)):
        given = np.array([x, -x, x / 2], dtype)
        for name in ("sin", "cos", "tan"):
            (came,) = native(name, dtype).call(given)
            wrong = errors(came, truth(name, given))
            assert max(wrong) <= ROWS[name].bound[FLOATS.index(dtype)]


def test_what_is_wrong_is_seen() -> None:
    """The measure itself: a unit, an infinity and a NaN out of place."""
    x = np.array([1.0, 100.0, -1.0, 2.0], "float32")
    exact = truth("log", x)
    came = np.array([0.0, np.nextafter(np.log(x[1]), 9), np.nan, np.inf], "float32")
    wrong = errors(came, exact)
    assert wrong[0] == wrong[2] == 0
    assert 0.5 < wrong[1] <= 1.5
    assert wrong[3] == np.inf


def test_powers_and_angles_of_float32_are_those_of_float64_rounded() -> None:
    random = np.random.default_rng(3)
    x = np.exp(random.normal(size=20_000) * 8).astype("float32")
    y = (random.normal(size=20_000) * 4).astype("float32")
    source = """from chainrule.runtime.devices.cpu.library import *


@kernel
def k1(n, x, y, power, angle):
    for i in range(n):
        power[i] = pow(x[i], y[i])
        angle[i] = atan2(y[i], x[i])


@program
def step(n, x, y, power, angle, fault):
    k1(n, x, y, power, angle)
"""
    given = [Buffer(name, "input", TensorType("float32", (N,))) for name in ("x", "y")]
    made = [Buffer(name, "output", TensorType("float32", (N,))) for name in ("power", "angle")]
    program = Program("powers", "cpu", source, (*given, *made), (), ("n",), None, (), (), "0")
    power, angle = load(program).call(x, y)
    wide = x.astype("float64"), y.astype("float64")
    with np.errstate(all="ignore"):
        for came, exact in ((power, np.power(*wide)), (angle, np.arctan2(*wide[::-1]))):
            rounded = exact.astype("float32")
            finite = np.isfinite(rounded)
            assert np.array_equal(came[~finite], rounded[~finite])
            error = np.abs(came[finite] - exact[finite]) / np.spacing(np.abs(rounded[finite]))
            assert error.max() < 0.51
