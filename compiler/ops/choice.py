"""A choice between two graphs, of which one is computed.

A node has one value, so a choice with several results is several nodes that differ in `index`
alone, as with loops (`scan.py`). The derivative of a choice is the choice between the derivatives:
nothing passes through the branch that is not taken, whatever its values and slopes are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from typing import Any

from ..errors import ShapeError
from ..ir import Node, Op, is_leaf, leaf, located, make, register, substitute, walk
from ..types import TensorType
from .broadcasting import broadcast_dims, zeros_like
from .lanes import one_by_one
from .scan import Body, from_outside, step, trimmed
from .shape import broadcast_to, reshape
from .steps import bodies


class Choice(Op):
    """The result of one of two graphs. operands: a condition, and what the graphs are of.

    attrs: then and otherwise (the graphs, of the same inputs), index (which result).
    """

    name = "cond"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type that the result has in both graphs."""
        condition, *given = operands
        then, otherwise = attrs["then"], attrs["otherwise"]
        if condition.type != TensorType("bool"):
            raise ShapeError(
                f"cond: the condition is {condition.type}",
                "expected one bool, of no axes",
                "where chooses element by element",
            )
        own, came = ([str(x.type) for x in nodes] for nodes in (then.inputs, given))
        if own != came or then.inputs != otherwise.inputs:
            raise ShapeError(
                f"cond: it is given {', '.join(came) or 'nothing'}",
                f"the graphs take {', '.join(own) or 'nothing'}",
                "both take the same",
            )
        first, second = ([x.type for x in body.outputs] for body in (then, otherwise))
        if first != second:
            raise ShapeError(
                "cond: the graphs give different types",
                f"{', '.join(map(str, first))} and {', '.join(map(str, second))}",
                "either may be chosen: both give the same",
            )
        if attrs["index"] < 0:
            raise IndexError(f"no result {attrs['index']}")
        result: TensorType = first[attrs["index"]]
        return result

    def family(self, node: Node) -> Hashable:
        """Everything but which result."""
        return node.operands, tuple(pair for pair in node.attrs if pair[0] != "index")

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """A choice between the derivatives of the two: nothing passes through the other."""
        return self.vjp_of({node: out_grad})

    def vjp_of(self, grads: Mapping[Node, Node]) -> tuple[Node | None, ...]:
        """A choice between the derivatives of the two."""
        from ..autodiff import backward_from

        node = next(iter(grads))
        inputs = node.attr("then").inputs
        slopes = {x.attr("index"): leaf("slope", x.type, "placeholder") for x in grads}
        sides = []
        for body in (node.attr("then"), node.attr("otherwise")):
            seeds: dict[Node, Node] = {}
            for i, slope in slopes.items():
                y = body.outputs[i]
                seeds[y] = seeds[y] + slope if y in seeds else slope
            sides.append(backward_from(seeds, [x for x in inputs if x.type.is_float]))
        wanted = [x for x in inputs if any(x in side for side in sides)]
        then, otherwise = (
            step([*inputs, *slopes.values()], [side.get(x) or zeros_like(x) for x in wanted])
            for side in sides
        )
        made = chosen((*node.operands, *grads.values()), then, otherwise)
        by_input = dict(zip(wanted, made, strict=True))
        return (None, *(by_input.get(x) for x in inputs))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The choice between lifted graphs; where the condition differs, one after the other."""
        from ..lifting import lifted

        condition, *given = operands
        both = node.attr("then"), node.attr("otherwise")
        inputs = both[0].inputs
        if any(dim != 1 for dim in condition.shape):
            names = ["condition", *(x.attr("name") for x in inputs)]
            return one_by_one(node, operands, lead, names)
        front = broadcast_dims("cond", tuple(x.shape[:lead] for x in given))
        pairs = zip(inputs, given, strict=True)
        leaves = [leaf(x.attr("name"), y.type, "placeholder") for x, y in pairs]
        known = dict(zip(inputs, leaves, strict=True))

        def wide(x: Node) -> Node:
            found = lifted(x, known, lead)
            return broadcast_to(found, shape=front + found.shape[lead:])

        then, otherwise = (step(leaves, [wide(x) for x in body.outputs]) for body in both)
        made = chosen((reshape(condition, shape=()), *given), then, otherwise)
        result: Node = made[node.attr("index")]
        return result


COND = register(Choice())


def chosen(operands: Sequence[Node], then: Body, otherwise: Body) -> tuple[Node, ...]:
    """All results of a choice."""
    return tuple(
        make(COND, tuple(operands), then=then, otherwise=otherwise, index=i)
        for i in range(len(then.outputs))
    )


def choose(
    condition: Node, then: Sequence[Node], otherwise: Sequence[Node], made: Set[Node]
) -> tuple[Node, ...]:
    """The results of a choice between nodes.

    Args:
        condition: a bool of no axes.
        then: the results where it holds.
        otherwise: the results where it does not.
        made: the nodes that are computed only if they are needed; others are outside.
    """
    outside = from_outside((), (*then, *otherwise), made)
    leaves = [leaf(x.attr("name") if is_leaf(x) else "k", x.type, "placeholder") for x in outside]
    known = dict(zip(outside, leaves, strict=True))
    first, second = (step(leaves, settled(nodes, known)) for nodes in (then, otherwise))
    return chosen((condition, *outside), first, second)


def settled(roots: Sequence[Node], known: Mapping[Node, Node]) -> list[Node]:
    """The same nodes, made anew so that those of `fresh` blocks are as any; some are replaced."""
    mapped = dict(known)
    done: dict[Body, Body] = {}
    for node in walk(roots, known):
        if node in mapped:
            continue
        attrs = dict(node.attrs)
        for key, body in bodies(node).items():
            if body not in done:
                inputs = settled(body.inputs, {})
                inner = dict(zip(body.inputs, inputs, strict=True))
                done[body] = Body(tuple(inputs), tuple(settled(body.outputs, inner)))
            attrs[key] = done[body]
        operands = tuple(mapped[x] for x in node.operands)
        mapped[node] = make(node.op, operands, node.where, **attrs)
    return [mapped[root] for root in roots]


def pruned(node: Node) -> Node:
    """A choice or a loop without what it is given and does not use; other nodes as they are."""
    if node.op is not COND:
        return trimmed(node)
    then, otherwise = node.attr("then"), node.attr("otherwise")
    used = set(walk((*then.outputs, *otherwise.outputs)))
    condition, *given = node.operands
    kept = [(own, x) for own, x in zip(then.inputs, given, strict=True) if own in used]
    if len(kept) == len(given):
        return node
    inputs = [own for own, _ in kept]
    first, second = (step(inputs, body.outputs) for body in (then, otherwise))
    with located(node.where):
        made = chosen((condition, *(x for _, x in kept)), first, second)
    result: Node = made[node.attr("index")]
    return result


def branches(node: Node) -> tuple[Node, Node]:
    """A choice's two results, in terms of its operands."""
    then, otherwise = node.attr("then"), node.attr("otherwise")
    known = dict(zip(then.inputs, node.operands[1:], strict=True))
    index = node.attr("index")
    first, second = substitute([then.outputs[index], otherwise.outputs[index]], known)
    return first, second
