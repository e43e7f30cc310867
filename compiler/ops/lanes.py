"""Under leading axes one by one: what runs differently for each of many goes into a loop over them.

Loops that end at different steps, and choices of different branches, are carried out for one place
of the leading axes after the other. So nothing is computed that is not wanted, and no gradient
passes through it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Node, leaf, make, rebuilt
from ..types import TensorType, product
from .broadcasting import broadcast_dims
from .scan import looped, step
from .shape import broadcast_to, reshape


def one_by_one(node: Node, operands: tuple[Node, ...], lead: int, names: Sequence[str]) -> Node:
    """The op applied to operands with leading axes, to one place of them at a time.

    Args:
        node: what is done for each.
        operands: what its operands become; leading axes first, of size 1 where nothing changes.
        lead: how many leading axes there are.
        names: what the operands are called inside.
    """
    front = broadcast_dims(node.op.name, tuple(x.shape[:lead] for x in operands))
    count = product(front)
    given: list[Node] = []
    sequences: list[tuple[Node, Node]] = []
    constants: list[tuple[Node, Node]] = []
    for x, name in zip(operands, names, strict=True):
        own = x.shape[lead:]
        given.append(leaf(name, TensorType(x.dtype, own), "placeholder"))
        if all(dim == 1 for dim in x.shape[:lead]):
            constants.append((given[-1], reshape(x, shape=own)))
        else:
            whole = broadcast_to(x, shape=front + own)
            sequences.append((given[-1], reshape(whole, shape=(count, *own))))
    if not sequences:
        alone = rebuilt(node, tuple(x for _, x in constants))
        return reshape(alone, shape=front + node.shape)
    one = make(node.op, tuple(given), node.where, **dict(node.attrs))
    body = step([x for x, _ in sequences + constants], [one])
    many, same = [x for _, x in sequences], [x for _, x in constants]
    (stack,) = looped(body, [], many, same, count, False)
    return reshape(stack, shape=front + node.shape)
