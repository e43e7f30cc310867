"""Values while native code is written: what each is made of in LLVM, and how it is converted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir

from .kinds import (
    BOOL,
    INT64,
    INT64_TYPE,
    POINTER,
    ArrayKind,
    ColumnsKind,
    Kind,
    Number,
    TextKind,
    TupleKind,
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number."""

    kind: Number
    value: Any

    @property
    def constant(self) -> Any:
        """The number, if it is known; else None."""
        return self.value.constant if isinstance(self.value, ir.Constant) else None


@dataclass(frozen=True, slots=True)
class Word:
    """An address that is still in a block of words, and is read where it is needed.

    Attributes:
        block: the address of the block.
        position: which word of it.
        sizes: the sizes in the words that follow.
    """

    block: Any
    position: int
    sizes: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A C-contiguous array: where its elements are, and its sizes."""

    dtype: Number
    data: Any
    sizes: tuple[Scalar, ...]

    @property
    def kind(self) -> ArrayKind:
        """Its type, with the sizes that are known."""
        return ArrayKind(self.dtype, tuple(size.constant for size in self.sizes))


@dataclass(frozen=True, slots=True)
class Columns:
    """Some columns of a C-contiguous matrix.

    Attributes:
        data: where the first element is.
        sizes: rows and columns.
        pitch: how many elements lie between a row's first and that of the next.
    """

    dtype: Number
    data: Any
    sizes: tuple[Scalar, Scalar]
    pitch: Scalar

    @property
    def kind(self) -> ColumnsKind:
        """Its type, with the sizes that are known."""
        rows, columns = self.sizes
        return ColumnsKind(self.dtype, (rows.constant, columns.constant))


@dataclass(frozen=True, slots=True)
class Tuple:
    """Several values."""

    items: tuple[Value, ...]

    @property
    def kind(self) -> TupleKind:
        """Its type."""
        return TupleKind(tuple(item.kind for item in self.items))


@dataclass(frozen=True, slots=True)
class Text:
    """What a function of the library is told, all of which is in its type."""

    kind: TextKind


Value: TypeAlias = Scalar | Array | Columns | Tuple | Text
NONE = Tuple(())


def number(value: float, kind: Number) -> Scalar:
    """A constant."""
    if kind is BOOL:
        return Scalar(kind, ir.Constant(kind.llvm, bool(value)))
    if kind.is_float:
        with np.errstate(over="ignore"):
            return Scalar(kind, ir.Constant(kind.llvm, float(np.asarray(value).astype(kind.name))))
    bits = 8 * kind.size
    value = int(value) % (1 << bits)
    if kind.family == "signed" and value >= 1 << (bits - 1):
        value -= 1 << bits
    return Scalar(kind, ir.Constant(kind.llvm, value))


def size_of(value: int) -> Scalar:
    """A constant size."""
    return Scalar(INT64, ir.Constant(INT64_TYPE, value))


def cast(builder: Any, given: Scalar, kind: Number) -> Scalar:
    """A number in another type, as C converts it."""
    have, value = given.kind, given.value
    if have is kind:
        return given
    if given.constant is not None and not (have.is_float and not kind.is_float):
        return number(given.constant, kind)
    if kind is BOOL:
        zero = ir.Constant(have.llvm, 0)
        compare = builder.fcmp_unordered if have.is_float else builder.icmp_unsigned
        return Scalar(kind, compare("!=", value, zero))
    if have.is_float:
        if kind.is_float:
            convert = builder.fptrunc if kind.size < have.size else builder.fpext
        else:
            convert = builder.fptoui if kind.family == "unsigned" else builder.fptosi
    elif kind.is_float:
        convert = builder.sitofp if have.family == "signed" else builder.uitofp
    elif have.size == kind.size and have is not BOOL:
        return Scalar(kind, value)
    elif kind.size < have.size:
        convert = builder.trunc
    else:
        convert = builder.sext if have.family == "signed" else builder.zext
    return Scalar(kind, convert(value, kind.llvm))


def flatten(builder: Any, value: Value) -> list[Any]:
    """The words that a value is made of; see `parts`."""
    match value:
        case Scalar():
            return [value.value]
        case Array():
            unknown = [size.value for size in value.sizes if size.constant is None]
            return [address(builder, value), *unknown]
        case Columns():
            words = flatten(builder, Array(value.dtype, value.data, value.sizes))
            return [*words, value.pitch.value]
        case Tuple():
            return [word for item in value.items for word in flatten(builder, item)]
        case Text():
            return []


def assembled(kind: Kind, words: Iterator[Any]) -> Value:
    """The value of a type that these words make."""
    match kind:
        case Number():
            return Scalar(kind, next(words))
        case ArrayKind():
            data = next(words)
            sizes = [Scalar(INT64, next(words)) if n is None else size_of(n) for n in kind.sizes]
            return Array(kind.dtype, data, tuple(sizes))
        case ColumnsKind():
            array = assembled(ArrayKind(kind.dtype, kind.sizes), words)
            assert isinstance(array, Array)
            rows, columns = array.sizes
            return Columns(kind.dtype, array.data, (rows, columns), Scalar(INT64, next(words)))
        case TupleKind():
            return Tuple(tuple(assembled(item, words) for item in kind.items))
        case TextKind():
            return Text(kind)


def word_at(builder: Any, block: Any, position: int) -> Any:
    """The address of a word in a block."""
    place = ir.Constant(INT64_TYPE, position)
    return builder.gep(block, [place], inbounds=True, source_etype=INT64_TYPE)


def address(builder: Any, array: Array | Columns) -> Any:
    """Where an array's elements are."""
    if isinstance(array.data, Word):
        where = word_at(builder, array.data.block, array.data.position)
        return builder.load(where, typ=POINTER)
    return array.data


def times(builder: Any, x: Any, y: Any) -> Any:
    """A product of sizes or places, which does not overflow."""
    if isinstance(y, ir.Constant):
        x, y = y, x
    if isinstance(x, ir.Constant):
        if isinstance(y, ir.Constant):
            return ir.Constant(INT64_TYPE, x.constant * y.constant)
        if x.constant in (0, 1):
            return y if x.constant else x
    return builder.mul(x, y, flags=("nsw",))


def plus(builder: Any, x: Any, y: Any) -> Any:
    """A sum of sizes or places, which does not overflow."""
    if isinstance(x, ir.Constant):
        if isinstance(y, ir.Constant):
            return ir.Constant(INT64_TYPE, x.constant + y.constant)
        x, y = y, x
    if isinstance(y, ir.Constant) and y.constant == 0:
        return x
    return builder.add(x, y, flags=("nsw",))


def element(builder: Any, array: Array, index: Sequence[Any]) -> Any:
    """The address of an element, or of the part of an array that has this index."""
    offset = index[0]
    for place, size in zip(index[1:], array.sizes[1:], strict=False):
        offset = plus(builder, times(builder, offset, size.value), place)
    for size in array.sizes[len(index) :]:
        offset = times(builder, offset, size.value)
    data = address(builder, array)
    return builder.gep(data, [offset], inbounds=True, source_etype=array.dtype.stored)


def load(builder: Any, where: Any, kind: Number) -> Scalar:
    """The number in memory at an address."""
    value = builder.load(where, typ=kind.stored, align=kind.size)
    if kind is BOOL:
        value = builder.icmp_unsigned("!=", value, ir.Constant(kind.stored, 0))
    return Scalar(kind, value)


def store(builder: Any, value: Scalar, where: Any, kind: Number) -> None:
    """Write a number to memory, in the type that is kept there."""
    stored = cast(builder, value, kind).value
    if kind is BOOL:
        stored = builder.zext(stored, kind.stored)
    builder.store(stored, where, align=kind.size)


def room(builder: Any, kind: Any, align: int | None = None) -> Any:
    """Memory for a value in the function's frame, made once, whatever loops are around."""
    with builder.goto_entry_block():
        where = builder.alloca(kind)
    where.align = align
    where.type = POINTER
    return where


def kept(builder: Any, value: Any) -> Any:
    """The address of a copy of a value."""
    where = room(builder, value.type)
    builder.store(value, where)
    return where


def copy(builder: Any, target: Any, source: Any, size: Any) -> None:
    """Copy bytes that do not overlap."""
    given = [target, source, size, ir.Constant(BOOL.llvm, 0)]
    function = declared(builder, "llvm.memcpy.p0.p0.i64", ir.VoidType(), given)
    builder.call(function, given)


def clear(builder: Any, target: Any, size: Any) -> None:
    """Zeros in so many bytes."""
    given = [target, ir.Constant(ir.IntType(8), 0), size, ir.Constant(BOOL.llvm, 0)]
    builder.call(declared(builder, "llvm.memset.p0.i64", ir.VoidType(), given), given)


def declared(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """A function from elsewhere, declared on first use."""
    known = builder.module.globals.get(name)
    if known is None:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        known = ir.Function(builder.module, kind, name)
    return known
