"""Random well-typed graphs: passes keep values and are idempotent, gradients are slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import chainrule.compiler.ops  # noqa: F401
from chainrule.compiler.errors import ChainruleError
from chainrule.compiler.ir import OPS, Graph, Node, const, evaluate, leaf, make, walk
from chainrule.compiler.ops.arithmetic import abs, maximum, minimum, sqrt, square, where
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.convert import cast
from chainrule.compiler.ops.elementary import exp, log, tanh
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.ops.index import TAKE, TAKE_ALONG
from chainrule.compiler.ops.linear import matmul
from chainrule.compiler.ops.reduce import kept
from chainrule.compiler.ops.shape import (
    broadcast_to,
    concat,
    flip,
    pad,
    reshape,
    slice_,
    transpose,
)
from chainrule.compiler.passes.contract import Contractions
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.passes.fold import Fold
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.passes.rewrite import Rewrite
from chainrule.compiler.pipeline import derive
from chainrule.compiler.rules import ALGEBRA, FINISH, STABILIZE
from chainrule.compiler.types import TensorType, product, symbol

BATCH, ROWS = symbol("batch"), 3
SHAPES: tuple[tuple[Any, ...], ...] = ((BATCH, 4), (4,), (), (BATCH, 1), (2, 1, 4), (4, 2))
# Rows of the whole line; those of a part of it get an operand that lies in it.
UNARY = tuple(
    OPS[name]
    for name in (
        "negative square tanh sigmoid softplus sin cos atan asinh erf erfc sinh cosh "
        "exp expm1 relu abs log_cosh softsign"
    ).split()
)
POSITIVE = tuple(OPS[name] for name in "sqrt log log1p log2 log10 lgamma digamma".split())
BINARY = tuple(
    OPS[name] for name in "add subtract multiply maximum minimum hypot logaddexp atan2".split()
)
REDUCED = tuple(OPS[n] for n in "sum mean max min prod norm logsumexp".split())
ALONG = tuple(OPS[n] for n in "softmax log_softmax".split())

Draw = Callable[[Any], Any]


class Pool:
    """Nodes so far; steps that add one."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.leaves = [
            leaf(f"x{i}", TensorType("float64", shape), "input") for i, shape in enumerate(SHAPES)
        ]
        self.index = leaf("i", TensorType("int64", (BATCH, 1)), "input")
        self.nodes = list(self.leaves)

    def any(self) -> Node:
        found: Node = self.draw(st.sampled_from(self.nodes[-8:]))
        return found

    def axes(self, x: Node) -> tuple[int, ...]:
        wanted = self.draw(st.sets(st.integers(0, x.type.ndim - 1), min_size=1))
        return tuple(sorted(wanted))

    def step(self) -> None:
        kind = self.draw(st.sampled_from(KINDS))
        try:
            node = kind(self)
        except ChainruleError:  # shapes that do not fit together
            return
        if node is not None and node.type.ndim <= 4:
            self.nodes.append(node)


def unary(p: Pool) -> Node:
    return p.draw(st.sampled_from(UNARY))(p.any())  # type: ignore[no-any-return]


def positive(p: Pool) -> Node:
    return p.draw(st.sampled_from(POSITIVE))(square(p.any()) + 0.5)  # type: ignore[no-any-return]


def binary(p: Pool) -> Node:
    return p.draw(st.sampled_from(BINARY))(p.any(), p.any())  # type: ignore[no-any-return]


def ratio(p: Pool) -> Node:
    return p.any() / (1.5 + square(p.any()))


def number(p: Pool) -> Node:
    k = p.draw(st.sampled_from((-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0)))
    return p.draw(st.sampled_from((OPS["add"], OPS["subtract"], OPS["multiply"])))(  # type: ignore[no-any-return]
        *p.draw(st.permutations((const(k, "float64"), p.any())))
    )


def naive(p: Pool) -> Node:
    """The forms that the rules know."""
    x = p.any()
    forms: tuple[Callable[[Node], Node], ...] = (
        lambda x: log(1 + exp(x)),
        lambda x: 1 / (1 + exp(-x)),
        lambda x: log(1 / (1 + exp(-x))),
        lambda x: exp(x) - 1,
        lambda x: sqrt(square(x) + 1),
        lambda x: (exp(x) - exp(-x)) / (exp(x) + exp(-x)),
        lambda x: 1 - square(x),
        lambda x: x * x - x,
        lambda x: maximum(minimum(x, 1.0), -1.0),
        lambda x: x / (1 + abs(x)),
    )
    return p.draw(st.sampled_from(forms))(x)  # type: ignore[no-any-return]


def choice(p: Pool) -> Node:
    """Conditions are on leaves: a rounding does not turn them over."""
    c = p.draw(st.sampled_from(p.leaves)) > p.draw(st.sampled_from((-0.5, 0.0, 0.5)))
    other = p.draw(st.sampled_from((const(0, "float64"), p.any())))
    x, y = p.draw(st.permutations((p.any(), other)))
    return where(c, x, y)


def mask(p: Pool) -> Node:
    return cast(p.draw(st.sampled_from(p.leaves)) > 0.1, "float64") * p.any()


def reduction(p: Pool) -> Node | None:
    x = p.any()
    if not x.type.ndim:
        return None
    axes = p.axes(x)
    y = make(p.draw(st.sampled_from(REDUCED)), (x,), axes=axes)
    return kept(y, x, axes) if p.draw(st.booleans()) else y


def along(p: Pool) -> Node | None:
    x = p.any()
    if not x.type.ndim:
        return None
    if p.draw(st.booleans()):
        return make(p.draw(st.sampled_from(ALONG)), (x,), axes=p.axes(x))
    e, axes = exp(x), p.axes(x)
    return e / kept(make(OPS["sum"], (e,), axes=axes), x, axes)


def movement(p: Pool) -> Node | None:
    x = p.any()
    rank = x.type.ndim
    kind = p.draw(st.integers(0, 7))
    if kind == 0:
        return broadcast_to(x, shape=(2, *x.shape))
    if kind == 1:
        return reshape(x, shape=(1, *x.shape))
    if not rank:
        return None
    axis = p.draw(st.integers(0, rank - 1))
    if kind == 2:
        return transpose(x, axes=tuple(p.draw(st.permutations(range(rank)))))
    if kind == 3:
        return reshape(x, shape=(product(x.shape),))
    if kind == 4:
        return flip(x, axes=(axis,))
    if kind == 5:
        return concat((x, tanh(x)), axis=axis)
    zeros = (0,) * rank
    if kind == 6:
        ends = tuple(1 if i == axis else 0 for i in range(rank))
        return pad(x, lows=ends, highs=zeros, inner=ends, value=0.0)
    starts = tuple(0 for _ in range(rank))
    return slice_(
        x, starts=starts, stops=x.shape, steps=tuple(2 if i == axis else 1 for i in range(rank))
    )


def indexed(p: Pool) -> Node | None:
    x = p.any()
    if x.shape == (BATCH, 4):
        return make(TAKE_ALONG, (x, p.index), axis=1)
    if x.type.ndim and x.shape[0] == 4:
        return make(TAKE, (x, p.index), axis=0)
    if x.type.ndim:
        return make(OPS["cumulative_sum"], (x,), axis=0)
    return None


def linear(p: Pool) -> Node:
    return matmul(p.any(), p.any())


KINDS = (
    unary, unary, positive, binary, binary, ratio, number, number, naive, naive, choice, mask,
    reduction, along, movement, movement, indexed, linear,
)  # fmt: skip


@st.composite
def graphs(draw: Draw) -> tuple[Graph, dict[Node, Any]]:
    pool = Pool(draw)
    for _ in range(draw(st.integers(2, 9))):
        pool.step()
    outputs = pool.nodes[len(pool.leaves) :][-3:]
    assume(outputs)
    seed = draw(st.integers(0, 2**32 - 1))
    inputs = (*pool.leaves, pool.index)
    graph = Graph("g", inputs, outputs=tuple((f"y{i}", y) for i, y in enumerate(outputs)))
    return graph, values(inputs, seed)


def values(inputs: tuple[Node, ...], seed: int) -> dict[Node, Any]:
    draw = np.random.default_rng(seed)
    found = {}
    for x in inputs:
        shape = tuple(d if isinstance(d, int) else ROWS for d in x.shape)
        drawn = draw.normal(size=shape) if x.type.is_float else draw.integers(0, 4, shape)
        found[x] = drawn.astype(x.dtype)
    return found


def close(new: Any, old: Any) -> None:
    """Equal where the old value is finite: where it is not, the new one may be better."""
    fine = np.isfinite(old) & (np.abs(old) < 1e12)
    np.testing.assert_allclose(np.where(fine, new, 0), np.where(fine, old, 0), rtol=1e-8, atol=1e-8)


def expands(op: Any) -> bool:
    """A target that spells NumPy's functions and no composites."""
    return bool(op.name in ("leaf", "const") or (isinstance(op, Scalar) and op.numpy)) or (
        op.name in MOVES
    )


MOVES = frozenset(
    "cast size iota reshape transpose broadcast_to slice pad flip concat contract sum prod max min "
    "any all argmax argmin cumulative_sum take add_at take_along_axis add_along_axis".split()
)
PASSES = (
    Rewrite(ALGEBRA, name="algebra"),
    Rewrite(STABILIZE, name="stabilize"),
    Rewrite(ALGEBRA + STABILIZE),
    Rewrite(ALGEBRA + FINISH, name="finish"),
    Fold(),
    Contractions(),
    Lower(expands),
)
MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("apply", PASSES, ids=lambda p: p.name)
@given(case=graphs())
@MANY
def test_pass_keeps_values_and_types(apply: Any, case: tuple[Graph, dict[Node, Any]]) -> None:
    graph, given_values = case
    after = apply(graph)
    assert [y.type for y in after.roots] == [y.type for y in graph.roots]
    sizes = {"batch": ROWS}
    old = evaluate(graph.roots, given_values, sizes)
    for a, b in zip(evaluate(after.roots, given_values, sizes), old, strict=True):
        assert a.shape == b.shape
        close(a, b)


@pytest.mark.parametrize("apply", PASSES, ids=lambda p: p.name)
@given(case=graphs())
@MANY
def test_pass_is_idempotent(apply: Any, case: tuple[Graph, dict[Node, Any]]) -> None:
    once = apply(case[0])
    assert apply(once).roots == once.roots


def slopes(graph: Graph, given_values: dict[Node, Any], x: Node, step: float) -> Any:
    """Central differences of the sum of the outputs."""
    found = np.zeros_like(given_values[x])
    for at in np.ndindex(*found.shape):
        sums = []
        for sign in (1, -1):
            moved = given_values[x].copy()
            moved[at] += sign * step
            results = evaluate(graph.roots, {**given_values, x: moved}, {"batch": ROWS})
            sums.append(sum(np.sum(y) for y in results))
        found[at] = (sums[0] - sums[1]) / (2 * step)
    return found


@given(case=graphs())
@settings(MANY, max_examples=100)
def test_gradients_are_slopes(case: tuple[Graph, dict[Node, Any]]) -> None:
    graph, given_values = case
    total = const(0, "float64")
    for y in graph.roots:
        total = total + make(OPS["sum"], (y,), axes=tuple(range(y.type.ndim)))
    used = set(walk([total]))
    xs = [x for x in graph.inputs if x in used and x.type.is_float]
    assume(xs)
    one = const(1, "float64")
    wanted = tuple((f"d{i}", gradient(total, x, one)) for i, x in enumerate(xs))
    request = Graph("g", graph.inputs, outputs=wanted)
    derived, plain = derive(request), Differentiate()(request)
    sizes = {"batch": ROWS}
    size = sum(np.sum(np.abs(y)) for y in evaluate(graph.roots, given_values, sizes))
    for x, ours, naive in zip(
        xs,
        evaluate(derived.roots, given_values, sizes),
        evaluate(plain.roots, given_values, sizes),
        strict=True,
    ):
        assert ours.shape == given_values[x].shape
        close(ours, naive)
        coarse, fine = (slopes(graph, given_values, x, step) for step in (2e-5, 1e-5))
        # Near a kink two steps disagree; large results leave nothing but rounding.
        noise = 1e-15 * size / 1e-5
        trusted = np.abs(coarse - fine) + noise <= 1e-5 * (1 + np.abs(fine))
        error = np.abs(ours - fine) <= 1e-4 * (1 + np.abs(fine))
        assert np.all(error | ~trusted | ~np.isfinite(fine))
