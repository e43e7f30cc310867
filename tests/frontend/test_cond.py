"""cr.cond: one of two branches, its derivatives, what is in it and what is not, on both targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.frontend.targets import TARGETS, both

import chainrule as cr
from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.explain.formulas import latex, text
from chainrule.compiler.lifting import lifted
from chainrule.frontend.tensor import Tensor

F64 = "float64"
X = cr.tensor("x", (), F64)


@pytest.fixture(scope="module")
def logarithm() -> Any:
    y = cr.cond(X > 0, lambda: X * cr.log(X) + cr.sqrt(X), lambda: cr.exp(X) - 1 / (X - 1))
    slope = cr.grad(y, X)
    return both([X], [y, slope, cr.grad(slope, X), cr.jvp(y, X, 2.0)])


@given(st.floats(-3, 3).filter(lambda x: abs(x) > 1e-3 or not x))
def test_values_and_derivatives_are_those_of_the_branch(logarithm: Any, x: float) -> None:
    if x > 0:
        right = [x * np.log(x) + x**0.5, np.log(x) + 1 + 0.5 * x**-0.5, 1 / x - 0.25 * x**-1.5]
    else:
        # What the other branch would give, such as log(-1) and 1 / 0, is nowhere.
        right = [np.exp(x) - 1 / (x - 1), np.exp(x) + (x - 1) ** -2, np.exp(x) - 2 * (x - 1) ** -3]
    np.testing.assert_allclose(logarithm(x), [*right, 2 * right[1]], rtol=1e-9)


def test_nests_operands_and_tensors_from_outside() -> None:
    x, w, k = cr.tensor("x", (3,), F64), cr.tensor("w", (3, 3), F64), cr.tensor("k", (), "int64")
    h = cr.tanh(w @ x)

    def first(h: Any, extra: dict[str, Any]) -> dict[str, Any]:
        return {"y": w @ h, "parts": [cr.sum(h) * extra["scale"], k + 1, k > 2, 1.5]}

    def second(h: Any, extra: dict[str, Any]) -> dict[str, Any]:
        return {"y": cr.flip(h), "parts": [extra["scale"], 7, True, 2]}

    found = cr.cond(cr.sum(x) > 0, first, second, h, {"scale": x[0]})
    total, number, flag, half = found["parts"]
    assert (number.dtype, flag.dtype, half.dtype, found["y"].shape) == (
        "int64",
        "bool",
        "float32",
        (3,),
    )
    y = cr.sum(found["y"] ** 2) + total
    f = both([x, w, k], [found["y"], total, number, flag, half, *cr.grad(y, [x, w])])
    plain = [cr.sum(r["y"] ** 2) + r["parts"][0] for r in (first(h, {"scale": x[0]}),)]
    plain += [cr.sum(cr.flip(h) ** 2) + x[0]]
    random = np.random.default_rng(0)
    matrix, vector = random.normal(size=(3, 3)), np.array([0.3, -0.1, 0.4])
    for sign, right in zip((1, -1), plain, strict=True):
        gradients = cr.function([x, w], cr.grad(right, [x, w]), target="numpy")
        *_, number, flag, half, dx, dw = f(sign * vector, matrix, 4)
        assert (number, flag, half) == ((5, True, 1.5) if sign > 0 else (7, True, 2))
        for found_, wanted in zip((dx, dw), gradients(sign * vector, matrix), strict=True):
            np.testing.assert_allclose(found_, wanted, rtol=1e-12)


def test_the_other_branch_does_not_run() -> None:
    i = cr.tensor("i", (), "int64")
    table = np.array([1.0, 2.0], np.float32)
    forever = cr.cond(
        i < 0,
        lambda: cr.while_loop(lambda c: c > 0, lambda c: c + 1, 1.0),
        lambda: cr.take(table, i),
    )
    for target in TARGETS:
        f = cr.function([i], forever, target=target)
        assert f(1) == 2
        with pytest.raises(IndexError, match=r"test_cond\.py"):
            f(2)


def test_what_was_there_before_is_computed_before() -> None:
    h = cr.exp(X)
    y = cr.cond(X > 0, lambda: h * cr.sin(X), lambda: h - 1)
    lines = cr.function([X], [y, cr.cos(h)], target="numpy").source().splitlines()
    code = [line.partition("#")[0].strip() for line in lines]
    start = code.index("if x > 0:")
    assert "exp_x = np.exp(x)" in code[:start]
    assert code[start:][:4] == ["if x > 0:", "y1 = exp_x * np.sin(x)", "else:", "y1 = exp_x - 1"]
    assert "    if test_x[0]:\n        then_of_" in cr.function([X], y).source()


def test_a_branch_does_not_share_what_is_also_computed_outside() -> None:
    outside = cr.log(X)
    y = cr.cond(X > 0, lambda: cr.log(X), lambda: X * 3)
    found = both([X], [outside, y, cr.grad(y, X)])(0.0)
    assert [float(x) for x in found] == [-np.inf, 0, 3]


def test_the_same_branch_again() -> None:
    def branch() -> Any:
        return cr.sqrt(X)

    a = cr.cond(X > 0, branch, lambda: X)
    b = cr.cond(X > 1, branch, lambda: X * X)
    f = both([X], [a, b, cr.grad(a * b, X)])
    np.testing.assert_allclose(f(4.0), [2, 2, 1])
    np.testing.assert_allclose(f(0.25), [0.5, 0.0625, 2.5 * 0.25**1.5])
    np.testing.assert_allclose(f(-2.0), [-2, 4, 3 * 4])


def test_choices_in_loops_in_choices() -> None:
    xs = cr.tensor("xs", ("n",), F64)

    def step(c: Any, x: Any) -> Any:
        new = cr.cond(
            x > 0,
            lambda: cr.while_loop(lambda z: z < 1.0, lambda z: z * 1.5 + x, cr.abs(c), max_steps=8),
            lambda: cr.cond(x < -1, lambda c: c * cr.sin(x), lambda c: c - cr.log(-x) / 9, c),
        )
        return new, c * new

    def summed() -> Any:
        last, ys = cr.scan(step, cr.abs(xs[0]), xs)
        return last + cr.sum(ys)

    y = cr.cond(cr.sum(xs) < 9, summed, lambda: cr.sum(xs**3))
    slope = cr.grad(y, xs)
    length = cr.sum(slope**2)
    f = cr.function([xs], [y, length], target="numpy")
    both([xs], [y, slope])(np.array([0.2, -0.5, 0.3]))
    g = cr.function([xs], [slope, cr.grad(length, xs)], target="numpy")
    at = np.array([0.3, -0.4, 0.2, -1.7, 0.4, -0.3])
    way = np.random.default_rng(0).normal(size=6)
    above, below = f(at + 1e-6 * way), f(at - 1e-6 * way)
    for derivative, high, low in zip(g(at), above, below, strict=True):
        np.testing.assert_allclose(derivative @ way, (high - low) / 2e-6, rtol=1e-6)
    np.testing.assert_allclose(g(at + 9)[0], 3 * (at + 9) ** 2)


def test_jacobians_go_through() -> None:
    x, k = cr.tensor("x", (2,), F64), cr.tensor("k", (), F64)
    y = cr.cond(k > 0, lambda: cr.sin(x) * cr.flip(x), lambda: x[:1] * x**2)
    f = both([x, k], [cr.jacobian(y, x), cr.hessian(cr.sum(y), x), cr.grad(cr.sum(y), k)])
    a, b = 0.3, 0.7
    jacobian, hessian, none = f([a, b], 1.0)
    np.testing.assert_allclose(jacobian, [[b * np.cos(a), np.sin(a)], [np.sin(b), a * np.cos(b)]])
    cross = np.cos(a) + np.cos(b)
    np.testing.assert_allclose(hessian, [[-b * np.sin(a), cross], [cross, -a * np.sin(b)]])
    assert none == 0
    np.testing.assert_allclose(f([a, b], -1.0)[0], [[3 * a * a, 0], [b * b, 2 * a * b]])


def test_a_gradient_inside_a_branch() -> None:
    h = cr.sin(X)
    y = cr.cond(X > 0, lambda: cr.grad(h**3 + X, h) + cr.grad(h**2, X), lambda: h)
    f = both([X], [y, cr.grad(y, X)])
    s, c = np.sin(0.7), np.cos(0.7)
    np.testing.assert_allclose(
        f(0.7), [3 * s * s + 2 * s * c, 6 * s * c + 2 * c * c - 2 * s * s], rtol=1e-12
    )
    np.testing.assert_allclose(f(-0.7), [-s, c])


def test_under_leading_axes_each_takes_its_own_branch() -> None:
    k, xs = cr.tensor("k", (), F64), cr.tensor("xs", (2, "n"), F64)
    y = cr.cond(X > 0, lambda: cr.log(X) * k, lambda: X * X)
    ys = Tensor(lifted(y.node, {X.node: xs.node}, 2))
    values = np.array([[1.0, 0.0, -2.0], [0.5, 4.0, -0.1]])
    with np.errstate(all="ignore"):
        wanted = np.where(values > 0, np.log(values) * 3, values**2)
        slopes = np.where(values > 0, 3 / values, 2 * values)
    found = both([xs, k], [ys, *cr.grad(cr.sum(ys), [xs, k])])(values, 3.0)
    np.testing.assert_allclose(found[0], wanted)
    np.testing.assert_allclose(found[1], slopes)
    np.testing.assert_allclose(found[2], np.sum(np.log(values[values > 0])))
    # Where the condition is the same for all, the branches are for all at once.
    z = cr.cond(k > 0, lambda: cr.sin(X), lambda: X)
    zs = Tensor(lifted(z.node, {X.node: xs.node}, 2))
    assert zs.node.op.name == "cond"
    f = both([xs, k], [zs])
    np.testing.assert_allclose(f(values, 1.0)[0], np.sin(values))
    np.testing.assert_allclose(f(values, -1.0)[0], values)


def test_known_conditions_choose_at_once() -> None:
    assert cr.cond(True, lambda: X, lambda: 1 / 0) is X
    assert cr.cond(False, cr.sin, lambda x: (x, None), X) == (X, None)
    assert cr.cond(X > 0, lambda: (), lambda: ()) == ()


def test_formulas_read_as_choices() -> None:
    y = cr.cond(X > 0, lambda: X * cr.log(X), lambda: cr.exp(X) - 1)
    assert text(y.node) == "x * log(x) if x > 0 else exp(x) - 1"
    assert r"\text{if } x > 0" in latex(y.node)
    z = cr.cond(X > 0, lambda: cr.log(X), lambda: 0.0)
    assert text(z.node) == "[x > 0] * log(x)"


def test_layers_in_branches_act_where_they_are_taken() -> None:
    x, mode = cr.Input((3,)), cr.Input((), name="mode")
    dense, norm = cr.Dense(3), cr.BatchNormalization(momentum=0.5)

    class Penalty(cr.BaseLayer):
        """The mean square of what passes through is a term of the loss."""

        def describe(self) -> str:
            return "Penalty()"

        def apply(self, *inputs: Any) -> Any:
            self.add_loss(cr.mean(inputs[0] ** 2))
            return inputs[0]

    penalty = Penalty()
    h = cr.cond(cr.sum(mode) > 0, lambda: penalty(norm(dense(x))), lambda: x)
    model = cr.Model([x, mode], h, seed=0)
    assert list(model.parameters) == ["W1", "b1", "gamma2", "beta2"]
    data = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    for target in TARGETS:
        model.compile("mse", optimizer=cr.SGD(0.0), target=target)
        before = [array.copy() for array in model.state.values()]
        off, on = np.zeros(8, np.float32), np.ones(8, np.float32)
        history = model.fit([data, off], data, epochs=1, batch_size=8, verbose=0).history
        assert history["loss"] == [0]
        for array, old in zip(model.state.values(), before, strict=True):
            np.testing.assert_array_equal(array, old)
        loss = model.fit([data, on], data, epochs=1, batch_size=8, verbose=0).history["loss"]
        z = data @ model.parameters["W1"] + model.parameters["b1"]
        normal = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-3)
        right = np.mean((normal - data) ** 2) + np.mean(normal**2)
        np.testing.assert_allclose(loss, [right], rtol=1e-4)
        mean = next(iter(model.state.values()))
        np.testing.assert_allclose(mean, 0.5 * before[0] + 0.5 * z.mean(0), rtol=1e-4, atol=1e-6)


V = cr.tensor("v", (3,), F64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.cond(V > 0, lambda: V, lambda: V), UsageError, "cr.where chooses"),
        (lambda: cr.cond(X, lambda: V, lambda: V), UsageError, "the predicate is f64"),
        (lambda: cr.cond(X > 0, lambda: V, lambda: (V,)), UsageError, "different forms"),
        (lambda: cr.cond(X > 0, lambda: V, lambda: X), ShapeError, "different shapes"),
        (lambda: cr.cond(X > 0, lambda: X, lambda: X.astype("int32")), DTypeError, "dtypes"),
        (lambda: cr.cond(X > 0, lambda: X, lambda: True), DTypeError, "bool"),
    ],
)
def test_what_is_no_choice_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert str(caught.value).startswith("test_cond.py:")
    assert len(str(caught.value).splitlines()) == 3
