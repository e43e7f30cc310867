"""A graph as text, one line a node, and back: `parse(show(graph)) == graph`.

    graph swish_mean
    row swish(%x: f64) {
      %1 = sigmoid(%x) : f64[]
      %2 = multiply(%x, %1) : f64[]
      formula %2
    }
    %x = input x : f32[batch, 3]  @ net.py:3
    %h = swish(%x) : f32[batch, 3]  @ net.py:5 dense_1
    %2 = mean(%h) axes=(0, 1) : f32[]  @ net.py:6
    inputs %x
    output y %2

The text says everything that is computed: types, attributes, roles, names, the user's own rows with
their formulas, the steps of loops. It does not depend on the process, so it is what programs are
fingerprinted by, and two graphs with the same text compute the same. A node is called by its name
where no other has it, else by its number. Constants and what is made of constants alone carry no
line: they are shared by all who write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .errors import UsageError
from .ir import CONST, LEAF, OPS, Graph, Node, Op, is_leaf, leaf, make, walk
from .ops.base import Scalar
from .ops.convert import Data
from .ops.scan import Body
from .text_parser import RESERVED, parse
from .types import SHORT, Dim, FloorDiv, Size, TensorType, Where

__all__ = ["parse", "show"]

PLAIN = re.compile(r"[\w./+-]*[\w+-]")


def show(graph: Graph) -> str:
    """The graph as text.

    Args:
        graph: any graph whose ops are built in or rows.

    Returns:
        Lines, the last one ended.

    Raises:
        UsageError: an op is neither built in nor a row.
    """
    rows = _Rows()
    nodes = graph.nodes()
    listing = _Listing(nodes, graph.names, rows)
    body = listing.lines(None)
    lines = [f"graph {_word(graph.name)}", *rows.lines(), *rows.steps, *body]
    for title, leaves in (
        ("inputs", graph.inputs),
        ("params", graph.params),
        ("state", graph.state),
    ):
        if leaves:
            lines.append(f"{title} {listing.refs(leaves)}")
    lines += [f"output {_word(name)} {listing.ids[node]}" for name, node in graph.outputs]
    lines += [f"update {listing.ids[old]} {listing.ids[new]}" for old, new in graph.updates]
    return "\n".join(lines) + "\n"


def show_row(row: Scalar) -> str:
    """The definition of a row as text, and those of the rows that it uses; it is the first."""
    rows = _Rows()
    rows.labels[row] = row.name
    return "\n".join(rows.lines())


class _Rows:
    """The user's rows that a graph uses, in the order in which they are met, with their labels."""

    def __init__(self) -> None:
        self.labels: dict[Op, str] = {}
        self.steps: list[str] = []
        self._steps: dict[Body, str] = {}

    def step(self, body: Body) -> str:
        """What the step of a loop is called in the text; those inside it come before it."""
        if body not in self._steps:
            listing = _Listing(walk([*body.inputs, *body.outputs]), {}, self)
            lines = listing.lines(body.inputs, places=True)
            label = self._steps[body] = f"step#{len(self._steps)}"
            given = ", ".join(map(listing.given, body.inputs))
            self.steps += [f"{label}({given}) {{", *lines]
            self.steps += [f"  results {listing.refs(body.outputs)}", "}"]
        return self._steps[body]

    def label(self, op: Op) -> str:
        """What the op is called in the text."""
        if OPS.get(op.name) is op:
            return op.name
        if not isinstance(op, Scalar):
            raise UsageError(
                f"{op.name} cannot be written as text",
                "expected a built-in op or a row",
                "make elementwise functions with Scalar, others with register",
            )
        if op not in self.labels:
            taken = {*OPS, *RESERVED, *self.labels.values()}
            free = op.name.isidentifier() and op.name not in taken
            self.labels[op] = op.name if free else f"row#{len(self.labels)}"
        return self.labels[op]

    def lines(self) -> list[str]:
        """The definition of every row; those that definitions use are defined too."""
        lines: list[str] = []
        done: set[Op] = set()
        while todo := [op for op in self.labels if op not in done]:
            for op in todo:
                assert isinstance(op, Scalar)
                done.add(op)
                lines += self._definition(op)
        return lines

    def _definition(self, row: Scalar) -> list[str]:
        dtypes = dtypes_of(row)
        xs = [
            leaf(f"x{i}" if row.arity > 1 else "x", TensorType(dtype), "placeholder")
            for i, dtype in enumerate(dtypes)
        ]
        parts: list[tuple[str, Sequence[Node | None]]] = []
        if row.formula is not None:
            parts.append(("formula", [row.formula(*xs)]))
        if row.stable is not None:
            parts.append(("stable", [row.stable(*xs)]))
        if row.grads is not None:
            parts.append(("grads", row.grads(make(row, tuple(xs)), *xs)))
        wanted = [node for _, nodes in parts for node in nodes if node is not None]
        listing = _Listing(walk([*xs, *wanted]), {}, self)
        given = ", ".join(
            f"{listing.ids[x]}: {SHORT[dtype]}" for x, dtype in zip(xs, dtypes, strict=True)
        )
        label = self.labels[row]
        title = "" if label == row.name else f" name={json.dumps(row.name)}"
        title += "" if row.kind == "float" else f" kind={row.kind}"
        title += f" numpy={row.numpy}" if row.numpy else ""
        lines = [f"row {label}({given}){title} {{", *listing.lines(xs)]
        for name, nodes in parts:
            lines.append(f"  {name} {listing.refs(nodes)}")
        return [*lines, "}"]


def dtypes_of(row: Scalar) -> tuple[str, ...]:
    """The dtypes of the operands that a row is shown for."""
    data = {"logic": "bool", "integer": "int64"}.get(row.kind, "float64")
    if row.kind == "select":
        return ("bool", *(data,) * (row.arity - 1))
    return (data,) * row.arity


class _Listing:
    """Nodes with the names that they are given in the text."""

    def __init__(self, nodes: Sequence[Node], names: Any, rows: _Rows) -> None:
        self.nodes, self.names, self.rows = nodes, names, rows
        self.ids: dict[Node, str] = {}
        self.types: dict[TensorType, str] = {}
        called: dict[str, int] = {}
        for node in nodes:
            name = node.attr("name") if is_leaf(node) else names.get(node)
            if name is not None:
                called[name] = called.get(name, 0) + 1
        for number, node in enumerate(nodes):
            name = node.attr("name") if is_leaf(node) else names.get(node)
            own = name is not None and called[name] == 1 and name.isidentifier()
            self.ids[node] = f"%{name}" if own else f"%{number}"

    def refs(self, nodes: Iterable[Node | None]) -> str:
        """Several nodes, as operands."""
        return ", ".join("none" if node is None else self.ids[node] for node in nodes)

    def given(self, x: Node) -> str:
        """A leaf as it stands in a heading."""
        name = x.attr("name")
        own = "" if self.ids[x] == f"%{name}" else f" {_word(name)}"
        return f"{self.ids[x]}{own}: {shown_type(x.type)}"

    def lines(self, heading: Sequence[Node] | None, places: bool = False) -> list[str]:
        """A line a node but for those in the heading, if it has one."""
        places, indent = places or heading is None, "" if heading is None else "  "
        outside: set[Node] = set()
        lines = []
        for node in self.nodes:
            if is_leaf(node) or any(x in outside for x in node.operands):
                outside.add(node)
            if node not in (heading or ()):
                place = _place(node.where) if node in outside and places else ""
                lines.append(f"{indent}{self._line(node)}{place}")
        return lines

    def _line(self, node: Node) -> str:
        name, here = self.names.get(node), self.ids[node]
        shown = here == f"%{name}" and not is_leaf(node)
        called = "" if name is None or shown else f" as {json.dumps(name)}"
        type_ = self.types.get(node.type)
        if type_ is None:
            type_ = self.types[node.type] = shown_type(node.type)
        if node.op is LEAF:
            return f"{here} = {node.attr('role')} {_word(node.attr('name'))} : {type_}{called}"
        if node.op is CONST:
            return f"{here} = const {_value(node.attr('value'))} : {type_}{called}"
        label = self.rows.label(node.op)
        attrs = "".join(
            f" {key}={self.rows.step(value) if isinstance(value, Body) else _value(value)}"
            for key, value in node.attrs
        )
        return f"{here} = {label}({self.refs(node.operands)}){attrs} : {type_}{called}"


def _word(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _place(where: Where | None) -> str:
    if where is None:
        return ""
    file = where.file if PLAIN.fullmatch(where.file) else json.dumps(where.file)
    layer = "" if not where.layer else f" {_word(where.layer)}"
    return f"  @ {file}:{where.line}{layer}"


def _value(value: Any) -> str:
    """An attribute's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Size):
        return shown_dim(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    if isinstance(value, TensorType):
        return shown_type(value)
    if value is None:
        return "none"
    if isinstance(value, Data):
        type_ = TensorType(value.dtype, value.shape)
        return f"@{shown_type(type_)} {json.dumps(value.content.hex())}"
    raise UsageError(
        "an attribute cannot be written as text",
        f"{value!r} is a {type(value).__name__}",
        "attributes are numbers, strings, sizes, types, arrays and tuples of these",
    )


def shown_type(type: TensorType) -> str:
    """A type, such as `f32[batch, 10]`."""
    return f"{SHORT[type.dtype]}[{', '.join(map(shown_dim, type.shape))}]"


def shown_dim(dim: Dim) -> str:
    """A size, such as `2*batch + 1`; a symbol that is no plain word stands in backquotes."""
    if isinstance(dim, int):
        return str(dim)
    parts = []
    for atoms, factor in dim.terms:
        names = [
            f"[{shown_dim(atom.size)} // {atom.by}]"
            if isinstance(atom, FloorDiv)
            else _symbol(atom)
            for atom in atoms
        ]
        if factor != 1 or not names:
            names.insert(0, str(factor))
        parts.append("*".join(names))
    return " + ".join(parts).replace("+ -", "- ")


def _symbol(name: str) -> str:
    if name.isidentifier() and name not in RESERVED:
        return name
    escaped = json.dumps(name)[1:-1].replace("`", r"\u0060")
    return f"`{escaped}`"
