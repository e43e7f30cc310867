"""Nodes as the statements of a function, with the mathematics and the model's line beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...errors import Fault, UsageError
from ...explain.notation import Text
from ...explain.printer import Printer
from ...ir import CONST, LEAF, Node, is_const, is_leaf, walk
from ...ops import algebra, convert, index, rows, shape
from ...ops.steps import bodies
from ...types import SHORT as SHORT_DTYPE, Dim, Size, Where
from ..naming import described
from ..spelling import Identifiers, comment, size_text
from .code import ATOM, SUM, Code, typed
from .expressions import expression
from .loops import nested

CODE_WIDTH = 64  # what is longer is split into statements
LINE_WIDTH = 100
ALIGNED = 48  # up to this width the formulas stand below each other
SHORT = 14  # as long as an expression of one name may be to be written out at each use


@dataclass(frozen=True, slots=True)
class Statement:
    """One line: code, and the mathematics of it."""

    code: str
    formula: str
    where: Where | None
    node: Node | None = None


@dataclass(slots=True)
class Function:
    """A function of the module.

    Attributes:
        name: what it is called.
        arguments: leaves and other nodes that it gets.
        results: nodes that it returns.
        statements: its lines, less the last, which returns.
        returned: what it returns, as code.
    """

    name: str
    arguments: tuple[Node, ...]
    results: tuple[Node, ...]
    statements: list[Statement]
    returned: list[str]
    doc: str = ""
    sizes: frozenset[str] = frozenset()


@dataclass(slots=True)
class Module:
    """What the functions of a module share: names in code, names in formulas, helpers."""

    identifiers: Identifiers
    names: dict[Node, str]
    display: dict[Node, str]
    symbols: Mapping[str, tuple[Node, int]]
    updated: Mapping[Node, str] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    words: frozenset[str] = frozenset()
    faults: list[Fault] = field(default_factory=list)

    def identifier(self, node: Node) -> str:
        """The node's name in the code, the same in every function."""
        if node not in self.names:
            wanted = self.display.get(node) or self.updated.get(node) or self._described(node)
            self.names[node] = self.identifiers.new(wanted)
            if node not in self.display:
                # Formulas call it as the code does, and do not show that it was cast.
                cast = node.op is convert.CAST and node.operands[0] in self.display
                self.display[node] = self.display[node.operands[0]] if cast else self.names[node]
        return self.names[node]

    def _described(self, node: Node) -> str:
        """A name for a node that has none: after what it is made of."""
        if node.op is convert.CAST and not is_const(node.operands[0]):
            (x,) = node.operands
            own = self.names.get(x) or described(x, self.names.get)
            return f"{own}_{SHORT_DTYPE[node.dtype]}"
        return described(node, self.names.get)


class Body:
    """Writes the statements of one function. It is the scope of their expressions."""

    def __init__(
        self,
        module: Module,
        known: Iterable[Node],
        roots: Sequence[Node],
        stated: bool = True,
    ) -> None:
        """Decide which nodes are statements.

        Args:
            module: the module's names.
            known: nodes that have a name in the function from the start.
            roots: nodes that it returns.
            stated: whether the roots are statements even where they are needed only once.
        """
        self.module, self.known = module, set(known)
        self.statements: list[Statement] = []
        self.leaves: set[Node] = set()
        self.sizes: set[str] = set()
        self.codes: dict[Node, Code] = {}
        order = walk(roots, frozenset(self.known))
        uses = Counter(x for node in order if node not in self.known for x in node.operands)
        uses.update(roots)
        named = {*module.display, *(roots if stated else ())}
        self.stated = {
            node
            for node in order
            if node not in self.known
            and node.op not in (CONST, convert.SIZE)
            and not is_leaf(node)
            and (node in named or uses[node] > 1 or bodies(node))
        }
        for node in order:
            if node not in self.known and not is_leaf(node):
                self.write(node)

    def code(self, node: Node) -> Code:
        """The node as an operand."""
        if node in self.known and not is_leaf(node):
            return Code(self.module.identifier(node))
        if node.op is LEAF:
            self.leaves.add(node)
            return Code(self.module.identifier(node))
        return self.codes[node]

    def inlined(self, node: Node) -> bool:
        """Whether the node has no statement of its own."""
        return node not in self.stated and node not in self.known and not is_leaf(node)

    def size(self, dim: Dim) -> Code:
        """A size, read off the shape of an argument."""
        symbols: dict[str, str] = {}
        if isinstance(dim, Size):
            for name in sorted(dim.symbols()):
                if name not in self.module.symbols:
                    raise UsageError(
                        f"no argument has an axis of size {name}",
                        f"the size {dim} is needed",
                        "pass an array that shows it",
                    )
                leaf, axis = self.module.symbols[name]
                self.leaves.add(leaf)
                self.sizes.add(name)
                symbols[name] = f"{self.module.identifier(leaf)}.shape[{axis}]"
        text, atom = size_text(dim, symbols)
        return Code(text, ATOM if atom else SUM)

    def name(self, node: Node) -> None:
        """Know a node by its name, which a statement that is written by others gives it."""
        self.stated.add(node)
        self.codes[node] = Code(self.module.identifier(node))

    def use(self, helper: str) -> str:
        """A helper's name; the module will have it."""
        self.module.helpers.add(helper)
        return helper

    def write(self, node: Node) -> None:
        """The node as a statement, or kept as text for where it is used."""
        if bodies(node):
            if node not in self.codes:
                self.statements.append(Statement(nested(self, node), "", node.where, node))
            return
        code = expression(self, node)
        while len(code.text) > CODE_WIDTH and (operand := self._longest(node)) is not None:
            self.state(operand, self.codes[operand])
            for x in node.operands:  # the operand may be within one of these
                if self.inlined(x):
                    self.codes[x] = expression(self, x)
            code = expression(self, node)
        if node.op in FAULTS:
            # A statement of its own, so that the name of its result tells which fault it was.
            self.stated.add(node)
            name = self.module.identifier(node)
            self.module.faults.append(replace(FAULTS[node.op], where=node.where, result=name))
        if self._trivial(node, code):
            self.stated.discard(node)
        if node in self.stated:
            self.state(node, code)
        else:
            self.codes[node] = code

    def _trivial(self, node: Node, code: Code) -> bool:
        """Whether a node that is used often is as short as a name would be."""
        return (
            node not in self.module.display
            and node.op in (shape.TRANSPOSE, shape.RESHAPE)
            and len(code.text) <= SHORT
        )

    def _longest(self, node: Node) -> Node | None:
        """The operand whose text takes most room in the node's."""
        inner: list[Node] = []
        for x in node.operands:
            if self.inlined(x) and x.op not in (CONST, convert.SIZE):
                inner.append(x)
            if self.inlined(x) and x.op in (shape.RESHAPE, shape.TRANSPOSE, shape.BROADCAST_TO):
                inner += [y for y in x.operands if self.inlined(y) and y.op is not CONST]
        inner = [x for x in inner if len(self.codes[x].text) > SHORT]
        return max(inner, key=lambda x: len(self.codes[x].text), default=None)

    def state(self, node: Node, code: Code) -> None:
        """Write a statement."""
        self.stated.add(node)
        name = self.module.identifier(node)
        self.statements.append(
            Statement(
                f"{name} = {typed(code, node.dtype).text}",
                formula_of(self.module, node),
                node.where,
                node,
            )
        )
        self.codes[node] = Code(name)

    def result(self, node: Node) -> str:
        """A node as it is returned."""
        return typed(self.code(node), node.dtype).text


INDEXED = (
    index.TAKE,
    index.ADD_AT,
    index.TAKE_ALONG,
    index.ADD_ALONG,
    index.GATHER,
    index.SCATTER_ADD,
    rows.REPLACE_ROWS,
)
FAULTS: dict[object, Fault] = {
    **dict.fromkeys(INDEXED, index.OUTSIDE),
    **algebra.FAULTS,
}


def formula_of(module: Module, node: Node) -> str:
    """The equation that stands beside a statement."""
    printer = Printer(module.display, Text(), words=module.words)
    value, indices = rows.written(node) if node in module.updated else (node, ())
    right = printer.piece(value, printer.depth).text if indices else printer.formula(node)
    if len(right) > LINE_WIDTH:
        right = "…"
    if node in module.updated:
        return f"{module.updated[node].removeprefix('new_')}{printer.rows(indices)} ← {right}"
    left = printer.name(module.display[node])
    return f"{left} = {right}" if left != right else ""


def lines_of(function: Function, module: Module) -> list[str]:
    """The text of a function."""
    names = [module.identifier(x) for x in function.arguments]
    lines = wrapped(f"def {function.name}(", names, "):")
    if function.doc:
        lines.append(f'    """{function.doc}"""')
    lengths = [len(s.code) for s in function.statements if s.formula]
    width = max((length for length in lengths if length <= ALIGNED), default=ALIGNED)
    place_width = max((len(str(s.where)) for s in function.statements if s.where), default=0)
    last: Where | None = None
    for statement in function.statements:
        code = f"    {statement.code}"
        if statement.formula:
            shown = str(statement.where) if statement.where and statement.where != last else ""
            last = statement.where or last
            place = f"{shown:<{place_width}}   " if place_width else ""
            aligned = f"{code:<{width + 4}}  # {comment(place + statement.formula)}"
            shorter = f"{code}  # {comment((place if shown else '') + statement.formula)}"
            if len(aligned) <= LINE_WIDTH:
                code = aligned
            elif len(shorter) <= LINE_WIDTH:
                code = shorter
            else:
                lines.append(f"    # {comment((place if shown else '') + statement.formula)}")
        lines.extend(code.split("\n"))
    lines += wrapped("    return ", function.returned, "", parentheses=True)
    return lines


def assigned(names: Sequence[str], function: str, arguments: Sequence[str]) -> list[str]:
    """The lines of a call whose results get names."""
    left = f"    {', '.join(names)} = "
    if len(left) > LINE_WIDTH - 40:
        *first, last = wrapped("    ", names, "", parentheses=True, broken=True)
        return [*first, *wrapped(f"{last} = {function}(", arguments, ")")]
    return wrapped(f"{left}{function}(", arguments, ")")


def wrapped(
    head: str, items: Sequence[str], tail: str, parentheses: bool = False, broken: bool = False
) -> list[str]:
    """Items with commas between them, on one line or, where that is too long, on several."""
    line = head + ", ".join(items) + tail
    if len(line) <= LINE_WIDTH and not broken:
        return [line]
    indent = " " * (len(head) - len(head.lstrip()))
    lines, inner = [head + "(" if parentheses else head], f"{indent}    "
    for item in items:
        if lines[-1].startswith(inner) and len(lines[-1]) + len(item) + 2 <= LINE_WIDTH:
            lines[-1] += f" {item},"
        else:
            lines.append(f"{inner}{item},")
    return [*lines, f"{indent}{')' if parentheses else ''}{tail}"]
