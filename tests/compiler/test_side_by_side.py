"""Which rows lie side by side; that nothing else changes is tested where programs are run."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops import index, linear, reduce
from chainrule.compiler.ops.elementary import log, tanh
from chainrule.compiler.passes.loops import Loop, statements
from chainrule.compiler.passes.scalars import CHECKED, PLACES, scalars
from chainrule.compiler.targets.cpu import TARGET

from .graphs import BATCH, only, product, scheduled, tensor


def softmax(z: Node) -> Node:
    return make(reduce.SOFTMAX, (z,), axes=(1,))


def largest(z: Node) -> Node:
    return make(reduce.MAX, (z,), axes=(1,))


@pytest.mark.parametrize("columns", [2, 10, 16])
def test_short_rows_that_are_reduced_lie_by_columns(columns: int) -> None:
    z = product(columns)
    kernel, panel = only(scheduled([softmax(z)]))
    written = {s.target for s in kernel.statements() if s.target.type.ndim == 2}
    assert {*panel.columns} == {z, *written}


@pytest.mark.parametrize(
    "of",
    [
        lambda z: softmax(product(17)),
        lambda z: tanh(z),
        lambda z: make(reduce.ARGMAX, (largest(z),), axis=0),
        lambda z: make(reduce.PROD, (largest(z),), axes=(0,)),
        lambda z: softmax(linear.matmul(tensor("x", 16, 7), tensor("w", 7, 8))),
    ],
    ids=["wide", "not reduced", "which row", "a product of rows", "few rows"],
)
def test_others_lie_by_rows(of: Any) -> None:
    panels = (kernel.panel for kernel in scheduled([of(product(8))]).kernels)
    assert not any(panel.columns for panel in panels if panel is not None)


def test_places_are_checked_before() -> None:
    t = tensor("t", BATCH, 1, dtype="int32")
    picked = make(index.TAKE_ALONG, (log(softmax(product())), t), axis=1)
    planned = scheduled([reduce.sum(picked, axes=(0, 1))])
    _, panel = only(planned)
    first, *others = (entry for entry in panel.body if isinstance(entry, Loop))
    (check,) = statements([first])
    assert check.value.op is CHECKED
    assert check.target.op is PLACES
    assert check.target in panel.local
    assert check.target not in planned.stored
    values = [s.value for s in statements(others)]
    assert all(x.op is not CHECKED for x in scalars(values))


def test_what_others_need_is_transposed_back() -> None:
    z = product(3)
    text = TARGET.emit(scheduled([z, softmax(z)]).graph, "").source
    assert "transposed(y0[first:last], y0_columns)" in text
    assert "transposed(y1_columns, y1[first:last])" in text
    assert text.count("transposed(") == 2


def test_what_is_nowhere_in_memory_has_no_columns() -> None:
    z, t = product(3), tensor("t", BATCH, 3)
    differences = tanh(z) - t
    planned = scheduled([reduce.sum(differences, axes=(1,)), reduce.sum(differences, axes=(0,))])
    _, panel = only(planned)
    assert {*panel.columns} == {z, t}
    TARGET.emit(planned.graph, "")
