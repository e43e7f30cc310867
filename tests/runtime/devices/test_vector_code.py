"""Loops of kernels are vector code, on whatever machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from tests.accuracy.functions import FLOATS, ROWS, C, N, errors, every_exponent, native, truth

from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import Dim, TensorType
from chainrule.runtime.cache import Cache
from chainrule.runtime.devices import load
from chainrule.runtime.devices.cpu import objects, translate
from chainrule.runtime.devices.cpu.processor import Processor, host
from chainrule.runtime.devices.cpu.rolled import stays_rolled

# Functions of float32 that are computed in float64.
WIDE = ("sin", "cos", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh")
OURS = [
    (name, dtype)
    for name, row in ROWS.items()
    for dtype, bound in zip(FLOATS, row.bound, strict=True)
    if bound != C
]


def lanes(dtype: str) -> int:
    """How many numbers this machine's vectors hold."""
    features = llvm.get_host_cpu_features()
    bits = next((b for name, b in (("avx512f", 512), ("avx", 256)) if features.get(name)), 128)
    return bits // np.dtype(dtype).itemsize // 8


def optimized(program: Program) -> str:
    """LLVM's text of its one kernel."""
    module = llvm.parse_assembly(objects.translate(program, "file.py"))
    machine = host().machine
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    objects.optimize(machine, module)
    (kernel,) = (f for f in module.functions if f.name == "chainrule_k1")
    return str(kernel)


@pytest.mark.parametrize(("name", "dtype"), OURS)
def test_a_loop_over_a_function_is_vector_code(name: str, dtype: str) -> None:
    text = optimized(native(name, dtype).program)
    computed = "float64" if name in WIDE else dtype
    kind = {"float32": "float", "float64": "double"}[computed]
    assert f"<{lanes(computed)} x {kind}>" in text
    called = set(re.findall(r"call [^@]*@([\w.]+)", text))
    assert all(function.startswith("llvm.") for function in called), called


@pytest.mark.parametrize("processor", ["x86-64", "haswell"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "erf", "erfc", "sin"])
def test_older_processors_compute_the_same(
    name: str, dtype: str, processor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without AVX-512, and without fused multiply-adds."""
    here = host().triple
    if not here.startswith("x86_64"):
        pytest.skip("these are processors of another family")
    if processor == "haswell" and not host().has("avx2"):
        pytest.skip("this processor is older")
    older = Processor(here, processor, "+avx,+avx2,+fma" if processor == "haswell" else "")
    for module in (objects, translate):
        monkeypatch.setattr(module, "host", lambda: older)
    x = every_exponent(dtype, 2)
    (came,) = load(native(name, dtype).program, Cache.open(tmp_path)).call(x)
    assert max(errors(came, truth(name, x))) <= ROWS[name].bound[FLOATS.index(dtype)]


def program(body: str, **arrays: tuple[str, tuple[Dim, ...]]) -> Program:
    """A kernel with this body; all arrays but the last are given."""
    *given, made = (Buffer(name, "input", TensorType(*kind)) for name, kind in arrays.items())
    buffers = (*given, Buffer(made.name, "output", made.type))
    names = ", ".join(("n", *arrays, "fault"))
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    source = f"""from chainrule.runtime.devices.cpu.library import *


@kernel
def k1({names}):
{lines}

@program
def step({names}):
    k1({names})
"""
    return Program("loops", "cpu", source, buffers, (), ("n",), None, (), (), "0")


F32, I32 = ("float32", (N,)), ("int32", (N,))
LOOPS = {
    "a sum of float32 in float64": (
        """
total = f64(0.0)
for i in range(n):
    total = accumulate(total, f64(x[i]))
y[0] = f32(total)""",
        {"x": F32, "y": F32},
        "double",
    ),
    "a maximum": (
        """
largest = f32(-inf)
for i in range(n):
    largest = maximum(largest, x[i] + f32(1.0))
y[0] = largest""",
        {"x": F32, "y": F32},
        "float",
    ),
    "a maximum of what a mask leaves": (
        """
largest = f32(-inf)
for i in range(n):
    largest = maximum(largest, where(t[i] > i32(0), x[i], f32(-inf)))
y[0] = largest""",
        {"t": I32, "x": F32, "y": F32},
        "float",
    ),
    "integers made floats": (
        """
for i in range(n):
    y[i] = f32(t[i]) * f32(0.5)""",
        {"t": I32, "y": F32},
        "float",
    ),
    "positions compared": (
        """
for i in range(n):
    y[i] = f32(i32(i) == t[i]) - x[i]""",
        {"t": I32, "x": F32, "y": F32},
        "float",
    ),
    "a choice": (
        """
for i in range(n):
    y[i] = where(x[i] > f32(0.0), x[i] * x[i], f32(0.0))""",
        {"x": F32, "y": F32},
        "float",
    ),
}


@pytest.mark.parametrize("case", LOOPS)
def test_a_loop_is_vector_code(case: str) -> None:
    body, arrays, kind = LOOPS[case]
    assert re.search(rf"<\d+ x {kind}>", optimized(program(body, **arrays)))


ROWS_OF_TEN = """
for i in range(n):
    largest = f32(-inf)
    for j in range(10):
        largest = maximum(largest, x[i, j])
    total = f64(0.0)
    for j in range(10):
        power = exp(x[i, j] - largest)
        y[i, j] = power
        total = accumulate(total, f64(power))
    for j in range(10):
        y[i, j] = y[i, j] / f32(total)
"""


def test_short_rows_are_vector_code() -> None:
    """Nothing is computed element by element, whatever the rows' length."""
    text = optimized(program(ROWS_OF_TEN, x=("float32", (N, 10)), y=("float32", (N, 10))))
    assert len(re.findall(r"fdiv float|fmuladd\.f32\(", text)) == 0
    assert re.search(r"fdiv <\d+ x float>", text)


WINDOWS = """
for i in range(n):
    total = x[i, 0]
    for u in range({rows}):
        for v in range({columns}):
            total = maximum(total, x[i, u] * x[i, v])
    y[i] = total
"""


@pytest.mark.parametrize(
    ("rows", "columns", "count"), [(3, 3, 2), (4, 4, 2), (4, 30, 0), (30, 4, 1)]
)
def test_how_many_loops_are_written_out(rows: int, columns: int, count: int) -> None:
    """Both, the inner one, or none."""
    body = WINDOWS.format(rows=rows, columns=columns)
    made = program(body, x=("float64", (N, 40)), y=("float64", (N,)))
    text = objects.translate(made, "file.py")
    (option,) = re.findall(r'(!\d+) = !{ !"llvm.loop.unroll.full" }', text) or [""]
    assert len(re.findall(rf"= distinct !{{ !\d+, {option} }}", text)) == count


def test_what_is_written_out_is_vector_code() -> None:
    """The loop around it has no loop inside then."""
    text = optimized(
        program(WINDOWS.format(rows=3, columns=3), x=("float64", (N, 9)), y=("float64", (N,)))
    )
    assert re.search(r"<\d+ x double>", text)


def test_short_rows_give_what_long_ones_give() -> None:
    random = np.random.default_rng(0)
    for length in (3, 5, 8, 10, 16, 17, 20, 31, 32):
        text = ROWS_OF_TEN.replace("10", str(length))
        kind = ("float32", (N, length))
        x = random.normal(size=(5, length)).astype("float32")
        x[3, length // 2], x[4, 0] = np.nan, np.inf
        (came,) = load(program(text, x=kind, y=kind)).call(x)
        with np.errstate(invalid="ignore"):
            wide = np.exp((x - x.max(axis=1, keepdims=True)).astype("float64"))
        np.testing.assert_allclose(came, wide / wide.sum(axis=1, keepdims=True), 1e-6, 1e-7)


@pytest.mark.parametrize(
    ("body", "iterations", "around", "rolled"),
    [
        ("y[j] = x[j]", 10, "i", True),
        ("y[j] = x[j]", 20, "i", False),
        ("y[j] = x[j]", 4, "i", False),
        ("s = accumulate(s, x[j])", 20, "i", True),
        ("s = accumulate(s, x[j])", 32, "i", False),
        ("y[j] = y[j] + x[i, j]", 10, "i", False),
        ("y[j] += x[i, j]", 10, "i", False),
        ("y[j] = y[j] + x[j]", 10, None, True),
        ("y[i, j] = y[i, j] + x[i, j]", 10, "i", True),
        ("y[k, j] = y[k, j] + x[i, j]", 10, "i", False),
        ("if x[j] > s:\n        s = x[j]", 10, "i", False),
    ],
)
def test_which_short_loops_stay_loops(
    body: str, iterations: int, around: str | None, rolled: bool
) -> None:
    (node,) = ast.parse(f"for j in range({iterations}):\n    {body}\n").body
    assert isinstance(node, ast.For)
    assert stays_rolled(node, iterations, around) == rolled


SIDE_BY_SIDE = """
for first in prange(0, n, 32):
    last = min(first + 32, n)
    columns = local_array((10, 32), f32)
    transposed(x[first:last], columns)
    for i in range(first, last):
        largest = f32(-inf)
        for j in range(10):
            largest = maximum(largest, columns[j, i - first])
        total = f64(0.0)
        for j in range(10):
            total = accumulate(total, f64(exp(columns[j, i - first] - largest)))
        y[i] = largest + log(f32(total))
"""


def test_rows_side_by_side_are_vector_code(capfd: pytest.CaptureFixture[str]) -> None:
    """All of it: the loops over columns are written out, and no rows are left over."""
    kernel = program(SIDE_BY_SIDE, x=("float32", (N, 10)), y=("float32", (N,)))
    module = llvm.parse_assembly(objects.translate(kernel, "file.py"))
    objects.optimize(host().machine, module)
    (body,) = (str(f) for f in module.functions if f.name.startswith("chainrule.body"))
    assert re.search(r"fsub <\d+ x float>", body)
    if host().has_masks:
        assert not re.search(r"fsub float", body)
    x = np.random.default_rng(0).normal(size=(45, 10)).astype("float32")
    (came,) = load(kernel).call(x)
    np.testing.assert_allclose(came, np.log(np.exp(x).sum(axis=1)), 1e-6)
    assert capfd.readouterr().err == ""
