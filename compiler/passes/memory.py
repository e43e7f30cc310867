"""Where tensors lie between kernels: flat buffers that later tensors use again.

A tensor is alive from the kernel that writes it first to the one that reads it last; two share a
buffer only if no kernel needs both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

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
    buffers: list[_Buffer] = []
    free: dict[tuple[str, Dim], list[int]] = {}  # places of buffers by what they hold, in order
    busy: list[tuple[int, int]] = []  # the last kernels that need buffers, and their places
    for tensor in sorted((x for x in tensors if x in alive), key=lambda x: alive[x].first):
        while busy and busy[0][0] < alive[tensor].first:
            _, place = heappop(busy)
            heappush(free.setdefault((buffers[place].dtype, buffers[place].size), []), place)
        found = _fitting(free, tensor.dtype, tensor.type.size)
        if found is None:
            found = len(buffers)
            buffers.append(_Buffer(tensor.dtype, tensor.type.size))
        buffers[found].take(tensor)
        heappush(busy, (alive[tensor].last, found))
    slots = tuple(Slot(x.dtype, x.size, tuple(x.tensors)) for x in buffers)
    check(slots, alive)
    return slots


@dataclass(slots=True)
class _Buffer:
    """A slot that is being filled."""

    dtype: str
    size: Dim
    tensors: list[Node] = field(default_factory=list)

    def take(self, tensor: Node) -> None:
        """One tensor more."""
        both = larger(self.size, tensor.type.size)
        assert both is not None
        self.size = both
        self.tensors.append(tensor)


def _fitting(free: dict[tuple[str, Dim], list[int]], dtype: str, size: Dim) -> int | None:
    """The place of a free buffer, which is taken: of this size, or else one that can hold it."""
    kinds = [(dtype, size)]
    if not free.get(kinds[0]):
        kinds = [key for key in free if key[0] == dtype and larger(key[1], size) is not None]
    lists = [places for key in kinds if (places := free[key])]
    return heappop(min(lists)) if lists else None


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
            if i:  # they come in the order of their lives
                assert alive[slot.tensors[i - 1]].last < alive[tensor].first, tensor
