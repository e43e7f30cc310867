"""From a program's source to one LLVM module.

The source is a small part of Python: functions of numbers and C-contiguous arrays; assignments,
`for` over a range or a `prange`, `while`, `if`, `break`, `continue`, `return`; arithmetic,
comparisons, elements, arrays in the function's frame, and calls of each other and of `library.py`.
It is parsed, never executed. A function is translated
for the types of the arguments of its first call, and again for others; sizes that are known are
part of the types, so that loops have constant bounds.

A kernel is an LLVM function of its arguments: an array is its address and the sizes that are not
known. What is written through one array is not read through another. An entry point, and the step
that one calls, takes the address of one block of 64-bit words in the order of its arguments: an
integer is one word; an array is the address of its data and its sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from .blocks import packed, unpacked
from .clock import Clock
from .expressions import Expressions
from .kinds import (
    INT64,
    INT64_TYPE,
    NOTHING,
    NUMBERS,
    POINTER,
    Kind,
    Number,
    parts,
    promoted,
)
from .processor import Processor, host
from .reading import module_names
from .routines import Function, TranslationError
from .statements import Statements
from .values import (
    NONE,
    Array,
    Scalar,
    Value,
    assembled,
    cast,
    flatten,
    size_of,
)

BYTE = ir.IntType(8)


@dataclass(frozen=True, slots=True)
class Instance:
    """A function for arguments of some types.

    Attributes:
        llvm: LLVM's function.
        result: the type of what it gives.
    """

    llvm: Any
    result: Kind


class Translation:
    """A module of native code while it is written.

    Args:
        source: the text of a program's module.
        file: where the text is, for messages.
        name: what the module is called.
        processor: what its vectors are for; by default the host's.
        clock: makes a clock that is put around the calls of kernels, if they are to be timed.
    """

    def __init__(
        self,
        source: str,
        file: str,
        name: str,
        processor: Processor | None = None,
        clock: Callable[[Any, Iterable[Function]], Clock] | None = None,
    ) -> None:
        """Read the text; nothing is translated yet."""
        self.module = ir.Module(name)
        self.module.processor = processor or host()
        self.names = module_names(source, file)
        functions = [x for x in self.names.values() if isinstance(x, Function)]
        self.clock = None if clock is None else clock(self.module, functions)
        self._entries: set[Function] = set()
        self._instances: dict[tuple[Function, tuple[Kind, ...]], Instance | None] = {}
        self._constants: dict[int, tuple[np.ndarray[Any, Any], Array]] = {}

    def entry(self, name: str, kinds: Sequence[Kind]) -> None:
        """Translate an entry point, which is called by its name."""
        function = self.names[name]
        assert isinstance(function, Function)
        self._entries.add(function)
        instance = self._instance(function, tuple(kinds))
        instance.llvm.linkage = ""

    def finished(self) -> str:
        """The text of the module, of which nothing else is left.

        Instructions, blocks and functions refer to each other: somebody would have to look for
        them, and until then they would take more memory than all that LLVM does with the text.
        """
        text = str(self.module)
        for function in self.module.functions:
            for block in function.blocks:
                for instruction in block.instructions:
                    if isinstance(instruction, ir.PhiInstr):
                        instruction.incomings.clear()
                block.instructions.clear()
                block.terminator = None
            function.blocks.clear()
        self._instances.clear()
        self._entries.clear()
        self.names.clear()
        return text

    # Functions

    def _instance(self, function: Function, kinds: tuple[Kind, ...]) -> Instance:
        key = function, kinds
        if key not in self._instances:
            self._instances[key] = None
            write = self._program if function.is_program else self._kernel
            self._instances[key] = write(function, kinds)
        instance = self._instances[key]
        if instance is None:
            raise TranslationError(f"{function.file}: {function.name} calls itself")
        return instance

    def _declared(self, function: Function, arguments: list[Any], result: Any) -> Any:
        """A new function of the module, which nobody else sees."""
        name = "chainrule_" + function.name if not function.is_program else function.name
        name = name.encode("ascii", "replace").decode().replace("?", "_")
        name = self.module.get_unique_name(name)
        made = ir.Function(self.module, ir.FunctionType(result, arguments), name)
        made.linkage = "internal"
        made.attributes.add("nounwind")
        return made

    def _body(self, function: Function, llvm: Any) -> Statements:
        builder = ir.IRBuilder(llvm.append_basic_block("entry"))
        return Statements(function, builder, self._call, self._constant)

    def _kernel(self, function: Function, kinds: tuple[Kind, ...]) -> Instance:
        """A function whose arguments are LLVM's."""
        llvm = self._declared(function, [p for kind in kinds for p in parts(kind)], ir.VoidType())
        for argument in llvm.args:
            if argument.type == POINTER:
                argument.add_attribute("noalias")
        body = self._body(function, llvm)
        words = iter(llvm.args)
        given = [assembled(kind, words) for kind in kinds]
        body.body(dict(zip(function.parameters, given, strict=True)))
        result = _result(body)
        returned = _returned_type(result)
        # Only now is it known what the function gives.
        llvm.ftype = ir.FunctionType(returned, llvm.ftype.args)
        llvm.type = llvm.ftype.as_pointer()
        llvm.return_value.type = returned
        for value, block in body.returns:
            body.builder.position_at_end(block)
            if isinstance(value, Scalar):
                assert isinstance(result, Number)
                value = cast(body.builder, value, result)
            _return(body.builder, flatten(body.builder, value), returned)
        return Instance(llvm, result)

    def _program(self, function: Function, kinds: tuple[Kind, ...]) -> Instance:
        """A function of a block of words."""
        llvm = self._declared(function, [POINTER], INT64_TYPE)
        body = self._body(function, llvm)
        given, position = [], 0
        for kind in kinds:
            value, position = unpacked(body.builder, llvm.args[0], position, kind)
            given.append(value)
        body.body(dict(zip(function.parameters, given, strict=True)))
        for value, block in body.returns:
            body.builder.position_at_end(block)
            done = cast(body.builder, value, INT64) if isinstance(value, Scalar) else size_of(0)
            body.builder.ret(done.value)
        return Instance(llvm, NOTHING)

    # Calls

    def _call(self, caller: Expressions, function: Function, given: list[Value]) -> Value:
        instance = self._instance(function, tuple(value.kind for value in given))
        builder = caller.builder
        if function.is_program:
            builder.call(instance.llvm, [packed(builder, given)])
            return NONE
        clock = self.clock if caller.function.is_program else None
        if caller.function in self._entries or clock is not None:
            # An entry point stays a list of calls: LLVM's time grows faster than its functions.
            instance.llvm.attributes.add("noinline")
        words = [word for value in given for word in flatten(builder, value)]
        start = None if clock is None else clock.now(builder)
        result = builder.call(instance.llvm, words)
        if clock is not None:
            clock.stop(builder, start, caller, function)
        count = len(parts(instance.result))
        found = [builder.extract_value(result, i) for i in range(count)] if count > 1 else [result]
        return assembled(instance.result, iter(found))

    # Constants

    def _constant(self, array: np.ndarray[Any, Any]) -> Array:
        """An array in the module's own memory."""
        if id(array) not in self._constants:
            content = bytearray(np.ascontiguousarray(array).tobytes())
            kind = ir.ArrayType(BYTE, len(content))
            variable = ir.GlobalVariable(
                self.module, kind, self.module.get_unique_name("constants")
            )
            variable.linkage, variable.global_constant, variable.align = "internal", True, 64
            variable.initializer = ir.Constant(kind, content)
            data = variable.bitcast(POINTER)
            sizes = tuple(map(size_of, array.shape or (1,)))
            self._constants[id(array)] = array, Array(NUMBERS[array.dtype.name], data, sizes)
        return self._constants[id(array)][1]


def _result(body: Statements) -> Kind:
    """The type of what a function gives, whichever way it ends."""
    kinds = [value.kind for value, _ in body.returns]
    found: Kind | None = kinds[0] if kinds else NOTHING
    for kind in kinds[1:]:
        found = None if found is None else promoted(found, kind)
    if found is None:
        body.fail(body.function.definition, f"its results are {', '.join(map(str, kinds))}")
    return found


def _returned_type(kind: Kind) -> Any:
    words = parts(kind)
    if not words:
        return ir.VoidType()
    return words[0] if len(words) == 1 else ir.LiteralStructType(words)


def _return(builder: Any, words: list[Any], kind: Any) -> None:
    if not words:
        builder.ret_void()
    elif len(words) == 1:
        builder.ret(words[0])
    else:
        whole = ir.Constant(kind, ir.Undefined)
        for i, word in enumerate(words):
            whole = builder.insert_value(whole, word, i)
        builder.ret(whole)
