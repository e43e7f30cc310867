"""Numbers in another type, under the names of the types."""

from __future__ import annotations

from typing import Any

from .kinds import FLOAT32, FLOAT64, INT32, INT64, UINT64, Kind, Number
from .routines import Intrinsic
from .values import Scalar, Value, cast


def _to(wanted: Number) -> Intrinsic:
    def infer(kind: Kind) -> Kind | None:
        return wanted if isinstance(kind, Number) else None

    def lower(builder: Any, value: Scalar) -> Value:
        return cast(builder, value, wanted)

    return Intrinsic(1, infer, lower)


f32, f64, i32, i64, u64 = map(_to, (FLOAT32, FLOAT64, INT32, INT64, UINT64))


def dtype_of(name: Any) -> Number | None:
    """The type that one of these names stands for."""
    types = {f32: FLOAT32, f64: FLOAT64, i32: INT32, i64: INT64, u64: UINT64}
    return types.get(name) if isinstance(name, Intrinsic) else None


def _like_kind(value: Kind, other: Kind) -> Kind | None:
    return other if isinstance(value, Number) and isinstance(other, Number) else None


def _like(builder: Any, value: Scalar, other: Scalar) -> Value:
    return cast(builder, value, other.kind)


# `like(value, other)`: `value` in the type of `other`.
like = Intrinsic(2, _like_kind, _like)
