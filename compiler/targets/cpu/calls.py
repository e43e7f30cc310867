"""What a kernel's text calls: graphs inside it, routines of the library, and products."""

from __future__ import annotations

from typing import Protocol

from ...ir import Node
from ...passes.scalars import LETTERS, PARTS
from ...passes.wholes import Branches, Core, Part, Repeat, Routine
from ...types import Dim, product
from .blocks import Blocks, dims_of
from .row_panel import ROWS, RowPanel
from .spelling import call_text

MARGIN = "    "


class Call(Protocol):
    """Writes the lines that call a graph inside a kernel."""

    def __call__(self, part: Part, turn: str, margin: str, panel: RowPanel | None = None, /) -> str:
        """The graph, what counts steps, where the lines begin, and which rows are meant."""


class Calls(Blocks):
    """Writes calls."""

    def _for(self, level: int, dim: Dim, margin: str) -> None:
        """A loop over an axis."""
        self.lines.append(f"{margin}for {LETTERS[level]} in range({self.size(dim)[0]}):")

    def _for_rows(self, level: int, dim: Dim, margin: str) -> None:
        """A loop over an axis, which in a panel is over the panel's rows."""
        if self.panel is None or level != len(self.panel.batch):
            self._for(level, dim, margin)
            return
        start, stop = self.bounds(dim)
        ends = stop if start == "0" else f"{start}, {stop}"
        self.lines.append(f"{margin}for {LETTERS[level]} in range({ends}):")

    def _for_each(self, level: int, dim: Dim, margin: str) -> None:
        """A loop over the products of a batch, or of a panel's, which threads share."""
        self._for_rows(level, dim, margin)
        if not level and self.panel is None:
            self.library.add("prange")
            self.lines[-1] = self.lines[-1].replace("range", "prange")

    def _repeat(self, repeat: Repeat, call: Call, rows: Dim | None) -> None:
        """A loop over kernels of its own."""
        self.symbols |= set(self.sizes)
        self.faults = True
        turn = self.identifiers.new("turn")
        if repeat.test is not None:
            taken = turn
            self._while(repeat, turn, call)
        else:
            assert repeat.length is not None
            count = taken = self.size(repeat.length)[0]
            if repeat.steps is not None:
                taken = self.identifiers.new("taken")
                number = f"{self.arrays[repeat.steps]}[0]"
                self.lines.append(f"    {taken} = max(0, min({number}, {count}))")
            steps = f"range({taken} - 1, -1, -1)" if repeat.reverse else f"range({taken})"
            margin, panel = MARGIN, None
            if rows is not None:
                panel, lines = self._panel(rows)
                self.lines += lines
                margin *= 2
            step = call(repeat.step, turn, margin + MARGIN, panel)
            self.lines += [f"{margin}for {turn} in {steps}:", step]
        if repeat.ends_early and repeat.stacks:
            self._rest(repeat, taken)

    def _panel(self, rows: Dim) -> tuple[RowPanel, list[str]]:
        """All steps for a few rows, then for the next: the threads do not wait for each other."""
        self.library.add("prange")
        first, last = self.identifiers.new("top"), self.identifiers.new("bottom")
        end = self.size(rows)[0]
        return RowPanel(rows, first, last), [
            f"{MARGIN}for {first} in prange(0, {end}, {ROWS}):",
            f"{MARGIN}{MARGIN}{last} = min({first} + {ROWS}, {end})",
        ]

    def _while(self, repeat: Repeat, turn: str, call: Call) -> None:
        """A loop that goes on while a condition holds, and nothing is wrong."""
        assert repeat.test is not None
        assert repeat.holds is not None
        tests = ["fault[0] == 0", f"{self.arrays[repeat.holds]}[0]"]
        first: list[str] = []
        if repeat.length is not None:
            count = self.size(repeat.length)[0]
            if repeat.code:
                first = [f"        if {turn} == {count}:", f"            fault[0] = {repeat.code}"]
                first.append("            break")
            else:
                tests.append(f"{turn} < {count}")
        self.lines += [
            f"    {turn} = 0",
            call(repeat.test, turn, MARGIN),
            f"    while {' and '.join(tests)}:",
            *first,
            call(repeat.step, turn, MARGIN * 2),
            f"        {turn} += 1",
            call(repeat.test, turn, MARGIN * 2),
        ]
        if repeat.taken is not None:
            self.lines.append(f"    {self.arrays[repeat.taken]}[0] = {turn}")

    def _rest(self, repeat: Repeat, taken: str) -> None:
        """Zeros in the stacks, for the steps that were not taken."""
        assert repeat.length is not None
        self.lines.append(f"    for {LETTERS[0]} in range({taken}, {self.size(repeat.length)[0]}):")
        for stack in repeat.stacks:
            margin, index = MARGIN * 2, [LETTERS[0]]
            for level, dim in enumerate(stack.shape[1:], 1):
                self._for(level, dim, margin)
                margin, index = margin + MARGIN, [*index, LETTERS[level]]
            zero = self.number(0, stack.dtype)[0]
            self.lines.append(f"{margin}{self.element(stack, index)} = {zero}")

    def _branches(self, core: Branches, call: Call) -> None:
        """A choice between kernels."""
        self.symbols |= set(self.sizes)
        self.faults = True
        self.lines += [
            f"    if {self.arrays[core.condition]}[0]:",
            call(core.then, "", MARGIN * 2),
            "    else:",
            call(core.otherwise, "", MARGIN * 2),
        ]

    def _routine(self, routine: Routine, margin: str) -> None:
        """A call of one of the library's routines, for all rows or a panel's."""
        self.library.add(routine.kind)
        given = [
            self.seen(tensor, dims)
            for tensor, dims in zip((*routine.operands, routine.node), routine.views, strict=True)
        ]
        if self.panel is not None:
            tensors = (*routine.operands, routine.node)
            given = [
                f"{text}{self._part(tensor, self.panel.dim)}" if goes else text
                for text, tensor, goes in zip(given, tensors, routine.rows, strict=True)
            ]
        given += [self.arrays[tensor] for tensor in routine.work]
        given += map(str, routine.options)
        if routine.code:
            self.faults = True
            given += ["fault", str(routine.code)]
        if routine.text:
            given.insert(0, f'"{routine.text}"')
        self.lines.append(call_text(f"{margin}{routine.kind}", given, ""))

    def _part(self, tensor: Node, dim: Dim) -> str:
        """The panel's rows of an array, of which there are so many in all."""
        assert self.panel is not None
        start, stop = self.bounds(dim)
        if tensor in self.panel.local:
            return "" if self.panel.whole else f"[0 : {stop} - {start}]"
        return f"[{start}:{stop}]" if (start + stop).isidentifier() else f"[{start} : {stop}]"

    def _core(self, core: Core, margin: str) -> None:
        """Matrix products by the library, of all rows or of a panel's."""
        letters = ("t" if core.left_transposed else "n") + ("t" if core.right_transposed else "n")
        name = "matmul" if letters == "nn" else f"matmul_{letters}"
        self.library.add(name)
        if self.panel is not None and self.panel.batch:
            self._of_block(core, name, margin)
            return
        if core.places:
            self._in_place(core, name, margin)
            return
        batch = (product(core.batch),) if core.batch else ()
        found = self.whole if batch else self.seen
        given = [
            found(tensor, (*batch, *dims))
            for tensor, dims in (
                *core.matrices[:2],
                (core.node, core.node.shape if core.node.op is PARTS else (core.m, core.n)),
            )
        ]
        if not batch:
            if self.panel is not None:
                self._of_panel(core, given)
            self.lines.append(call_text(f"{margin}{name}", given, ""))
            return
        for i, (text, role) in enumerate(zip(given, ("left", "right", "out"), strict=True)):
            if not text.isidentifier():
                given[i] = self.identifiers.new(role)
                self.lines.append(f"{margin}{given[i]} = {text}")
        places = ["i", "i", "i"]
        if self.panel is not None and core.node in self.panel.local:
            places[2] = f"i - {self.bounds(batch[0])[0]}"
        self._for_each(0, batch[0], margin)
        parts = (f"{text}[{place}]" for text, place in zip(given, places, strict=True))
        self.lines.append(f"{margin}    {name}({', '.join(parts)})")

    def _in_place(self, core: Core, name: str, margin: str) -> None:
        """Products of matrices that lie among those of others."""
        for level, dim in enumerate(core.batch):
            self._for_each(level, dim, margin)
            margin += MARGIN
        given = []
        for (tensor, matrix), places in zip(core.matrices, core.places, strict=True):
            dims = dims_of(matrix, places, core.batch)
            index = [":" if x is None else LETTERS[x] for x in places]
            if self._is_part(tensor):
                index[0] += f" - {self.bounds(core.batch[0])[0]}"
            while index[-1] == ":":
                index.pop()
            given.append(f"{self.seen(tensor, dims)}[{', '.join(index)}]")
        self.lines.append(call_text(f"{margin}{name}", given, ""))

    def _of_panel(self, core: Core, given: list[str]) -> None:
        """The parts of left, right and result that a panel has."""
        assert self.panel is not None
        if core.node.op is PARTS or core.node in self.panel.shares:
            given[0] += self._part(core.left, core.k)
            given[1] += self._part(core.right, core.k)
            given[2] += "[panel]" * (core.node.op is PARTS)
            return
        part = self._part(core.left, core.m)
        given[0] += f"[:, {part[1:]}" if core.left_transposed else part
        given[2] += self._part(core.node, core.m)
