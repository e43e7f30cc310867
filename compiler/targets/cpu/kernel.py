"""A kernel's text: loops, and in each the values that belong there, computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...ir import CONST, Node
from ...ops.base import Scalar
from ...ops.convert import CAST, SIZE
from ...passes.loops import (
    AXIS,
    CHECKED,
    DRAW,
    LETTERS,
    LOAD,
    Core,
    Entry,
    Finish,
    Kernel,
    Loop,
    Start,
    Statement,
    depth,
    in_place,
    inner,
    positions,
    scalars,
    statements,
)
from ...types import FLOATS, SHORT, Dim, Shape, product
from ..spelling import Identifiers, size_text
from .spelling import ATOM, CHOICE, COMPARE, PRODUCT, SUM, TABLE, UNARY, Square, number, row, within

Piece = tuple[str, int]
LONGEST = 56
ATOMS = (CONST, AXIS, SIZE)
LOWEST = {"int32": -(2**31), "int64": -(2**63), "float32": float("-inf"), "float64": float("-inf")}
HIGHEST = {"int32": 2**31 - 1, "int64": 2**63 - 1, "float32": float("inf"), "float64": float("inf")}


@dataclass(slots=True)
class Scope:
    """Scalar values that have a name here, by node; what is inside sees what is outside."""

    names: dict[Node, str] = field(default_factory=dict)

    def inside(self) -> Scope:
        """A scope for the body of a loop."""
        return Scope(dict(self.names))


class KernelWriter:
    """Writes the body of one kernel.

    Args:
        kernel: what to write.
        arrays: the name of each tensor's array.
        stored: tensors that lie in memory.
        labels: what scalar values are called.
        sizes: the text of each size symbol.
        reserved: names that are taken.
    """

    def __init__(
        self,
        kernel: Kernel,
        arrays: Mapping[Node, str],
        stored: frozenset[Node],
        labels: Mapping[Node, str],
        sizes: Mapping[str, str],
        reserved: Iterable[str],
    ) -> None:
        """Write the body."""
        self.arrays, self.stored, self.labels, self.sizes = arrays, stored, labels, sizes
        self.lines: list[str] = []
        self._views: dict[tuple[Node, Shape], str] = {}
        self.library: set[str] = {"kernel"}
        self.symbols: set[str] = set()
        self.faults = False
        self._identifiers = Identifiers(reserved)
        self._locals: dict[Node, str] = {}
        self._depths: dict[Node, int] = {}
        self._totals: dict[Statement, str] = {}
        self._places: dict[Statement, str] = {}
        every = list(statements(kernel.body))
        self._read = {node for statement in every for node in statement.loads()}
        if kernel.core is not None:
            self._core(kernel.core)
        self._block(kernel.body, 0, Scope(), "    ")
        views = [
            f"    {name} = view({arrays[tensor]}, {self.shape(dims)})"
            for (tensor, dims), name in self._views.items()
        ]
        self.lines[:0] = views

    # Sizes, constants, elements

    def size(self, dim: Dim) -> Piece:
        """A size as text."""
        text, atom = size_text(dim, self.sizes)
        if not isinstance(dim, int):
            self.symbols |= dim.symbols()
        return text, ATOM if atom else SUM

    def shape(self, dims: Shape) -> str:
        """A shape as the text of a tuple."""
        shown = ", ".join(self.size(dim)[0] for dim in dims)
        return f"({shown},)" if len(dims) == 1 else f"({shown})"

    @staticmethod
    def shape_text(dims: Shape, sizes: Mapping[str, str]) -> str:
        """A shape as the text of a tuple; no axes are one element."""
        shown = [size_text(dim, sizes)[0] for dim in dims or (1,)]
        return f"({', '.join(shown)}{',' if len(shown) == 1 else ''})"

    def number(self, value: float, dtype: str) -> Piece:
        """A constant as text."""
        text, binds, used = number(value, dtype)
        self.library.update(used)
        return text, binds

    def cast(self, piece: Piece, have: str, want: str) -> Piece:
        """A value in another dtype."""
        if have == want:
            return piece
        if want == "bool":
            return f"{within(piece, SUM)} != {self.number(0, have)[0]}", COMPARE
        self.library.add(SHORT[want])
        return f"{SHORT[want]}({piece[0]})", ATOM

    def element(self, tensor: Node, index: Sequence[str], dims: Shape | None = None) -> str:
        """An element of an array."""
        name = self.arrays[tensor]
        if dims and dims != tensor.shape:
            self.library.add("view")
            if (tensor, dims) not in self._views:
                suffix = "flat" if len(dims) == 1 else "view"
                self._views[tensor, dims] = self._identifiers.new(f"{name}_{suffix}")
            name = self._views[tensor, dims]
        return f"{name}[{', '.join(index) or '0'}]"

    # Expressions

    def _render(self, node: Node, scope: Scope, known: dict[Node, Piece]) -> Piece:
        if node in scope.names:
            return scope.names[node], ATOM
        if node in known:
            return known[node]
        parts = [self._render(x, scope, known) for x in inner(node)]
        known[node] = piece = self._assembled(node, parts)
        return piece

    def _assembled(self, node: Node, parts: list[Piece]) -> Piece:
        op, texts = node.op, [text for text, _ in parts]
        if op is CONST:
            return self.number(node.attr("value"), node.dtype)
        if op is AXIS:
            return LETTERS[node.attr("depth")], ATOM
        if op is SIZE:
            return self.cast(self.size(node.attr("dim")), "int64", node.dtype)
        if op is CAST:
            return self.cast(parts[0], node.operands[0].dtype, node.dtype)
        if op is LOAD:
            dims = node.attr("shape")
            found = self.element(node.operands[0], texts[: len(dims)], dims)
            if node.attr("guarded"):
                zero = self.number(0, node.dtype)[0]
                return f"{found} if {within(parts[-1], COMPARE)} else {zero}", CHOICE
            return found, ATOM
        if op is CHECKED:
            self.faults = True
            self.library.add("checked")
            size = self.size(node.attr("dim"))[0]
            found = f"checked({texts[0]}, {size}, fault, {node.attr('code')})"
            if len(parts) > 1:
                return f"{found} if {within(parts[1], COMPARE)} else 0", CHOICE
            return found, ATOM
        if op is DRAW:
            name = f"philox_uniform_{SHORT[node.dtype]}"
            self.library.add(name)
            seed, step, position = texts
            return f"{name}({seed}, {step}, {node.attr('stream')}, {position})", ATOM
        assert isinstance(op, Scalar)
        spelled = row(op.name, node.dtype, parts)
        if node.dtype == "int32" and spelled[0].startswith("i32("):
            self.library.add("i32")
        if spelled[0].startswith(op.name + "("):
            self.library.add(op.name)
        return spelled

    def _depth(self, node: Node) -> int:
        return depth(node, self._depths)

    def _local(self, node: Node, wanted: str | None = None) -> str:
        """The name of a value, which is the same wherever it is computed."""
        if node not in self._locals:
            self._locals[node] = self._identifiers.new(wanted or self._wanted(node))
        return self._locals[node]

    def _wanted(self, node: Node) -> str:
        letters = LETTERS[: self._depth(node)]
        if node in self.labels:
            return f"{self.labels[node]}_{letters or 0}"
        if node.op is LOAD:
            at = [LETTERS[x.attr("depth")] for x in positions(node) if x.op is AXIS]
            return f"{self.arrays.get(node.operands[0], 'x')}_{''.join(at) or 0}"
        if node.op is CAST and node.operands[0].op is LOAD:
            return f"{self._wanted(node.operands[0])}_{SHORT[node.dtype]}"
        noun = NOUNS.get(node.op.name, node.op.name)
        return f"{noun}_{letters}" if letters else noun

    def _bind(
        self,
        roots: Sequence[Node],
        scope: Scope,
        margin: str,
        named: set[Node],
        counts: Mapping[Node, int],
        known: dict[Node, Piece],
    ) -> None:
        """Give names, in this scope, to values that are needed more than once or are long."""
        for node in self._order(roots, scope):
            piece = self._render(node, scope, known)
            if node.op in ATOMS or (node.op is CAST and node.operands[0].op in ATOMS):
                continue
            if node in named or counts.get(node, 0) > 1 or len(piece[0]) > LONGEST:
                scope.names[node] = self._local(node)
                self.lines.append(f"{margin}{scope.names[node]} = {piece[0]}")

    def _order(self, roots: Sequence[Node], scope: Scope) -> list[Node]:
        """What the roots need that has no name yet, operands first."""
        needed: set[Node] = set()
        stack = [root for root in roots if root not in scope.names]
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack.extend(x for x in inner(node) if x not in scope.names)
        return [node for node in scalars(roots) if node in needed]

    def _counts(self, roots: Sequence[Node], scope: Scope) -> dict[Node, int]:
        counts: dict[Node, int] = {}
        for root in roots:
            counts[root] = counts.get(root, 0) + 1
        for node in self._order(roots, scope):
            twice = isinstance(node.op, Scalar) and isinstance(TABLE.get(node.op.name), Square)
            for x in inner(node):
                counts[x] = counts.get(x, 0) + 1 + twice
        return counts

    # Loops

    def _block(self, entries: Sequence[Entry], level: int, scope: Scope, margin: str) -> None:
        place = 0
        while place < len(entries):
            entry = entries[place]
            if isinstance(entry, Statement):
                run = [entry]
                while place + len(run) < len(entries):
                    following = entries[place + len(run)]
                    if not isinstance(following, Statement):
                        break
                    run.append(following)
                self._run(run, scope, margin)
                place += len(run)
                continue
            if isinstance(entry, Start):
                self._start(entry.statement, scope, margin)
            elif isinstance(entry, Finish):
                self._finish(entry.statement, scope, margin)
            else:
                self._hoist(entry, level, scope, margin)
                letter = LETTERS[level]
                self.lines.append(f"{margin}for {letter} in range({self.size(entry.axis.attr('dim'))[0]}):")
                self._block(entry.body, level + 1, scope.inside(), margin + "    ")
            place += 1

    def _hoist(self, loop: Loop, level: int, scope: Scope, margin: str) -> None:
        """Compute before a loop what does not change in it."""
        roots = [
            root
            for statement in statements([loop])
            for root in (statement.value, *statement.index)
        ]
        outside: dict[Node, None] = {}
        for root in roots:
            if self._depth(root) <= level:
                outside[root] = None
        for node in self._order(roots, scope):
            if self._depth(node) > level:
                for x in inner(node):
                    if self._depth(x) <= level:
                        outside[x] = None
        wanted = [x for x in outside if x not in scope.names and x.op not in ATOMS]
        counts = self._counts(wanted, scope)
        self._bind(wanted, scope, margin, set(wanted), counts, {})

    def _run(self, run: Sequence[Statement], scope: Scope, margin: str) -> None:
        """Statements of one loop body: all values first, then what is updated in place."""
        roots = [root for statement in run for root in (*statement.index, statement.value)]
        counts = self._counts(roots, scope)
        known: dict[Node, Piece] = {}
        late: list[tuple[str, Statement]] = []
        updated = sum(in_place(statement.target) for statement in run)
        for statement in run:
            self._bind([*statement.index, statement.value], scope, margin, set(), counts, known)
            value = self._render(statement.value, scope, known)
            if statement.combine:
                self._combine(statement, value, scope, known, margin)
                continue
            element = statement.result
            if element in self._read and not in_place(statement.target):
                if value[1] != ATOM or not value[0].isidentifier():
                    name = self._local(element)
                    self.lines.append(f"{margin}{name} = {value[0]}")
                    value = name, ATOM
                scope.names[element] = value[0]
            if statement.target not in self.stored and not in_place(statement.target):
                continue
            index = [self._render(x, scope, known)[0] for x in statement.index]
            target = self.element(statement.target, index, statement.shape)
            if in_place(statement.target):
                if updated > 1 and statement.value not in scope.names:
                    scope.names[statement.value] = self._local(
                        statement.value, f"new_{self.arrays[statement.target]}"
                    )
                    self.lines.append(f"{margin}{scope.names[statement.value]} = {value[0]}")
                    value = scope.names[statement.value], ATOM
                late.append((f"{target} = {value[0]}", statement))
            else:
                self.lines.append(f"{margin}{target} = {value[0]}")
        self.lines.extend(margin + text for text, _ in late)

    # Reductions

    def _accumulator(self, statement: Statement) -> str:
        """The dtype in which a sum is taken: float64 for floats."""
        dtype = statement.value.dtype
        return "float64" if statement.combine == "sum" and dtype in FLOATS else dtype

    def _start(self, statement: Statement, scope: Scope, margin: str) -> None:
        dtype = self._accumulator(statement)
        empty = {
            "sum": 0,
            "prod": 1,
            "any": 0,
            "all": 1,
            "max": LOWEST.get(dtype, 0),
            "argmax": LOWEST.get(dtype, 0),
            "min": HIGHEST.get(dtype, 0),
            "argmin": HIGHEST.get(dtype, 0),
        }[statement.combine]
        if statement.local:
            name = self._identifiers.new(TOTALS[statement.combine])
            self._totals[statement] = name
            start = self.number(empty, dtype)[0]
            self.library.add(SHORT[dtype]) if dtype == "int64" else None
            self.lines.append(f"{margin}{name} = {f'i64({start})' if dtype == 'int64' else start}")
            if statement.combine in ("argmax", "argmin"):
                self._places[statement] = self._identifiers.new("place")
                self.lines.append(f"{margin}{self._places[statement]} = 0")
            return
        index, level = [], statement.ready
        for x, dim in zip(statement.index, statement.target.shape, strict=True):
            if dim == 1 or (x.op is AXIS and x.attr("depth") < statement.ready):
                index.append("0" if dim == 1 else LETTERS[x.attr("depth")])
                continue
            index.append(LETTERS[level])
            self.lines.append(f"{margin}for {LETTERS[level]} in range({self.size(dim)[0]}):")
            margin, level = margin + "    ", level + 1
        target = self.element(statement.target, index)
        self.lines.append(f"{margin}{target} = {self.number(0, statement.target.dtype)[0]}")

    def _combine(
        self,
        statement: Statement,
        value: Piece,
        scope: Scope,
        known: dict[Node, Piece],
        margin: str,
    ) -> None:
        """One more value into a reduction."""
        dtype = statement.value.dtype
        if not statement.local:
            index = [self._render(x, scope, known)[0] for x in statement.index]
            target = self.element(statement.target, index)
            self.lines.append(f"{margin}{target} = {target} + {within(value, PRODUCT)}")
            return
        total = self._totals[statement]
        if statement.combine in ("argmax", "argmin"):
            if not value[0].isidentifier():
                name = self._local(statement.value, "value")
                self.lines.append(f"{margin}{name} = {value[0]}")
                value = name, ATOM
            sign = ">" if statement.combine == "argmax" else "<"
            test = f"{value[0]} {sign} {total}"
            if dtype in FLOATS:
                self.library.add("isnan")
                test += f" or (isnan({value[0]}) and not isnan({total}))"
            self.lines.append(f"{margin}if {test}:")
            self.lines.append(f"{margin}    {total} = {value[0]}")
            self.lines.append(f"{margin}    {self._places[statement]} = {LETTERS[statement.ready]}")
            return
        self.lines.append(f"{margin}{total} = {self._combined(statement, total, value)}")

    def _combined(self, statement: Statement, total: str, value: Piece) -> str:
        dtype, combine = statement.value.dtype, statement.combine
        if combine == "sum" and dtype in FLOATS:
            self.library.add("accumulate")
            return f"accumulate({total}, {self.cast(value, dtype, 'float64')[0]})"
        if combine in ("max", "min"):
            name = {"max": "maximum", "min": "minimum"}[combine]
            self.library.add(name)
            return f"{name}({total}, {value[0]})"
        sign, binds = {"sum": ("+", PRODUCT), "prod": ("*", UNARY), "any": ("|", SUM), "all": ("&", SUM)}[combine]
        text = f"{total} {sign} {within(value, binds)}"
        if dtype == "int32":
            self.library.add("i32")
            return f"i32({text})"
        return text

    def _finish(self, statement: Statement, scope: Scope, margin: str) -> None:
        total = self._places.get(statement) or self._totals[statement]
        have = "int64" if statement in self._places else self._accumulator(statement)
        value = self.cast((total, ATOM), have, statement.target.dtype)[0]
        element = statement.result
        if element in self._read:
            if not value.isidentifier():
                name = self._local(element)
                self.lines.append(f"{margin}{name} = {value}")
                value = name
            scope.names[element] = value
        if statement.target in self.stored:
            index = [self._render(x, scope, {})[0] for x in statement.index]
            self.lines.append(f"{margin}{self.element(statement.target, index)} = {value}")

    # Contractions

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
                given[i] = self._identifiers.new(role)
                self.lines.append(f"    {given[i]} = {text}")
        self.lines.append(f"    for i in range({self.size(batch[0])[0]}):")
        self.lines.append(f"        {name}({', '.join(f'{text}[i]' for text in given)})")


NOUNS = {
    **dict.fromkeys(("add", "logaddexp"), "sum"),
    "subtract": "difference",
    "multiply": "product",
    "divide": "ratio",
    "negative": "minus",
    "sqrt": "root",
    "pow": "power",
    "cast": "number",
    "where": "choice",
    "checked": "place",
    "draw": "random",
    **dict.fromkeys("equal not_equal less less_equal greater greater_equal".split(), "test"),
    **dict.fromkeys("logical_and logical_or logical_xor logical_not".split(), "test"),
    **dict.fromkeys("maximum minimum".split(), "extreme"),
}
TOTALS = {
    "sum": "total",
    "prod": "product",
    "max": "largest",
    "min": "smallest",
    "any": "found",
    "all": "holds",
    "argmax": "largest",
    "argmin": "smallest",
}
