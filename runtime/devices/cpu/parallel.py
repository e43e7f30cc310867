"""Loops whose iterations may run in any order, on any thread, as LLVM code.

The body of such a loop is a function of its own, `body(context, first, last)`, which runs some of
the iterations; `context` is the address of what the body uses of the function around it. Where the
module has no team, the function is called once for all iterations; otherwise the team hands out
parts of them (`pool_code.py`). Both run the same code, so the result is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from .kinds import INT64_TYPE, POINTER
from .pool_code import RUN, TEAM, YIELD
from .values import Array, Columns, Scalar, Text, Tuple, Value, address, room, word_at

# What the functions are called that run some iterations; no name in a text has a dot.
BODY, LOOP = "chainrule.body", "chainrule.loop"
BODY_TYPE = ir.FunctionType(ir.VoidType(), [POINTER, INT64_TYPE, INT64_TYPE])
YIELD_TYPE = ir.FunctionType(ir.IntType(32), [])
RUN_TYPE = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, INT64_TYPE, POINTER])
BYTE = ir.IntType(8)
ZERO, ONE = ir.Constant(INT64_TYPE, 0), ir.Constant(INT64_TYPE, 1)

Body = Callable[[Any, Any, list[Value]], None]


def parallel(builder: Any, count: Any, captured: Sequence[Value], body: Body) -> None:
    """A loop of `count` iterations, in any order.

    What the body uses of the code around it is in `captured`, but for constants and the module's
    own. Memory that is written through one captured array may be read through another only if both
    are views of one array.

    Args:
        builder: where the loop stands.
        count: the number of iterations, a 64-bit integer.
        captured: values that the body uses.
        body: writes one iteration, from a builder, the iteration's number and the values as it
            has them there.
    """
    if isinstance(count, ir.Constant) and count.constant <= 1:
        if count.constant == 1:
            body(builder, ZERO, list(captured))
        return
    if in_body(builder):
        with counted(builder, ZERO, count) as k:
            body(builder, k, list(captured))
        return
    capture = Capture(builder, captured)
    function = _function(builder, capture, body)
    context = capture.stored()
    module = builder.module
    team = builder.load(team_variable(module), typ=POINTER)
    site = ir.GlobalVariable(module, INT64_TYPE, module.get_unique_name("chainrule.site"))
    site.linkage, site.initializer = "internal", ZERO
    alone = builder.or_(
        builder.icmp_unsigned("==", team, ir.Constant(POINTER, None)),
        builder.icmp_signed("<=", count, ONE),
    )
    with builder.if_else(alone) as (one, several):
        with one:
            builder.call(function, [context, ZERO, count])
        with several:
            run = builder.load(word_at(builder, team, RUN), typ=RUN_TYPE.as_pointer())
            builder.call(run, [team, function, context, count, site])


def in_body(builder: Any) -> bool:
    """Whether a builder is in the body of such a loop, which one of the threads runs."""
    name: str = builder.function.name
    return name.startswith(LOOP)


def wait(builder: Any) -> None:
    """Let other threads run, if there are any."""
    team = builder.load(team_variable(builder.module), typ=POINTER)
    with builder.if_then(builder.icmp_unsigned("!=", team, ir.Constant(POINTER, None))):
        others_run = builder.load(word_at(builder, team, YIELD), typ=YIELD_TYPE.as_pointer())
        builder.call(others_run, [])


def team_variable(module: Any) -> Any:
    """The module's variable that says which team it has in this call."""
    known = module.globals.get(TEAM)
    if known is None:
        known = ir.GlobalVariable(module, POINTER, TEAM)
        known.linkage, known.initializer = "internal", ir.Constant(POINTER, None)
    return known


def _function(builder: Any, capture: Capture, body: Body) -> Any:
    """The function of some iterations: it reads the context and calls the loop over them."""
    module = builder.module
    outer, loop = (
        ir.Function(module, kind, module.get_unique_name(name))
        for name, kind in (
            (BODY, BODY_TYPE),
            (
                LOOP,
                ir.FunctionType(ir.VoidType(), [*capture.types, INT64_TYPE, INT64_TYPE]),
            ),
        )
    )
    for function in (outer, loop):
        function.linkage = "internal"
        function.attributes.add("nounwind")
    # One function for one thread and for several: otherwise one of them could be computed
    # differently.
    outer.attributes.add("noinline")
    context, first, last = outer.args
    write = ir.IRBuilder(outer.append_basic_block("entry"))
    words = [
        write.load(word_at(write, context, i), typ=kind) for i, kind in enumerate(capture.types)
    ]
    write.call(loop, [*words, first, last])
    write.ret_void()
    *arguments, first, last = loop.args
    for argument, is_alone in zip(arguments, capture.unaliased, strict=True):
        if is_alone:
            argument.add_attribute("noalias")
    write = ir.IRBuilder(loop.append_basic_block("entry"))
    values = capture.restored(write, arguments)
    with counted(write, first, last) as k:
        body(write, k, values)
    write.ret_void()
    return outer


class Capture:
    """What a body uses of the function around it, as words.

    Args:
        builder: where the loop stands.
        values: the values.

    Attributes:
        types: LLVM's types of the words.
        unaliased: of each word, whether it is the address of memory that no other one leads to.
    """

    def __init__(self, builder: Any, values: Sequence[Value]) -> None:
        """Find the words; each is there once."""
        self._builder = builder
        self._words: dict[int, tuple[int, Any]] = {}
        self._restore = [self._value(value) for value in values]
        words = [word for _, word in self._words.values()]
        self.types = [word.type for word in words]
        pointers = [word for word in words if word.type == POINTER]
        known = all(map(_is_apart, pointers))
        self.unaliased = [known and word.type == POINTER for word in words]

    def stored(self) -> Any:
        """The address of the words, in the frame of the function around."""
        builder = self._builder
        context = room(builder, ir.ArrayType(INT64_TYPE, len(self._words)))
        for position, word in self._words.values():
            builder.store(word, word_at(builder, context, position))
        return context

    def restored(self, builder: Any, words: Sequence[Any]) -> list[Value]:
        """The values again, in the body, from its words."""
        return [restore(builder, words) for restore in self._restore]

    def _word(self, word: Any) -> Callable[[Any, Sequence[Any]], Any]:
        if isinstance(word, ir.Constant):
            return lambda builder, words: word
        position, _ = self._words.setdefault(id(word), (len(self._words), word))
        return lambda builder, words: words[position]

    def _value(self, value: Value) -> Callable[[Any, Sequence[Any]], Any]:
        match value:
            case Scalar():
                word = self._word(value.value)
                return lambda builder, words: Scalar(value.kind, word(builder, words))
            case Array():
                data = self._address(address(self._builder, value))
                sizes = [self._value(size) for size in value.sizes]
                return lambda builder, words: Array(
                    value.dtype,
                    data(builder, words),
                    tuple(size(builder, words) for size in sizes),
                )
            case Columns():
                base = self._value(Array(value.dtype, value.data, value.sizes))
                pitch = self._value(value.pitch)
                return lambda builder, words: Columns(
                    value.dtype,
                    base(builder, words).data,
                    base(builder, words).sizes,
                    pitch(builder, words),
                )
            case Tuple():
                items = [self._value(item) for item in value.items]
                return lambda builder, words: Tuple(tuple(item(builder, words) for item in items))
            case Text():
                return lambda builder, words: value

    def _address(self, data: Any) -> Callable[[Any, Sequence[Any]], Any]:
        """An address: that of a whole array, and what is to be added to it."""
        root = data
        while isinstance(root, ir.GEPInstr):
            root = root.pointer
        word = self._word(root)
        if root is data:
            return word
        here = self._builder
        apart = here.sub(here.ptrtoint(data, INT64_TYPE), here.ptrtoint(root, INT64_TYPE))
        offset = self._word(apart)
        return lambda builder, words: builder.gep(
            word(builder, words), [offset(builder, words)], inbounds=True, source_etype=BYTE
        )


def _is_apart(pointer: Any) -> bool:
    """Whether an address leads to memory that no address of another root leads to."""
    if isinstance(pointer, ir.Argument):
        return "noalias" in pointer.attributes
    return isinstance(pointer, ir.AllocaInstr)


@contextmanager
def counted(builder: Any, first: Any, last: Any) -> Iterator[Any]:
    """Inside, the body of a loop over the numbers from `first` to `last` - 1."""
    names = ("each", "each.body", "each.end")
    head, inside, end = (builder.append_basic_block(name) for name in names)
    before = builder.block
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(INT64_TYPE)
    k.add_incoming(first, before)
    builder.cbranch(builder.icmp_signed("<", k, last), inside, end)
    builder.position_at_end(inside)
    yield k
    k.add_incoming(builder.add(k, ONE, flags=("nsw",)), builder.block)
    builder.branch(head)
    builder.position_at_end(end)
