"""Where tensors lie between kernels: flat buffers that later tensors use again.

A tensor is alive from the kernel that writes it first to the one that reads it last; two share a
buffer only if no kernel needs both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..ir import Node
from ..types import Dim, sub
from .loops import Kernel


@dataclass(frozen=True, slots=True)
class Slot:
    """A flat buffer: its dtype, its number of elements, and the tensors that lie in it in turn."""

    dtype: str
    size: Dim
    tensors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Life:
    """The first and the last kernel that needs a tensor."""

    first: int
    last: int

    def meets(self, other: Life) -> bool:
        """Whether some kernel needs both."""
        return self.first <= other.last and other.first <= self.last


def lives(kernels: Sequence[Kernel], tensors: Iterable[Node]) -> dict[Node, Life]:
    """How long each tensor is needed; one that no kernel touches is left out."""
    wanted = set(tensors)
    found: dict[Node, Life] = {}
    for place, kernel in enumerate(kernels):
        for tensor in (kernel.reads() | kernel.writes()).keys() & wanted:
            first = found[tensor].first if tensor in found else place
            found[tensor] = Life(first, place)
    return found


def plan(kernels: Sequence[Kernel], tensors: Sequence[Node]) -> tuple[Slot, ...]:
    """Buffers for tensors, first come first served, the best fitting one that is free."""
    alive = lives(kernels, tensors)
    slots: list[Slot] = []
    order = sorted((tensor for tensor in tensors if tensor in alive), key=lambda t: alive[t].first)
    for tensor in order:
        size = tensor.type.size
        fitting = [
            slot
            for slot in slots
            if slot.dtype == tensor.dtype
            and larger(slot.size, size) is not None
            and not any(alive[tensor].meets(alive[other]) for other in slot.tensors)
        ]
        exact = [slot for slot in fitting if slot.size == size]
        if not fitting:
            slots.append(Slot(tensor.dtype, size, (tensor,)))
            continue
        chosen = (exact or fitting)[0]
        both = larger(chosen.size, size)
        assert both is not None
        slots[slots.index(chosen)] = Slot(chosen.dtype, both, (*chosen.tensors, tensor))
    check(slots, alive)
    return tuple(slots)


def larger(a: Dim, b: Dim) -> Dim | None:
    """The larger of two sizes, if it is so whatever the symbols are, which are never negative."""
    difference = sub(a, b)
    factors = [difference] if isinstance(difference, int) else [f for _, f in difference.terms]
    if all(factor >= 0 for factor in factors):
        return a
    return b if all(factor <= 0 for factor in factors) else None


def check(slots: Sequence[Slot], alive: Mapping[Node, Life]) -> None:
    """Assert that no two tensors of a buffer are needed at once, and that each fits."""
    for slot in slots:
        for i, tensor in enumerate(slot.tensors):
            assert tensor.dtype == slot.dtype
            assert larger(slot.size, tensor.type.size) == slot.size
            for other in slot.tensors[:i]:
                assert not alive[tensor].meets(alive[other]), (tensor, other)
