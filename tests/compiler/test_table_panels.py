"""Sums at rows of large tables, a panel of rows after the other: whatever is done with them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from chainrule.compiler.errors import IndexOutOfRange
from chainrule.compiler.ir import Graph, Node, make
from chainrule.compiler.ops.arithmetic import sqrt, square
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.ops.index import TAKE
from chainrule.compiler.ops.linear import matmul
from chainrule.compiler.ops.reduce import sum
from chainrule.compiler.passes import table_panels
from chainrule.compiler.targets import target
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable

from .tables import BATCH, added, index, tensor, updated

ROWS, WIDTH = 23, 5
Outputs = Callable[["Step"], list[tuple[str, Node]]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of these tests are large, and panels have a few rows."""
    monkeypatch.setattr(table_panels, "LARGE", 1)
    monkeypatch.setattr(table_panels, "PANEL", 4 * 8 * WIDTH)


class Step:
    """A table with a state, and what is added up at the rows that an index names."""

    def __init__(self, index: Node, width: tuple[int, ...] = (WIDTH,), dtype: str = "float64"):
        self.table = tensor("E", ROWS, *width, dtype=dtype, role="param")
        self.state = tensor("m", ROWS, *width, dtype=dtype, role="state")
        self.index = index
        self.total = added(tensor("g", *index.shape, *width, dtype=dtype) * 2, index, ROWS)

    def updates(self) -> Iterator[tuple[Node, Node]]:
        state = self.state + 0.5 * (square(self.total) - self.state)
        yield self.table, self.table - 0.1 * self.total / (sqrt(square(state) + 1) + 1e-3)
        yield self.state, state

    def graph(self, cpu: Any, *outputs: tuple[str, Node]) -> Graph:
        """The step; an output reads the table before it is updated."""
        taken = ("y", make(TAKE, (self.table, self.index), axis=0))
        found: Graph = cpu.graph_of([taken, *outputs], list(self.updates()))
        return found


CASES: dict[str, Callable[[], Step]] = {
    "one index": lambda: Step(index()),
    "of int32": lambda: Step(index(dtype="int32")),
    "a matrix of positions": lambda: Step(index("t", BATCH, 3)),
    "a matrix of known size": lambda: Step(index("t", 4, 3)),
    "one position": lambda: Step(index("t", 1)),
    "no axes": lambda: Step(tensor("t", dtype="int64")),
    "rows that are numbers": lambda: Step(index(), width=()),
    "rows of size 1": lambda: Step(index(), width=(1,)),
    "rows that are matrices": lambda: Step(index(), width=(2, 3)),
    "rows as large as a panel": lambda: Step(index(), width=(41,)),
    "float32": lambda: Step(index(), dtype="float32"),
}


@pytest.mark.parametrize("name", CASES)
def test_as_it_is_meant(cpu: Any, name: str, random_values: Callable[..., Any]) -> None:
    graph = CASES[name]().graph(cpu)
    tolerance = 1e-5 if name == "float32" else 1e-12
    cpu.agree(graph, random_values, [0, 1, 3, 40], tolerance, below=ROWS)


@pytest.mark.parametrize("name", CASES)
def test_no_sum_is_stored(cpu: Any, name: str) -> None:
    """A step has room for the places and the panels' beginnings, and for a panel of the sum."""
    program = target("cpu").emit(CASES[name]().graph(cpu), "0" * 32)
    assert "rows_by_panel(" in program.source
    scratch = [buffer.type.dtype for buffer in program.buffers if buffer.role == "scratch"]
    assert set(scratch) == {"int64"}


def other_uses() -> Iterator[tuple[str, Outputs]]:
    yield "a sum that is an output", lambda step: [("g", step.total)]
    yield "a norm", lambda step: [("n", sum(square(step.total), axes=(0, 1)))]
    yield "sums of rows", lambda step: [("n", sum(step.total, axes=(1,)))]
    yield "sums of columns", lambda step: [("n", sum(step.total, axes=(0,)))]
    yield "a product", lambda step: [("p", matmul(step.total, tensor("W", WIDTH, 2)))]
    yield "a function", lambda step: [("f", tanh(step.total))]
    yield "rows of it", lambda step: [("r", make(TAKE, (step.total, index("u", 3)), axis=0))]


@pytest.mark.parametrize(("name", "outputs"), list(other_uses()), ids=lambda x: str(x)[:30])
def test_a_sum_that_is_needed_elsewhere(
    cpu: Any, name: str, outputs: Outputs, random_values: Callable[..., Any]
) -> None:
    step = Step(index())
    graph = step.graph(cpu, *outputs(step))
    cpu.agree(graph, random_values, [0, 1, 7], 1e-12, below=ROWS)


def test_an_index_that_is_computed(cpu: Any, random_values: Callable[..., Any]) -> None:
    other = make(TAKE, (index("u", 9), index()), axis=0)
    cpu.agree(Step(other).graph(cpu), random_values, [1, 9], 1e-12)


def test_two_tables_by_one_index(cpu: Any, random_values: Callable[..., Any]) -> None:
    """Panels of other numbers of rows have places of their own."""
    t, updates = index(), []
    for name, rows, width in (("E", ROWS, 3), ("F", ROWS, 3), ("G", ROWS, 2), ("H", 7, 2)):
        table = tensor(name, rows, width, role="param")
        updates.append((table, table - added(tensor(f"g{name}", BATCH, width), t, rows)))
    graph = cpu.graph_of([], updates)
    cpu.agree(graph, random_values, [1, 9], 1e-12, below=7)
    source = target("cpu").emit(graph, "0" * 32).source
    assert source.count("    rows_by_panel(") == 3


def test_sums_at_two_indices(cpu: Any, random_values: Callable[..., Any]) -> None:
    table = tensor("E", ROWS, WIDTH, role="param")
    g, h = tensor("g", BATCH, WIDTH), tensor("h", BATCH, 2, WIDTH)
    new = table - added(g, index(), ROWS) - added(h, index("u", BATCH, 2), ROWS)
    cpu.agree(cpu.graph_of([], [(table, new)]), random_values, [0, 1, 9], 1e-12, below=ROWS)


def test_what_is_added_is_made_of_the_table(cpu: Any, random_values: Callable[..., Any]) -> None:
    """Its rows are read everywhere, so that none is updated before all are read."""
    table, t = tensor("E", ROWS, WIDTH, role="param"), index()
    total = added(square(make(TAKE, (table, index("u")), axis=0)), t, ROWS)
    cpu.agree(
        cpu.graph_of([], [(table, table - total)]), random_values, [0, 1, 30], 1e-12, below=ROWS
    )


def test_a_place_that_is_not_there(cpu: Any, random_values: Callable[..., Any]) -> None:
    graph = Step(index()).graph(cpu)
    values = random_values(graph, 3)
    at = next(x for x in values if x.attr("name") == "t")
    values[at] = np.array([0, ROWS, 2])
    with pytest.raises(IndexOutOfRange, match=f"axis of size {ROWS}"):
        cpu.step(load(target("cpu").emit(graph, "0" * 32)), graph, values)


@functools.cache
def large_and_small() -> list[Executable]:
    """An update against sums at rows, in panels and all at once."""
    t, g = index(), tensor("g", BATCH, WIDTH, dtype="float32")
    e = tensor("E", ROWS, WIDTH, dtype="float32", role="param")
    graph = Graph("g", (t, g), (e,), (), (), ((e, e - added(g, t, ROWS)),))
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for large in (1, 1 << 20):
            patch.setattr(table_panels, "LARGE", large)
            found.append(load(target("cpu").emit(graph, f"{large:032}")))
    return found


@settings(deadline=None, max_examples=50)
@given(places=st.lists(st.integers(0, ROWS - 1), max_size=40), seed=st.integers(0, 1000))
def test_sums_are_taken_in_the_order_of_the_places(places: list[int], seed: int) -> None:
    """Bit for bit what a sum over all places at once is."""
    first, second = updated(large_and_small(), places, (ROWS, WIDTH), seed)
    np.testing.assert_array_equal(first, second)
