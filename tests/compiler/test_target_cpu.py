"""Target cpu, compiled and run: every op at every size against the reference; and its text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.autodiff import backward
from chainrule.compiler.errors import IndexOutOfRange, UsageError
from chainrule.compiler.ir import OPS, Graph, Node, const, evaluate, leaf, make, walk
from chainrule.compiler.ops import convert, index, linear, random, reduce, shape
from chainrule.compiler.ops.arithmetic import maximum, sqrt, square, where
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.elementary import exp, tanh
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.program import Program
from chainrule.compiler.targets.cpu import TARGET
from chainrule.compiler.targets.cpu.spelling import TABLE
from chainrule.compiler.types import INTS, TensorType, add, mul, symbol
from chainrule.runtime.devices import load
from chainrule.runtime.devices.base import Executable

BATCH = symbol("batch")
Values = Mapping[Node, "np.ndarray[Any, Any]"]
SPACE = (".convolution", ".pooling", ".windows")
ARRAYS = (".algebra", ".order", ".running")
DTYPES = ["float32", "float64", "int32", "int64"]


def tensor(name: str, dtype: str, *dims: Any, role: Any = "input") -> Node:
    return leaf(name, TensorType(dtype, dims), role)


def graph_of(
    outputs: Iterable[tuple[str, Node]], updates: Iterable[tuple[Node, Node]] = ()
) -> Graph:
    """A graph whose leaves are found by themselves."""
    outputs, updates = tuple(outputs), tuple(updates)
    roots = (
        [node for _, node in outputs] + [new for _, new in updates] + [old for old, _ in updates]
    )
    leaves = [x for x in walk(roots) if x.op.name == "leaf"]
    inputs = tuple(x for x in leaves if x.attr("role") in ("input", "setting"))
    params, state = (
        tuple(x for x in leaves if x.attr("role") == role) for role in ("param", "state")
    )
    return Graph("g", inputs, params, state, outputs, updates)


def emit(graph: Graph) -> Program:
    return TARGET.emit(Lower(TARGET.spells)(graph), "0" * 32)


def given(executable: Executable, graph: Graph, values: Values) -> dict[str, np.ndarray[Any, Any]]:
    """Copies of the leaves' values, by name, in the program's order."""
    by_name = {x.attr("name"): x for x in graph.leaves}
    return {b.name: np.array(values[by_name[b.name]], order="C") for b in executable.given}


def step(executable: Executable, graph: Graph, values: Values) -> list[np.ndarray[Any, Any]]:
    """Outputs, and updated parameters and states, of one step."""
    arrays = given(executable, graph, values)
    outputs = executable.call(*arrays.values())
    return [*outputs, *(arrays[old.attr("name")] for old, _ in graph.updates)]


def agree(
    graph: Graph,
    draw: Callable[..., dict[Node, np.ndarray[Any, Any]]],
    batches: Sequence[int],
    tolerance: float | None = None,
    **drawn: Any,
) -> None:
    """The program does what the graph means, compiled once, at every batch size."""
    executable = load(emit(graph))
    for batch in batches:
        values = draw(graph, batch, **drawn)
        want = evaluate(graph.roots, values, {"batch": batch})
        names = [name for name, _ in graph.outputs]
        names += [old.attr("name") for old, _ in graph.updates]
        for name, got, expected in zip(names, step(executable, graph, values), want, strict=True):
            expected = np.asarray(expected)
            assert (got.dtype, got.shape) == (expected.dtype, expected.shape), name
            loose = {"float32": 3e-5, "float64": 1e-11}.get(str(got.dtype), 0)
            tol = loose if tolerance is None else tolerance
            scale = max(
                1.0, float(np.max(np.abs(expected), initial=0, where=np.isfinite(expected)))
            )
            np.testing.assert_allclose(
                got, expected, rtol=tol, atol=tol * scale, err_msg=f"{name} at batch {batch}"
            )


# Every op


def rows(dtype: str) -> list[tuple[str, Node]]:
    """Every scalar row that takes the dtype, on operands inside its domain."""
    a, b, c = (
        tensor(n, dtype, *dims) for n, dims in (("a", (BATCH, 5)), ("b", (5,)), ("c", (BATCH, 1)))
    )
    found = []
    for name, op in OPS.items():
        if not isinstance(op, Scalar):
            continue
        if op.kind == "logic":
            operands = [a > 0, b > c][: op.arity]
        elif op.kind == "select":
            operands = [a > 0, b, c]
        elif op.kind == "predicate" and dtype not in INTS:
            operands = [a / (a - a)]
        elif op.kind in ("compare", "number") and dtype in INTS:
            operands = [a, square(b) if name == "pow" else b][: op.arity]
        elif dtype in INTS or op.kind == "integer":
            continue
        else:
            operands = [
                low + (high - low) * make(OPS["divide"], (square(x), 1 + square(x)))
                for x, (low, high) in zip((a, b), op.domain, strict=False)
            ] or [a]
            operands = [*operands, b][: op.arity]
        found.append((f"y_{name}", op(*operands)))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_row(dtype: str, random_values: Callable[..., Any]) -> None:
    agree(graph_of(rows(dtype)), random_values, [0, 1, 3], 1e-5 if dtype == "float32" else 1e-10)


def tensor_ops(dtype: str) -> Iterable[tuple[str, Node]]:
    """Every tensor op in several forms."""
    x, y, s = tensor("x", dtype, BATCH, 4, 5), tensor("y", dtype, 3, 4), tensor("s", dtype)
    z = tensor("z", dtype, BATCH, 1, 6)
    i, k = tensor("i", "int64", 2, 3), tensor("k", "int32", BATCH, 4, 1)
    kk = tensor("kk", "int32", BATCH, 4, 2)
    for axes in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)):
        yield "sum", reduce.sum(x, axes=axes)
        yield "prod", reduce.prod(x, axes=axes)
    for axes in ((1,), (2,), (1, 2)):
        yield "max", reduce.max(x * 2, axes=axes)
        yield "min", make(OPS["min"], (x,), axes=axes)
        yield "any", make(OPS["any"], (x > 3,), axes=axes)
        yield "all", make(OPS["all"], (x > 0,), axes=axes)
    yield "any", make(OPS["any"], (x > 3,), axes=(0,))
    for name in ("argmax", "argmin"):
        yield name, make(OPS[name], (x,), axis=1)
        yield name, make(OPS[name], (x > 1,), axis=2)
    for axis in range(3):
        yield "cumulative_sum", reduce.cumulative_sum(x, axis=axis)
    twice = reduce.cumulative_sum(reduce.cumulative_sum(x, axis=2), axis=1)
    yield "cumulative_sum", twice + x
    yield "reshape", shape.reshape(x * 2, (BATCH, 20))
    yield "reshape", shape.reshape(x, (mul(4, BATCH), 5))
    yield "reshape", shape.reshape(x, (BATCH, 5, 4)) + 1
    yield "reshape", shape.reshape(shape.transpose(x, (0, 2, 1)) * 2, (BATCH, 2, 10))
    yield "transpose", shape.transpose(x, (2, 0, 1))
    yield "transpose", shape.transpose(x + s, (1, 2, 0)) * 2
    yield "broadcast_to", shape.broadcast_to(y, (2, 3, 4))
    yield "broadcast_to", shape.broadcast_to(s, (BATCH, 2))
    yield "slice", shape.slice_(x, (0, 1, 0), (BATCH, 4, 5), (1, 1, 2))
    yield "slice", shape.slice_(x, (0, 1, 1), (BATCH, 3, 5), (2, 1, 3))
    yield "pad", shape.pad(x, (1, 0, 2), (0, 2, 1), (0, 0, 1), 1.0)
    yield "pad", shape.pad(x + 1, (BATCH, 0, 0), (BATCH, 0, 0), (0, 0, 0), 0.0)
    yield "flip", shape.flip(x, (0, 2))
    yield "concat", shape.concat((x, x * 2, x + s), 1)
    yield "concat", shape.concat((x, x + 1), 0)
    yield "concat", shape.concat((x, shape.slice_(x, (0,) * 3, (BATCH, 0, 5), (1,) * 3)), 1)
    yield "take", make(OPS["take"], (y * 2, i), axis=1)
    yield "take", make(OPS["take"], (x, i), axis=1)
    yield "add_at", make(OPS["add_at"], (shape.broadcast_to(y, (2, 3, 4)), i), axis=0, dim=4)
    taken = make(OPS["take"], (x, i), axis=1)
    yield "add_at", make(OPS["add_at"], (taken, i), axis=1, dim=7)
    yield "take_along_axis", make(OPS["take_along_axis"], (x, k), axis=2)
    yield "take_along_axis", make(OPS["take_along_axis"], (z, kk), axis=2)
    wide = shape.broadcast_to(k, (BATCH, 4, 5))
    yield "add_along_axis", make(OPS["add_along_axis"], (x, wide), axis=2, dim=5)
    yield "add_along_axis", make(OPS["add_along_axis"], (convert.cast(k, dtype), k), axis=2, dim=9)
    found = index.gather(shape.transpose(x, (1, 2, 0)), (i, i))
    yield "gather", found
    yield "scatter_add", index.scatter_add(found, (i, i), (4, 6))
    yield "contract", linear.matmul(y, x)
    yield "contract", linear.contract(x, x, "bij", "bkj", "ikb")
    yield "contract", linear.contract(x, y, "bij", "ki", "bjk")
    yield "contract", linear.contract(y, y, "ij", "ij", "")
    yield "contract", linear.contract(x, y, "bij", "ki", "bj")
    yield "contract", linear.contract(y, s + shape.reshape(s, (1,)), "ij", "k", "kij")
    yield "iota", convert.iota(mul(2, BATCH), dtype)
    yield "size", convert.size(add(BATCH, 3), dtype)
    yield "const", const(3, dtype)
    table = convert.literal(np.arange(12).reshape(4, 3).astype(dtype))
    yield "literal", table
    yield "literal", shape.transpose(table, (1, 0)) + y
    yield "literal", linear.matmul(y, table)
    yield "literal", linear.matmul(y, shape.reshape(table, (4, 3)) * s)
    yield "leaf", x
    yield "cast", convert.cast(x, "bool")
    yield "cast", convert.cast(x > 0, dtype)
    yield "cast", convert.cast(k, dtype)
    if dtype in INTS:
        return
    seed, at = tensor("seed", "int64"), tensor("at", "int64")
    yield "uniform", random.uniform(seed, at, (BATCH, 3, 2), dtype, 5)
    yield "dropout", make(OPS["dropout"], (x, seed, at), rate=0.4, stream=2)
    yield "stop_gradient", make(OPS["stop_gradient"], (x,))
    for name in ("mean", "norm", "logsumexp", "softmax", "log_softmax"):
        yield name, make(OPS[name], (x,), axes=(1, 2))
        yield name, make(OPS[name], (x,), axes=(1,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_tensor_op(dtype: str, random_values: Callable[..., Any]) -> None:
    outputs = [(f"y{i}_{name}", node) for i, (name, node) in enumerate(tensor_ops(dtype))]
    agree(graph_of(outputs), random_values, [0, 1, 2, 7], below=4)


def test_no_op_is_left_out() -> None:
    tested = {name for name, _ in tensor_ops("float32")}
    scalar = {name for name, op in OPS.items() if isinstance(op, Scalar)}
    # What needs axes of space is compiled in tests/frontend/test_convolution.py.
    space = {name for name, op in OPS.items() if type(op).__module__.endswith(SPACE)}
    # Matrices, sorting and running values, in test_linalg, test_ordering and test_gathering there.
    arrays = {name for name, op in OPS.items() if type(op).__module__.endswith(ARRAYS)}
    assert {*OPS} - tested - scalar - space - arrays == {"gradient"}


def test_every_primitive_row_is_spelled() -> None:
    primitive = {
        name
        for name, op in OPS.items()
        if isinstance(op, Scalar) and op.formula is None and op.stable is None
    }
    assert primitive <= {*TABLE}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(dtype: str) -> None:
    x = tensor("x", dtype, BATCH, 3)
    outputs = [
        ("largest", reduce.max(x, axes=(1,))),
        ("smallest", make(OPS["min"], (x,), axes=(1,))),
        ("first", make(OPS["argmax"], (x,), axis=1)),
        ("last", make(OPS["argmin"], (x,), axis=1)),
        ("greater", maximum(x, 0.0)),
        ("root", sqrt(x)),
        ("total", reduce.sum(x, axes=(1,))),
        ("chosen", where(x > 0, x, const(0, dtype))),
    ]
    graph = graph_of(outputs)
    nan, inf = np.nan, np.inf
    numbers = np.array(
        [[1, nan, 2], [nan, 1, nan], [-inf, -inf, -inf], [inf, inf, 1], [-0.0, 0.0, -0.0]], dtype
    )
    values = {x: numbers}
    wanted = evaluate(graph.roots, values)
    for got, want in zip(step(load(emit(graph)), graph, values), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_constant_too_large_for_native_code_is_refused() -> None:
    table = convert.literal(np.zeros(200_000))
    with pytest.raises(UsageError, match="a constant array of 1,600,000 bytes"):
        emit(graph_of([("y", table * 2)]))


def test_integers_wrap_around() -> None:
    x = tensor("x", "int32", 3)
    graph = graph_of([("y", x * x + x), ("sum", reduce.sum(x * x, axes=(0,))), ("minus", -x)])
    values = {x: np.array([2**31 - 1, -(2**31), 65536], np.int32)}
    wanted = evaluate(graph.roots, values)
    for got, want in zip(step(load(emit(graph)), graph, values), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_long_sums_are_taken_in_float64() -> None:
    x = tensor("x", "float32", BATCH)
    graph = graph_of([("total", reduce.sum(x, axes=(0,)))])
    numbers = np.full(1_000_000, 0.1, np.float32)
    (got,) = step(load(emit(graph)), graph, {x: numbers})
    np.testing.assert_allclose(got, np.sum(numbers, dtype=np.float64), rtol=1e-7)


# Random graphs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(100, 104))
def test_random_graphs(
    seed: int, dtype: str, random_graph: Callable[..., Graph], random_values: Callable[..., Any]
) -> None:
    graph = random_graph(seed, dtype)
    agree(graph, random_values, [1, 2, 5], 1e-3 if dtype == "float32" else 1e-9)


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
    name: str, updates: list[tuple[Node, Node]], random_values: Callable[..., Any]
) -> None:
    before = [(f"old_{i}", old * 1) for i, (old, _) in enumerate(updates)]
    agree(graph_of(before, updates), random_values, [1])


# Indices out of range


def test_an_index_out_of_range_is_an_error_and_touches_nothing_else() -> None:
    x, i = tensor("x", "float32", 4, 2), tensor("i", "int64", BATCH)
    graph = graph_of([("y", make(OPS["take"], (x, i), axis=0))])
    executable = load(emit(graph))
    values = np.ones((4, 2), np.float32)
    for wrong in (4, -1, 2**40, -(2**63)):
        with pytest.raises(
            IndexOutOfRange, match="take: an index lies outside its axis of size 4"
        ) as raised:
            executable.call(values, np.array([0, wrong, 1]))
        assert len(str(raised.value).splitlines()) == 3
    (fine,) = executable.call(values, np.array([0, 3]))
    assert fine.shape == (2, 2)


def test_a_scatter_out_of_range_is_an_error() -> None:
    g, i = tensor("g", "float32", BATCH), tensor("i", "int64", BATCH)
    graph = graph_of([("y", make(OPS["add_at"], (g, i), axis=0, dim=3))])
    executable = load(emit(graph))
    with pytest.raises(IndexOutOfRange, match="add_at"):
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


def test_an_epoch_is_its_steps(random_values: Callable[..., Any]) -> None:
    graph = classifier()
    executable = load(emit(graph))
    values = random_values(graph, 11)
    arrays = given(executable, graph, values)
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


def test_an_epoch_stops_at_a_loss_that_is_not_finite(random_values: Callable[..., Any]) -> None:
    graph = classifier()
    executable = load(emit(graph))
    values = random_values(graph, 8)
    values[graph.inputs[0]][5] = np.nan
    arrays = given(executable, graph, values)
    totals = np.zeros(2)
    assert executable.epoch(0, 4, 2, np.arange(8), arrays, totals) == 2
    assert np.isfinite(totals).all()


def test_a_program_without_a_batch_has_no_epoch() -> None:
    program = emit(graph_of([("y", tanh(tensor("x", "float32", 3)))]))
    assert program.batch is None
    assert "def epoch" not in program.source


# Text


def test_names_cannot_break_out() -> None:
    hostile = ["lambda", "x); import os", "__class__", "step", "f32", "i", "range", "fault", "ok"]
    inputs = [tensor(name, "float32", BATCH, 2) for name in hostile]
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    graph = Graph("g", tuple(inputs), (), (), (("exp", total),), (), {total: "a b\nimport os"})
    program = emit(graph)
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


def test_the_text_has_the_models_names_and_formulas() -> None:
    source = emit(classifier()).source
    assert "h1 = tanh(x W1 + b1)" in source
    assert "W1 <- W1 + v_W1" in source
    assert "tanh(x_W1[i, j] + b1[j])" in source
    code = [line for line in source.splitlines() if not line.startswith("#")]
    assert max(map(len, code)) <= 120


def test_constants_have_the_dtype_of_their_expression() -> None:
    module = ast.parse(emit(classifier("float32")).source)
    typed = {
        id(argument)
        for call in ast.walk(module)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("f32", "f64")
        for argument in ast.walk(call)
    }
    floats = [x for x in ast.walk(module) if isinstance(x, ast.Constant) and type(x.value) is float]
    assert floats
    assert all(id(x) in typed for x in floats)


def test_kernels_carry_their_provenance() -> None:
    program = emit(classifier())
    for kernel in program.kernels:
        assert kernel.source in program.source
        assert kernel.formula
        assert kernel.writes
    assert Program.loads(program.dumps()) == program


def test_the_same_graph_gives_the_same_text() -> None:
    graph = classifier()
    assert emit(graph).source == emit(graph).source
    assert emit(classifier()).source == emit(graph).source


def test_sizes_stay_symbols(random_values: Callable[..., Any]) -> None:
    n = symbol("x_1")
    x, w = tensor("x", "float64", BATCH, n), tensor("w", "float64", n, 2)
    graph = graph_of(
        [
            ("y", linear.matmul(x, w)),
            ("sum", reduce.sum(x, axes=(1,))),
            ("flat", shape.reshape(x, (mul(BATCH, n),)) * 2),
        ]
    )
    executable = load(emit(graph))
    for rows_, columns in ((1, 1), (2, 5), (3, 0), (0, 4)):
        values = {
            x: np.random.default_rng(0).normal(size=(rows_, columns)),
            w: np.ones((columns, 2)),
        }
        for got, want in zip(
            step(executable, graph, values), evaluate(graph.roots, values), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-13)
