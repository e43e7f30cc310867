"""What the machine can do at most, for tables of times to be compared with.

Multiply-adds are those of `chainrule.runtime.devices.cpu.peak`. Copies are measured in several
sizes, because the state of a small network stays in a cache.

Source: Williams et al. 2009, "Roofline: an insightful visual performance model", section 3.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from chainrule.runtime.devices.cpu.peak import flops_per_second

REPEAT = 20
COPIED = (1 << 15, 1 << 19, 1 << 23, 1 << 27)  # bytes read and written: in each cache, and in none
COPY = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define void @copy(ptr %to, ptr %from, i64 %bytes, i64 %rounds) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %rounds
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""


def measure(threads: int, dtype: Literal["float32", "float64"]) -> dict[str, Any]:
    """Operations a second, and bytes a second for each size of a copy."""
    return {
        "flops": flops_per_second(dtype, threads),
        "bandwidth": {str(size): bandwidth(threads, size) for size in COPIED},
    }


def bandwidth(threads: int, size: int) -> float:
    """Bytes a second that copies read and write, at best, where so many threads share `size`."""
    half = max(size // 2 // threads, 1)
    often = max(1, (1 << 25) // size)
    copy = _native()
    arrays = [np.ones((2, half), np.uint8) for _ in range(threads)]
    calls = [partial(copy, to.ctypes.data, given.ctypes.data, half, often) for to, given in arrays]
    return 2 * half * threads * often / _fastest(calls)


def _native() -> Callable[..., object]:
    """The loop of copies: a call for each from Python would take as long as a small copy."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(COPY), machine)
    engine.finalize_object()
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2)
    entry = signature(engine.get_function_address("copy"))

    def copy(*given: object, kept: object = engine) -> object:
        return entry(*given)

    return copy


def _fastest(calls: Sequence[Callable[[], object]]) -> float:
    """The least seconds in which all calls were done, each in a thread of its own."""
    start = threading.Barrier(len(calls))
    spans = np.zeros((len(calls), REPEAT, 2))

    def work(number: int) -> None:
        for n in range(REPEAT):
            start.wait()
            begun = time.perf_counter()
            calls[number]()
            spans[number, n] = begun, time.perf_counter()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(np.min(spans[:, :, 1].max(axis=0) - spans[:, :, 0].min(axis=0)))
