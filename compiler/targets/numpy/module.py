"""A graph as a module: `forward`, `gradient`, `update` if it is a training step, and `step`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...errors import ShapeError
from ...explain.formulas import display_names, gradient_nodes
from ...explain.notation import Text
from ...explain.printer import Printer
from ...ir import Graph, Node, is_leaf, make, transform, walk
from ...ops.base import Scalar
from ...ops.broadcasting import broadcast_dims
from ...ops.shape import BROADCAST_TO, RESHAPE
from ...ops.steps import everywhere, with_steps
from ...passes.bounds import bounds
from ...program import Buffer, Kernel, Program
from ...types import Shape, Size
from ..spelling import Identifiers, docstring
from .functions import Body, Function, Module, Statement, assigned, lines_of, wrapped
from .helpers import HELPERS

BATCH = "batch"
FORMULA_WIDTH = 80
# Names that mean something in the module.
RESERVED = (
    "np", "scipy", "special", "step", "forward", "gradient", "update", "predict", *HELPERS,
    "slice", "tuple", "list", "zip", "range", "reversed", "int", "float", "bool",
    "IndexError", "RuntimeError",
)  # fmt: skip
IMPORTS = (
    ("np.", "import numpy as np"),
    ("scipy.linalg.", "import scipy.linalg"),
    ("special.", "from scipy import special"),
)


def emit(graph: Graph, fingerprint: str) -> Program:
    """The program of a lowered graph.

    Args:
        graph: without gradients to be taken, in ops that NumPy and SciPy have.
        fingerprint: a name for what was asked for.
    """
    graph = everywhere(broadcast_by_itself, graph)
    module = _module(graph)
    functions = _training(graph, module) or _plain(graph, module)
    texts = ["\n".join(lines_of(function, module)) for function in functions]
    return Program(
        name=graph.name,
        target="numpy",
        source=_text(graph, module, [*texts, _step(graph, module, functions)]),
        buffers=tuple(_buffers(graph)),
        kernels=tuple(
            _kernel(function, module, text) for function, text in zip(functions, texts, strict=True)
        ),
        sizes=tuple(module.symbols),
        batch=BATCH if any(_is_batched(leaf) for leaf in graph.inputs) else None,
        faults=tuple(module.faults),
        bounds=bounds(with_steps(graph.nodes())),
        fingerprint=fingerprint,
    )


def standalone(train: Graph, predict: Graph) -> str:
    """A module to keep: `predict`, and the training step in its parts.

    Args:
        train: the lowered graph of a training step.
        predict: the lowered graph from inputs to outputs, outside training.
    """
    train, predict = (everywhere(broadcast_by_itself, graph) for graph in (train, predict))
    module, other = _module(train), _module(predict)
    results = tuple(dict.fromkeys(node for _, node in predict.outputs))
    doc = "The outputs, outside training."
    first = lines_of(_function(other, "predict", results, predict.leaves, doc=doc), other)
    functions = _training(train, module) or _plain(train, module)
    module.helpers |= other.helpers
    texts = ["\n".join(lines) for lines in (first, *(lines_of(f, module) for f in functions))]
    return _text(train, module, [*texts, _step(train, module, functions)])


def _text(graph: Graph, module: Module, functions: Sequence[str]) -> str:
    """The module's text: what it is, what it imports, the helpers it uses, its functions."""
    helpers = [HELPERS[helper] for helper in HELPERS if helper in module.helpers]
    body = "\n\n\n".join([*helpers, *functions])
    code = "\n".join(line.split("  # ")[0] for line in body.splitlines())
    imports = [line for used, line in IMPORTS if used in code or used == "np."]
    return f'"""{_heading(graph)}"""\n\n' + "\n".join(imports) + f"\n\n\n{body}\n"


def broadcast_by_itself(graph: Graph) -> Graph:
    """The graph without broadcasts and leading axes of size 1 that elementwise operations add."""

    def visit(node: Node) -> Node:
        if not isinstance(node.op, Scalar):
            return node
        operands = list(node.operands)
        for i in range(len(operands)):
            number = _repeated(operands[i], graph.names)
            shapes = [*(y.shape for y in operands[:i]), (), *(y.shape for y in operands[i + 1 :])]
            if number is not None and _fits(tuple(shapes), node.shape):
                operands[i] = number
            while (x := operands[i]).op in (BROADCAST_TO, RESHAPE) and x not in graph.names:
                inner = x.operands[0].shape
                shapes = [
                    *(y.shape for y in operands[:i]),
                    inner,
                    *(y.shape for y in operands[i + 1 :]),
                ]
                leading = (1,) * (x.type.ndim - len(inner)) + inner
                if x.op is RESHAPE and x.shape != leading:
                    break
                if not _fits(tuple(shapes), node.shape):
                    break
                operands[i] = x.operands[0]
        return make(node.op, tuple(operands), node.where, **dict(node.attrs))

    return graph.map(transform(graph.roots + graph.leaves + tuple(graph.names), visit))


def _repeated(x: Node, names: Mapping[Node, str]) -> Node | None:
    """The number that a tensor only repeats."""
    while x.shape and x.op in (BROADCAST_TO, RESHAPE) and x not in names:
        (x,) = x.operands
    return x if not x.shape else None


def _fits(shapes: tuple[Shape, ...], shape: Shape) -> bool:
    try:
        return broadcast_dims("", shapes) == shape
    except ShapeError:
        return False


def _module(graph: Graph) -> Module:
    identifiers = Identifiers(RESERVED)
    found: dict[str, tuple[Node, int]] = {}
    for leaf in graph.leaves:
        for axis, dim in enumerate(leaf.shape):
            if isinstance(dim, Size) and str(dim) in dim.symbols():
                found.setdefault(str(dim), (leaf, axis))
    updated = {
        new: f"new_{old.attr('name')}"
        for old, new in graph.updates
        if not is_leaf(new) and new not in graph.names
    }
    display = _told_apart(display_names(graph), graph)
    module = Module(identifiers, {}, display, found, updated, words=frozenset(display.values()))
    for leaf in graph.leaves:
        module.identifier(leaf)
    return module


def _told_apart(names: Mapping[Node, str], graph: Graph) -> dict[Node, str]:
    """Names for formulas, with a number behind those that are taken; leaves come first."""
    apart, taken = {}, set()
    for node in walk((*graph.leaves, *graph.roots, *graph.names)):
        if node in names:
            name, number = names[node], 1
            while name in taken:
                number += 1
                name = f"{names[node]}_{number}"
            taken.add(name)
            apart[node] = name
    return apart


def _function(
    module: Module,
    name: str,
    results: Sequence[Node],
    order: Sequence[Node],
    known: Iterable[Node] = (),
    call: Function | None = None,
    doc: str = "",
) -> Function:
    """A function that returns nodes.

    Args:
        module: the module's names.
        name: the function's name.
        results: what it returns.
        order: every possible argument, in the order in which they are passed.
        known: nodes that come as arguments, where they are not leaves.
        call: a function whose results it needs, and whose arguments it passes on.
        doc: the docstring.
    """
    given = set(known) | (set(call.results) if call else set())
    body = Body(module, given, results)
    returned = [body.result(x) for x in results]
    needed = body.leaves | (set(call.arguments) if call else set())
    needed |= {x for x in walk(results, frozenset(given)) if x in set(known)}
    statements = body.statements
    if call is not None:
        left, names = (
            [module.identifier(x) for x in nodes] for nodes in (call.results, call.arguments)
        )
        line = "\n".join(assigned(left, call.name, names))
        statements = [Statement(line.removeprefix("    "), "", None), *statements]
    return Function(
        name,
        tuple(x for x in order if x in needed),
        tuple(results),
        statements,
        returned,
        doc,
    )


def _plain(graph: Graph, module: Module) -> list[Function]:
    """One function, called as the graph is."""
    results = tuple(dict.fromkeys(graph.roots))
    name = module.identifiers.new(graph.name)
    return [_function(module, name, results, graph.leaves)]


def _training(graph: Graph, module: Module) -> list[Function] | None:
    """A training step as forward pass, gradient and update; None if it is no training step."""
    gradients = gradient_nodes(graph)
    if not graph.updates or not gradients or set(gradients) != set(_trained(graph)):
        return None
    outputs = [node for _, node in graph.outputs]
    new = [node for _, node in graph.updates]
    named = [x for x in walk(outputs) if x in graph.names and not is_leaf(x) and x not in outputs]
    # What the update needs of the passes before it, beside the gradients.
    before = set(walk([*outputs, *gradients.values()]))
    shared = [x for x in _frontier(new, before) if not is_leaf(x)]
    results = tuple(dict.fromkeys([*outputs, *gradients.values(), *shared]))
    forward = None
    if named:
        used = _frontier(results, set(walk(named)))
        passed = [x for x in walk(named) if x in named and (x in used or x is named[-1])]
        forward = _function(module, "forward", passed, graph.leaves)
    gradient = _function(module, "gradient", results, graph.leaves, call=forward)
    known = [x for x in results if not is_leaf(x)]
    settings = [x for x in graph.inputs if x.attr("role") == "setting"]
    inputs = [x for x in graph.inputs if x not in settings]
    order = [*graph.params, *known, *graph.state, *settings, *inputs]
    update = _function(module, "update", tuple(dict.fromkeys(new)), order, known)
    return [gradient, update] if forward is None else [forward, gradient, update]


def _trained(graph: Graph) -> list[Node]:
    updated = {old for old, _ in graph.updates}
    return [leaf for leaf in graph.params if leaf in updated]


def _frontier(roots: Sequence[Node], inside: set[Node]) -> list[Node]:
    """The nodes of `inside` that the roots use, from outside it or as roots."""
    return [node for node in walk(roots, frozenset(inside)) if node in inside]


def _step(graph: Graph, module: Module, functions: Sequence[Function]) -> str:
    """The function that the runtime calls: outputs, parameters and state, in order."""
    settings = [x for x in graph.inputs if x.attr("role") == "setting"]
    inputs = [x for x in graph.inputs if x not in settings]
    order = [*inputs, *settings, *graph.params, *graph.state]
    lines = wrapped("def step(", [module.identifier(x) for x in order], "):")
    lines.append(
        '    """Outputs, then every parameter and state, new where there is a new value."""'
    )
    known: dict[Node, str] = {leaf: module.identifier(leaf) for leaf in graph.leaves}
    for function in functions:
        if function.name == "forward" and len(functions) > 1:
            continue
        arguments = [known[x] for x in function.arguments]
        lefts = []
        for x in function.results:
            if is_leaf(x):
                lefts.append("_")
            else:
                lefts.append(module.identifier(x))
                known[x] = lefts[-1]
        if lefts:
            lines += assigned(lefts, function.name, arguments)
    new = dict(graph.updates)
    results = [known[node] for _, node in graph.outputs]
    results += [known[new.get(leaf, leaf)] for leaf in graph.params + graph.state]
    if len(results) == 1:
        lines.append(f"    return ({results[0]},)")
    else:
        lines += wrapped("    return ", results, "", parentheses=True)
    return "\n".join(lines)


def _heading(graph: Graph) -> str:
    """The module's docstring: what it is, and the model's formulas where they have a line."""
    names = display_names(graph)
    printer = Printer(names, Text())
    rows = []
    outputs = [node for _, node in graph.outputs]
    for node in walk(outputs):
        name = names.get(node)
        if name is not None and not is_leaf(node) and node.where is not None:
            formula = f"{printer.name(name)} = {printer.formula(node)}"
            formula = formula if len(formula) <= FORMULA_WIDTH else f"{printer.name(name)} = …"
            rows.append((str(node.where), formula, node.where.layer))
    lines = [f"{graph.name}, for NumPy: a statement a node."]
    if rows:
        place, formula_width = (max(len(row[i]) for row in rows) for i in (0, 1))
        lines.append("")
        lines += [f"{a:<{place}}   {b:<{formula_width}}   {c}".rstrip() for a, b, c in rows]
    lines += [
        "",
        "Infinities and NaN are values here: call it under np.errstate(all='ignore').",
        "",
    ]
    return docstring("\n".join(lines))


def _kernel(function: Function, module: Module, text: str) -> Kernel:
    formulas = [statement.formula for statement in function.statements if statement.formula]
    return Kernel(
        function.name,
        text,
        tuple(module.identifier(x) for x in function.arguments),
        tuple(function.returned),
        "\n".join(formulas),
        next((s.where for s in function.statements if s.where), None),
    )


def _buffers(graph: Graph) -> list[Buffer]:
    found = []
    for leaves in (graph.inputs, graph.params, graph.state):
        for leaf in leaves:
            role = leaf.attr("role")
            if leaves is not graph.inputs:
                role = "param" if leaves is graph.params else "state"
            elif role != "setting":
                role = "input"
            found.append(Buffer(leaf.attr("name"), role, leaf.type, leaf.where))
    settings = [buffer for buffer in found if buffer.role == "setting"]
    inputs = [buffer for buffer in found if buffer.role == "input"]
    rest = [buffer for buffer in found if buffer.role in ("param", "state")]
    outputs = [Buffer(name, "output", node.type, node.where) for name, node in graph.outputs]
    return [*inputs, *settings, *rest, *outputs]


def _is_batched(leaf: Node) -> bool:
    return bool(leaf.shape) and str(leaf.shape[0]) == BATCH
