"""An op under leading axes is the op for each: what the axes hold may change for any operand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule.compiler.ops as ops
from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import OPS, Node, Op, const, evaluate, leaf, make
from chainrule.compiler.lifting import lifted
from chainrule.compiler.ops.arithmetic import where
from chainrule.compiler.ops.broadcasting import broadcast_dims
from chainrule.compiler.ops.convert import cast, iota
from chainrule.compiler.ops.custom import Declaration, custom
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.ops.index import one_hot
from chainrule.compiler.ops.linear import contract
from chainrule.compiler.ops.random import uniform
from chainrule.compiler.ops.shape import broadcast_to, concat, reshape
from chainrule.compiler.passes.differentiate import derived
from chainrule.compiler.types import TensorType

assert ops
F, INT = "float64", "int64"


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[..., Node]
    types: tuple[TensorType, ...]


def f(*shape: int) -> TensorType:
    return TensorType(F, shape)


def i(*shape: int) -> TensorType:
    return TensorType(INT, shape)


def op(name: str, **attrs: Any) -> Callable[..., Node]:
    return lambda *xs: make(OPS[name], xs, **attrs)


def searched(x: Node, y: Node, side: str) -> Node:
    """In running sums of squares, which are sorted, for sums of some of them, which tie."""
    steps = make(OPS["square"], (x,))
    return make(OPS["searchsorted"], (make(OPS["cumulative_sum"], (steps,), axis=0), y), side=side)


CASES = (
    Case("take", op("take", axis=1), (f(2, 3, 2), i(4))),
    Case("take by a number", op("take", axis=0), (f(3), i())),
    Case("take by a matrix", op("take", axis=0), (f(3, 2), i(2, 2))),
    Case("add_at", op("add_at", axis=1, dim=3), (f(2, 4, 2), i(4))),
    Case("add_at a number", op("add_at", axis=0, dim=3), (f(2), i())),
    Case("add_at a matrix", op("add_at", axis=0, dim=3), (f(2, 2, 4), i(2, 2))),
    Case("take_along_axis", op("take_along_axis", axis=1), (f(2, 3), i(2, 4))),
    Case("add_along_axis", op("add_along_axis", axis=1, dim=3), (f(2, 4), i(2, 4))),
    Case("where", lambda c, x, y: where(c > 0, x, y), (f(3), f(2, 1), f())),
    Case("concat", lambda x, y: concat((x, y, x), axis=0), (f(2), f(3))),
    Case("contract", lambda x, y: contract(x, y, "iab", "bic", "aci"), (f(2, 3, 1), f(1, 2, 2))),
    Case("contract dot", lambda x, y: contract(x, y, "a", "a", ""), (f(3), f(3))),
    Case("contract outer", lambda x, y: contract(x, y, "a", "b", "ba"), (f(3), f(2))),
    Case("broadcast_to", lambda x, y: broadcast_to(x, (4, 2, 3)) * y, (f(3), f(2, 1))),
    Case("reshape", lambda x, y: reshape(x, (3, 2)) + y, (f(2, 3), f())),
    Case("argmax", lambda x, y: cast(make(OPS["argmax"], (x,), axis=0), F) + y, (f(3, 2), f())),
    Case("softmax", lambda x, y: make(OPS["softmax"], (x * y,), axes=(0,)), (f(3, 2), f(2))),
    Case("cumulative_sum", op("cumulative_sum", axis=0), (f(3, 2),)),
    Case("searchsorted", lambda x, y: searched(x, y, "left"), (f(5), f(2, 3))),
    Case("searchsorted from the right", lambda x, y: searched(x, y, "right"), (f(5), f())),
    Case("phase", op("phase"), (f(2), f(2))),
    Case("gather", op("gather"), (f(3, 3, 2), i(4), i(2, 1))),
    Case("replace_rows", op("replace_rows"), (f(3, 2), f(3, 2), i(2))),
    Case("replace_rows of two", op("replace_rows"), (f(3), f(3), i(2, 1), i())),
    Case("scatter_add", op("scatter_add", dims=(3, 3)), (f(2, 4, 2), i(4), i(2, 1))),
    Case("one_hot", lambda x: one_hot(x, 3, F), (i(2),)),
    Case("iota", lambda x: cast(iota(3), F) * x, (f(),)),
    Case("stop_gradient", op("stop_gradient"), (f(2),)),
    Case(
        "dropout",
        lambda x: make(OPS["dropout"], (x, const(1, INT), const(2, INT)), rate=0.5, stream=3),
        (f(4),),
    ),
    Case("uniform", lambda x: x * uniform(const(1, INT), const(2, INT), (3,), F, 0), (f(),)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lifting_is_a_loop(case: Case) -> None:
    """Over two leading axes, for each choice of operands that change along each of them."""
    rng = np.random.default_rng(len(case.name))
    xs = [leaf(f"x{n}", t, "placeholder") for n, t in enumerate(case.types)]
    result = case.function(*xs)
    for axes in ([(1, 1)], [(2, 3)], [(1, 3), (2, 1)], [(2, 1), (1, 1)], [(1, 1), (2, 3)]):
        leads = [axes[n % len(axes)] for n in range(len(xs))]
        wide = [
            leaf(x.attr("name"), TensorType(x.dtype, lead + x.shape), "input")
            for x, lead in zip(xs, leads, strict=True)
        ]
        shapes: list[Any] = [w.shape for w in wide]
        values: list[Any] = [
            rng.integers(0, 3, shape) if x.dtype == INT else rng.normal(size=shape)
            for x, shape in zip(xs, shapes, strict=True)
        ]
        node = lifted(result, dict(zip(xs, wide, strict=True)), 2)
        (found,) = evaluate([node], dict(zip(wide, values, strict=True)))
        lead = np.broadcast_shapes(*leads)
        assert broadcast_dims("", (node.shape[:2], lead)) == lead
        found = np.broadcast_to(found, (*lead, *found.shape[2:]))
        for at in np.ndindex(lead):
            own = [v[tuple(np.minimum(at, np.array(v.shape[:2]) - 1))] for v in values]
            (expected,) = evaluate([result], dict(zip(xs, own, strict=True)))
            np.testing.assert_allclose(found[at], expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", OPS)
def test_every_op_can_be_lifted(name: str) -> None:
    """But leaves; derivatives, which are taken first; and declared ones, which `lifted` knows.

    What does not say how is opened.
    """
    op = type(OPS[name])
    lifts = op.lift is not Op.lift or op.expand is not Op.expand
    assert lifts or name in {"leaf", "gradient", "jacobian", "laplacian", "taylor", "custom"}


@pytest.mark.parametrize("side", ["left", "right"])
def test_searching_in_several_rows_puts_nan_last(side: Any) -> None:
    x, y = leaf("x", f(4), "placeholder"), leaf("y", f(5), "placeholder")
    wide = leaf("x", f(2, 4), "input")
    node = lifted(make(OPS["searchsorted"], (x, y), side=side), {x: wide}, 1)
    rows = np.array([[0.0, 1.0, 1.0, np.nan], [1.0, np.inf, np.nan, np.nan]])
    values = np.array([1.0, np.nan, np.inf, -np.inf, 0.5])
    (found,) = evaluate([node], {wide: rows, y: values})
    np.testing.assert_array_equal(found, [np.searchsorted(row, values, side) for row in rows])


def test_random_numbers_of_several_seeds_are_refused() -> None:
    seed = leaf("seed", TensorType(INT), "placeholder")
    draw = uniform(seed, const(0, INT), (3,), F, 0)
    with pytest.raises(UsageError, match="random numbers of several seeds"):
        lifted(draw, {seed: leaf("seeds", TensorType(INT, (2,)), "input")}, 1)


@pytest.mark.parametrize("forward", [False, True])
def test_a_declared_derivative_is_lifted(forward: bool) -> None:
    """A value of x with the derivative of 3 x y for x, of y^2 for y: nobody's own."""
    x, y = leaf("x", TensorType(F), "placeholder"), leaf("y", TensorType(F, (2,)), "placeholder")
    z, u, s, t = (
        leaf(n, TensorType(F, d), "placeholder")
        for n, d in zip("zust", ((2,), (2,), (), (2,)), strict=True)
    )
    grads = (make(OPS["sum"], (u * 3 * y,), axes=(0,)), u * 2 * y)
    forward_rule = ((s, t), s * 3 * y + t * 2 * y) if forward else ()
    node = custom(Declaration(x * y, z, u, (x, y), grads, *forward_rule))
    wide = leaf("x", TensorType(F, (4,)), "input")
    many = lifted(node, {x: wide}, 1)
    values = {wide: np.arange(4.0), y: np.array([2.0, 5.0])}
    ones = broadcast_to(const(1, F), (4, 2))
    first = derived(gradient(many, wide, ones))
    second = derived(gradient(many, y, ones))
    got = evaluate([derived(many), first, second], values)
    np.testing.assert_array_equal(got[0], np.outer(np.arange(4.0), [2.0, 5.0]))
    np.testing.assert_array_equal(got[1], [21.0] * 4)
    np.testing.assert_array_equal(got[2], [16.0, 40.0])
