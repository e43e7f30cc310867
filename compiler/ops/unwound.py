"""The reverse of a loop: a loop the other way round, over the step's own derivative.

The forward loop stacks what the reverse one needs: the carries before each step, and values that
are expensive. Cheap ones are computed again. Where a loop says `recompute`, the carries alone are
stacked, and all else is computed again (`segments.py`). A loop that ends early goes backwards from
the step at which it ended.

A gradient for what is the same in every step is a sum over the steps; where each step's share is a
contraction, the sum is one contraction of the stacked operands behind the loop, else it is carried
along.

Source: Werbos 1990, "Backpropagation through time: what it does and how to do it".
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from ..autodiff import backward_from, dependents
from ..errors import UsageError
from ..ir import Node, is_leaf, leaf, substitute, walk
from ..types import Dim, TensorType
from .base import Scalar
from .broadcasting import zeros_like
from .convert import CAST
from .linear import CONTRACT, contract
from .random import DRAWS
from .reduce import SUM, sum as total
from .scan import Body, Parts, looped, parts, step
from .shape import (
    BROADCAST_TO,
    FLIP,
    PAD,
    RESHAPE,
    SLICE,
    TRANSPOSE,
    pad,
    reshape,
    slice_,
    transpose,
)

# Rows that cost about an addition, and so are computed again rather than kept.
CHEAP = frozenset(
    "add subtract multiply divide negative square abs sign maximum minimum floor ceil round trunc "
    "copysign equal not_equal less less_equal greater greater_equal isnan isinf isfinite "
    "logical_and logical_or logical_xor logical_not where".split()
)
MOVES = (RESHAPE, TRANSPOSE, BROADCAST_TO, SLICE, PAD, FLIP, CAST)


def unwound(grads: Mapping[Node, Node]) -> tuple[Node | None, ...]:
    """The gradient for each operand of a loop.

    Args:
        grads: the gradients of those of its results that have one.
    """
    loop = parts(next(iter(grads)))
    if loop.node.attr("length") is None:
        raise UsageError(
            "the gradient of a while_loop without max_steps",
            "its reverse needs the values of every step, and room for them; "
            "how many there may be is not known",
            "give cr.while_loop the most steps that it may take: max_steps=100",
            loop.node.where,
        )
    return _Reverse(loop, {x.attr("index"): g for x, g in grads.items()}).run()


def stacked(x: Node, length: Dim) -> TensorType:
    """The type of an `x` for every step."""
    return TensorType(x.dtype, (length, *x.shape))


class _Reverse:
    """What the reverse loop carries, takes and stacks; tensors still to be made are leaves."""

    def __init__(self, loop: Parts, grads: Mapping[int, Node]) -> None:
        """Differentiate the step."""
        self.loop, self.grads = loop, grads
        self.length, self.recompute = loop.node.attr("length"), loop.node.attr("recompute")
        self.floats = [i for i, c in enumerate(loop.carries) if c.type.is_float]
        outputs = loop.body.outputs
        n = len(loop.inits)
        self.after = {i: self._slope(loop.carries[i]) for i in self.floats}
        self.given = {j: self._slope(outputs[j]) for j in grads if j >= n}
        seeds: dict[Node, Node] = {}
        for i, slope in {**self.after, **self.given}.items():
            seeds[outputs[i]] = seeds[outputs[i]] + slope if outputs[i] in seeds else slope
        wanted = [x for x in loop.body.inputs if x.type.is_float]
        self.slopes = backward_from(seeds, wanted)
        self.varying = dependents(
            self.slopes.values(), {*self.after.values(), *self.given.values()}
        )
        # Leaves for tensors that the loops will stack or carry, by what they stack or carry.
        self.saved: dict[Node, Node] = {}
        self.emitted: dict[Node, Node] = {}
        self.carried: dict[Node, Node] = {}
        self.taken: dict[Node, Node] = {}

    def _slope(self, x: Node) -> Node:
        name = x.attr("name") if is_leaf(x) else "y"
        return leaf(f"d_{name}", x.type, "placeholder")

    def run(self) -> tuple[Node | None, ...]:
        """Both loops, and the gradients that they give."""
        loop, length = self.loop, self.length
        before = [self._grad(loop.carries[i]) for i in self.floats]
        shares = {x: self.slopes[x] for x in loop.elements if x in self.slopes}
        sums = {k: self._sum(self.slopes[k]) for k in loop.fixed if k in self.slopes}
        for share in shares.values():
            self.emitted.setdefault(share, leaf("slopes", stacked(share, length), "placeholder"))
        sums_carried = list(self.carried)
        accumulators = [leaf("total", x.type, "placeholder") for x in sums_carried]
        results = [
            *before,
            *(a + x for a, x in zip(accumulators, sums_carried, strict=True)),
            *self.emitted,
        ]
        self.varying |= dependents(results, {*self.varying, *accumulators})
        inner, sequences = self._needs(results)
        forward = self._forward()
        inputs = [*self.after.values(), *accumulators, *self.given.values(), *inner.values()]
        body = step([*inputs, *loop.fixed], substitute(results, inner))
        starts = [self.grads.get(i) or zeros_like(loop.carries[i]) for i in self.floats]
        made = looped(
            body,
            [*starts, *map(zeros_like, sums_carried)],
            [*(self.grads[j] for j in self.given), *substitute(sequences, forward)],
            loop.constants,
            length,
            not loop.node.attr("reverse"),
            steps=loop.taken(),
            recompute=self.recompute,
        )
        count = len(self.floats)
        known = {**forward}
        known.update(zip((self.carried[x] for x in sums_carried), made[count:], strict=False))
        known.update(zip(self.emitted.values(), made[count + len(sums_carried) :], strict=True))
        firsts = dict(zip(self.floats, made, strict=False))
        found: list[Node | None] = [firsts.get(i) for i in range(len(loop.inits))]
        found += [known[self.emitted[shares[x]]] if x in shares else None for x in loop.elements]
        outer = {k: x for k, x in zip(loop.fixed, loop.constants, strict=True)}
        found += [
            substitute([sums[k]], {**known, **outer})[0] if k in sums else None for k in loop.fixed
        ]
        return tuple(found if loop.steps is None else [*found, None])

    def _grad(self, x: Node) -> Node:
        return self.slopes.get(x) or zeros_like(x)

    # Sums over the steps

    def _sum(self, share: Node) -> Node:
        """The sum of a share over all steps, as a node outside of the loop."""
        op, x = share.op, share.operands
        if share not in self.varying or self.recompute:
            return self._carry(share)
        if op.name == "add" and x[0].shape == x[1].shape:
            return self._sum(x[0]) + self._sum(x[1])
        if op.name == "negative":
            return -self._sum(x[0])
        if op is TRANSPOSE:
            return transpose(self._sum(x[0]), share.attr("axes"))
        if op is RESHAPE:
            return reshape(self._sum(x[0]), share.shape)
        if op is SLICE:
            return slice_(self._sum(x[0]), *(share.attr(k) for k in ("starts", "stops", "steps")))
        if op is PAD and share.attr("value") == 0:
            lows, highs, inner = (share.attr(k) for k in ("lows", "highs", "inner"))
            return pad(self._sum(x[0]), lows, highs, inner, 0.0)
        if op is CONTRACT:
            return self._contraction(share)
        if op is SUM and share.type.is_float:
            axes = (0, *(axis + 1 for axis in share.attr("axes")))
            return total(self._stack(x[0]), axes=axes)
        return self._carry(share)

    def _carry(self, share: Node) -> Node:
        return self.carried.setdefault(share, leaf("total", share.type, "placeholder"))

    def _contraction(self, share: Node) -> Node:
        """The sum over the steps of a contraction: one contraction over one letter more."""
        left, right, out = (share.attr(k) for k in ("left", "right", "out"))
        time = next(x for x in string.ascii_letters if x not in left + right)
        sides = []
        fixed = self._fixed()
        for x, letters in zip(share.operands, (left, right), strict=True):
            if x in fixed:
                sides.append((x, letters))
            else:
                sides.append((self._stack(x), time + letters))
        (a, left), (b, right) = sides
        if time not in left:
            b, right = total(b, axes=(0,)), right[1:]
        elif time not in right:
            a, left = total(a, axes=(0,)), left[1:]
        return contract(a, b, left, right, out)

    def _fixed(self) -> set[Node]:
        """Nodes of the step that are the same in every step."""
        inputs = {*self.loop.carries, *self.loop.elements, *self.varying}
        slopes = self.slopes.values()
        return set(walk(slopes)) - dependents(slopes, inputs)

    def _stack(self, x: Node) -> Node:
        """A node of the step for all steps together, as a node outside of the loop."""
        made = self.emitted if x in self.varying else self.saved
        if x in self.loop.elements:
            made = self.taken
        return made.setdefault(x, leaf("stack", stacked(x, self.length), "placeholder"))

    # What the forward loop keeps

    def _needs(self, results: Sequence[Node]) -> tuple[dict[Node, Node], list[Node]]:
        """Leaves for what the reverse step takes of the forward one, and their sequences."""
        inner: dict[Node, Node] = {}
        sequences: list[Node] = []
        fixed = {*self.loop.fixed}
        order = walk(results)
        grounded = dependents(results, set(self.loop.body.inputs))
        changing = dependents(results, {*self.loop.carries, *self.loop.elements})

        def settle(node: Node) -> None:
            stack = [node]
            while stack:
                x = stack.pop()
                if x in inner or x in fixed or x not in grounded:
                    continue
                again = _cheap(x) or (self.recompute and not is_leaf(x))
                if x not in changing or again:
                    stack.extend(x.operands)
                    continue
                name = x.attr("name") if is_leaf(x) else x.op.name
                inner[x] = leaf(name, x.type, "placeholder")
                sequences.append(self._stack(x))

        for node in order:
            if node in self.varying:
                for x in node.operands:
                    if x not in self.varying:
                        settle(x)
        for node in results:
            if node not in self.varying:
                settle(node)
        return inner, sequences

    def _forward(self) -> dict[Node, Node]:
        """The forward loop, stacking what is saved: tensors by the leaves that stand for them."""
        loop = self.loop
        outputs = [*loop.body.outputs, *(x for x in self.saved if x not in loop.stacked)]
        body = Body(loop.body.inputs, tuple(outputs))
        made = loop.again(
            body, loop.inits, loop.sequences, loop.constants, loop.condition, loop.steps
        )
        places = {x: i for i, x in enumerate(outputs) if i >= len(loop.inits)}
        sequences = dict(zip(loop.elements, loop.sequences, strict=True))
        return {
            **{leaf: made[places[x]] for x, leaf in self.saved.items()},
            **{leaf: sequences[x] for x, leaf in self.taken.items()},
        }


def _cheap(node: Node) -> bool:
    """Whether a value is computed again rather than kept; random numbers are drawn again."""
    return (isinstance(node.op, Scalar) and node.op.name in CHEAP) or node.op in (*MOVES, *DRAWS)
