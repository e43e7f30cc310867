"""What generated native code may call: each function against NumPy, SciPy or published numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

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
    "exp2": (np.exp2, 3),
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
    faults = (("the index is out of range", None), ("the other index is out of range", None))
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


MATRIX = {"": (False, False), "_nt": (False, True), "_tn": (True, False), "_tt": (True, True)}


@cache
def products(dtype: str) -> Executable:
    """All eight products of matrices."""
    m, n, k = symbol("m"), symbol("n"), symbol("k")
    body, buffers = [], []
    shapes = {"a": (m, k), "at": (k, m), "b": (k, n), "bt": (n, k)}
    for name, shape in shapes.items():
        buffers.append(buffer(name, "input", dtype, *shape))
    for ending, (left, right) in MATRIX.items():
        for prefix in ("", "add_"):
            out = f"{prefix}out{ending}"
            buffers.append(buffer(out, "state" if prefix else "output", dtype, m, n))
            operands = f"a{'t' * left}, b{'t' * right}"
            body.append(f"{prefix}matmul{ending}({operands}, {out})")
    buffers.sort(key=lambda b: ("input", "state", "output").index(b.role))
    return native("\n".join(body), *buffers, sizes=("m", "n", "k"))


SIZES = [(1, 1, 1), (3, 5, 4), (17, 1, 9), (1, 23, 6), (64, 48, 100), (2, 3, 0), (0, 3, 2)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("m", "n", "k"), [*SIZES, (3, 0, 2), (0, 0, 0)])
def test_products_of_matrices(m: int, n: int, k: int, dtype: str) -> None:
    random = np.random.default_rng(2)
    # Small integers, so that every order of adding gives the same.
    a, b = (random.integers(-8, 9, size).astype(dtype) for size in ((m, k), (k, n)))
    start = random.integers(-8, 9, (m, n)).astype(dtype)
    added = [start.copy() for _ in MATRIX]
    transposed = (np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
    for out in products(dtype).call(a, transposed[0], b, transposed[1], *added):
        assert np.array_equal(out, a @ b)
    for out in added:
        assert np.array_equal(out, start + a @ b)


def test_products_overwrite_whatever_was_there() -> None:
    """Not even NaN is multiplied by 0."""
    function = native(
        "for i in range(n):\n    out[0, i] = nan\nmatmul(a, b, out)",
        buffer("a", "input", "float32", 1, symbol("k")),
        buffer("b", "input", "float32", symbol("k"), N),
        buffer("out", "output", "float32", 1, N),
        sizes=("n", "k"),
    )
    for k in (0, 2):
        (out,) = function.call(np.ones((1, k), np.float32), np.ones((k, 3), np.float32))
        assert out.tolist() == [[k] * 3]


def test_products_of_vectors() -> None:
    random = np.random.default_rng(3)
    u, v = random.normal(size=5), random.normal(size=7)
    a = random.normal(size=(5, 7))
    function = native(
        """
matmul(u, a, left)
matmul(a, v, right)
matmul_tn(a, u, turned)
matmul_nt(v, a, turned_right)
matmul(u, u, dot)
matmul_tt(u, u, same)
""",
        *(buffer(name, "input", "float64", size) for name, size in (("u", 5), ("v", 7))),
        buffer("a", "input", "float64", 5, 7),
        *(
            buffer(name, "output", "float64", size)
            for name, size in (("left", 7), ("right", 5), ("turned", 7), ("turned_right", 5))
        ),
        buffer("dot", "output", "float64"),
        buffer("same", "output", "float64"),
        sizes=(),
    )
    for came, expected in zip(
        function.call(u, v, a), (u @ a, a @ v, a.T @ u, v @ a.T, u @ u, u @ u), strict=True
    ):
        np.testing.assert_allclose(came, expected, 1e-14)


def test_a_stack_of_products() -> None:
    function = native(
        "for i in range(n):\n    matmul(a[i], b[i], out[i])",
        buffer("a", "input", "float32", N, 2, 3),
        buffer("b", "input", "float32", N, 3, 4),
        buffer("out", "output", "float32", N, 2, 4),
    )
    a = np.arange(5 * 6, dtype=np.float32).reshape(5, 2, 3)
    b = np.arange(5 * 12, dtype=np.float32).reshape(5, 3, 4)
    assert np.array_equal(function.call(a, b)[0], a @ b)


def test_views_have_the_first_elements_in_another_shape() -> None:
    function = native(
        """
square = view(memory, (n, 2, 2))
for i in range(n):
    for j in range(2):
        for k in range(2):
            square[i, j, k] = view(x, (4 * n,))[4 * i + 2 * j + k]
flat = view(square, (n * 4,))
for i in range(n * 4):
    out[i // 4, i % 4] = flat[i] + view(c, (1, 1, 1))[0, 0, 0]
""",
        buffer("x", "input", "int32", N, 4),
        buffer("c", "input", "int32"),
        buffer("out", "output", "int32", N, 4),
        buffer("memory", "scratch", "int32", 100),
    )
    x = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert np.array_equal(function.call(x, np.array(5, np.int32))[0], x + 5)
    assert function.call(x[:0], np.array(5, np.int32))[0].shape == (0, 4)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float64"])
def test_rows_are_gathered(dtype: str) -> None:
    function = native(
        "gather_rows(x, order, 2, out)",
        buffer("x", "input", dtype, N, 3, 2),
        buffer("order", "input", "int64", symbol("m")),
        buffer("out", "output", dtype, 4, 3, 2),
        sizes=("n", "m"),
    )
    x = np.random.default_rng(4).integers(0, 2, (9, 3, 2)).astype(dtype)
    order = np.array([8, 8, 3, 0, 8, 1, 2])
    assert np.array_equal(function.call(x, order)[0], x[order[2:6]])


def test_an_index_out_of_range_is_reported_and_read_nowhere() -> None:
    function = native(
        """
for i in range(n):
    out[i] = x[checked(i64(at[i]), 4, fault, 2)]
    out[i] += x[checked(i64(at[i]), 8, fault, 1)]
""",
        buffer("x", "input", "float32", 4),
        buffer("at", "input", "int32", N),
        buffer("out", "output", "float32", N),
    )
    x = np.arange(4, dtype=np.float32)
    assert function.call(x, np.array([3, 0, 2], np.int32))[0].tolist() == [6, 0, 4]
    for wrong in (4, -1, 2**31 - 1, -(2**31)):
        with pytest.raises(IndexError, match="the other index is out of range"):
            function.call(x, np.array([0, wrong], np.int32))
    # The report is gone with the call that made it.
    assert function.call(x, np.array([1], np.int32))[0].tolist() == [2]


def test_where_and_casts() -> None:
    function = native(
        """
for i in range(n):
    a[i] = where(x[i] > f32(0.0), x[i], f32(-inf))
    b[i] = i32(x[i]) if isfinite(x[i]) else i32(7)
    c[i] = x[i] != f32(0.0)
    d[i] = f64(f32(n)) + f64(c[i])
""",
        buffer("x", "input", "float32", N),
        buffer("a", "output", "float32", N),
        buffer("b", "output", "int32", N),
        buffer("c", "output", "bool", N),
        buffer("d", "output", "float64", N),
    )
    a, b, c, d = function.call(np.array([1.7, -1.7, 0, np.nan], np.float32))
    assert a.tolist() == [np.float32(1.7), -np.inf, -np.inf, -np.inf]
    assert b.tolist() == [1, -1, 0, 7]
    assert c.tolist() == [True, True, False, True]
    assert d.tolist() == [5, 5, 4, 5]


@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_may_be_reordered_but_nothing_else(dtype: str) -> None:
    """A vectorized sum is at least as exact; (x + big) - big must not become x."""
    function = native(
        f"""
total = 0.0
for i in range(n):
    total = accumulate(total, f64(x[i]))
    kept[i] = (x[i] + big[0]) - big[0]
out[0] = {"f32" if dtype == "float32" else "f64"}(total)
""",
        buffer("x", "input", dtype, N),
        buffer("big", "input", dtype),
        buffer("out", "output", dtype),
        buffer("kept", "output", dtype, N),
    )
    x = np.random.default_rng(5).normal(size=10_001).astype(dtype)
    big = np.array(1 / np.finfo(dtype).eps, dtype)
    out, kept = function.call(x, big)
    np.testing.assert_allclose(
        out, np.sum(x, dtype=np.longdouble), 1e-7 if dtype == "float32" else 1e-13
    )
    assert np.array_equal(kept, (x + big) - big)
