"""What the devices refuse, before anything has been changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import (
    ChainruleError,
    DTypeError,
    Fault,
    FaultKind,
    IndexOutOfRange,
    MatrixError,
    ShapeError,
    UnknownNameError,
    UsageError,
)
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import Where, symbol
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable
from chainrule.runtime.devices.cpu import objects

Arrays = dict[str, Any]
MakeBuffer = Callable[..., Buffer]
MakeProgram = Callable[[str], Program]
MakeExecutable = Callable[..., Executable]
MakeArrays = Callable[..., Arrays]
Train = Callable[..., tuple[int, Any]]
N = symbol("n")
TARGETS = ["numpy", "cpu"]


WRONG: dict[str, tuple[Mapping[str, Any], type[ChainruleError], str]] = {
    "dtype": (
        {"x": np.zeros((10, 3), np.float32)},
        DTypeError,
        "net: x has the wrong dtype\n    expected f64[batch, 3], came f32[10, 3]",
    ),
    "strange dtype": (
        {"x": np.zeros((10, 3), object)},
        DTypeError,
        "expected f64[batch, 3], came object[10, 3]",
    ),
    "byte order": ({"x": np.zeros((10, 3), ">f8")}, DTypeError, "came >f8[10, 3]"),
    "no array": ({"x": [[1.0, 2.0, 3.0]]}, DTypeError, "expected f64[batch, 3], came list"),
    "axes": (
        {"x": np.zeros(3)},
        ShapeError,
        "net: x has the wrong number of axes\n    expected f64[batch, 3], came f64[3]",
    ),
    "size": (
        {"W1": np.zeros((3, 5))},
        ShapeError,
        "net: W1 has the wrong shape\n    expected f64[3, 4], came f64[3, 5]",
    ),
    "batch": (
        {"t": np.zeros((9, 2))},
        ShapeError,
        "net: t has the wrong shape\n    expected f64[batch, 2], came f64[9, 2]\n"
        "    hint: batch is 10, from x",
    ),
    "read-only": (
        {"b1": np.broadcast_to(np.zeros(1), (4,))},
        UsageError,
        "net: b1 cannot be updated in place\n"
        "    expected f64[4] writable and C-contiguous, came f64[4] read-only, strides (0,)",
    ),
    "order in memory": (
        {"W1": np.asfortranarray(np.ones((3, 4)))},
        UsageError,
        "hint: pass a copy: numpy.array(W1, order='C')",
    ),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_do_not_fit(
    case: str, target: str, network: MakeProgram, data: MakeArrays
) -> None:
    change, kind, message = WRONG[case]
    executable = load(network(target))
    executable.run(data())  # also where arrays that did fit came first
    with pytest.raises(kind) as error:
        executable.run(data() | dict(change))
    assert message in str(error.value)
    assert "test_refusing.py" in str(error.value.where)


@pytest.mark.parametrize("target", TARGETS)
def test_missing_and_superfluous_arrays(
    target: str, network: MakeProgram, data: MakeArrays
) -> None:
    executable, arrays = load(network(target)), data()
    with pytest.raises(UsageError, match="7 arrays given"):
        executable.call(*list(arrays.values())[:-1])
    del arrays["W2"]
    with pytest.raises(UsageError, match="W2 is missing"):
        executable.run(arrays)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last": 4}, "there are no such batches"),
        ({"first": 2, "last": 1}, "there are no such batches"),
        ({"first": -1}, "there are no such batches"),
        ({"batch_size": 0}, "there are no such batches"),
        ({"order": np.arange(10, dtype=np.int32)}, "expected a contiguous i64[rows], came i32[10]"),
        ({"order": np.arange(20)[::2]}, "order does not fit"),
        ({"order": np.array([0, 10])}, "order names rows that the data do not have"),
        ({"order": np.array([-1, 0])}, "-1 to 0; x has 10 rows"),
        ({"totals": np.zeros(1)}, "expected a contiguous f64[2], came f64[1]"),
        ({"totals": np.zeros(2, np.float32)}, "totals does not fit"),
    ],
)
def test_epochs_that_make_no_sense(
    target: str,
    change: Mapping[str, Any],
    message: str,
    network: MakeProgram,
    data: MakeArrays,
    trained: Train,
) -> None:
    change = {"last": 1, **change}
    with pytest.raises(ChainruleError) as error:
        trained(load(network(target)), data(), **change)
    assert message in str(error.value)


@pytest.mark.parametrize("target", TARGETS)
def test_data_of_different_lengths(
    target: str, network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    with pytest.raises(ShapeError, match="x has 10, t has 9"):
        trained(load(network(target)), data() | {"t": np.zeros((9, 2))})


def test_data_of_an_epoch_are_not_copied(
    network: MakeProgram, data: MakeArrays, trained: Train
) -> None:
    arrays = data() | {"x": np.asfortranarray(data()["x"])}
    with pytest.raises(UsageError, match="x is not contiguous"):
        trained(load(network("cpu")), arrays)


@pytest.mark.parametrize("target", TARGETS)
def test_a_program_without_batches_has_no_epoch(
    target: str, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    lines = "y[0] = x[0]" if target == "cpu" else "return (x[0],)"
    executable = piece(target, lines, buffer("x", "input", N), buffer("y", "output"))
    with pytest.raises(UsageError, match="piece: the program has no batches"):
        executable.epoch(0, 1, 1, np.arange(1), {"x": np.zeros(1)}, np.zeros(1))


@pytest.mark.parametrize("target", TARGETS)
def test_an_index_out_of_range(target: str, buffer: MakeBuffer, piece: MakeExecutable) -> None:
    """The error is that of the program's list, at the user's line."""
    lines = {
        "cpu": "for i in range(n):\n    y[i] = x[checked(at[i], 3, fault, 1)]",
        "numpy": "return (np.take(x, at),)",
    }
    executable = piece(
        target,
        lines[target],
        buffer("x", "input", 3),
        buffer("at", "input", N, dtype="int64"),
        buffer("y", "output", N),
        faults=(Fault("index", "take: a label is wrong", Where("net.py", 14)),),
    )
    assert executable.call(np.arange(3.0), np.array([2, 0]))[0].tolist() == [2, 0]
    with pytest.raises(IndexOutOfRange, match=r"^net.py:14: take: a label is wrong"):
        executable.call(np.arange(3.0), np.array([2, 3]))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("kind", "wrong", "error", "hint"),
    [
        ("index", "arange(3)[1 + int(x[0])]", IndexOutOfRange, "positions count from 0"),
        ("singular", "linalg.inv(x[:, None] * x)", MatrixError, "rows that depend on each other"),
        ("not positive definite", "linalg.cholesky(-x[:, None] * x)", MatrixError, "its diagonal"),
    ],
)
def test_a_fault_is_of_its_kind_whatever_is_said_of_it(
    target: str,
    kind: FaultKind,
    wrong: str,
    error: type[ChainruleError],
    hint: str,
    buffer: MakeBuffer,
    piece: MakeExecutable,
) -> None:
    source = {"cpu": "fault[0] = 1", "numpy": f"return (np.{wrong}.sum(),)"}[target]
    buffers = buffer("x", "input", N), buffer("y", "output")
    fault = Fault(kind, "that was not to be", Where("net.py", 14))
    executable = piece(target, source, *buffers, faults=(fault,))
    with pytest.raises(error, match=r"^net.py:14: that was not to be") as caught:
        executable.call(np.full(2, 4.0))
    assert hint in str(caught.value)


def test_an_unknown_target(network: MakeProgram) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cpu'"):
        load(replace(network("cpu"), target="cpuu"))


def test_source_that_cannot_be_compiled_is_our_defect(
    buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    """The report has the line and the file; the traceback stays with us."""
    with pytest.raises(UsageError, match="piece cannot be compiled") as error:
        piece("cpu", "y[0] = tanh(1)", buffer("y", "output"), sizes=())
    assert "report it with" in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_what_llvm_does_not_take_is_our_defect(
    monkeypatch: pytest.MonkeyPatch, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    monkeypatch.setattr(objects, "translate", lambda program, file: "define nothing")
    with pytest.raises(UsageError, match="piece cannot be compiled") as error:
        piece("cpu", "y[0] = 3.25", buffer("y", "output"), sizes=())
    _, detail, hint = str(error.value).splitlines()
    assert "LLVM IR parsing error" in detail
    assert "report it with" in hint
