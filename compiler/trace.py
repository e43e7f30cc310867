"""How a graph came about: every rule applied and every step of the chain rule, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """The steps so far, the gradient that each forward node was given, and what nodes became.

    A step tells of one node; `became` also of those above it, whose operands are new.
    """

    steps: list[Step] = field(default_factory=list)
    gradients: dict[tuple[Node, Node], Node] = field(default_factory=dict)
    became: dict[Node, Node] = field(default_factory=dict)

    def rule(self, name: str, why: str, before: Node, after: Node) -> None:
        """A rule rewrote a node."""
        self.steps.append(Step("rule", name, before, after, why, before.where))

    def passed(self, mapped: Mapping[Node, Node]) -> None:
        """A pass is done: what each node became."""
        self.became.update((old, new) for old, new in mapped.items() if old is not new)

    def later(self, node: Node) -> Iterator[Node]:
        """A node and all that it became, one after the other."""
        seen: set[Node] = set()
        while node not in seen:
            yield node
            seen.add(node)
            node = self.became.get(node, node)

    def chain(self, node: Node, operand: int, share: Node) -> None:
        """The chain rule passed a gradient from a node to one of its operands."""
        self.steps.append(
            Step("chain", node.op.name, node, share, node.op.doc, node.where, operand)
        )
