"""Loops, functions and arithmetic of places in LLVM code, for what the library writes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from .kinds import BOOL, INT64_TYPE, POINTER
from .values import times

BYTE = ir.IntType(8)


def whole(number: int) -> Any:
    """A constant of int64."""
    return ir.Constant(INT64_TYPE, number)


def known(value: Any) -> int | None:
    """The number, if it is a constant; else None."""
    number = value.constant if isinstance(value, ir.Constant) else None
    return number if isinstance(number, int) else None


def multiplied(builder: Any, x: Any, y: Any) -> Any:
    """A product of places or sizes."""
    return whole(0) if 0 in (known(x), known(y)) else times(builder, x, y)


def least(builder: Any, x: Any, y: Any) -> Any:
    """The smaller of two."""
    return builder.select(builder.icmp_signed("<", x, y), x, y)


def moved(builder: Any, address: Any, elements: Any, size: int = 1) -> Any:
    """The address so many elements of a size further on."""
    if known(elements) == 0:
        return address
    bytes_ = multiplied(builder, elements, whole(size))
    return builder.gep(address, [bytes_], inbounds=True, source_etype=BYTE)


def _as_written(back: Any) -> None:
    """Have the loop that a branch closes neither unrolled nor vectorized: it would only grow."""
    module = back.parent.parent.module
    off = ir.Constant(BOOL.llvm, 0)
    options = [
        module.add_metadata([ir.MetaDataString(module, f"llvm.loop.{option}"), *values])
        for option, values in (("unroll.disable", ()), ("vectorize.enable", (off,)))
    ]
    # A loop is named by a node that has itself in front.
    loop = module.add_metadata([ir.MetaDataString(module, str(len(module.metadata)))])
    loop.operands = (loop, *options)
    back.set_metadata("llvm.loop", loop)


@contextmanager
def counted(builder: Any, stop: Any, start: Any = None, step: int = 1) -> Iterator[Any]:
    """A loop over the places from `start`, or 0, below `stop`; inside, the place."""
    head, body, end = (builder.append_basic_block(name) for name in ("each", "do", "done"))
    before = builder.block
    builder.branch(head)
    builder.position_at_end(head)
    place = builder.phi(INT64_TYPE)
    place.add_incoming(whole(0) if start is None else start, before)
    builder.cbranch(builder.icmp_signed("<", place, stop), body, end)
    builder.position_at_end(body)
    yield place
    place.add_incoming(builder.add(place, whole(step), flags=("nsw",)), builder.block)
    _as_written(builder.branch(head))
    builder.position_at_end(end)


def repeated(
    builder: Any,
    stop: Any,
    step: int,
    values: Sequence[Any],
    body: Callable[[Any, list[Any]], Sequence[Any]],
) -> list[Any]:
    """The values after a loop over the places from 0 below `stop`, each turn of which has new ones.

    Args:
        builder: where the code goes.
        stop: the end of the places.
        step: from place to place.
        values: those before the loop.
        body: writes a turn: from its place and the values before it to those after it.
    """
    head, turn, end = (builder.append_basic_block(name) for name in ("each", "do", "done"))
    before = builder.block
    builder.branch(head)
    builder.position_at_end(head)
    start = [whole(0), *values]
    now = [builder.phi(value.type) for value in start]
    for phi, value in zip(now, start, strict=True):
        phi.add_incoming(value, before)
    place, *present = now
    builder.cbranch(builder.icmp_signed("<", place, stop), turn, end)
    builder.position_at_end(turn)
    after = body(place, present)
    following = builder.add(place, whole(step), flags=("nsw",))
    for phi, value in zip(now, [following, *after], strict=True):
        phi.add_incoming(value, builder.block)
    _as_written(builder.branch(head))
    builder.position_at_end(end)
    return present


def called(
    builder: Any,
    name: str,
    given: Sequence[Any],
    write: Callable[[Any, list[Any]], None],
    *,
    special: bool = True,
) -> None:
    """Call a function of the module, which is written for its first call.

    Args:
        builder: where the call goes.
        name: what the function does.
        given: its arguments.
        write: writes its body, from a builder and its arguments.
        special: whether numbers that are known are part of the function: it is another one for
            other numbers.
    """
    numbers = [known(value) if special else None for value in given]
    if special:
        name = ".".join([name, *("x" if number is None else str(number) for number in numbers)])
    passed = [value for value, number in zip(given, numbers, strict=True) if number is None]
    function = builder.module.globals.get(name)
    if function is None:
        # Numba's addresses have types, as ours do not.
        types = [POINTER if value.type == POINTER else value.type for value in passed]
        kind = ir.FunctionType(ir.VoidType(), types)
        function = ir.Function(builder.module, kind, name)
        function.linkage = "internal"
        for attribute in ("nounwind", "noinline"):
            function.attributes.add(attribute)
        inside, arguments = ir.IRBuilder(function.append_basic_block("entry")), iter(function.args)
        values = [
            next(arguments) if number is None else value
            for value, number in zip(given, numbers, strict=True)
        ]
        write(inside, values)
        inside.ret_void()
    builder.call(function, passed)
