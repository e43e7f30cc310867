"""Sizes that are more than a symbol, in the code of both targets."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.errors import ChainruleError
from chainrule.compiler.ir import Graph, evaluate, leaf, make
from chainrule.compiler.ops.convert import cast, iota
from chainrule.compiler.ops.index import ADD_AT
from chainrule.compiler.ops.reduce import ARGMIN, max, sum
from chainrule.compiler.ops.shape import reshape
from chainrule.compiler.pipeline import compile
from chainrule.compiler.types import (
    Shape,
    TensorType,
    add,
    floordiv,
    mul,
    product,
    sub,
    symbol,
    value,
)
from chainrule.runtime.devices import load

N, M = symbol("n"), symbol("m")
ODD = add(mul(N, 2), 1)
HALF = floordiv(ODD, 2)
DIMS = (
    mul(HALF, 3),
    add(mul(HALF, 3), 3),
    mul(HALF, HALF),
    mul(mul(HALF, M), 5),
    sub(mul(N, 7), mul(HALF, 2)),
    floordiv(add(mul(HALF, 3), M), 2),
    mul(ODD, M),
)
SIZES = {"n": 4, "m": 3}


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_polynomials_of_rounded_quotients(target: str) -> None:
    x = leaf("x", TensorType("float64", (N, M)), "input")
    outputs = tuple((f"y{i}", iota(dim)) for i, dim in enumerate(DIMS))
    program = load(compile(Graph("g", inputs=(x,), outputs=outputs), target))
    for dim, found in zip(DIMS, program.call(np.zeros((4, 3))), strict=True):
        np.testing.assert_array_equal(found, np.arange(value(dim, SIZES)))


@pytest.mark.parametrize("target", ["numpy", "cpu"])
@pytest.mark.parametrize("shape", [(3, ODD, M), (ODD, 3, HALF), (M, 2, ODD, 2)], ids=str)
def test_one_axis_becomes_several_whose_sizes_are_sums(target: str, shape: Shape) -> None:
    """What is summed over is read at a place of each axis."""
    x = leaf("x", TensorType("float64", (N, M)), "input")
    flat = cast(iota(product(shape)), "float64")
    y = sum(reshape(flat, shape), axes=(1,))
    program = load(compile(Graph("g", inputs=(x,), outputs=(("y", y),)), target))
    (expected,) = evaluate([y], {}, SIZES)
    np.testing.assert_array_equal(program.call(np.zeros((4, 3)))[0], expected)


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_the_position_of_the_only_element_needs_no_element(target: str) -> None:
    x = leaf("x", TensorType("float64", (N, 1, M)), "input")
    largest = reshape(max(x, axes=(2,)), (N, 1, 1))
    y = ARGMIN(x - largest, axis=1)
    program = load(compile(Graph("g", inputs=(x,), outputs=(("y", y),)), target))
    np.testing.assert_array_equal(program.call(np.ones((4, 1, 3)))[0], np.zeros((4, 3), int))


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_nothing_is_added_to_an_axis_without_elements(target: str) -> None:
    """Nor is it an error: there is something to add, or there is not."""
    grad = leaf("grad", TensorType("float64", (M, 2)), "input")
    at = leaf("at", TensorType("int64", (M,)), "input")
    x = leaf("x", TensorType("float64", (N,)), "input")
    y = make(ADD_AT, (grad, at), axis=0, dim=N)
    program = load(compile(Graph("g", inputs=(grad, at, x), outputs=(("y", y),)), target))
    for n, m in ((0, 0), (2, 0), (2, 3)):
        (found,) = program.call(np.ones((m, 2)), np.zeros(m, np.int64), np.zeros(n))
        expected = np.zeros((n, 2))
        expected[:1] = m
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ChainruleError):
        program.call(np.ones((3, 2)), np.zeros(3, np.int64), np.zeros(0))
