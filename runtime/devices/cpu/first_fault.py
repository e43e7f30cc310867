"""What is wrong in a loop whose iterations run in any order: what is wrong in the earliest one.

Each iteration has a `fault` of its own. Where one is set, it goes to the loop's, under a lock,
unless that is an earlier iteration's; so what is reported does not depend on who ran what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from .kinds import INT64, INT64_TYPE, POINTER
from .parallel import ONE, ZERO, wait
from .values import Array, Scalar, Value, address, room, size_of, word_at

NAME = "fault"  # of the array that every program has
WORDS = 3  # its elements: the number of the fault, an index, a size
NEVER = ir.Constant(INT64_TYPE, (1 << 63) - 1)
LOCK, ITERATION, FIRST = 0, 1, 2  # words of what a loop keeps: the rest is the fault


@dataclass(frozen=True, slots=True)
class FirstFault:
    """The fault of a loop's earliest iteration that has one.

    Attributes:
        shared: what each iteration has to be given: the loop's record, and the number of a fault
            from before the loop. Nothing if the loop's body knows of no faults.
        fault: the program's.
    """

    shared: tuple[Value, ...]
    fault: Array | None

    @classmethod
    def of(cls, builder: Any, outside: dict[str, Value]) -> FirstFault:
        """That of a loop which uses these variables; the program's fault is none of them then."""
        fault = outside.get(NAME)
        if not isinstance(fault, Array) or fault.kind.sizes != (WORDS,):
            return cls((), None)
        del outside[NAME]
        record = room(builder, ir.ArrayType(INT64_TYPE, FIRST + WORDS))
        builder.store(ZERO, word_at(builder, record, LOCK))
        builder.store(NEVER, word_at(builder, record, ITERATION))
        before = builder.load(address(builder, fault), typ=INT64_TYPE)
        return cls((Array(INT64, record, (size_of(FIRST + WORDS),)), Scalar(INT64, before)), fault)

    @contextmanager
    def noted(
        self, builder: Any, number: Any, scope: dict[str, Value], shared: Sequence[Value]
    ) -> Iterator[None]:
        """Inside, an iteration; `scope` gets its own fault."""
        if self.fault is None:
            yield
            return
        record, before = shared
        assert isinstance(record, Array)
        assert isinstance(before, Scalar)
        own = room(builder, ir.ArrayType(INT64_TYPE, WORDS))
        builder.store(before.value, own)
        scope[NAME] = Array(INT64, own, (size_of(WORDS),))
        yield
        came = builder.load(own, typ=INT64_TYPE)
        with builder.if_then(builder.icmp_signed("!=", came, before.value), likely=False):
            builder.call(_note(builder.module), [record.data, number, own])

    def kept(self, builder: Any) -> None:
        """Behind the loop: the program's fault is the loop's, if it has one."""
        if self.fault is None:
            return
        record = self.shared[0]
        assert isinstance(record, Array)
        iteration = builder.load(word_at(builder, record.data, ITERATION), typ=INT64_TYPE)
        with builder.if_then(builder.icmp_signed("!=", iteration, NEVER), likely=False):
            _copy(builder, record.data, FIRST, address(builder, self.fault), 0)


def _copy(builder: Any, source: Any, first: int, target: Any, start: int) -> None:
    for i in range(WORDS):
        word = builder.load(word_at(builder, source, first + i), typ=INT64_TYPE)
        builder.store(word, word_at(builder, target, start + i))


def _note(module: Any) -> Any:
    """The function that writes down an iteration's fault, if it is the earliest so far."""
    name = "chainrule_note_fault"
    if name in module.globals:
        return module.globals[name]
    kind = ir.FunctionType(ir.VoidType(), [POINTER, INT64_TYPE, POINTER])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    record, number, own = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    names = ("try", "wait", "locked")
    again, busy, locked = (builder.append_basic_block(name) for name in names)
    builder.branch(again)
    builder.position_at_end(again)
    lock = word_at(builder, record, LOCK)
    taken = builder.cmpxchg(lock, ZERO, ONE, "acquire", "monotonic")
    builder.cbranch(builder.extract_value(taken, 1), locked, busy)
    builder.position_at_end(busy)
    wait(builder)
    builder.branch(again)
    builder.position_at_end(locked)
    iteration = word_at(builder, record, ITERATION)
    earlier = builder.icmp_signed("<", number, builder.load(iteration, typ=INT64_TYPE))
    with builder.if_then(earlier):
        builder.store(number, iteration)
        _copy(builder, own, 0, record, FIRST)
    builder.atomic_rmw("xchg", lock, ZERO, "release")
    builder.ret_void()
    return function
