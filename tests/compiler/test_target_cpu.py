"""Target cpu, compiled and run: random graphs, updates, epochs, wrong indices; and its text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.autodiff import backward
from chainrule.compiler.errors import IndexOutOfRange
from chainrule.compiler.ir import OPS, Graph, Node, const, evaluate, leaf, make
from chainrule.compiler.ops import convert, linear, reduce, shape
from chainrule.compiler.ops.arithmetic import sqrt, square
from chainrule.compiler.ops.elementary import exp, tanh
from chainrule.compiler.program import Program
from chainrule.compiler.types import TensorType, mul, symbol
from chainrule.runtime.devices import load

BATCH = symbol("batch")


def tensor(name: str, dtype: str, *dims: Any, role: Any = "input") -> Node:
    return leaf(name, TensorType(dtype, dims), role)


# Random graphs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(100, 104))
def test_random_graphs(
    cpu: Any,
    seed: int,
    dtype: str,
    random_graph: Callable[..., Graph],
    random_values: Callable[..., Any],
) -> None:
    graph = random_graph(seed, dtype)
    cpu.agree(graph, random_values, [1, 2, 5], 1e-3 if dtype == "float32" else 1e-9)


# Updates


def exchanges() -> Iterable[tuple[str, list[tuple[Node, Node]]]]:
    """Updates that need old values after others have been made."""

    def p(name: str, *dims: int) -> Node:
        return tensor(name, "float64", *dims, role="param")

    a, b, c = p("a", 3), p("b", 3), p("c", 3)
    yield "swap", [(a, b), (b, a)]
    yield "ring", [(a, b + c), (b, c + a), (c, a * b)]
    yield "same", [(a, a * 2), (b, a * 2)]
    yield "self", [(a, a), (b, a + 1)]
    yield "flipped", [(a, shape.flip(b, (0,))), (b, c), (c, a)]
    m, n = p("m", 4, 4), p("n", 4, 4)
    turned = shape.transpose(n, (1, 0))
    yield "transposed", [(m, shape.transpose(m, (1, 0))), (n, m)]
    yield "crossed", [(m, m + turned), (n, m - n)]
    yield "product", [(m, linear.matmul(m, n)), (n, n + exp(m) * 2)]
    r = p("r", 4)
    yield "rows", [(m, m - shape.reshape(r, (4, 1))), (r, r + reduce.sum(m, axes=(0,)))]
    w = tanh(a * b)
    yield "expensive", [(a, w + a), (b, w * b), (c, exp(w))]
    length = sqrt(reduce.sum(square(m), axes=(0, 1)) + reduce.sum(square(r), axes=(0,)))
    yield "clipped", [(m, m / length), (r, r / length)]


@pytest.mark.parametrize(
    ("name", "updates"), list(exchanges()), ids=[name for name, _ in exchanges()]
)
def test_updates_read_old_values(
    cpu: Any, name: str, updates: list[tuple[Node, Node]], random_values: Callable[..., Any]
) -> None:
    before = [(f"old_{i}", old * 1) for i, (old, _) in enumerate(updates)]
    cpu.agree(cpu.graph_of(before, updates), random_values, [1])


# Indices out of range


def test_an_index_out_of_range_is_an_error_and_touches_nothing_else(cpu: Any) -> None:
    x, i = tensor("x", "float32", 4, 2), tensor("i", "int64", BATCH)
    graph = cpu.graph_of([("y", make(OPS["take"], (x, i), axis=0))])
    executable = load(cpu.emit(graph))
    values = np.ones((4, 2), np.float32)
    for wrong in (4, -1, 2**40, -(2**63)):
        with pytest.raises(IndexOutOfRange, match=r"position .* on an axis of size 4") as raised:
            executable.call(values, np.array([0, wrong, 1]))
        assert len(str(raised.value).splitlines()) == 3
    (fine,) = executable.call(values, np.array([0, 3]))
    assert fine.shape == (2, 2)


def test_a_scatter_out_of_range_is_an_error(cpu: Any) -> None:
    g, i = tensor("g", "float32", BATCH), tensor("i", "int64", BATCH)
    graph = cpu.graph_of([("y", make(OPS["add_at"], (g, i), axis=0, dim=3))])
    executable = load(cpu.emit(graph))
    with pytest.raises(IndexOutOfRange, match="position 3 on an axis of size 3"):
        executable.call(np.ones(2, np.float32), np.array([1, 3]))
    (y,) = executable.call(np.ones(3, np.float32), np.array([1, 1, 0]))
    assert y.tolist() == [1, 2, 0]


# Epochs


def classifier(dtype: str = "float64") -> Graph:
    """A network of one hidden layer that is trained by momentum."""
    x, t = tensor("x", dtype, BATCH, 3), tensor("t", "int32", BATCH)
    rate = tensor("rate", "float64", role="setting")
    params = [
        tensor(n, dtype, *dims, role="param")
        for n, dims in (("W1", (3, 4)), ("b1", (4,)), ("W2", (4, 5)))
    ]
    steps = tensor("steps", "int64", role="state")
    h = tanh(linear.matmul(x, params[0]) + params[1])
    scores = make(OPS["log_softmax"], (linear.matmul(h, params[2]),), axes=(1,))
    column = shape.reshape(t, (BATCH, 1))
    chosen = shape.reshape(make(OPS["take_along_axis"], (scores, column), axis=1), (BATCH,))
    loss = -make(OPS["mean"], (chosen,), axes=(0,))
    hits = convert.cast(make(OPS["argmax"], (scores,), axis=1), "int32")
    accuracy = make(OPS["mean"], (convert.cast(OPS["equal"](hits, t), dtype),), axes=(0,))
    grads = backward(loss, params, const(1, dtype))
    speeds = [tensor(f"v_{p.attr('name')}", dtype, *p.shape, role="state") for p in params]
    updates: list[tuple[Node, Node]] = [(steps, steps + 1)]
    for p, v in zip(params, speeds, strict=True):
        faster = 0.9 * v - convert.cast(rate, dtype) * grads[p]
        updates += [(v, faster), (p, p + faster)]
    return Graph(
        "classifier",
        (x, t, rate),
        tuple(params),
        (steps, *speeds),
        (("loss", loss), ("accuracy", accuracy), ("hidden", h)),
        tuple(updates),
        {h: "h1", loss: "L"},
    )


def test_an_epoch_is_its_steps(cpu: Any, random_values: Callable[..., Any]) -> None:
    graph = classifier()
    executable = load(cpu.emit(graph))
    values = random_values(graph, 11)
    arrays = cpu.given(executable, graph, values)
    order = np.random.default_rng(1).permutation(11)
    totals = np.zeros(2)
    assert executable.epoch(0, 1, 4, order, arrays, totals) == 1
    assert executable.epoch(1, 3, 4, order, arrays, totals) == 2
    want = np.zeros(2)
    x, t, _ = graph.inputs
    for rows_ in (order[:4], order[4:8], order[8:]):
        batch = {**values, x: values[x][rows_], t: values[t][rows_]}
        found = evaluate(graph.roots, batch)
        want += len(rows_) * np.array(found[:2], np.float64)
        values.update(zip((old for old, _ in graph.updates), found[3:], strict=True))
    np.testing.assert_allclose(totals, want, rtol=1e-12)
    for leaf_ in (*graph.params, *graph.state):
        np.testing.assert_allclose(
            arrays[leaf_.attr("name")], values[leaf_], rtol=1e-11, atol=1e-13
        )


def test_an_epoch_stops_at_a_loss_that_is_not_finite(
    cpu: Any, random_values: Callable[..., Any]
) -> None:
    graph = classifier()
    executable = load(cpu.emit(graph))
    values = random_values(graph, 8)
    values[graph.inputs[0]][5] = np.nan
    arrays = cpu.given(executable, graph, values)
    totals = np.zeros(2)
    assert executable.epoch(0, 4, 2, np.arange(8), arrays, totals) == 2
    assert np.isfinite(totals).all()


def test_a_program_without_a_batch_has_no_epoch(cpu: Any) -> None:
    program = cpu.emit(cpu.graph_of([("y", tanh(tensor("x", "float32", 3)))]))
    assert program.batch is None
    assert "def epoch" not in program.source


# Text


def test_names_cannot_break_out(cpu: Any) -> None:
    hostile = ["lambda", "x); import os", "__class__", "step", "f32", "i", "range", "fault", "ok"]
    inputs = [tensor(name, "float32", BATCH, 2) for name in hostile]
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    graph = Graph("g", tuple(inputs), (), (), (("exp", total),), (), {total: "a b\nimport os"})
    program = cpu.emit(graph)
    body = ast.parse(program.source).body
    imports = [
        found
        for found in ast.walk(ast.parse(program.source))
        if isinstance(found, ast.Import | ast.ImportFrom)
    ]
    assert len(imports) == 1
    assert all(isinstance(part, ast.Expr | ast.ImportFrom | ast.FunctionDef) for part in body)
    (y,) = load(program).call(*(np.full((1, 2), i, np.float32) for i in range(len(hostile))))
    assert y.tolist() == [[36, 36]]


def test_the_text_has_the_models_names_and_formulas(cpu: Any) -> None:
    source = cpu.emit(classifier()).source
    assert "h1 = tanh(x W1 + b1)" in source
    assert "W1 <- W1 + v_W1" in source
    assert "tanh(x_W1[i - first, j] + b1[j])" in source
    code = [line for line in source.split('"""')[2].splitlines() if not line.startswith("#")]
    assert max(map(len, code)) <= 100, max(code, key=len)


def test_constants_have_the_dtype_of_their_expression(cpu: Any) -> None:
    module = ast.parse(cpu.emit(classifier("float32")).source)
    typed = {
        id(argument)
        for call in ast.walk(module)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("f32", "f64")
        for argument in ast.walk(call)
    }
    floats = [x for x in ast.walk(module) if isinstance(x, ast.Constant) and type(x.value) is float]
    assert floats
    assert all(id(x) in typed for x in floats)


def test_kernels_carry_their_provenance(cpu: Any) -> None:
    program = cpu.emit(classifier())
    for kernel in program.kernels:
        assert kernel.source in program.source
        assert kernel.formula
        assert kernel.writes
    assert Program.loads(program.dumps()) == program


def test_the_same_graph_gives_the_same_text(cpu: Any) -> None:
    graph = classifier()
    assert cpu.emit(graph).source == cpu.emit(graph).source
    assert cpu.emit(classifier()).source == cpu.emit(graph).source


def test_sizes_stay_symbols(cpu: Any, random_values: Callable[..., Any]) -> None:
    n = symbol("x_1")
    x, w = tensor("x", "float64", BATCH, n), tensor("w", "float64", n, 2)
    graph = cpu.graph_of(
        [
            ("y", linear.matmul(x, w)),
            ("sum", reduce.sum(x, axes=(1,))),
            ("flat", shape.reshape(x, (mul(BATCH, n),)) * 2),
        ]
    )
    executable = load(cpu.emit(graph))
    for rows_, columns in ((1, 1), (2, 5), (3, 0), (0, 4)):
        values = {
            x: np.random.default_rng(0).normal(size=(rows_, columns)),
            w: np.ones((columns, 2)),
        }
        for got, want in zip(
            cpu.step(executable, graph, values), evaluate(graph.roots, values), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-13)
