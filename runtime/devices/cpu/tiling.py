"""How a contraction is computed: what its tiles are, and the loops in them and around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .processor import Processor
from .subscripts import Letter, Number

# Bytes that a tile's sums may go through: more do not stay in the second cache.
NEAR = 1 << 18
# Rows of a tile along an axis whose size is not known.
SOME = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How a contraction is computed.

    Attributes:
        swapped: whether left and right change places.
        lanes: of a vector.
        columns: the axis of vectors; None if there are none, or if they are summed.
        vectors: how many vectors wide a tile is.
        rows: axes of a tile, the last of them being the inner one; with their tiles' sizes.
        around: the other axes of the result, outermost first.
        summed: axes that are summed over in a tile, outermost first.
        again: axes that are summed over by adding to the result, outermost first.
        across: the axis that is summed in vectors, if there is one.
        repeated: whether elements of the result may be written more than once, or not at all.
    """

    swapped: bool
    lanes: int
    columns: Letter | None
    vectors: int
    rows: tuple[tuple[Letter, int], ...]
    around: tuple[Letter, ...]
    summed: tuple[Letter, ...]
    again: tuple[Letter, ...]
    across: Letter | None
    repeated: bool


def fixed(x: Number) -> int:
    """A number for comparisons; one that is not known counts as large."""
    return x if isinstance(x, int) else 1 << 40


def planned(every: Sequence[Letter], repeated: bool, size: int, processor: Processor) -> Plan:
    """Tiles that read little for what they compute, of numbers of this many bytes."""
    lanes = processor.vector_bytes // size
    kept = [x for x in every if not x.is_summed]
    summed = [x for x in every if x.is_summed]

    def vector(x: Letter, *fixed: int) -> bool:
        return all(isinstance(step, int) and step in fixed for step in x.steps[:2])

    columns = max(
        (x for x in kept if x.steps[2] == 1 and vector(x, 0, 1) and 1 in x.steps[:2]),
        key=lambda x: fixed(x.size),
        default=None,
    )
    across = None
    if columns is None:
        across = max((x for x in summed if vector(x, 1)), key=lambda x: fixed(x.size), default=None)
    swapped = columns is not None and columns.steps[1] != 1
    if swapped:
        assert columns is not None
        kept, summed = ([x.swapped() for x in group] for group in (kept, summed))
        columns = columns.swapped()
    rest = [x for x in kept if x != columns]
    extent = 1 if columns is None else fixed(columns.size)
    # Rows that add to the same places would wait for each other.
    rows = [
        x
        for x in rest
        if x.steps[1] == 0 and (not repeated or extent <= fixed(x.steps[2]) < 1 << 40)
    ]
    rows.sort(key=lambda x: (not isinstance(x.size, int), fixed(x.steps[0])))
    width = 1 if columns is None else -(-min(fixed(columns.size), 1 << 20) // lanes)
    vectors, tiled = max(
        (_tile(rows, count, processor) for count in range(1, max(min(width, 4), 1) + 1)), key=_worth
    )
    inner = [x for x in summed if x != across]
    inner.sort(key=lambda x: (-fixed(x.steps[0]), -fixed(x.steps[1])))
    one = columns is not None and width <= vectors and all(x.size == n for x, n in tiled)
    again: list[Letter] = []
    if not (one and len(tiled) == len(rest)):
        bytes_ = size * (1 + (1 if columns is None else fixed(columns.size)))
        while len(inner) > 1 and bytes_ * _many(inner) > NEAR:
            again.append(inner.pop(0))
    around = [x for x in rest if all(x != y for y, _ in tiled)]
    around.sort(key=lambda x: -fixed(x.steps[2]))
    around[1:] = sorted(around[1:], key=lambda x: (x.steps[1] == 0, -fixed(x.steps[2])))
    return Plan(
        swapped, lanes, columns, vectors, tuple(reversed(tiled)), tuple(around), tuple(inner),
        tuple(again), across, repeated,
    )  # fmt: skip


def _many(inner: Sequence[Letter]) -> int:
    count = 1
    for x in inner:
        count *= fixed(x.size)
    return count


def _worth(tile: tuple[int, list[tuple[Letter, int]]]) -> float:
    """What is computed for what is read."""
    columns, rows = tile[0], 1
    for _, size in tile[1]:
        rows *= size
    return rows * columns / (rows + columns)


def _tile(
    rows: Sequence[Letter], vectors: int, processor: Processor
) -> tuple[int, list[tuple[Letter, int]]]:
    """As many rows as fit into the registers beside so many vectors."""
    # One more holds the number of a row, where it is not read with each multiplication.
    room = (processor.registers - 2 - vectors - (processor.registers < 32)) // vectors
    found: list[tuple[Letter, int]] = []
    for x in rows[:2]:
        if isinstance(x.size, int):
            parts = -(-x.size // room)
            size = -(-x.size // parts)
            if found and x.size % size:
                size = max(n for n in range(1, size + 1) if x.size % n == 0)
        else:
            size = min(room, SOME) if not found else 1
        if size > 1:
            found.append((x, size))
            room //= size
        if size == 1 or size != x.size:
            break
    return vectors, found
