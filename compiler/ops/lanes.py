"""Loops and choices under leading axes: for all places of the axes at once, or one by one.

Loops that end at different steps, and choices of different branches, are carried out for one place
of the leading axes after the other. So nothing is computed that is not wanted, and no gradient
passes through it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Node, leaf, make, rebuilt, walk
from ..types import TensorType, product
from .broadcasting import broadcast_dims
from .scan import Parts, looped, parts, step
from .shape import broadcast_to, reshape, transpose


def lifted_loop(node: Node, operands: tuple[Node, ...], lead: int) -> Node:
    """A loop's result for operands with leading axes; time stays the first axis of sequences."""
    from ..lifting import lifted

    loop, n, m = parts(node), len(parts(node).inits), len(parts(node).sequences)
    alike = _alike(loop, operands, lead)
    if alike is None:
        names = [x.attr("name") for x in loop.body.inputs]
        return one_by_one(node, operands, lead, [*names, "steps"][: len(operands)])
    *given, steps = operands if loop.steps is not None else (*operands, None)
    front = broadcast_dims("scan", tuple(x.shape[:lead] for x in operands))
    leaves: list[Node] = []
    outside: list[Node] = []
    for i, (own, x) in enumerate(zip(loop.body.inputs, given, strict=True)):
        assert x is not None
        if own in alike:
            leaves.append(own)
            outside.append(reshape(x, shape=own.shape))
            continue
        if i < n:
            x = broadcast_to(x, shape=front + own.shape)
        shape = x.shape[:lead] + own.shape
        leaves.append(leaf(own.attr("name"), TensorType(own.dtype, shape), "placeholder"))
        outside.append(_moved(x, lead, 0) if n <= i < n + m else x)
    known = dict(zip(loop.body.inputs, leaves, strict=True))

    def wide(x: Node) -> Node:
        found = lifted(x, known, lead)
        return broadcast_to(found, shape=front + found.shape[lead:])

    outputs = [
        x if i < n and leaves[i] in alike else wide(x) for i, x in enumerate(loop.body.outputs)
    ]
    condition = None if loop.condition is None else step(leaves, loop.condition.outputs)
    made = loop.again(
        step(leaves, outputs),
        outside[:n],
        outside[n : n + m],
        outside[n + m :],
        condition,
        None if steps is None else reshape(steps, shape=()),
    )
    index = node.attr("index")
    result = made[index]
    if index == len(outputs) or (index < n and leaves[index] in alike):
        return reshape(result, shape=(1,) * lead + result.shape)
    return result if index < n else _moved(result, 0, lead)


def _alike(loop: Parts, operands: Sequence[Node], lead: int) -> set[Node] | None:
    """The inputs of a step on which it depends when the loop ends; None if they differ by place."""
    differs = [any(dim != 1 for dim in x.shape[:lead]) for x in operands]
    if loop.steps is not None:
        return None if differs[-1] else set()
    if loop.condition is None:
        return set()
    found: set[Node] = set()
    roots = list(loop.condition.outputs)
    while True:
        below = set(walk(roots))
        new = [x for x in loop.body.inputs if x in below and x not in found]
        if not new:
            break
        found.update(new)
        carries = zip(loop.carries, loop.body.outputs, strict=False)
        roots += [after for before, after in carries if before in new]
    pairs = zip(loop.body.inputs, differs, strict=True)
    return None if any(x in found and differ for x, differ in pairs) else found


def _moved(x: Node, old: int, new: int) -> Node:
    """`x` with one axis moved to another place."""
    axes = [axis for axis in range(x.type.ndim) if axis != old]
    axes.insert(new, old)
    return transpose(x, axes=tuple(axes))


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
