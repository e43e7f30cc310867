"""What the text of target `cpu` means: what Python says it does, at the same lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.errors import UsageError
from chainrule.compiler.program import Buffer
from chainrule.runtime.devices.base import Executable

MakeBuffer = Callable[..., Buffer]
MakeExecutable = Callable[..., Executable]

# Each with k, eight integers; x, eight numbers; out, eight results.
BODIES = {
    "ranges": """
for i in range(8):
    total = 0
    for j in range(i, 8):
        total += k[j]
    for j in range(0, 8, 3):
        total -= 2 * k[j]
    for j in range(7, i, -2):
        total = 3 * total + k[j]
    for j in range(5, 5):
        total = 0
    for j in range(0, 8, i + 1):
        total = 2 * total + k[j]
    for j in range(i, -1, -1 - i // 2):
        total = total + j * k[j]
    out[i] = total
""",
    "while": """
for i in range(8):
    left, steps = abs_k[i], 0
    while left > 1:
        if left % 2 == 0:
            left //= 2
        else:
            left = 3 * left + 1
        steps += 1
    out[i] = steps
""",
    "break and continue": """
for i in range(8):
    total = 0
    for j in range(8):
        if k[j] < 0:
            continue
        if j > i and k[j] > 2:
            break
        total += 10 * k[j] + j
    left = 20
    while True:
        left -= 1
        if left % 7 == 3:
            continue
        if left < 10 or total < 0:
            break
        total += left
    out[i] = total
""",
    "branches": """
for i in range(8):
    if k[i] < -1:
        y = x[i]
    elif k[i] == 0:
        y = -x[i]
        y *= 2.0
    elif x[i] > 0.5:
        y = x[i] + 1.0
    else:
        y = 7.0
    if not (k[i] > 2):
        y -= 0.25
    out[i] = y
""",
    "conditions": """
for i in range(8):
    count = 0
    if 0 <= k[i] < 3:
        count += 1
    if k[i] > 0 and x[i] > 0.0 and k[i] != 2:
        count += 10
    if k[i] > 3 or x[i] < 0.0 or k[i] == -1:
        count += 100
    if not k[i]:
        count += 1000
    positive = (x[i] > 0.0) & (k[i] > 0)
    either = (x[i] > 0.0) | (k[i] > 0)
    out[i] = count + (10000 if positive else 0) + (20000 if either and not positive else 0)
""",
    "what is not to be read": """
for i in range(8):
    before = k[i - 1] if i > 0 else 0
    found = i < 7 and k[i + 1] > 0
    out[i] = before + (100 if found else 0)
""",
    "integers": """
for i in range(8):
    a, b = 7 * k[i] + 3, k[7 - i] - 1
    d = b if b != 0 else 5
    out[i] = a // d + 1000 * (a % d) + 7 * (a & 12) + 11 * (a | 3) + (a ^ b) + (a << 2) - (a >> 1)
""",
    "numbers": """
for i in range(8):
    ratio = (k[i] + 0.5) / (x[i] * x[i] + 1.0)
    out[i] = -ratio + k[i] / 4 - (3 - k[i]) * x[i] + min(k[i], 2) + max(3, k[i])
""",
    "exchanges": """
a, b, c = 1.0, 2.0, 3.0
for i in range(8):
    a, b, c = b + x[i], c, a
    out[i] = a - 10.0 * b + 100.0 * c
""",
    "iterations in any order": """
places = local_array((4, 2), i64)
for first in prange(0, 8, 3):
    last = min(first + 3, 8)
    part = local_array((3,), f64)
    places[first // 3, 1] = last
    for i in range(first, last):
        if k[i] > 3:
            continue
        part[i - first] = 2.0 * x[i] + last
    for i in range(first, last):
        total = 0.5
        for j in prange(2):
            out[i] = -1.0
        for j in range(i):
            total += k[j]
        if k[i] > 3:
            part[i - first] = 9.0
        out[i] = part[i - first] + total
for second in prange(2):
    last = second + 0.25
    if second == 1:
        continue
    out[second] += last + places[2, 1] + 10 * places[0, 1]
""",
    "updates": """
for i in range(8):
    out[i] = x[i]
    out[i] += k[i]
    out[i] *= 2.0
    out[i] -= out[i - 1] if i > 0 else 0.0
    out[i] /= 3.0
""",
}


# What Python and NumPy have for names of the library.
PYTHON = {"prange": range, "local_array": np.empty, "f64": np.float64, "i64": np.int64}


def arrays() -> dict[str, Any]:
    k = np.array([-4, 3, 0, 1, 5, -1, 2, 0])
    x = np.array([0.5, -1.25, 0.75, 2.0, -0.5, 3.0, 0.0, 1.0])
    return {"k": k, "abs_k": 3 * np.abs(k) + 1, "x": x}


@pytest.mark.parametrize("name", BODIES)
def test_native_code_does_what_python_does(
    name: str, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    given, expected = arrays(), np.zeros(8)
    exec(BODIES[name], PYTHON, {**given, "out": expected})
    buffers = [buffer(key, "input", 8, dtype=str(a.dtype)) for key, a in given.items()]
    native = piece("cpu", BODIES[name], *buffers, buffer("out", "output", 8), sizes=())
    (came,) = native.call(*given.values())
    assert len(set(expected)) > 2
    assert np.array_equal(came, expected)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        *[(f"x[0] {sign} x[0]", sign == "!=") for sign in ("==", "!=", "<", "<=", ">", ">=")],
        ("not x[0] < 1.0", True),
        ("x[1] == -x[1]", True),  # two zeros
        ("1.0 / x[1] > 1.0", True),  # infinity
        ("x[0] != 0.0 and x[0] - x[0] == 0.0", False),
    ],
)
def test_comparisons_with_nan_and_zero(
    condition: str, holds: bool, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    buffers = buffer("x", "input", 2), buffer("out", "output", dtype="bool")
    (came,) = piece("cpu", f"out[0] = {condition}", *buffers, sizes=()).call(
        np.array([math.nan, 0])
    )
    assert came == holds


def test_integers_wrap_around(buffer: MakeBuffer, piece: MakeExecutable) -> None:
    body = """
wide[0] = a[0] + 1
wide[1] = -a[0] - 2
wide[2] = a[0] * 3
narrow[0] = i32(b[0] + 1)
narrow[1] = i32(b[0] * b[0])
wide[3] = b[0] * b[0]
"""
    buffers = [
        buffer("a", "input", 1, dtype="int64"),
        buffer("b", "input", 1, dtype="int32"),
        buffer("wide", "output", 4, dtype="int64"),
        buffer("narrow", "output", 2, dtype="int32"),
    ]
    a, b = np.array([2**63 - 1]), np.array([2**31 - 1], np.int32)
    wide, narrow = piece("cpu", body, *buffers, sizes=()).call(a, b)
    assert wide.tolist() == [-(2**63), 2**63 - 1, 2**63 - 3, (2**31 - 1) ** 2]
    assert narrow.tolist() == [-(2**31), 1]


def test_parts_of_arrays_and_variables_that_are_arrays(
    buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    """A loop whose two arrays change places, as one that carries values does."""
    body = """
old, new = first, second
for turn in range(n):
    row = x[turn]
    more = view(x[turn:turn + 1], (2,))
    for j in range(2):
        new[j] = 10.0 * old[j] + row[j] + more[1 - j]
    old, new = new, old
for j in range(old.shape[0]):
    out[j] = old[j]
"""
    buffers = [
        buffer("x", "input", 3, 2),
        buffer("out", "output", 2),
        buffer("first", "scratch", 2),
        buffer("second", "scratch", 2),
    ]
    body = "for j in range(2):\n    first[j] = 1.0\nn = x.shape[0]\n" + body.strip()
    x = np.arange(6.0).reshape(3, 2)
    expected = np.ones(2)
    for row in x:
        expected = 10 * expected + row + row[::-1]
    (came,) = piece("cpu", body, *buffers, sizes=()).call(x)
    assert came.tolist() == expected.tolist()


OUTSIDE = {
    "y[0] = x[0] ** 2": "float64 Pow int64 is not in the language",
    "y[0] = [1.0][0]": "List is not in the language",
    "y[0] = x.T[0]": "float64[8] has no T",
    "y[0] = x[0, 1]": "no element of float64[8] has 2 indices",
    "y[0] = x": "expected a number, came float64[8]",
    "y[0] = x[0.5]": "expected an integer, came float64",
    "y[0] = z": "z has no value here",
    "y[0] = open(x)": "open is not a function of the language",
    "y[0] = exp(x)": "exp does not take (float64[8])",
    "y[0] = exp(1)": "exp does not take (int64)",
    "y[0] = where(x[0], 1.0, 2.0)": "where does not take (float64, float64, float64)",
    "y[0] = checked(1, 2)": "checked takes 4, not 2",
    "y[0] = x[1:]": "a part of an array has a start and a stop",
    "y[0] = (x[0] > 0.0) + 1.0 + (x[0] > 0.0) * (x[0] > 0.0)": "bool Mult bool",
    "a, b = x[0], x[1], x[2]": "is not of 2 values",
    "for i in x:\n    y[0] = i": "a loop is over a range",
    "for i in range(0, 8, 0):\n    y[0] = 1.0": "the step of a range is not 0",
    "n = 2\nfor n in range(8):\n    y[0] = 1.0": "n is a variable of more than the loop",
    "for i in range(8):\n    z = 1.0\ny[0] = z": "z has no value here",
    "z = 0\nz = x[0]": "z is int64, and float64 is assigned",
    "try:\n    y[0] = 1.0\nfinally:\n    pass": "Try is not in the language",
    "import os": "Import is not in the language",
    "y[0] = (lambda: 1.0)()": "only functions that have a name are called",
    "del y": "Delete is not in the language",
    "break": "Break is not in the language",
    "for i in prange(2):\n    break": "a prange runs all its iterations: no Break in it",
    "for i in prange(2):\n    return": "a prange runs all its iterations: no Return in it",
    "z = 0.0\nfor i in prange(8):\n    z += x[i]": "z is assigned in a prange and outside it",
    "for i in prange(8):\n    z = x[i]\nz = 1.0": "z is assigned in a prange and outside it",
    "for i in prange(8):\n    z = x[i]\ny[0] = z": "z has no value here",
    "for i in prange(8):\n    n = x[i]": "n is assigned in a prange and outside it",
    "for i in prange(2):\n    for j in prange(2):\n        z = x[i]\n    y[i] = z": "z has no",
    "for i in prange(2):\n    z = 1.0\n    for j in prange(2):\n        z = x[i]": "z is assigned",
    "for i in prange(0, 8, 0):\n    y[0] = 1.0": "the step of a range is not 0",
    "z = local_array(8, f32)": "a local array has sizes, as a tuple, and a type",
    "z = local_array((), f32)": "a local array has sizes, as a tuple, and a type",
    "z = local_array((8, n), f32)": "the sizes of a local array are numbers",
    "z = local_array((8, 0), f32)": "the sizes of a local array are numbers",
    "z = local_array((8, 2), exp)": "the sizes of a local array are numbers",
    "z = local_array((2048, 1024), f64)": "a local array has 2097152 bytes at most",
    "y[0] = prange(8)": "prange is not a function of the language",
}


@pytest.mark.parametrize("lines", OUTSIDE)
def test_what_is_not_in_the_language_is_told_with_its_line(
    lines: str, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    buffers = buffer("x", "input", 8), buffer("y", "output")
    with pytest.raises(UsageError, match="the native code of piece cannot be compiled") as error:
        piece("cpu", "y[0] = 0.0\n" + lines, *buffers, sizes=("n",))
    _, detail, hint = str(error.value).splitlines()
    assert OUTSIDE[lines] in detail
    place, number, function, _ = detail.strip().split(":", 3)
    assert place in hint
    assert function.strip() == "step"
    assert 6 <= int(number) <= 5 + lines.count("\n") + 1


MODULES = {
    "x = 1": "Assign is not in the language",
    "import os": "Import is not in the language",
    "from os import system": "ImportFrom is not in the language",
    "from chainrule.runtime.devices.cpu.library import np": "the library has no np",
    "print(1)": "Expr is not in the language",
    "def step(x):\n    pass": "FunctionDef is not in the language",
}


@pytest.mark.parametrize("text", MODULES)
def test_a_module_is_functions_and_constants(text: str) -> None:
    from chainrule.runtime.devices.cpu.reading import module_names
    from chainrule.runtime.devices.cpu.routines import TranslationError

    with pytest.raises(TranslationError, match=MODULES[text]) as error:
        module_names('"""A module."""\n' + text, "file.py")
    assert str(error.value).startswith("file.py:2: ")


def test_a_function_that_calls_itself_has_no_end() -> None:
    from chainrule.runtime.devices.cpu.kinds import INT64
    from chainrule.runtime.devices.cpu.routines import TranslationError
    from chainrule.runtime.devices.cpu.translate import Translation

    head = "from chainrule.runtime.devices.cpu.library import kernel, program\n"
    source = head + "@kernel\ndef f(n):\n    return f(n)\n@program\ndef step(n):\n    f(n)\n"
    with pytest.raises(TranslationError, match="f calls itself"):
        Translation(source, "file.py", "module").entry("step", [INT64])
