"""Expressions of the language, as LLVM code."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
from llvmlite import ir

from . import arithmetic, casts, functions
from .kinds import (
    BOOL,
    FLOAT64,
    INT64,
    INT64_TYPE,
    NUMBERS,
    Kind,
    Number,
    TextKind,
    TupleKind,
    parts,
    promoted,
)
from .routines import Function, Intrinsic, TranslationError, local_array
from .values import (
    Array,
    Columns,
    Scalar,
    Text,
    Tuple,
    Value,
    assembled,
    cast,
    element,
    load,
    number,
    plus,
    room,
    size_of,
    store,
    times,
)

LARGEST = 1 << 21  # bytes of a local array: a thread's stack is 8 MB and less
EXTREMES = {"min": functions.minimum, "max": functions.maximum}


class Expressions:
    """Writes the expressions of one function.

    Args:
        function: what is translated.
        builder: where LLVM code goes.
        call: writes a call of another function.
        constant: the array in the module that has these elements.

    Attributes:
        scope: variables that have one value where we are.
        slots: variables that change: their type, and the memory that they lie in.
    """

    def __init__(
        self,
        function: Function,
        builder: Any,
        call: Callable[[Expressions, Function, list[Value]], Value],
        constant: Callable[[np.ndarray[Any, Any]], Array],
    ) -> None:
        """Start with no variables."""
        self.function, self.builder = function, builder
        self._call, self._constant = call, constant
        self.scope: dict[str, Value] = {}
        self.slots: dict[str, tuple[Kind, list[Any]]] = {}

    def fail(self, node: Any, what: str) -> NoReturn:
        """Say where the source is not what we know."""
        line = getattr(node, "lineno", self.function.definition.lineno)
        raise TranslationError(f"{self.function.file}:{line}: {self.function.name}: {what}")

    # Values

    def value(self, node: ast.expr) -> Value:
        """The value of an expression."""
        match node:
            case ast.Constant(value=bool() | int() | float()):
                return self._known(node, node.value)
            case ast.Constant(value=str(text)):
                return Text(TextKind(text))
            case ast.Name(id=name):
                return self._variable(node, name)
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(node, op, self.number(left), self.number(right))
            case ast.UnaryOp(op=op, operand=operand):
                return self._unary(node, op, self.number(operand))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compare(node, left, ops, others)
            case ast.BoolOp(op=op, values=values):
                return self._logical(isinstance(op, ast.And), values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(node, test, body, orelse)
            case ast.Subscript(value=array, slice=index):
                return self._subscript(node, self.value(array), index)
            case ast.Attribute(value=owner, attr=name):
                return self._attribute(node, owner, name)
            case ast.Call(func=function, args=arguments, keywords=[]):
                return self._called(node, function, arguments)
            case ast.Tuple(elts=items):
                return Tuple(tuple(map(self.value, items)))
        self.fail(node, f"{type(node).__name__} is not in the language")

    def number(self, node: ast.expr) -> Scalar:
        """The value of an expression that is a number."""
        value = self.value(node)
        if not isinstance(value, Scalar):
            self.fail(node, f"expected a number, came {value.kind}")
        return value

    def truth(self, node: ast.expr) -> Any:
        """Whether a condition holds."""
        return cast(self.builder, self.number(node), BOOL).value

    def place(self, node: ast.expr) -> Any:
        """An index. It is in the array, so that computing it does not overflow."""
        match node:
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as op, right=right):
                x, y = self.place(left), self.place(right)
                if isinstance(op, ast.Sub):
                    return self.builder.sub(x, y, flags=("nsw",))
                return (times if isinstance(op, ast.Mult) else plus)(self.builder, x, y)
        value = self.number(node)
        if not value.kind.is_integer:
            self.fail(node, f"expected an integer, came {value.kind}")
        return cast(self.builder, value, INT64).value

    # Names

    def _variable(self, node: ast.expr, name: str) -> Value:
        if name in self.slots:
            kind, places = self.slots[name]
            words = [
                self.builder.load(place, typ=part)
                for place, part in zip(places, parts(kind), strict=True)
            ]
            return assembled(kind, iter(words))
        if name in self.scope:
            return self.scope[name]
        if name in self.function.variables or name not in self.function.names:
            self.fail(node, f"{name} has no value here")
        return self._known(node, self.function.names[name])

    def _known(self, node: ast.expr, thing: Any) -> Value:
        """A constant of Python's."""
        match thing:
            case bool():
                return number(thing, BOOL)
            case int():
                return number(thing, INT64)
            case float():
                return number(thing, FLOAT64)
            case np.generic():
                return number(thing.item(), NUMBERS[thing.dtype.name])
            case np.ndarray():
                return self._constant(thing)
            case tuple():
                return self._constant(np.array(thing, np.float64))
        self.fail(node, f"{type(thing).__name__} is not a value")

    def _attribute(self, node: ast.expr, owner: ast.expr, name: str) -> Value:
        if isinstance(owner, ast.Name):
            found = self.function.names.get(owner.id)
            if isinstance(found, ModuleType):
                return self._known(node, getattr(found, name))
        array = self.value(owner)
        if name != "shape" or not isinstance(array, Array):
            self.fail(node, f"{array.kind} has no {name}")
        return Tuple(array.sizes)

    # Arithmetic

    def binary(self, node: Any, op: ast.operator, x: Scalar, y: Scalar) -> Scalar:
        """Two numbers by an operator."""
        result = arithmetic.binary(self.builder, op, x, y)
        if result is None:
            self.fail(node, f"{x.kind} {type(op).__name__} {y.kind} is not in the language")
        return result

    def _unary(self, node: ast.expr, op: ast.unaryop, x: Scalar) -> Scalar:
        result = arithmetic.unary(self.builder, op, x)
        if result is None:
            self.fail(node, f"{type(op).__name__} {x.kind} is not in the language")
        return result

    def _compare(
        self, node: ast.expr, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]
    ) -> Scalar:
        """A comparison, or several of neighbors that must all hold."""
        numbers = [self.number(left), *map(self.number, others)]
        found = None
        for op, x, y in zip(ops, numbers[:-1], numbers[1:], strict=True):
            holds = arithmetic.compare(self.builder, op, x, y)
            if holds is None:
                self.fail(node, f"{x.kind} {type(op).__name__} {y.kind} is not in the language")
            found = holds if found is None else self.builder.and_(found, holds)
        return Scalar(BOOL, found)

    # What is computed in one case alone

    def _logical(self, every: bool, conditions: list[ast.expr]) -> Scalar:
        """`and` or `or`: the first condition that decides is the last that is computed."""
        builder, end = self.builder, self.builder.append_basic_block("decided")
        decided = []
        for condition in conditions[:-1]:
            holds = self.truth(condition)
            decided.append(builder.block)
            more = builder.append_basic_block("more")
            builder.cbranch(holds, *((more, end) if every else (end, more)))
            builder.position_at_end(more)
        last = self.truth(conditions[-1])
        ended = builder.block
        builder.branch(end)
        builder.position_at_end(end)
        result = builder.phi(BOOL.llvm)
        for block in decided:
            result.add_incoming(ir.Constant(BOOL.llvm, not every), block)
        result.add_incoming(last, ended)
        return Scalar(BOOL, result)

    def _choice(self, node: ast.expr, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Scalar:
        builder = self.builder
        blocks = [builder.append_basic_block(name) for name in ("then", "else")]
        builder.cbranch(self.truth(test), *blocks)
        found = []
        for block, branch in zip(blocks, (body, orelse), strict=True):
            builder.position_at_end(block)
            value = self.number(branch)
            found.append((value, builder.block))
        kind = promoted(found[0][0].kind, found[1][0].kind)
        if not isinstance(kind, Number):
            self.fail(node, f"{found[0][0].kind} or {found[1][0].kind} is not in the language")
        end, results = builder.append_basic_block("chosen"), []
        for value, block in found:
            builder.position_at_end(block)
            results.append(cast(builder, value, kind).value)
            builder.branch(end)
        builder.position_at_end(end)
        chosen = builder.phi(kind.llvm)
        for result, (_, block) in zip(results, found, strict=True):
            chosen.add_incoming(result, block)
        return Scalar(kind, chosen)

    # Elements and parts

    def target(self, node: ast.Subscript) -> tuple[Any, Number]:
        """The address of an element that is assigned, and its type in memory."""
        array = self.value(node.value)
        index = self._index(node.slice)
        if not isinstance(array, Array) or len(index) != len(array.sizes):
            self.fail(node, f"no element of {array.kind} has {len(index)} indices")
        return element(self.builder, array, list(map(self.place, index))), array.dtype

    def _index(self, node: ast.expr) -> list[ast.expr]:
        return node.elts if isinstance(node, ast.Tuple) else [node]

    def _subscript(self, node: ast.expr, value: Value, slice: ast.expr) -> Value:
        if isinstance(value, Tuple):
            return self._item(node, value, slice)
        index = self._index(slice)
        if not isinstance(value, Array) or len(index) > len(value.sizes):
            self.fail(node, f"no element of {value.kind} has {len(index)} indices")
        builder = self.builder
        parts = [axis for axis, part in enumerate(index) if isinstance(part, ast.Slice)]
        if parts:
            return self._part(node, value, index, parts)
        where = element(builder, value, list(map(self.place, index)))
        if len(index) < len(value.sizes):
            return Array(value.dtype, where, value.sizes[len(index) :])
        return load(builder, where, value.dtype)

    def _part(
        self, node: ast.expr, value: Array, index: list[ast.expr], axes: list[int]
    ) -> Array | Columns:
        """Parts along some axes, elements along others: what they leave lies together, or rows do.

        Rows that lie apart are a matrix: some columns of one, or one axis of rows, then elements of
        others, and the last axis.
        """
        builder, dims = self.builder, value.sizes
        whole = (None,) * (len(dims) - len(index))
        starts, sizes = list[Any](), list[Scalar]()
        for part, size in zip((*index, *whole), dims, strict=True):
            if part is None or (isinstance(part, ast.Slice) and _is_whole(part)):
                starts.append(ir.Constant(INT64_TYPE, 0))
                sizes.append(size)
            elif isinstance(part, ast.Slice):
                count, start = self._extent(part)
                starts.append(start)
                sizes.append(count)
            else:
                starts.append(self.place(part))
        data = element(builder, value, starts)
        first, *others = axes
        if not others and first == len(index) - 1:
            return Array(value.dtype, data, tuple(sizes))
        last = len(dims) - 1
        if len(sizes) != 2 or others not in ([], [last]) or first == last:
            self.fail(node, f"no part of {value.kind} is a matrix along axes {axes}")
        pitch = dims[first + 1].value
        for size in dims[first + 2 :]:
            pitch = times(builder, pitch, size.value)
        return Columns(value.dtype, data, (sizes[0], sizes[1]), Scalar(INT64, pitch))

    def _extent(self, node: ast.Slice) -> tuple[Scalar, Any]:
        """The size and the start of a part `start:stop`."""
        if node.lower is None or node.upper is None or node.step is not None:
            self.fail(node, "a part of an array has a start and a stop")
        start, upper = self.place(node.lower), node.upper
        if isinstance(upper, ast.BinOp) and isinstance(upper.op, ast.Add):
            if ast.dump(upper.left) == ast.dump(node.lower):
                size = self.place(upper.right)
                return Scalar(INT64, size), start
        return Scalar(INT64, self.builder.sub(self.place(upper), start, flags=("nsw",))), start

    def _item(self, node: ast.expr, value: Tuple, index: ast.expr) -> Value:
        """An item of a tuple; if it is not known which, they are numbers of one type."""
        place = self.place(index)
        if isinstance(place, ir.Constant):
            if not 0 <= place.constant < len(value.items):
                self.fail(node, f"{value.kind} has no item {place.constant}")
            item: Value = value.items[place.constant]
            return item
        kinds = {item.kind for item in value.items}
        first = value.items[0] if len(kinds) == 1 else None
        if not isinstance(first, Scalar):
            self.fail(node, f"the items of {value.kind} are not numbers of one type")
        count = len(value.items)
        data = room(self.builder, ir.ArrayType(first.kind.stored, count))
        array = Array(first.kind, data, (size_of(count),))
        for i, item in enumerate(value.items):
            assert isinstance(item, Scalar)
            where = element(self.builder, array, [ir.Constant(INT64_TYPE, i)])
            store(self.builder, item, where, first.kind)
        return load(self.builder, element(self.builder, array, [place]), first.kind)

    # Calls

    def _called(self, node: ast.expr, name: ast.expr, arguments: list[ast.expr]) -> Value:
        if not isinstance(name, ast.Name):
            self.fail(node, "only functions that have a name are called")
        found = self.function.names.get(name.id)
        if found is None and name.id in EXTREMES:
            found = EXTREMES[name.id]
        if found is local_array:
            return self._local_array(node, arguments)
        given = list(map(self.value, arguments))
        if isinstance(found, Intrinsic):
            kinds = [value.kind for value in given]
            if len(given) != found.arity or found.infer(*kinds) is None:
                self.fail(node, f"{name.id} does not take {TupleKind(tuple(kinds))}")
            result: Value = found.lower(self.builder, *given)
            return result
        if isinstance(found, Function):
            if len(given) != len(found.parameters):
                self.fail(node, f"{name.id} takes {len(found.parameters)}, not {len(given)}")
            return self._call(self, found, given)
        self.fail(node, f"{name.id} is not a function of the language")

    def _local_array(self, node: ast.expr, arguments: list[ast.expr]) -> Array:
        """Room in the frame, for as many elements of a type as numbers say."""
        match arguments:
            case [ast.Tuple(elts=sizes), ast.Name(id=name)] if sizes:
                dtype = casts.dtype_of(self.function.names.get(name))
            case _:
                self.fail(node, "a local array has sizes, as a tuple, and a type")
        shape = tuple(Scalar(INT64, self.place(size)) for size in sizes)
        numbers = [size.constant for size in shape]
        if dtype is None or not all(isinstance(n, int) and n > 0 for n in numbers):
            self.fail(
                node, "the sizes of a local array are numbers, and its type is one of numbers"
            )
        count = math.prod(numbers)
        if count * dtype.size > LARGEST:
            self.fail(node, f"a local array has {LARGEST} bytes at most")
        data = room(self.builder, ir.ArrayType(dtype.stored, count), align=64)
        return Array(dtype, data, shape)


@contextmanager
def inner_scope(expressions: Expressions) -> Iterator[None]:
    """Inside, new variables; outside, those that were there."""
    outer = expressions.scope
    expressions.scope = dict(outer)
    yield
    expressions.scope = outer


def _is_whole(part: ast.Slice) -> bool:
    """Whether a part is `:`, all of an axis."""
    return part.lower is None and part.upper is None and part.step is None
