"""Loops: a step that is repeated, as one op whose node holds the step as a graph of its own.

    carry, y[t] = step(carry, x[t])        for t = 0, 1, ..., length - 1

A node has one value, so a loop with several results is several nodes that differ in `index` alone:
first the carries at the end, then the stacked results. Whoever carries a loop out does so once for
all of them. The reverse of a loop is a loop: `unwound.py` has the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ShapeError
from ..ir import (
    LEAF,
    Graph,
    Node,
    Op,
    is_leaf,
    leaf,
    make,
    register,
    substitute,
    transform,
    walk,
)
from ..types import TensorType
from .broadcasting import broadcast_dims
from .convert import CAST
from .gradient import WANTED
from .shape import BROADCAST_TO, RESHAPE, TRANSPOSE, broadcast_to, transpose

# What only looks at a tensor in another way goes into the loop; its operand stays outside.
VIEWS = (BROADCAST_TO, RESHAPE, TRANSPOSE, CAST)


@dataclass(frozen=True, slots=True)
class Body:
    """One step: results in terms of leaves, and of nothing else.

    The leaves of equal steps are the same, so equal steps are equal.

    Attributes:
        inputs: leaves for the carries, then for elements of sequences, then for what is constant.
        outputs: the new carries, then what is stacked.
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]

    def map(self, change: Callable[[Graph], Graph]) -> Body:
        """The step after a pass over graphs."""
        outputs = tuple((f"r{i}", node) for i, node in enumerate(self.outputs))
        graph = change(Graph("step", inputs=self.inputs, outputs=outputs))
        return Body(self.inputs, tuple(node for _, node in graph.outputs))


@dataclass(frozen=True, slots=True)
class Parts:
    """A loop's node, taken apart: what goes in, and the leaves that stand for it in the step.

    Attributes:
        node: a node of the loop.
        body: the step.
        inits: first values of the carries.
        sequences: tensors with an element for every step.
        constants: tensors that are the same in every step.
    """

    node: Node
    body: Body
    inits: tuple[Node, ...]
    sequences: tuple[Node, ...]
    constants: tuple[Node, ...]

    @property
    def carries(self) -> tuple[Node, ...]:
        """The leaves of the carries."""
        return self.body.inputs[: len(self.inits)]

    @property
    def elements(self) -> tuple[Node, ...]:
        """The leaves of the sequences' elements."""
        return self.body.inputs[len(self.inits) : len(self.inits) + len(self.sequences)]

    @property
    def fixed(self) -> tuple[Node, ...]:
        """The leaves of what is constant."""
        return self.body.inputs[len(self.inits) + len(self.sequences) :]

    @property
    def stacked(self) -> tuple[Node, ...]:
        """What is stacked, in terms of the step's leaves."""
        return self.body.outputs[len(self.inits) :]

    def results(self) -> tuple[Node, ...]:
        """The loop's nodes, all of them."""
        attrs = dict(self.node.attrs)
        return tuple(
            make(SCAN, self.node.operands, self.node.where, **{**attrs, "index": i})
            for i in range(len(self.body.outputs))
        )


class Scan(Op):
    """Repeat a step. operands: first carries, sequences, constants.

    attrs: body, carries and sequences (how many), length, reverse (from the last element to the
    first), index (which result).
    """

    name = "scan"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """A carry's type, or a stack of `length` of what is stacked."""
        body: Body = attrs["body"]
        n, m, length, index = (attrs[k] for k in ("carries", "sequences", "length", "index"))
        for i, (x, own) in enumerate(zip(operands, body.inputs, strict=True)):
            shape = (length, *own.shape) if n <= i < n + m else own.shape
            if x.type != TensorType(own.dtype, shape):
                raise ShapeError(
                    f"scan: operand {i} is {x.type}",
                    f"the step takes {TensorType(own.dtype, shape)}",
                    "sequences have an element for every step on their first axis",
                )
        for own, new in zip(body.inputs[:n], body.outputs, strict=False):
            if own.type != new.type:
                raise ShapeError(
                    f"scan: a carry is {own.type} and becomes {new.type}",
                    "it keeps its shape and dtype from step to step",
                    "cast or reshape what the step returns to the type of what it was given",
                )
        result = body.outputs[index].type
        return result if index < n else TensorType(result.dtype, (length, *result.shape))

    def family(self, node: Node) -> Hashable:
        """Everything but which result."""
        return node.operands, tuple(pair for pair in node.attrs if pair[0] != "index")

    def vjp_of(self, grads: Mapping[Node, Node]) -> tuple[Node | None, ...]:
        """The loop backwards."""
        from .unwound import unwound

        return unwound(grads)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The loop backwards, for one of its results."""
        return self.vjp_of({node: out_grad})

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The loop of the lifted step; time stays the first axis of sequences."""
        from ..lifting import lifted

        loop, n, m = parts(node), node.attr("carries"), node.attr("sequences")
        front = broadcast_dims("scan", tuple(x.shape[:lead] for x in operands))
        inits = [broadcast_to(x, shape=front + x.shape[lead:]) for x in operands[:n]]
        sequences = [_moved(x, lead, 0) for x in operands[n : n + m]]
        given = [*inits, *operands[n + m :]]
        own = [x.shape for x in inits] + [x.shape[1:] for x in sequences]
        own += [x.shape for x in given[n:]]
        leaves = [
            leaf(x.attr("name"), TensorType(x.dtype, shape), "placeholder")
            for x, shape in zip(loop.body.inputs, own, strict=True)
        ]
        known = dict(zip(loop.body.inputs, leaves, strict=True))
        outputs = []
        for x in loop.body.outputs:
            wide = lifted(x, known, lead)
            outputs.append(broadcast_to(wide, shape=front + wide.shape[lead:]))
        length, reverse = node.attr("length"), node.attr("reverse")
        constants = operands[n + m :]
        made = looped(step(leaves, outputs), inits, sequences, constants, length, reverse)
        result = made[node.attr("index")]
        return result if node.attr("index") < n else _moved(result, 0, lead)


SCAN = register(Scan())


def _moved(x: Node, old: int, new: int) -> Node:
    """`x` with one axis moved to another place."""
    axes = [axis for axis in range(x.type.ndim) if axis != old]
    axes.insert(new, old)
    return transpose(x, axes=tuple(axes))


def parts(node: Node) -> Parts:
    """What a loop is made of."""
    n, m = node.attr("carries"), node.attr("sequences")
    x = node.operands
    return Parts(node, node.attr("body"), x[:n], x[n : n + m], x[n + m :])


def stand_in(position: int, name: str, type: TensorType) -> Node:
    """The leaf of a step's input, the same for all steps that have one there."""
    return make(LEAF, (), name=name, type=type, role="placeholder", uid=-1 - position)


def step(inputs: Sequence[Node], outputs: Sequence[Node]) -> Body:
    """The step with these leaves and results."""
    known = {x: stand_in(i, x.attr("name"), x.type) for i, x in enumerate(inputs)}
    return Body(tuple(known.values()), tuple(substitute(outputs, known)))


def from_outside(inputs: Sequence[Node], outputs: Sequence[Node]) -> tuple[Node, ...]:
    """What results need beside the inputs, computed outside as far as possible.

    Numbers are not outside of anything. Where a gradient is still to be taken inside, what it is
    taken for must be seen there, so only leaves are outside.
    """
    order = walk(outputs, frozenset(inputs))
    inside, grounded = set(inputs), set(inputs)
    for node in order:
        if any(x in inside for x in node.operands):
            inside.add(node)
        if is_leaf(node) or any(x in grounded for x in node.operands):
            grounded.add(node)
    whole = any(node.op in WANTED for node in order if node in inside)
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(reversed(outputs))
    while stack:
        node = stack.pop()
        if node in seen or node not in grounded or node in inputs:
            continue
        seen.add(node)
        if node not in inside and (is_leaf(node) or not (whole or node.op in VIEWS)):
            found[node] = None
        else:
            stack.extend(reversed(node.operands))
    return tuple(found)


def scan(
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    inits: Sequence[Node],
    sequences: Sequence[Node],
    length: Any,
    reverse: bool,
) -> tuple[Node, ...]:
    """The results of a loop: the last carries, then what is stacked.

    Args:
        inputs: leaves for the carries and for the sequences' elements.
        outputs: the new carries, then what is stacked; they may need nodes from outside.
        inits: the first carries.
        sequences: tensors with an axis of `length` in front.
        length: how many steps.
        reverse: whether the steps go from the last element to the first.
    """
    outside = from_outside(inputs, outputs)
    leaves = tuple(_inner(x) for x in outside)
    own = substitute(outputs, dict(zip(outside, leaves, strict=True)))
    body = step((*inputs, *leaves), own)
    return looped(body, inits, sequences, outside, length, reverse)


def looped(
    body: Body,
    inits: Sequence[Node],
    sequences: Sequence[Node],
    constants: Sequence[Node],
    length: Any,
    reverse: bool,
) -> tuple[Node, ...]:
    """All results of a step that is repeated."""
    return tuple(
        make(
            SCAN,
            (*inits, *sequences, *constants),
            body=body,
            carries=len(inits),
            sequences=len(sequences),
            length=length,
            reverse=reverse,
            index=i,
        )
        for i in range(len(body.outputs))
    )


def _inner(x: Node) -> Node:
    return leaf(x.attr("name") if is_leaf(x) else "k", x.type, "placeholder", x.where)


def everywhere(change: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """A pass over the steps of all loops of a graph, innermost first, then over the graph."""
    if not any(node.op is SCAN for node in graph.nodes()):
        return change(graph)
    done: dict[Body, Body] = {}

    def visit(node: Node) -> Node:
        if node.op is not SCAN:
            return node
        body = node.attr("body")
        if body not in done:
            done[body] = body.map(lambda inner: everywhere(change, inner))
        attrs = {**dict(node.attrs), "body": done[body]}
        return make(SCAN, node.operands, node.where, **attrs)

    roots = (*graph.leaves, *graph.roots, *graph.names)
    return change(graph.map(transform(roots, visit)))


def throughout(visit: Callable[[Node], Node]) -> Callable[[Node], Node]:
    """A visit for `transform` that goes through the steps of loops too."""
    done: dict[Body, Body] = {}

    def both(node: Node) -> Node:
        own = {key: x for key, x in node.attrs if isinstance(x, Body)}
        for body in own.values():
            if body not in done:
                mapped = transform(body.outputs, both)
                done[body] = Body(body.inputs, tuple(mapped[x] for x in body.outputs))
        if own:
            steps = {key: done[body] for key, body in own.items()}
            node = make(node.op, node.operands, node.where, **{**dict(node.attrs), **steps})
        return visit(node)

    return both


def trimmed(node: Node) -> Node:
    """A loop without the constants that its step does not use; any other node as it is."""
    if node.op is not SCAN:
        return node
    loop = parts(node)
    used = set(walk(loop.body.outputs))
    kept = [(own, x) for own, x in zip(loop.fixed, loop.constants, strict=True) if own in used]
    if len(kept) == len(loop.fixed):
        return node
    inputs = (*loop.carries, *loop.elements, *(own for own, _ in kept))
    constants = [x for _, x in kept]
    length, reverse = node.attr("length"), node.attr("reverse")
    body = step(inputs, loop.body.outputs)
    made = looped(body, loop.inits, loop.sequences, constants, length, reverse)
    index: int = node.attr("index")
    return made[index]


def with_steps(nodes: Iterable[Node]) -> Iterator[Node]:
    """Nodes, and all that stand in the steps of loops among them."""
    for node in nodes:
        yield node
        if node.op is SCAN:
            body = node.attr("body")
            yield from with_steps(walk((*body.inputs, *body.outputs)))


def noun(node: Node) -> str:
    """A word for a loop's result: a carry's own, and the plural of what is stacked."""
    loop, index = parts(node), node.attr("index")
    if index < len(loop.inits):
        return str(loop.carries[index].attr("name"))
    x = loop.body.outputs[index]
    return f"{x.attr('name') if is_leaf(x) else x.op.name}_steps"
