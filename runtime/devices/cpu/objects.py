"""From a program's source to native object code, and what the object expects of a process."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any

import llvmlite.binding as llvm

from chainrule.compiler.errors import UsageError
from chainrule.compiler.program import Buffer, Program

from ... import threads
from ...cache import Cache
from .clock import Clock
from .kinds import FLOAT64, INT64, NUMBERS, ArrayKind, Kind
from .loader import EXTERNAL, framed
from .parallel import team_variable
from .pieces import pieces
from .processor import Processor, host
from .routines import TranslationError
from .translate import Translation

FAULT = ArrayKind(INT64, (3,))
ORDER = ArrayKind(INT64, (None,))
TOTALS = ArrayKind(FLOAT64, (None,))


def _argument(buffer: Buffer) -> ArrayKind:
    """A buffer as an argument: scratch is flat, and what has no axes has one element."""
    dims = (buffer.type.size,) if buffer.role == "scratch" else buffer.type.shape or (1,)
    known = tuple(dim if isinstance(dim, int) else None for dim in dims)
    return ArrayKind(NUMBERS[buffer.type.dtype], known)


def signatures(program: Program) -> dict[str, tuple[Kind, ...]]:
    """The types of the arguments of the entry points."""
    sizes = (INT64,) * len(program.sizes)
    buffers = tuple(map(_argument, program.buffers))
    found: dict[str, tuple[Kind, ...]] = {"step": (*sizes, *buffers, FAULT)}
    if program.batch is not None:
        found["epoch"] = (INT64, INT64, INT64, ORDER, *sizes, TOTALS, *buffers, FAULT)
    return found


def compile_program(program: Program, cache: Cache) -> tuple[bytes, tuple[str, ...]]:
    """Object code, and the symbols that it takes from SciPy.

    What cannot be compiled is our mistake, not the user's.
    """
    file = str(cache.source_path(program))
    try:
        parts = pieces(translate(program, file))
        count = min(len(parts), threads.get_num_threads())
        if count == 1:
            compiled = list(map(compile_text, parts))
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(count, "chainrule-compiler") as team:
                compiled = list(team.map(compile_text, parts))
        imports = sorted({name for _, names in compiled for name in names})
        return b"".join(code for code, _ in compiled), tuple(imports)
    except (TranslationError, RuntimeError) as error:  # LLVM's, of several lines
        raise UsageError(
            f"the native code of {program.name} cannot be compiled",
            " ".join(str(error).split()),
            f"this is a defect of chainrule: please report it with {file}",
        ) from None


def translate(program: Program, file: str, processor: Processor | None = None) -> str:
    """A program as LLVM's text, with vectors for a processor: by default the host's."""
    translation = Translation(program.source, file, program.name, processor)
    for name, kinds in signatures(program).items():
        translation.entry(name, kinds)
    team_variable(translation.module).linkage = ""  # which the process sets
    return translation.finished()


def translate_with_clock(program: Program, file: str) -> tuple[str, list[tuple[str, str]]]:
    """A program's step with a clock around the calls of kernels; callers and kernels of the calls.

    The module has the entry points `step`, `clock_table` and `clock_ticks`.
    """
    cycles = host().triple.startswith(("x86_64", "i686"))
    clock = partial(Clock, cycles=cycles)
    translation = Translation(program.source, file, program.name, clock=clock)
    translation.entry("step", signatures(program)["step"])
    team_variable(translation.module).linkage = ""
    assert translation.clock is not None
    return str(translation.module), translation.clock.sites


def compile_text(
    text: str, processor: Processor | None = None, level: int = 1
) -> tuple[bytes, tuple[str, ...]]:
    """Object code from LLVM's text, optimized; at level 0 functions are inlined that must be."""
    machine = (processor or host()).machine
    module = llvm.parse_assembly(text, llvm.create_context())
    try:
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        optimize(machine, module, level)
        imports = sorted(
            function.name
            for function in module.functions
            if function.is_declaration and function.name.startswith(EXTERNAL)
        )
        return framed(_emitted(machine, module)), tuple(imports)
    finally:
        module.close()


def _unlocked(name: str) -> Any:
    """A function of LLVM's, for which nobody waits.

    llvmlite lets one thread at a time into LLVM. Threads that have contexts and machines of their
    own do not meet there.
    """
    function = getattr(llvm.ffi.lib, name)
    return getattr(function, "_cfn", function)


def _emitted(machine: Any, module: Any) -> bytes:
    """What `machine.emit_object(module)` gives."""
    lib = llvm.ffi.lib
    with llvm.ffi.OutputString() as error:
        buffer = _unlocked("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, error)
        if not buffer:
            raise RuntimeError(str(error))
    try:
        start, size = lib.LLVMPY_GetBufferStart(buffer), lib.LLVMPY_GetBufferSize(buffer)
        return ctypes.string_at(start, size)
    finally:
        lib.LLVMPY_DisposeMemoryBuffer(buffer)


def optimize(machine: Any, module: Any, level: int = 1) -> None:
    """LLVM's whole pipeline, once. Levels 2 and 3 take longer, and what they make is no faster.

    No loops are unrolled but those whose code says so (`rolled.py`).
    """
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = True
    options.slp_vectorization = True
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    manager = builder.getModulePassManager()
    _unlocked("LLVMPY_RunNewModulePassManager")(manager, module, builder)
