"""From a generated module to native object code, and what the object expects of a process.

An entry point is called with the address of one block of 64-bit words, in the order of its
arguments: an integer is one word; an array is the address of its data and its sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
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
FAULT = types.Array(types.int64, 1, "C")
ORDER = types.Array(types.int64, 1, "C")
TOTALS = types.Array(types.float64, 1, "C")


def _array(buffer: Buffer) -> Any:
    """A scratch buffer is flat, and one of no axes has one element."""
    ndim = 1 if buffer.role == "scratch" else max(buffer.type.ndim, 1)
    return types.Array(ELEMENTS[buffer.type.dtype], ndim, "C")


def signatures(program: Program) -> dict[str, tuple[Any, ...]]:
    """The argument types of the entry points."""
    sizes = (types.int64,) * len(program.sizes)
    buffers = tuple(map(_array, program.buffers))
    found = {"step": (*sizes, *buffers, FAULT)}
    if program.batch is not None:
        counters = (types.int64,) * 3
        found["epoch"] = (*counters, ORDER, *sizes, TOTALS, *buffers, FAULT)
    return found


def _entry(library: Any, symbol: str, compiled: Any) -> None:
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
    for kind in description.argtypes:
        if isinstance(kind, types.Array):
            data = builder.inttoptr(word(), ir.IntType(8).as_pointer())
            shape = [word() for _ in range(kind.ndim)]
            values.append(build_array(context, builder, kind, data, shape))
        else:
            values.append(word())
    _, result = context.call_conv.call_function(
        builder, target, description.restype, description.argtypes, values
    )
    builder.ret(result if result.type == INT64 else ir.Constant(INT64, 0))
    library.add_ir_module(module)


def compile_program(program: Program, cache: Cache) -> tuple[bytes, tuple[str, ...]]:
    """Import a program's source and compile it; what fails there is our mistake, not the user's."""
    module = import_program(program, cache)
    try:
        code, imports = compile_object(program, module)
    except NumbaError as error:
        raise UsageError(
            f"the native code of {program.name} cannot be compiled",
            str(error),
            f"this is a defect of chainrule: please report it with {module.__file__}",
        ) from None
    return code, imports


@global_compiler_lock
def compile_object(program: Program, module: ModuleType) -> tuple[bytes, tuple[str, ...]]:
    """The object code of a program's entry points, and the symbols that it takes from SciPy."""
    codegen = kernel_codegen()
    library = codegen.create_library(program.name)
    entries = signatures(program)
    for symbol, arguments in entries.items():
        function = getattr(module, symbol)
        function.compile(arguments)
        compiled = function.overloads[arguments]
        library.add_linking_library(compiled.library)
        _entry(library, symbol, compiled)
    linked = _linked(library, tuple(entries))
    _optimize(codegen, linked)
    imports = sorted(
        function.name
        for function in linked.functions
        if function.is_declaration and function.name.startswith(EXTERNAL)
    )
    return codegen._tm.emit_object(linked), tuple(imports)


def _linked(library: Any, symbols: Sequence[str]) -> Any:
    """One LLVM module of the entries and all that they call; only the entries can be seen."""
    for callee in dict.fromkeys(library._linking_libraries):
        library._final_module.link_in(callee._get_module_for_linking(), preserve=True)
    module = library._final_module
    for function in module.functions:
        if not function.is_declaration and function.name not in symbols:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    module.verify()
    return module


def _optimize(codegen: Any, module: Any) -> None:
    """LLVM's whole pipeline at level 3, once."""
    passes, options = codegen._module_pass_manager(loop_vectorize=True, slp_vectorize=False)
    passes.run(module, options)
