"""A clock around the calls of kernels: how often each was called, and how long it took.

The text of a program stays what it is. Where a step, or a step of a loop inside it, calls a kernel,
the code that is made of it reads a clock before and behind the call, and adds what has passed to a
table. Calls inside calls count for both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from llvmlite import ir

from .kinds import INT64_TYPE, POINTER
from .routines import Function
from .values import room, word_at

TABLE, TICKS = "clock_table", "clock_ticks"  # entry points: the table's address, and the time now
CYCLES = "llvm.readcyclecounter"
MONOTONIC = 1  # of clock_gettime


class Clock:
    """The table of a module, while code is written that fills it.

    Args:
        module: LLVM's.
        functions: those of the program's text.
        cycles: whether to read the processor's own counter, which takes least; it counts at one
            speed on every x86 of today, and is not for everybody's eyes on others.

    Attributes:
        sites: the caller's name and the kernel's for each row of the table.
    """

    def __init__(self, module: Any, functions: Iterable[Function], cycles: bool) -> None:
        """Make a table with room for every call there is."""
        self.sites: list[tuple[str, str]] = []
        self._module, self._cycles = module, cycles
        self._places: dict[tuple[str, int], int] = {}
        self._done: dict[object, int] = {}
        calls = sum(
            isinstance(node, ast.Call)
            for function in functions
            if function.is_program
            for node in ast.walk(function.definition)
        )
        kind = ir.ArrayType(INT64_TYPE, 2 * max(calls, 1))
        self._table = ir.GlobalVariable(module, kind, module.get_unique_name("clock"))
        self._table.linkage, self._table.initializer = "internal", ir.Constant(kind, None)
        builder = self._entry(TABLE)
        builder.ret(builder.ptrtoint(self._table, INT64_TYPE))
        builder = self._entry(TICKS)
        builder.ret(self.now(builder))

    def _entry(self, name: str) -> Any:
        function = ir.Function(self._module, ir.FunctionType(INT64_TYPE, [POINTER]), name)
        return ir.IRBuilder(function.append_basic_block("entry"))

    def now(self, builder: Any) -> Any:
        """What the clock shows."""
        if self._cycles:
            kind = ir.FunctionType(INT64_TYPE, [])
            return builder.call(self._declared(CYCLES, kind), [])
        clock = ir.IntType(32)
        kind = ir.FunctionType(clock, [clock, POINTER])
        place = room(builder, ir.ArrayType(INT64_TYPE, 2))
        given = [ir.Constant(clock, MONOTONIC), place]
        builder.call(self._declared("clock_gettime", kind), given)
        seconds, rest = (builder.load(word_at(builder, place, i), typ=INT64_TYPE) for i in range(2))
        whole = builder.mul(seconds, ir.Constant(INT64_TYPE, 10**9))
        return builder.add(whole, rest)

    def _declared(self, name: str, kind: Any) -> Any:
        return self._module.globals.get(name) or ir.Function(self._module, kind, name)

    def stop(self, builder: Any, start: Any, caller: Any, kernel: Function) -> None:
        """Add what has passed since `start` to the row of the call that was just written.

        Args:
            builder: behind the call.
            start: what the clock showed before it.
            caller: whose body is written: its calls come in the order of the text.
            kernel: what was called.
        """
        passed = builder.sub(self.now(builder), start)
        number = self._done[caller] = self._done.get(caller, -1) + 1
        key = caller.function.name, number
        if key not in self._places:
            self._places[key] = len(self.sites)
            self.sites.append((caller.function.name, kernel.name))
        place = 2 * self._places[key]
        for i, more in enumerate((ir.Constant(INT64_TYPE, 1), passed)):
            index = [ir.Constant(INT64_TYPE, number) for number in (0, place + i)]
            where = builder.gep(self._table, index, inbounds=True)
            # Threads that share a loop may call the same kernel at once.
            builder.atomic_rmw("add", where, more, "monotonic")
