"""What compiling a model chose: the graphs to run and what they start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.compiler.ir import Graph, Node, is_leaf
from chainrule.compiler.ops.rows import written
from chainrule.frontend.training import Reported, Target, Training


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What `compile` chose: the graphs to run and what they start from."""

    train: Graph
    evaluate: Graph
    targets: tuple[Target, ...]
    reported: tuple[Reported, ...]
    settings: Mapping[str, float]
    state: Mapping[str, float]
    target: str

    @classmethod
    def of(cls, built: Training, target: str) -> Compiled:
        """The choice of these graphs and this target."""
        return cls(
            built.train,
            built.evaluate,
            built.targets,
            built.reported,
            built.settings,
            built.state,
            target,
        )

    @property
    def seeds(self) -> list[str]:
        """The settings that are seeds of random numbers."""
        return [name_of(x) for x in self.train.inputs if _is(x, "setting", "int64")]

    @property
    def counters(self) -> list[str]:
        """The states that count draws of random numbers, rather than belong to the optimizer."""
        known = {*self.state, *self.kept}
        return [name_of(x) for x in self.train.state if name_of(x) not in known]

    @property
    def kept(self) -> list[str]:
        """The states that belong to layers: evaluation reads them too."""
        return [name_of(x) for x in self.evaluate.state]

    @property
    def tables(self) -> dict[str, list[str]]:
        """What a step changes by rows, and the inputs whose numbers are those of the rows."""
        found: dict[str, list[str]] = {}
        for old, new in self.train.updates:
            _, indices = written(new)
            inputs = [_source(index) for index in indices]
            if inputs and all(_is(x, "input", x.dtype) for x in inputs):
                found[name_of(old)] = [name_of(x) for x in inputs]
        return found


def _source(index: Node) -> Node:
    """What has the same numbers in another shape or dtype."""
    while index.op.name in ("reshape", "cast"):
        (index,) = index.operands
    return index


def name_of(leaf: Node) -> str:
    """What an input, a parameter or a state is called."""
    name: str = leaf.attr("name")
    return name


def _is(leaf: Node, role: str, dtype: str) -> bool:
    return is_leaf(leaf) and bool(leaf.attr("role") == role and leaf.dtype == dtype)
