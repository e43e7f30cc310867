"""How long the kernels of a program take: steps with a clock around kernels, again and again."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from chainrule.compiler.program import Program

from ...cache import Cache
from ...threads import get_num_threads
from ..base import Array, Executable
from .binding import Binding
from .choice import GAIN
from .clock import TABLE, TICKS
from .loader import NativeLibrary
from .openblas import one_thread
from .pool import team
from .pool_code import TEAM

WARM = 3  # steps before any is timed
FEWEST, MOST = 5, 2000  # steps that are timed
SECONDS = 0.25  # after which no more are, unless there are too few


@dataclass(frozen=True, slots=True)
class Site:
    """A call of a kernel in the text: where, what, and medians over steps.

    Attributes:
        caller: the step that calls it, of the program or of a loop in it.
        kernel: the name of the function.
        calls: in a step.
        seconds: of all of them together, in a step.
    """

    caller: str
    kernel: str
    calls: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians over steps.

    Attributes:
        seconds: of a step: of its kernels, and of what is between them.
        steps: how many were timed.
        threads: how many there were.
        sites: the calls in it, in order.
    """

    seconds: float
    steps: int
    threads: int
    sites: tuple[Site, ...]


def timed(executable: Executable, arrays: Sequence[Array], cache: Cache) -> Timing:
    """Time the kernels of a program on one thread, or on all if that is clearly faster.

    Args:
        executable: who checks the arrays and says what is wrong.
        arrays: as for a call. None is changed: steps run on copies of what they update.
        cache: where the program's source is.

    Raises:
        ChainruleError: the arrays do not fit, or a step finds a fault.
    """
    sizes = executable.bind(arrays)
    given = [
        np.array(array, order="C") if buffer.role in ("param", "state") else array
        for buffer, array in zip(executable.given, arrays, strict=True)
    ]
    library, sites = _load(executable.program, cache)
    binding = Binding(executable.program, sizes)
    if not binding.take(given):
        raise AssertionError("arrays that fit the program do not fit its binding")
    with one_thread() if library.imports else nullcontext():
        alone = _timed(executable, binding, library, sites, 1)
        if get_num_threads() == 1:
            return alone
        together = _timed(executable, binding, library, sites, get_num_threads())
    return together if together.seconds < GAIN * alone.seconds else alone


def _timed(
    executable: Executable,
    binding: Binding,
    library: NativeLibrary,
    sites: Sequence[tuple[str, str]],
    threads: int,
) -> Timing:
    """Medians with so many threads."""
    address = library.entries[TABLE](None)
    table = (ctypes.c_int64 * (2 * len(sites))).from_address(address)
    step, variable = library.entries["step"], library.addresses[TEAM]
    found: list[Array] = []
    whole: list[float] = []
    begin = ticks = 0.0
    with team().helping(threads) as helpers:
        ctypes.c_void_p.from_address(variable).value = helpers
        for number in range(WARM + MOST):
            if number == WARM:
                begin, ticks = time.perf_counter(), library.entries[TICKS](None)
            elif number >= WARM + FEWEST and time.perf_counter() - begin > SECONDS:
                break
            binding.renew()
            table[:] = [0] * len(table)
            start = time.perf_counter()
            step(binding.address)
            whole.append(time.perf_counter() - start)
            if binding.fault[0]:
                raise executable.fault(*binding.cleared())
            binding.results()
            found.append(np.array(table[:], np.float64))
    second = (library.entries[TICKS](None) - ticks) / (time.perf_counter() - begin)
    calls, seconds = np.array(found[WARM:]).reshape(-1, len(sites), 2).transpose(2, 0, 1)
    seconds = seconds / second
    outer = [place for place, (caller, _) in enumerate(sites) if caller == "step"]
    # A step that waits for the processor waits in some kernel: medians of parts do not have that.
    rest = np.median(np.array(whole[WARM:]) - seconds[:, outer].sum(axis=1))
    middle = np.median(seconds, axis=0)
    return Timing(
        float(max(rest, 0.0) + middle[outer].sum()),
        len(whole) - WARM,
        threads if helpers else 1,
        tuple(
            Site(caller, kernel, number, passed)
            for (caller, kernel), number, passed in zip(
                sites, np.median(calls, axis=0).tolist(), middle.tolist(), strict=True
            )
        ),
    )


def _load(program: Program, cache: Cache) -> tuple[NativeLibrary, list[tuple[str, str]]]:
    """The program's step with a clock in it."""
    from .objects import compile_text, translate_with_clock

    text, sites = translate_with_clock(program, str(cache.source_path(program)))
    code, imports = compile_text(text)
    return NativeLibrary(code, ("step", TABLE, TICKS), imports, (TEAM,)), sites
