"""A loop in segments, so that its reverse needs few carries: the other steps are computed again.

A loop of n steps becomes one over k segments of q = n // k steps, and one over the n - k q < k
steps that are left. The loop over segments keeps the carries before each segment, for its reverse,
and nothing else of it. The reverse of a segment runs its steps once more, and keeps of these what
the reverse of a loop keeps. At any time there are then k + q carries, not n, for one more
evaluation of each step; k = sqrt(n) makes their number least.

Source: Griewank and Walther 2000, "Algorithm 799: revolve", doi:10.1145/347837.347846; Chen et al.
2016, "Training deep nets with sublinear memory cost", section 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Node, leaf
from ..types import Dim, TensorType, floordiv, mul, sub
from .scan import Body, looped, step
from .shape import concat, reshape, slice_


def segmented(
    body: Body,
    inits: Sequence[Node],
    sequences: Sequence[Node],
    constants: Sequence[Node],
    length: Dim,
    reverse: bool,
    count: int,
) -> tuple[Node, ...]:
    """The results of a loop whose reverse is given the carries before each of `count` segments.

    Args:
        body: the step.
        inits: the first carries.
        sequences: tensors with an axis of `length` in front.
        constants: tensors that each step reads.
        length: how many steps; it need not be a multiple of the count, nor be known.
        reverse: whether the steps go from the last element to the first.
        count: how many segments; of a shorter loop each step is one.
    """
    if isinstance(length, int) and length <= count:
        return looped(body, inits, sequences, constants, length, reverse, recompute=True)
    each = floordiv(length, count)
    whole = mul(count, each)
    rest = sub(length, whole)
    first = [_cut(x, 0, whole) for x in sequences]
    split = [reshape(x, shape=(count, each, *x.shape[1:])) for x in first]
    last = [_cut(x, whole, length) for x in sequences]
    outer = _segment(body, len(inits), len(sequences), each, reverse)
    n = len(inits)

    def segments(starts: Sequence[Node]) -> tuple[Node, ...]:
        made = looped(outer, starts, split, constants, count, reverse, recompute=True)
        stacks = (reshape(x, shape=(whole, *x.shape[2:])) for x in made[n:])
        return (*made[:n], *stacks)

    def others(starts: Sequence[Node]) -> tuple[Node, ...]:
        return looped(body, starts, last, constants, rest, reverse, recompute=True)

    if rest == 0:
        return segments(inits)
    if reverse:
        after = others(inits)
        before = segments(after[:n])
        carries = before[:n]
    else:
        before = segments(inits)
        after = others(before[:n])
        carries = after[:n]
    stacks = (concat(pair, axis=0) for pair in zip(before[n:], after[n:], strict=True))
    return (*carries, *stacks)


def _segment(body: Body, carries: int, sequences: int, length: Dim, reverse: bool) -> Body:
    """The step of a loop over segments: the loop over the steps of one."""
    own = []
    for i, x in enumerate(body.inputs):
        shape = (length, *x.shape) if carries <= i < carries + sequences else x.shape
        own.append(leaf(x.attr("name"), TensorType(x.dtype, shape), "placeholder"))
    end = carries + sequences
    inner = looped(body, own[:carries], own[carries:end], own[end:], length, reverse)
    return step(own, inner)


def _cut(x: Node, start: Dim, stop: Dim) -> Node:
    """The elements of a sequence from one to another."""
    count = x.type.ndim - 1
    starts, stops = (start, *(0,) * count), (stop, *x.shape[1:])
    return slice_(x, starts=starts, stops=stops, steps=(1,) * (count + 1))
