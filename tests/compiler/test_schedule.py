"""The schedule: loops do what the graph means, share what they may, and keep what is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chainrule.compiler.autodiff import backward
from chainrule.compiler.ir import Graph, Node, const, leaf, make
from chainrule.compiler.ops import index, linear, reduce, shape
from chainrule.compiler.ops.arithmetic import sqrt, square
from chainrule.compiler.ops.elementary import exp, tanh
from chainrule.compiler.passes import panels
from chainrule.compiler.passes.loops import Kernel, Loop, Schedule, Statement, statements
from chainrule.compiler.passes.memory import Life, Slot, check, larger, lives, plan
from chainrule.compiler.passes.scalars import in_place, scalars
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.passes.wholes import Core
from chainrule.compiler.types import TensorType, Where, mul, symbol

from .graphs import BATCH, lowered, scheduled, tensor
from .interpreter import checked

F32 = "float32"


# Meaning


@pytest.fixture
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels of two rows, or of one, also where all rows would fit in one."""
    monkeypatch.setattr(panels, "TILE", 1)
    monkeypatch.setattr(panels, "ROWS", 2)
    monkeypatch.setattr(panels, "SMALL", 32)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("seed", range(60))
def test_loops_do_what_the_graph_means(
    seed: int,
    batch: int,
    small_panels: None,
    random_graph: Callable[..., Graph],
    random_values: Callable[..., Any],
) -> None:
    graph = random_graph(seed, "float64")
    checked(lowered(graph), random_values(graph, batch), batch)


# What is fused


def top_loops(planned: Schedule) -> list[Loop]:
    return [x for kernel in planned.kernels for x in kernel.entries if isinstance(x, Loop)]


def test_softmax_is_one_loop_over_rows() -> None:
    x = tensor("x", BATCH, 10)
    planned = scheduled([make(reduce.SOFTMAX, (x,), axes=(1,))])
    (rows,) = top_loops(planned)
    assert len([entry for entry in rows.body if isinstance(entry, Loop)]) == 3


def test_loss_and_gradient_share_the_rows() -> None:
    x, w, t = tensor("x", BATCH, 30), tensor("w", 30, role="param"), tensor("t", BATCH)
    loss = make(reduce.MEAN, (square(linear.matmul(2 * x, w) - t),), axes=(0,))
    grad = backward(loss, [w], const(1, F32))[w]
    planned = scheduled([loss], [(w, w - 0.1 * grad)])
    over_rows = [loop for loop in top_loops(planned) if loop.axis.attr("dim") == BATCH]
    assert len(over_rows) == 1
    assert len(planned.kernels) == 1


def test_an_optimizer_is_one_pass_over_a_parameter() -> None:
    p, m, v = (tensor(name, 5, 16, role="param") for name in "pmv")
    g = tensor("g", 5, 16)
    new_m, new_v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * square(g)
    updates = [(p, p - new_m / (sqrt(new_v) + 1e-7)), (m, new_m), (v, new_v)]
    planned = scheduled([], updates)
    assert len(top_loops(planned)) == 1
    assert not planned.stored


def test_a_chain_is_never_stored() -> None:
    x = tensor("x", BATCH, 4)
    planned = scheduled([reduce.sum(tanh(exp(x) + 1), axes=(0, 1))])
    assert list(planned.stored) == list(planned.outputs)


def test_an_expensive_value_that_two_products_need_is_computed_once() -> None:
    x, w = tensor("x", BATCH, 4), tensor("w", 4, 3)
    h = tanh(x)
    planned = scheduled([linear.matmul(h, w), reduce.sum(square(h), axes=(0,)), h * 2])
    values = [s.value for kernel in planned.kernels for s in kernel.statements()]
    assert sum(node.op.name == "tanh" for node in scalars(values)) == 1


def test_what_many_terms_are_added_to_is_stored_on_the_way() -> None:
    w, b = tensor("w", 4, 4), tensor("b", 4)
    total, outputs = tensor("x", BATCH, 4), []
    for i in range(8):
        total = total + linear.matmul(tensor(f"x{i}", BATCH, 4), w)
        outputs.append(linear.matmul(tanh(total * b), w))
    planned = scheduled(outputs)
    read = [len(s.loads) for kernel in planned.kernels for s in kernel.statements()]
    assert max(read) <= 4


def test_what_does_not_change_along_an_inner_axis_is_stored_or_hoisted() -> None:
    x, b = tensor("x", BATCH, 4), tensor("b", 4)
    planned = scheduled([x * exp(b)])
    loops = [s for kernel in planned.kernels for s in kernel.statements() if len(s.domain) == 2]
    assert all(node.op.name != "exp" for s in loops for node in scalars([s.value]))


def test_what_every_row_needs_is_stored_and_not_what_it_makes_cheap() -> None:
    """A mean over the batch is one number a column; what is normalized by it is a full array."""
    x = tensor("x", symbol("batch"), 5)
    mean = reduce.sum(x, axes=(0,)) / 7.0
    normalized = (x - mean) / sqrt(reduce.sum(square(x - mean), axes=(0,)))
    planned = scheduled([tanh(normalized), reduce.sum(normalized * normalized, axes=(0,))])
    decided = {(found.node.op.name, found.node.shape): found for found in planned.decisions}
    assert decided["divide", (5,)].stored
    assert not decided["divide", x.shape].stored


def test_two_axes_of_ten_become_one() -> None:
    p, g = tensor("p", 8, 10, role="param"), tensor("g", 8, 10)
    (loop,) = top_loops(scheduled([], [(p, p - 0.1 * g)]))
    assert loop.axis.attr("dim") == 80
    q, h = tensor("q", 8, 32, role="param"), tensor("h", 8, 32)
    (loop,) = top_loops(scheduled([], [(q, q - 0.1 * h)]))
    assert loop.axis.attr("dim") == 8


# Contractions


@pytest.mark.parametrize(
    ("left", "right", "out", "kind"),
    [
        ("mk", "kn", "mn", "gemm"),
        ("km", "kn", "mn", "gemm"),
        ("mk", "nk", "nm", "gemm"),
        ("bmk", "bkn", "bmn", "gemm"),
        ("mbk", "bkn", "bnm", "gemm"),
        ("akcd", "ckde", "ae", "gemm"),
        ("mk", "k", "m", "gemm"),
        ("k", "kn", "n", "gemm"),
        ("k", "km", "m", "gemm"),
        ("k", "k", "", None),
        ("m", "n", "mn", None),
        ("m", "m", "m", None),
    ],
)
def test_matrix_products_are_found(left: str, right: str, out: str, kind: str | None) -> None:
    a, b = (
        tensor(n, *(2 + "abcdekmn".index(x) for x in s)) for n, s in (("a", left), ("b", right))
    )
    planned = scheduled([linear.contract(a, b, left, right, out)])
    found = [kernel.core.kind for kernel in planned.kernels if isinstance(kernel.core, Core)]
    assert found == ([kind] if kind else [])


def test_what_is_computed_is_multiplied_by_one_column_where_it_is_computed() -> None:
    x, w = tensor("x", BATCH, 30), tensor("w", 30)
    (kernel,) = scheduled([linear.matmul(tanh(x), w)]).kernels
    assert kernel.core is None


def test_integers_are_multiplied_in_loops() -> None:
    a, b = tensor("a", 3, 4, dtype="int64"), tensor("b", 4, 5, dtype="int64")
    assert all(k.core is None for k in scheduled([linear.matmul(a, b)]).kernels)


# Updates in place


def in_order(planned: Schedule) -> list[Node]:
    """The targets that are updated in place, in the order of kernels."""
    found = [s.target for kernel in planned.kernels for s in kernel.statements()]
    return [x for x in found if in_place(x)]


def test_a_parameter_is_updated_behind_its_last_use() -> None:
    x, w, v = (
        tensor("x", BATCH, 4),
        tensor("w", 4, 4, role="param"),
        tensor("v", 4, 4, role="param"),
    )
    planned = scheduled([linear.matmul(tanh(linear.matmul(x, v)), w)], [(w, w * 2), (v, v + w)])
    written: set[Node] = set()
    for kernel in planned.kernels:
        if kernel.core is not None:
            assert not set(kernel.core.operands) & written
        written |= {x for x in kernel.writes() if in_place(x)}
    assert set(in_order(planned)) == {w, v}


def test_updates_that_need_each_others_old_values_share_a_loop() -> None:
    p, q = (tensor(name, 3, role="param") for name in "pq")
    planned = scheduled([], [(p, q), (q, p)])
    (loop,) = top_loops(planned)
    assert {s.target for s in statements([loop])} == {p, q}


def test_a_transposed_update_is_written_aside_first() -> None:
    p = tensor("p", 3, 3, role="param")
    planned = scheduled([], [(p, shape.transpose(p, (1, 0)) + 1)])
    assert len(planned.stored) == 1
    assert [s.target for k in planned.kernels for s in k.statements()] == [planned.stored[0], p]


# Bounds and faults


def test_slices_and_extremes_bound_symbolic_sizes() -> None:
    x = tensor("x", BATCH, 4)
    planned = scheduled([shape.slice_(x, (1, 0), (BATCH, 4), (1, 1)), reduce.max(x, axes=(0,))])
    assert [(str(bound.size), bound.what) for bound in planned.bounds] == [
        ("batch - 1", "axis 0 is shorter than what is taken from it")
    ]


def test_each_place_that_checks_an_index_has_a_fault() -> None:
    x, i = tensor("x", 5, 4), tensor("i", BATCH, dtype="int64")
    taken = make(index.TAKE, (x, i), Where("net.py", 1), axis=0)
    added = make(index.ADD_AT, (taken, i), Where("net.py", 2), axis=0, dim=5)
    faults = scheduled([taken, added]).faults
    assert sorted(fault.where.line for fault in faults if fault.where is not None) == [1, 2]


# Memory


def node(*dims: Any, dtype: str = F32) -> Node:
    return leaf("t", TensorType(dtype, dims), "placeholder")


def copies(*pairs: tuple[Node, Node]) -> list[Kernel]:
    """Kernels that each read one tensor and write another."""
    from chainrule.compiler.passes.pull import positions_of
    from chainrule.compiler.passes.scalars import load

    found = []
    for source, target in pairs:
        domain, at = positions_of(target.shape)
        read = load(source, at, source.shape)
        found.append(Kernel(None, (Statement(target, target, domain, at, read, len(domain)),)))
    return found


def test_a_buffer_is_used_again_when_its_tensor_is_dead() -> None:
    a, b, c, d = (node(4) for _ in range(4))
    kernels = copies((a, b), (b, c), (c, d))
    slots = plan(kernels, [b, c, d])
    assert sorted(len(slot.tensors) for slot in slots) == [1, 2]
    assert not any({b, c} <= set(slot.tensors) for slot in slots)


def test_buffers_grow_only_to_sizes_that_are_known_to_be_larger() -> None:
    a, b, c, d = node(4), node(BATCH, 2), node(7), node(mul(3, BATCH))
    kernels = copies((a, a), (b, b), (c, c), (d, d))
    slots = plan(kernels, [a, b, c, d])
    assert {slot.size for slot in slots} == {7, mul(3, BATCH)}


def test_dtypes_have_buffers_of_their_own() -> None:
    a, b = node(4), node(4, dtype="float64")
    assert len(plan(copies((a, a), (b, b)), [a, b])) == 2


def test_larger() -> None:
    assert larger(3, 5) == 5
    assert larger(mul(2, BATCH), BATCH) == mul(2, BATCH)
    assert larger(BATCH, 5) is None


def test_the_check_finds_tensors_that_meet() -> None:
    a, b = node(4), node(4)
    slot = Slot(F32, 4, (a, b))
    check([slot], {a: Life(0, 1), b: Life(2, 3)})
    with pytest.raises(AssertionError):
        check([slot], {a: Life(0, 2), b: Life(2, 3)})


@pytest.mark.parametrize("seed", range(20))
def test_no_two_live_tensors_share_memory(seed: int, random_graph: Callable[..., Graph]) -> None:
    planned = schedule(lowered(random_graph(seed, F32)))
    kept = [x for x in planned.stored if x not in planned.outputs]
    alive = lives(planned.kernels, kept)
    for slot in plan(planned.kernels, kept):
        for place in range(len(planned.kernels)):
            needed = [x for x in slot.tensors if alive[x].first <= place <= alive[x].last]
            assert len(needed) <= 1


def test_a_schedule_prints() -> None:
    x = tensor("x", BATCH, 4)
    text = str(scheduled([reduce.sum(tanh(x), axes=(1,))]))
    assert "for i < batch:\n" in text
    assert "sum= tanh(x[i, j])" in text
