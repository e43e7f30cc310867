"""Native code for 64-bit ARM, written on whatever machine: its vectors have 16 bytes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import pytest

import chainrule as cr
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.targets import target
from chainrule.runtime.devices.cpu import objects
from chainrule.runtime.devices.cpu.processor import Processor

ARM = Processor("aarch64-unknown-linux-gnu", "cortex-a72", "+neon,+fp-armv8")
FROM_C = {"memset", "memcpy", "memmove", "pow"}  # a power a step, of Adam's


@cache
def assembly(dtype: str) -> str:
    """A training step of a network with a convolution and a wide layer, in ARM's instructions."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        llvm.Target.from_triple(ARM.triple)
    except RuntimeError:
        pytest.skip("this LLVM writes no code for ARM")
    layers: list[Any] = [
        *(cr.Input((9, 9, 1), dtype=dtype), cr.Conv2D(6, 3, activation="tanh")),
        *(cr.MaxPooling2D(2), cr.Flatten(), cr.Dense(67, "sigmoid"), cr.Dense(5)),
    ]
    model = cr.Sequential(layers, seed=0)
    model.compile("sparse_categorical_crossentropy_from_logits", cr.Adam(0.1), target="cpu")
    graph = model._request("train")
    program = target("cpu").emit(lower(derive(graph), "cpu"), "0" * 32)
    module = llvm.parse_assembly(objects.translate(program, "file.py", ARM))
    machine = ARM.machine
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    objects.optimize(machine, module)
    text: str = machine.emit_assembly(module)
    return text


@pytest.mark.parametrize(("dtype", "lanes"), [("float32", "4s"), ("float64", "2d")])
def test_products_are_multiply_adds_of_whole_vectors(dtype: str, lanes: str) -> None:
    blocks = re.split(r"^\.?\w+:", assembly(dtype), flags=re.MULTILINE)
    sums = [set(re.findall(rf"\tfmla\t(v\d+)\.{lanes}", block)) for block in blocks]
    assert max(map(len, sums)) >= 8, "no loop over a tile in registers"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_needs_nothing_but_the_language_c(dtype: str) -> None:
    text = assembly(dtype)
    here = set(re.findall(r"^([\w.]+):", text, re.MULTILINE))
    called = set(re.findall(r"\tbl\t\"?([\w.]+)", text))
    assert called - here <= FROM_C
