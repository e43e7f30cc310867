"""Where random numbers come from: a seed, a count of training steps, and a stream for each draw."""

from __future__ import annotations

import itertools

from chainrule.compiler.ir import Node, Op, leaf, make
from chainrule.compiler.ops.convert import size
from chainrule.compiler.ops.random import DROPOUT
from chainrule.compiler.types import Shape, TensorType, product

from .calls import current
from .tensor import Tensor

# A model puts its own seed and step counter in their place, and numbers the streams anew.
SEED = leaf("seed", TensorType("int64"), "setting")
STEP = leaf("draws", TensorType("int64"), "state")
_streams = itertools.count()


def drawn(op: Op, like: Tensor) -> Tensor:
    """Numbers that an op of `compiler/ops/random.py` draws, of the shape and dtype of a tensor."""
    source, stream = _source(like.shape), next(_streams)
    return Tensor(make(op, source, shape=like.shape, dtype=like.dtype, stream=stream))


def dropped(x: Tensor, rate: float) -> Tensor:
    """`x`, each element 0 with probability `rate`, else divided by 1 - rate."""
    return Tensor(make(DROPOUT, (x.node, *_source(x.shape)), rate=rate, stream=next(_streams)))


def _source(shape: Shape) -> tuple[Node, ...]:
    """The operands of a draw of this shape: seed and step; in a loop also the first position.

    Every step of a loop draws numbers of its own: those of the step number n are the positions
    n * size, n * size + 1, ... of the stream.
    """
    step = current()
    if step is None:
        return SEED, STEP
    return SEED, STEP, step.number * size(product(shape), "int64")
