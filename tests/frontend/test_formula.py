"""Making formulas: from callables, SymPy expressions and names; and what goes wrong."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy

import chainrule as cr
from chainrule.compiler.errors import (
    ChainruleError,
    UnknownNameError,
    UsageError,
)
from chainrule.compiler.ir import Graph, evaluate, leaf
from chainrule.compiler.pipeline import derive
from chainrule.compiler.types import TensorType, symbol
from chainrule.frontend.formulas.kinds import TABLES, table

Array = np.ndarray[Any, Any]
Value = Callable[..., Array]
BATCH = symbol("batch")


# Callables


def test_a_lambda_with_a_name() -> None:
    swish = cr.activation(lambda z: z * cr.sigmoid(z), name="swish")
    x = cr.tensor("x", (None, 3))
    assert swish.name == "swish"
    assert swish(x).node.op.name == "swish"
    assert swish(x).node.type == TensorType("float32", (BATCH, 3))


def test_decorators_with_and_without_options() -> None:
    @cr.activation
    def doubled(x: cr.Tensor) -> cr.Tensor:
        """Twice x."""
        return 2 * x

    @cr.loss(name="sevenfold", from_logits=True)
    def seven(target: cr.Tensor, prediction: cr.Tensor) -> cr.Tensor:
        return 7 * (target - prediction)

    assert (doubled.name, doubled.__doc__) == ("doubled", "Twice x.")
    assert (seven.name, seven.from_logits) == ("sevenfold", True)


def test_names_by_default() -> None:
    assert cr.activation(lambda x: 2 * x).name == "activation"
    assert cr.activation(functools.partial(cr.clip, min=0.0)).name == "activation"
    assert cr.activation(cr.sin).name == "sin"


def test_closures_and_callable_objects() -> None:
    class Scaled:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def __call__(self, x: cr.Tensor) -> cr.Tensor:
            return self.factor * x

    assert float(cr.activation(Scaled(3.0), name="scaled")(2.0)) == 6.0


def test_a_formula_is_traced_not_run_at_run_time() -> None:
    calls = []

    def counted(x: cr.Tensor) -> cr.Tensor:
        calls.append(x)
        return x * x

    f, x = cr.activation(counted), cr.tensor("x", (3,))
    before = [f(x) for _ in range(5)]
    assert len(calls) == 1
    assert len({t.node for t in before}) == 1


def test_the_derivative_of_ones_own_activation() -> None:
    swish = cr.activation(lambda z: z * cr.sigmoid(z), name="swish")
    x = cr.tensor("x", (3,), dtype="float64")
    dx = cr.grad(cr.sum(swish(x)), x)
    graph = derive(Graph("test", (x.node,), outputs=(("dx", dx.node),)))
    at = np.array([-2.0, 0.0, 3.0])
    s = 1 / (1 + np.exp(-at))
    np.testing.assert_allclose(evaluate(graph.roots, {x.node: at})[0], s + at * s * (1 - s))


def test_an_activation_that_reduces_is_traced_inline(value: Value) -> None:
    centered = cr.activation(lambda x: x - cr.mean(x, axis=-1, keepdims=True), name="centered")
    found = value(centered(cr.tensor("x", (2, 3), dtype="float64")), x=np.arange(6.0).reshape(2, 3))
    assert found.tolist() == [[-1, 0, 1], [-1, 0, 1]]
    assert not centered.elementwise


def test_an_activation_that_captures_a_tensor_keeps_its_gradient() -> None:
    w = cr.tensor("w", (), dtype="float64")
    scaled = cr.activation(lambda x: w * x * x, name="scaled")
    x = cr.tensor("x", (3,), dtype="float64")
    dw = cr.grad(cr.sum(scaled(x)), w)
    graph = derive(Graph("test", (x.node, w.node), outputs=(("dw", dw.node),)))
    assert evaluate(graph.roots, {x.node: np.array([1.0, 2.0, 3.0]), w.node: 5.0})[0] == 14.0


def test_a_static_choice_inside_a_formula() -> None:
    @cr.activation
    def either(x: cr.Tensor, smooth: bool = False) -> cr.Tensor:
        return cr.softplus(x) if smooth else cr.relu(x)

    assert float(either(-1.0)) == 0.0
    assert float(either(-1.0, smooth=True)) == pytest.approx(np.log1p(np.exp(-1)))


def test_settings_by_keyword_configure() -> None:
    changed = cr.leaky_relu(negative_slope=0.3)
    assert repr(changed) == "leaky_relu(negative_slope=0.3)"
    assert changed(negative_slope=0.2).settings == cr.leaky_relu.settings
    assert repr(cr.leaky_relu) == "leaky_relu"
    assert cr.leaky_relu() is cr.leaky_relu


def test_a_setting_may_be_keyword_only() -> None:
    @cr.activation
    def power(x: cr.Tensor, *, exponent: int = 2) -> cr.Tensor:
        return x**exponent

    assert float(power(exponent=3)(2.0)) == 8.0


def test_regularizers(value: Value) -> None:
    w = np.array([[1.0, -2.0], [3.0, 0.0]])
    t = cr.tensor("w", (2, 2), dtype="float64")
    assert value(cr.L1(0.5)(t), w=w) == 3.0
    assert value(cr.L2(0.5)(t), w=w) == 7.0
    assert value(cr.L1L2(l1=0.5, l2=0.25)(t), w=w) == 6.5
    assert value(cr.L1L2()(t), w=w) == 0.0
    assert cr.regularizer("l2") is cr.L2
    assert cr.regularizer("l1_l2") is cr.L1L2


def test_gradients_of_regularizers() -> None:
    t = cr.tensor("w", (3,), dtype="float64")
    dw = [cr.grad(cost(t), t).node for cost in (cr.L1(0.5), cr.L2(0.5))]
    graph = derive(Graph("test", (t.node,), outputs=(("a", dw[0]), ("b", dw[1]))))
    found = evaluate(graph.roots, {t.node: np.array([-2.0, 0.0, 3.0])})
    assert found[0].tolist() == [-0.5, 0.0, 0.5]
    assert found[1].tolist() == [-2.0, 0.0, 3.0]


# Names


@pytest.mark.parametrize("kind", TABLES)
def test_every_built_in_formula_is_found_by_its_name(kind: str) -> None:
    lookup = getattr(cr, kind)
    for name, formula in table(kind).items():
        assert lookup(name) is formula
        assert lookup(formula) is formula
        assert formula.builtin
        assert formula.__doc__


def test_a_formula_of_ones_own_is_not_built_in() -> None:
    assert not cr.activation(lambda x: 2 * x, name="mish").builtin


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cr.activation("rleu"), "unknown activation 'rleu'.*did you mean 'relu'"),
        (lambda: cr.loss("mean_square_error"), "did you mean 'mean_squared_error'"),
        (lambda: cr.regularizer("l3"), "unknown regularizer 'l3'"),
        (lambda: cr.leaky_relu(slope=0.1), "settings are negative_slope.*'negative_slope'"),
        (lambda: cr.mish(1.0, beta=2.0), "mish has no setting 'beta'"),
    ],
)
def test_unknown_names(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UnknownNameError, match=f"(?s){message}") as raised:
        make()
    assert len(str(raised.value).splitlines()) == 3
    assert str(raised.value).startswith("test_formula.py:")


@pytest.mark.parametrize("name", ["x); import os", "lambda", "__class__", "", "a b", "π", "_x"])
def test_names_that_are_not_identifiers(name: str) -> None:
    with pytest.raises(UnknownNameError, match="a formula's name"):
        cr.activation(lambda x: 2 * x, name=name or "-")


def test_a_name_that_is_taken() -> None:
    with pytest.raises(UsageError, match="an activation called exp"):
        cr.activation(lambda x: x * x, name="exp")(1.0)


# Mistakes


def returns_nothing(x: cr.Tensor) -> Any:
    x * 2


X = cr.tensor("x", (None, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cr.activation(returns_nothing)(X), "came nothing\n    hint: is a return missing"),
        (lambda: cr.activation(lambda x: [x])(X), "expected a tensor, came list"),
        (lambda: cr.activation(lambda x: np.exp(x))(X), "cr.exp instead of np.exp"),
        (lambda: cr.activation(lambda x: x if x > 0 else -x)(X), "no truth value"),
        (lambda: cr.activation(lambda: 1), "expected 1 without a default: x"),
        (lambda: cr.activation(lambda x, y: x), "a formula of x, y"),
        (lambda: cr.activation(lambda *x: x[0]), r"an argument \*x"),
        (lambda: cr.activation(3), "expected an activation, came int"),
        (lambda: cr.activation(cr.mean_squared_error), "expected an activation, came loss"),
        (lambda: cr.loss(lambda t, p: t, from_logits=True)(X, 1), "the prediction is i64"),
        (lambda: cr.loss(lambda t, p: t > p)(X, X), "the result is bool"),
        (lambda: cr.regularizer(lambda w: w * w)(X), "expected one number"),
        (lambda: cr.L2("much"), "l2='much'.*\n.*a finite number, came str"),
        (lambda: cr.L2(0.1, 0.2), "L2 takes 1 settings, 2 given"),
        (lambda: cr.activation(lambda x, w: 0, name="f"), "a formula of x, w"),
    ],
)
def test_mistakes_are_three_lines_at_the_users_line(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ChainruleError, match=message) as raised:
        make()
    assert str(raised.value).startswith("test_formula.py:")
    assert len(str(raised.value).splitlines()) == 3


def test_a_mistake_in_a_formula_names_the_formulas_line() -> None:
    with pytest.raises(UsageError) as raised:
        cr.activation(returns_nothing)(X)
    line = returns_nothing.__code__.co_firstlineno
    assert str(raised.value).startswith(f"test_formula.py:{line}: returns_nothing:")


def test_roles_are_for_their_kinds() -> None:
    def stateful(x: Any, v: cr.State = 0.0) -> Any:
        return x

    with pytest.raises(UsageError, match="'v' is annotated as State"):
        cr.activation(stateful)


def test_other_exceptions_are_the_users_own() -> None:
    with pytest.raises(ZeroDivisionError):
        cr.activation(lambda x: x * (1 / 0))(X)


# SymPy


def test_a_sympy_activation() -> None:
    z = sympy.Symbol("z")
    swish = cr.activation(z / (1 + sympy.exp(-z)), name="swish")
    assert float(swish(1.0)) == pytest.approx(float(cr.silu(1.0)), rel=1e-15)
    assert swish(X).node.op.name == "swish"


def test_a_sympy_activation_with_a_setting() -> None:
    z, a = sympy.symbols("z a")
    scaled = cr.activation(z / (1 + sympy.exp(-a * z)), args=["z"], settings={"a": 1.0})
    assert float(scaled(a=2)(1.0)) == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-15)
    themselves = cr.activation(z / (1 + sympy.exp(-a * z)), args=z, settings={a: 1.0})
    assert float(themselves(a=2)(1.0)) == float(scaled(a=2)(1.0))


def test_the_symbols_of_a_loss_are_in_order(value: Value) -> None:
    t, p = sympy.symbols("t p")
    named = cr.loss(t**2 / p, args=("t", "p"))
    themselves = cr.loss(t**2 / p, args=(t, p))
    assert value(themselves(np.array([6.0]), np.array([2.0]))) == [18.0]
    sorted_ = cr.loss(p**2 / t)  # p before t
    assert value(named(np.array([6.0]), np.array([2.0]))) == [18.0]
    assert value(sorted_(np.array([6.0]), np.array([2.0]))) == [18.0]


def test_a_sympy_regularizer_is_added_up(value: Value) -> None:
    w = sympy.Symbol("w")
    assert value(cr.regularizer(w**4 / 2)(cr.tensor("w", (2,), "float64")), w=[1.0, 2.0]) == 8.5


def test_a_sympy_neuron_sums_over_its_inputs() -> None:
    i, n, b = sympy.symbols("i n b")
    x, w = sympy.IndexedBase("x"), sympy.IndexedBase("w")
    total = sympy.Sum(x[i] * w[i], (i, 0, n - 1))
    neuron = cr.neuron(sympy.tanh(total + b), name="perceptron")
    assert [(p.name, p.role) for p in neuron.parameters] == [("w", "per_input"), ("b", "scalar")]
    found = float(neuron(np.array([1.0, 2.0]), np.array([0.1, 0.2]), 0.3))
    assert found == pytest.approx(np.tanh(0.8), rel=1e-15)


def test_a_sympy_optimizer() -> None:
    p, g, v, rate, mu = sympy.symbols("p g v rate mu")
    new = mu * v - rate * g
    momentum = cr.optimizer(
        (p + new, new), name="momentum", states={"v": 0.0}, settings={"rate": 0.01, "mu": 0.9}
    )
    w = cr.Tensor(leaf("W", TensorType("float64", (3,)), "param"))
    ours, theirs = momentum(0.1).apply([w], [w]), cr.SGD(0.1, momentum=0.9).apply([w], [w])

    def step(update: Any) -> Array:
        settings = dict(update.settings)
        known = {w.node: np.array([1.0, 2.0, 3.0]), **settings}
        known |= {node: np.full(3, 0.5) for node, _ in update.state}
        return evaluate([update.updates[0][1]], known)[0]

    np.testing.assert_allclose(step(ours), step(theirs), rtol=1e-15)


def test_a_sympy_optimizer_counts_its_steps() -> None:
    p, g, t = sympy.symbols("p g t")
    fading = cr.optimizer([p - g / t], name="fading", step="t")
    w = cr.Tensor(leaf("W", TensorType("float32", ()), "param"))
    update = fading.apply([w], [w])
    assert [node.attr("name") for node, _ in update.state] == ["fading_step"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda z, a: cr.activation(z * a), "an expression of a, z"),
        (lambda z, a: cr.loss(z), "its operands are target, prediction"),
        (lambda z, a: cr.activation(sympy.Heaviside(z)), "Heaviside is no known function"),
        (lambda z, a: cr.activation(sympy.Function("f")(z)), "f is no known function"),
        (lambda z, a: cr.activation(z + sympy.Symbol("z", real=True)), "two different symbols"),
        (lambda z, a: cr.optimizer([z]), "an expression of z"),
    ],
)
def test_bad_expressions(make: Callable[..., Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        make(*sympy.symbols("z a"))
    assert str(raised.value).startswith("test_formula.py:")
    assert len(str(raised.value).splitlines()) == 3


@pytest.mark.parametrize("name", ["x); import os", "lambda", "__class__", "a\nb"])
def test_names_of_symbols(name: str) -> None:
    odd, z = sympy.Symbol(name), sympy.Symbol("z")
    for make in (
        lambda: cr.activation(odd**2),
        lambda: cr.activation(z * odd, args=z, settings={odd: 1.0}),
        lambda: cr.neuron(odd * z),
        lambda: cr.optimizer((z - odd, odd), args=(z, "g"), states={odd: 0.0}),
    ):
        with pytest.raises(UnknownNameError, match="expected letters, digits") as raised:
            make()
        assert str(raised.value).startswith("test_formula.py:")


def test_a_sum_that_is_not_over_all_inputs() -> None:
    i, x = sympy.Symbol("i"), sympy.IndexedBase("x")
    with pytest.raises(UsageError, match="it has to end at a symbol"):
        cr.neuron(sympy.Sum(x[i], (i, 0, 3)))
