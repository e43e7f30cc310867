"""Matrix products of target `cpu` beside those of the BLAS that SciPy carries, on one thread.

Both are called in a loop of native code, in turn, for two milliseconds at a time; of the processor
time of each the least is told. A product of m x k and k x n numbers has 2 m k n operations.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import Dim, TensorType, symbol
from chainrule.runtime.devices.cpu.binding import block, words
from chainrule.runtime.devices.cpu.loader import NativeLibrary
from chainrule.runtime.devices.cpu.objects import compile_text, translate
from chainrule.runtime.devices.cpu.peak import flops_per_second

from .arguments import duration
from .tables import show

ROUND = 2e-3  # seconds
OURS = """from chainrule.runtime.devices.cpu.library import matmul, matmul_nt, matmul_tn, program


@program
def step(rounds, batch, a, b, out, fault):
    for turn in range(rounds):
        for i in range({count}):
            matmul{kind}(a[i], b[i], out[i])
"""
# A C-contiguous matrix is its transpose to BLAS, so that `out' = b' a'` is asked for.
BLAS = """
declare void @scipy_linalg_cython_blas__{letter}gemm(
  ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr)
define i64 @step(ptr %words) {{
entry:
  {loads}
  br label %turn
turn:
  %r = phi i64 [ 0, %entry ], [ %r1, %next ]
  br label %one
one:
  %i = phi i64 [ 0, %turn ], [ %i1, %one ]
  %ao = mul i64 %i, %w2
  %bo = mul i64 %i, %w3
  %co = mul i64 %i, %w4
  %a = getelementptr i8, ptr %p5, i64 %ao
  %b = getelementptr i8, ptr %p6, i64 %bo
  %c = getelementptr i8, ptr %p7, i64 %co
  call void @scipy_linalg_cython_blas__{letter}gemm(
    ptr %p8, ptr %p9, ptr %p10, ptr %p11, ptr %p12, ptr %p13, ptr %b, ptr %p14, ptr %a, ptr %p15,
    ptr %p16, ptr %c, ptr %p10)
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %w1
  br i1 %more, label %one, label %next
next:
  %r1 = add i64 %r, 1
  %again = icmp slt i64 %r1, %w0
  br i1 %again, label %turn, label %end
end:
  ret i64 0
}}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """`count` products of m x k and k x n numbers.

    Attributes:
        m: rows of the result.
        n: columns of the result.
        k: how many products an element of it is the sum of.
        kind: which operand lies transposed: `_tn` the left one, `_nt` the right one.
        open: the size that is not known when it is compiled, as that of a batch.
        count: how many products in a row.
    """

    m: int
    n: int
    k: int
    kind: str = ""
    open: str = ""
    count: int = 1

    def __str__(self) -> str:
        often = f"{self.count} of " if self.count > 1 else ""
        left = f"({self.k} x {self.m})ᵀ" if self.kind == "_tn" else f"{self.m} x {self.k}"
        right = f"({self.n} x {self.k})ᵀ" if self.kind == "_nt" else f"{self.k} x {self.n}"
        return f"{often}{left} by {right}"


CASES = (
    *(Case(n, n, n) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)),
    Case(64, 128, 784, open="m"),
    Case(784, 128, 64, "_tn", open="k"),
    Case(64, 784, 128, "_nt", open="m"),
    *(Case(256, 1024, 1024, kind, open="m") for kind in ("", "_nt")),
    Case(1024, 1024, 256, "_tn", open="k"),
    *(Case(512, 4096, 4096, kind, open="m") for kind in ("", "_nt")),
    Case(4096, 4096, 512, "_tn", open="k"),
    Case(32, 32, 64, open="m"),
    Case(32, 256, 64, open="m"),
    Case(64, 10, 128, open="m"),
    Case(64, 128, 10, "_nt", open="m"),
    Case(128, 10, 64, "_tn", open="k"),
    *(Case(16, 16, 16, kind, count=256) for kind in ("", "_tn", "_nt")),
    *(Case(m, 128, 784, open="m") for m in (1, 2, 4, 8)),
)


def measured(case: Case, dtype: str, seconds: float) -> tuple[float, float]:
    """Seconds of processor time, ours and those of BLAS."""
    random, (m, n, k), c = np.random.default_rng(0), (case.m, case.n, case.k), case.count
    a = random.normal(size=(c, k, m) if case.kind == "_tn" else (c, m, k)).astype(dtype)
    b = random.normal(size=(c, n, k) if case.kind == "_nt" else (c, k, n)).astype(dtype)
    found = [np.empty((c, m, n), dtype) for _ in range(2)]
    calls = [ours(case, a, b, found[0]), blas(case, a, b, found[1])]
    for call in calls:
        call(1)
    np.testing.assert_allclose(found[0], found[1], 1e-3, 1e-2 if dtype == "float32" else 1e-8)
    rounds = max(1, int(ROUND * 6e10 / (2 * m * n * k * c)))
    best, end = [np.inf, np.inf], time.perf_counter() + seconds
    while time.perf_counter() < end or not np.isfinite(best).all():
        for i, call in enumerate(calls):
            start = time.thread_time()
            call(rounds)
            best[i] = min(best[i], (time.thread_time() - start) / rounds)
    return best[0], best[1]


def ours(case: Case, a: Any, b: Any, out: Any) -> Callable[[int], object]:
    """A loop over our products."""
    sizes: dict[str, Dim] = {"m": case.m, "n": case.n, "k": case.k}
    if case.open:
        sizes[case.open] = symbol("batch")
    shapes = ("km" if case.kind == "_tn" else "mk"), ("nk" if case.kind == "_nt" else "kn"), "mn"
    buffers = tuple(
        Buffer(name, "input", TensorType(str(a.dtype), (case.count, *(sizes[x] for x in shape))))
        for name, shape in zip(("a", "b", "out"), shapes, strict=True)
    )
    source = OURS.format(count=case.count, kind=case.kind)
    names = ("rounds", "batch")
    program = Program("products", "cpu", source, buffers, (), names, None, (), (), "0")
    batch = getattr(case, case.open) if case.open else 0
    given = [0, batch, *words(a), *words(b), *words(out), *words(np.zeros(3, np.int64))]
    return called(compile_text(translate(program, "products")), given, (a, b, out))


def blas(case: Case, a: Any, b: Any, out: Any) -> Callable[[int], object]:
    """A loop over those of BLAS."""
    letter = "s" if a.dtype == np.float32 else "d"
    letters = np.frombuffer(b"NT", np.uint8)
    whole = np.array([case.n, case.m, case.k, b.shape[2], a.shape[2]], np.int32)
    real = np.array([1, 0], a.dtype)
    left, right = (letters[int(case.kind == kind) :] for kind in ("_tn", "_nt"))
    arrays = (
        a,
        b,
        out,
        right,
        left,
        whole,
        whole[1:],
        whole[2:],
        real,
        whole[3:],
        whole[4:],
        real[1:],
    )
    given = [0, case.count, *(x[0].nbytes for x in (a, b, out)), *(x.ctypes.data for x in arrays)]
    loads = [
        f"%a{i} = getelementptr i64, ptr %words, i64 {i}\n  "
        + (f"%w{i} = load i64, ptr %a{i}" if i < 5 else f"%p{i} = load ptr, ptr %a{i}")
        for i in range(len(given))
    ]
    text = BLAS.format(letter=letter, loads="\n  ".join(loads))
    return called(compile_text(text), given, arrays)


def called(
    code: tuple[bytes, tuple[str, ...]], given: list[int], kept: tuple[Any, ...]
) -> Callable[[int], object]:
    """What calls native code for a number of rounds, its first word."""
    library, packed = NativeLibrary(code[0], ["step"], code[1]), block(given)

    def call(rounds: int, kept: Any = (library, kept)) -> object:
        packed[0] = rounds
        return library.entries["step"](ctypes.addressof(packed))

    return call


HEAD = ("product", "µs", "of the peak", "BLAS, µs", "of the peak", "times as fast")


def rows(dtype: Literal["float32", "float64"], seconds: float) -> Iterator[tuple[str, ...]]:
    """The table."""
    peak = flops_per_second(dtype, 1)
    for case in CASES:
        mine, other = measured(case, dtype, seconds)
        shares = [2 * case.m * case.n * case.k * case.count / x / peak for x in (mine, other)]
        texts = f"{mine * 1e6:,.2f}", f"{shares[0]:.0%}", f"{other * 1e6:,.2f}", f"{shares[1]:.0%}"
        yield str(case), *texts, f"{other / mine:.2f}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--seconds", type=duration, default=1.0, help="for each product")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Measure and print."""
    table = [HEAD, *rows(given.dtype, given.seconds)]
    show(f"Products of {given.dtype} on one thread", table, given.markdown)
