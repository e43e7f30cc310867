"""Variance and normalization: values, slopes of every order, and digits far from 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from chainrule.compiler.errors import DTypeError, ShapeError
from chainrule.compiler.ir import Graph, Node, const, evaluate, leaf
from chainrule.compiler.ops.convert import literal
from chainrule.compiler.ops.gradient import gradient
from chainrule.compiler.ops.normalization import normalize, variance
from chainrule.compiler.ops.phase import in_training, outside_training, phase
from chainrule.compiler.ops.random import normal
from chainrule.compiler.ops.reduce import sum as total
from chainrule.compiler.pipeline import derive
from chainrule.compiler.text import parse, show
from chainrule.compiler.types import TensorType, value

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(11)
FORMULAS: dict[str, Callable[[Node], Node]] = {
    "variance": lambda x: variance(x, (1,)),
    "variance over two axes": lambda x: variance(x, (0, 1)),
    "normalize": lambda x: normalize(x, (1,), 0.1),
    "normalize over two axes": lambda x: normalize(x, (0, 1), 0.1),
    "not centered": lambda x: normalize(x, (1,), 0.1, centered=False),
}


def asked(formula: Callable[[Node], Node], order: int) -> tuple[Node, Node, Node]:
    """A leaf x, the weighted sum of a formula differentiated so often, and its gradient."""
    x = leaf("x", TensorType("float64", (3, 4)), "input")
    y = formula(x)
    for level in range(order + 1):
        weights = const(1, "float64")
        if y.shape:
            flat = np.random.default_rng(level).normal(
                size=tuple(value(dim, {}) for dim in y.shape)
            )
            weights = literal(flat)
        loss = total(y * weights, axes=tuple(range(y.type.ndim)))
        y = gradient(loss, x, const(1, "float64"))
    return x, loss, y


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_and_second_gradients_are_slopes(name: str, order: int) -> None:
    x, loss, slope = asked(FORMULAS[name], order)
    graph = derive(Graph("test", (x,), outputs=(("loss", loss), ("slope", slope))))
    at = RANDOM.normal(size=(3, 4))
    _, found = evaluate(graph.roots, {x: at})
    for place in np.ndindex(3, 4):
        ends = []
        for step in (1e-6, -1e-6):
            moved = at.copy()
            moved[place] += step
            ends.append(evaluate(graph.roots[:1], {x: moved})[0])
        np.testing.assert_allclose(found[place], (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e8])
@pytest.mark.parametrize("centered", [True, False])
def test_digits_where_the_mean_is_large(offset: float, centered: bool) -> None:
    x = leaf("x", TensorType("float64", (7,)), "input")
    n = normalize(x, (0,), 1e-3, centered)
    slope = gradient(total(n * n * n, axes=(0,)), x, const(1, "float64"))
    graph = derive(Graph("test", (x,), outputs=(("n", n), ("slope", slope))))
    at = offset + RANDOM.normal(size=7)
    found, slopes = evaluate(graph.roots, {x: at})
    with mp.workdps(50):
        exact = [mp.mpf(float(a)) for a in at]
        mean = mp.fsum(exact) / 7 if centered else mp.mpf(0)
        deviation = mp.sqrt(mp.fsum((a - mean) ** 2 for a in exact) / 7 + mp.mpf(1e-3))
        values = [(a - mean) / deviation for a in exact]
        g = [3 * v**2 for v in values]
        rest = mp.fsum(g) / 7 if centered else mp.mpf(0)
        along = mp.fsum(a * b for a, b in zip(g, values, strict=True)) / 7
        expected = [(a - rest - v * along) / deviation for a, v in zip(g, values, strict=True)]
    # The mean of numbers near 1e8 is known to about 1e-8, and so are distances from it.
    error = 1e-14 + 4e-16 * abs(offset)
    np.testing.assert_allclose(found, np.array(values, "d"), rtol=1e-14, atol=error)
    scale = float(max(map(abs, g)) / deviation)
    np.testing.assert_allclose(slopes, np.array(expected, "d"), rtol=1e-14, atol=10 * error * scale)


def test_equal_values_are_normalized_to_zero_with_a_gradient() -> None:
    x, loss, slope = asked(lambda x: normalize(x, (1,), 1e-3), 0)
    graph = derive(Graph("test", (x,), outputs=(("loss", loss), ("slope", slope))))
    result, found = evaluate(graph.roots, {x: np.full((3, 4), 5.0)})
    assert result == 0
    assert np.isfinite(found).all()


def test_types_are_checked() -> None:
    with pytest.raises(DTypeError, match="normalize of i32"):
        normalize(leaf("x", TensorType("int32", (3,)), "input"), (0,), 1e-3)
    x = leaf("x", TensorType("float32", (3,)), "input")
    with pytest.raises(ShapeError, match="differ in type"):
        phase(x, variance(x, (0,)))


def test_text_reads_back() -> None:
    x = leaf("x", TensorType("float32", (3,)), "input")
    graph = Graph("test", (x,), outputs=(("y", phase(normalize(x, (0,), 1e-3), x)),))
    assert "normalize(%x) axes=(0) centered=true epsilon=0.001" in show(graph)
    assert parse(show(graph)) == graph


def test_a_phase_is_one_of_two_values() -> None:
    x = leaf("x", TensorType("float64", (2,)), "input")
    node = phase(x * 2, x)
    assert in_training(node) is x * 2
    assert outside_training(node) is x
    assert phase(x, x) is x
    np.testing.assert_array_equal(evaluate([node], {x: np.ones(2)})[0], [2, 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_have_the_moments_of_the_normal_distribution(dtype: str) -> None:
    seed, step = (leaf(name, TensorType("int64"), "input") for name in ("seed", "step"))
    draw = normal(seed, step, (200_000,), dtype, 3)
    (z,) = evaluate([draw], {seed: np.int64(5), step: np.int64(2)})
    assert z.dtype == dtype
    # Four standard errors of each moment's estimate.
    for power, (moment, spread) in enumerate(((0, 1), (1, 2**0.5), (0, 15**0.5), (3, 96**0.5)), 1):
        assert abs((z.astype("d") ** power).mean() - moment) < 4 * spread / len(z) ** 0.5
    assert 4 < np.abs(z).max() < 6
    (other,) = evaluate([draw], {seed: np.int64(5), step: np.int64(3)})
    assert abs(np.corrcoef(z, other)[0, 1]) < 0.01
