"""Epochs called again and again: what was found out about arrays holds as long as it is so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import (
    ChainruleError,
    Fault,
    IndexOutOfRange,
    ShapeError,
    UsageError,
)
from chainrule.compiler.program import Program
from chainrule.compiler.types import Where
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Fixed

Arrays = dict[str, Any]
MakeProgram = Callable[[str], Program]
MakeArrays = Callable[..., Arrays]
Train = Callable[..., tuple[int, Any]]


def test_arrays_of_other_networks_in_turn(
    network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    both, alone = [data(), data()], [data(), data()]
    for pair in (both, alone):
        pair[1]["W1"] *= 2
    executable = load(network("cpu"))
    for _ in range(3):
        for arrays in both:
            trained(executable, arrays)
    for arrays, expected in zip(both, alone, strict=True):
        executable = load(network("cpu"))
        for _ in range(3):
            trained(executable, expected)
        assert all(np.array_equal(arrays[name], expected[name]) for name in arrays)


def test_an_array_in_the_place_of_another(
    network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    executable, arrays = load(network("cpu")), data()
    trained(executable, arrays)
    before = {name: array.copy() for name, array in arrays.items()}
    old = arrays["W1"]
    arrays["W1"] = old.copy()
    trained(executable, arrays)
    assert np.array_equal(old, before["W1"])
    assert not np.array_equal(arrays["W1"], old)
    expected = trained(load(network("cpu")), before)
    assert np.isfinite(expected[1]).all()
    assert np.array_equal(arrays["W1"], before["W1"])


def frozen(arrays: Arrays) -> None:
    arrays["W1"].flags.writeable = False


def shorter(arrays: Arrays) -> None:
    arrays["t"] = arrays["t"][:9]


def other(arrays: Arrays) -> None:
    arrays["W1"].shape = (4, 3)


def apart(arrays: Arrays) -> None:
    arrays["x"] = np.asfortranarray(arrays["x"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (frozen, UsageError, "W1 cannot be updated in place"),
        (shorter, ShapeError, "x has 10, t has 9"),
        (other, ShapeError, "W1 has the wrong shape"),
        (apart, UsageError, "x is not contiguous"),
    ],
)
def test_arrays_that_fitted_once_are_looked_at_again(
    change: Callable[[Arrays], None],
    error: type[ChainruleError],
    message: str,
    network: MakeProgram,
    data: MakeArrays,
    trained: Train,
) -> None:
    executable, arrays, right = load(network("cpu")), data(), data()
    trained(executable, arrays)
    trained(executable, right)
    trained(executable, arrays)
    change(arrays)
    for _ in range(2):
        with pytest.raises(error, match=message):
            trained(executable, arrays)
    trained(executable, right)
    fresh, expected = load(network("cpu")), data()
    for _ in range(2):
        trained(fresh, expected)
    assert all(np.array_equal(right[name], expected[name]) for name in right)


def test_a_fault_is_told_once(network: MakeProgram, data: MakeArrays, trained: Train) -> None:
    program = network("cpu")
    lines = "    count[0] += 1\n    if rate[0] < 0.0:\n        fault[0] = 1\n"
    source = program.source.replace("    count[0] += 1\n", lines)
    wrong = Fault("singular", "a rate is negative", Where("net.py", 10))
    executable = load(replace(program, source=source, faults=(wrong,)))
    arrays = data()
    rate = arrays["rate"]
    arrays["rate"] = np.array(-0.1)
    with pytest.raises(ChainruleError, match="a rate is negative"):
        trained(executable, arrays)
    arrays["rate"] = rate
    assert trained(executable, arrays)[0] == 3


def test_an_order_is_looked_at_each_time(
    network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    executable, arrays = load(network("cpu")), data()
    trained(executable, arrays)
    with pytest.raises(IndexOutOfRange, match="0 to 10; x has 10 rows"):
        trained(executable, arrays, order=np.array([0, 10]), last=1)


def test_an_order_that_can_change_is_looked_at_each_time(
    network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    executable, arrays = load(network("cpu")), Fixed(data())
    options = {"order": np.arange(10), "totals": np.zeros(2)}
    trained(executable, arrays, **options)
    options["order"][3] = 10
    with pytest.raises(IndexOutOfRange, match="0 to 10; x has 10 rows"):
        trained(executable, arrays, **options)


def test_what_cannot_change_is_looked_at_once(
    network: MakeProgram, data: MakeArrays, trained: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable, arrays, expected = load(network("cpu")), Fixed(data()), data()
    order = np.arange(10)
    order.flags.writeable = False
    options = {"order": order, "totals": np.zeros(2)}
    trained(executable, arrays, **options)
    monkeypatch.setattr(executable, "fit", None)
    monkeypatch.setattr(executable, "check_order", None)
    trained(executable, arrays, **options)
    with pytest.raises(UsageError, match="there are no such batches"):
        trained(executable, arrays, last=4, **options)
    fresh, totals = load(network("cpu")), np.zeros(2)
    for _ in range(2):
        trained(fresh, expected, order=order, totals=totals)
    assert np.array_equal(options["totals"], totals)
    assert all(np.array_equal(arrays[name], expected[name]) for name in arrays)


def test_arrays_of_one_layout_are_fitted_once(
    network: MakeProgram, data: MakeArrays, trained: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable, fitted = load(network("cpu")), []
    bind = executable.bind

    def counted(arrays: Sequence[Any], *fixed: Any) -> dict[str, int]:
        fitted.append(arrays)
        return bind(arrays, *fixed)

    monkeypatch.setattr(executable, "bind", counted)
    for _ in range(3):
        trained(executable, data())
    assert len(fitted) == 1
