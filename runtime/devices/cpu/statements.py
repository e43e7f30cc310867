"""Statements of the language: the body of one function, as LLVM code."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from math import inf
from typing import Any

from llvmlite import ir

from .expressions import Expressions, inner_scope
from .first_fault import FirstFault
from .kinds import INT64, INT64_TYPE, ArrayKind, Kind, Number, parts, promoted
from .parallel import parallel
from .rolled import hint
from .routines import assigned, prange
from .values import NONE, Array, Scalar, Tuple, Value, cast, flatten, load, plus, room, store, times


class Statements(Expressions):
    """Writes the body of one function.

    Attributes:
        returns: what is returned, and the blocks that end with it and have no end yet.
    """

    returns: list[tuple[Value, Any]]

    def body(self, given: dict[str, Value]) -> None:
        """The whole function, its parameters being these."""
        self.returns = []
        self._loops: list[tuple[Any, Any]] = []
        self._around: ast.For | None = None  # the innermost loop
        self._copied = 0.0  # instructions that loops add that are written out
        self._frames = [self.function.assigned]
        for name, value in given.items():
            self._let(self.function.definition, name, value)
        if self._suite(self.function.definition.body):
            self.returns.append((NONE, self.builder.block))

    def _suite(self, statements: Sequence[ast.stmt]) -> bool:
        """Statements one after the other; whether what comes behind them is reached."""
        return all(map(self._statement, statements))

    def _statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Assign(targets=[target], value=value):
                self._assign(target, self.value(value))
            case ast.AugAssign(target=target, op=op, value=value):
                self._augment(node, target, op, self.number(value))
            case ast.Expr(value=ast.Call() as call):
                self.value(call)
            case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                pass
            case ast.For(orelse=[]):
                self._for(node)
            case ast.While(test=test, body=body, orelse=[]):
                self._while(test, body)
            case ast.If(test=test, body=body, orelse=orelse):
                return self._if(test, body, orelse)
            case ast.Return(value=value) if len(self._frames) == 1:
                result = NONE if value is None else self.value(value)
                self.returns.append((result, self.builder.block))
                return False
            case ast.Break() | ast.Continue() if self._loops:
                self._leave(node, self._loops[-1][isinstance(node, ast.Continue)])
                return False
            case ast.Return():
                self._leave(node, None)
            case _:
                self.fail(node, f"{type(node).__name__} is not in the language")
        return True

    # Variables

    def _assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self._let(target, name, value)
            case ast.Subscript():
                where, kind = self.target(target)
                if not isinstance(value, Scalar):
                    self.fail(target, f"expected a number, came {value.kind}")
                store(self.builder, value, where, kind)
            case ast.Tuple(elts=targets):
                if not isinstance(value, Tuple) or len(value.items) != len(targets):
                    self.fail(target, f"{value.kind} is not of {len(targets)} values")
                for part, item in zip(targets, value.items, strict=True):
                    self._assign(part, item)
            case _:
                self.fail(target, f"{type(target).__name__} cannot be assigned")

    def _augment(self, node: Any, target: ast.expr, op: ast.operator, value: Scalar) -> None:
        if isinstance(target, ast.Subscript):
            where, kind = self.target(target)
            old = load(self.builder, where, kind)
            store(self.builder, self.binary(node, op, old, value), where, kind)
            return
        if not isinstance(target, ast.Name):
            self.fail(target, f"{type(target).__name__} cannot be assigned")
        self._let(target, target.id, self.binary(node, op, self.number(target), value))

    def _let(self, node: Any, name: str, value: Value) -> None:
        """Give a variable its value: its only one, or the one it has from now on."""
        if self._frames[-1][name] == 1:
            self.scope[name] = value
            return
        if name not in self.slots:
            kind = _variable_kind(value.kind)
            self.slots[name] = kind, [room(self.builder, part) for part in parts(kind)]
        kind, places = self.slots[name]
        if isinstance(value, Scalar) and promoted(value.kind, kind) == kind:
            assert isinstance(kind, Number)
            value = cast(self.builder, value, kind)
        if _variable_kind(value.kind) != kind:
            self.fail(node, f"{name} is {kind}, and {value.kind} is assigned")
        for place, word in zip(places, _all_words(self.builder, value), strict=True):
            self.builder.store(word, place)

    # Control

    def _for(self, node: ast.For) -> None:
        """A loop over a range; its variable is the loop's own."""
        match node:
            case ast.For(
                target=ast.Name(id=name),
                iter=ast.Call(func=ast.Name(id=called), args=arguments, keywords=[]),
            ) if 1 <= len(arguments) <= 3:
                any_order = self.function.names.get(called) is prange
            case _:
                self.fail(node, "a loop is over a range")
        if not any_order and called != "range":
            self.fail(node, "a loop is over a range")
        if name in self.scope or name in self.function.variables:
            self.fail(node, f"{name} is a variable of more than the loop")
        given = list(map(self.place, arguments))
        start, stop = (ir.Constant(INT64_TYPE, 0), *given)[-2:] if len(given) == 1 else given[:2]
        step = given[2] if len(given) == 3 else ir.Constant(INT64_TYPE, 1)
        if isinstance(step, ir.Constant) and step.constant == 0:
            self.fail(node, "the step of a range is not 0")
        write = self._in_any_order if any_order else self._in_order
        write(node, name, start, stop, step)

    def _in_order(self, node: ast.For, name: str, start: Any, stop: Any, step: Any) -> None:
        builder = self.builder
        names = ("for", "for.body", "for.next", "for.end")
        head, body, latch, end = (builder.append_basic_block(name) for name in names)
        before, blocks = builder.block, len(builder.function.blocks)
        copied, self._copied = self._copied, 0.0
        builder.branch(head)
        builder.position_at_end(head)
        place = builder.phi(INT64_TYPE)
        place.add_incoming(start, before)
        builder.cbranch(_goes_on(builder, place, stop, step), body, end)
        builder.position_at_end(body)
        with inner_scope(self):
            self.scope[name] = Scalar(INT64, place)
            around, self._around = self._around, node
            self._loop_body(node.body, end, latch)
            self._around = around
        builder.position_at_end(latch)
        place.add_incoming(builder.add(place, step, flags=("nsw",)), latch)
        jump = builder.branch(head)
        written = (body, *builder.function.blocks[blocks:])
        size = sum(len(block.instructions) for block in written) + self._copied
        count = _iterations(start, stop, step)
        self._copied = copied + hint(builder, jump, node, count, self._around, size)
        builder.position_at_end(end)

    def _in_any_order(self, node: ast.For, name: str, start: Any, stop: Any, step: Any) -> None:
        """A loop whose body is a function of its own, with variables of its own."""
        every = assigned(node.body, bodies=True)
        for frame in self._frames:
            if shared := every.keys() & frame.keys():
                self.fail(node, f"{min(shared)} is assigned in a prange and outside it")
        parts = [part for statement in node.body for part in ast.walk(statement)]
        names = sorted({part.id for part in parts if isinstance(part, ast.Name)})
        outside = {
            known: self._variable(node.iter, known)
            for known in names
            if known in self.scope or known in self.slots
        }
        faults = FirstFault.of(self.builder, outside)
        captured = [*outside.values(), Scalar(INT64, start), Scalar(INT64, step), *faults.shared]

        def iteration(builder: Any, number: Any, values: list[Value]) -> None:
            inside = type(self)(self.function, builder, self._call, self._constant)
            inside.returns, inside._loops, inside._around = [], [], node
            inside._copied = 0.0
            inside._frames = [*self._frames, assigned(node.body)]
            inside.scope = dict(zip(outside, values, strict=False))
            start, step, *shared = values[len(outside) :]
            assert isinstance(start, Scalar)
            assert isinstance(step, Scalar)
            place = plus(builder, start.value, times(builder, number, step.value))
            inside.scope[name] = Scalar(INT64, place)
            after = builder.append_basic_block("iteration.end")
            with faults.noted(builder, number, inside.scope, shared):
                inside._loop_body(node.body, None, after)
                builder.position_at_end(after)

        parallel(self.builder, _count(self.builder, start, stop, step), captured, iteration)
        faults.kept(self.builder)

    def _leave(self, node: ast.stmt, block: Any) -> None:
        """Go on elsewhere."""
        if block is None:
            self.fail(node, f"a prange runs all its iterations: no {type(node).__name__} in it")
        self.builder.branch(block)

    def _while(self, test: ast.expr, statements: Sequence[ast.stmt]) -> None:
        builder = self.builder
        names = ("while", "while.body", "while.end")
        head, body, end = (builder.append_basic_block(name) for name in names)
        builder.branch(head)
        builder.position_at_end(head)
        builder.cbranch(self.truth(test), body, end)
        builder.position_at_end(body)
        with inner_scope(self):
            self._loop_body(statements, end, head)
        self._copied = inf
        builder.position_at_end(end)

    def _loop_body(self, statements: Sequence[ast.stmt], end: Any, again: Any) -> None:
        self._loops.append((end, again))
        if self._suite(statements):
            self.builder.branch(again)
        self._loops.pop()

    def _if(self, test: ast.expr, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt]) -> bool:
        builder = self.builder
        condition = self.truth(test)
        then = builder.append_basic_block("if")
        other = builder.append_basic_block("else") if orelse else None
        start, ends = builder.block, []
        for block, statements in ((then, body), (other, orelse)):
            if block is None:
                continue
            builder.position_at_end(block)
            with inner_scope(self):
                if self._suite(statements):
                    ends.append(builder.block)
        if other is not None and not ends:
            builder.position_at_end(start)
            builder.cbranch(condition, then, other)
            return False
        after = builder.append_basic_block("endif")
        for block in ends:
            builder.position_at_end(block)
            builder.branch(after)
        builder.position_at_end(start)
        builder.cbranch(condition, then, after if other is None else other)
        builder.position_at_end(after)
        return True


def _iterations(start: Any, stop: Any, step: Any) -> int | None:
    """How many places a range has, if that is known."""
    ends = start, stop, step
    if not all(isinstance(end, ir.Constant) for end in ends):
        return None
    return len(range(*(end.constant for end in ends)))


def _goes_on(builder: Any, place: Any, stop: Any, step: Any) -> Any:
    """Whether a place of a range lies before its end."""
    if isinstance(step, ir.Constant):
        return builder.icmp_signed("<" if step.constant > 0 else ">", place, stop)
    up = builder.icmp_signed(">", step, ir.Constant(INT64_TYPE, 0))
    below, above = (builder.icmp_signed(sign, place, stop) for sign in ("<", ">"))
    return builder.select(up, below, above)


def _count(builder: Any, start: Any, stop: Any, step: Any) -> Any:
    """How many numbers a range has."""
    parts = (start, stop, step)
    if all(isinstance(part, ir.Constant) for part in parts):
        return ir.Constant(INT64_TYPE, len(range(*(part.constant for part in parts))))
    zero, one = ir.Constant(INT64_TYPE, 0), ir.Constant(INT64_TYPE, 1)
    up = builder.icmp_signed(">", step, zero)
    span = builder.sub(stop, start, flags=("nsw",))
    rest = builder.sub(step, builder.select(up, one, ir.Constant(INT64_TYPE, -1)))
    steps = builder.sdiv(builder.add(span, rest, flags=("nsw",)), step)
    return builder.select(builder.icmp_signed(">", steps, zero), steps, zero)


def _variable_kind(kind: Kind) -> Kind:
    """The type of a variable that has such values: an array's sizes may change."""
    return ArrayKind(kind.dtype, (None,) * kind.ndim) if isinstance(kind, ArrayKind) else kind


def _all_words(builder: Any, value: Value) -> list[Any]:
    """The words of a value, of an array all sizes."""
    if isinstance(value, Array):
        data = flatten(builder, Array(value.dtype, value.data, ()))
        return [*data, *(size.value for size in value.sizes)]
    return flatten(builder, value)
