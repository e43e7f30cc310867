"""Random numbers that are a function of seed, step, stream and position: the same on every target.

Nothing is stored: who needs a number again computes it again. In a loop each step draws from
positions of its own: a last operand says which is the first.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import UsageError
from ..ir import Node, Op, const, make, register
from ..types import Shape, TensorType
from .arithmetic import sqrt, where
from .base import Composite
from .elementary import cos, log
from .shape import reshape


class Uniform(Op):
    """Numbers in [0, 1): Philox4x32-10 of counter (position, step, stream) and key seed.

    operands: seed and step, int64 without axes, and the first position, if it is not 0. attrs:
    shape, dtype, stream.
    """

    name = "uniform"
    source = "Salmon et al. 2011, 'Parallel random numbers: as easy as 1, 2, 3'"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape asked for."""
        return TensorType(attrs["dtype"], attrs["shape"])

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same numbers for all: they are drawn once, with one seed."""
        again = make(self, _numbers(node, operands, lead), **dict(node.attrs))
        return reshape(again, shape=(1,) * lead + node.shape)


class Dropout(Composite):
    """Each element is 0 with probability `rate`, else divided by 1 - rate.

    operands: x, seed, step, and the first position, if it is not 0. attrs: rate, stream.
    """

    name = "dropout"
    source = "Srivastava et al. 2014, 'Dropout'"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operand's type."""
        return operands[0].type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The same mask, drawn again."""
        _, *source = node.operands
        grad = make(DROPOUT, (out_grad, *source), **dict(node.attrs))
        return (grad, *(None,) * len(source))

    def expand(self, node: Node) -> Node:
        """A mask of random numbers."""
        x, *source = node.operands
        return self._dropped(node, x, tuple(source))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same mask along every leading axis: it is drawn for the node, not for each."""
        x, *source = operands
        return self._dropped(node, x, _numbers(node, tuple(source), lead))

    def _dropped(self, node: Node, x: Node, source: tuple[Node, ...]) -> Node:
        rate, stream = node.attr("rate"), node.attr("stream")
        draw = make(UNIFORM, source, shape=node.shape, dtype=node.dtype, stream=stream)
        return where(draw >= rate, x / (1 - rate), const(0, x.dtype))


class Normal(Composite):
    """Numbers of the standard normal distribution, made of uniform ones.

    operands and attrs: those of uniform ones.
    """

    name = "normal"
    source = "Box, Muller 1958, doi:10.1214/aoms/1177706645"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The shape asked for."""
        return TensorType(attrs["dtype"], attrs["shape"])

    def expand(self, node: Node) -> Node:
        """sqrt(-2 log(1 - u)) cos(2 pi v), with u and v of two streams; 1 - u is never 0."""
        attrs = dict(node.attrs)
        u, v = (
            make(UNIFORM, node.operands, **{**attrs, "stream": attrs["stream"] + half})
            for half in (0, _SECOND)
        )
        return sqrt(-2 * log(1 - u)) * cos(2 * math.pi * v)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The same numbers for all, as uniform ones."""
        again = make(self, _numbers(node, operands, lead), **dict(node.attrs))
        return reshape(again, shape=(1,) * lead + node.shape)


UNIFORM = register(Uniform())
DROPOUT = register(Dropout())
NORMAL = register(Normal())
# Ops whose numbers belong to a stream.
DRAWS = (UNIFORM, DROPOUT, NORMAL)
_SECOND = 2**31  # the second numbers of a pair are of streams that nobody else counts up to


def uniform(seed: Node, step: Node, shape: Shape, dtype: str, stream: int) -> Node:
    """Numbers in [0, 1) of this shape."""
    return make(UNIFORM, (seed, step), shape=shape, dtype=dtype, stream=stream)


def normal(seed: Node, step: Node, shape: Shape, dtype: str, stream: int) -> Node:
    """Numbers of the standard normal distribution, of this shape."""
    return make(NORMAL, (seed, step), shape=shape, dtype=dtype, stream=stream)


def _numbers(node: Node, operands: tuple[Node, ...], lead: int) -> tuple[Node, ...]:
    """Seed, step and first position without leading axes, along which they do not change."""
    if any(dim != 1 for x in operands for dim in x.shape):
        raise UsageError(
            "random numbers of several seeds",
            f"a seed is one number, this one has {lead} axes",
            "draw with one seed outside the formula",
            node.where,
        )
    return tuple(reshape(x, shape=()) for x in operands)
