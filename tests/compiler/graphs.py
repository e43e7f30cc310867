"""Leaves, graphs and schedules that tests of passes are made of."""

from collections.abc import Iterable
from typing import Any

from chainrule.compiler.ir import Graph, Node, leaf
from chainrule.compiler.ops import linear
from chainrule.compiler.passes.loops import Kernel, Panel, Schedule
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.targets.cpu import TARGET
from chainrule.compiler.types import TensorType, symbol

BATCH = symbol("batch")


def tensor(name: str, *dims: Any, role: Any = "input", dtype: str = "float32") -> Node:
    return leaf(name, TensorType(dtype, dims), role)


def lowered(graph: Graph) -> Graph:
    """The graph in the ops that target cpu spells."""
    return Lower(TARGET.spells)(graph)


def graph_of(outputs: Iterable[Node], updates: Iterable[tuple[Node, Node]] = ()) -> Graph:
    """The lowered graph of outputs `y0`, `y1` and so on; what is updated is a parameter."""
    named = tuple((f"y{i}", node) for i, node in enumerate(outputs))
    updates = tuple(updates)
    leaves = {x for x in Graph("g", outputs=named, updates=updates).nodes() if x.op.name == "leaf"}
    params = tuple(old for old, _ in updates)
    inputs = tuple(x for x in leaves if x not in params)
    return lowered(Graph("g", inputs, params, (), named, updates))


def scheduled(outputs: Iterable[Node], updates: Iterable[tuple[Node, Node]] = ()) -> Schedule:
    return schedule(graph_of(outputs, updates))


def only(planned: Schedule) -> tuple[Kernel, Panel]:
    """The kernel of a schedule that has one, and its panel."""
    (kernel,) = planned.kernels
    assert kernel.panel is not None
    return kernel, kernel.panel


def product(columns: int = 5) -> Node:
    """Rows of a batch times a matrix."""
    return linear.matmul(tensor("x", BATCH, 7), tensor("w", 7, columns))
