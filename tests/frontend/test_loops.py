"""cr.scan: nests, lengths, derivatives, loops in loops, on both targets."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import DTypeError, ShapeError, UsageError

Pair = tuple[Any, Any]
F64 = "float64"


def both(inputs: Any, outputs: Any, *arrays: Any) -> list[Any]:
    """The outputs, the same on both targets."""
    by_numpy, by_cpu = (
        cr.function(inputs, outputs, target=target)(*arrays) for target in ("numpy", "cpu")
    )
    for a, b in zip(by_numpy, by_cpu, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    return list(by_numpy)


def test_nests_of_carries_and_sequences_lengths_and_directions() -> None:
    x, y = cr.tensor("x", ("n", 2), F64), cr.tensor("y", ("n",), "int64")
    start = cr.tensor("start", (2,), F64)

    def step(carry: dict[str, Any], now: list[Any]) -> Pair:
        (mean, count), vector = carry["sums"], carry["vector"]
        row, number = now
        new = {"sums": (mean + cr.sum(row) * number.astype(F64), count + number)}
        return {**new, "vector": vector * 0.5 + row}, (vector, None, {"twice": 2 * count})

    init = {"sums": (0.0, 0), "vector": start}
    last, (before, nothing, twice) = cr.scan(step, init, [x, y])
    back, (after, _, _) = cr.scan(step, init, (x, y), reverse=True)
    assert nothing is None
    (total, count), vector = last["sums"], last["vector"]
    outputs = [total, count, vector, before, twice["twice"], after, back["vector"]]
    f = {target: cr.function([x, y, start], outputs, target=target) for target in ("numpy", "cpu")}
    for n in (0, 1, 5):
        random = np.random.default_rng(n)
        xs, ys, s = random.normal(size=(n, 2)), random.integers(0, 5, n), random.normal(size=2)
        befores: list[Any] = []
        afters: list[Any] = []
        old, new = s, s
        for row in xs:
            befores.append(old)
            old = old * 0.5 + row
        for row in xs[::-1]:
            afters.insert(0, new)
            new = new * 0.5 + row
        wanted = [
            np.sum(xs.sum(1) * ys),
            np.sum(ys),
            old,
            np.reshape(befores, (n, 2)),
            2 * (np.cumsum(ys) - ys),
            np.reshape(afters, (n, 2)),
            new,
        ]
        for call in f.values():
            for found, right in zip(call(xs, ys, s), wanted, strict=True):
                np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12)


def test_loops_in_loops_and_their_second_derivatives() -> None:
    a, w = cr.tensor("a", ("n", "m"), F64), cr.tensor("w", (), F64)

    def outer(c: Any, row: Any) -> Pair:
        def inner(d: Any, x: Any) -> Pair:
            d = cr.tanh(w * d + x * c)
            return d, d

        last, ds = cr.scan(inner, c, row)
        return last, cr.sum(ds**2)

    last, sums = cr.scan(outer, 0.1, a)
    y = last + cr.sum(sums)
    slopes = cr.grad(y, [a, w])
    lengths = cr.sum(slopes[0] ** 2) + slopes[1] ** 2
    curves = cr.grad(lengths, [a, w])
    values = np.random.default_rng(0).normal(size=(3, 4))
    found = both([a, w], [y, *slopes, *curves], values, 0.7)
    f = cr.function([a, w], [y, lengths], target="numpy")
    way, step = np.random.default_rng(1).normal(size=values.shape), 1e-6
    above, below = (f(values + s * way, 0.7 + s) for s in (step, -step))
    for k, (high, low) in enumerate(zip(above, below, strict=True)):
        slope = np.sum(found[1 + 2 * k] * way) + found[2 + 2 * k]
        np.testing.assert_allclose(slope, (high - low) / (2 * step), rtol=1e-7)


def test_a_gradient_inside_a_step() -> None:
    x, k = cr.tensor("x", (2,), F64), cr.tensor("k", (), F64)

    def descend(at: Any, _: Any) -> Pair:
        energy = cr.sum(k * at**2) / 2
        return at - 0.1 * cr.grad(energy, at), energy + cr.grad(energy, k)

    last, energies = cr.scan(descend, x, length=3)
    found = both(
        [x, k], [last, energies, *cr.grad(cr.sum(last), [x, k])], np.array([1.0, 2.0]), 2.0
    )
    np.testing.assert_allclose(found[0], 0.8**3 * np.array([1.0, 2.0]))
    np.testing.assert_allclose(found[1], 7.5 * 0.64 ** np.arange(3))
    np.testing.assert_allclose(found[2], [0.512, 0.512])
    np.testing.assert_allclose(found[3], 3 * 0.8**2 * -0.1 * 3)


def test_jacobians_go_through_loops() -> None:
    x, k = cr.tensor("x", (2,), F64), cr.tensor("k", (3, 2), F64)

    def step(c: Any, k: Any) -> Pair:
        c = cr.sin(c) * k + cr.flip(c)
        return c, cr.sum(c)

    last, sums = cr.scan(step, x, k)
    values, scales = np.array([0.3, -0.5]), np.random.default_rng(0).normal(size=(3, 2))
    found = both([x, k], [*cr.jacobian(last, [x, k]), cr.jacobian(sums, x)], values, scales)
    f, eps = cr.function([x, k], [last, sums], target="numpy"), 1e-6
    for i, unit in enumerate(np.eye(2) * eps):
        above, below = f(values + unit, scales), f(values - unit, scales)
        slopes = [(a - b) / (2 * eps) for a, b in zip(above, below, strict=True)]
        np.testing.assert_allclose(found[0][:, i], slopes[0], rtol=1e-7)
        np.testing.assert_allclose(found[2][:, i], slopes[1], rtol=1e-7)
    assert found[1].shape == (2, 3, 2)
    (hessian,) = both([x, k], [cr.hessian(cr.sum(last), x)], values, scales)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-9)


def test_the_code_of_a_long_loop_is_that_of_a_short_one() -> None:
    def source(length: int, target: str) -> str:
        y = cr.tensor("y", (4,), F64)
        last, _ = cr.scan(lambda c, _: (c + 0.01 * cr.sin(c) * y, None), y, length=length)
        return cr.function(y, cr.grad(cr.sum(last), y), target=target).source()

    for target in ("numpy", "cpu"):
        longer = source(10_000, target)
        assert re.sub(r"\b10000\b", "17", longer) == source(17, target)


def test_an_open_length_is_read_off_the_data() -> None:
    x = cr.tensor("x", ("n",), F64)
    _, products = cr.scan(lambda p, x: (p * x, p * x), 1.0, x, length="n")
    (found,) = both(x, [products], np.array([2.0, 3.0, 4.0]))
    assert found.tolist() == [2, 6, 24]


def test_numbers_take_the_dtype_of_the_step() -> None:
    x = cr.tensor("x", (3,), F64)
    last, ys = cr.scan(lambda c, x: (c + x, 1), 0, x)
    assert (last.dtype, ys.dtype, ys.shape) == (F64, "int64", (3,))


X = cr.tensor("x", (3, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.scan(lambda c, x: c, 0.0, X), UsageError, "expected a pair"),
        (lambda: cr.scan(lambda c, x: ((c, c), x), 0.0, X), UsageError, "another form"),
        (lambda: cr.scan(lambda c, x: (c + x, x), 0.0, X), ShapeError, "changes its shape"),
        (
            lambda: cr.scan(lambda c, x: (c.astype(F64), x), cr.zeros((2,)), X),
            DTypeError,
            "changes its dtype",
        ),
        (lambda: cr.scan(lambda c, x: (c, x), 0.0), UsageError, "no length"),
        (lambda: cr.scan(lambda c, x: (c, x), 0.0, length=-1), UsageError, "length=-1"),
        (lambda: cr.scan(lambda c, x: (c, x), 0.0, length=True), UsageError, "length=True"),
        (lambda: cr.scan(lambda c, x: (c, x), 0.0, X, length=4), ShapeError, "lengths differ"),
        (lambda: cr.scan(lambda c, x: (c, x), 0.0, 1.0), ShapeError, "an axis of steps"),
    ],
)
def test_what_is_no_loop_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
