"""The derivative rule of every tensor op, and of it again, against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

import chainrule.compiler.ops as ops
from chainrule.compiler.autodiff import backward
from chainrule.compiler.ir import OPS, Node, const, evaluate, leaf, make
from chainrule.compiler.jacobians import by_columns, by_rows
from chainrule.compiler.ops import algebra, elementary as e, index, linear, reduce, rows, shape
from chainrule.compiler.ops.arithmetic import maximum, square, where
from chainrule.compiler.ops.convert import cast, iota
from chainrule.compiler.passes.differentiate import derived
from chainrule.compiler.types import TensorType, symbol

assert ops
BATCH = symbol("batch")
ROWS = 3


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[..., Node]
    shapes: tuple[tuple[Any, ...], ...]


def attrs(op: str, **given: Any) -> Callable[..., Node]:
    return lambda *xs: make(OPS[op], xs, **given)


POSITIONS = const(0, "int64")
CASES = (
    Case("add broadcast", lambda x, y: x + y, ((BATCH, 1, 4), (2, 1))),
    Case("multiply broadcast", lambda x, y: x * y, ((BATCH, 4), (4,))),
    Case("multiply by a number of no axes", lambda x, y: x * y, ((BATCH, 4), ())),
    Case("divide broadcast", lambda x, y: x / (2 + square(y)), ((1, 4), (BATCH, 1))),
    Case("maximum", lambda x, y: maximum(x, y), ((BATCH, 4), (4,))),
    Case("where", lambda x, y: where(x > 0, x * y, e.exp(y)), ((BATCH, 4), (4,))),
    Case("cast", lambda x: cast(cast(x, "float64"), "float64"), ((BATCH,),)),
    Case("sum", attrs("sum", axes=(0, 2)), ((BATCH, 2, 3),)),
    Case("prod", attrs("prod", axes=(0, 2)), ((2, BATCH, 2),)),
    Case("max", attrs("max", axes=(1,)), ((BATCH, 4),)),
    Case("min", attrs("min", axes=(0, 1)), ((BATCH, 4),)),
    Case("mean", attrs("mean", axes=(0,)), ((BATCH, 4),)),
    Case("norm", attrs("norm", axes=(1,)), ((BATCH, 4),)),
    Case("logsumexp", attrs("logsumexp", axes=(1,)), ((BATCH, 4),)),
    Case("softmax", attrs("softmax", axes=(1,)), ((BATCH, 4),)),
    Case("log_softmax", attrs("log_softmax", axes=(0, 1)), ((BATCH, 4),)),
    Case("cumulative_sum", attrs("cumulative_sum", axis=0), ((BATCH, 2),)),
    Case("reshape", lambda x: shape.reshape(x, (2, BATCH, 2)), ((BATCH, 4),)),
    Case("transpose", lambda x: shape.transpose(x, (1, 2, 0)), ((BATCH, 2, 3),)),
    Case("broadcast_to", lambda x: shape.broadcast_to(x, (5, BATCH, 4)), ((BATCH, 1),)),
    Case(
        "slice",
        lambda x: shape.slice_(x, starts=(1, 0), stops=(BATCH, 4), steps=(1, 3)),
        ((BATCH, 4),),
    ),
    Case(
        "slice by steps of a symbolic size",
        lambda x: shape.slice_(x, starts=(0,), stops=(BATCH,), steps=(2,)),
        ((BATCH,),),
    ),
    Case(
        "pad",
        lambda x: shape.pad(x, lows=(1, 0), highs=(0, 2), inner=(0, 2), value=7.0),
        ((BATCH, 2),),
    ),
    Case("flip", lambda x: shape.flip(x, axes=(0, 1)), ((BATCH, 2),)),
    Case("concat", lambda x, y: shape.concat((x, y, x), axis=1), ((BATCH, 2), (BATCH, 3))),
    Case("matmul", linear.matmul, ((BATCH, 4), (4, 2))),
    Case("matmul vector", linear.matmul, ((4,), (4, 2))),
    Case("matmul dot", linear.matmul, ((4,), (4,))),
    Case("matmul batched", linear.matmul, ((BATCH, 1, 2, 4), (5, 4, 2))),
    Case(
        "contract outer",
        lambda x, y: linear.contract(x, y, "a", "b", "ba"),
        ((BATCH,), (2,)),
    ),
    Case(
        "contract batch",
        lambda x, y: linear.contract(x, y, "iab", "bic", "aci"),
        ((BATCH, 2, 3), (3, BATCH, 2)),
    ),
    Case(
        "take",
        lambda x: make(index.TAKE, (x, cast(iota(2), "int64")), axis=1),
        ((BATCH, 4),),
    ),
    Case(
        "add_at",
        lambda x: make(index.ADD_AT, (x, cast(iota(2) * 0 + 1, "int64")), axis=1, dim=4),
        ((BATCH, 2),),
    ),
    Case(
        "add_along_axis",
        lambda x: make(
            index.ADD_ALONG, (x, shape.broadcast_to(iota(2), (BATCH, 2))), axis=1, dim=3
        ),
        ((BATCH, 2),),
    ),
    Case(
        "dropout",
        lambda x: make(OPS["dropout"], (x, POSITIONS, POSITIONS), rate=0.5, stream=0),
        ((BATCH, 4),),
    ),
    Case(
        "take the same twice",
        lambda x: make(index.TAKE, (x, cast(iota(6) * 0, "int64")), axis=0),
        ((BATCH, 4),),
    ),
    Case(
        "take_along_axis one a row",
        lambda x: make(index.TAKE_ALONG, (x, shape.reshape(iota(BATCH), (BATCH, 1))), axis=1),
        ((BATCH, 4),),
    ),
    Case(
        "take_along_axis several a row",
        lambda x: make(
            index.TAKE_ALONG,
            (x, shape.broadcast_to(shape.reshape(iota(2) * 0 + 1, (1, 2)), (BATCH, 2))),
            axis=1,
        ),
        ((BATCH, 4),),
    ),
    Case("gather", lambda x: index.gather(x, (iota(3), 2 - iota(3))), ((BATCH, 4, 2),)),
    Case(
        "gather the same twice",
        lambda x: index.gather(x, (shape.reshape(iota(BATCH), (BATCH, 1)), iota(2) * 0)),
        ((BATCH, 4),),
    ),
    Case(
        "scatter_add",
        lambda x: index.scatter_add(x, (iota(BATCH) * 0, iota(BATCH)), (2, BATCH)),
        ((BATCH, 2),),
    ),
    Case(
        "replace_rows",
        lambda x, y: rows.replace_rows(x, y, [2 * iota(2), iota(1) + 2]),
        ((4, BATCH), (4, BATCH)),
    ),
    Case("linear_recurrence", attrs("linear_recurrence", axis=0), ((BATCH, 2), (BATCH, 2))),
    Case("cumulative_prod", attrs("cumulative_prod", axis=1), ((BATCH, 4),)),
    Case("cumulative_logsumexp", attrs("cumulative_logsumexp", axis=0), ((BATCH, 2),)),
    Case("solve", algebra.solve, ((BATCH, 3, 3), (BATCH, 3, 2))),
    Case("solve broadcast", algebra.solve, ((3, 3), (BATCH, 3, 1))),
    *(
        Case(
            f"solve_triangular {lower} {transposed}",
            partial(algebra.solve_triangular, lower=lower, transposed=transposed),
            ((BATCH, 2, 2), (2, 3)),
        )
        for lower in (False, True)
        for transposed in (False, True)
    ),
    Case("cholesky", lambda x: make(algebra.CHOLESKY, (gram(x),)), ((BATCH, 3, 3),)),
    Case("inv", algebra.inv, ((BATCH, 2, 2),)),
    Case("det", attrs("det"), ((BATCH, 3, 3),)),
    Case("logabsdet", attrs("logabsdet"), ((BATCH, 3, 3),)),
)


def gram(x: Node) -> Node:
    """A positive definite matrix."""
    return linear.matmul(x, algebra.turned(x)) + algebra.identity(x)


def weighted(y: Node) -> Node:
    """A number that depends on every element of `y` differently."""
    flat = shape.reshape(y, (y.type.size,))
    weights = e.cos(cast(iota(y.type.size, "int64"), "float64"))
    return reduce.sum(flat * weights, axes=(0,))


def difference(y: Node, x: Node, values: dict[Node, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The gradient of the number `y` for `x`, by central differences."""

    def f() -> float:
        return float(evaluate([y], values, {"batch": ROWS})[0])

    array = values[x]
    gradient = np.zeros_like(array)
    for i in np.ndindex(array.shape):
        kept, h = array[i], 1e-5
        array[i] = kept + h
        up = f()
        array[i] = kept - h
        gradient[i] = (up - f()) / (2 * h)
        array[i] = kept
    return gradient


def instance(case: Case) -> tuple[list[Node], dict[Node, np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(len(case.name))
    leaves = [leaf(f"x{i}", TensorType("float64", s), "input") for i, s in enumerate(case.shapes)]
    sizes = [[ROWS if d is BATCH else d for d in s] for s in case.shapes]
    return leaves, {x: rng.normal(size=s) for x, s in zip(leaves, sizes, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_first_derivative(case: Case) -> None:
    leaves, values = instance(case)
    y = weighted(case.function(*leaves))
    grads = backward(y, leaves, const(1, "float64"))
    for x in leaves:
        assert grads[x].type == x.type
        (found,) = evaluate([grads[x]], values, {"batch": ROWS})
        expected = difference(y, x, values)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_second_derivative(case: Case) -> None:
    leaves, values = instance(case)
    # A square makes the second derivative of linear ops something to look at.
    y = weighted(square(case.function(*leaves)))
    first = backward(y, leaves, const(1, "float64"))
    for x in leaves:
        along = weighted(first[x])
        second = backward(along, leaves, const(1, "float64"))
        for other in leaves:
            (found,) = evaluate([second.get(other, const(0, "float64"))], values, {"batch": ROWS})
            expected = difference(along, other, values)
            np.testing.assert_allclose(
                np.broadcast_to(found, expected.shape), expected, rtol=1e-5, atol=1e-7
            )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_jacobians_by_rows_and_by_columns(case: Case) -> None:
    """Gradients of all elements side by side are those one by one, and the differences."""
    leaves, values = instance(case)
    y = case.function(*leaves)
    (result,) = evaluate([y], values, {"batch": ROWS})
    for x in leaves:
        u = leaf("u", y.type, "input")
        grad = backward(y, [x], u)[x]
        one_by_one = np.zeros(result.shape + values[x].shape)
        for i in np.ndindex(result.shape):
            hot = np.zeros(result.shape)
            hot[i] = 1.0
            (one_by_one[i],) = evaluate([grad], {**values, u: hot}, {"batch": ROWS})
        for jacobian in (by_rows(y, x), by_columns(y, x)):
            assert jacobian.type == TensorType("float64", y.shape + x.shape)
            (found,) = evaluate([derived(jacobian)], values, {"batch": ROWS})
            np.testing.assert_allclose(found, one_by_one, rtol=1e-12, atol=1e-14)
        differences = difference(weighted(y), x, values)
        weights = np.cos(np.arange(result.size)).reshape(result.shape)
        np.testing.assert_allclose(
            np.tensordot(weights, one_by_one, result.ndim), differences, rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hessians(case: Case) -> None:
    leaves, values = instance(case)
    y = weighted(square(case.function(*leaves)))
    for x in leaves:
        slope = backward(y, [x], const(1, "float64"))[x]
        rows, columns = (
            evaluate([derived(make_(slope, x))], values, {"batch": ROWS})[0]
            for make_ in (by_rows, by_columns)
        )
        np.testing.assert_allclose(rows, columns, rtol=1e-11, atol=1e-12)
        expected = difference(weighted(slope), x, values)
        weights = np.cos(np.arange(values[x].size)).reshape(values[x].shape)
        along = np.tensordot(weights, rows, values[x].ndim)
        np.testing.assert_allclose(along, expected, rtol=1e-5, atol=1e-7)


def test_a_product_with_zeros_has_the_right_derivatives() -> None:
    x = leaf("x", TensorType("float64", (3,)), "input")
    y = reduce.prod(x, axes=(0,))
    first = backward(y, [x], const(1, "float64"))[x]
    second = backward(weighted(first), [x], const(1, "float64"))[x]
    values = {x: np.array([0.0, 2.0, 0.0])}
    np.testing.assert_array_equal(evaluate([first], values)[0], [0.0, 0.0, 0.0])
    # d2/dxi dxj is the product of the third: 2 for the two zeros.
    weights = np.cos(np.arange(3))
    hessian = np.array([[0, 0, 2], [0, 0, 0], [2, 0, 0.0]])
    np.testing.assert_allclose(evaluate([second], values)[0], hessian @ weights)


def test_what_does_not_depend_has_no_gradient() -> None:
    x, y = (leaf(n, TensorType("float64", (2,)), "input") for n in "xy")
    grads = backward(reduce.sum(x * 2, axes=(0,)), [x, y], const(1, "float64"))
    assert y not in grads
