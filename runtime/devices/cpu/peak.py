"""What this machine can do at most: fused multiply-adds in registers, and copies of memory.

Both are measured, once in a process: some 30 ms for each. What they are good for is a share: how
near a kernel comes to what no kernel can surpass.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np

CHAINS = 16  # sums that do not wait for each other: more than a processor can have in flight
TURNS = 2048  # of the loop in a call, which takes some 10 microseconds
CALLS = 1000
COPIED = 1 << 25  # bytes, more than a core's share of any cache
COPIES = 8


@cache
def flops_per_second(dtype: Literal["float32", "float64"] = "float32", threads: int = 1) -> float:
    """Additions and multiplications a second: a loop of multiply-adds that stays in registers.

    Args:
        dtype: of the numbers.
        threads: how many run it at once, each on a core of its own if there are so many.

    Returns:
        The sum over the threads, each at its fastest.
    """
    loop, operations = _multiply_adds(dtype)

    def best() -> float:
        return operations / min(seconds(loop) for _ in range(CALLS))

    return sum(_at_once(best, threads))


@cache
def bytes_per_second(threads: int = 1) -> float:
    """Bytes a second, those that are read and those that are written, of a copy in main memory.

    Args:
        threads: how many copy at once, each arrays of its own.

    Returns:
        The sum over the threads, each at its fastest.
    """

    def best() -> float:
        source, target = np.ones(COPIED, np.uint8), np.zeros(COPIED, np.uint8)
        return 2 * COPIED / min(seconds(lambda: np.copyto(target, source)) for _ in range(COPIES))

    return sum(_at_once(best, threads))


def seconds(work: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _at_once(measure: Callable[[], float], threads: int) -> list[float]:
    """What so many threads measure that start together."""
    if threads == 1:
        return [measure()]
    found: list[float] = []
    start = threading.Barrier(threads)

    def run() -> None:
        start.wait()
        found.append(measure())

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return found


def _multiply_adds(dtype: str) -> tuple[Callable[[], Any], int]:
    """The loop, and how many operations a call of it has."""
    from .loader import NativeLibrary
    from .objects import compile_text
    from .processor import host

    lanes = host().vector_bytes // (4 if dtype == "float32" else 8)
    library = NativeLibrary(*_compiled(compile_text(text(dtype, lanes))))
    entry, out = library.entries["multiply_adds"], np.zeros(lanes)
    address = out.ctypes.data

    def call(kept: Any = (library, out)) -> None:
        entry(address)

    return call, 2 * lanes * CHAINS * TURNS


def _compiled(found: tuple[bytes, tuple[str, ...]]) -> tuple[bytes, tuple[str], tuple[str, ...]]:
    return found[0], ("multiply_adds",), found[1]


def text(dtype: str, lanes: int) -> str:
    """`x = x * a + b` in every chain, as LLVM's text; the sum of the chains is kept."""
    from llvmlite import ir

    number: Any = ir.FloatType() if dtype == "float32" else ir.DoubleType()
    kind, place = ir.VectorType(number, lanes), ir.IntType(64)
    module = ir.Module("peak")
    pointer = ir.IntType(8).as_pointer()
    function = ir.Function(module, ir.FunctionType(place, [pointer]), "multiply_adds")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    before = builder.block
    loop, end = (function.append_basic_block(name) for name in ("loop", "end"))
    name = f"llvm.fma.v{lanes}f{32 if dtype == 'float32' else 64}"
    fma = ir.Function(module, ir.FunctionType(kind, [kind] * 3), name)
    start = builder.bitcast(function.args[0], kind.as_pointer())
    factor = builder.load(start, align=8)
    builder.branch(loop)
    builder.position_at_end(loop)
    turn, chains = builder.phi(place), [builder.phi(kind) for _ in range(CHAINS)]
    turn.add_incoming(ir.Constant(place, 0), before)
    for i, chain in enumerate(chains):
        chain.add_incoming(ir.Constant(kind, [float(i)] * lanes), before)
        chain.add_incoming(builder.call(fma, [chain, factor, factor]), loop)
    following = builder.add(turn, ir.Constant(place, 1))
    turn.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, ir.Constant(place, TURNS)), loop, end)
    builder.position_at_end(end)
    total = chains[0]
    for chain in chains[1:]:
        total = builder.fadd(total, chain)
    builder.store(total, start, align=8)
    builder.ret(ir.Constant(place, 0))
    return str(module)
