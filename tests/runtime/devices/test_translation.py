"""How a program becomes a module of LLVM code: which functions there are, and how long they are."""

from __future__ import annotations

import gc
import re
import weakref
from functools import cache

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

import chainrule as cr
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.targets import target
from chainrule.runtime.devices.cpu.kinds import FLOAT32, INT64, ArrayKind
from chainrule.runtime.devices.cpu.objects import compile_text, translate
from chainrule.runtime.devices.cpu.translate import Translation
from chainrule.runtime.devices.cpu.vectors import everywhere, zeros

HEAD = "from chainrule.runtime.devices.cpu.library import *\n"


@cache
def functions(depth: int) -> dict[str, str]:
    """The functions for a training step of so many equal layers, by name."""
    layers = [cr.Dense(8, "tanh") for _ in range(depth)]
    model = cr.Sequential([cr.Input((8,)), *layers, cr.Dense(3)])
    model.compile("sparse_categorical_crossentropy_from_logits", cr.Adam(), metrics=["accuracy"])
    program = target("cpu").emit(lower(derive(model._request("train")), "cpu"), "0" * 32)
    return defined(translate(program, "file.py"))


def defined(text: str) -> dict[str, str]:
    found = re.findall(r'^define [^\n]*?@"([\w.]+)"\(.*?^}', text, re.M | re.S)
    bodies = re.findall(r"^define .*?^}", text, re.M | re.S)
    return dict(zip(found, bodies, strict=True))


def test_equal_layers_share_their_kernels() -> None:
    first, second = (
        [body.count("\n") for name, body in functions(depth).items() if name.startswith("chain")]
        for depth in (5, 9)
    )
    assert len(first) > 5
    assert first == second


def test_a_step_grows_by_the_same_for_each_layer() -> None:
    """And an epoch passes its arguments on in blocks, however many they are."""
    steps = [functions(depth)["step"].count("\n") for depth in (5, 7, 9)]
    assert steps[2] - steps[1] == steps[1] - steps[0] > 0
    stores = [functions(depth)["epoch"].count("store ") for depth in (5, 9)]
    assert stores[0] == stores[1] < 20


def test_kernels_that_an_entry_point_calls_stand_alone() -> None:
    for name, body in functions(5).items():
        if not name.startswith(("product", "tile", "transposed", "chainrule.body_loop")):
            alone = name.startswith(("chainrule_k", "chainrule.body", "chainrule_note_fault"))
            assert ("noinline" in body.splitlines()[0]) == alone


def test_known_sizes_are_constants_and_others_are_arguments() -> None:
    source = (
        HEAD + "@kernel\ndef f(x, y):\n    for i in range(x.shape[0]):\n"
        "        for j in range(x.shape[1]):\n            y[i, j] = x[i, j]\n"
        "@program\ndef step(n, x, y):\n    f(x, y)\n    f(view(x, (n, 4)), view(y, (n, 4)))\n"
    )
    translation = Translation(source, "file.py", "module")
    translation.entry("step", [INT64, *[ArrayKind(FLOAT32, (None, 3))] * 2])
    found = defined(str(translation.module))
    assert {*found} == {"step", "chainrule_f", "chainrule_f.1"}
    for name, size in (("chainrule_f", 3), ("chainrule_f.1", 4)):
        head, body = found[name].split("\n", 1)
        assert head.count("ptr noalias") == head.count("i64") == 2
        assert f", {size}" in body


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loops_are_vector_code(dtype: str) -> None:
    """Sums, exponentials and products: each loop works on several elements at a time."""
    import llvmlite.binding as llvm

    source = (
        HEAD + "@kernel\ndef f(x, y):\n    total = f64(0.0)\n    for i in range(1024):\n"
        "        total = accumulate(total, f64(x[i]))\n        y[i] = exp(x[i]) * x[i]\n"
        "    y[0] = total\n@program\ndef step(x, y):\n    f(x, y)\n"
    )
    from chainrule.runtime.devices.cpu import objects
    from chainrule.runtime.devices.cpu.kinds import NUMBERS
    from chainrule.runtime.devices.cpu.processor import host

    translation = Translation(source, "file.py", "module")
    translation.entry("step", [ArrayKind(NUMBERS[dtype], (1024,))] * 2)
    machine, module = host().machine, llvm.parse_assembly(str(translation.module))
    objects.optimize(machine, module)
    vectors = r"<\d+ x (float|double)>"
    assert re.search(f"fadd reassoc {vectors}", str(module))
    assert re.search(f"fmul {vectors}", str(module))


def test_the_same_text_makes_the_same_bytes() -> None:
    source = HEAD + "@program\ndef step(x):\n    x[0] = tanh(x[0])\n"

    def made() -> bytes:
        translation = Translation(source, "file.py", "module")
        translation.entry("step", [ArrayKind(FLOAT32, (1,))])
        return compile_text(str(translation.module))[0]

    assert made() == made()
    assert np.frombuffer(made(), np.uint8).size > 100


def test_nothing_is_left_of_a_module_but_its_text() -> None:
    """Else it would be there while LLVM compiles, until somebody looks for garbage."""
    source = HEAD + (
        "@kernel\ndef f(x, y):\n    total = f32(0)\n    for i in range(9):\n"
        "        total = total + x[i]\n    y[0] = total\n"
        "@program\ndef step(x, y):\n    f(x, y)\n"
    )
    translation = Translation(source, "file.py", "module")
    translation.entry("step", [ArrayKind(FLOAT32, (9,))] * 2)
    text, function = str(translation.module), translation.names["f"]
    blocks = [weakref.ref(x) for f in translation.module.functions for x in f.blocks]
    uncollected = [*blocks, weakref.ref(function)]
    del function
    gc.disable()
    try:
        assert translation.finished() == text
        del translation
        assert [x() for x in uncollected] == [None] * len(uncollected)
    finally:
        gc.enable()
    assert len(blocks) > 4


def test_uniform_vectors_are_a_word() -> None:
    eight = ir.VectorType(ir.FloatType(), 8)
    assert str(zeros(eight)) == "<8 x float> zeroinitializer"
    builder = ir.IRBuilder(
        ir.Function(ir.Module(), ir.FunctionType(eight, []), "f").append_basic_block()
    )
    builder.ret(everywhere(builder, ir.Constant(ir.FloatType(), 2.0), 8))
    text = str(builder.module)
    assert "<8 x float> undef, float 0x4000000000000000, i32 0" in text
    llvm.parse_assembly(text).verify()
