"""Loops and choices of the graph as `for`, `while` and `if` statements, with statements inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir import Node, leaf, substitute
from ...ops.scan import SCAN, Body as Step, Parts, noun, parts
from ..spelling import comment
from .code import numpy_dtype, typed

if TYPE_CHECKING:
    from .functions import Body

LINE_WIDTH = 100
CODE_WIDTH = 72  # what is longer together is split into statements
MARGIN = "    "


def nested(outer: Body, node: Node) -> str:
    """The text of a loop or a choice; its results are known by their names afterwards.

    Args:
        outer: the function in which it stands.
        node: one of its results.
    """
    return _Loop(outer, parts(node)).text() if node.op is SCAN else _Choice(outer, node).text()


class _Nested:
    """A statement with statements inside.

    Args:
        outer: the function in which it stands.
    """

    def __init__(self, outer: Body) -> None:
        """Nothing is written yet."""
        self.outer, self.module = outer, outer.module
        self.before: list[str] = []
        self.leaves: dict[Node, Node] = {}

    def _named(self, result: Node, wanted: str) -> str:
        """The name of a result: its own, or that of what it is inside."""
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
        """A tensor from outside, by a name."""
        text = typed(self.outer.code(x), x.dtype).text
        if text.isidentifier():
            return text
        name = self.module.identifiers.new("fixed")
        self.before.append(f"{name} = {text}")
        return name

    def _statements(self, roots: Sequence[Node], lines: list[str], width: int = 0) -> Body:
        """Write what is needed for the roots, as lines.

        Args:
            roots: what is needed.
            lines: where to put statements.
            width: the width of the line in which the roots stand together, if they do.
        """
        from .functions import Body

        own = set(self.leaves.values())
        body = Body(self.module, own, roots, stated=False)
        self.outer.leaves |= body.leaves - own
        if width and sum(len(body.result(x)) for x in roots) > width:
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

    def _text(self, *blocks: tuple[str, list[str]]) -> str:
        """What stands before, then each head with its lines."""
        lines = list(self.before)
        for head, inside in blocks:
            lines += [head, *(f"{MARGIN}{line}" for line in inside or ["pass"])]
        # A function's statements stand indented: what follows the first line does so here.
        return "\n".join([lines[0], *(MARGIN + line for line in lines[1:])])


class _Loop(_Nested):
    def __init__(self, outer: Body, made_of: Parts) -> None:
        """Name what goes in and what comes out."""
        super().__init__(outer)
        self.parts = made_of
        self.results = made_of.results()
        self.inside: list[str] = []
        length = made_of.node.attr("length")
        self.length = "" if length is None else outer.size(length).text
        taken = made_of.taken() if made_of.condition is not None else None
        self.wanted = taken if taken in outer.stated else None
        if self.wanted is None:
            self.t = self.module.identifiers.new("t")
        else:
            self.t = self._named(self.wanted, "steps")
        for x, result in zip(made_of.carries, self.results, strict=False):
            self._leaf(x, self._named(result, x.attr("name")))
        for x, outside in zip(made_of.elements, made_of.sequences, strict=True):
            name = self.module.identifiers.new(x.attr("name"))
            self._leaf(x, name)
            self.inside.append(f"{name} = {self._outside(outside)}[{self.t}]")
        for x, outside in zip(made_of.fixed, made_of.constants, strict=True):
            self._leaf(x, self._outside(outside))

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
        names = [self.module.names[x] for x in self.results[:n]]
        body = self._statements(outputs, self.inside, CODE_WIDTH - sum(map(len, names)))
        for name, x in zip(stacks, outputs[n:], strict=True):
            self.inside.append(f"{name}[{self.t}] = {body.result(x)}")
        self.inside += _assigned(names, [body.result(x) for x in outputs[:n]])
        head = self._for() if made_of.condition is None else self._while(made_of.condition)
        return self._text((head, self.inside))

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
        holds = self._statements([root], tests, CODE_WIDTH).result(root)
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


class _Choice(_Nested):
    def __init__(self, outer: Body, node: Node) -> None:
        """Name what goes in and what comes out."""
        super().__init__(outer)
        self.node = node
        same = [x for x in outer.stated if x.op is node.op and x.operands == node.operands]
        family = [x for x in same if x.op.family(x) == node.op.family(node)]
        self.results = sorted(family, key=lambda x: int(x.attr("index")))
        for x, outside in zip(node.attr("then").inputs, node.operands[1:], strict=True):
            self._leaf(x, self._outside(outside))

    def text(self) -> str:
        """All lines, those of the branches indented."""
        names = [self._named(x, noun(x)) for x in self.results]
        blocks = []
        for body in (self.node.attr("then"), self.node.attr("otherwise")):
            chosen = [body.outputs[x.attr("index")] for x in self.results]
            roots, lines = substitute(chosen, self.leaves), list[str]()
            written = self._statements(roots, lines)
            values = [written.result(x) for x in roots]
            together = _assigned(names, values)
            if any(len(line) > LINE_WIDTH - 4 * len(MARGIN) for line in together):
                together = [f"{name} = {value}" for name, value in zip(names, values, strict=True)]
            blocks.append([*lines, *together])
        then, otherwise = blocks
        condition = self.outer.code(self.node.operands[0]).text
        return self._text((f"if {condition}:", then), ("else:", otherwise))


def _assigned(names: Sequence[str], values: Sequence[str]) -> list[str]:
    """One statement that gives names to values, all at once; those that have them keep them."""
    changed = [(a, b) for a, b in zip(names, values, strict=True) if a != b]
    if not changed:
        return []
    left, right = (", ".join(side) for side in zip(*changed, strict=True))
    return [f"{left} = {right}"]
