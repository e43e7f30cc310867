"""Floating-point numbers in LLVM code, with operators, for functions that are written with them.

What is built here has neither jumps nor calls, so that a loop over it becomes vector code.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from llvmlite import ir

from .values import declared

# The one thing that is changed in the order of what is written: sums, whose terms are added in
# any order. Everything else is rounded as it stands; see docs/numbers.md.
REASSOCIATED = ("reassoc",)


@dataclass(frozen=True, slots=True)
class Format:
    """A floating-point type.

    Attributes:
        suffix: of LLVM's intrinsics.
        bits: of the integer of the same size.
        digits: bits of the fraction that are stored.
        bias: what is added to an exponent.
    """

    suffix: str
    bits: int
    digits: int
    bias: int

    @property
    def kind(self) -> Any:
        """LLVM's type."""
        return ir.FloatType() if self.bits == 32 else ir.DoubleType()

    @property
    def integer(self) -> Any:
        """LLVM's type of the integer of the same size."""
        return ir.IntType(self.bits)

    def encoded(self, number: float) -> int:
        """The number's bits."""
        letters = "<f", "<i", "<d", "<q"
        real, whole = letters[:2] if self.bits == 32 else letters[2:]
        found: int = struct.unpack(whole, struct.pack(real, number))[0]
        return found


SINGLE = Format("f32", 32, 23, 127)
DOUBLE = Format("f64", 64, 52, 1023)


@dataclass(frozen=True, slots=True)
class Value:
    """A number in LLVM code, with operators; Python's numbers become constants of its type."""

    builder: Any
    format: Format
    value: Any

    def _other(self, other: Value | float) -> Any:
        return other.value if isinstance(other, Value) else ir.Constant(self.value.type, other)

    def _new(self, value: Any) -> Value:
        return Value(self.builder, self.format, value)

    def __add__(self, other: Value | float) -> Value:
        return self._new(self.builder.fadd(self.value, self._other(other)))

    def __sub__(self, other: Value | float) -> Value:
        return self._new(self.builder.fsub(self.value, self._other(other)))

    def __mul__(self, other: Value | float) -> Value:
        return self._new(self.builder.fmul(self.value, self._other(other)))

    def __truediv__(self, other: Value | float) -> Value:
        return self._new(self.builder.fdiv(self.value, self._other(other)))

    def __neg__(self) -> Value:
        return self._new(self.builder.fneg(self.value))

    def __abs__(self) -> Value:
        return self.call("fabs")

    def compare(self, operator: str, other: Value | float) -> Any:
        """A condition, false for NaN."""
        return self.builder.fcmp_ordered(operator, self.value, self._other(other))

    def where(self, condition: Any, other: Value | float) -> Value:
        """This value where the condition holds, else the other."""
        return self._new(self.builder.select(condition, self.value, self._other(other)))

    def within(self, low: float, high: float) -> Value:
        """The nearest number from `low` to `high`; NaN stays NaN."""
        below = self.like(high).where(self.compare(">", high), self)
        return self.like(low).where(below.compare("<", low), below)

    def like(self, number: float) -> Value:
        """A constant of the same type."""
        return self._new(ir.Constant(self.value.type, number))

    def call(self, name: str, *others: Value | float) -> Value:
        """LLVM's intrinsic of this name."""
        values = [self.value, *map(self._other, others)]
        name = f"llvm.{name}.{self.format.suffix}"
        function = declared(self.builder, name, self.value.type, values)
        return self._new(self.builder.call(function, values))

    def times_plus(self, factor: Value | float, term: Value | float) -> Value:
        """`self * factor + term`, rounded once where the processor can."""
        return self.call("fmuladd", factor, term)

    def lost(self, factor: Value | float, product: Value) -> Value:
        """What rounding took from `product`, which is `self * factor`."""
        return self.call("fma", factor, -product)

    def to(self, format: Format) -> Value:
        """The number in another type."""
        if format is self.format:
            return self
        convert = self.builder.fpext if format.bits > self.format.bits else self.builder.fptrunc
        return Value(self.builder, format, convert(self.value, format.kind))

    def bits(self) -> Any:
        """The integer of the same bits."""
        return self.builder.bitcast(self.value, self.format.integer)

    def from_bits(self, bits: Any) -> Value:
        """The number of these bits."""
        return self._new(self.builder.bitcast(bits, self.format.kind))

    def whole(self, number: int) -> Any:
        """A constant integer of the same size."""
        return ir.Constant(self.format.integer, number)

    def leading(self) -> Value:
        """Its first digits, so few that the product of two such numbers is exact."""
        return self.from_bits(self.builder.and_(self.bits(), self.whole(-1 << self.short)))

    @property
    def short(self) -> int:
        """How many digits `leading` leaves out."""
        return self.format.digits // 2 + 1


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """The sum of c[i] x^i, by Horner's rule."""
    *rest, last = coefficients
    return reduce(lambda sum, c: sum.times_plus(x, c), reversed(rest), x.like(last))


def two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    """a + b, and what rounding took from it.

    Source: Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B.
    """
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
