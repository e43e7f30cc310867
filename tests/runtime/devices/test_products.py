"""Matrix products by tiles: every shape and layout, on processors with vectors of every width."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import Dim, TensorType, symbol
from chainrule.runtime.devices.cpu.binding import block, words
from chainrule.runtime.devices.cpu.loader import NativeLibrary
from chainrule.runtime.devices.cpu.objects import compile_text, translate
from chainrule.runtime.devices.cpu.processor import Processor, host

HEAD = "from chainrule.runtime.devices.cpu.library import *\n\n@program\ndef step("
LAYOUTS = {"": (False, False), "_nt": (False, True), "_tn": (True, False), "_tt": (True, True)}
DTYPES = ["float32", "float64"]
# Nothing, one, primes, and what is not whole tiles, vectors, panels or blocks.
SIZES = st.one_of(
    st.integers(0, 20), st.sampled_from([31, 33, 48, 65, 96, 100, 127, 255, 257, 300, 521])
)
# Sizes for which rows are copied, or not, in one block and one tile, or more.
MANY = st.sampled_from([0, 1, 3, 63, 64, 65, 100, 255, 256, 257, 300, 520])
NARROW = {
    "sse2": Processor("x86_64-unknown-linux-gnu", "x86-64", "+sse2"),
    "avx2": Processor("x86_64-unknown-linux-gnu", "haswell", "+avx,+avx2,+fma"),
}


class Native:
    """`step` of a few lines of the language, called with arrays, after its sizes.

    Args:
        lines: its body.
        sizes: the names of the sizes that are not known.
        shapes: of each array.
        dtype: of all arrays.
        processor: what it is compiled for.
    """

    def __init__(
        self,
        lines: str,
        sizes: str,
        shapes: Mapping[str, tuple[Dim, ...]],
        dtype: str = "float32",
        processor: Processor | None = None,
    ) -> None:
        buffers = [Buffer(n, "input", TensorType(dtype, shape)) for n, shape in shapes.items()]
        names = [*sizes, *shapes, "fault"]
        body = "".join(f"    {line}\n" for line in lines.strip().splitlines())
        source = f"{HEAD}{', '.join(names)}):\n{body}"
        program = Program(
            "piece", "cpu", source, tuple(buffers), (), tuple(sizes), None, (), (), "0"
        )
        text = translate(program, "file.py", processor or host())
        llvm.parse_assembly(text).verify()
        code, imports = compile_text(text, processor or host())
        self._library = NativeLibrary(code, ("step",), imports)

    def __call__(self, *given: Any) -> None:
        """Sizes as they are, arrays by their words."""
        contents = [w for x in given for w in (words(x) if isinstance(x, np.ndarray) else (x,))]
        packed = block((*contents, *words(np.zeros(3, np.int64))))
        self._library.entries["step"](ctypes.addressof(packed))


@cache
def product(name: str, dtype: str, processor: str = "", *sizes: Dim) -> Native:
    """A product of matrices; sizes are `m`, `n` and `k` unless they are known."""
    m, n, k = sizes or map(symbol, "mnk")
    left, right = LAYOUTS[name]
    shapes = {"a": (k, m) if left else (m, k), "b": (n, k) if right else (k, n), "out": (m, n)}
    lines = f"matmul{name}(a, b, out)"
    return Native(lines, "mnk", shapes, dtype, NARROW[processor] if processor else None)


def check(name: str, dtype: str, m: int, n: int, k: int, function: Native) -> None:
    """Close to the product in float64, wherever it lies between other numbers."""
    random = np.random.default_rng(m + 1000 * n + k)
    a, b = random.normal(size=(m, k)).astype(dtype), random.normal(size=(k, n)).astype(dtype)
    left, right = LAYOUTS[name]
    around = np.full(m * n + 2, np.nan, dtype)
    out = around[1 : m * n + 1].reshape(m, n)
    function(
        *(m, n, k),
        np.ascontiguousarray(a.T) if left else a,
        np.ascontiguousarray(b.T) if right else b,
        out,
    )
    a, b = a.astype(np.float64), b.astype(np.float64)
    exact, size = a @ b, np.abs(a) @ np.abs(b)
    assert np.all(np.abs(out - exact) <= 4 * np.finfo(dtype).eps * size)
    assert np.isnan(around[[0, -1]]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYOUTS)
@given(m=SIZES, n=SIZES, k=SIZES)
def test_products_of_any_sizes(name: str, dtype: str, m: int, n: int, k: int) -> None:
    check(name, dtype, m, n, k, product(name, dtype))


@pytest.mark.parametrize("processor", NARROW)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["", "_nt"])
@given(m=st.integers(0, 30), n=st.integers(0, 30), k=st.sampled_from([0, 1, 7, 16, 300]))
def test_processors_with_narrower_vectors(
    name: str, dtype: str, processor: str, m: int, n: int, k: int
) -> None:
    skip_unless_it_runs(processor)
    check(name, dtype, m, n, k, product(name, dtype, processor))


def skip_unless_it_runs(processor: str) -> None:
    wanted = NARROW[processor]
    features = wanted.features.replace("+", "").split(",")
    if not host().triple.startswith("x86_64") or not all(map(host().has, features)):
        pytest.skip(f"this processor has no {processor}")


KNOWN = [
    *[(10, 1, 40), (1, 10, 40), (12, 4, 9), (1, 300, 7), (5, 8, 3), (65, 50, 257), (28, 100, 16)],
    (100, 530, 700),
    (67, 1030, 520),
]


@pytest.mark.parametrize(("m", "n", "k"), KNOWN)
@pytest.mark.parametrize("name", LAYOUTS)
def test_known_sizes_have_tiles_of_their_own(name: str, m: int, n: int, k: int) -> None:
    check(name, "float32", m, n, k, product(name, "float32", "", m, n, k))


@pytest.mark.parametrize("processor", NARROW)
@pytest.mark.parametrize(("m", "n", "k"), [(5, 8, 3), (65, 50, 257)])
def test_known_sizes_on_processors_with_narrower_vectors(
    processor: str, m: int, n: int, k: int
) -> None:
    skip_unless_it_runs(processor)
    check("_nt", "float32", m, n, k, product("_nt", "float32", processor, m, n, k))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=25)
@given(m=MANY, k=MANY)
def test_rows_that_meet_many_columns_are_copied(name: str, dtype: str, m: int, k: int) -> None:
    n = 531
    check(name, dtype, m, n, k, product(name, dtype, "", symbol("m"), n, symbol("k")))


@pytest.mark.parametrize("processor", NARROW)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYOUTS)
def test_processors_with_narrower_vectors_copy_rows(name: str, dtype: str, processor: str) -> None:
    skip_unless_it_runs(processor)
    function = product(name, dtype, processor, symbol("m"), 515, symbol("k"))
    for m, k in ((63, 3), (64, 9), (71, 300)):
        check(name, dtype, m, 515, k, function)


@pytest.mark.parametrize("n", [50, 520])
@pytest.mark.parametrize("name", ["", "_nt"])
def test_rows_have_the_same_bits_alone_and_among_others(name: str, n: int) -> None:
    """So that results do not depend on how rows are shared between threads."""
    m, k = symbol("m"), 700
    shapes: dict[str, tuple[Dim, ...]]
    shapes = {"x": (m, k), "b": (n, k) if name else (k, n), "whole": (m, n), "parts": (m, n)}
    lines = (
        f"matmul{name}(x, b, whole)\n"
        "for first in range(0, m, 13):\n"
        "    last = min(first + 13, m)\n"
        f"    matmul{name}(x[first:last], b, parts[first:last])"
    )
    random = np.random.default_rng(0)
    x, b = (
        random.normal(size=s).astype(np.float32) for s in ((300, k), (n, k) if name else (k, n))
    )
    whole, parts = np.zeros((2, 300, n), np.float32)
    Native(lines, "m", shapes)(300, x, b, whole, parts)
    assert np.array_equal(whole, parts)
    assert whole.any()


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_not_finite_stays_where_it_belongs(name: str) -> None:
    """Infinity times 0 is NaN, in its own row and column alone."""
    left, right = LAYOUTS[name]
    a, b = np.zeros((9, 20), np.float32), np.ones((20, 35), np.float32)
    a[4, 3], b[7, 11], b[7, 12] = np.inf, np.inf, np.nan
    out = np.empty((9, 35), np.float32)
    arrays = [np.ascontiguousarray(x.T if t else x) for x, t in ((a, left), (b, right))]
    product(name, "float32")(9, 35, 20, *arrays, out)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(out, a @ b)


@cache
def among_others(name: str, dtype: str, processor: str = "", *sizes: Dim) -> Native:
    """The same of matrices whose rows lie between those of others: the second of three."""
    m, n, k = sizes or map(symbol, "mnk")
    left, right = LAYOUTS[name]
    shapes: dict[str, tuple[Dim, ...]] = {
        "a": (2, k, 3, m) if left else (2, m, 3, k),
        "b": (2, n, 3, k) if right else (2, k, 3, n),
        "out": (2, m, 3, n),
    }
    lines = f"matmul{name}(a[1, :, 1], b[1, :, 1], out[1, :, 1])"
    return Native(lines, "mnk", shapes, dtype, NARROW[processor] if processor else None)


def check_among_others(
    name: str, dtype: str, m: int, n: int, k: int, function: Native, added: float = np.nan
) -> None:
    """What `check` says, and the others are left as they are."""
    random = np.random.default_rng(m + 1000 * n + k)
    a, b = random.normal(size=(2, m, 3, k)), random.normal(size=(2, k, 3, n))
    a, b, out = a.astype(dtype), b.astype(dtype), np.full((2, m, 3, n), added, dtype)
    left, right = LAYOUTS[name.removeprefix("add")]
    function(
        *(m, n, k),
        np.ascontiguousarray(a.transpose(0, 3, 2, 1)) if left else a,
        np.ascontiguousarray(b.transpose(0, 3, 2, 1)) if right else b,
        out,
    )
    a, b = a[1, :, 1].astype(np.float64), b[1, :, 1].astype(np.float64)
    exact, size = a @ b + np.nan_to_num(added), np.abs(a) @ np.abs(b) + np.nan_to_num(added)
    assert np.all(np.abs(out[1, :, 1] - exact) <= 4 * np.finfo(dtype).eps * size)
    others = np.delete(out.transpose(0, 2, 1, 3).reshape(6, m, n), 4, axis=0)
    np.testing.assert_array_equal(others, np.full_like(others, added))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYOUTS)
@given(m=SIZES, n=SIZES, k=SIZES)
def test_rows_that_lie_apart(name: str, dtype: str, m: int, n: int, k: int) -> None:
    check_among_others(name, dtype, m, n, k, among_others(name, dtype))


@pytest.mark.parametrize("processor", ["", *NARROW])
@pytest.mark.parametrize(("m", "n", "k"), KNOWN)
@pytest.mark.parametrize("name", LAYOUTS)
def test_rows_that_lie_apart_of_known_sizes(
    name: str, m: int, n: int, k: int, processor: str
) -> None:
    if processor:
        skip_unless_it_runs(processor)
    function = among_others(name, "float32", processor, m, n, k)
    check_among_others(name, "float32", m, n, k, function)


@cache
def added(dtype: str, *sizes: Dim) -> Native:
    """A product that is added to what is there."""
    m, n, k = sizes or map(symbol, "mnk")
    shapes: dict[str, tuple[Dim, ...]]
    shapes = {"a": (2, k, 3, m), "b": (2, k, 3, n), "out": (2, m, 3, n)}
    lines = "add_matmul_tn(a[1, :, 1], b[1, :, 1], out[1, :, 1])"
    return Native(lines, "mnk", shapes, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@given(m=SIZES, n=SIZES, k=SIZES)
def test_products_that_are_added(dtype: str, m: int, n: int, k: int) -> None:
    check_among_others("add_tn", dtype, m, n, k, added(dtype), added=2.0)


@pytest.mark.parametrize(("m", "n", "k"), KNOWN)
def test_products_of_known_sizes_that_are_added(m: int, n: int, k: int) -> None:
    check_among_others("add_tn", "float32", m, n, k, added("float32", m, n, k), added=2.0)


@pytest.mark.parametrize("processor", ["", *NARROW])
@pytest.mark.parametrize("dtype", DTYPES)
def test_transposed_copies(dtype: str, processor: str) -> None:
    if processor:
        skip_unless_it_runs(processor)
    n, m = symbol("n"), symbol("m")
    lines = "transposed(a, out)"
    shapes = {"a": (n, m), "out": (m, n)}
    function = Native(lines, "nm", shapes, dtype, NARROW[processor] if processor else None)
    for rows in (0, 1, 3, 4, 8, 9, 17, 40):
        for columns in (0, 1, 5, 8, 15, 33):
            a = np.arange(rows * columns).reshape(rows, columns).astype(dtype)
            out = np.full((columns, rows), -1, dtype)
            function(rows, columns, a, out)
            assert np.array_equal(out, a.T)
