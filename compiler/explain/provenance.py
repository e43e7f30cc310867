"""How a gradient came about: the model's lines, the chain rule, each rewriting, the code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from ..autodiff import dependents
from ..errors import UnknownNameError, nearest
from ..ir import Graph, Node, Op, is_const, is_leaf, walk
from ..ops.base import Scalar
from ..ops.linear import CONTRACT
from ..ops.reduce import SUM
from ..program import Kernel, Program
from ..trace import Step, Trace
from ..types import Where
from .formulas import Formulas, display_names, forward
from .notation import Text
from .printer import Printer
from .seen import seen_through


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an explanation: mathematics or code, where it comes from, and why it holds."""

    text: str
    place: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `explain` found, in sections; prints as text, and as HTML in notebooks.

    Attributes:
        name: what is explained, as mathematics: `dL/dW1`.
        model: the forward formulas between the parameter and the result.
        chain: the steps of the chain rule, from the result back to the parameter.
        rules: what was rewritten, and why it may be.
        result: the equations of the gradient as it is computed.
        code: the lines of the program that compute it, with their numbers.
    """

    name: str
    model: tuple[Line, ...]
    chain: tuple[Line, ...]
    rules: tuple[Line, ...]
    result: tuple[Line, ...]
    code: tuple[Line, ...]

    @property
    def sections(self) -> dict[str, tuple[Line, ...]]:
        """The sections that have lines, by title."""
        titled = {
            "the model": self.model,
            "the chain rule, from the result back": self.chain,
            "rules applied": self.rules,
            f"{self.name} as it is computed": self.result,
            "the code": self.code,
        }
        return {title: lines for title, lines in titled.items() if lines}

    def __str__(self) -> str:
        parts = [f"How {self.name} came about"]
        for title, lines in self.sections.items():
            place = max(len(line.place) for line in lines)
            margin = f"  {'':{place}}   " if place else "  "
            parts += ["", title]
            for line in lines:
                head = f"  {line.place:<{place}}   " if place else "  "
                parts.append((head + line.text).rstrip())
                if line.why:
                    parts.append(f"{margin}    {line.why}")
        return "\n".join(parts)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        parts = [f"<h4>How <code>{escape(self.name)}</code> came about</h4>"]
        for title, lines in self.sections.items():
            rows = "".join(
                f"<tr><td>{escape(line.place)}</td><td><code>{escape(line.text)}</code></td>"
                f"<td>{escape(line.why)}</td></tr>"
                for line in lines
            )
            parts.append(f"<h5>{escape(title)}</h5><table>{rows}</table>")
        return "\n".join(parts)


def explain(name: str, graph: Graph, trace: Trace, program: Program) -> Explanation:
    """How a gradient came about.

    Args:
        name: a gradient's name, such as "dL_dW1", or the parameter's.
        graph: the derived graph.
        trace: what `derive` recorded.
        program: the code that computes it.

    Returns:
        The explanation, to be printed.

    Raises:
        UnknownNameError: no gradient has that name.
    """
    found, result, leaf = _find(name, graph, trace)
    node = {label: node for node, label in graph.names.items()}[found]
    names = _names(graph, trace)
    printer = Printer(names, Text())
    between = dependents([result], [leaf])
    asked = trace.gradients[result, leaf]
    model = [
        Line(_equation(printer, inner), _place(inner.where))
        for inner in walk([result])
        if inner in between and inner in names and not is_leaf(inner)
    ]
    steps = [
        step
        for step in trace.steps
        if step.kind == "chain"
        and step.before in between
        and (x := step.before.operands[step.operand]) in between
        and seen_through(step.before) is not seen_through(x)
    ]
    shares = Counter(step.before.operands[step.operand] for step in steps)
    chain = [_chain_line(printer, step, result, shares) for step in steps]
    relevant = {*walk([node]), *walk([asked]), *walk([result])}
    formulas = Formulas({found: node}, display_names(graph), forward(graph))
    return Explanation(
        printer.name(found),
        tuple(model),
        tuple(dict.fromkeys(chain)),
        tuple(_rules(printer, trace, relevant)),
        tuple(Line(str(item), _place(item.node.where)) for item in formulas.equations),
        tuple(_code(found, program)),
    )


def _find(name: str, graph: Graph, trace: Trace) -> tuple[str, Node, Node]:
    """The gradient's name, the result and the leaf that it belongs to."""
    names = _names(graph, trace)
    given = set(graph.names.values())
    known: dict[str, tuple[str, Node, Node]] = {}
    for result, leaf in trace.gradients:
        if is_leaf(leaf) and result in names:
            label = f"d{names[result]}_d{leaf.attr('name')}"
            if label in given:
                known[label] = (label, result, leaf)
                known.setdefault(leaf.attr("name"), (label, result, leaf))
    if name not in known:
        labels = sorted({label for label, _, _ in known.values()})
        raise UnknownNameError(
            f"no gradient is called {name!r}",
            f"there are {', '.join(labels) or 'none'}",
            nearest(name, labels),
        )
    return known[name]


def _names(graph: Graph, trace: Trace) -> dict[Node, str]:
    """What nodes are called, those that rules have replaced since included."""
    names = display_names(graph)
    replaced = [(step.before, step.after) for step in trace.steps if step.kind == "rule"]
    for old, new in [*trace.became.items(), *reversed(replaced)]:
        known = [x for x in trace.later(new) if x in names and not is_leaf(x)]
        if known and not is_leaf(old):
            names.setdefault(old, names[known[0]])
    for (result, x), gradient in trace.gradients.items():
        if result in names and x in names and not is_leaf(gradient) and not is_const(gradient):
            names.setdefault(gradient, f"d{names[result]}_d{names[x]}")
    return names


def _equation(printer: Printer, node: Node) -> str:
    return f"{printer.name(printer.names[node])} = {printer.formula(node)}"


def _place(where: Where | None) -> str:
    return "" if where is None else f"{where} {where.layer}".rstrip()


def _short(printer: Printer, node: Node) -> str:
    return printer.piece(node, printer.depth).text


def _chain_line(printer: Printer, step: Step, result: Node, shares: Mapping[Node, int]) -> Line:
    """`dL/dz1 = dL/dh1 * (1 - h1²)`, because `dh1/dz1 = 1 - h1²`."""
    node, x = step.before, step.before.operands[step.operand]
    y, of, by = (_short(printer, part) for part in (result, node, x))
    share = printer.formula(step.after)
    if (known := printer.names.get(step.after)) and known != f"d{y}_d{by}":
        share = printer.name(known)  # it is what reached another node before
    mark = "=" if shares[x] == 1 else "+="
    text = f"d{_within(y)}/d{_within(by)} {mark} {share}"
    if isinstance(node.op, Scalar):
        local = node.op.derivatives(node)[step.operand]
        why = "" if local is None else f"d{_within(of)}/d{_within(by)} = {printer.formula(local)}"
    else:
        why = REASONS.get(node.op) or (type(node.op).vjp.__doc__ or "").splitlines()[0]
    return Line(text, _place(step.where), why)


REASONS: dict[Op, str] = {
    CONTRACT: "A product is linear in each factor: what comes in, times the other factor.",
    SUM: "Every term changes the sum alike.",
}


def _within(text: str) -> str:
    return text if re.fullmatch(r"\w+|\(.*\)|\[.*\]", text) else f"[{text}]"


def _rules(printer: Printer, trace: Trace, relevant: set[Node]) -> list[Line]:
    """The rewriting that led to what is relevant."""
    steps = [step for step in trace.steps if step.kind == "rule"]
    chosen: set[int] = set()
    while True:
        new = [
            number
            for number, step in enumerate(steps)
            if number not in chosen
            and not relevant.isdisjoint((step.before, *trace.later(step.after)))
        ]
        if not new:
            break
        chosen.update(new)
        relevant |= set(walk([steps[number].before for number in new]))
    found: list[Line] = []
    for number in sorted(chosen):
        step = steps[number]
        before, after = printer.formula(step.before), printer.formula(step.after)
        if before not in (after, _short(printer, step.after)):
            line = Line(f"{before} = {after}", _place(step.where), f"{step.name}: {step.why}")
            found.append(line)
    return list(dict.fromkeys(found))


def _code(name: str, program: Program) -> list[Line]:
    """The lines of the program that compute a name, with the kernel that they stand in."""
    lines = program.source.split("\n")
    homes: Mapping[int, str] = _homes(lines, [kernel.name for kernel in program.kernels])
    first: dict[str, Kernel] = {}
    for kernel in program.kernels:
        first.setdefault(kernel.name, kernel)
    # A function that serves several formulas is written in the names of the first.
    called = {
        (kernel.name, own)
        for kernel in program.kernels
        for own, used in zip(_arrays(first[kernel.name]), _arrays(kernel), strict=True)
        if used == name
    }
    called |= {(home, name) for home in first if all(home != kernel for kernel, _ in called)}
    found = [
        Line(
            line.split("  # ")[0].strip(),
            f"line {number}, {home}" + ("" if own == name else f" with {name} for {own}"),
        )
        for number, line in enumerate(lines, 1)
        for home, own in sorted(called)
        if home == homes.get(number) and _writes(line, own)
    ]
    if found:
        return found
    pattern = re.compile(rf"\b{re.escape(name)}\b")
    return [
        Line(formula, f"{_extent(kernel.name, homes)}, {kernel.name}")
        for kernel in program.kernels
        if name in (*kernel.writes, *kernel.local)
        or (first[kernel.name] is kernel and pattern.search(kernel.source))
        for formula in kernel.formula.split("\n")
    ]


def _arrays(kernel: Kernel) -> tuple[str, ...]:
    """What a kernel reads and writes, in its order, and what it has for itself."""
    return (*kernel.reads, *kernel.writes, *kernel.local)


def _extent(kernel: str, homes: Mapping[int, str]) -> str:
    numbers = [number for number, home in homes.items() if home == kernel]
    return f"lines {min(numbers)} to {max(numbers)}" if numbers else "no lines"


def _writes(line: str, name: str) -> bool:
    left, mark, right = line.partition("=")
    if right.startswith(" local_array("):
        return False
    return bool(mark) and bool(re.match(rf"\s*{re.escape(name)}\b(\[.*\])?\s*[-+*/]?\s*$", left))


def _homes(lines: list[str], kernels: list[str]) -> dict[int, str]:
    """The kernel that each line is in."""
    homes: dict[int, str] = {}
    home = ""
    for number, line in enumerate(lines, 1):
        match = re.match(r"def (\w+)", line)
        if match:
            home = match.group(1) if match.group(1) in kernels else ""
        if home:
            homes[number] = home
    return homes
