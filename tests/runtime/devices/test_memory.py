"""What compiling needs is given back when the object code is made, which takes no memory itself."""

from __future__ import annotations

import gc
import linecache
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.targets import target
from chainrule.compiler.types import TensorType
from chainrule.runtime.cache import Cache
from chainrule.runtime.devices.cpu.objects import compile_program, translate

STATM = Path("/proc/self/statm")
HEAD = "from chainrule.runtime.devices.cpu.library import exp, f64, kernel, program\n"
KERNEL = """
@kernel
def k{name}(x, y):
    for i in range(8):
        y[i] = y[i] + exp(x[i] * f64({factor}))
"""


def small(number: int) -> Program:
    """Four kernels whose constants nobody else has."""
    kernels = "".join(KERNEL.format(name=k, factor=number + k / 4) for k in range(4))
    calls = "".join(f"    k{k}(x, y)\n" for k in range(4))
    source = f"{HEAD}{kernels}\n@program\ndef step(x, y, fault):\n{calls}"
    kind = TensorType("float64", (8,))
    buffers = (Buffer("x", "input", kind), Buffer("y", "output", kind))
    return Program("small", "cpu", source, buffers, (), (), None, (), (), f"{number:032}")


def resident() -> float:
    """Memory of the process, in megabytes."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not STATM.exists(), reason="only Linux tells its memory here")
def test_a_process_does_not_grow_with_what_it_compiles(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(3):
        compile_program(small(number), cache)
    before, count = resident(), 10
    for number in range(3, 3 + count):
        compile_program(small(number), cache)
    # All that is made for one of these is 2 MB.
    assert (resident() - before) / count < 0.7


def test_no_module_is_left(tmp_path: Path) -> None:
    before, lines = set(sys.modules), set(linecache.cache)
    compile_program(small(100), Cache(tmp_path))
    assert not [name for name in set(sys.modules) - before if "generated" in name]
    assert not [name for name in set(linecache.cache) - lines if str(tmp_path) in name]


def test_two_threads_may_compile_one_program(tmp_path: Path) -> None:
    codes: list[bytes] = []
    cache, asked = Cache(tmp_path), small(200)
    threads = [
        threading.Thread(target=lambda: codes.append(compile_program(asked, cache)[0]))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == len(threads)
    assert np.ptp([len(code) for code in codes]) == 0


NETWORKS: dict[str, list[Any]] = {
    "dense": [cr.Input((300,)), cr.Dense(400, "tanh"), cr.Dropout(0.3), cr.Dense(5)],
    "images": [
        *(cr.Input((12, 12, 1)), cr.Conv2D(6, 3, activation="relu"), cr.MaxPooling2D(2)),
        *(cr.BatchNormalization(), cr.Flatten(), cr.Dense(5)),
    ],
    "steps": [cr.Input((9, 4)), cr.LSTM(12), cr.Dense(5)],
    "words": [
        *(cr.Input((9,), dtype="int32"), cr.Embedding(50, 12, sparse=True)),
        *(cr.GlobalAveragePooling1D(), cr.Dense(5)),
    ],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_epoch_calls_nobody_and_takes_no_memory(name: str) -> None:
    """Its code knows no function but its own and LLVM's, and frames do not grow in loops."""
    model = cr.Sequential(NETWORKS[name])
    model.compile("sparse_categorical_crossentropy_from_logits", cr.Adam(), metrics=["accuracy"])
    program = target("cpu").emit(lower(derive(model._request("train")), "cpu"), "0" * 32)
    text = translate(program, "file.py")
    declared = set(re.findall(r'^declare [^\n]*?@"?([\w.]+)"?\(', text, re.M))
    assert declared
    assert all(function.startswith("llvm.") for function in declared), declared
    for body in re.findall(r"^define .*?^}", text, re.M | re.S):
        blocks = re.split(r'^"?[\w.]+"?:\s*$', body, flags=re.M)
        assert not any(" alloca " in block for block in blocks[2:]), body
