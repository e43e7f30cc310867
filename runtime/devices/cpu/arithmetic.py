"""Operators on numbers, as LLVM code, with the types that Numba gives their results.

Two integers make an int64, whatever their size; a float32 stays one beside another, and every other
number beside a float makes float64. Integers wrap around. NaN compares false, but it is unequal.
"""

from __future__ import annotations

import ast
from typing import Any

from . import functions
from .kinds import BOOL, FLOAT64, INT64, UINT64, Number, promoted
from .routines import Intrinsic
from .values import Scalar, cast, number

FLOATS: dict[type[ast.operator], str] = {
    ast.Add: "fadd",
    ast.Sub: "fsub",
    ast.Mult: "fmul",
    ast.Div: "fdiv",
}
INTEGERS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and_",
    ast.BitOr: "or_",
    ast.BitXor: "xor",
    ast.LShift: "shl",
}
BITS = (ast.BitAnd, ast.BitOr, ast.BitXor)
DIVISIONS: dict[type[ast.operator], Intrinsic] = {
    ast.FloorDiv: functions.floor_divide,
    ast.Mod: functions.remainder,
}
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def binary(builder: Any, op: ast.operator, x: Scalar, y: Scalar) -> Scalar | None:
    """Two numbers by an operator; None if there is no such operation."""
    kind, form = promoted(x.kind, y.kind), type(op)
    if kind is BOOL and form in BITS:
        return Scalar(BOOL, getattr(builder, INTEGERS[form])(x.value, y.value))
    if not isinstance(kind, Number) or kind is BOOL:
        return None
    if form is ast.Div and not kind.is_float:
        kind = FLOAT64
    elif kind.family == "signed":
        kind = INT64
    a, b = cast(builder, x, kind), cast(builder, y, kind)
    if kind.is_float:
        return (
            Scalar(kind, getattr(builder, FLOATS[form])(a.value, b.value))
            if form in FLOATS
            else None
        )
    if kind is INT64 and form in DIVISIONS:
        result = DIVISIONS[form].lower(builder, a, b)
        assert isinstance(result, Scalar)
        return result
    if form is ast.RShift:
        shift = builder.lshr if kind is UINT64 else builder.ashr
        return Scalar(kind, shift(a.value, b.value))
    return (
        Scalar(kind, getattr(builder, INTEGERS[form])(a.value, b.value))
        if form in INTEGERS
        else None
    )


def unary(builder: Any, op: ast.unaryop, x: Scalar) -> Scalar | None:
    """A number by an operator; None if there is no such operation."""
    if isinstance(op, ast.Not):
        return Scalar(BOOL, builder.not_(cast(builder, x, BOOL).value))
    if not isinstance(op, ast.USub) or x.kind in (BOOL, UINT64):
        return None
    kind = x.kind if x.kind.is_float else INT64
    if x.constant is not None:
        return number(-x.constant, kind)
    value = cast(builder, x, kind).value
    return Scalar(kind, builder.fneg(value) if kind.is_float else builder.neg(value))


def compare(builder: Any, op: ast.cmpop, x: Scalar, y: Scalar) -> Any:
    """Whether a comparison holds; None if there is no such comparison."""
    kind = promoted(x.kind, y.kind)
    if not isinstance(kind, Number) or type(op) not in COMPARISONS:
        return None
    sign = COMPARISONS[type(op)]
    if not kind.is_float:
        write = builder.icmp_signed if kind.family == "signed" else builder.icmp_unsigned
    else:
        write = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
    return write(sign, cast(builder, x, kind).value, cast(builder, y, kind).value)
