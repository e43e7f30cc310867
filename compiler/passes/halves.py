"""Products that threads share by the sum: one half of it with each half of a weight's rows.

    x W = x[:, :k/2] W[:k/2] + x[:, k/2:] W[k/2:]

A weight that a step updates is written by panels of its rows, half of them by each of two threads.
If these shared the product with it by rows of the result, each would read all of the weight, and in
each step half of it would go from one core's cache to the other's, and back to be written. Shared
by the sum, a thread reads the rows that it writes, and only the two halves of the result, which are
added up afterwards, and the gradient of the result are read by both.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from ..ir import Node, make
from ..types import BYTES, product
from .scalars import PARTS
from .wholes import Core, Routine, Whole

HALVES = "matmul_halves"
# Bytes of a weight: less is read in no time; more than a second-level cache has goes through it
# anyway, and takes so long to compute with that the way from core to core does not matter.
LEAST, MOST = 128 * 1024, 1024 * 1024
LONGEST = 256  # products that are added up in one go: a sum of so many, or fewer, has no halves
FEW = 16  # rows that are not worth it


def in_halves(cores: Mapping[Node, Whole], updated: Container[Node]) -> dict[Node, Routine]:
    """What computes the two halves of products for which that is better, by their results.

    Args:
        cores: what computes whole tensors.
        updated: what is updated in place.
    """
    return {
        node: _halves(core)
        for node, core in cores.items()
        if isinstance(core, Core) and core.right in updated and _is_worth_it(core)
    }


def _is_worth_it(core: Core) -> bool:
    plain = not (core.left_transposed or core.right_transposed or core.batch)
    size = product((core.k, core.n))
    return (
        plain
        and isinstance(core.k, int)
        and core.k >= 2 * LONGEST
        and core.k % 2 == 0
        and isinstance(size, int)
        and LEAST <= size * BYTES[core.node.dtype] <= MOST
        and not (isinstance(core.m, int) and core.m < FEW)
    )


def _halves(core: Core) -> Routine:
    parts = make(PARTS, (core.node,), core.node.where, count=2, dtype=core.node.dtype)
    m, k, n = core.product
    views = (m, k), (k, n), (2, m, n)
    return Routine(HALVES, parts, core.operands, views, product=core.product)
