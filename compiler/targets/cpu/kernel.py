"""A kernel's text: loops, and in each the values that belong there, computed once."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

from ...ir import Node, is_const
from ...passes.alike import Number
from ...passes.loops import Entry, Finish, Kernel, Loop, Panel, Start, Statement, statements
from ...passes.scalars import (
    AXIS,
    LETTERS,
    LOAD,
    PARTS,
    TURN,
    in_any_order,
    in_place,
    inner,
    positions,
)
from ...passes.wholes import Branches, Core, Repeat, Routine
from ...types import FLOATS, SHORT, Dim, product
from .ahead import rows_ahead
from .calls import MARGIN, Call, Calls
from .expressions import ATOMS, Piece, Scope
from .spelling import ATOM, PRODUCT, SUM, UNARY, WIDTH, within

AHEAD = 8  # iterations, in which a row comes from memory
SOON = 32  # the same where one does no more than read the row
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
    "argmax": "highest",
    "argmin": "lowest",
}
SHORT_NAME = 12  # of what is combined: the lines that do it name the total twice


class KernelWriter(Calls):
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
        self.stored = stored | set(kernel.own)
        self.rows = frozenset(kernel.rows)
        self._totals: dict[Statement, str] = {}
        self._places: dict[Statement, str] = {}
        every = kernel.statements()
        self._read = {node for statement in every for node in statement.loads}
        scope = Scope()
        if isinstance(kernel.core, Repeat):
            assert call is not None
            self._repeat(kernel.core, call, rows(kernel.core))
        elif isinstance(kernel.core, Branches):
            assert call is not None
            self._branches(kernel.core, call)
        elif kernel.panel is not None and kernel.panel.batch:
            self._in_blocks(kernel.panel, scope)
        elif kernel.panel is not None:
            assert kernel.core is None or isinstance(kernel.core, Core | Routine)
            self._in_panels(kernel.panel, kernel.core, scope)
        elif kernel.core is not None:
            self._whole(kernel.core, MARGIN)
        self._block(kernel.body, 0, scope, MARGIN)
        self.lines[:0] = [*self._memory(kernel.local, MARGIN), *self.views(MARGIN)]

    # Panels

    def _whole(self, core: Core | Routine, margin: str) -> None:
        """What the library computes."""
        if isinstance(core, Routine):
            self._routine(core, margin)
        else:
            self._core(core, margin)

    def _in_panels(self, panel: Panel, core: Core | Routine | None, scope: Scope) -> None:
        """A loop over panels, in any order: a product's rows, and the loops over these."""
        self._hoist(panel.body, 0, scope, MARGIN)
        if core is not None and not panel.has_core:
            self._whole(core, MARGIN)
        self.panel = panel
        self.library |= {"prange"}
        rows, margin = panel.rows, MARGIN * 2
        dim = self.size(panel.dim)[0]
        self.lines.append(f"{MARGIN}for first in prange(0, {dim}, {rows}):")
        if not panel.whole:
            self.lines.append(f"{margin}last = min(first + {rows}, {dim})")
        inside = Kernel(None, (), panel)
        parts = any(s.panel or any(x.op is TURN for x in s.index) for s in inside.statements())
        if parts or any(whole.node.op is PARTS for whole in inside.wholes):
            self.lines.append(f"{margin}panel = first // {rows}")
        self._name_columns(panel, core)
        self.lines += self._memory((*panel.local, *panel.shares), margin)
        self.lines += [self._room(x, margin, columns=True) for x in self._turned()]
        place = len(self.lines)
        if core is not None and panel.has_core:
            self._whole(core, margin)
        made = {member.target for member in statements(panel.body)}
        self.lines += [self._transposed(x, panel, margin) for x in self._turned() if x not in made]
        self._block(panel.body, 0, scope.inside(), margin)
        self.lines += [
            self._transposed(x, panel, margin, True) for x in self._turned() if x in made
        ]
        self.lines[place:place] = self.views(margin)
        self.forget()

    def _in_blocks(self, panel: Panel, scope: Scope) -> None:
        """A loop over the matrices of a batch, in any order, and in it one over blocks of rows."""
        self._hoist(panel.body, 0, scope, MARGIN)
        self.panel = panel
        self.lines += self._each_matrix(panel.batch)
        self.lines += self._memory(panel.local, MARGIN * 2)
        place, margin = len(self.lines), MARGIN * 2
        if panel.rows != panel.dim:
            for core in panel.body:
                if isinstance(core, Core) and core.left_transposed:
                    self._zeros_of(core, margin)
            dim = self.size(panel.dim)[0]
            self.lines.append(f"{margin}for first in range(0, {dim}, {panel.rows}):")
            margin += MARGIN
            if not panel.whole:
                self.lines.append(f"{margin}last = min(first + {panel.rows}, {dim})")
        self._block(panel.body, 0, scope.inside(), margin)
        self.lines[place:place] = self.views(MARGIN * 2)
        self.forget()

    def _memory(self, tensors: Sequence[Node], margin: str) -> list[str]:
        """Arrays in the function's own memory, in a panel of its rows."""
        return [self._room(x, margin, self.columns.get(x) == self.arrays[x]) for x in tensors]

    def _room(self, x: Node, margin: str, columns: bool) -> str:
        """One of them, or the columns of one."""
        self.library |= {"local_array", SHORT[x.dtype]}
        name, dims = self.arrays[x], self.rows_of(x.shape) if self._is_part(x) else x.shape
        if columns:
            name, dims = self.columns[x], self.rows_of(x.shape)[::-1]
        return f"{margin}{name} = local_array({self.shape(dims)}, {SHORT[x.dtype]})"

    def _name_columns(self, panel: Panel, core: Core | Routine | None) -> None:
        """Names for what lies by columns: those of the arrays, if it does not lie by rows too."""
        for x in panel.columns:
            name = self.arrays[x]
            if x not in panel.local or (core is not None and x is core.node):
                name = self.identifiers.new(f"{name}_columns")
            self.columns[x] = name

    def _turned(self) -> list[Node]:
        """What lies in both ways."""
        return [x for x, name in self.columns.items() if name != self.arrays[x]]

    def _transposed(self, x: Node, panel: Panel, margin: str, back: bool = False) -> str:
        """From rows to columns, or back."""
        self.library.add("transposed")
        given = [f"{self.arrays[x]}{self._part(x, panel.dim)}", self.columns[x]]
        return f"{margin}transposed({', '.join(given[::-1] if back else given)})"

    # Loops

    def _block(
        self, entries: Sequence[Entry | Core], level: int, scope: Scope, margin: str
    ) -> None:
        for kind, group in itertools.groupby(entries, type):
            if kind is Statement:
                self._run([x for x in group if isinstance(x, Statement)], scope, margin)
                continue
            if kind is Start:
                self._starts([x.statement for x in group if isinstance(x, Start)], margin)
                continue
            for entry in group:
                if isinstance(entry, Core):
                    self._core(entry, margin)
                elif isinstance(entry, Finish):
                    self._finish(entry.statement, scope, margin)
                elif isinstance(entry, Loop):
                    self._hoist([entry], level, scope, margin)
                    if self.panel is not None and level < len(self.panel.batch):
                        self._block(entry.body, level + 1, scope.inside(), margin)
                        continue
                    self._over(entry.axis, scope, margin)
                    if in_any_order(entry.axis):
                        self._one_row(entry, scope, margin + "    ")
                    self._rows_ahead(entry, margin + "    ")
                    self._block(entry.body, level + 1, scope.inside(), margin + "    ")

    def _over(self, axis: Node, scope: Scope, margin: str) -> None:
        """The head of a loop along an axis."""
        if not axis.operands:
            self._for_rows(axis.attr("depth"), axis.attr("dim"), margin)
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

    def _rows_ahead(self, loop: Loop, margin: str) -> None:
        """Say which rows of tables a later iteration reads."""
        for place, tables in rows_ahead(loop).items():
            self.library |= {"prefetch", "i64"}
            index = place.operands[0]
            every = product(index.shape)
            flat = LETTERS[0]
            for depth, dim in enumerate(index.shape[1:], 1):
                size = within(self.size(dim), PRODUCT)
                flat = f"{size} * {flat if depth == 1 else f'({flat})'} + {LETTERS[depth]}"
            later = self.identifiers.new("later")
            most = f"{within(self.size(every), SUM)} - 1"
            found = self.element(index, [f"min({flat} + {SOON}, {most})"], (every,))
            self.lines.append(f"{margin}{later} = i64({found})")
            self.lines += [f"{margin}prefetch({self.arrays[x]}, {later})" for x in tables]

    def _let(self, node: Node, wanted: str | None, text: str, scope: Scope, margin: str) -> Piece:
        """Name a value in this scope."""
        name = scope.names[node] = self.local(node, wanted)
        self.lines.append(f"{margin}{name} = {text}")
        return name, ATOM

    def _hoist(
        self, entries: Iterable[Entry | Core], level: int, scope: Scope, margin: str
    ) -> None:
        """Compute before loops what does not change in them."""
        inside = statements(entries)
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
                head = f"{margin}{self.element(target, index, statement.shape)} = "
                if len(head + value[0]) > WIDTH and statement.value not in scope.names:
                    value = self._let(statement.value, None, value[0], scope, margin)
                line = head + value[0]
                (late if updated else self.lines).append(line)
        self.lines.extend(late)

    # Reductions

    def _accumulator(self, statement: Statement) -> str:
        """The dtype in which a sum is taken: float64 for floats."""
        dtype = statement.value.dtype
        return "float64" if statement.combine == "sum" and dtype in FLOATS else dtype

    def _starts(self, members: Sequence[Statement], margin: str) -> None:
        """What is there before reductions, of arrays alike in one loop."""
        for sizes, group in itertools.groupby(members, self._sizes):
            if sizes is None:
                for statement in group:
                    self._tell([statement], margin)
                    self._start(statement, margin)
            else:
                arrays = list(group)
                self._tell(arrays, margin)
                self._zeros(arrays, margin)

    def _tell(self, members: Iterable[Statement], margin: str) -> None:
        """What is added up behind the panels."""
        values = [s.value.operands[0] for s in members if s.value.op is LOAD]
        parts = [self.arrays[x] for x in values if x.op is PARTS]
        if parts:
            *more, last = parts
            every = f"{', '.join(more)} and {last}" if more else last
            text = f"The {every} of all panels, added up."
            self.lines += [f"{margin}# {line}" for line in textwrap.wrap(text, WIDTH - len(margin))]

    def _start(self, statement: Statement, margin: str) -> None:
        """The number that is there before a reduction to one."""
        dtype, called = self._accumulator(statement), TOTALS[statement.combine]
        if statement.combine not in ("argmax", "argmin"):
            called = f"{called}_{self.called(statement.value, SHORT_NAME)}"
        name = self._totals[statement] = self.identifiers.new(called)
        start = self.number(EMPTY[statement.combine](dtype), dtype)[0]
        self.lines.append(f"{margin}{name} = {start}")
        if statement.combine in ("argmax", "argmin"):
            self._places[statement] = self.identifiers.new(f"place_of_{called}")
            self.lines.append(f"{margin}{self._places[statement]} = 0")

    def _sizes(self, statement: Statement) -> tuple[int, list[Dim], bool] | None:
        """The loops that fill what loops add to: how many are around, and the sizes of these.

        None where it is one number. Besides, whether the first loop is over a panel's rows.
        """
        if statement.local:
            return None
        dims = statement.shape or statement.target.shape
        pairs = zip(statement.index, dims, strict=True)
        sizes = [dim for x, dim in pairs if self._is_filled(x, dim, statement.ready)]
        return statement.ready, sizes, bool(statement.panel)

    def _is_filled(self, x: Node, dim: Dim, ready: int) -> bool:
        """Whether all places along an axis are filled, not that of a loop around."""
        return x.op is not TURN and dim != 1 and not (x.op is AXIS and x.attr("depth") < ready)

    def _zeros(self, members: Sequence[Statement], margin: str) -> None:
        """Zeros in those parts of arrays to which loops add, or what they are padded with."""
        found = self._sizes(members[0])
        assert found is not None
        ready, sizes, in_panel = found
        for level, dim in enumerate(sizes, ready):
            first = in_panel and not level
            (self._for_rows if first else self._for)(level, dim, margin)
            margin += "    "
        for statement in members:
            index, letters = [], iter(LETTERS[ready:])
            dims = statement.shape or statement.target.shape
            for x, dim in zip(statement.index, dims, strict=True):
                if x.op is TURN:
                    index.append("panel")
                elif self._is_filled(x, dim, ready):
                    index.append(next(letters))
                else:
                    index.append("0" if dim == 1 else LETTERS[x.attr("depth")])
            fill = statement.node.attr("value") if statement.combine == "put" else 0
            text = self.number(fill, statement.target.dtype)[0]
            target = self.element(statement.target, index, statement.shape)
            self.lines.append(f"{margin}{target} = {text}")

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
            for x in statement.index:
                # The element is written twice.
                if x.op not in ATOMS and x not in scope.names:
                    self._let(x, None, self.render(x, scope, known)[0], scope, margin)
            index = [self.render(x, scope, known)[0] for x in statement.index]
            target = self.element(statement.target, index, statement.shape)
            line = f"{margin}{target} = {self._added(statement, target, value)}"
            if len(line) > WIDTH and statement.value not in scope.names:
                value = self._let(statement.value, None, value[0], scope, margin)
                line = f"{margin}{target} = {self._added(statement, target, value)}"
            if len(line) > WIDTH:
                before = self.identifiers.new("before")
                self.lines.append(f"{margin}{before} = {target}")
                line = f"{margin}{target} = {self._added(statement, before, value)}"
            self.lines.append(line)
            return
        total = self._totals[statement]
        if statement not in self._places:
            line = f"{margin}{total} = {self._combined(statement, total, value)}"
            if len(line) > WIDTH:
                value = self._let(statement.value, None, value[0], scope, margin)
                line = f"{margin}{total} = {self._combined(statement, total, value)}"
            self.lines.append(line)
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

    def _added(self, statement: Statement, target: str, value: Piece) -> str:
        """An element with one more value in it; rows side by side are added in any order."""
        if statement.combine == "put":
            return value[0]
        if self.columns and statement.value.dtype in FLOATS:
            self.library.add("accumulate")
            return f"accumulate({target}, {value[0]})"
        return f"{target} + {within(value, PRODUCT)}"

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
