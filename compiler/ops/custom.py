"""A formula whose derivative is declared rather than derived.

The declaration is part of the graph: expressions in leaves that stand for the result, for a
cotangent and for tangents. So it is differentiated, rewritten, shown and read back like everything
else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir import Node, Op, is_leaf, leaf, make, register, substitute
from ..types import TensorType
from .broadcasting import zeros_like
from .gradient import WANTED


@dataclass(frozen=True, slots=True)
class Declaration:
    """The operands of a custom node by what they are.

    Attributes:
        value: what the formula gives.
        result: the leaf that stands for the custom node itself in the rules.
        cotangent: the leaf that stands for the gradient of the result.
        xs: what the result is differentiated for.
        grads: the gradient for each of them, in terms of result, cotangent and xs.
        tangents: the leaf that stands for the change of each x; none without a forward rule.
        change: the change of the result, in terms of result, tangents and xs.
    """

    value: Node
    result: Node
    cotangent: Node
    xs: tuple[Node, ...]
    grads: tuple[Node, ...]
    tangents: tuple[Node, ...] = ()
    change: Node | None = None

    @property
    def operands(self) -> tuple[Node, ...]:
        """As operands of a node."""
        forward = () if self.change is None else (*self.tangents, self.change)
        return (self.value, self.result, self.cotangent, *self.xs, *self.grads, *forward)


class Custom(Op):
    """A value with a declared derivative.

    operands: value, result, cotangent, n tensors, their n gradients; with a forward rule also n
    tangents and the change. attrs: count, which is n.
    """

    name = "custom"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The value's type."""
        return operands[0].type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The gradients that were declared, with the incoming one in the cotangent's place."""
        known = declared(node)
        if known.change is None:
            grads = substitute(known.grads, {known.cotangent: out_grad, known.result: node})
        else:
            grads = [_transposed(node, i, out_grad) for i in range(len(known.xs))]
        others = len(node.operands) - 3 - len(grads)
        return (None, None, None, *grads, *(None,) * others)

    def expand(self, node: Node) -> Node:
        """The value."""
        return node.operands[0]


CUSTOM = register(Custom())


def custom(known: Declaration) -> Node:
    """The value of a declaration, as a node that is differentiated as declared."""
    return make(CUSTOM, known.operands, count=len(known.xs))


def declared(node: Node) -> Declaration:
    """The declaration of a custom node."""
    n, (value, result, cotangent, *rest) = node.attr("count"), node.operands
    forward: Sequence[Any] = (tuple(rest[2 * n : 3 * n]), rest[3 * n]) if rest[2 * n :] else ()
    return Declaration(value, result, cotangent, tuple(rest[:n]), tuple(rest[n : 2 * n]), *forward)


def bound(nodes: Iterable[Node]) -> set[Node]:
    """The leaves that belong to a derivative or a declaration: no value comes from outside."""
    nodes = list(nodes)
    found = {node.operands[1] for node in nodes if node.op in WANTED} | hidden(nodes)
    return {x for x in found if is_leaf(x) and x.attr("role") == "placeholder"}


def hidden(nodes: Iterable[Node]) -> set[Node]:
    """Those that only stand for something: nothing else means them."""
    found: set[Node] = set()
    for node in nodes:
        if node.op in WANTED and node.operands[1] is not node.operands[-1]:
            found.add(node.operands[1])
        elif node.op is CUSTOM:
            known = declared(node)
            found |= {known.result, known.cotangent, *known.tangents}
    return found


def loose(nodes: Iterable[Node]) -> list[Node]:
    """The leaves that stand for something in a step or a formula which is not around them."""
    nodes = list(nodes)
    known = hidden(nodes)
    return [x for x in nodes if is_leaf(x) and x.attr("role") == "placeholder" and x not in known]


def _transposed(node: Node, i: int, out_grad: Node) -> Node:
    """The gradient for x[i], whose own derivative for the incoming gradient is the forward rule.

    It is linear in the incoming gradient; what goes back through it along w is the change of the
    result when x[i] changes by w. Its derivatives for everything else are those of its formula.
    """
    known = declared(node)
    assert known.change is not None
    at = {known.cotangent: out_grad, known.result: node}
    w = leaf("tangent", known.grads[i].type, "placeholder")
    zeros = {t: zeros_like(t) for t in known.tangents}
    from ..autodiff import backward  # a program out of the cache needs the op, not its derivative

    slopes = backward(known.grads[i], [*known.xs, known.result], w)
    moving = [x for x in dict.fromkeys((*known.xs, known.result)) if x in slopes]
    value, change, *others = substitute(
        [known.grads[i], known.change, *(slopes[x] for x in moving)],
        {**at, **zeros, known.tangents[i]: w},
    )
    xs = (out_grad, *(at.get(x, x) for x in moving))
    return custom(Declaration(value, _result(value), w, xs, (change, *others)))


def straight_through(value: Node, x: Node) -> Node:
    """`value`, whose gradient goes to `x` as it is."""
    u = leaf("cotangent", value.type, "placeholder")
    return custom(Declaration(value, _result(value), u, (x,), (u,)))


def _result(value: Node) -> Node:
    return leaf("result", value.type, "placeholder")


def unruled(node: Node) -> Node:
    """A node without its declaration: once all gradients are taken it says nothing."""
    return node.operands[0] if node.op is CUSTOM else node
