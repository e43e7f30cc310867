"""The functions of native code, each against NumPy, SciPy or published numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

from chainrule.compiler.errors import Fault
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.reference import uniform
from chainrule.compiler.types import Dim, TensorType, symbol
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable

HEADER = "from chainrule.runtime.devices.cpu.library import *\n"
N = symbol("n")
FLOATS = ["float32", "float64"]
INTS = ["int32", "int64"]

# name: NumPy's or SciPy's function, and how many units in the last place they may differ.
UNARY: dict[str, tuple[Callable[..., Any], float]] = {
    "abs": (np.abs, 0),
    "sign": (np.sign, 0),
    "sqrt": (np.sqrt, 0),
    "floor": (np.floor, 0),
    "ceil": (np.ceil, 0),
    "trunc": (np.trunc, 0),
    "round": (np.round, 0),
    "exp": (np.exp, 3),
    "expm1": (np.expm1, 3),
    "log": (np.log, 3),
    "log1p": (np.log1p, 3),
    "log2": (np.log2, 3),
    "log10": (np.log10, 3),
    "sin": (np.sin, 3),
    "cos": (np.cos, 3),
    "tan": (np.tan, 4),
    "asin": (np.arcsin, 4),
    "acos": (np.arccos, 4),
    "atan": (np.arctan, 4),
    "sinh": (np.sinh, 4),
    "cosh": (np.cosh, 4),
    "tanh": (np.tanh, 4),
    "asinh": (np.arcsinh, 4),
    "acosh": (np.arccosh, 4),
    "atanh": (np.arctanh, 4),
    "erf": (scipy.special.erf, 4),
    "isnan": (np.isnan, 0),
    "isinf": (np.isinf, 0),
    "isfinite": (np.isfinite, 0),
}
BINARY: dict[str, tuple[Callable[..., Any], float]] = {
    "maximum": (np.maximum, 0),
    "minimum": (np.minimum, 0),
    "remainder": (np.remainder, 0),
    "floor_divide": (np.floor_divide, 0),
    "copysign": (np.copysign, 0),
    "hypot": (np.hypot, 3),
    "atan2": (np.arctan2, 3),
    "pow": (np.power, 3),
}
INTEGER = ["abs", "sign", "maximum", "minimum", "remainder", "floor_divide", "pow"]
PREDICATES = ("isnan", "isinf", "isfinite")


def buffer(name: str, role: Any, dtype: str, *shape: Dim) -> Buffer:
    return Buffer(name, role, TensorType(dtype, shape))


def native(body: str, *buffers: Buffer, sizes: tuple[str, ...] = ("n",)) -> Executable:
    """A program whose `step` has this body; its arguments are the sizes and buffers by name."""
    arguments = ", ".join([*sizes, *(b.name for b in buffers), "fault"])
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    source = f"{HEADER}\n\n@program\ndef step({arguments}):\n{lines}"
    faults = (
        Fault("index", "the index is out of range"),
        Fault("index", "the other index is out of range"),
    )
    return load(
        Program("piece", "cpu", source, buffers, (), sizes, None, faults, (), "0"),
    )


@cache
def elementwise(dtype: str) -> tuple[Executable, list[str]]:
    """One program that computes every function of this dtype, to be compiled once."""
    names = [*UNARY, *BINARY] if dtype in FLOATS else INTEGER
    outputs = [
        buffer(f"r_{name}", "output", "bool" if name in PREDICATES else dtype, N) for name in names
    ]
    calls = [f"    r_{n}[i] = {n}(x[i]{', y[i]' if n in BINARY else ''})" for n in names]
    body = "\n".join(["for i in range(n):", *calls])
    inputs = (buffer("x", "input", dtype, N), buffer("y", "input", dtype, N))
    return native(body, *inputs, *outputs), names


@cache
def samples(dtype: str) -> tuple[Any, Any]:
    """All pairs of edge values, and random numbers over many magnitudes."""
    random = np.random.default_rng(0)
    x: Any
    y: Any
    if dtype in FLOATS:
        limits = np.finfo(dtype)
        positive = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, np.inf]
        extreme = (limits.max, limits.tiny, limits.smallest_subnormal, limits.eps)
        positive += map(float, extreme)
        edges = [np.nan, *positive, *(-p for p in positive)]
        more = [random.normal(size=1000) * 3, random.uniform(-1, 1, 1000)]
        more.append(np.exp(random.normal(size=1000) * 5))
        x, y = np.concatenate(more), np.concatenate(more[::-1])
    else:
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        edges = [0, 1, -1, 2, -2, 3, -3, 7, -7, least, most]
        x, y = random.integers(-100, 100, 1000), random.integers(-12, 12, 1000)
    pairs = np.array(list(product(edges, edges)), dtype)
    return (
        np.concatenate([pairs[:, 0], x.astype(dtype)]),
        np.concatenate([pairs[:, 1], y.astype(dtype)]),
    )


def assert_close(came: Any, expected: Any, units: float) -> None:
    """Equal, both NaN, or apart by at most so many units in the last place."""
    assert came.dtype == expected.dtype
    with np.errstate(all="ignore"):
        apart = np.abs(came - expected) / np.spacing(np.abs(expected)) if units else np.inf
    same = (came == expected) | ((came != came) & (expected != expected))
    assert np.all(same | (apart <= units)), (came[~same][:5], expected[~same][:5])
    # maximum(0, -0) may be either in NumPy.
    zero = (came == 0) & (expected == 0)
    assert units == 0 or np.array_equal(np.signbit(came[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_functions_are_numpys(name: str, dtype: str) -> None:
    function, names = elementwise(dtype)
    x, y = samples(dtype)
    came = function.call(x, y)[names.index(name)]
    reference, units = (UNARY | BINARY)[name]
    with np.errstate(all="ignore"):
        expected = reference(x, y) if name in BINARY else reference(x)
    if name in PREDICATES:
        assert np.array_equal(came, expected)
    else:
        assert_close(came, expected, units)


@pytest.mark.parametrize("dtype", INTS)
@pytest.mark.parametrize("name", INTEGER)
def test_integer_functions_are_numpys(name: str, dtype: str) -> None:
    function, names = elementwise(dtype)
    x, y = samples(dtype)
    came = function.call(x, y)[names.index(name)]
    if name == "pow":  # NumPy refuses negative powers
        x, y, came = x[y >= 0], y[y >= 0], came[y >= 0]
    with np.errstate(all="ignore"):
        expected = {**UNARY, **BINARY}[name][0](*([x, y] if name in BINARY else [x]))
    assert came.dtype == expected.dtype
    assert np.array_equal(came, expected)


def test_integer_to_a_negative_power_is_rounded_to_zero() -> None:
    function, names = elementwise("int64")
    x, y = np.array([1, -1, -1, 2, -3, 0]), np.array([-3, -3, -2, -1, -2, -1])
    assert function.call(x, y)[names.index("pow")].tolist() == [1, -1, 1, 0, 0, 0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_elementary_functions_are_within_three_units(dtype: str) -> None:
    """Ours, against NumPy's in a wider type, on numbers of every magnitude."""
    wide = np.float64 if dtype == "float32" else np.longdouble
    if np.finfo(wide).nmant <= np.finfo(dtype).nmant:
        pytest.skip("there is no wider type here")
    function, names = elementwise(dtype)
    random = np.random.default_rng(6)
    whole = np.int32 if dtype == "float32" else np.int64
    limits = np.iinfo(whole)
    x = np.concatenate(
        [
            random.integers(limits.min, limits.max, 20_000, whole, endpoint=True).view(dtype),
            random.uniform(-2, 2, 20_000).astype(dtype),
            random.uniform(-110, 110, 20_000).astype(dtype),
            (1 + random.normal(size=20_000) / 100).astype(dtype),
        ]
    )
    results = dict(zip(names, function.call(x, x), strict=True))
    for name in ("exp", "expm1", "log", "log1p", "tanh"):
        with np.errstate(all="ignore"):
            exact = UNARY[name][0](x.astype(wide))
            expected = exact.astype(dtype)
        came = results[name]
        finite = np.isfinite(expected)
        assert np.array_equal(came[~finite], expected[~finite], equal_nan=True)
        error = np.abs(came[finite].astype(wide) - exact[finite])
        assert np.max(error / np.spacing(np.abs(expected[finite]))) < 2.6


@cache
def special(dtype: str) -> Executable:
    one = [buffer(name, "input", dtype, N) for name in ("x", "s")]
    out = [buffer(name, "output", dtype, N) for name in ("psi", "hurwitz", "gamma", "tail")]
    return native(
        """
for i in range(n):
    psi[i] = digamma(x[i])
    hurwitz[i] = zeta(s[i], x[i])
    gamma[i] = lgamma(x[i])
    tail[i] = erfc(x[i])
""",
        *one,
        *out,
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_functions_are_scipys(dtype: str) -> None:
    random = np.random.default_rng(1)
    x = np.concatenate(
        [
            [1e-300 if dtype == "float64" else 1e-30, 0.1, 1, 1.4616321449683623, 2, 10, 1e6, 1e20],
            np.exp(random.uniform(-7, 7, 500)),
        ]
    ).astype(dtype)
    s = random.uniform(1.1, 9, x.size).astype(dtype)
    psi, hurwitz, gamma, tail = special(dtype).call(x, s)
    exact, wide = x.astype(np.float64), s.astype(np.float64)
    tolerance = float(4 * np.finfo(dtype).eps)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(psi, scipy.special.psi(exact).astype(dtype), tolerance)
        expected = scipy.special.zeta(wide, exact).astype(dtype)
        np.testing.assert_allclose(hurwitz, expected, tolerance)
    # SciPy's own error grows to a hundred units where erfc is small.
    assert_close(tail, np.array([mpmath.erfc(mpmath.mpf(float(v))) for v in x], dtype), 4)
    # Near 1 and 2, where it is 0, the error is that of a number of size 1.
    np.testing.assert_allclose(
        gamma, scipy.special.gammaln(exact).astype(dtype), tolerance, atol=tolerance
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_functions_at_edges(dtype: str) -> None:
    x = np.array([0.0, -0.0, -1.0, -3.0, np.inf, -np.inf, np.nan, -2.5], dtype)
    psi, hurwitz, gamma, tail = special(dtype).call(x, np.full(x.shape, 2, dtype))
    np.testing.assert_allclose(psi, scipy.special.psi(x.astype(float)), 1e-6)
    np.testing.assert_allclose(hurwitz, scipy.special.zeta(2.0, x.astype(float)), 1e-6)
    np.testing.assert_allclose(gamma, scipy.special.gammaln(x.astype(float)), 1e-6)
    np.testing.assert_allclose(tail, scipy.special.erfc(x.astype(float)), 1e-6)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ((0,) * 6, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 6, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(key: tuple[int, ...], words: tuple[int, ...]) -> None:
    """The known answers that come with the authors' Random123."""
    assert randoms().call(np.array(key), np.zeros(4, np.int64))[0].tolist() == list(words)


@cache
def randoms() -> Executable:
    body = """
w = philox(u64(key[0]), u64(key[1]), u64(key[2]), u64(key[3]), u64(key[4]), u64(key[5]))
for i in range(4):
    words[i] = i64(w[i])
for i in range(1000):
    single[i] = philox_uniform_f32(at[0], at[1], at[2], at[3] + i)
    double[i] = philox_uniform_f64(at[0], at[1], at[2], at[3] + i)
"""
    return native(
        "\n".join(body.splitlines()),
        buffer("key", "input", "int64", 6),
        buffer("at", "input", "int64", 4),
        buffer("words", "output", "int64", 4),
        buffer("single", "output", "float32", 1000),
        buffer("double", "output", "float64", 1000),
        sizes=(),
    )


@pytest.mark.parametrize(
    ("seed", "step", "stream"), [(0, 0, 0), (2**63 - 1, 2**31, 5), (-1, 7, 2**32 - 1), (42, -1, 3)]
)
def test_random_numbers_are_the_references_to_the_bit(seed: int, step: int, stream: int) -> None:
    at = np.array([seed, step, stream, 0])
    _, single, double = randoms().call(np.zeros(6, np.int64), at)
    assert np.array_equal(single, uniform(seed, step, stream, (1000,), "float32"))
    assert np.array_equal(double, uniform(seed, step, stream, (1000,), "float64"))
    assert 0 <= single.min() < 0.01 < 0.99 < single.max() < 1


def test_random_numbers_at_positions_above_32_bits() -> None:
    """Counter (0x85A308D3243F6A88, 0x13198A2E, 0x03707344) is that of the third known answer."""
    seed, position = 0x299F31D0A4093822, 0x85A308D3243F6A88 - 2**64
    at = np.array([seed, 0x13198A2E, 0x03707344, position])
    _, single, double = randoms().call(np.zeros(6, np.int64), at)
    assert single[0] == (0xD16CFE09 >> 8) * 2.0**-24
    assert double[0] == (0xD16CFE0994FDCCEB >> 11) * 2.0**-53
