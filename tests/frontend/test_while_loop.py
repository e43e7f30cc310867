"""cr.while_loop: as many steps as the condition asks, bounds, derivatives, on both targets."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.frontend.targets import TARGETS, both

import chainrule as cr
from chainrule.compiler.errors import DTypeError, LoopError, ShapeError, UsageError
from chainrule.compiler.lifting import lifted
from chainrule.frontend.tensor import Tensor

F64 = "float64"
A = cr.tensor("a", (), F64)


def newton(max_steps: Any = 50, **options: Any) -> Any:
    """The root of a, from a."""
    return cr.while_loop(
        lambda x: cr.abs(x * x - A) > 1e-12, lambda x: (x + A / x) / 2, A, max_steps, **options
    )


def test_a_root_by_newton_and_its_derivatives() -> None:
    y, steps = newton(return_steps=True)
    slope = cr.grad(y, A)
    f = both([A], [y, slope, cr.grad(slope, A), cr.jvp(y, A, 2.0), steps])
    for a in (2.0, 9.0, 0.25, 1e6):
        found = f(a)
        right = [a**0.5, 0.5 * a**-0.5, -0.25 * a**-1.5, a**-0.5]
        np.testing.assert_allclose(found[:4], right, rtol=1e-9)
        assert found[4] > 3
    # Without any step the carry is what it was: a.
    assert [float(x) for x in f(1.0)] == [1, 1, 0, 2, 0]


def test_without_a_bound() -> None:
    n = cr.tensor("n", (), "int64")

    def step(carry: Any) -> Any:
        at, count = carry
        return cr.where(at % 2 == 0, at // 2, 3 * at + 1), count + 1

    (at, count), taken = cr.while_loop(lambda c: c[0] != 1, step, (n, 0), return_steps=True)
    f = both([n], [at, count, taken])
    for start, right in ((1, 0), (7, 16), (27, 111)):
        assert [int(x) for x in f(start)] == [1, right, right]


def test_a_gradient_needs_a_bound() -> None:
    slope = cr.grad(newton(None), A)
    messages = set()
    for target in TARGETS:
        with pytest.raises(UsageError, match="max_steps=100") as caught:
            cr.function([A], slope, target=target)(2.0)
        messages.add(str(caught.value))
    (message,) = messages
    assert re.match(r"test_while_loop.py:\d+: the gradient of a while_loop without", message)
    assert len(message.splitlines()) == 3


def test_at_the_bound_it_is_a_fault() -> None:
    y, slope = newton(3), cr.grad(newton(3), A)
    messages = set()
    for target in TARGETS:
        f = cr.function([A], [y, slope], target=target)
        with pytest.raises(LoopError, match=r"after 3 steps\n.*\n.*max_steps") as caught:
            f(1000.0)
        messages.add(str(caught.value))
        assert [float(x) for x in f(1.0)] == [1, 1]
    (message,) = messages
    line = newton.__code__.co_firstlineno + 2
    assert message.startswith(f"test_while_loop.py:{line}: while_loop is still going")


def test_or_the_carry_as_it_is_then() -> None:
    y, steps = newton(2, at_bound="stop", return_steps=True)
    once = (A + A / A) / 2
    twice = (once + A / once) / 2
    wanted = [twice, cr.grad(twice, A), cr.grad(cr.grad(twice, A), A)]
    f = both([A], [y, cr.grad(y, A), cr.grad(cr.grad(y, A), A), steps, *wanted])
    *found, count, value, slope, curve = f(7.0)
    np.testing.assert_allclose(found, [value, slope, curve], rtol=1e-12)
    assert count == 2
    assert f(1.0)[3] == 0


def test_no_room_for_any_step() -> None:
    y, steps = newton(0, at_bound="stop", return_steps=True)
    assert [float(x) for x in both([A], [y, cr.grad(y, A), steps])(4.0)] == [4, 1, 0]


def test_a_bound_that_the_data_have() -> None:
    xs = cr.tensor("xs", ("n",), F64)
    y, steps = cr.while_loop(
        lambda s: s < cr.sum(xs), lambda s: s + 1.0, 0.0, "n", "stop", return_steps=True
    )
    f = both([xs], [y, steps, cr.grad(y, xs)])
    assert [x.tolist() for x in f(np.array([1.0, 9.0]))] == [2, 2, [0, 0]]
    assert [x.tolist() for x in f(np.array([0.5, 0.25, 0.0]))] == [1, 1, [0, 0, 0]]


def slopes(inputs: Any, y: Any, *arrays: Any, native: bool = True) -> None:
    """First and second derivatives along a direction are finite differences."""
    firsts = cr.grad(y, inputs)
    length = cr.sum(firsts[0] ** 2)
    for slope in firsts[1:]:
        length = length + cr.sum(slope**2)
    seconds = cr.grad(length, inputs)
    if native:
        found = both(inputs, [*firsts, *seconds])(*arrays)
    else:  # long to compile
        both(inputs, firsts)(*arrays)
        found = cr.function(inputs, [*firsts, *seconds], target="numpy")(*arrays)
    random, step = np.random.default_rng(7), 1e-6
    ways = [random.normal(size=np.shape(x)) for x in arrays]
    f = cr.function(inputs, [y, length], target="numpy")
    above, below = (
        f(*(x + s * way for x, way in zip(arrays, ways, strict=True))) for s in (step, -step)
    )
    for k, (high, low) in enumerate(zip(above, below, strict=True)):
        parts = found[k * len(arrays) : (k + 1) * len(arrays)]
        slope = sum(np.sum(part * way) for part, way in zip(parts, ways, strict=True))
        np.testing.assert_allclose(slope, (high - low) / (2 * step), rtol=1e-6)


def test_nests_and_tensors_from_outside() -> None:
    w, x = cr.tensor("w", (3, 3), F64), cr.tensor("x", (3,), F64)

    def step(carry: Any) -> Any:
        h = cr.tanh(w @ carry["h"] + x)
        return {"h": h, "parts": [carry["parts"][0] + cr.sum(h * h), carry["parts"][1] + 1]}

    init = {"h": x, "parts": [0.0, 0]}
    last = cr.while_loop(lambda c: c["parts"][0] < 2.5, step, init, max_steps=9)
    total, count = last["parts"]
    assert (total.dtype, count.dtype) == (F64, "int64")
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 3)) / 2, random.normal(size=3) / 2
    assert 2 <= both([w, x], [count])(*values)[0] <= 8
    slopes([w, x], cr.sum(last["h"] ** 3) + total, *values)


def test_loops_in_loops() -> None:
    xs, k = cr.tensor("xs", (4,), F64), cr.tensor("k", (), F64)

    def outer(c: Any, x: Any) -> Any:
        y = cr.while_loop(lambda z: z < 1.0, lambda z: z * 1.5 + k, c + cr.square(x), max_steps=6)
        return cr.sin(y) * 0.2, y

    last, ys = cr.scan(outer, k, xs)

    def inner(z: Any) -> Any:
        total, _ = cr.scan(lambda s, x: (cr.sin(s * x) + k, None), z, xs)
        return z + cr.square(total)

    y = cr.while_loop(lambda z: z < 2.0, inner, k, max_steps=20)

    def again(z: Any) -> Any:
        return z + cr.while_loop(lambda u: u < z, lambda u: u * 2 + k, k, max_steps=10)

    z = cr.while_loop(lambda z: z < 5.0, again, k, max_steps=10)
    slopes(
        [xs, k], last + cr.sum(ys**2) + y * z, np.array([0.3, -0.9, 0.01, 1.3]), 0.3, native=False
    )


def test_jacobians_go_through() -> None:
    x = cr.tensor("x", (2,), F64)
    y = cr.while_loop(
        lambda c: cr.sum(c) < 9.0, lambda c: c + cr.flip(c) ** 2 + 0.1, x, max_steps=9
    )
    (found, hessian) = both([x], [cr.jacobian(y, x), cr.hessian(cr.sum(y), x)])([0.3, 0.5])
    f = cr.function([x], [y, cr.grad(cr.sum(y), x)], target="numpy")
    at = np.array([0.3, 0.5])
    for i, unit in enumerate(np.eye(2) * 1e-6):
        above, below = f(at + unit), f(at - unit)
        np.testing.assert_allclose(found[:, i], (above[0] - below[0]) / 2e-6, rtol=1e-7)
        np.testing.assert_allclose(hessian[:, i], (above[1] - below[1]) / 2e-6, rtol=1e-6)


def test_under_leading_axes_each_has_a_loop_of_its_own() -> None:
    x, k, xs = cr.tensor("x", (), F64), cr.tensor("k", (), F64), cr.tensor("xs", ("n", 2), F64)
    y, steps = cr.while_loop(
        lambda c: c > 0, lambda c: c - k * cr.sqrt(c), x, max_steps=30, return_steps=True
    )
    ys, counts = (Tensor(lifted(t.node, {x.node: xs.node}, 2)) for t in (y, steps))
    f = both([xs, k], [ys, counts, *cr.grad(cr.sum(ys), [xs, k])])
    one = cr.function([x, k], [y, steps, *cr.grad(y, [x, k])], target="numpy")
    # The last steps end at 0, where the slope of the root is infinite; others have none to take.
    values = np.array([[4.0, 0.0], [-1.0, 1.44], [7.3, 2.25]])
    alone = np.array([one(v, 1.0) for v in values.ravel()])
    found = f(values, 1.0)
    assert np.all(np.isfinite(found[2]))
    for array, right in zip(found[:2], alone.T, strict=False):
        assert array.ravel().tolist() == right.tolist()
    np.testing.assert_allclose(found[2].ravel(), alone[:, 2])
    np.testing.assert_allclose(found[3], alone[:, 3].sum())


def test_loops_that_end_together_are_one_under_leading_axes() -> None:
    x, k, xs = cr.tensor("x", (), F64), cr.tensor("k", (), "int64"), cr.tensor("xs", ("n",), F64)
    (y, _), steps = cr.while_loop(
        lambda c: c[1] < k,
        lambda c: (cr.sin(c[0]) * x + 0.1 * c[1].astype(F64), c[1] + 1),
        (x, 0),
        max_steps=9,
        return_steps=True,
    )
    ys, count = (Tensor(lifted(t.node, {x.node: xs.node}, 1)) for t in (y, steps))
    assert ys.node.op.name == "scan"
    assert ys.node.attr("condition") is not None
    assert count.shape == () or count.shape == (1,)
    f = both([xs, k], [ys, cr.grad(cr.sum(ys), xs)])
    one = cr.function([x, k], [y, cr.grad(y, x)], target="numpy")
    values = np.array([0.3, -1.2, 2.0])
    for k_ in (0, 4):
        alone = np.array([one(v, k_) for v in values])
        for array, right in zip(f(values, k_), alone.T, strict=True):
            np.testing.assert_allclose(array, right, rtol=1e-12)


def test_the_code_of_a_long_loop_is_that_of_a_short_one() -> None:
    for target in TARGETS:
        longer, short = (
            cr.function([A], [newton(n), cr.grad(newton(n), A)], target=target).source()
            for n in (10_000, 10)
        )
        assert re.sub(r"\b10000\b", "10", longer) == short


def test_the_code_is_a_while() -> None:
    source = cr.function([A], [newton()], target="numpy").source()
    lines = [line.partition("#")[0].strip() for line in source.splitlines()]
    start = lines.index("while np.abs(np.square(y) - a) > 1e-12:")
    assert lines[start + 3 : start + 5] == ["y = (y + a / y) / 2", "t += 1"]
    assert "while fault[0] == 0 and goes_on[0]:" in cr.function([A], [newton()]).source()


@pytest.fixture(scope="module")
def summing() -> Any:
    x, y = cr.tensor("x", (), F64), cr.tensor("y", (), F64)

    def step(c: Any) -> Any:
        s, p, n = c
        return s + p, p * y, n + 1

    (s, p, n), steps = cr.while_loop(
        lambda c: (cr.abs(c[1]) > 0.25) & (c[2] < 20),
        step,
        (0.0, x, 0),
        max_steps=12,
        at_bound="stop",
        return_steps=True,
    )
    return both([x, y], [s, p, n, steps, *cr.grad(s * p, [x, y])])


@given(st.floats(-2, 2), st.floats(-1.2, 1.2))
def test_targets_agree(summing: Any, x: float, y: float) -> None:
    s, _, n, steps, *_ = summing(x, y)
    assert n == steps <= 12
    np.testing.assert_allclose(s, sum(x * y**k for k in range(n)), atol=1e-12)


def test_what_is_wrong_elsewhere_ends_the_loop() -> None:
    i = cr.tensor("i", (), "int64")
    table = np.array([1.0, 2.0])
    y = cr.while_loop(lambda c: c < 5.0, lambda c: c + cr.take(table, i) * 0, 0.0)
    for target in TARGETS:
        with pytest.raises(IndexError):
            cr.function([i], y, target=target)(7)


X = cr.tensor("x", (3,), F64)
WRONG: Any = "halt"


def less(c: Any) -> Any:
    return cr.sum(c) < 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.while_loop(lambda c: c < 1, lambda c: c, X), UsageError, "cr.all and cr.any"),
        (lambda: cr.while_loop(cr.sum, lambda c: c, X), UsageError, "condition is f64"),
        (lambda: cr.while_loop(less, lambda c: (c, c), X), UsageError, "another form"),
        (lambda: cr.while_loop(less, lambda c: c[:2], X), ShapeError, "of while_loop changes its"),
        (lambda: cr.while_loop(less, lambda c: c.astype("float32"), X), DTypeError, "its dtype"),
        (lambda: cr.while_loop(less, lambda c: c, ()), UsageError, "carries nothing"),
        (lambda: cr.while_loop(less, lambda c: c, X, -1), UsageError, "max_steps=-1"),
        (lambda: cr.while_loop(less, lambda c: c, X, True), UsageError, "max_steps=True"),
        (lambda: cr.while_loop(less, lambda c: c, X, 2, WRONG), UsageError, "'error' or 'stop'"),
    ],
)
def test_what_is_no_loop_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
