"""A value that is one thing in training and another outside: dropout, batch statistics."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ir import Node, Op, make, register
from ..types import TensorType
from .broadcasting import broadcast_dims
from .shape import broadcast_to


class Phase(Op):
    """One value in training, another outside. operands: the two, of one type.

    A network has one graph for each phase, in which one of the two stands for the node. Where
    nobody chose, it is the value in training.
    """

    name = "phase"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The type of both."""
        training, outside = operands
        if training.type != outside.type:
            raise ShapeError(
                "phase: the values in training and outside differ in type",
                f"{training.type} and {outside.type}",
                "reshape, broadcast_to or cast one of them",
            )
        return training.type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """To the value in training."""
        return (out_grad, None)

    def expand(self, node: Node) -> Node:
        """The value in training."""
        return node.operands[0]

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Both get all leading axes in full."""
        full = broadcast_dims(self.name, tuple(x.shape[:lead] for x in operands))
        wide = (broadcast_to(x, shape=full + x.shape[lead:]) for x in operands)
        return make(self, tuple(wide), node.where)


PHASE = register(Phase())


def phase(training: Node, outside: Node) -> Node:
    """`training` in training, `outside` else; nothing to choose where they are one."""
    return training if training is outside else make(PHASE, (training, outside))


def in_training(node: Node) -> Node:
    """What a node is in training."""
    return node.operands[0] if node.op is PHASE else node


def outside_training(node: Node) -> Node:
    """What a node is in evaluation and prediction."""
    return node.operands[1] if node.op is PHASE else node
