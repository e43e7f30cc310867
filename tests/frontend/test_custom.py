"""Declared derivatives: used as declared, differentiated again, checked, and kept in text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Graph, evaluate
from chainrule.compiler.passes.differentiate import Differentiate
from chainrule.compiler.text import parse, show


def number(name: str = "x") -> cr.Tensor:
    return cr.tensor(name, (), "float64")


def run(inputs: list[cr.Tensor], outputs: Any, *arrays: Any, target: str = "numpy") -> Any:
    return cr.function(inputs, outputs, target)(*arrays)


@cr.custom_gradient(vjp=lambda g, y, x: g * y * (1 - y), jvp=lambda t, y, x: t * y * (1 - y))
def logistic(x: Any) -> Any:
    return 1 / (1 + cr.exp(-x))


@cr.custom_gradient(
    vjp=lambda g, y, x, w: (g @ w.T, x.T @ g), jvp=lambda s, t, y, x, w: s @ w + x @ t
)
def product(x: Any, w: Any) -> Any:
    return x @ w


tripled: Any = cr.custom_gradient(lambda x: x**2, vjp=lambda g, y, x: 3 * g * x, check=False)
seven: Any = cr.custom_gradient(
    lambda x: x**2, vjp=lambda g, y, x: 3 * g * x, jvp=lambda t, y, x: 7 * t * x, check=False
)


def test_the_rule_is_what_is_used() -> None:
    x = number()
    y = tripled(x)
    slope = cr.grad(y, x)
    outputs = [y, slope, cr.grad(slope, x), cr.jvp(y, x, 1.0), cr.jacobian(y, x)]
    assert [float(v) for v in run([x], outputs, 2.0)] == [4.0, 6.0, 3.0, 6.0, 6.0]


def test_the_forward_rule_is_what_forward_mode_uses() -> None:
    x = number()
    y = seven(x) * x
    outputs = [cr.grad(y, x), cr.jvp(y, x, 1.0), cr.grad(cr.grad(seven(x), x), x)]
    assert [float(v) for v in run([x], outputs, 2.0)] == [16.0, 32.0, 3.0]


def test_all_orders_and_modes_agree_with_the_formula() -> None:
    x, w = cr.tensor("x", (None, 3), "float64"), cr.tensor("w", (3, 2), "float64")
    a, b = (
        np.random.default_rng(0).normal(size=(4, 3)),
        np.random.default_rng(1).normal(size=(3, 2)),
    )
    found = []
    for sigmoid, times in ((logistic, product), (cr.sigmoid, cr.matmul)):
        y = sigmoid(times(x, w))
        loss = cr.sum(y**2)
        outputs = [
            y,
            *cr.grad(loss, [x, w]),
            *cr.hvp(loss, [x, w], [x, w]),
            cr.jvp(y, [x, w], [x, w]),
            cr.jacobian(y, w),
            cr.jacobian(y[:, 0], w),
            cr.hessian(loss, w),
            cr.jvp(cr.grad(loss, w), x, np.ones((1, 3)) * x),
            cr.grad(cr.sum(cr.hessian_diagonal(loss, w) ** 2), w),
            cr.taylor(y, x, 2),
        ]
        found.append(run([x, w], outputs, a, b))
        found.append(run([x, w], outputs, a, b, target="cpu"))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)


def test_a_stable_rule_for_an_unstable_formula() -> None:
    """The checked points are those where the formula has a slope."""

    @cr.custom_gradient(vjp=lambda g, y, x: g * cr.sigmoid(x))
    def softplus(x: Any) -> Any:
        return cr.log(1 + cr.exp(x))

    x = number()
    assert float(run([x], cr.grad(softplus(x), x), 800.0)) == 1.0


def test_formulas_of_positive_numbers_are_compared_there() -> None:
    f: Any = cr.custom_gradient(lambda x: cr.log(x - 1), vjp=lambda g, y, x: g / (x - 1))
    x = number()
    assert float(run([x], cr.grad(f(x), x), 3.0)) == 0.5


def test_integers_and_constants_are_arguments_too() -> None:
    @cr.custom_gradient(vjp=lambda g, y, x, i: (cr.one_hot(i, 3, dtype="float64") * g, None))
    def pick(x: Any, i: Any) -> Any:
        return cr.sum(cr.one_hot(i, 3, dtype="float64") * x)

    x, i = cr.tensor("x", (3,), "float64"), cr.tensor("i", (), "int64")
    found = run([x, i], cr.grad(pick(x, i), x), np.ones(3), 1)
    np.testing.assert_array_equal(found, [0.0, 1.0, 0.0])
    half: Any = cr.custom_gradient(
        lambda x, k: x * k, vjp=lambda g, y, x, k: (g * k, cr.sum(g * x))
    )
    np.testing.assert_array_equal(run([x], cr.grad(cr.sum(half(x, 0.5)), x), np.ones(3)), [0.5] * 3)


def test_float32_is_compared_in_float64() -> None:
    x = cr.tensor("x", (None, 3))
    y = cr.sum(logistic(x))
    found = run([x], cr.grad(y, x), np.zeros((2, 3), "f4"))
    np.testing.assert_array_equal(found, np.full((2, 3), 0.25, "f4"))
    assert found.dtype == "float32"


def test_straight_through() -> None:
    x = cr.tensor("x", (3,), "float64")
    y = cr.straight_through(cr.sign(x), cr.tanh(x))
    at = np.array([-0.5, 0.3, 2.0])
    for target in ("numpy", "cpu"):
        value, slope = run([x], [y, cr.grad(cr.sum(y**2), x)], at, target=target)
        np.testing.assert_array_equal(value, [-1.0, 1.0, 1.0])
        np.testing.assert_allclose(slope, 2 * value * (1 - np.tanh(at) ** 2), rtol=1e-14)


def test_rules_survive_text() -> None:
    """The file has the rule as a graph: read back, it is used, and nothing of Python is."""
    x, w = cr.tensor("x", (None, 3), "float64"), cr.tensor("w", (3, 2), "float64")
    y = cr.sum(seven(logistic(product(x, w))))
    outputs = (("y", y.node), ("slope", cr.grad(y, w).node), ("change", cr.jvp(y, w, w).node))
    graph = Graph("rules", (x.node, w.node), outputs=outputs)
    read = parse(show(graph))
    assert show(read) == show(graph)
    values = np.ones((2, 3)), np.full((3, 2), 0.1)
    results = []
    for g in (graph, read):
        done = Differentiate()(g)
        assert not any(n.op.name in ("custom", "gradient") for n in done.nodes())
        results.append(evaluate(done.roots, dict(zip(g.inputs, values, strict=True))))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
    z = 1 / (1 + np.exp(-0.3))
    np.testing.assert_allclose(results[1][1], 2 * 3 * z * z * (1 - z), rtol=1e-14)
    np.testing.assert_allclose(results[1][2], 4 * 7 * z * z * (1 - z) * 0.3, rtol=1e-14)


def test_in_a_model(tmp_path: Any) -> None:
    """A network of binary neurons learns through them, and is read back from its file."""
    step = cr.activation(lambda z: cr.straight_through(cr.sign(z), cr.tanh(z)), name="step")
    model = cr.Sequential([cr.Input((2,)), cr.Dense(8, activation=step), cr.Dense(1)], seed=0)
    model.compile(loss="mse", optimizer=cr.Adam(0.05), target="numpy")
    x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], "f4")
    t = np.array([[0], [1], [1], [0]], "f4")
    history = model.fit(x, t, epochs=150, batch_size=4, seed=0, verbose=0)
    assert history.history["loss"][-1] < 0.05
    model.save(tmp_path / "binary.chain")
    loaded = cr.load_model(tmp_path / "binary.chain")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (
        lambda x: x**2,
        {"vjp": lambda g, y, x: g * x},
        r"the vjp of formula is off by [\d.]+\n.* at x",
    ),
    (lambda x: x**2, {"vjp": lambda g, y, x: 2 * g * x + 1e-4 * g}, r"off by [\d.]+e-05"),
    (
        lambda x: x**2,
        {"vjp": lambda g, y, x: 2 * g * x, "jvp": lambda t, y, x: t * x},
        "the jvp of formula is off by",
    ),
    (lambda x: x + 1, {"vjp": lambda g, y, x: g / cr.floor(x * 0)}, "the vjp of formula is off by"),
]


@pytest.mark.parametrize(("formula", "rules", "message"), WRONG)
def test_a_wrong_rule_is_off_by_so_much_and_there(formula: Any, rules: Any, message: str) -> None:
    formula.__name__ = "formula"
    wrong: Any = cr.custom_gradient(formula, **rules)
    with pytest.raises(UsageError, match=message) as raised:
        wrong(cr.tensor("x", (None, 2)))
    assert str(raised.value).startswith("test_custom.py:")
    assert "the formula's slope is" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 3


def test_a_wrong_rule_says_the_element() -> None:
    rows = np.array([1.0, 1.0, 2.0])
    wrong: Any = cr.custom_gradient(lambda x: cr.sum(x**2), vjp=lambda g, y, x: 2 * g * x * rows)
    with pytest.raises(UsageError, match=r"at x\[2\] = "):
        wrong(cr.tensor("x", (3,)))


outer = number("outer")
MISTAKES: list[tuple[Any, Any, type[ChainruleError], str]] = [
    (lambda x: None, lambda g, y, x: g, UsageError, "the formula gives NoneType"),
    (lambda x: 2 * x, lambda g, y, x: None, UsageError, "off by"),
    (lambda x: x, lambda g, y, x: (g, g), UsageError, "the vjp gives 2 gradients"),
    (lambda x: x, lambda g, y, x: cr.stack([g, g]), ShapeError, r"the vjp gives f64\[2, 3\]"),
    (lambda x: x * outer, lambda g, y, x: g, UsageError, "uses 'outer', which is no argument"),
    (lambda x: x, lambda g, y, x: g * outer, UsageError, "uses 'outer'"),
    (lambda x: x > 0, lambda g, y, x: g, DTypeError, r"gives bool\[3\]"),
    (lambda x: cr.sqrt(-1 - x**2), lambda g, y, x: g, UsageError, "cannot be compared"),
]


@pytest.mark.parametrize(("formula", "vjp", "error", "message"), MISTAKES)
def test_mistakes(formula: Any, vjp: Any, error: type[ChainruleError], message: str) -> None:
    wrong: Any = cr.custom_gradient(formula, vjp=vjp)
    with pytest.raises(error, match=message) as raised:
        wrong(cr.tensor("x", (3,), "float64"))
    assert str(raised.value).startswith("test_custom.py:")


@pytest.mark.parametrize("check", [True, False])
def test_a_carry_from_around_is_no_argument(check: bool) -> None:
    """Its gradient would be lost, as that of any tensor from outside."""
    x = number("x")

    def step(c: cr.Tensor, _: None) -> tuple[cr.Tensor, None]:
        scaled = cr.custom_gradient(lambda z: z * c, vjp=lambda g, y, z: g * c, check=check)
        return scaled(x), None

    with pytest.raises(UsageError, match="uses 'c', which is no argument"):
        cr.scan(step, x, length=2)


def test_straight_through_of_other_types() -> None:
    x = cr.tensor("x", (3,))
    with pytest.raises(ShapeError, match="shapes differ"):
        cr.straight_through(x, cr.sum(x))
    with pytest.raises(DTypeError, match="not two tensors of the same floats"):
        cr.straight_through(x, x.astype("float64"))


def test_in_the_step_of_a_loop() -> None:
    """What is declared holds for the loop's derivatives, of the second order too."""

    @cr.custom_gradient(vjp=lambda g, y, x: g * cr.sin(x), check=False)
    def odd(x: cr.Tensor) -> cr.Tensor:
        return x * 1.0

    def step(c: cr.Tensor, t: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
        h = 2 * c * t
        return c + odd(t) + cr.grad(h**3, h), cr.straight_through(cr.round(c), 3 * t)

    x, a = cr.tensor("x", (2,), "float64"), np.array([1.0, 2.0])
    c, ys = cr.scan(step, 0.0, x)
    slope = cr.grad(c + cr.sum(ys), x)
    f = cr.function([x], [slope, cr.grad(cr.sum(slope), x)], "numpy")
    # c = odd(x) + odd(y) + 12 (odd(x) y)^2, where odd(x) is x and its slope sin(x)
    s, t = np.sin(a[0]), np.sin(a[1])
    first = [s + 24 * a[1] ** 2 * a[0] * s + 3, t + 24 * a[1] * a[0] ** 2 + 3]
    np.testing.assert_allclose(f(a)[0], first, rtol=1e-14)
    inner = np.cos(a[0]) * (1 + 24 * a[1] ** 2 * a[0]) + 24 * a[1] ** 2 * s * s
    both = 48 * a[1] * a[0] * s
    second = [inner + both, np.cos(a[1]) + 24 * a[0] ** 2 + both]
    np.testing.assert_allclose(f(a)[1], second, rtol=1e-14)
    np.testing.assert_allclose(f(a), cr.function([x], [slope, cr.grad(cr.sum(slope), x)])(a))
    assert parse(show(f._request)) == f._request
