"""A hint to the processor: what will be read soon."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from .kinds import INT64, INT64_TYPE, NOTHING, ArrayKind, Kind
from .routines import Intrinsic
from .values import NONE, Array, Scalar, Value, declared, element

LINE = 64  # bytes that come into the cache together
MOST = 16  # lines; the processor sees by itself how longer rows go on
WORD = ir.IntType(32)
READ, WRITTEN, NEAR, KEPT, DATA = (ir.Constant(WORD, number) for number in (0, 1, 2, 3, 1))


def _kind(array: Kind, row: Kind) -> Kind | None:
    return NOTHING if isinstance(array, ArrayKind) and row is INT64 else None


def _prefetch(builder: Any, array: Array, row: Scalar) -> Value:
    sizes = [axis.constant for axis in array.sizes[1:]]
    length = array.dtype.size * (1 if None in sizes else math.prod(sizes))
    start = element(builder, array, [row.value])
    _bring(builder, start, length, WRITTEN, KEPT)
    return NONE


def bring_near(builder: Any, start: Any, length: int) -> None:
    """Bytes that will be read, though not at once: to the second cache."""
    _bring(builder, start, length, READ, NEAR)


def _bring(builder: Any, start: Any, length: int, *how: Any) -> None:
    for offset in dict.fromkeys([*range(0, min(length, MOST * LINE), LINE), length - 1]):
        place = builder.gep(start, [ir.Constant(INT64_TYPE, offset)], source_etype=ir.IntType(8))
        given = [place, *how, DATA]
        builder.call(declared(builder, "llvm.prefetch.p0", ir.VoidType(), given), given)


# `prefetch(array, row)`: this row will soon be read and written. It changes nothing but the time
# that this takes.
prefetch = Intrinsic(2, _kind, _prefetch)
