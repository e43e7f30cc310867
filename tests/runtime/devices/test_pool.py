"""Loops in any order, by several threads: the same results, whatever the threads do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import Fault, IndexOutOfRange
from chainrule.compiler.program import Buffer
from chainrule.compiler.types import Where, symbol
from chainrule.runtime.devices.base import Executable
from chainrule.runtime.devices.cpu import pool
from chainrule.runtime.devices.cpu.pool_code import LONG, SESSION

MakeBuffer = Callable[..., Buffer]
MakeExecutable = Callable[..., Executable]
SetThreads = Callable[[int], None]

PANELS = """
n = x.shape[0]
for first in prange(0, n, 4):
    last = min(first + 4, n)
    panel = local_array((4, 16), f32)
    for i in range(first, last):
        for j in range(16):
            panel[i - first, j] = exp(x[i, j])
    for i in range(first, last):
        total = f32(0.0)
        for j in range(16):
            total = accumulate(total, panel[i - first, j])
        for j in range(16):
            y[i, j] = panel[i - first, j] / total
"""
NESTED = """
for i in prange(x.shape[0]):
    for j in prange(16):
        for k in prange(2):
            if k == 0:
                y[i, j] = x[i, j] + f32(i * 16 + j)
"""
BACKWARD = """
shift = f32(1.0)
shift += f32(1.0)
whole = view(y, (x.shape[0], 16))
step = 0 - min(3, x.shape[0] + 1)
for last in prange(x.shape[0] - 1, -1, step):
    for i in range(max(last - 2, 0), last + 1):
        for j in range(16):
            whole[i, j] = x[i, j] * shift
"""
BODIES = {"panels": PANELS, "nested": NESTED, "backward": BACKWARD}


def program(name: str, buffer: MakeBuffer, piece: MakeExecutable) -> Executable:
    rows, f32 = symbol("rows"), "float32"
    buffers = buffer("x", "input", rows, 16, dtype=f32), buffer("y", "output", rows, 16, dtype=f32)
    return piece("cpu", BODIES[name], *buffers, sizes=("rows",))


def numbers(rows: int) -> Any:
    return np.random.default_rng(rows).normal(size=(rows, 16)).astype(np.float32)


def expected(name: str, x: Any) -> Any:
    if name == "panels":
        return np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return x + np.arange(x.size).reshape(x.shape) if name == "nested" else 2 * x


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 5, 97, 1000])
@pytest.mark.parametrize("name", BODIES)
def test_every_number_of_threads_gives_the_same_bits(
    name: str, rows: int, with_threads: SetThreads, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    run, x = program(name, buffer, piece), numbers(rows)
    results = []
    for count in (1, 2, 3, 5):
        with_threads(count)
        for _ in range(3):
            (y,) = run.call(x)
            results.append(y)
    np.testing.assert_allclose(results[0], expected(name, x), 1e-6)
    assert all(np.array_equal(y, results[0]) for y in results)


def test_long_loops_are_shared(
    with_threads: SetThreads, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    run, x, team = program("panels", buffer, piece), numbers(100), pool.team()
    seen = []
    for count, long in ((1, 0), (2, 1 << 60), (2, 0)):
        with_threads(count)
        team._words[LONG] = long
        before = team.loops
        for _ in range(4):
            run.call(x)
        seen.append(team.loops - before)
    assert seen[:2] == [0, 0]
    assert seen[2] >= 3  # the first is only timed
    assert len(team._threads) >= 1


FAULTY = """
for i in prange(places.shape[0]):
    for j in range(3):
        y[i] = f64(checked(places[i] + j, 10, fault, 2 if j == 0 else 1))
"""


def test_the_fault_is_that_of_the_earliest_iteration(
    with_threads: SetThreads, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    n = symbol("n")
    buffers = buffer("places", "input", n, dtype="int64"), buffer("y", "output", n)
    faults = tuple(Fault("index", f"take {i}", Where("net.py", i)) for i in (1, 2))
    run = piece("cpu", FAULTY, *buffers, sizes=("n",), faults=faults)
    places = np.zeros(200, np.int64)
    places[[50, 120, 199]] = 11, -3, 25
    for count in (1, 2, 5):
        with_threads(count)
        for _ in range(20):
            with pytest.raises(IndexOutOfRange, match=r"net\.py:2.*take 2") as error:
                run.call(places)
            assert "11" in str(error.value)
        (y,) = run.call(np.zeros(200, np.int64))
        assert y.tolist() == [2.0] * 200


@pytest.mark.parametrize(("rows", "width"), [(0, 300), (5, 300), (301, 300), (300, 3)])
def test_rows_of_a_large_batch_are_gathered_together(
    rows: int, width: int, with_threads: SetThreads, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    n = symbol("n")
    buffers = [
        buffer("x", "input", 50, width),
        buffer("order", "input", symbol("m"), dtype="int64"),
        buffer("like", "input", n),
        buffer("y", "output", n, width),
    ]
    run = piece("cpu", "rows_in_order(x, order, 2, y)", *buffers, sizes=("n", "m"))
    random = np.random.default_rng(rows)
    x, order = random.normal(size=(50, width)), random.integers(0, 50, rows + 2)
    for count in (1, 2, 3):
        with_threads(count)
        before = pool.team().loops
        for _ in range(3):
            (y,) = run.call(x, order, np.zeros(rows))
            assert np.array_equal(y, x[order[2:]])
        assert (pool.team().loops > before) is (count > 1 and rows * width > 10_000)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (300, 400, 65),
        (1, 3001, 400),
        (1031, 1, 1500),
        (129, 193, 521),
        (128, 384, 40),
        (999, 50, 30),
        (61, 64, 1024),
        (37, 331, 700),
    ],
)
def test_large_products_are_shared(
    m: int,
    n: int,
    k: int,
    dtype: str,
    known: bool,
    with_threads: SetThreads,
    buffer: MakeBuffer,
    piece: MakeExecutable,
) -> None:
    random = np.random.default_rng(m)
    a, b = random.normal(size=(m, k)).astype(dtype), random.normal(size=(k, n)).astype(dtype)
    given = {"a": a, "at": a.T.copy(), "b": b, "bt": b.T.copy()}
    sizes = {"m": m, "n": n, "k": k}
    axes = sizes if known else {name: symbol(name) for name in sizes}
    shapes = {"a": "mk", "at": "km", "b": "kn", "bt": "nk"}
    buffers = [
        buffer(name, "input", *(axes[x] for x in shape), dtype=dtype)
        for name, shape in shapes.items()
    ]
    ways = {"": "a, b", "_tn": "at, b", "_nt": "a, bt", "_tt": "at, bt"}
    buffers += [buffer(f"y{way}", "output", axes["m"], axes["n"], dtype=dtype) for way in ways]
    body = "\n".join(f"matmul{way}({operands}, y{way})" for way, operands in ways.items())
    run = piece("cpu", body, *buffers, sizes=() if known else tuple(sizes))
    alone: list[Any] = []
    for count in (1, 2, 3):
        with_threads(count)
        before = pool.team().loops
        for _ in range(2):
            results = run.call(*given.values())
            alone = alone or list(results)
            assert all(map(np.array_equal, results, alone))
        if count > 1:
            assert pool.team().loops > before
    for y in alone:
        np.testing.assert_allclose(
            y, a @ b, *((2e-4, 1e-4) if dtype == "float32" else (1e-10, 1e-10))
        )


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(0, 6, 3), (1, 2, 1), (5, 0, 4), (31, 514, 10), (32, 784, 33), (97, 1030, 128), (300, 38, 17)],
)
def test_halves_of_products_are_shared(
    m: int,
    k: int,
    n: int,
    dtype: str,
    known: bool,
    with_threads: SetThreads,
    buffer: MakeBuffer,
    piece: MakeExecutable,
) -> None:
    random, half = np.random.default_rng(k), k // 2
    a, b = random.normal(size=(m, k)).astype(dtype), random.normal(size=(k, n)).astype(dtype)
    sizes = {"m": m, "k": k, "n": n}
    rows, sums, columns = sizes.values() if known else map(symbol, sizes)
    buffers = [
        buffer("a", "input", rows, sums, dtype=dtype),
        buffer("b", "input", sums, columns, dtype=dtype),
        buffer("y", "output", 2, rows, columns, dtype=dtype),
    ]
    run = piece("cpu", "matmul_halves(a, b, y)", *buffers, sizes=() if known else tuple(sizes))
    wanted = np.stack([a[:, :half] @ b[:half], a[:, half:] @ b[half:]])
    close = (2e-4, 1e-4) if dtype == "float32" else (1e-10, 1e-10)
    alone: list[Any] = []
    for count in (1, 2, 3):
        with_threads(count)
        before = pool.team().loops
        for _ in range(2):
            results = run.call(a, b)
            alone = alone or list(results)
            assert np.array_equal(results[0], alone[0])
        assert (pool.team().loops > before) is (count > 1 and m > 0)
    np.testing.assert_allclose(alone[0], wanted, *close)


def test_ten_thousand_small_loops_of_more_threads_than_cores(
    with_threads: SetThreads, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    body = """
for j in range(12):
    y[j] = 0.0
for turn in range(10000):
    for j in prange(12):
        y[j] += x[turn % 7] * (j + 1)
"""
    run = piece("cpu", body, buffer("x", "input", 7), buffer("y", "output", 12), sizes=())
    x = np.arange(7.0)
    wanted = np.arange(1, 13) * (sum(range(7)) * 1428 + sum(x[k] for k in range(10000 % 7)))
    for count in (2, 5):
        with_threads(count)
        before = pool.team().loops
        (y,) = run.call(x)
        np.testing.assert_array_equal(y, wanted)
        assert pool.team().loops - before >= 9000


def test_two_programs_in_two_threads(
    with_threads: SetThreads, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    with_threads(3)
    x = numbers(500)
    runs = [program(name, buffer, piece) for name in ("panels", "nested")]
    wanted = [run.call(x)[0] for run in runs]
    wrong: list[int] = []

    def repeat(which: int) -> None:
        for _ in range(200):
            if not np.array_equal(runs[which].call(x)[0], wanted[which]):
                wrong.append(which)

    workers = [threading.Thread(target=repeat, args=(which,)) for which in (0, 1, 0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert pool.team()._words[SESSION] % 2 == 0


def test_fewer_threads_where_the_system_has_no_more(
    monkeypatch: pytest.MonkeyPatch,
    with_threads: SetThreads,
    buffer: MakeBuffer,
    piece: MakeExecutable,
) -> None:
    run, x, team = program("panels", buffer, piece), numbers(100), pool.team()
    team.stop()
    team.go_on()
    start, left = threading.Thread.start, [1]

    def refused(thread: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with_threads(4)
    for _ in range(3):
        np.testing.assert_allclose(run.call(x)[0], expected("panels", x), 1e-6)
    assert len(team._threads) == 1
    team.stop()
    team.go_on()
    for _ in range(3):
        np.testing.assert_allclose(run.call(x)[0], expected("panels", x), 1e-6)
    assert not team._threads


def test_threads_start_again_after_they_ended(
    with_threads: SetThreads, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    run, x, team = program("panels", buffer, piece), numbers(100), pool.team()
    with_threads(3)
    before = run.call(x)[0]
    assert team.stop()
    assert not team._threads
    with team.helping(2) as address:
        assert address == 0  # as while others have it
    team.go_on()
    assert np.array_equal(run.call(x)[0], before)
    assert len(team._threads) == 2


@pytest.mark.parametrize("lost", [0, 1])
def test_threads_take_part_after_ctrl_c_between_two_calls(
    lost: int, with_threads: SetThreads
) -> None:
    with_threads(2)
    team = pool.team()
    with team.helping(2):
        pass
    team._words[SESSION] += lost  # who began to lead was stopped before it could end it
    with team.helping(2) as address:
        assert address == team.address
        assert team._words[SESSION] % 2 == 1
    assert team._words[SESSION] % 2 == 0
