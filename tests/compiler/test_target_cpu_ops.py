"""Target cpu, compiled and run: every op in every dtype and size against the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import OPS, Node, const, evaluate, fresh, leaf, make
from chainrule.compiler.ops import choice, convert, index, linear, random, reduce, scan, shape
from chainrule.compiler.ops.arithmetic import maximum, sqrt, square, where
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.rows import replace_rows
from chainrule.compiler.targets.cpu.spelling import TABLE
from chainrule.compiler.types import INTS, TensorType, add, mul, symbol
from chainrule.runtime.devices import load

BATCH = symbol("batch")
SPACE = (".convolution", ".pooling", ".windows")
ARRAYS = (".algebra", ".order", ".running")
DTYPES = ["float32", "float64", "int32", "int64"]


def tensor(name: str, dtype: str, *dims: Any, role: Any = "input") -> Node:
    return leaf(name, TensorType(dtype, dims), role)


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
def test_every_row(cpu: Any, dtype: str, random_values: Callable[..., Any]) -> None:
    cpu.agree(
        cpu.graph_of(rows(dtype)), random_values, [0, 1, 3], 1e-5 if dtype == "float32" else 1e-10
    )


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
    turned = shape.transpose(y, (1, 0))
    yield "replace_rows", replace_rows(turned, turned * 2, [i, i])
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
    c, e = (leaf(name, TensorType(dtype, (4, 5)), "placeholder") for name in "ce")
    start = shape.broadcast_to(s, (4, 5))
    yield "scan", scan.scan([c, e], [e - c, c * 2], [start], [x], BATCH, False)[0]
    yield "scan", scan.scan([c, e], [e - c, c * s], [start], [x], BATCH, True)[1]
    low = reduce.sum(c, axes=(0, 1)) < 50
    yield "scan", scan.scan([c], [c * 2 + 1, c], [start], [], 3, False, low)[1]
    for condition in (s > 0, s < 100):
        with fresh() as made:
            then, otherwise = [x * 2, y], [x - s, y * y]
        yield "cond", choice.choose(condition, then, otherwise, made)[0]
    yield "leaf", x
    yield "cast", convert.cast(x, "bool")
    yield "cast", convert.cast(x > 0, dtype)
    yield "cast", convert.cast(k, dtype)
    if dtype in INTS:
        return
    seed, at = tensor("seed", "int64"), tensor("at", "int64")
    yield "uniform", random.uniform(seed, at, (BATCH, 3, 2), dtype, 5)
    yield "dropout", make(OPS["dropout"], (x, seed, at), rate=0.4, stream=2)
    yield "normal", make(OPS["normal"], (seed, at), shape=(BATCH, 3), dtype=dtype, stream=1)
    yield "stop_gradient", make(OPS["stop_gradient"], (x,))
    yield "variance", make(OPS["variance"], (x,), axes=(0, 2))
    yield "normalize", make(OPS["normalize"], (x,), axes=(1, 2), epsilon=1e-3, centered=True)
    for name in ("mean", "norm", "logsumexp", "softmax", "log_softmax"):
        yield name, make(OPS[name], (x,), axes=(1, 2))
        yield name, make(OPS[name], (x,), axes=(1,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_tensor_op(cpu: Any, dtype: str, random_values: Callable[..., Any]) -> None:
    outputs = [(f"y{i}_{name}", node) for i, (name, node) in enumerate(tensor_ops(dtype))]
    cpu.agree(cpu.graph_of(outputs), random_values, [0, 1, 2, 7], below=4)


def test_no_op_is_left_out() -> None:
    tested = {name for name, _ in tensor_ops("float32")}
    scalar = {name for name, op in OPS.items() if isinstance(op, Scalar)}
    # What needs axes of space is compiled in tests/frontend/test_convolution.py.
    space = {name for name, op in OPS.items() if type(op).__module__.endswith(SPACE)}
    # Matrices, sorting and running values, in test_linalg, test_ordering and test_gathering there.
    arrays = {name for name, op in OPS.items() if type(op).__module__.endswith(ARRAYS)}
    # What the passes take away before a target sees it.
    taken = {"gradient", "jacobian", "laplacian", "taylor", "custom", "phase"}
    assert {*OPS} - tested - scalar - space - arrays == taken


def test_every_primitive_row_is_spelled() -> None:
    primitive = {
        name
        for name, op in OPS.items()
        if isinstance(op, Scalar) and op.formula is None and op.stable is None
    }
    assert primitive <= {*TABLE}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(cpu: Any, dtype: str) -> None:
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
    graph = cpu.graph_of(outputs)
    nan, inf = np.nan, np.inf
    numbers = np.array(
        [[1, nan, 2], [nan, 1, nan], [-inf, -inf, -inf], [inf, inf, 1], [-0.0, 0.0, -0.0]], dtype
    )
    values = {x: numbers}
    wanted = evaluate(graph.roots, values)
    for got, want in zip(cpu.step(load(cpu.emit(graph)), graph, values), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_constant_too_large_for_native_code_is_refused(cpu: Any) -> None:
    table = convert.literal(np.zeros(200_000))
    with pytest.raises(UsageError, match="a constant array of 1,600,000 bytes"):
        cpu.emit(cpu.graph_of([("y", table * 2)]))


def test_integers_wrap_around(cpu: Any) -> None:
    x = tensor("x", "int32", 3)
    graph = cpu.graph_of([("y", x * x + x), ("sum", reduce.sum(x * x, axes=(0,))), ("minus", -x)])
    values = {x: np.array([2**31 - 1, -(2**31), 65536], np.int32)}
    wanted = evaluate(graph.roots, values)
    for got, want in zip(cpu.step(load(cpu.emit(graph)), graph, values), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_long_sums_are_taken_in_float64(cpu: Any) -> None:
    x = tensor("x", "float32", BATCH)
    graph = cpu.graph_of([("total", reduce.sum(x, axes=(0,)))])
    numbers = np.full(1_000_000, 0.1, np.float32)
    (got,) = cpu.step(load(cpu.emit(graph)), graph, {x: numbers})
    np.testing.assert_allclose(got, np.sum(numbers, dtype=np.float64), rtol=1e-7)


def test_a_product_with_one_column_goes_through_a_matrix_as_it_lies() -> None:
    """On whichever side the column stands: no transpose of the matrix is stored."""
    x, v = cr.tensor("x", ("n", 50)), cr.tensor("v", ("n", 1))
    for asked, call in ((v.T @ x, "matmul(v_view, x, y)"), (x.T @ v, "matmul_tn(x, v, y)")):
        text = cr.function([x, v], asked).source("cpu")
        assert call in text
        assert "scratch" not in text
