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
WRITTEN, KEPT, DATA = (ir.Constant(WORD, number) for number in (1, 3, 1))


def _kind(array: Kind, row: Kind) -> Kind | None:
    return NOTHING if isinstance(array, ArrayKind) and row is INT64 else None


def _prefetch(builder: Any, array: Array, row: Scalar) -> Value:
    sizes = [axis.constant for axis in array.sizes[1:]]
    length = array.dtype.size * (1 if None in sizes else math.prod(sizes))
    start = element(builder, array, [row.value])
    for offset in dict.fromkeys([*range(0, min(length, MOST * LINE), LINE), length - 1]):
        place = builder.gep(start, [ir.Constant(INT64_TYPE, offset)], source_etype=ir.IntType(8))
        given = [place, WRITTEN, KEPT, DATA]
        builder.call(declared(builder, "llvm.prefetch.p0", ir.VoidType(), given), given)
    return NONE


# `prefetch(array, row)`: this row will soon be read and written. It changes nothing but the time
# that this takes.
prefetch = Intrinsic(2, _kind, _prefetch)
