"""Where windows go: what users say of strides, dilation and padding, as numbers for each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError, nearest
from chainrule.compiler.ops.windows import span
from chainrule.compiler.types import Dim, Shape, Size

from ..integers import LARGEST, whole

# A number for all spatial axes, or one for each.
Numbers: TypeAlias = int | Sequence[int]
Padding: TypeAlias = str | int | Sequence[int] | Sequence[tuple[int, int]]
FORMATS = ("channels_last", "channels_first")


def numbers(name: str, what: str, given: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """A number for each of `rank` axes.

    Raises:
        UsageError: another number of numbers, or one below `least`.
    """
    each = given if isinstance(given, list | tuple) else (given,) * rank
    found = tuple(number for number in map(whole, each) if number is not None)
    fits = len(each) == len(found) == rank
    if not fits or not all(least <= number <= LARGEST for number in found):
        of = {0: "not negative", 1: "at least 1"}[least]
        many = f", or {rank} of them, one for each spatial axis" if rank > 1 else ""
        raise UsageError(
            f"{name}: {what}={given!r}",
            f"expected an integer, {of}{many}",
            f"one number is for every axis: {what}=2" if many else f"such as {what}=2",
        )
    return found


def padding_of(
    name: str,
    given: Padding,
    dims: Shape,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many places are put before and after each spatial axis.

    "same" makes of a size n the size n / stride, rounded up; what is odd goes behind. "causal", of
    one axis, puts all in front. Numbers are for both sides, pairs for before and after.

    Raises:
        UnknownNameError: another name.
        UsageError: numbers that do not fit.
        ShapeError: "same" with a stride on an axis of unknown size.
    """
    rank = len(dims)
    reach = tuple(map(span, size, dilation))
    if isinstance(given, str):
        if given == "valid":
            return (0,) * rank, (0,) * rank
        if given == "causal" and rank == 1:
            return (reach[0] - 1,), (0,)
        if given != "same":
            known = ["valid", "same"] + (["causal"] if rank == 1 else [])
            raise UnknownNameError(
                f"{name}: padding={given!r}",
                f"expected {', '.join(map(repr, known))}, or numbers",
                nearest(given, known),
            )
        totals = tuple(map(_same, [name] * rank, range(rank), dims, reach, strides))
        return tuple(n // 2 for n in totals), tuple(n - n // 2 for n in totals)
    if isinstance(given, list | tuple) and any(isinstance(pair, list | tuple) for pair in given):
        if len(given) != rank:
            raise UsageError(
                f"{name}: padding={given!r}",
                f"expected {rank} pairs of integers",
                "a pair says how much comes before and after an axis of space",
            )
        pairs = [numbers(name, "padding", pair, 2, 0) for pair in given]
        return tuple(low for low, _ in pairs), tuple(high for _, high in pairs)
    both = numbers(name, "padding", given, rank, 0)
    return both, both


def _same(name: str, axis: int, dim: Dim, reach: int, stride: int) -> int:
    if stride == 1:
        return reach - 1
    if isinstance(dim, Size):
        raise ShapeError(
            f'{name}: padding="same" with a stride of {stride}',
            f"spatial axis {axis} has size {dim}, which is not known",
            "give the padding as numbers, or the axis a size",
        )
    return max((-(-dim // stride) - 1) * stride + reach - dim, 0)


def check_format(name: str, given: str) -> bool:
    """Whether channels come first.

    Raises:
        UnknownNameError: another name.
    """
    if given not in FORMATS:
        raise UnknownNameError(
            f"{name}: data_format={given!r}",
            f"expected {' or '.join(map(repr, FORMATS))}",
            nearest(given, FORMATS),
        )
    return given == "channels_first"
