"""The formulas that stand above kernels and in a module's docstring."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence

from ...explain.formulas import display_names, forward
from ...explain.notation import Text
from ...explain.printer import Printer
from ...ir import Graph, Node, is_leaf, walk
from ...ops.rows import written
from ...passes.loops import Kernel
from ...passes.scalars import PARTS, in_place
from ..spelling import docstring

Line = tuple[Node, str]
PANELS = (
    "The turns of a prange, a panel of rows or a row each, go in any order. What is added up over",
    "all rows is added up in each panel, in arrays called _parts, and then over the panels.",
)
LIKEWISE = 3  # further uses of a kernel that are told one by one


class Comments:
    """Says what kernels compute: each named value once, where it is made, and every update.

    Args:
        graph: what is computed.
        stored: tensors that lie in memory.
    """

    def __init__(self, graph: Graph, stored: frozenset[Node]) -> None:
        """Nothing has been said yet."""
        self.graph, self.stored = graph, stored
        self.names = display_names(graph)
        self._words = frozenset(self.names.values())
        self._printer = Printer(self.names, Text(), words=self._words)
        self._said: set[Node] = set()

    def title(self, panels: bool) -> str:
        """The module's docstring: what it is, the formulas of the outputs, and what panels are."""
        wanted = [*forward(self.graph), *(node for _, node in self.graph.outputs)]
        named = [x for x in dict.fromkeys(wanted) if x in self.names and not is_leaf(x)]
        lines = located([(node, self._equation(node)) for node in named])
        told = [f"{self.graph.name}. Target cpu."]
        for paragraph in (lines, PANELS if panels else ()):
            told += ["", *paragraph] if paragraph else []
        return docstring("\n".join([*told, ""] if len(told) > 1 else told))

    def kernel(self, nest: Kernel, arrays: Mapping[Node, str]) -> list[Line]:
        """What a kernel computes."""
        made = list(nest.made())
        lines = [self._halves(made.pop(0), arrays)] if made and made[0].op is PARTS else []
        for node in made:
            for inner in (*walk(node.operands, self.stored), node):
                if inner in self.names and not is_leaf(inner) and inner not in self._said:
                    self._said.add(inner)
                    lines.append((inner, self._equation(inner)))
        updates = {s.target: s.node for s in nest.statements() if in_place(s.target)}
        lines += self._updates(updates)
        if not lines:
            # What is filled or copied is told by where it goes: a number has no name of its own.
            target = next((s.target for s in reversed(nest.statements())), made[-1])
            name = self._printer.name(arrays.get(target, "value"))
            lines.append((made[-1], f"{name} = {self._printer.formula(made[-1])}"))
        return lines

    def _halves(self, parts: Node, arrays: Mapping[Node, str]) -> Line:
        """A product that a kernel computes in two parts."""
        (node,) = parts.operands
        first, second = (f"{arrays[parts]}[{half}]" for half in (0, 1))
        return node, f"{self._printer.formula(node)} = {first} + {second}"

    def _equation(self, node: Node, called: Mapping[Node, str] | None = None) -> str:
        """A value and what it is; some may be called otherwise than in the graph."""
        printer = self._printer
        if called:
            names = ChainMap(dict(called), self.names)
            printer = Printer(names, printer.notation, words=self._words)
        return f"{printer.name(printer.names[node])} = {printer.formula(node)}"

    def _updates(self, wanted: Mapping[Node, Node]) -> Iterator[Line]:
        """New values of what is updated, those first that others are made of."""
        updates = [(target, written(new)[0]) for target, new in wanted.items()]
        called = {new: target.attr("name") for target, new in updates if not is_leaf(new)}
        old = {new: target for target, new in updates}
        # Formulas end at names.
        below = walk([x for new in old for x in new.operands], self.names)
        ends = {x for x in below if x in self.names} - set(old)
        order = {node: place for place, node in enumerate(walk(old, ends))}
        for target, new in sorted(updates, key=lambda update: order[update[1]]):
            others = {x: name for x, name in called.items() if x is not new}
            inside = set(walk([new], ends | set(others)))
            # `m` is the new m, unless the old one is needed too.
            seen = {x: name for x, name in others.items() if x in inside and old[x] not in inside}
            name = target.attr("name")
            rows = self._printer.rows(written(wanted[target])[1])
            if is_leaf(new):
                yield new, f"{name}{rows} <- {self.names[new]}"
            else:
                text = self._equation(new, {**seen, new: name})
                yield new, text.replace(" = ", f"{rows} <- ", 1)


def above(uses: Sequence[Sequence[Line]]) -> list[str]:
    """The lines above a function: the formulas of its first use, and what the others compute."""
    first, *others = uses
    told = others[:LIKEWISE] if len(others) > LIKEWISE + 1 else others
    lines = located([*first, *map(_told, told)])
    if told:
        lines.insert(len(lines) - len(told), "likewise")
    if len(told) < len(others):
        lines.append(f"and {len(others) - len(told)} more")
    return lines


def _told(use: Sequence[Line]) -> Line:
    """What a use computes, without how."""
    names = dict.fromkeys(re.split(" = | <- ", text, maxsplit=1)[0] for _, text in use)
    return use[0][0], ", ".join(names)


def located(lines: Sequence[Line]) -> list[str]:
    """Formulas, each behind the user's line that it came from."""
    places = [str(node.where) if node.where else "" for node, _ in lines]
    width = max(map(len, places), default=0)
    shown = [f"{place:<{width}}   {text}" for place, (_, text) in zip(places, lines, strict=True)]
    return [line.strip() if not width else line for line in dict.fromkeys(shown)]
