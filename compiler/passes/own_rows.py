"""What an iteration of a loop in any order computes for itself: one row, not all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..ir import Node
from ..types import BYTES
from .loops import Kernel, Loop, Statement, statements
from .scalars import in_any_order, in_place, positions

# Bytes of a row: what stays in the first-level cache while it is computed and used.
LARGEST = 16 * 1024


def own_rows(kernels: Sequence[Kernel], outputs: Iterable[Node]) -> tuple[Kernel, ...]:
    """Kernels that know of which tensors there is only the row of an iteration.

    Args:
        kernels: in order.
        outputs: tensors that have to lie in memory.
    """
    used = Counter(x for kernel in kernels for x in {**kernel.reads(), **kernel.writes()})
    shared = {*outputs, *(x for x, times in used.items() if times > 1)}
    return tuple(
        replace(kernel, rows=rows) if (rows := tuple(_rows(kernel, shared))) else kernel
        for kernel in kernels
    )


def _rows(kernel: Kernel, shared: set[Node]) -> Iterator[Node]:
    """The tensors that a loop in any order writes and reads, each iteration at a row of its own."""
    for place, loop in enumerate(kernel.body):
        if not isinstance(loop, Loop) or not in_any_order(loop.axis):
            continue
        inside = list(statements([loop]))
        rest = Kernel(kernel.core, (*kernel.body[:place], *kernel.body[place + 1 :]))
        others = {**rest.reads(), **rest.writes()}
        for tensor in dict.fromkeys(statement.target for statement in inside):
            if tensor in shared or tensor in others or in_place(tensor) or not _small(tensor):
                continue
            if all(at[:1] == (loop.axis,) for at in _touched(inside, tensor)):
                yield tensor


def _touched(inside: Iterable[Statement], tensor: Node) -> Iterator[tuple[Node, ...]]:
    """Where a tensor is written and read."""
    for statement in inside:
        for node in (statement.result, *statement.loads):
            if node.operands[0] is tensor:
                yield positions(node) if node.attr("shape") == tensor.shape else ()


def _small(tensor: Node) -> bool:
    """Whether a row is of a size that is known, and not large."""
    sizes = [dim for dim in tensor.shape[1:] if isinstance(dim, int)]
    known = len(sizes) == len(tensor.shape) - 1
    return known and 0 < math.prod(sizes) * BYTES[tensor.dtype] <= LARGEST
