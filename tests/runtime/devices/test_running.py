"""What a program computes, on both devices: steps, epochs, outputs, sizes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import (
    Bound,
    ShapeError,
    UsageError,
)
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import add, floordiv, mul, sub, symbol
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable

Arrays = dict[str, Any]
MakeBuffer = Callable[..., Buffer]
MakeProgram = Callable[[str], Program]
MakeExecutable = Callable[..., Executable]
MakeArrays = Callable[..., Arrays]
Train = Callable[..., tuple[int, Any]]
BATCH, N = symbol("batch"), symbol("n")
TARGETS = ["numpy", "cpu"]


def test_a_step_updates_in_place_and_gives_outputs(network: MakeProgram, data: MakeArrays) -> None:
    results = []
    for target in TARGETS:
        arrays = data()
        before = {name: array.copy() for name, array in arrays.items()}
        kept = dict(arrays)
        outputs = load(network(target)).run(arrays)
        assert list(outputs) == ["loss", "y", "error"]
        assert [outputs[name].shape for name in outputs] == [(), (10, 2), ()]
        assert arrays["count"] == 1
        for name, array in arrays.items():
            assert array is kept[name]
            changed = not np.array_equal(array, before[name])
            assert changed == (name in ("W1", "b1", "W2", "b2", "count"))
        results.append([*outputs.values(), *arrays.values()])
    for left, right in zip(*results, strict=True):
        np.testing.assert_allclose(left, right, 1e-12)


@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_targets_agree_for_every_batch_size(
    rows: int, network: MakeProgram, data: MakeArrays
) -> None:
    numpy, cpu = (load(network(target)).run(data(rows)) for target in TARGETS)
    for name in numpy:
        np.testing.assert_allclose(cpu[name], numpy[name], 1e-12)


def test_an_epoch_is_its_steps(network: MakeProgram, data: MakeArrays, trained: Train) -> None:
    """Rows in order, the last batch smaller, totals weighted by rows."""
    by_hand, order = data(), [[3, 1, 4, 0], [5, 9, 2, 6], [8, 7]]
    expected = np.zeros(2)
    for rows in order:
        batch = by_hand | {"x": by_hand["x"][rows], "t": by_hand["t"][rows]}
        outputs = load(network("numpy")).run(batch)
        expected += len(rows) * np.array([outputs["loss"], outputs["error"]])
    for target in TARGETS:
        arrays = data()
        done, totals = trained(load(network(target)), arrays)
        assert done == 3
        np.testing.assert_allclose(totals, expected, 1e-12)
        for name in ("W1", "b1", "W2", "b2", "count"):
            np.testing.assert_allclose(arrays[name], by_hand[name], 1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_an_epoch_in_pieces_is_the_same_to_the_bit(
    target: str, network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    executable = load(network(target))
    whole, pieces, totals = data(), data(), np.zeros(2)
    _, expected = trained(executable, whole)
    assert trained(executable, pieces, last=1, totals=totals)[0] == 1
    assert trained(executable, pieces, first=1, last=1, totals=totals)[0] == 0
    assert trained(executable, pieces, first=1, totals=totals)[0] == 2
    assert np.array_equal(totals, expected)
    assert all(np.array_equal(pieces[name], whole[name]) for name in whole)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_epoch_ends_where_the_loss_is_not_finite(
    target: str, value: float, network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    arrays = data()
    arrays["t"][9, 0] = value
    done, totals = trained(load(network(target)), arrays)
    assert done == 1
    assert np.isfinite(totals).all()
    assert arrays["count"] == 2  # the batch is not counted in the totals, but its update was made


@pytest.mark.parametrize("target", TARGETS)
def test_an_order_may_repeat_and_leave_out_rows(
    target: str, network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    arrays = data()
    done, _ = trained(load(network(target)), arrays, order=np.array([7, 7, 7]), last=1)
    assert done == 1
    assert arrays["count"] == 1


def test_outputs_belong_to_the_caller(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    """Small outputs and large ones: a later call leaves them alone."""
    executable = piece(
        "cpu",
        "for i in range(n):\n    y[i] = x[i] + f32(1)",
        buffer("x", "input", N, dtype="float32"),
        buffer("y", "output", N, dtype="float32"),
    )
    for size in (3, 100_000):
        first = executable.call(np.zeros(size, np.float32))[0]
        second = executable.call(np.ones(size, np.float32))[0]
        assert first.sum() == size
        assert second.sum() == 2 * size
        first[:] = 9
        assert executable.call(np.ones(size, np.float32))[0].sum() == 2 * size


@pytest.mark.parametrize("size", [6, 60_000])
def test_inputs_may_lie_in_memory_in_any_way(
    size: int, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    executable = piece(
        "cpu",
        "for i in range(n):\n    y[i] = x[i, 0] - x[i, 1]",
        buffer("x", "input", N, 2),
        buffer("y", "output", N),
    )
    x = np.random.default_rng(0).normal(size=(size, 2))
    unaligned = np.frombuffer(b"." + x.tobytes(), np.float64, offset=1).reshape(x.shape)
    read_only = x.copy()
    read_only.flags.writeable = False
    wide = np.repeat(x, 3, axis=1)[:, ::3]
    for array in (x, np.asfortranarray(x), x[::-1][::-1], unaligned, read_only, wide):
        assert np.array_equal(executable.call(array)[0], x[:, 0] - x[:, 1])


def test_an_array_changed_by_the_caller_is_read_again(
    network: MakeProgram, data: MakeArrays
) -> None:
    executable = load(network("cpu"))
    arrays = data()
    first = executable.run(arrays)["loss"]
    arrays["x"] *= 2
    arrays["W1"][...] = 0
    other = data() | {name: arrays[name].copy() for name in ("x", "W1", "b1", "W2", "b2")}
    assert executable.run(arrays)["loss"] == load(network("cpu")).run(other)["loss"] != first


def test_calls_from_several_threads_do_not_mix(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    executable = piece(
        "cpu",
        "for k in range(200):\n    for i in range(n):\n        y[i] = tanh(x[i]) + c[0]",
        buffer("x", "input", N),
        buffer("c", "input"),
        buffer("y", "output", N),
    )
    x, wrong = np.linspace(-1, 1, 50), []

    def work(c: int) -> None:
        for _ in range(50):
            (y,) = executable.call(x, np.array(float(c)))
            if not np.allclose(y, np.tanh(x) + c):
                wrong.append(c)

    threads = [threading.Thread(target=work, args=(c,)) for c in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("target", TARGETS)
def test_sizes_are_read_off_the_shapes(
    target: str, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    """Also of axes that are no plain symbol."""
    m, odd = symbol("m"), add(mul(2, N), 1)
    executable = piece(
        target,
        "out[0] = f64(n * 1000 + m)"
        if target == "cpu"
        else "return ((a.size - 1) // 2 * 1000 + c.size,)",
        buffer("a", "input", odd),
        buffer("b", "input", mul(N, m), floordiv(odd, 2)),
        buffer("c", "input", m),
        buffer("out", "output"),
        sizes=("n", "m"),
    )
    arrays = [np.zeros(7), np.zeros((15, 3)), np.zeros(5)]
    assert executable.call(*arrays)[0] == 3005
    with pytest.raises(ShapeError, match=r"b has the wrong shape"):
        executable.call(arrays[0], np.zeros((15, 4)), arrays[2])
    with pytest.raises(ShapeError, match=r"expected f64\[2\*n \+ 1\], came f64\[8\]"):
        executable.call(np.zeros(8), np.zeros((15, 3)), arrays[2])


def test_a_size_that_no_array_shows(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    executable = piece(
        "cpu",
        "out[0] = 0.0",
        buffer("a", "input", mul(N, symbol("m"))),
        buffer("out", "output"),
        sizes=("n", "m"),
    )
    with pytest.raises(UsageError, match="the size m cannot be told from the arrays"):
        executable.call(np.zeros(6))


@pytest.mark.parametrize("target", TARGETS)
def test_sizes_that_are_too_small(target: str, network: MakeProgram, data: MakeArrays) -> None:
    with pytest.raises(ShapeError) as error:
        load(network(target)).run(data(0))
    assert str(error.value).splitlines()[:2] == [
        "net.py:3: mean of nothing",
        "    batch - 1 must not be negative; it is -1 for batch = 0",
    ]


def test_the_last_batch_may_be_too_small(
    network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    program = replace(network("cpu"), bounds=(Bound(sub(BATCH, 3), "too few rows"),))
    with pytest.raises(ShapeError, match="for batch = 2"):
        trained(load(program), data())
    assert trained(load(program), data(), last=2)[0] == 2
