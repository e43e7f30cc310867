"""Vectors in LLVM code: constants, masks, and their way to and from memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from llvmlite import ir

from .kinds import BOOL, INT64_TYPE, Number
from .values import declared

INT32 = ir.IntType(32)


def vector_type(dtype: Number, lanes: int) -> Any:
    """LLVM's type of a vector."""
    return ir.VectorType(dtype.llvm, lanes)


class Uniform(ir.Constant):  # type: ignore[misc]
    """A vector whose lanes are all alike, in a word: llvmlite would write one for each lane."""

    def __init__(self, kind: Any, word: str) -> None:
        """`zeroinitializer` or `undef`."""
        self.type, self.constant = kind, word

    def _get_reference(self) -> str:
        word: str = self.constant
        return word


def zeros(kind: Any) -> Any:
    """A vector of zeros."""
    return Uniform(kind, "zeroinitializer")


def shuffled(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    """Lanes of two vectors, counted through both."""
    places = ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes))
    return builder.shuffle_vector(first, second, places)


def everywhere(builder: Any, number: Any, lanes: int) -> Any:
    """A vector of one number."""
    undefined = Uniform(ir.VectorType(number.type, lanes), "undef")
    first = builder.insert_element(undefined, number, ir.Constant(INT32, 0))
    if lanes == 1:
        return first
    return builder.shuffle_vector(first, undefined, _first_lane(lanes))


@cache
def _first_lane(lanes: int) -> Any:
    """So many times the number of the first lane, whose text is written once."""
    return ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes)


def first_lanes(builder: Any, lanes: int, count: Any, size: int) -> Any:
    """The mask of so many lanes; `count` is a number, or an int64 of the code."""
    if isinstance(count, int):
        there = [lane < count for lane in range(lanes)]
        return ir.Constant(ir.VectorType(BOOL.llvm, lanes), there)
    integer = ir.IntType(8 * size)  # masks are made of lanes as wide as those that they choose
    if integer.width < INT64_TYPE.width:
        count = builder.trunc(count, integer)
    places = ir.Constant(ir.VectorType(integer, lanes), list(range(lanes)))
    return builder.icmp_signed("<", places, everywhere(builder, count, lanes))


def load_vector(builder: Any, address: Any, kind: Any, size: int, mask: Any = None) -> Any:
    """A vector from memory; lanes that a mask leaves out are 0, and are not read."""
    if mask is None:
        return builder.load(address, typ=kind, align=size)
    given = [address, ir.Constant(INT32, size), mask, zeros(kind)]
    name = f"llvm.masked.load.v{kind.count}f{8 * size}.p0"
    return builder.call(declared(builder, name, kind, given), given)


def store_vector(builder: Any, value: Any, address: Any, size: int, mask: Any = None) -> None:
    """A vector to memory; lanes that a mask leaves out are not written."""
    if mask is None:
        builder.store(value, address, align=size)
        return
    given = [value, address, ir.Constant(INT32, size), mask]
    name = f"llvm.masked.store.v{value.type.count}f{8 * size}.p0"
    builder.call(declared(builder, name, ir.VoidType(), given), given)


def times_plus(builder: Any, x: Any, y: Any, z: Any, size: int) -> Any:
    """`x y + z`, rounded once where the processor can."""
    name = f"llvm.fmuladd.v{x.type.count}f{8 * size}"
    return builder.call(declared(builder, name, x.type, [x, y, z]), [x, y, z])


def total(builder: Any, value: Any, size: int) -> Any:
    """The sum of a vector's lanes, in halves."""
    start = ir.Constant(value.type.element, -0.0)
    name = f"llvm.vector.reduce.fadd.v{value.type.count}f{8 * size}"
    function = declared(builder, name, value.type.element, [start, value])
    return builder.call(function, [start, value], fastmath=("reassoc",))
