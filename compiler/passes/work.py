"""What a kernel does, counted: operations on floating-point numbers, and bytes of arrays.

An operation is an elementwise function of one element, elementary functions included, or one term
of a reduction; a product of matrices has `2 m k n`. Copies, casts, comparisons, choices and
integers count nothing. Of each array that a kernel reads or writes the bytes count once for either;
of one whose positions are data, those of the elements that are read or written at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..ir import Node
from ..ops.base import Scalar
from ..program import Work
from ..types import BYTES, FLOATS, Dim, add, mul, product
from .loops import Kernel, Loop
from .memory import larger
from .nests import placed, times
from .scalars import CHECKED, LOAD, depth, in_place, positions, scalars
from .wholes import Core, Routine

FREE = ("where", "cast")


def work(kernel: Kernel, reads: Iterable[Node], writes: Iterable[Node]) -> Work:
    """What a kernel does in one call, without the graphs inside it.

    Args:
        kernel: what to count.
        reads: the tensors that it reads from memory.
        writes: those that it writes there.
    """
    flops: Dim = 0
    for whole in kernel.wholes:
        if whole.product is not None:
            batch = whole.batch if isinstance(whole, Core) else ()
            flops = add(flops, mul(2, product((*batch, *whole.product))))
        if isinstance(whole, Routine):
            flops = add(flops, mul(2, whole.terms))
    known: dict[Node, int] = {}
    counted: set[tuple[tuple[Loop, ...], Node]] = set()
    for loops, statement in placed(kernel.entries):
        for node in scalars([statement.value, *statement.index]):
            around = loops[: depth(node, known)]
            if _is_operation(node) and (around, node) not in counted:
                counted.add((around, node))
                flops = add(flops, times(around))
        if statement.combine not in ("", "put") and statement.node.dtype in FLOATS:
            flops = add(flops, times(loops))
    # What only a routine works with is its own, and need not be gone through.
    own = set(kernel.core.work) if isinstance(kernel.core, Routine) else set()
    written = [x for x in writes if x not in own or x in kernel.reads()]
    return Work(flops, _total(reads, _looked_up(kernel)), _total(written, _placed(kernel)))


def _is_operation(node: Node) -> bool:
    return isinstance(node.op, Scalar) and node.dtype in FLOATS and node.op.name not in FREE


def _total(tensors: Iterable[Node], elements: Mapping[Node, Dim]) -> Dim:
    """Bytes of tensors, of some of them only those of so many elements."""
    total: Dim = 0
    for tensor in dict.fromkeys(tensors):
        size = tensor.type.size
        if tensor in elements and larger(size, elements[tensor]) != elements[tensor]:
            size = elements[tensor]
        total = add(total, mul(size, BYTES[tensor.dtype]))
    return total


def _looked_up(kernel: Kernel) -> dict[Node, Dim]:
    """How many elements are read of tensors that are only read at positions which are data."""
    found: dict[Node, Dim] = {}
    whole = {x for core in kernel.wholes for x in core.operands}
    seen: set[Node] = set()
    for loops, statement in placed(kernel.entries):
        for node in statement.loads:
            tensor = node.operands[0]
            if not _is_data(positions(node)):
                whole.add(tensor)
            elif node not in seen:
                seen.add(node)
                found[tensor] = add(found.get(tensor, 0), times(loops))
    return {tensor: count for tensor, count in found.items() if tensor not in whole}


def _placed(kernel: Kernel) -> dict[Node, Dim]:
    """How many elements are written of tensors that are updated at positions which are data."""
    return {
        statement.target: times(loops)
        for loops, statement in placed(kernel.entries)
        if in_place(statement.target) and not statement.combine and _is_data(statement.index)
    }


def _is_data(index: Iterable[Node]) -> bool:
    """Whether positions depend on what is in memory."""
    return any(x.op in (CHECKED, LOAD) for x in scalars(index))
