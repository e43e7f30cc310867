"""From a generated module to native object code, and what the object expects of a process.

An entry point is called with the address of one block of 64-bit words, in the order of its
arguments: an integer is one word; an array is the address of its data and its sizes.
"""

from __future__ import annotations

import linecache
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from llvmlite import ir
from numba.core import config, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from chainrule.compiler.errors import UsageError
from chainrule.compiler.program import Buffer, Program

from ...cache import Cache
from ..generated import import_program
from .arrays import INT64, build_array
from .codegen import kernel_codegen
from .loader import EXTERNAL

ELEMENTS = {
    "bool": types.boolean,
    "int32": types.int32,
    "int64": types.int64,
    "float32": types.float32,
    "float64": types.float64,
}


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an entry point: its type, and of an array the sizes that are known."""

    type: Any
    shape: tuple[int | None, ...] = ()


SIZE = Argument(types.int64)
FAULT = Argument(types.Array(types.int64, 1, "C"), (1,))
ORDER = Argument(types.Array(types.int64, 1, "C"), (None,))
TOTALS = Argument(types.Array(types.float64, 1, "C"), (None,))


def _argument(buffer: Buffer) -> Argument:
    """A buffer as an argument: scratch is flat, and what has no axes has one element."""
    dims = (buffer.type.size,) if buffer.role == "scratch" else buffer.type.shape or (1,)
    known = tuple(dim if isinstance(dim, int) else None for dim in dims)
    return Argument(types.Array(ELEMENTS[buffer.type.dtype], len(dims), "C"), known)


def signatures(program: Program) -> dict[str, tuple[Argument, ...]]:
    """The arguments of the entry points."""
    sizes = (SIZE,) * len(program.sizes)
    buffers = tuple(map(_argument, program.buffers))
    found = {"step": (*sizes, *buffers, FAULT)}
    if program.batch is not None:
        found["epoch"] = (SIZE, SIZE, SIZE, ORDER, *sizes, TOTALS, *buffers, FAULT)
    return found


def _entry(library: Any, symbol: str, arguments: Sequence[Argument], compiled: Any) -> None:
    """A native function `symbol(block)` that calls a compiled one with what the block holds."""
    context, description = compiled.target_context, compiled.fndesc
    module = library.create_ir_module(symbol)
    convention = context.call_conv.get_function_type(description.restype, description.argtypes)
    target = ir.Function(module, convention, description.llvm_func_name)
    entry = ir.Function(module, ir.FunctionType(INT64, [INT64.as_pointer()]), symbol)
    builder = ir.IRBuilder(entry.append_basic_block("entry"))
    position = 0

    def word() -> Any:
        nonlocal position
        address = builder.gep(entry.args[0], [ir.Constant(INT64, position)])
        position += 1
        return builder.load(address)

    values = []
    for argument in arguments:
        if argument is SIZE:
            values.append(word())
            continue
        data = builder.inttoptr(word(), ir.IntType(8).as_pointer())
        # Each size has its word, but one that is known is better code.
        sizes = [(word(), known) for known in argument.shape]
        shape = [size if known is None else ir.Constant(INT64, known) for size, known in sizes]
        values.append(build_array(context, builder, argument.type, data, shape))
    _, result = context.call_conv.call_function(
        builder, target, description.restype, description.argtypes, values
    )
    builder.ret(result if result.type == INT64 else ir.Constant(INT64, 0))
    library.add_ir_module(module)


@global_compiler_lock
def compile_program(program: Program, cache: Cache) -> tuple[bytes, tuple[str, ...]]:
    """Import a program's source and compile it; what fails there is our mistake, not the user's."""
    if config.DISABLE_JIT:
        raise UsageError(
            f"{program.name} cannot be compiled",
            "NUMBA_DISABLE_JIT is set, so that Numba compiles nothing",
            'unset it, or use target="numpy"',
        )
    module = import_program(program, cache)
    try:
        code, imports = compile_object(program, module)
    except NumbaError as error:
        raise UsageError(
            f"the native code of {program.name} cannot be compiled",
            str(error),
            f"this is a defect of chainrule: please report it with {module.__file__}",
        ) from None
    finally:
        _release(module)
    return code, imports


def _release(module: ModuleType) -> None:
    """Forget a module whose object code is made, and all that Numba keeps for its functions.

    They refer to each other in circles, and LLVM's modules are large but no weight to Python's
    collector, so they are given back by hand.
    """
    sys.modules.pop(module.__name__, None)
    # Numba names files from where it runs, so only the last part is certain.
    file = Path(str(module.__file__)).name
    for path in [path for path in linecache.cache if path.endswith(file)]:
        del linecache.cache[path]
    for function in list(vars(module).values()):
        if isinstance(function, Dispatcher) and function.__module__ == module.__name__:
            for compiled in function.overloads.values():
                compiled.library._final_module.close()
                compiled.target_context.remove_user_function(compiled.entry_point)
            function._reset_overloads()
    vars(module).clear()


@global_compiler_lock
def compile_object(program: Program, module: ModuleType) -> tuple[bytes, tuple[str, ...]]:
    """The object code of a program's entry points, and the symbols that it takes from SciPy."""
    codegen = kernel_codegen()
    library = codegen.create_library(program.name)
    entries = signatures(program)
    for symbol, arguments in entries.items():
        function, kinds = getattr(module, symbol), tuple(argument.type for argument in arguments)
        function.compile(kinds)
        compiled = function.overloads[kinds]
        library.add_linking_library(compiled.library)
        _entry(library, symbol, arguments, compiled)
    linked = _linked(library, tuple(entries), _shared(program, module))
    _optimize(codegen, linked)
    imports = sorted(
        function.name
        for function in linked.functions
        if function.is_declaration and function.name.startswith(EXTERNAL)
    )
    # Numba counts its functions through the process; the same program is to be the same bytes.
    for i, function in enumerate(linked.functions):
        if not function.is_declaration and function.name not in entries:
            function.name = f"function_{i}"
    return codegen._tm.emit_object(linked), tuple(imports)


def _shared(program: Program, module: ModuleType) -> set[str]:
    """The symbols of kernels that have several uses: each is optimized once, where it stands."""
    uses = Counter(kernel.name for kernel in program.kernels)
    return {
        compiled.fndesc.llvm_func_name
        for name, count in uses.items()
        if count > 1
        for compiled in getattr(module, name).overloads.values()
    }


def _linked(library: Any, symbols: Sequence[str], shared: Collection[str]) -> Any:
    """One LLVM module of the entries and all that they call; only the entries can be seen."""
    for callee in dict.fromkeys(library._linking_libraries):
        library._final_module.link_in(callee._get_module_for_linking(), preserve=True)
    module = library._final_module
    for function in module.functions:
        if not function.is_declaration and function.name not in symbols:
            function.linkage = "internal"
            if function.name in shared:
                function.add_function_attribute("noinline")
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    module.verify()
    return module


def _optimize(codegen: Any, module: Any) -> None:
    """LLVM's whole pipeline at level 3, once."""
    passes, options = codegen._module_pass_manager(loop_vectorize=True, slp_vectorize=False)
    passes.run(module, options)
