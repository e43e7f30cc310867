"""Panels: what is in them, what stands behind them, and what is never stored."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule.compiler.ir import OPS, Node, make
from chainrule.compiler.ops import index, linear, reduce, shape
from chainrule.compiler.ops.arithmetic import maximum
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.passes import panels
from chainrule.compiler.passes.loops import Schedule, statements
from chainrule.compiler.passes.scalars import PARTS
from chainrule.compiler.passes.wholes import Core
from chainrule.compiler.types import BYTES, value

from .graphs import BATCH, only, product, scheduled, tensor


def test_a_product_that_one_loop_reads_is_never_stored() -> None:
    z = product()
    kernel, panel = only(scheduled([tanh(z)]))
    assert panel.local == (z,)
    assert not kernel.body
    assert z not in scheduled([tanh(z)]).stored


def test_a_product_that_others_read_is_stored() -> None:
    z = product()
    planned = scheduled([z, tanh(z)])
    _, panel = only(planned)
    assert not panel.local
    assert z in planned.stored


def test_reductions_of_rows_are_in_the_panel() -> None:
    _, panel = only(scheduled([make(reduce.SOFTMAX, (product(),), axes=(1,))]))
    assert {s.combine for s in statements(panel.body)} == {"", "max", "sum"}
    assert len(panel.local) == 2  # the product, and the exponentials


@pytest.mark.parametrize("combine", ["sum", "prod", "max", "min"])
def test_what_all_rows_make_is_made_in_parts(combine: str) -> None:
    z = product()
    axes = (0, 1)
    kernel, panel = only(scheduled([make(OPS[combine], (z,), axes=axes)]))
    (part,), (whole,) = statements(panel.body), statements(kernel.body)
    assert part.target.op is PARTS
    assert part.target.dtype == ("float64" if combine == "sum" else "float32")
    assert str(part.target.shape[0]) == "((batch + 31) // 32)"
    assert [load.operands[0] for load in whole.loads] == [part.target]
    assert part.combine == whole.combine == combine


def test_sums_of_columns_are_made_in_parts() -> None:
    kernel, panel = only(scheduled([reduce.sum(tanh(product()), axes=(0,))]))
    (part,), (whole,) = statements(panel.body), statements(kernel.body)
    assert (part.ready, part.local) == (whole.ready, whole.local) == (0, False)
    assert panel.local


@pytest.mark.parametrize(
    "of",
    [
        lambda z: shape.flip(z, (0,)) + z,
        lambda z: reduce.sum(z, axes=(0,)) + z,
        lambda z: make(reduce.ARGMAX, (z,), axis=0),
        lambda z: make(reduce.CUMULATIVE_SUM, (z,), axis=0),
        lambda z: make(index.ADD_AT, (z, tensor("i", BATCH, dtype="int32")), axis=0, dim=9),
    ],
    ids=["other rows", "all rows", "which row", "rows before", "scattered"],
)
def test_what_needs_other_rows_stands_behind(of: Any) -> None:
    z = product()
    planned = scheduled([of(z)])
    assert z in planned.stored
    assert all(kernel.panel is None or z not in kernel.panel.local for kernel in planned.kernels)


def gradient_and_update(rows: int, columns: int) -> Schedule:
    x, g = tensor("x", BATCH, rows), tensor("g", BATCH, columns)
    w = tensor("w", rows, columns, role="param")
    step = linear.contract(x, g, "bm", "bn", "mn")
    return scheduled([], [(w, w - 0.1 * step)])


def test_the_gradient_of_a_weight_is_never_stored() -> None:
    kernel, panel = only(gradient_and_update(784, 128))
    assert (panel.rows, panel.whole) == (56, True)
    assert isinstance(kernel.core, Core)
    assert panel.local == (kernel.core.node,)
    assert not kernel.body


def test_a_small_weight_is_one_panel() -> None:
    planned = gradient_and_update(32, 10)
    (kernel,) = planned.kernels
    assert kernel.panel is None
    assert isinstance(kernel.core, Core)
    assert kernel.local == (kernel.core.node,)
    assert not planned.stored


@pytest.mark.parametrize("rows", [100, 784, 800, 1024, 4099])
@pytest.mark.parametrize("columns", [10, 128, 1000, 4096])
def test_a_panel_has_tiles_of_rows_that_fit_in_the_cache(rows: int, columns: int) -> None:
    (kernel,) = gradient_and_update(rows, columns).kernels
    if kernel.panel is None:
        assert rows * columns * 4 <= panels.SMALL
        return
    assert kernel.panel.rows % panels.TILE == 0
    room = panels.LARGE if columns < 1024 else panels.ROOM
    assert kernel.panel.rows * columns * 4 <= room
    assert kernel.panel.whole == (rows % kernel.panel.rows == 0)


@pytest.mark.parametrize(
    ("rows", "k", "columns", "is_before"),
    [
        (BATCH, 784, 256, False),  # the other matrix stays in the cache
        (BATCH, 784, 1024, True),
        (BATCH, 256, 4096, False),  # it is not larger than the result
        (4096, 784, 1024, False),
        (100, 784, 1024, True),
    ],
)
def test_a_product_with_a_large_matrix_comes_before_panels(
    rows: Any, k: int, columns: int, is_before: bool
) -> None:
    z = linear.matmul(tensor("x", rows, k), tensor("w", k, columns))
    planned = scheduled([tanh(z)])
    kernel, panel = only(planned)
    assert panel.has_core != is_before
    assert (z in panel.local) != is_before
    assert (z in planned.stored) == is_before
    heads = ["rows of" in line for line in str(kernel).splitlines()[:2]]
    assert heads == ([False, True] if is_before else [True, False])


def test_a_few_rows_of_a_product_with_a_large_matrix_are_no_panel() -> None:
    (kernel,) = scheduled(
        [tanh(linear.matmul(tensor("x", 20, 784), tensor("w", 784, 1024)))]
    ).kernels
    assert kernel.panel is None


def test_a_row_that_is_too_long_is_stored() -> None:
    planned = scheduled([maximum(product(100_000), tensor("b", 100_000))])
    (kernel,) = planned.kernels
    assert kernel.panel is None
    assert planned.stored


@pytest.mark.parametrize(("columns", "local"), [(10_000, 1), (40_000, 0), (400_000, 0)])
def test_rows_that_have_no_room_in_a_panel_are_stored(columns: int, local: int) -> None:
    x = tensor("x", 16, columns)
    _, panel = only(scheduled([make(reduce.SOFTMAX, (x,), axes=(1,))]))
    assert len(panel.local) == local


def test_rows_in_a_panel_have_room_together() -> None:
    x, y = tensor("x", 16, 20_000), tensor("y", 16, 20_000)
    once, other = (make(reduce.SOFTMAX, (z,), axes=(1,)) for z in (x, y))
    _, panel = only(scheduled([once * make(reduce.SOFTMAX, (once + other,), axes=(1,))]))
    rows = [value(x.type.size, {}) // 16 * BYTES[x.dtype] for x in panel.local]
    assert 20_000 * 4 in rows
    assert sum(rows) <= panels.LARGE


def test_what_the_product_reads_is_updated_behind_the_panels() -> None:
    w, b = tensor("w", 100, 100, role="param"), tensor("b", 100, 300)
    step = linear.contract(w, w, "mk", "nk", "mn")
    (kernel,) = scheduled([], [(w, w - 0.1 * tanh(step))]).kernels
    inside = () if kernel.panel is None else statements(kernel.panel.body)
    assert w not in {s.target for s in inside}
    (kernel,) = scheduled([], [(w, w - 0.1 * linear.contract(b, b, "mk", "nk", "mn"))]).kernels
    assert kernel.panel is not None
    assert w in {s.target for s in statements(kernel.panel.body)}


@pytest.mark.parametrize(
    ("dims", "rows"),
    [
        ((BATCH, 10), None),
        ((BATCH, 256), 32),
        ((20, 256), None),
        ((1000, 256), 32),
        ((9, 10**5), 1),
    ],
)
def test_long_loops_go_by_panels_without_a_product(dims: tuple[Any, ...], rows: int | None) -> None:
    (kernel,) = scheduled([tanh(tensor("x", *dims))]).kernels
    assert (None if kernel.panel is None else kernel.panel.rows) == rows


def test_a_large_matrix_is_read_for_many_rows_at_once() -> None:
    assert only(gradient_and_update(1024, 1024))[1].rows == 128
    assert only(gradient_and_update(1024, 512))[1].rows == 64


def normalized(z: Node) -> Node:
    """Over all rows and places, as batch normalization does."""
    return tanh(z - reduce.sum(z, axes=(0, 1)) / 1000.0)


@pytest.mark.parametrize(("columns", "count"), [(256, 2), (8, 1)])
def test_long_loops_behind_panels_are_a_kernel_with_panels_of_its_own(
    columns: int, count: int
) -> None:
    x, w = tensor("x", BATCH, 16, 7), tensor("w", 7, columns)
    z = linear.contract(x, w, "bxk", "kf", "bxf")
    kernels = scheduled([normalized(z)]).kernels
    assert len(kernels) == count
    assert all(kernel.panel is not None for kernel in kernels)
    first = next(statements(kernels[0].body))
    assert isinstance(kernels[0].core, Core)
    assert first.combine == "sum"


def test_a_loop_that_adds_up_long_rows_goes_by_panels() -> None:
    x = tensor("x", BATCH, 100, 16)
    kernel, panel = only(scheduled([reduce.sum(x * x, axes=(0, 1))]))
    assert panel.rows == panels.LARGE // 4 // 6400
    (part,) = statements(panel.body)
    assert part.target.op is PARTS
    assert kernel.core is None
