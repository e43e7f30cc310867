"""Whether what comes from a file is what a model could have written; it may be anything.

Names go into source text, formulas and places into its comments, sizes into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chainrule.compiler.ir import OPS, Graph, Node, Op, is_leaf, leaf, walk
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.custom import bound
from chainrule.compiler.types import TensorType, Where, symbols, value
from chainrule.frontend.names import identifier

# Elements of one array for one sample: no program that fits a machine has more.
_LARGEST = 2**40
_DEEPEST = 16  # rows whose formulas use rows


def graph(given: Graph, what: str) -> Graph:
    """The graph, if a model could have made it.

    Args:
        given: what the text of a file says.
        what: which of the file's graphs, for the errors.

    Raises:
        ValueError, UnknownNameError: it has names that are no identifiers, places that are no line
            of text, arrays beyond any memory, rows that are no formulas.
    """
    identifier(given.name, f"{what}: a graph's name")
    for name in (*given.names.values(), *(name for name, _ in given.outputs)):
        identifier(name, f"{what}: a result's name")
    rows: set[Op] = set()
    nodes = walk((*given.leaves, *given.roots, *given.names))
    for node in nodes:
        if is_leaf(node):
            identifier(node.attr("name"), f"{what}: an array's name")
        for name in symbols(node.shape):
            identifier(name, f"{what}: a size's name")
        if not 0 <= value(node.type.size, dict.fromkeys(symbols(node.shape), 1)) <= _LARGEST:
            raise ValueError(f"{what}: an array of type {node.type}"[:100])
        if node.where is not None:
            place(node.where)
        if OPS.get(node.op.name) is not node.op:
            rows.add(node.op)
    _formulas(rows, what)
    known = {*given.leaves, *bound(nodes)}
    if free := [node for node in nodes if is_leaf(node) and node not in known]:
        raise ValueError(f"{what}: {free[0].attr('name')} comes from nowhere")
    return given


def place(where: Where) -> Where:
    """The place, if it can stand in a comment."""
    line(where.file)
    line(where.layer)
    return where


def line(text: object) -> str:
    """The text, if it is one line that a terminal can show."""
    if not isinstance(text, str):
        raise TypeError(f"expected text, came {type(text).__name__}")
    if not text.isprintable():
        raise ValueError(f"{text!r} is not a line of text"[:100])
    return text


def number(given: Graph) -> Graph:
    """The graph, if it computes one number from one number."""
    if len(given.inputs) != 1 or len(given.outputs) != 1 or given.updates:
        raise ValueError("the end of a metric is no function of one number")
    if any(node.shape for node in given.nodes()):
        raise ValueError("the end of a metric has arrays in it")
    return graph(given, "the end of a metric")


def numbers(given: object, names: Iterable[str], what: str) -> Mapping[str, float]:
    """A dictionary of numbers, one for each name."""
    if not isinstance(given, dict) or set(given) != set(names):
        raise ValueError(f"{what} are not those of the graphs")
    return {name: float(x) for name, x in given.items()}


def _formulas(rows: Iterable[Op], what: str) -> None:
    """Whether every row is a formula of built-in functions, and of rows that are."""
    level = set(rows)
    for _ in range(_DEEPEST):
        below: set[Op] = set()
        for row in level:
            result = _formula(row, what)
            below |= {node.op for node in walk([result]) if OPS.get(node.op.name) is not node.op}
        level = below
        if not level:
            return
    raise ValueError(f"{what}: formulas that use each other")


def _formula(row: Op, what: str) -> Node:
    """The formula of a row on one number."""
    if not isinstance(row, Scalar) or row.formula is None or row.arity != 1:
        raise ValueError(f"{what}: {row.name} is no formula of one number"[:100])
    identifier(row.name, f"{what}: a formula's name")
    if row.name in OPS or row.numpy or row.stable or row.grads or row.kind != "float":
        raise ValueError(f"{what}: {row.name} claims to be more than a formula")
    x = leaf("x", TensorType("float64"), "placeholder")
    result = row.formula(x)
    nodes = walk([result])
    if result.type != x.type or any(node is not x and is_leaf(node) for node in nodes):
        raise ValueError(f"{what}: {row.name} is no formula of one number")
    return result
