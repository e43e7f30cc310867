"""Where random numbers come from: a seed, a count of training steps, and a stream for each draw."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from chainrule.compiler.ir import Node, Op, const, leaf, make, transform, walk
from chainrule.compiler.ops.convert import size
from chainrule.compiler.ops.random import DRAWS, DROPOUT
from chainrule.compiler.ops.steps import throughout, with_steps
from chainrule.compiler.types import Shape, TensorType, product

from .calls import current
from .tensor import Tensor

# A model puts its own seed and step counter in their place, and numbers the streams anew.
SEED = leaf("seed", TensorType("int64"), "setting")
STEP = leaf("draws", TensorType("int64"), "state")
_streams = itertools.count()


def numbered(nodes: list[Node]) -> list[Node]:
    """The nodes with their streams numbered anew, so that they do not depend on others."""
    streams = Streams(nodes)
    if not streams.numbers:
        return nodes
    mapped = transform(nodes, throughout(streams))
    return [mapped[node] for node in nodes]


class Streams:
    """Numbers the streams of random numbers in the order in which they were asked for.

    So what is drawn does not depend on how a graph is ordered, such as by the budget of a loop.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        found = {x.attr("stream") for x in with_steps(walk(nodes)) if x.op in DRAWS}
        self.numbers = {stream: number for number, stream in enumerate(sorted(found))}

    def __call__(self, node: Node) -> Node:
        """The node with its stream's number."""
        if node.op not in DRAWS:
            return node
        attrs = {**dict(node.attrs), "stream": self.numbers[node.attr("stream")]}
        return make(node.op, node.operands, node.where, **attrs)


def drawn(op: Op, shape: Shape, dtype: str, seed: Node | None = None) -> Tensor:
    """Numbers that an op of `compiler/ops/random.py` draws; without a seed, a model's."""
    source, stream = _source(shape), next(_streams)
    if seed is not None:
        source = (seed, const(0, "int64"), *source[2:])
    return Tensor(make(op, source, shape=shape, dtype=dtype, stream=stream))


def dropped(x: Tensor, rate: float) -> Tensor:
    """`x`, each element 0 with probability `rate`, else divided by 1 - rate."""
    return Tensor(make(DROPOUT, (x.node, *_source(x.shape)), rate=rate, stream=next(_streams)))


def _source(shape: Shape) -> tuple[Node, ...]:
    """The operands of a draw of this shape: seed and step; in a loop also the first position.

    Every step of a loop draws numbers of its own: those of the step number n are the positions
    n * size, n * size + 1, ... of the stream.
    """
    step = current()
    if step is None or step.number is None:
        return SEED, STEP
    return SEED, STEP, step.number * size(product(shape), "int64")
