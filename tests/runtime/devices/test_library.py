"""What native code is made of besides functions: products, views, gathered rows, indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import Fault, IndexOutOfRange
from chainrule.compiler.program import Buffer
from chainrule.compiler.types import add, symbol
from chainrule.runtime.devices.base import Executable
from chainrule.runtime.devices.cpu.objects import translate

MakeBuffer = Callable[..., Buffer]
MakeExecutable = Callable[..., Executable]
N = symbol("n")
FLOATS = ["float32", "float64"]

MATRIX = {"": (False, False), "_nt": (False, True), "_tn": (True, False), "_tt": (True, True)}


def products(piece: MakeExecutable, buffer: MakeBuffer, dtype: str) -> Executable:
    """All four products of matrices."""
    m, n, k = symbol("m"), symbol("n"), symbol("k")
    body, buffers = [], []
    shapes = {"a": (m, k), "at": (k, m), "b": (k, n), "bt": (n, k)}
    for name, shape in shapes.items():
        buffers.append(buffer(name, "input", *shape, dtype=dtype))
    for ending, (left, right) in MATRIX.items():
        buffers.append(buffer(f"out{ending}", "output", m, n, dtype=dtype))
        operands = f"a{'t' * left}, b{'t' * right}"
        body.append(f"matmul{ending}({operands}, out{ending})")
    return piece("cpu", "\n".join(body), *buffers, sizes=("m", "n", "k"))


SIZES = [(1, 1, 1), (3, 5, 4), (17, 1, 9), (1, 23, 6), (64, 48, 100), (2, 3, 0), (0, 3, 2)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("m", "n", "k"), [*SIZES, (3, 0, 2), (0, 0, 0)])
def test_products_of_matrices(
    m: int, n: int, k: int, dtype: str, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    random = np.random.default_rng(2)
    # Small integers, so that every order of adding gives the same.
    a, b = (random.integers(-8, 9, size).astype(dtype) for size in ((m, k), (k, n)))
    transposed = (np.ascontiguousarray(a.T), np.ascontiguousarray(b.T))
    for out in products(piece, buffer, dtype).call(a, transposed[0], b, transposed[1]):
        assert np.array_equal(out, a @ b)


def test_products_overwrite_whatever_was_there(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    """Not even NaN is multiplied by 0."""
    function = piece(
        "cpu",
        "for i in range(n):\n    out[0, i] = nan\nmatmul(a, b, out)",
        buffer("a", "input", 1, symbol("k"), dtype="float32"),
        buffer("b", "input", symbol("k"), N, dtype="float32"),
        buffer("out", "output", 1, N, dtype="float32"),
        sizes=("n", "k"),
    )
    for k in (0, 2):
        (out,) = function.call(np.ones((1, k), np.float32), np.ones((k, 3), np.float32))
        assert out.tolist() == [[k] * 3]


def test_products_of_vectors(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    random = np.random.default_rng(3)
    u, v = random.normal(size=5), random.normal(size=7)
    a = random.normal(size=(5, 7))
    function = piece(
        "cpu",
        """
matmul(u, a, left)
matmul(a, v, right)
matmul_tn(a, u, turned)
matmul_nt(v, a, turned_right)
matmul(u, u, dot)
matmul_tt(u, u, same)
""",
        *(buffer(name, "input", size, dtype="float64") for name, size in (("u", 5), ("v", 7))),
        buffer("a", "input", 5, 7, dtype="float64"),
        *(
            buffer(name, "output", size, dtype="float64")
            for name, size in (("left", 7), ("right", 5), ("turned", 7), ("turned_right", 5))
        ),
        buffer("dot", "output", dtype="float64"),
        buffer("same", "output", dtype="float64"),
        sizes=(),
    )
    for came, expected in zip(
        function.call(u, v, a), (u @ a, a @ v, a.T @ u, v @ a.T, u @ u, u @ u), strict=True
    ):
        np.testing.assert_allclose(came, expected, 1e-14)


def test_a_stack_of_products(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    function = piece(
        "cpu",
        "for i in range(n):\n    matmul(a[i], b[i], out[i])",
        buffer("a", "input", N, 2, 3, dtype="float32"),
        buffer("b", "input", N, 3, 4, dtype="float32"),
        buffer("out", "output", N, 2, 4, dtype="float32"),
    )
    a = np.arange(5 * 6, dtype=np.float32).reshape(5, 2, 3)
    b = np.arange(5 * 12, dtype=np.float32).reshape(5, 3, 4)
    assert np.array_equal(function.call(a, b)[0], a @ b)


def test_views_have_the_first_elements_in_another_shape(
    buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    function = piece(
        "cpu",
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
        buffer("x", "input", N, 4, dtype="int32"),
        buffer("c", "input", dtype="int32"),
        buffer("out", "output", N, 4, dtype="int32"),
        buffer("memory", "scratch", 100, dtype="int32"),
    )
    x = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert np.array_equal(function.call(x, np.array(5, np.int32))[0], x + 5)
    assert function.call(x[:0], np.array(5, np.int32))[0].shape == (0, 4)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float64"])
def test_rows_are_gathered(dtype: str, buffer: MakeBuffer, piece: MakeExecutable) -> None:
    function = piece(
        "cpu",
        "rows_in_order(x, order, 2, out)",
        buffer("x", "input", N, 3, 2, dtype=dtype),
        buffer("order", "input", symbol("m"), dtype="int64"),
        buffer("out", "output", 4, 3, 2, dtype=dtype),
        sizes=("n", "m"),
    )
    x = np.random.default_rng(4).integers(0, 2, (9, 3, 2)).astype(dtype)
    order = np.array([8, 8, 3, 0, 8, 1, 2])
    assert np.array_equal(function.call(x, order)[0], x[order[2:6]])


@pytest.mark.parametrize(("columns", "asked"), [(4, False), (16, True), (30, True)])
def test_the_rows_of_the_next_batch_are_asked_for(
    columns: int, asked: bool, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    """Those of less than a line are few lines together, and come by themselves."""
    function = piece(
        "cpu",
        "rows_in_order(x, order, 4, out)",
        buffer("x", "input", N, columns),
        buffer("order", "input", symbol("m"), dtype="int64"),
        buffer("out", "output", 4, columns),
        sizes=("n", "m"),
    )
    x = np.random.default_rng(4).normal(size=(9, columns))
    order = np.array([8, 8, 3, 0, 8, 1, 2, 5])
    assert np.array_equal(function.call(x, order)[0], x[order[4:]])
    assert ("llvm.prefetch" in translate(function.program, "file.py")) == asked


@pytest.mark.parametrize("columns", [3, 16, 40])
@pytest.mark.parametrize(
    ("order", "together"),
    [
        ([0, 1, 2, 3, 4, 5], True),
        ([9, 9, 5, 6, 7, 8], True),
        ([0, 1, 2, 3, 4, 6], False),
        ([0, 1, 2, 4, 3, 5], False),
        ([0, 1, 5, 4, 3, 2], False),
        ([0, 1, 7, 7, 7, 7], False),
    ],
)
def test_rows_that_follow_each_other_are_read_where_they_lie(
    order: list[int], together: bool, columns: int, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    function = piece(
        "cpu",
        f"""
for i in range(4):
    for j in range({columns}):
        memory[i, j] = f64(-1.0)
rows = rows_in_order(x, order, 2, memory)
for i in range(4):
    for j in range({columns}):
        out[i, j] = rows[i, j]
""",
        buffer("x", "input", N, columns),
        buffer("order", "input", symbol("m"), dtype="int64"),
        buffer("out", "output", 4, columns),
        buffer("memory", "output", 4, columns),
        sizes=("n", "m"),
    )
    x = np.random.default_rng(columns).normal(size=(10, columns))
    out, memory = function.call(x, np.array(order))
    assert np.array_equal(out, x[order[2:]])
    assert np.array_equal(memory, np.full((4, columns), -1.0) if together else out)


def test_an_index_out_of_range_is_reported_and_read_nowhere(
    buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    function = piece(
        "cpu",
        """
for i in range(n):
    out[i] = x[checked(i64(at[i]), 4, fault, 2)]
    out[i] += x[checked(i64(at[i]), 8, fault, 1)]
""",
        buffer("x", "input", 4, dtype="float32"),
        buffer("at", "input", N, dtype="int32"),
        buffer("out", "output", N, dtype="float32"),
        faults=(
            Fault("index", "the index is out of range"),
            Fault("index", "the other index is out of range"),
        ),
    )
    x = np.arange(4, dtype=np.float32)
    assert function.call(x, np.array([3, 0, 2], np.int32))[0].tolist() == [6, 0, 4]
    for wrong in (4, -1, 2**31 - 1, -(2**31)):
        with pytest.raises(IndexError, match="the other index is out of range"):
            function.call(x, np.array([0, wrong], np.int32))
    # The report is gone with the call that made it.
    assert function.call(x, np.array([1], np.int32))[0].tolist() == [2]


def test_where_and_casts(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    function = piece(
        "cpu",
        """
for i in range(n):
    a[i] = where(x[i] > f32(0.0), x[i], f32(-inf))
    b[i] = i32(x[i]) if isfinite(x[i]) else i32(7)
    c[i] = x[i] != f32(0.0)
    d[i] = f64(f32(n)) + f64(c[i])
""",
        buffer("x", "input", N, dtype="float32"),
        buffer("a", "output", N, dtype="float32"),
        buffer("b", "output", N, dtype="int32"),
        buffer("c", "output", N, dtype="bool"),
        buffer("d", "output", N, dtype="float64"),
    )
    a, b, c, d = function.call(np.array([1.7, -1.7, 0, np.nan], np.float32))
    assert a.tolist() == [np.float32(1.7), -np.inf, -np.inf, -np.inf]
    assert b.tolist() == [1, -1, 0, 7]
    assert c.tolist() == [True, True, False, True]
    assert d.tolist() == [5, 5, 4, 5]


@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_may_be_reordered_but_nothing_else(
    dtype: str, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    """A vectorized sum is at least as exact; (x + big) - big must not become x."""
    function = piece(
        "cpu",
        f"""
total = 0.0
for i in range(n):
    total = accumulate(total, f64(x[i]))
    kept[i] = (x[i] + big[0]) - big[0]
out[0] = {"f32" if dtype == "float32" else "f64"}(total)
""",
        buffer("x", "input", N, dtype=dtype),
        buffer("big", "input", dtype=dtype),
        buffer("out", "output", dtype=dtype),
        buffer("kept", "output", N, dtype=dtype),
    )
    x = np.random.default_rng(5).normal(size=10_001).astype(dtype)
    big = np.array(1 / np.finfo(dtype).eps, dtype)
    out, kept = function.call(x, big)
    np.testing.assert_allclose(
        out, np.sum(x, dtype=np.longdouble), 1e-7 if dtype == "float32" else 1e-13
    )
    assert np.array_equal(kept, (x + big) - big)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 200])
def test_rows_that_are_named(n: int, dtype: str, buffer: MakeBuffer, piece: MakeExecutable) -> None:
    """Each once, by their first places, with its places in order; slots may hold anything."""
    function = piece(
        "cpu",
        "group_rows(index, rows, count, places, first, slots, fault, 1)",
        buffer("index", "input", N, dtype=dtype),
        buffer("slots", "state", 50, dtype="int64"),
        buffer("rows", "output", N, dtype="int64"),
        buffer("count", "output", 1, dtype="int64"),
        buffer("places", "output", N, dtype="int64"),
        buffer("first", "output", add(N, 1), dtype="int64"),
        sizes=("n",),
    )
    random = np.random.default_rng(n)
    slots = random.integers(-3, 60, 50)
    for _ in range(3):
        index = random.integers(0, 50, n).astype(dtype)
        rows, count, places, first = function.call(index, slots)
        distinct = list(dict.fromkeys(index.tolist()))
        assert rows[: count[0]].tolist() == distinct
        for i, row in enumerate(distinct):
            assert places[first[i] : first[i + 1]].tolist() == np.flatnonzero(index == row).tolist()
        assert first[count[0]] == n


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 200])
@pytest.mark.parametrize("count", [1, 8, 49, 64])
def test_rows_by_panel(
    n: int, dtype: str, count: int, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    """Places in order for each panel, and the rows that they name."""
    panels = -(-50 // count)
    function = piece(
        "cpu",
        f"rows_by_panel(index, rows, places, first, 50, {count}, fault, 1)",
        buffer("index", "input", N, dtype=dtype),
        buffer("rows", "output", N, dtype="int64"),
        buffer("places", "output", N, dtype="int64"),
        buffer("first", "output", panels + 1, dtype="int64"),
        sizes=("n",),
    )
    random = np.random.default_rng(n)
    for _ in range(3):
        index = random.integers(0, 50, n).astype(dtype)
        rows, places, first = function.call(index)
        assert (first[0], first[-1]) == (0, n)
        assert np.array_equal(rows, index[places])
        for panel in range(panels):
            own = np.flatnonzero(index // count == panel)
            assert places[first[panel] : first[panel + 1]].tolist() == own.tolist()


def test_a_row_that_is_not_there(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    function = piece(
        "cpu",
        "group_rows(index, rows, count, places, first, slots, fault, 1)",
        buffer("index", "input", 3, dtype="int64"),
        buffer("rows", "output", 3, dtype="int64"),
        buffer("count", "output", 1, dtype="int64"),
        buffer("places", "output", 3, dtype="int64"),
        buffer("first", "output", 4, dtype="int64"),
        buffer("slots", "output", 5, dtype="int64"),
        sizes=(),
        faults=(Fault("index", "an index lies outside its axis"),),
    )
    with pytest.raises(IndexOutOfRange, match="position 5 on an axis of size 5"):
        function.call(np.array([1, 5, 1]))


@pytest.mark.parametrize("shape", [(9,), (9, 3), (9, 40, 2), (9, N)])
def test_rows_that_come_soon_stay_what_they_are(
    shape: tuple[Any, ...], buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    function = piece(
        "cpu",
        "for i in range(9):\n    prefetch(x, 8 - i)\nout[0] = x.shape[0]",
        buffer("x", "state", *shape),
        buffer("sized", "input", N, dtype="int64"),
        buffer("out", "output", 1, dtype="int64"),
    )
    x = np.random.default_rng(0).normal(size=[4 if dim is N else dim for dim in shape])
    before = x.copy()
    (out,) = function.call(x, np.zeros(4, np.int64))
    assert out[0] == 9
    np.testing.assert_array_equal(x, before)
