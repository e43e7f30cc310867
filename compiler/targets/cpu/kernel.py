"""A kernel's text: loops, and in each the values that belong there, computed once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ...ir import Node, is_const
from ...passes.alike import Number
from ...passes.loops import (
    AXIS,
    LETTERS,
    LOAD,
    Entry,
    Finish,
    Kernel,
    Loop,
    Start,
    Statement,
    in_any_order,
    in_place,
    inner,
    positions,
    statements,
)
from ...passes.wholes import Branches, Core, Part, Repeat, Routine
from ...types import FLOATS, SHORT, Dim, product
from .expressions import ATOMS, Expressions, Piece, Scope
from .row_panel import ROWS, RowPanel
from .spelling import ATOM, PRODUCT, SUM, UNARY, within

MARGIN = "    "
AHEAD = 8  # iterations, in which a row comes from memory
# What is there before the first value, by dtype.
LOWEST = {"int32": -(2**31), "int64": -(2**63), "float32": float("-inf"), "float64": float("-inf")}
HIGHEST = {"int32": 2**31 - 1, "int64": 2**63 - 1, "float32": float("inf"), "float64": float("inf")}
EMPTY: dict[str, Callable[[str], float]] = {
    "sum": lambda dtype: 0,
    "prod": lambda dtype: 1,
    "any": lambda dtype: False,
    "all": lambda dtype: True,
    **dict.fromkeys(("max", "argmax"), lambda dtype: LOWEST.get(dtype, 0)),
    **dict.fromkeys(("min", "argmin"), lambda dtype: HIGHEST.get(dtype, 0)),
}
SIGNS = {"sum": ("+", PRODUCT), "prod": ("*", UNARY), "any": ("|", SUM), "all": ("&", SUM)}
TOTALS = {
    "sum": "sum",
    "prod": "product",
    "max": "largest",
    "min": "smallest",
    "any": "found",
    "all": "holds",
    "argmax": "largest",
    "argmin": "smallest",
}


class Call(Protocol):
    """Writes the lines that call a graph inside a kernel."""

    def __call__(self, part: Part, turn: str, margin: str, panel: RowPanel | None = None, /) -> str:
        """The graph, what counts steps, where the lines begin, and which rows are meant."""


class KernelWriter(Expressions):
    """Writes the body of one kernel.

    Args:
        kernel: what to write.
        arrays: the name of each tensor's array.
        stored: tensors that lie in memory.
        labels: what scalar values are called.
        sizes: the text of each size symbol.
        passed: the text of numbers that are passed to the function.
        reserved: names that are taken.
        call: the lines that call a graph inside the kernel, given what counts steps, and a margin.
        rows: along which axis a loop is taken a few rows at a time.
    """

    def __init__(
        self,
        kernel: Kernel,
        arrays: Mapping[Node, str],
        stored: frozenset[Node],
        labels: Mapping[Node, str],
        sizes: Mapping[str, str],
        passed: Mapping[Number, str],
        reserved: Iterable[str],
        call: Call | None = None,
        rows: Callable[[Repeat], Dim | None] = lambda _: None,
    ) -> None:
        """Write the body."""
        super().__init__(arrays, labels, sizes, passed, reserved)
        self.stored, self.rows = stored, frozenset(kernel.rows)
        self._totals: dict[Statement, str] = {}
        self._places: dict[Statement, str] = {}
        every = statements(kernel.body)
        self._read = {node for statement in every for node in statement.loads}
        if isinstance(kernel.core, Routine):
            self._routine(kernel.core)
        elif isinstance(kernel.core, Repeat):
            assert call is not None
            self._repeat(kernel.core, call, rows(kernel.core))
        elif isinstance(kernel.core, Branches):
            assert call is not None
            self._branches(kernel.core, call)
        elif kernel.core is not None:
            self._core(kernel.core)
        self._block(kernel.body, 0, Scope(), "    ")
        self.lines[:0] = self.views()

    # Loops

    def _block(self, entries: Sequence[Entry], level: int, scope: Scope, margin: str) -> None:
        for simple, group in itertools.groupby(entries, lambda x: isinstance(x, Statement)):
            if simple:
                self._run([x for x in group if isinstance(x, Statement)], scope, margin)
                continue
            for entry in group:
                if isinstance(entry, Start):
                    self._start(entry.statement, margin)
                elif isinstance(entry, Finish):
                    self._finish(entry.statement, scope, margin)
                elif isinstance(entry, Loop):
                    self._hoist(entry, level, scope, margin)
                    self._over(entry.axis, scope, margin)
                    if in_any_order(entry.axis):
                        self._one_row(entry, scope, margin + "    ")
                    self._block(entry.body, level + 1, scope.inside(), margin + "    ")

    def _over(self, axis: Node, scope: Scope, margin: str) -> None:
        """The head of a loop along an axis."""
        if not axis.operands:
            self._for(axis.attr("depth"), axis.attr("dim"), margin)
            return
        start, stop = axis.operands
        ends = [self.render(x, scope, {})[0] for x in (start, stop) if not is_const(x, 0)]
        letter, name = LETTERS[axis.attr("depth")], "range"
        if in_any_order(axis):
            name = "prange"
            self.library.add(name)
        self.lines.append(f"{margin}for {letter} in {name}({', '.join(ends)}):")

    def _one_row(self, loop: Loop, scope: Scope, margin: str) -> None:
        """What an iteration in any order has for itself, and the rows that a later one needs."""
        inside = list(statements([loop]))
        for x in dict.fromkeys(s.target for s in inside if s.target in self.rows):
            self.library |= {"local_array", SHORT[x.dtype]}
            shape = self.shape(x.shape[1:])
            self.lines.append(f"{margin}{self.arrays[x]} = local_array({shape}, {SHORT[x.dtype]})")
        ahead: dict[Node, dict[Node, None]] = {}
        for s in inside:
            for node in (s.result, *s.loads):
                first = positions(node)[:1]
                if first and first[0].op is LOAD and positions(first[0]) == (loop.axis,):
                    ahead.setdefault(first[0], {})[node.operands[0]] = None
        for row, tensors in ahead.items():
            self.library.add("prefetch")
            place = f"{LETTERS[loop.axis.attr('depth')]} + {AHEAD}"
            last = f"{self.render(loop.axis.operands[1], scope, {})[0]} - 1"
            later = self.identifiers.new("later")
            found = self.element(row.operands[0], [f"min({place}, {last})"])
            self.lines.append(f"{margin}{later} = {found}")
            self.lines += [f"{margin}prefetch({self.arrays[x]}, {later})" for x in tensors]

    def _for(self, level: int, dim: Dim, margin: str) -> None:
        self.lines.append(f"{margin}for {LETTERS[level]} in range({self.size(dim)[0]}):")

    def _let(self, node: Node, wanted: str | None, text: str, scope: Scope, margin: str) -> Piece:
        """Name a value in this scope."""
        name = scope.names[node] = self.local(node, wanted)
        self.lines.append(f"{margin}{name} = {text}")
        return name, ATOM

    def _hoist(self, loop: Loop, level: int, scope: Scope, margin: str) -> None:
        """Compute before a loop what does not change in it."""
        inside = statements([loop])
        roots = [root for statement in inside for root in (statement.value, *statement.index)]
        outside: dict[Node, None] = {}
        for root in roots:
            if self.depth(root) <= level:
                outside[root] = None
        for node in self.order(roots, scope):
            if self.depth(node) > level:
                for x in inner(node):
                    if self.depth(x) <= level:
                        outside[x] = None
        wanted = [x for x in outside if x not in scope.names and x.op not in ATOMS]
        counts = self.counts(wanted, scope)
        self.bind(wanted, scope, margin, set(wanted), counts, {})

    def _run(self, run: Sequence[Statement], scope: Scope, margin: str) -> None:
        """Statements of one loop body: all values first, then what is updated in place."""
        roots = [root for statement in run for root in (*statement.index, statement.value)]
        counts = self.counts(roots, scope)
        known: dict[Node, Piece] = {}
        late: list[str] = []
        updates = [statement for statement in run if in_place(statement.target)]
        for statement in updates:
            if statement.value.op is not LOAD:
                self.local(statement.value, f"new_{self.arrays[statement.target]}")
        for statement in run:
            target = statement.target
            self.bind([*statement.index, statement.value], scope, margin, set(), counts, known)
            value = self.render(statement.value, scope, known)
            if statement.combine:
                self._combine(statement, value, scope, known, margin)
                continue
            updated = in_place(target)
            if statement.result in self._read and not updated:
                if value[0].isidentifier():
                    scope.names[statement.result] = value[0]
                else:
                    value = self._let(statement.result, None, value[0], scope, margin)
            if len(updates) > 1 and updated and statement.value not in scope.names:
                value = self._let(statement.value, None, value[0], scope, margin)
            if target in self.stored or updated:
                index = [self.render(x, scope, known)[0] for x in statement.index]
                line = f"{margin}{self.element(target, index, statement.shape)} = {value[0]}"
                (late if updated else self.lines).append(line)
        self.lines.extend(late)

    # Reductions

    def _accumulator(self, statement: Statement) -> str:
        """The dtype in which a sum is taken: float64 for floats."""
        dtype = statement.value.dtype
        return "float64" if statement.combine == "sum" and dtype in FLOATS else dtype

    def _start(self, statement: Statement, margin: str) -> None:
        dtype = self._accumulator(statement)
        if not statement.local:
            self._zeros(statement, margin)
            return
        name = self._totals[statement] = self.identifiers.new(TOTALS[statement.combine])
        start = self.number(EMPTY[statement.combine](dtype), dtype)[0]
        self.lines.append(f"{margin}{name} = {start}")
        if statement.combine in ("argmax", "argmin"):
            self._places[statement] = self.identifiers.new("place")
            self.lines.append(f"{margin}{self._places[statement]} = 0")

    def _zeros(self, statement: Statement, margin: str) -> None:
        """Zeros in that part of an array to which loops add, or what it is padded with."""
        index, level = [], statement.ready
        for x, dim in zip(statement.index, statement.target.shape, strict=True):
            if dim == 1:
                index.append("0")
            elif x.op is AXIS and x.attr("depth") < statement.ready:
                index.append(LETTERS[x.attr("depth")])
            else:
                index.append(LETTERS[level])
                self._for(level, dim, margin)
                margin, level = margin + "    ", level + 1
        fill = statement.node.attr("value") if statement.combine == "put" else 0
        text = self.number(fill, statement.target.dtype)[0]
        self.lines.append(f"{margin}{self.element(statement.target, index)} = {text}")

    def _combine(
        self,
        statement: Statement,
        value: Piece,
        scope: Scope,
        known: dict[Node, Piece],
        margin: str,
    ) -> None:
        """One more value into a reduction."""
        if not statement.local:
            index = [self.render(x, scope, known)[0] for x in statement.index]
            target = self.element(statement.target, index)
            new = value[0] if statement.combine == "put" else f"{target} + {within(value, PRODUCT)}"
            self.lines.append(f"{margin}{target} = {new}")
            return
        total = self._totals[statement]
        if statement not in self._places:
            self.lines.append(f"{margin}{total} = {self._combined(statement, total, value)}")
            return
        if not value[0].isidentifier():
            value = self._let(statement.value, "candidate", value[0], scope, margin)
        test = f"{value[0]} {'>' if statement.combine == 'argmax' else '<'} {total}"
        if statement.value.dtype in FLOATS:
            self.library.add("isnan")
            test += f" or (isnan({value[0]}) and not isnan({total}))"
        self.lines.append(f"{margin}if {test}:")
        self.lines.append(f"{margin}    {total} = {value[0]}")
        self.lines.append(f"{margin}    {self._places[statement]} = {LETTERS[statement.ready]}")

    def _combined(self, statement: Statement, total: str, value: Piece) -> str:
        dtype, combine = statement.value.dtype, statement.combine
        if combine == "sum" and dtype in FLOATS:
            self.library.add("accumulate")
            return f"accumulate({total}, {self.cast(value, dtype, 'float64')[0]})"
        if combine in ("max", "min"):
            name = {"max": "maximum", "min": "minimum"}[combine]
            self.library.add(name)
            return f"{name}({total}, {value[0]})"
        sign, binds = SIGNS[combine]
        text = f"{total} {sign} {within(value, binds)}"
        if dtype == "int32":
            self.library.add("i32")
            return f"i32({text})"
        return text

    def _finish(self, statement: Statement, scope: Scope, margin: str) -> None:
        total = self._places.get(statement) or self._totals[statement]
        have = "int64" if statement in self._places else self._accumulator(statement)
        value = self.cast((total, ATOM), have, statement.target.dtype)[0]
        if statement.result in self._read:
            if value.isidentifier():
                scope.names[statement.result] = value
            else:
                value = self._let(statement.result, None, value, scope, margin)[0]
        if statement.target in self.stored:
            index = [self.render(x, scope, {})[0] for x in statement.index]
            self.lines.append(f"{margin}{self.element(statement.target, index)} = {value}")

    # What the library computes

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
        first, last = self.identifiers.new("first"), self.identifiers.new("last")
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

    def _routine(self, routine: Routine) -> None:
        """A call of one of the library's routines."""
        self.library.add(routine.kind)
        given = [
            self.seen(tensor, dims)
            for tensor, dims in zip((*routine.operands, routine.node), routine.views, strict=True)
        ]
        given += [self.arrays[tensor] for tensor in routine.work]
        given += map(str, routine.options)
        if routine.code:
            self.faults = True
            given += ["fault", str(routine.code)]
        if routine.text:
            given.insert(0, f'"{routine.text}"')
        self.lines.append(f"    {routine.kind}({', '.join(given)})")

    def _core(self, core: Core) -> None:
        """Matrix products by the library."""
        letters = ("t" if core.left_transposed else "n") + ("t" if core.right_transposed else "n")
        name = "matmul" if letters == "nn" else f"matmul_{letters}"
        self.library.add(name)
        left = (core.k, core.m) if core.left_transposed else (core.m, core.k)
        right = (core.n, core.k) if core.right_transposed else (core.k, core.n)
        batch = (product(core.batch),) if core.batch else ()
        given = []
        for tensor, dims in ((core.left, left), (core.right, right), (core.node, (core.m, core.n))):
            text = self.arrays[tensor]
            if tensor.shape != (*batch, *dims):
                self.library.add("view")
                text = f"view({text}, {self.shape((*batch, *dims))})"
            given.append(text)
        if not batch:
            self.lines.append(f"    {name}({', '.join(given)})")
            return
        for i, (text, role) in enumerate(zip(given, ("left", "right", "out"), strict=True)):
            if not text.isidentifier():
                given[i] = self.identifiers.new(role)
                self.lines.append(f"    {given[i]} = {text}")
        self.lines.append(f"    for i in range({self.size(batch[0])[0]}):")
        self.lines.append(f"        {name}({', '.join(f'{text}[i]' for text in given)})")
