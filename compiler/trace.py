"""How a graph came about: every rule applied and every step of the chain rule, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .ir import Node
from .types import Where


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `before` became `after`, by a rule or by the chain rule.

    A chain step says what reaches operand number `operand` of `before`: `after`.
    """

    kind: Literal["rule", "chain"]
    name: str
    before: Node
    after: Node
    why: str
    where: Where | None
    operand: int = 0


@dataclass(slots=True)
class Trace:
    """The steps so far, and the gradient that each forward node was given."""

    steps: list[Step] = field(default_factory=list)
    gradients: dict[tuple[Node, Node], Node] = field(default_factory=dict)

    def rule(self, name: str, why: str, before: Node, after: Node) -> None:
        """A rule rewrote a node."""
        self.steps.append(Step("rule", name, before, after, why, before.where))

    def chain(self, node: Node, operand: int, share: Node) -> None:
        """The chain rule passed a gradient from a node to one of its operands."""
        self.steps.append(
            Step("chain", node.op.name, node, share, node.op.doc, node.where, operand)
        )
