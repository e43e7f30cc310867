"""Updates of rows: those that an index names change, whatever else the step does with the table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from chainrule.compiler.errors import DTypeError, ShapeError
from chainrule.compiler.ir import Graph, Node, evaluate, make
from chainrule.compiler.ops.arithmetic import abs, sqrt, square
from chainrule.compiler.ops.convert import cast
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.ops.index import TAKE
from chainrule.compiler.ops.linear import matmul
from chainrule.compiler.ops.reduce import sum
from chainrule.compiler.ops.rows import REPLACE_ROWS, chosen, replace_rows
from chainrule.compiler.passes.rows import grouped, settled
from chainrule.compiler.targets import target
from chainrule.compiler.text import parse, show
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable

from .tables import BATCH, added, index, tensor, updated

ROWS, WIDTH = 11, 5


class Step:
    """A table with a state, and what is added up at the rows that indices name."""

    def __init__(self, *indices: Node, width: tuple[int, ...] = (WIDTH,), dtype: str = "float64"):
        self.table = tensor("E", ROWS, *width, dtype=dtype, role="param")
        self.state = tensor("m", ROWS, *width, dtype=dtype, role="state")
        self.indices = indices
        self.sides = [
            tensor(f"g{i}", *index.shape, *width, dtype=dtype) for i, index in enumerate(indices)
        ]
        total = None
        for side, places in zip(self.sides, indices, strict=True):
            one = added(side * 2, places, ROWS)
            total = one if total is None else total + one
        assert total is not None
        self.total = total

    def updates(self) -> Iterator[tuple[Node, Node]]:
        """A formula with a long way from the sum to both."""
        state = self.state + 0.5 * (square(self.total) - self.state)
        new = self.table - 0.1 * self.total / (sqrt(abs(state)) + 1e-3)
        yield self.table, replace_rows(self.table, new, self.indices)
        yield self.state, replace_rows(self.state, state, self.indices)

    def graph(self, cpu: Any) -> Graph:
        """The step; an output reads the table before it is updated."""
        taken = [(f"y{i}", make(TAKE, (self.table, x), axis=0)) for i, x in enumerate(self.indices)]
        found: Graph = cpu.graph_of(taken, list(self.updates()))
        return found


CASES: dict[str, Callable[[], Step]] = {
    "one index": lambda: Step(index()),
    "of int32": lambda: Step(index(dtype="int32")),
    "a matrix of positions": lambda: Step(index("t", BATCH, 3)),
    "one position": lambda: Step(index("t", 1)),
    "no axes": lambda: Step(tensor("t", dtype="int64")),
    "rows that are numbers": lambda: Step(index(), width=()),
    "rows of size 1": lambda: Step(index(), width=(1,)),
    "rows that are matrices": lambda: Step(index(), width=(2, 3)),
    "two indices": lambda: Step(index(), index("u", BATCH, 2)),
    "two indices of two dtypes": lambda: Step(index(dtype="int32"), index("u", 4)),
    "three indices": lambda: Step(index(), index("u", 2), index("v", BATCH, 2, 2)),
    "float32": lambda: Step(index(), dtype="float32"),
}


@pytest.mark.parametrize("name", CASES)
def test_as_it_is_meant(cpu: Any, name: str, random_values: Callable[..., Any]) -> None:
    graph = CASES[name]().graph(cpu)
    tolerance = 1e-5 if name == "float32" else 1e-12
    cpu.agree(graph, random_values, [0, 1, 3, 40], tolerance)


@pytest.mark.parametrize("name", CASES)
def test_rows_that_are_not_named_cost_nothing(cpu: Any, name: str) -> None:
    """No loop of the program goes over all rows."""
    program = target("cpu").emit(CASES[name]().graph(cpu), "0" * 32)
    assert f"range({ROWS})" not in program.source
    assert "group_rows(" in program.source


@functools.cache
def dense_and_sparse() -> list[Executable]:
    """A step against sums at rows, which updates all rows, and the rows that are named."""
    t, g = index(), tensor("g", BATCH, WIDTH, dtype="float32")
    e = tensor("E", ROWS, WIDTH, dtype="float32", role="param")
    new = e - added(g, t, ROWS)
    graphs = [Graph("g", (t, g), (e,), (), (), ((e, x),)) for x in (new, replace_rows(e, new, [t]))]
    return [load(target("cpu").emit(graph, f"{i}" * 32)) for i, graph in enumerate(graphs)]


@settings(deadline=None, max_examples=50)
@given(
    places=st.lists(st.integers(0, ROWS - 1), max_size=40),
    seed=st.integers(0, 1000),
)
def test_sums_are_taken_in_the_order_of_the_places(places: list[int], seed: int) -> None:
    """Bit for bit the dense sum: from zero, one place after the other."""
    first, second = updated(dense_and_sparse(), places, (ROWS, WIDTH), seed)
    np.testing.assert_array_equal(first, second)


def other_uses() -> Iterator[tuple[str, Callable[[Step], list[tuple[str, Node]]]]]:
    yield "a sum that is an output", lambda step: [("g", step.total)]
    yield "a norm of the sum", lambda step: [("n", sum(square(step.total), axes=(0, 1)))]
    yield "a product with the sum", lambda step: [("p", matmul(step.total, tensor("W", WIDTH, 2)))]
    yield "a function of the sum", lambda step: [("f", tanh(step.total))]


@pytest.mark.parametrize(("name", "outputs"), list(other_uses()), ids=lambda x: str(x)[:30])
def test_a_sum_that_is_needed_whole(
    cpu: Any, name: str, outputs: Any, random_values: Callable[..., Any]
) -> None:
    step = Step(index())
    cpu.agree(cpu.graph_of(outputs(step), list(step.updates())), random_values, [0, 1, 7], 1e-12)


def test_two_tables_by_one_index(cpu: Any, random_values: Callable[..., Any]) -> None:
    t = index()
    e, f = tensor("E", ROWS, 3, role="param"), tensor("F", 7, 2, role="param")
    updates = []
    for table, rows in ((e, ROWS), (f, 7)):
        grad = tensor(f"g{rows}", BATCH, *table.shape[1:])
        updates.append((table, replace_rows(table, table - added(grad, t, rows), [t])))
    cpu.agree(cpu.graph_of([], updates), random_values, [1, 9], 1e-12)


def test_rows_of_an_output_are_chosen(cpu: Any, random_values: Callable[..., Any]) -> None:
    old, new = tensor("old", ROWS, 2), tensor("new", ROWS, 2)
    graph = cpu.graph_of([("y", replace_rows(old, new, [index()]) * 2)])
    cpu.agree(graph, random_values, [0, 1, 5], 1e-12)
    assert all(node.op is not REPLACE_ROWS for node in settled(graph).nodes())


def test_an_update_from_another_table_is_no_update_of_rows(
    cpu: Any, random_values: Callable[..., Any]
) -> None:
    e, f = (tensor(name, ROWS, 2, role="param") for name in "EF")
    graph = cpu.graph_of([], [(e, replace_rows(f, e * 2, [index()]))])
    assert grouped(settled(graph)) == ()
    cpu.agree(graph, random_values, [0, 1, 5], 1e-12)


def test_a_choice_between_all_rows_is_the_same() -> None:
    t, u = index("t", 4), index("u", 2, 2, dtype="int32")
    old, new = tensor("old", ROWS, 2), tensor("new", ROWS, 2)
    node = replace_rows(old, new, [t, u])
    random = np.random.default_rng(0)
    values = {t: np.array([3, 3, 0, 10]), u: np.array([[3, 4], [4, 9]], np.int32)}
    values |= {x: random.normal(size=(ROWS, 2)) for x in (old, new)}
    first, second = evaluate([node, chosen(node)], values)
    np.testing.assert_array_equal(first, second)
    assert {i for i in range(ROWS) if (first[i] == values[new][i]).all()} == {0, 3, 4, 9, 10}


def test_as_text_and_back(cpu: Any) -> None:
    graph = Step(index(), index("u", 2)).graph(cpu)
    assert "replace_rows" in show(graph)
    assert parse(show(graph)) == graph


def test_what_does_not_fit() -> None:
    e = tensor("E", ROWS, 2)
    with pytest.raises(ShapeError, match="expected two tensors of one type"):
        replace_rows(e, tensor("n", ROWS, 3), [index()])
    with pytest.raises(ShapeError, match="expected two tensors of one type"):
        replace_rows(tensor("a"), tensor("b"), [index()])
    with pytest.raises(DTypeError, match="expected int32 or int64"):
        replace_rows(e, e, [cast(index(), "float64")])


def test_formulas_name_the_rows(cpu: Any) -> None:
    source = target("cpu").emit(Step(index()).graph(cpu), "0" * 32).source
    assert "# E[t] <- E - " in source
    assert "# m[t] <- m + " in source
