"""Loops: a step that is repeated, as one op whose node holds the step as a graph of its own.

    carry, y[t] = step(carry, x[t])        for t = 0, 1, ..., length - 1

A node has one value, so a loop with several results is several nodes that differ in `index` alone:
first the carries at the end, then the stacked results. Whoever carries a loop out does so once for
all of them. The reverse of a loop is a loop: `unwound.py` has the rule.

A loop may end early. One with a condition goes on while that holds of the carries, for `length`
steps at most, or for as long as it takes if there is no length; one more result is the number of
steps that it took. One that is counted has that number as its last operand: so is the reverse of
a loop with a condition, which starts at the last step that was taken. What would be stacked in the
steps that are not taken is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Fault, ShapeError
from ..ir import (
    LEAF,
    Graph,
    Node,
    Op,
    is_leaf,
    leaf,
    located,
    make,
    register,
    substitute,
    walk,
)
from ..types import TensorType
from .convert import CAST
from .custom import hidden
from .gradient import WANTED
from .shape import BROADCAST_TO, RESHAPE, TRANSPOSE

if TYPE_CHECKING:
    pass

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
        condition: whether to take another step, in terms of the step's leaves; None: always.
        steps: how many steps are taken, if the loop is counted.
    """

    node: Node
    body: Body
    inits: tuple[Node, ...]
    sequences: tuple[Node, ...]
    constants: tuple[Node, ...]
    condition: Body | None = None
    steps: Node | None = None

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

    @property
    def ends_early(self) -> bool:
        """Whether fewer steps may be taken than there is room for."""
        return self.condition is not None or self.steps is not None

    def result(self, index: int) -> Node:
        """One of the loop's nodes."""
        attrs = {**dict(self.node.attrs), "index": index}
        return make(SCAN, self.node.operands, self.node.where, **attrs)

    def results(self) -> tuple[Node, ...]:
        """The loop's nodes: the carries at the end, then the stacks."""
        return tuple(map(self.result, range(len(self.body.outputs))))

    def taken(self) -> Node | None:
        """How many steps are taken, where that is not always the length."""
        return self.result(len(self.body.outputs)) if self.condition is not None else self.steps

    def fault(self) -> Fault | None:
        """What is wrong where the condition still holds at the end, if that is wrong."""
        name, length = self.node.attr("strict"), self.node.attr("length")
        if not name:
            return None
        if name == "while_loop":
            what = f"while_loop is still going after {length} steps"
            return Fault("bound", what, self.node.where)
        return Fault("convergence", f"{name} did not converge in {length} steps", self.node.where)

    def again(
        self,
        body: Body,
        inits: Sequence[Node],
        sequences: Sequence[Node],
        constants: Sequence[Node],
        condition: Body | None,
        steps: Node | None,
    ) -> tuple[Node, ...]:
        """The results of a loop of another step that takes as many, the same way round."""
        length, *how = (self.node.attr(k) for k in ("length", "reverse", "strict", "recompute"))
        reverse, strict, recompute = how
        with located(self.node.where):
            return looped(
                body, inits, sequences, constants, length, reverse, condition, steps, strict,
                recompute,
            )  # fmt: skip


class Scan(Op):
    """Repeat a step. operands: first carries, sequences, constants, the number of steps if counted.

    attrs: body, carries and sequences (how many), length, reverse (from the last element to the
    first), index (which result), condition, strict (whose loop it is, where it is a fault if the
    condition holds after the last step, else ""), counted, recompute (whether the loop backwards is
    given the carries alone, and computes all else of a step again).
    """

    name = "scan"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """A carry's type, or a stack of `length` of what is stacked; a number of steps."""
        body: Body = attrs["body"]
        n, m, length, index = (attrs[k] for k in ("carries", "sequences", "length", "index"))
        if attrs["counted"]:
            *operands_, steps = operands
            operands = tuple(operands_)
            _check("the number of steps", steps.type, "int64")
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
        condition: Body | None = attrs["condition"]
        if condition is not None:
            (holds,) = condition.outputs
            _check("the condition", holds.type, "bool")
            if condition.inputs != body.inputs or m or attrs["reverse"] or attrs["counted"]:
                raise ShapeError(
                    "scan: a condition is of the carries of a loop without sequences",
                    f"it is of {len(condition.inputs)} tensors, the step of {len(body.inputs)}",
                    "sequences have a length, which says when the loop ends",
                )
        elif length is None or attrs["strict"]:
            raise ShapeError(
                "scan: a loop without an end",
                "there is neither a length nor a condition",
                "a loop ends at its length, or when its condition no longer holds",
            )
        if condition is not None and index == len(body.outputs):
            return TensorType("int64")
        if index < 0:
            raise IndexError(f"no result {index}")
        result = body.outputs[index].type
        if index >= n and length is None:
            raise ShapeError(
                "scan: a stack of unknown size",
                f"a loop without a length stacks {result}",
                "say how many steps it takes at most",
            )
        return result if index < n else TensorType(result.dtype, (length, *result.shape))

    def family(self, node: Node) -> Hashable:
        """Everything but which result."""
        return node.operands, tuple(pair for pair in node.attrs if pair[0] != "index")

    def vjp_of(self, grads: Mapping[Node, Node]) -> tuple[Node | None, ...]:
        """The loop backwards."""
        from .unwound import unwound

        return unwound(grads)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The loop backwards, over the derivative of its step."""
        return self.vjp_of({node: out_grad})

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The loop of the lifted step; loops that do not end together are taken one by one."""
        from .lanes import lifted_loop

        return lifted_loop(node, operands, lead)


SCAN = register(Scan())


def _check(what: str, came: TensorType, dtype: str) -> None:
    if came != TensorType(dtype):
        raise ShapeError(
            f"scan: {what} is {came}", f"expected {TensorType(dtype)}", "it has no axes"
        )


def parts(node: Node) -> Parts:
    """What a loop is made of."""
    n, m = node.attr("carries"), node.attr("sequences")
    x, steps = node.operands, None
    if node.attr("counted"):
        *others, steps = x
        x = tuple(others)
    body, condition = node.attr("body"), node.attr("condition")
    return Parts(node, body, x[:n], x[n : n + m], x[n + m :], condition, steps)


def stand_in(position: int, name: str, type: TensorType) -> Node:
    """The leaf of a step's input, the same for all steps that have one there."""
    return make(LEAF, (), name=name, type=type, role="placeholder", uid=-1 - position)


def step(inputs: Sequence[Node], outputs: Sequence[Node]) -> Body:
    """The step with these leaves and results."""
    known = {x: stand_in(i, x.attr("name"), x.type) for i, x in enumerate(inputs)}
    return Body(tuple(known.values()), tuple(substitute(outputs, known)))


def from_outside(
    inputs: Sequence[Node], outputs: Sequence[Node], made: Set[Node] | None = None
) -> tuple[Node, ...]:
    """What results need beside the inputs, computed outside as far as possible.

    Numbers are not outside of anything, nor are leaves that derivatives inside speak of. Where a
    gradient is still to be taken inside, what it is taken for must be seen there, so only leaves
    are outside.

    Args:
        inputs: leaves that are inside.
        outputs: the results.
        made: what belongs inside even if it depends on no input; by default nothing.
    """
    order = walk(outputs, frozenset(inputs))
    own = {x for x in made or () if not is_leaf(x) or x.attr("role") == "placeholder"}
    if made is None or any(x.op in WANTED for x in own):
        inputs = (*inputs, *hidden(order))
    inside, grounded = {*inputs, *own}, set(inputs)
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
    condition: Node | None = None,
    strict: str = "",
    checkpoint: int | None = None,
) -> tuple[Node, ...]:
    """The results of a loop: the last carries, then what is stacked, then the number of steps.

    Args:
        inputs: leaves for the carries and for the sequences' elements.
        outputs: the new carries, then what is stacked; they may need nodes from outside.
        inits: the first carries.
        sequences: tensors with an axis of `length` in front.
        length: how many steps.
        reverse: whether the steps go from the last element to the first.
        condition: whether to take another step; only then the number of steps is a result.
        strict: what a fault calls the loop, if it is one that the condition holds after `length`
            steps.
        checkpoint: how many carries the loop backwards is given, from which it starts to compute
            the steps again; None: all, and what is expensive.
    """
    tests = () if condition is None else (condition,)
    outside = from_outside(inputs, (*outputs, *tests))
    leaves = tuple(_inner(x) for x in outside)
    own = substitute((*outputs, *tests), dict(zip(outside, leaves, strict=True)))
    body = step((*inputs, *leaves), own[: len(outputs)])
    if checkpoint is not None:
        from .segments import segmented

        return segmented(body, inits, sequences, outside, length, reverse, checkpoint)
    test = step((*inputs, *leaves), own[len(outputs) :]) if tests else None
    return looped(body, inits, sequences, outside, length, reverse, test, None, strict)


def looped(
    body: Body,
    inits: Sequence[Node],
    sequences: Sequence[Node],
    constants: Sequence[Node],
    length: Any,
    reverse: bool,
    condition: Body | None = None,
    steps: Node | None = None,
    strict: str = "",
    recompute: bool = False,
) -> tuple[Node, ...]:
    """All results of a step that is repeated; see `scan`. `steps` says how many are taken."""
    return tuple(
        make(
            SCAN,
            (*inits, *sequences, *constants, *(() if steps is None else (steps,))),
            body=body,
            carries=len(inits),
            sequences=len(sequences),
            length=length,
            reverse=reverse,
            condition=condition,
            strict=strict,
            counted=steps is not None,
            recompute=recompute,
            index=i,
        )
        for i in range(len(body.outputs) + (condition is not None))
    )


def _inner(x: Node) -> Node:
    return leaf(x.attr("name") if is_leaf(x) else "k", x.type, "placeholder", x.where)


def trimmed(node: Node) -> Node:
    """A loop without the constants that its step does not use; any other node as it is."""
    if node.op is not SCAN:
        return node
    loop = parts(node)
    tests = () if loop.condition is None else loop.condition.outputs
    used = set(walk((*loop.body.outputs, *tests)))
    kept = [(own, x) for own, x in zip(loop.fixed, loop.constants, strict=True) if own in used]
    if len(kept) == len(loop.fixed):
        return node
    inputs = (*loop.carries, *loop.elements, *(own for own, _ in kept))
    body, test = step(inputs, loop.body.outputs), step(inputs, tests) if tests else None
    constants = [x for _, x in kept]
    made = loop.again(body, loop.inits, loop.sequences, constants, test, loop.steps)
    index: int = node.attr("index")
    return made[index]


def noun(node: Node) -> str:
    """A word for a loop's result: a carry's own, and the plural of what is stacked; or a choice."""
    if node.op is not SCAN:
        return "chosen"
    loop, index = parts(node), node.attr("index")
    if index == len(loop.body.outputs):
        return "steps"
    if index < len(loop.inits):
        return str(loop.carries[index].attr("name"))
    x = loop.body.outputs[index]
    return f"{x.attr('name') if is_leaf(x) else x.op.name}_steps"
