"""Chains: what is in one loop over a few rows, what stands before and behind it, and when."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.autodiff import backward
from chainrule.compiler.ir import Graph, Node, const, make
from chainrule.compiler.ops import linear, reduce
from chainrule.compiler.ops.arithmetic import square
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.passes import chains
from chainrule.compiler.passes.loops import Kernel, Panel, Schedule
from chainrule.compiler.passes.scalars import PARTS
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.passes.wholes import Core
from chainrule.compiler.types import value

from .graphs import BATCH, graph_of, tensor
from .interpreter import checked


def training(*widths: int, rows: Any = BATCH, both: bool = False, dtype: str = "float32") -> Graph:
    """A step of a network; of two inputs with the same weights, if that is wanted."""
    pairs = list(pairwise(widths))
    weights = [tensor(f"w{i}", m, n, role="param", dtype=dtype) for i, (m, n) in enumerate(pairs)]
    total = const(0, dtype)
    for name in ("x", "v") if both else ("x",):
        h = tensor(name, rows, widths[0], dtype=dtype)
        for w in weights:
            h = tanh(linear.matmul(h, w))
        total = total + make(reduce.SUM, (square(h),), axes=(0, 1))
    grads = backward(total, weights, const(1, dtype))
    return graph_of([total], [(w, w - 0.1 * grads[w]) for w in weights])


DEEP = (24, *(64,) * 7, 9)


def chain(planned: Schedule) -> tuple[Kernel, Panel]:
    """The kernel that is a chain."""
    (found,) = (kernel for kernel in planned.kernels if len(kernel.wholes) > 1)
    assert found.core is None
    assert found.panel is not None
    return found, found.panel


def is_chain(planned: Schedule) -> bool:
    return any(len(kernel.wholes) > 1 for kernel in planned.kernels)


def test_a_network_is_one_loop_forwards_and_backwards() -> None:
    graph = training(*DEEP)
    planned = schedule(graph)
    kernel, panel = chain(planned)
    products = [x for x in kernel.wholes if isinstance(x, Core) and not x.left_transposed]
    sums = [x for x in kernel.wholes if isinstance(x, Core) and x.left_transposed]
    assert (len(products), len(sums)) == (8 + 7, 8)
    assert (panel.dim, panel.rows, panel.shares) == (BATCH, 64, ())
    assert {x.node for x in products} <= {*panel.local}
    assert all(x.node.op is PARTS for x in sums)
    assert not any(BATCH in x.shape for x in planned.stored)
    updated = {s.target for x in planned.kernels if x is not kernel for s in x.statements()}
    assert updated >= {*graph.params}


def test_rows_of_several_axes_are_as_many_rows_of_a_product() -> None:
    x, bias = tensor("x", BATCH, 3, 8), tensor("bias", 64)
    h = x
    for n, width in enumerate((64, 64, 64, 64, 64, 5)):
        h = linear.contract(h, tensor(f"w{n}", h.shape[-1], width), "abc", "cd", "abd")
        h = tanh(h + bias) if width == 64 else h
    planned = schedule(graph_of([make(reduce.SUM, (h,), axes=(1, 2))]))
    _, panel = chain(planned)
    assert panel.dim == BATCH
    assert all(x.shape[1] == 3 for x in panel.local if x.type.ndim == 3)


def test_gradients_of_one_weight_have_one_part_together() -> None:
    planned = schedule(training(*DEEP, both=True))
    kernel, panel = chain(planned)
    assert len(panel.shares) == 2 * 8
    parts = [s for s in kernel.statements() if s.target.op is PARTS and not s.combine]
    assert len(parts) == 8
    assert all(s.value.op.name == "add" for s in parts)


def test_what_needs_no_rows_comes_first_and_what_needs_all_last() -> None:
    graph = training(*DEEP)
    (total,) = graph.roots[:1]
    before, bias = tensor("before", 64, 64), tensor("bias", 64, 64)
    (w, new), *rest = ((old, new) for old, new in graph.updates)
    more = graph_of([total, linear.matmul(before, bias)], [(w, new * total), *rest])
    planned = schedule(more)
    place = planned.kernels.index(chain(planned)[0])
    first = [x.core.node.shape for x in planned.kernels[:place] if x.core is not None]
    assert first == [(64, 64)]
    assert any(w in x.writes() for x in planned.kernels[place + 1 :])


@pytest.mark.parametrize(
    "graph",
    [
        training(64, 64, 64, 64, 8),
        training(24, *(72,) * 7, 9),
        training(24, *(64,) * 30, 9),
        training(*DEEP, rows=64),
    ],
    ids=["a cache has room", "a part is too large", "matrices are too many", "few rows"],
)
def test_others_are_kernels_of_their_own(graph: Graph) -> None:
    assert not is_chain(schedule(graph))


def test_a_batch_of_known_size_has_panels_that_are_alike() -> None:
    _, panel = chain(schedule(training(*DEEP, rows=280)))
    assert (panel.rows, panel.whole) == (56, True)


# Meaning


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains of one product and more, of two rows at a time."""
    for name, given in {"FEWEST": 1, "WORTH": 0, "ROWS": 2, "TILE": 1}.items():
        monkeypatch.setattr(chains, name, given)


def network(seed: int) -> Graph:
    """A step of a random network: rows that go through products, functions and each other."""
    choose = Random(seed)
    x = tensor("x", BATCH, choose.choice((2, 5)), dtype="float64")
    rows, weights = [x], list[Node]()
    for number in range(choose.randint(3, 9)):
        h = choose.choice(rows[-3:])
        kind = choose.choice(("product", "product", "function", "softmax", "kept", "both"))
        others = [y for y in rows if y.shape == h.shape and y is not h]
        if kind == "product" or number == 0:
            shape = (h.shape[1], choose.choice((2, 3, 5)))
            alike = [w for w in weights if w.shape == shape]
            if not alike or choose.random() < 0.7:
                alike = [tensor(f"w{number}", *shape, role="param", dtype="float64")]
                weights += alike
            h = linear.matmul(h, alike[0])
        elif kind == "softmax":
            h = make(reduce.SOFTMAX, (h,), axes=(1,))
        elif kind == "kept":
            h = h * reduce.kept(reduce.sum(h, axes=(1,)), h, (1,))
        elif kind == "both" and others:
            h = choose.choice((h + others[0], h * others[0]))
        else:
            h = tanh(h)
        rows.append(h)
    last = tensor("last", rows[-1].shape[1], 3, role="param", dtype="float64")
    weights.append(last)
    tops = [linear.matmul(rows[-1], last), choose.choice(rows[1:])]
    loss = const(0, "float64")
    for top in tops:
        loss = loss + make(reduce.MEAN, (square(tanh(top)),), axes=(0, 1))
    grads = backward(loss, [*weights, x], const(1, "float64"))
    outputs = [loss, *(tops if choose.random() < 0.5 else []), grads.get(x, x)]
    return graph_of(outputs, [(w, w - 0.1 * grads[w]) for w in weights if w in grads])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("seed", range(40))
def test_chains_do_what_the_graph_means(
    seed: int, batch: int, always: None, random_values: Callable[..., Any]
) -> None:
    graph = network(seed)
    planned = checked(graph, random_values(graph, batch), batch)
    assert any(kernel.core is None and kernel.wholes for kernel in planned.kernels)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("both", [False, True])
def test_a_step_does_what_the_graph_means(batch: int, both: bool, always: None) -> None:
    graph = training(2, 3, 4, 2, both=both, dtype="float64")
    random = np.random.default_rng(batch)
    values = {
        x: random.normal(size=[value(dim, {"batch": batch}) for dim in x.shape])
        for x in graph.leaves
    }
    assert is_chain(checked(graph, values, batch))
