"""A loop of the graph as a `for` or `while` statement, with the statements of its step inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir import Node, leaf, substitute
from ...ops.scan import Body as Step, Parts, noun, parts
from ..spelling import comment
from .code import numpy_dtype, typed

if TYPE_CHECKING:
    from .functions import Body

LINE_WIDTH = 100
CODE_WIDTH = 64  # what is longer together is split into statements
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
        length = made_of.node.attr("length")
        self.length = "" if length is None else outer.size(length).text
        taken = made_of.taken() if made_of.condition is not None else None
        self.wanted = taken if taken in outer.stated else None
        if self.wanted is None:
            self.t = self.module.identifiers.new("t")
        else:
            self.t = self._named(self.wanted, "steps")
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
        made_of, n = self.parts, len(self.parts.inits)
        for x, init in zip(self.results, made_of.inits, strict=False):
            start = typed(self.outer.code(init), init.dtype).text
            self.before.append(f"{self.module.names[x]} = {start}")
        stacks = []
        for x in self.results[n:]:
            name = self._named(x, noun(x))
            sizes = ", ".join(self.outer.size(dim).text for dim in x.shape)
            shape = f"({sizes}{',' if len(x.shape) == 1 else ''})"
            new = "zeros" if made_of.ends_early else "empty"
            self.before.append(f"{name} = np.{new}({shape}, {numpy_dtype(x.dtype)})")
            stacks.append(name)
        outputs = substitute(made_of.body.outputs, self.leaves)
        body = self._statements(outputs, self.inside)
        for name, x in zip(stacks, outputs[n:], strict=True):
            self.inside.append(f"{name}[{self.t}] = {body.result(x)}")
        left = [self.module.names[x] for x in self.results[:n]]
        right = [body.result(x) for x in outputs[:n]]
        changed = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
        if changed:
            names, values = (", ".join(side) for side in zip(*changed, strict=True))
            self.inside.append(f"{names} = {values}")
        head = self._for() if made_of.condition is None else self._while(made_of.condition)
        inside = [f"{MARGIN}{line}" for line in self.inside or ["pass"]]
        # A function's statements stand indented: what follows the first line does so here.
        lines = [*self.before, head, *inside]
        return "\n".join([lines[0], *(MARGIN + line for line in lines[1:])])

    def _statements(self, roots: Sequence[Node], lines: list[str]) -> Body:
        """Write what is needed for the roots, as lines."""
        from .functions import Body

        own = set(self.leaves.values())
        body = Body(self.module, own, roots, stated=False)
        self.outer.leaves |= body.leaves - own
        if sum(len(body.result(x)) for x in roots) > CODE_WIDTH:
            for x in dict.fromkeys(roots):
                if body.inlined(x) and not body.result(x).isidentifier():
                    body.state(x, body.codes[x])
        for statement in body.statements:
            line = f"{MARGIN}{statement.code}  # {comment(statement.formula)}"
            fits = statement.formula and "\n" not in line and len(line) < LINE_WIDTH - len(MARGIN)
            # A statement's further lines stand as deep as a function's first.
            first, *more = (line[len(MARGIN) :] if fits else statement.code).split("\n")
            lines += [first, *(text.removeprefix(MARGIN) for text in more)]
        return body

    def _for(self) -> str:
        """The first line of a loop of known length."""
        made_of = self.parts
        length = self.length if made_of.steps is None else self._outside(made_of.steps)
        steps = f"range({length})"
        return f"for {self.t} in {f'reversed({steps})' if made_of.node.attr('reverse') else steps}:"

    def _while(self, condition: Step) -> str:
        """The first line of a loop with a condition; what belongs to it is put in and before it."""
        (root,) = substitute(condition.outputs, self.leaves)
        tests: list[str] = []
        holds = self._statements([root], tests).result(root)
        fault, t = self.parts.fault(), self.t
        head = [f"{t} < {self.length}"] if self.length and fault is None else []
        first: list[str] = []
        if tests:
            first = [*tests, f"if not {holds}:", f"{MARGIN}break"]
        else:
            head.append(holds)
        if fault is not None:
            if fault not in self.module.faults:
                self.module.faults.append(fault)
            raised = f"raise RuntimeError({json.dumps(fault.located)})"
            first += [f"if {t} == {self.length}:", f"{MARGIN}{raised}"]
        if self.length or self.wanted is not None:
            self.before.append(f"{t} = {'0' if self.wanted is None else 'np.int64(0)'}")
            self.inside.append(f"{t} += 1")
        self.inside[:0] = first
        return f"while {' and '.join(head) or 'True'}:"
