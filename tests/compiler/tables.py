"""Tables of rows that an index names, and sums at these rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compiler.ir import Node, leaf, make
from chainrule.compiler.ops.index import ADD_AT
from chainrule.compiler.types import Dim, TensorType, symbol
from chainrule.runtime.devices.base import Executable

BATCH = symbol("batch")


def tensor(name: str, *dims: Dim, dtype: str = "float64", role: Any = "input") -> Node:
    return leaf(name, TensorType(dtype, dims), role)


def index(name: str = "t", *dims: Dim, dtype: str = "int64") -> Node:
    """Positions of rows: one for each sample, or of other axes."""
    return tensor(name, *(dims or (BATCH,)), dtype=dtype)


def added(grad: Node, at: Node, rows: int) -> Node:
    """Zeros of so many rows, with `grad` added at the rows that an index names."""
    return make(ADD_AT, (grad, at), axis=0, dim=rows)


def updated(
    steps: Sequence[Executable], places: Sequence[int], shape: tuple[int, int], seed: int
) -> list[Any]:
    """One random table after each of several steps, with the same values at the same places."""
    random = np.random.default_rng(seed)
    drawn = random.normal(size=(len(places), shape[1])).astype(np.float32)
    start = random.normal(size=shape).astype(np.float32)
    tables = [start.copy() for _ in steps]
    for step, table in zip(steps, tables, strict=True):
        step.call(np.array(places, np.int64), drawn, table)
    return tables
