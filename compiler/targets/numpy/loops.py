"""A loop of the graph as a `for` statement, with the statements of its step inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir import Node, leaf, substitute
from ...ops.scan import Parts, noun, parts
from ..spelling import comment
from .code import numpy_dtype, typed

if TYPE_CHECKING:
    from .functions import Body

LINE_WIDTH = 100
MARGIN = "    "


def loop(outer: Body, node: Node) -> str:
    """The text of a loop; its results are known by their names afterwards.

    Args:
        outer: the function in which the loop stands.
        node: one of the loop's results.
    """
    return _Loop(outer, parts(node)).text()


class _Loop:
    def __init__(self, outer: Body, made_of: Parts) -> None:
        """Name what goes in and what comes out."""
        self.outer, self.parts, self.module = outer, made_of, outer.module
        self.results = made_of.results()
        self.before: list[str] = []
        self.inside: list[str] = []
        self.length = outer.size(made_of.node.attr("length")).text
        self.t = self.module.identifiers.new("t")
        self.leaves: dict[Node, Node] = {}
        for x, result in zip(made_of.carries, self.results, strict=False):
            self._leaf(x, self._named(result, x.attr("name")))
        for x, outside in zip(made_of.elements, made_of.sequences, strict=True):
            name = self.module.identifiers.new(x.attr("name"))
            self._leaf(x, name)
            self.inside.append(f"{name} = {self._outside(outside)}[{self.t}]")
        for x, outside in zip(made_of.fixed, made_of.constants, strict=True):
            self._leaf(x, self._outside(outside))

    def _named(self, result: Node, wanted: str) -> str:
        """The name of a result: its own, or that of what it is in the step."""
        module = self.module
        if result not in module.names:
            shown = module.display.get(result) or module.updated.get(result) or wanted
            module.names[result] = module.identifiers.new(shown)
            module.display.setdefault(result, module.names[result])
        self.outer.name(result)
        return module.names[result]

    def _leaf(self, x: Node, name: str) -> None:
        own = self.leaves[x] = leaf(name, x.type, "placeholder", x.where)
        self.module.names[own] = self.module.display[own] = name

    def _outside(self, x: Node) -> str:
        """A tensor from outside of the loop, by a name."""
        text = typed(self.outer.code(x), x.dtype).text
        if text.isidentifier():
            return text
        name = self.module.identifiers.new("fixed")
        self.before.append(f"{name} = {text}")
        return name

    def text(self) -> str:
        """All lines, those inside the loop indented."""
        from .functions import Body

        made_of, n = self.parts, len(self.parts.inits)
        for x, init in zip(self.results, made_of.inits, strict=False):
            start = typed(self.outer.code(init), init.dtype).text
            self.before.append(f"{self.module.names[x]} = {start}")
        stacks = []
        for x in self.results[n:]:
            name = self._named(x, noun(x))
            sizes = ", ".join(self.outer.size(dim).text for dim in x.shape)
            shape = f"({sizes}{',' if len(x.shape) == 1 else ''})"
            self.before.append(f"{name} = np.empty({shape}, {numpy_dtype(x.dtype)})")
            stacks.append(name)
        outputs = substitute(made_of.body.outputs, self.leaves)
        own = set(self.leaves.values())
        body = Body(self.module, own, outputs)
        self.outer.leaves |= body.leaves - own
        for statement in body.statements:
            line = f"{MARGIN}{statement.code}  # {comment(statement.formula)}"
            fits = statement.formula and "\n" not in line and len(line) < LINE_WIDTH - len(MARGIN)
            # A statement's further lines stand as deep as a function's first.
            first, *more = (line[len(MARGIN) :] if fits else statement.code).split("\n")
            self.inside += [first, *(text.removeprefix(MARGIN) for text in more)]
        for name, x in zip(stacks, outputs[n:], strict=True):
            self.inside.append(f"{name}[{self.t}] = {body.result(x)}")
        left = [self.module.names[x] for x in self.results[:n]]
        right = [body.result(x) for x in outputs[:n]]
        changed = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
        if changed:
            names, values = (", ".join(side) for side in zip(*changed, strict=True))
            self.inside.append(f"{names} = {values}")
        steps = f"range({self.length})"
        if made_of.node.attr("reverse"):
            steps = f"reversed({steps})"
        inside = [f"{MARGIN}{line}" for line in self.inside or ["pass"]]
        # A function's statements stand indented: what follows the first line does so here.
        lines = [*self.before, f"for {self.t} in {steps}:", *inside]
        return "\n".join([lines[0], *(MARGIN + line for line in lines[1:])])
