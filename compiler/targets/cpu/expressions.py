"""Scalar expressions as text, and names for those that are needed more than once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...ir import CONST, Node
from ...ops.base import Scalar
from ...ops.convert import CAST, SIZE
from ...passes.alike import Number, number_of
from ...passes.loops import Panel
from ...passes.scalars import (
    AXIS,
    CHECKED,
    DRAW,
    LETTERS,
    LOAD,
    TURN,
    depth,
    inner,
    positions,
    scalars,
)
from ...types import SHORT, Dim, Shape, divide, mul, symbols
from ..naming import LONGEST as LONGEST_NAME, described
from ..spelling import Identifiers, size_text
from .spelling import (
    ATOM,
    CHOICE,
    COMPARE,
    SUM,
    TABLE,
    WIDTH,
    Square,
    number,
    row,
    within,
)

Piece = tuple[str, int]
# A longer expression is cut: what is in it gets names. Sooner where lines begin far to the right.
LONGEST = 72
NAME = 24  # what is left of an expression takes as much, about
SHORT_ENOUGH = 16
ATOMS = (CONST, AXIS, SIZE, TURN)


@dataclass(slots=True)
class Scope:
    """Scalar values that have a name here, by node; what is inside sees what is outside."""

    names: dict[Node, str] = field(default_factory=dict)

    def inside(self) -> Scope:
        """A scope for the body of a loop."""
        return Scope(dict(self.names))


class Expressions:
    """Writes the scalar values of one kernel.

    Args:
        arrays: the name of each tensor's array.
        labels: what scalar values are called.
        sizes: the text of each size symbol.
        passed: the text of numbers that are passed to the function.
        reserved: names that are taken.

    Attributes:
        lines: the kernel's body so far.
        library: names that it needs from the support library.
        symbols: size symbols that it needs.
        faults: whether it checks an index.
        rows: tensors of which there is one row at a time.
        panel: the panel that we are in.
        columns: the arrays of tensors whose rows are side by side in it.
    """

    def __init__(
        self,
        arrays: Mapping[Node, str],
        labels: Mapping[Node, str],
        sizes: Mapping[str, str],
        passed: Mapping[Number, str],
        reserved: Iterable[str],
    ) -> None:
        """Start with nothing written."""
        self.passed = passed
        self.arrays, self.labels, self.sizes = arrays, labels, sizes
        self.lines: list[str] = []
        self.library: set[str] = {"kernel"}
        self.symbols: set[str] = set()
        self.faults = False
        self.rows: frozenset[Node] = frozenset()
        self.identifiers = Identifiers(reserved)
        self.panel: Panel | None = None
        self.columns: dict[Node, str] = {}
        self._views: dict[tuple[Node, Shape], str] = {}
        self._locals: dict[Node, str] = {}
        self._depths: dict[Node, int] = {}

    # Panels

    def bounds(self, dim: Dim) -> tuple[str, str]:
        """Where the panel's part of so many rows starts and stops; a row here may be several."""
        assert self.panel is not None
        rows, each = self.panel.rows, divide(dim, self.panel.dim)
        assert each is not None
        if rows == self.panel.dim:
            return "0", self.size(dim)[0]
        start, stop, number = "first", "last", self.size(each)
        if self.panel.whole:
            stop = f"first + {rows}"
        if each != 1:
            start, stop = (f"{text} * {within(number, ATOM)}" for text in (start, stop))
            if self.panel.whole:
                stop = f"{start} + {self.size(mul(each, rows))[0]}"
        return start, stop

    def rows_of(self, dims: Shape) -> Shape:
        """The shape of a panel's rows."""
        assert self.panel is not None
        first = self._first(dims)
        each = divide(dims[first], self.panel.dim)
        assert each is not None
        around = () if self.panel.batch else dims[:first]
        return (*around, mul(each, self.panel.rows), *dims[first + 1 :])

    def _first(self, dims: Shape) -> int:
        """Which axis of a panel's tensor has the rows."""
        assert self.panel is not None
        return [i for i, dim in enumerate(dims) if dim != 1][len(self.panel.batch)]

    def _is_part(self, tensor: Node) -> bool:
        """Whether there are only the panel's rows of a tensor."""
        return self.panel is not None and tensor in self.panel.local

    def _is_own(self, tensor: Node) -> bool:
        """Whether a panel has a tensor, or a part of it, for itself."""
        return self._is_part(tensor) or (self.panel is not None and tensor in self.panel.shares)

    # Sizes, constants, elements

    def size(self, dim: Dim) -> Piece:
        """A size as text."""
        text, atom = size_text(dim, self.sizes)
        self.symbols |= symbols((dim,))
        return text, ATOM if atom else SUM

    def shape(self, dims: Shape) -> str:
        """A shape as the text of a tuple."""
        self.symbols |= symbols(dims)
        return shape_text(dims, self.sizes)

    def views(self, margin: str) -> list[str]:
        """Other shapes of arrays, to be made before all else; in a panel, those of its arrays."""
        lines = []
        for (tensor, dims), name in self._views.items():
            if self._is_own(tensor) == (self.panel is not None):
                text = self.shape(self.rows_of(dims) if self._is_part(tensor) else dims)
                lines.append(f"{margin}{name} = view({self.arrays[tensor]}, {text})")
        return lines

    def whole(self, tensor: Node, dims: Shape) -> str:
        """An array in a shape."""
        if dims == tensor.shape:
            return self.arrays[tensor]
        self.library.add("view")
        if self._is_part(tensor):
            dims = self.rows_of(dims)
        return f"view({self.arrays[tensor]}, {self.shape(dims)})"

    def forget(self) -> None:
        """Leave a panel, the variables of which are its own."""
        assert self.panel is not None
        self._views = {key: name for key, name in self._views.items() if not self._is_own(key[0])}
        self._locals.clear()
        self.panel = None
        self.columns = {}

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
        """An element of an array; of rows of which there is one at a time, the row is not told."""
        if tensor in self.columns:
            row, column = index
            start, _ = self.bounds(tensor.shape[0])
            return f"{self.columns[tensor]}[{column}, {row} - {start}]"
        index = index[1:] if tensor in self.rows else index
        name = self.seen(tensor, dims) if dims else self.arrays[tensor]
        if self._is_part(tensor):
            dims = dims or tensor.shape
            first = self._first(dims)
            start, _ = self.bounds(dims[first])
            row = index[first] if start == "0" else f"{index[first]} - {start}"
            around = () if self.panel and self.panel.batch else index[:first]
            index = [*around, row, *index[first + 1 :]]
        return f"{name}[{', '.join(index) or '0'}]"

    def seen(self, tensor: Node, dims: Shape) -> str:
        """The name of an array in another shape."""
        name = self.arrays[tensor]
        if dims == tensor.shape:
            return name
        self.library.add("view")
        if (tensor, dims) not in self._views:
            suffix = "flat" if len(dims) == 1 else "view"
            self._views[tensor, dims] = self.identifiers.new(f"{name}_{suffix}")
        return self._views[tensor, dims]

    # Expressions

    def render(self, node: Node, scope: Scope, known: dict[Node, Piece]) -> Piece:
        """A value as text; `known` has those of this place that are written already."""
        if node in scope.names:
            return scope.names[node], ATOM
        if node in known:
            return known[node]
        parts = [self.render(x, scope, known) for x in inner(node)]
        known[node] = piece = self._assembled(node, parts)
        return piece

    def _assembled(self, node: Node, parts: list[Piece]) -> Piece:
        op, texts = node.op, [text for text, _ in parts]
        if op is CONST:
            return self.number(node.attr("value"), node.dtype)
        if op is AXIS:
            return LETTERS[node.attr("depth")], ATOM
        if op is TURN:
            return "panel", ATOM
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
            found = f"checked({texts[0]}, {size}, fault, {self._passed(node)})"
            if len(parts) > 1:
                return f"{found} if {within(parts[1], COMPARE)} else 0", CHOICE
            return found, ATOM
        if op is DRAW:
            name = f"philox_uniform_{SHORT[node.dtype]}"
            self.library.add(name)
            seed, step, position = texts
            return f"{name}({seed}, {step}, {self._passed(node)}, {position})", ATOM
        assert isinstance(op, Scalar)
        spelled = row(op.name, node.dtype, parts)
        if node.dtype == "int32" and spelled[0].startswith("i32("):
            self.library.add("i32")
        if spelled[0].startswith(op.name + "("):
            self.library.add(op.name)
        return spelled

    def _passed(self, node: Node) -> str:
        """The number of a node, which is the function's own or one of its arguments."""
        number = number_of(node)
        return self.passed.get(number, str(number[1]))

    def depth(self, node: Node) -> int:
        """How many loops must be around a value."""
        return depth(node, self._depths)

    def local(self, node: Node, wanted: str | None = None) -> str:
        """The name of a value, which is the same wherever it is computed."""
        if node not in self._locals:
            self._locals[node] = self.identifiers.new(wanted or self._wanted(node))
        return self._locals[node]

    def _wanted(self, node: Node) -> str:
        letters = LETTERS[: self.depth(node)]
        if node in self.labels:
            return f"{self.labels[node]}_{letters or 0}"
        if node.op is LOAD:
            at = [LETTERS[x.attr("depth")] for x in positions(node) if x.op is AXIS]
            return f"{self.arrays[node.operands[0]]}_{''.join(at) or 0}"
        if node.op is CAST and node.operands[0].op is LOAD and not letters:
            return f"{self.arrays[node.operands[0].operands[0]]}_{SHORT[node.dtype]}"
        called = self.called(node, LONGEST_NAME + 2 - len(letters))
        return f"{called}_{letters}" if letters else called

    def called(self, node: Node, longest: int = LONGEST_NAME) -> str:
        """A word for a value: its own name, its array's, or what it is made of."""
        while node.op is CAST and node not in self.labels:
            (node,) = node.operands
        return self._name_of(node) or described(node, self._name_of, longest)

    def _name_of(self, node: Node) -> str | None:
        """A value's own name, or its array's."""
        if node.op is LOAD and node not in self.labels:
            return self.arrays[node.operands[0]]
        return self.labels.get(node)

    def bind(
        self,
        roots: Sequence[Node],
        scope: Scope,
        margin: str,
        named: set[Node],
        counts: Mapping[Node, int],
        known: dict[Node, Piece],
    ) -> None:
        """Give names, in this scope, to values that are needed more than once or are long."""
        longest = min(LONGEST, WIDTH - NAME - len(margin))
        for node in self.order(roots, scope):
            piece = self.render(node, scope, known)
            parts = sorted(inner(node), key=lambda x: -len(self.render(x, scope, known)[0]))
            while len(piece[0]) > longest and parts:
                part = parts.pop(0)
                if part in scope.names or len(known[part][0]) <= SHORT_ENOUGH:
                    break
                self._name(part, known[part], scope, margin)
                del known[node]
                piece = self.render(node, scope, known)
            if node.op in ATOMS or (node.op is CAST and node.operands[0].op in ATOMS):
                continue
            if node in named or counts.get(node, 0) > 1:
                self._name(node, piece, scope, margin)

    def _name(self, node: Node, piece: Piece, scope: Scope, margin: str) -> None:
        scope.names[node] = self.local(node)
        self.lines.append(f"{margin}{scope.names[node]} = {piece[0]}")

    def order(self, roots: Sequence[Node], scope: Scope) -> list[Node]:
        """What the roots need that has no name yet, operands first."""
        needed: set[Node] = set()
        stack = [root for root in roots if root not in scope.names]
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack.extend(x for x in inner(node) if x not in scope.names)
        return [node for node in scalars(roots) if node in needed]

    def counts(self, roots: Sequence[Node], scope: Scope) -> dict[Node, int]:
        """How often each value is needed that has no name yet."""
        counts: dict[Node, int] = {}
        for root in roots:
            counts[root] = counts.get(root, 0) + 1
        for node in self.order(roots, scope):
            twice = isinstance(node.op, Scalar) and isinstance(TABLE.get(node.op.name), Square)
            for x in inner(node):
                counts[x] = counts.get(x, 0) + 1 + twice
        return counts


def shape_text(dims: Shape, sizes: Mapping[str, str]) -> str:
    """A shape as the text of a tuple; no axes are one element."""
    shown = [size_text(dim, sizes)[0] for dim in dims or (1,)]
    return f"({', '.join(shown)}{',' if len(shown) == 1 else ''})"
