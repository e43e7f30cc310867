"""Which rows of tables loops say that they will read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.ir import Node, leaf, make
from chainrule.compiler.ops.index import TAKE
from chainrule.compiler.ops.reduce import sum
from chainrule.compiler.targets import target
from chainrule.compiler.targets.cpu import ahead
from chainrule.compiler.types import Dim, TensorType, symbol

BATCH = symbol("batch")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of these tests are large."""
    monkeypatch.setattr(ahead, "LARGE", 1)


def rows(*dims: Dim, table: tuple[Dim, ...] = (23, 5), dtype: str = "int32") -> Node:
    e = leaf("E", TensorType("float32", table), "input")
    return make(TAKE, (e, leaf("t", TensorType(dtype, dims), "input")), axis=0)


SAID: dict[str, Callable[[], tuple[Node, str]]] = {
    "places": lambda: (rows(BATCH), "min(i + 32, batch - 1)"),
    "of int64": lambda: (rows(BATCH, dtype="int64"), "min(i + 32, batch - 1)"),
    "a matrix of them": lambda: (rows(BATCH, 7), "min(7 * i + j + 32, 7 * batch - 1)"),
    "as many as the batch": lambda: (rows(3, BATCH), "min(batch * i + j + 32, 3 * batch - 1)"),
    "three axes": lambda: (rows(BATCH, 4, 7), "min(7 * (4 * i + j) + k + 32, 28 * batch - 1)"),
    "added up": lambda: (
        sum(rows(BATCH, 7), axes=(1,)),
        "min(7 * i + j + 32, 7 * batch - 1)",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said(cpu: Any, name: str, random_values: Callable[..., Any]) -> None:
    node, text = SAID[name]()
    graph = cpu.graph_of([("y", node)])
    source = target("cpu").emit(graph, "0" * 32).source
    assert text in source
    assert source.count("    prefetch(E, later)") == 1
    cpu.agree(graph, random_values, [0, 1, 3, 100], below=23)


NOTHING: dict[str, Callable[[], Node]] = {
    "a table of numbers": lambda: rows(BATCH, table=(23,)),
    "rows of one element": lambda: rows(BATCH, table=(23, 1)),
    "a table that grows": lambda: rows(3, table=(BATCH, 5)),
    "one place": lambda: rows(1),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_said(cpu: Any, name: str) -> None:
    source = target("cpu").emit(cpu.graph_of([("y", NOTHING[name]())]), "0" * 32).source
    assert "prefetch" not in source


def test_small_tables_are_in_the_cache(cpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "LARGE", np.iinfo(np.int64).max)
    source = target("cpu").emit(cpu.graph_of([("y", rows(BATCH))]), "0" * 32).source
    assert "prefetch" not in source
