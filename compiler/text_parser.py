"""The inverse of `text.show`: a hand-written reader that evaluates nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

from .errors import ChainruleError, FileError, nearest
from .ir import CONST, LEAF, OPS, Graph, Node, Op, const, leaf, make, substitute, walk
from .ops.base import Kind, Scalar
from .ops.convert import Data
from .ops.scan import Body, stand_in
from .types import BYTES, LONG, Dim, Size, TensorType, Where, add, floordiv, mul, sub, symbol

RESERVED = frozenset({"true", "false", "none", "nan", "inf", "const", "row"})
ROLES = ("input", "setting", "param", "state", "placeholder")
KINDS: tuple[Kind, ...] = (
    "float", "number", "integer", "logic", "compare", "predicate", "select",
)  # fmt: skip
TERMS = 64
PARTS = ("formula", "stable", "grads")
TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")
      | (?P<symbol>`(?:[^`\\]|\\.)*`)
      | (?P<ref>%\w+)
      | (?P<float>-?(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|inf\b|nan\b))
      | (?P<int>-?\d+\b)
      | (?P<word>[^\W\d]\w*(?:\#\d+)?)
      | (?P<mark>//|[()\[\]{},:=*+@-])
      | (?P<space>\s+)""",
    re.VERBOSE,
)
T = TypeVar("T")


def parse(text: str) -> Graph:
    """The graph that `show` wrote.

    Args:
        text: what `show` returns.

    Returns:
        A graph with leaves of its own, equal to the one that was shown.

    Raises:
        FileError: the text is not a graph; the message has the line's number.
    """
    lines = _lines(text)
    rows: dict[str, Op] = {}
    definitions = list(_definitions(lines, rows))
    for definition, body in definitions:
        definition.read(body, rows)
    steps: dict[str, Body] = {}
    blocks = [(line, _block(lines, start)) for start, line in enumerate(lines) if line.is_step]
    for line, block in blocks:
        label, step = _step(line, block, rows, steps)
        steps[label] = step
    inside = {id(line) for _, block in (*definitions, *blocks) for line in block}
    rest = [line for line in lines if not (id(line) in inside or line.is_row or line.is_step)]
    return _graph(rest, rows, steps)


def parse_row(text: str) -> Scalar:
    """The row that `show_row` wrote, the first of the text.

    Raises:
        FileError: the text defines no row.
    """
    lines = _lines(text)
    rows: dict[str, Op] = {}
    definitions = list(_definitions(lines, rows))
    for definition, body in definitions:
        definition.read(body, rows)
    if not definitions:
        raise FileError("no row in a text", text[:60], "the text must be as show_row() writes it")
    return definitions[0][0].row


def _lines(text: str) -> list[_Line]:
    return [_Line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


class _Line:
    """What is left of one line, token by token."""

    def __init__(self, number: int, text: str) -> None:
        self.number, self.text, self.at = number, text, 0
        self.place = ""
        head, mark, place = text.rpartition("  @ ")
        if mark:
            self.text, self.place = head, place
        self.is_row = text.startswith("row ")
        self.is_step = text.startswith("step#")

    def peek(self) -> tuple[str, str]:
        """Kind and text of the next token; the kind is empty at the end."""
        while self.at < len(self.text):
            match = TOKEN.match(self.text, self.at)
            if match is None:
                self.fail(f"unexpected {self.text[self.at]!r}")
            if match.lastgroup != "space":
                return str(match.lastgroup), match.group()
            self.at = match.end()
        return "", ""

    def next(self, *kinds: str) -> str:
        """The next token, which must be of one of these kinds."""
        kind, token = self.peek()
        if kind not in kinds:
            self.fail(f"expected {' or '.join(kinds)}, came {token or 'the end'}")
        self.at += len(token)
        return token

    def skip(self, token: str) -> bool:
        """Whether the next token is this one, which is then passed."""
        found = self.peek()[1] == token
        if found:
            self.at += len(token)
        return found

    def expect(self, token: str) -> None:
        """Pass this token."""
        if not self.skip(token):
            self.fail(
                f"expected {token or 'the end of the line'}, came {self.peek()[1] or 'the end'}"
            )

    def fail(self, why: str, hint: str = "") -> NoReturn:
        """An error that names this line."""
        raise FileError(
            f"graph text, line {self.number}: {why}",
            self.text.strip(),
            hint or "the text must be as show() writes it",
        )

    def word(self) -> str:
        """A name, bare or quoted."""
        token = self.next("word", "string")
        return str(json.loads(token)) if token.startswith('"') else token

    def several(self, item: Callable[[], T], end: str) -> list[T]:
        """Items with commas between them, up to `end`."""
        found: list[T] = []
        while not self.skip(end):
            if found:
                self.expect(",")
            found.append(item())
        return found

    def value(self) -> Any:
        """An attribute's value."""
        kind, token = self.peek()
        if kind == "string":
            return json.loads(self.next("string"))
        if kind == "float":
            return float(self.next("float"))
        if self.skip("("):
            return tuple(self.several(self.value, ")"))
        if self.skip("@"):
            return self.data()
        constants = {"true": True, "false": False, "none": None}
        if token in constants:
            self.skip(token)
            return constants[token]
        return self.dim()

    def data(self) -> Data:
        """The elements of an array, in hexadecimal digits."""
        type_ = self.type()
        digits = json.loads(self.next("string"))
        shape = tuple(size for size in type_.shape if isinstance(size, int))
        size = BYTES[type_.dtype] * math.prod(shape)
        if len(shape) != type_.ndim or not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", digits):
            self.fail("an array's elements do not fit its type", f"expected {2 * size} digits")
        return Data(type_.dtype, shape, bytes.fromhex(digits))

    def dim(self) -> Dim:
        """A polynomial in symbols."""
        total = self._product()
        while True:
            if self.skip("+"):
                total = self._bounded(add(total, self._product()))
            elif self.skip("-"):
                total = self._bounded(sub(total, self._product()))
            else:
                return total

    def _product(self) -> Dim:
        total = self._atom()
        while self.skip("*"):
            total = self._bounded(mul(total, self._atom()))
        return total

    def _bounded(self, size: Dim) -> Dim:
        """A size that text can describe, but no graph has, would fill the memory."""
        if isinstance(size, Size) and len(size.terms) > TERMS:
            self.fail(f"a size of more than {TERMS} terms")
        return size

    def _atom(self) -> Dim:
        if self.skip("["):
            size = self.dim()
            self.expect("//")
            by = int(self.next("int"))
            self.expect("]")
            return floordiv(size, by)
        token = self.next("int", "word", "symbol")
        if token.startswith("`"):
            return symbol(json.loads(f'"{token[1:-1]}"'))
        return symbol(token) if not token.lstrip("-").isdigit() else int(token)

    def type(self) -> TensorType:
        """A type, such as `f32[batch, 10]`."""
        short = self.next("word")
        if short not in LONG:
            self.fail(f"unknown dtype {short}", nearest(short, LONG))
        self.expect("[")
        return TensorType(LONG[short], tuple(self.several(self.dim, "]")))

    def where(self) -> Where | None:
        """The place at the end of the line."""
        match = re.fullmatch(r'("(?:[^"\\]|\\.)*"|\S+?):(\d+)(?: (.+))?', self.place.strip())
        if match is None:
            if self.place:
                self.fail(f"{self.place!r} is no place", "a place is <file>:<line> <layer>")
            return None
        file, number, layer = match.groups(default="")
        plain = [json.loads(x) if x.startswith('"') else x for x in (file, layer)]
        return Where(plain[0], int(number), plain[1])


class _Scope:
    """Nodes by their names in the text."""

    def __init__(self, rows: dict[str, Op], steps: dict[str, Body] | None = None) -> None:
        self.rows, self.steps = rows, steps or {}
        self.nodes: dict[str, Node] = {}
        self.names: dict[Node, str] = {}

    def ref(self, line: _Line) -> Node:
        """A node that a line above defines."""
        ref = line.next("ref")
        if ref not in self.nodes:
            line.fail(f"{ref} is not defined above", nearest(ref, self.nodes))
        return self.nodes[ref]

    def step(self, line: _Line) -> Body:
        """The step of a loop, defined above."""
        label = line.next("word")
        if label not in self.steps:
            line.fail(f"{label} is not defined above", nearest(label, self.steps))
        return self.steps[label]

    def refs(self, line: _Line) -> list[Node | None]:
        """Nodes with commas between them, to the end of the line."""
        return line.several(lambda: None if line.skip("none") else self.ref(line), "")

    def define(self, line: _Line) -> None:
        """One line `%h = op(%x) attr=value : type as "name" @ file:line`."""
        ref = line.next("ref")
        if ref in self.nodes:
            line.fail(f"{ref} is defined twice")
        line.expect("=")
        node, declared = self._node(line)
        if node.type != declared:
            line.fail(f"{ref} is {node.type}, the line says {declared}")
        self.nodes[ref] = node
        if line.skip("as"):
            self.names[node] = line.word()
        elif node.op is not LEAF and ref[1:].isidentifier():
            self.names[node] = ref[1:]
        line.expect("")

    def _node(self, line: _Line) -> tuple[Node, TensorType]:
        label, where = line.next("word"), line.where()
        if label in ROLES:
            name = line.word()
            line.expect(":")
            declared = line.type()
            return leaf(name, declared, label, where), declared  # type: ignore[arg-type]
        if label == "const":
            value = line.value()
            if not isinstance(value, int | float):
                line.fail(f"{value} is no number")
            line.expect(":")
            declared = line.type()
            return const(value, declared.dtype), declared
        op = self.rows.get(label) or OPS.get(label)
        if op is None:
            line.fail(f"unknown op {label}", nearest(label, {*OPS, *self.rows, *ROLES}))
        line.expect("(")
        operands = tuple(line.several(lambda: self.ref(line), ")"))
        attrs: dict[str, Any] = {}
        while not line.skip(":"):
            key = line.next("word")
            line.expect("=")
            attrs[key] = self.step(line) if line.peek()[1].startswith("step#") else line.value()
        declared = line.type()
        try:
            return make(op, operands, where, **attrs), declared
        except (ChainruleError, LookupError, TypeError, ValueError, AttributeError) as error:
            line.fail(str(getattr(error, "what", error)) or type(error).__name__)


class _Definition:
    """A user's row: its formula, stable spelling and derivatives, as nodes on placeholders."""

    def __init__(self, line: _Line, given: Sequence[str]) -> None:
        line.expect("row")
        label = line.next("word")
        line.expect("(")
        self.given = dict(line.several(lambda: self._operand(line), ")"))
        self.parts: dict[str, list[Node | None]] = {}
        options = {"name": label, "kind": "float", "numpy": ""}
        while not line.skip("{"):
            key = line.next("word")
            line.expect("=")
            options[key] = line.word()
        kind = next((kind for kind in KINDS if kind == options["kind"]), None)
        if kind is None:
            line.fail(f"unknown kind {options['kind']}", nearest(options["kind"], KINDS))
        self.label = label
        self.row = Scalar(
            options["name"],
            kind,
            len(self.given),
            options["numpy"],
            formula=self._formula if "formula" in given else None,
            stable=self._stable if "stable" in given else None,
            grads=self._grads if "grads" in given else None,
        )

    @staticmethod
    def _operand(line: _Line) -> tuple[str, TensorType]:
        name = line.next("ref")
        line.expect(":")
        short = line.next("word")
        if short not in LONG:
            line.fail(f"unknown dtype {short}", nearest(short, LONG))
        return name, TensorType(LONG[short])

    def read(self, body: list[_Line], rows: dict[str, Op]) -> None:
        """Read the lines between the braces."""
        scope = _Scope(rows)
        for name, type_ in self.given.items():
            scope.nodes[name] = leaf(name[1:], type_, "placeholder")
        self.xs = tuple(scope.nodes.values())
        for line in body:
            if line.peek()[0] == "ref":
                scope.define(line)
            elif not line.skip("}"):
                part = line.next("word")
                self.parts[part] = scope.refs(line)

    def _formula(self, *operands: Node) -> Node:
        return self._on("formula", dict(zip(self.xs, operands, strict=True)))[0]  # type: ignore[return-value]

    def _stable(self, *operands: Node) -> Node:
        return self._on("stable", dict(zip(self.xs, operands, strict=True)))[0]  # type: ignore[return-value]

    def _grads(self, out: Node, *operands: Node) -> tuple[Node | None, ...]:
        known = dict(zip(self.xs, operands, strict=True))
        return self._on("grads", {make(self.row, self.xs): out, **known})

    def _on(self, part: str, known: dict[Node, Node]) -> tuple[Node | None, ...]:
        """A part on operands; where it says float64, it means the dtype of the operands."""
        dtype = known[self.xs[-1]].dtype
        wanted = [node for node in self.parts[part] if node is not None]
        for node in walk(wanted, frozenset(known)):
            if node not in known and ("dtype", "float64") in node.attrs:
                attrs = {**dict(node.attrs), "dtype": dtype}
                if node.op is CONST:
                    known[node] = const(attrs["value"], dtype)
                else:
                    known[node] = make(node.op, tuple(substitute(node.operands, known)), **attrs)
        results = iter(substitute(wanted, known))
        return tuple(None if node is None else next(results) for node in self.parts[part])


def _definitions(
    lines: list[_Line], rows: dict[str, Op]
) -> Iterator[tuple[_Definition, list[_Line]]]:
    """Every row with the lines of its body; the rows are made before any body is read."""
    for start, line in enumerate(lines):
        if not line.is_row:
            continue
        body = _block(lines, start)
        given = [inner.text.split()[0] for inner in body]
        definition = _Definition(line, [part for part in PARTS if part in given])
        rows[definition.label] = definition.row
        yield definition, body


def _block(lines: list[_Line], start: int) -> list[_Line]:
    """The lines of a definition, the brace that closes it included."""
    for stop in range(start + 1, len(lines)):
        if lines[stop].text.strip() == "}":
            return lines[start + 1 : stop + 1]
    lines[start].fail("the definition does not end", "close it with a line `}`")


def _step(
    line: _Line, block: list[_Line], rows: dict[str, Op], steps: dict[str, Body]
) -> tuple[str, Body]:
    """The step of a loop and its label."""
    scope, label = _Scope(rows, steps), line.next("word")
    line.expect("(")

    def given() -> Node:
        ref = line.next("ref")
        name = ref[1:] if line.skip(":") else line.word()
        if name != ref[1:]:
            line.expect(":")
        if ref in scope.nodes:
            line.fail(f"{ref} is defined twice")
        scope.nodes[ref] = stand_in(len(scope.nodes), name, line.type())
        return scope.nodes[ref]

    inputs = line.several(given, ")")
    line.expect("{")
    line.expect("")
    outputs: list[Node | None] = []
    for inner in block[:-1]:
        if inner.peek()[0] == "ref":
            scope.define(inner)
        else:
            inner.expect("results")
            outputs = scope.refs(inner)
    if not outputs or None in outputs:
        line.fail("a step without results", "it ends with a line `results %a, %b`")
    return label, Body(tuple(inputs), tuple(node for node in outputs if node is not None))


def _graph(lines: list[_Line], rows: dict[str, Op], steps: dict[str, Body]) -> Graph:
    scope, name = _Scope(rows, steps), ""
    leaves: dict[str, tuple[Node, ...]] = {}
    outputs: list[tuple[str, Node]] = []
    updates: list[tuple[Node, Node]] = []
    for line in lines:
        if line.peek()[0] == "ref":
            scope.define(line)
            continue
        match line.next("word"):
            case "graph":
                name = line.word()
            case "inputs" | "params" | "state" as part:
                leaves[part] = tuple(line.several(lambda: scope.ref(line), ""))  # noqa: B023
            case "output":
                outputs.append((line.word(), scope.ref(line)))
            case "update":
                old = scope.ref(line)
                updates.append((old, scope.ref(line)))
            case word:
                line.fail(f"unexpected {word}", "expected graph, row, a node, output or update")
        line.expect("")
    if not name:
        raise FileError(
            "graph text without a name",
            "expected a line `graph <name>`",
            "str(graph) is such a text",
        )
    return Graph(name, **leaves, outputs=tuple(outputs), updates=tuple(updates), names=scope.names)
