"""Loops over elementary functions are vector code, on whatever machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from tests.accuracy.functions import FLOATS, ROWS, C, errors, every_exponent, native, truth

from chainrule.runtime.cache import Cache
from chainrule.runtime.devices import load
from chainrule.runtime.devices.cpu import objects

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


def optimized(name: str, dtype: str) -> str:
    """LLVM's text of the loop over one function."""
    module = llvm.parse_assembly(objects.translate(native(name, dtype).program, "file.py"))
    machine = objects._machine()
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    objects.optimize(machine, module)
    (kernel,) = (f for f in module.functions if f.name == "chainrule_k1")
    return str(kernel)


@pytest.mark.parametrize(("name", "dtype"), OURS)
def test_a_loop_over_a_function_is_vector_code(name: str, dtype: str) -> None:
    text = optimized(name, dtype)
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
    here = llvm.get_process_triple()
    if not here.startswith("x86_64"):
        pytest.skip("these are processors of another family")
    if processor == "haswell" and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("this processor is older")
    objects._machine()
    older: Any = llvm.Target.from_triple(here).create_target_machine(
        cpu=processor, features="", opt=3, reloc="pic", codemodel="default"
    )
    monkeypatch.setattr(objects, "_machine", lambda: older)
    x = every_exponent(dtype, 2)
    (came,) = load(native(name, dtype).program, Cache.open(tmp_path)).call(x)
    assert max(errors(came, truth(name, x))) <= ROWS[name].bound[FLOATS.index(dtype)]
