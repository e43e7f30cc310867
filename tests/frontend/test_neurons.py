"""Replicating a neuron over units and batch is the same as a loop over both."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError
from chainrule.compiler.ir import Graph, evaluate, walk
from chainrule.compiler.ops.random import DROPOUT
from chainrule.compiler.pipeline import derive
from chainrule.frontend.formula import Neuron
from chainrule.frontend.initializers import GlorotUniform, Zeros
from chainrule.frontend.neurons import NEURONS, replicate, weighted_sum

INPUTS, UNITS = 3, 4


@cr.neuron
def exponents(x: cr.Tensor, w: cr.PerInput, b: cr.Scalar = 1.0) -> Any:
    return cr.prod(cr.abs(x) ** w) + b


@cr.neuron
def soft(x: cr.Tensor, w: cr.PerInput) -> Any:
    return cr.sum(cr.softmax(x * w) * x)


@cr.neuron
def extremes(x: cr.Tensor, w: cr.PerInput, c: cr.PerInput, b: cr.Scalar) -> Any:
    return cr.max(x * w) - cr.min(cr.maximum(x, c)) + cr.mean(x * b)


@cr.neuron
def by_position(x: cr.Tensor, w: cr.PerInput) -> Any:
    return x[0] * w[-1] + cr.sum(x[1:] * w[:-1]) + cr.sum(cr.flip(x) * cr.arange(3) * w)


@cr.neuron
def matrices(x: cr.Tensor, w: cr.PerInput) -> Any:
    outer = cr.reshape(x, (3, 1)) * cr.reshape(w, (1, 3))
    return (
        cr.sum(cr.tril(outer)) + x @ w + cr.sum(outer @ x) + cr.sum(cr.matrix_transpose(outer) @ w)
    )


@cr.neuron
def looking(x: cr.Tensor, w: cr.PerInput) -> Any:
    return cr.take(x, cr.argmax(x * w), axis=0) + cr.sum(
        cr.take(w, cr.argmin(x) * np.array([0, 1]), axis=0)
    )


@cr.neuron
def sloping(x: cr.Tensor, w: cr.PerInput) -> Any:
    return cr.sum(cr.grad(cr.sum(cr.sin(x * w)), x) * x)


@cr.custom_gradient(vjp=lambda g, y, x: g, check=False)
def hard(x: Any) -> Any:
    return cr.sign(x)


@cr.neuron
def firing(x: cr.Tensor, w: cr.PerInput, b: cr.Scalar) -> Any:
    return hard(x @ w + b)


@cr.neuron
def parts(x: cr.Tensor, w: cr.PerInput, b: cr.Scalar) -> Any:
    joined = cr.concat([x, w, cr.reshape(b, (1,)), cr.ones(2, dtype="float64")])
    return cr.logsumexp(joined) + cr.vector_norm(cr.stack([x, w])) + cr.std(joined)


@cr.neuron
def chosen(x: cr.Tensor, w: cr.PerInput, b: cr.Scalar) -> Any:
    best = cr.argmax(x * w)
    count = cr.sum(cr.where(x > b, 1.0, 0.0))
    return cr.where(best > 0, cr.sum(x), b) + count + cr.sum(cr.cumulative_sum(x * w))


@cr.neuron
def same_for_all(x: cr.Tensor, b: cr.Scalar) -> Any:
    return b + 1.5


@cr.neuron
def without_parameters(x: cr.Tensor) -> Any:
    return cr.sum(x**2)


@cr.neuron
def with_a_constant(x: cr.Tensor, w: cr.PerInput) -> Any:
    return cr.sum(x * w * np.array([1.0, 2.0, 3.0])) + cr.sum(np.array([0.5, 0.25]))


@cr.neuron
def with_an_activation(x: cr.Tensor, w: cr.PerInput, b: cr.Scalar) -> Any:
    return cr.mish(cr.sum(cr.leaky_relu(x, negative_slope=0.1) * w) + b)


@cr.neuron
def padded(x: cr.Tensor, w: cr.PerInput) -> Any:
    wide = cr.pad(x, (1, 2), constant_values=2.0)
    return cr.sum(wide[1:4] * w) + cr.sum(cr.broadcast_to(cr.sum(w), (2, 3))) + wide[0]


OWN = [
    exponents,
    soft,
    extremes,
    by_position,
    matrices,
    parts,
    chosen,
    same_for_all,
    without_parameters,
    with_a_constant,
    with_an_activation,
    padded,
    looking,
    sloping,
    firing,
]
ALL = {neuron.name: neuron for neuron in (*NEURONS.values(), *OWN)}


@pytest.mark.parametrize("lead", [(2,), (2, 3), ()], ids=str)
@pytest.mark.parametrize("name", ALL)
def test_replicating_is_a_loop_over_units_and_batch(name: str, lead: tuple[int, ...]) -> None:
    neuron, random = ALL[name], np.random.default_rng(1)
    first: tuple[str | int, ...] = ("batch",) if lead else ()
    x = cr.tensor("x", (*first, *lead[1:], INPUTS), dtype="float64")
    parameters = {
        p.name: cr.tensor(p.name, p.shape(INPUTS, UNITS), dtype="float64")
        for p in neuron.parameters
    }
    given = random.normal(size=(*lead, INPUTS))
    values = {p.name: random.normal(size=p.shape(INPUTS, UNITS)) for p in neuron.parameters}
    y = replicate(neuron, x, UNITS, parameters)
    known = {x.node: given, **{parameters[n].node: v for n, v in values.items()}}
    (found,) = evaluate([y.node], known)
    wanted = np.empty((*lead, UNITS))
    for at in itertools.product(*map(range, lead)):
        for j in range(UNITS):
            own = [values[p.name][..., j] for p in neuron.parameters]
            wanted[(*at, j)] = float(neuron(given[at], *own))
    assert y.shape == (*x.shape[:-1], UNITS)
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)


def test_weighted_sums_become_a_matrix_product() -> None:
    x = cr.tensor("x", (None, 3))
    W, b = cr.tensor("W", (3, 4)), cr.tensor("b", (4,))
    y = replicate(weighted_sum, x, 4, {"W": W, "b": b})
    dW = cr.grad(cr.sum(cr.tanh(y)), W)
    inputs = (x.node, W.node, b.node)
    graph = derive(Graph("test", inputs=inputs, outputs=(("y", y.node), ("dW", dW.node))))
    product = (x @ W + b).node
    assert graph.outputs[0][1] is derive(Graph("test", inputs, outputs=(("y", product),))).roots[0]
    names = [node.op.name for node in walk(graph.roots)]
    assert names.count("contract") == 2
    assert "sum" not in names


def test_a_neuron_says_its_parameters() -> None:
    found = [(p.name, p.role, p.initializer) for p in weighted_sum.parameters]
    assert found[0] == ("W", "per_input", GlorotUniform())
    assert found[1][:2] == ("b", "scalar")
    own = [(p.name, p.initializer) for p in extremes.parameters]
    assert own == [("w", GlorotUniform()), ("c", GlorotUniform()), ("b", Zeros())]
    assert [p.shape(784, 10) for p in extremes.parameters] == [(784, 10), (784, 10), (10,)]


def test_annotations_that_are_text_are_read() -> None:
    def formula(x: "cr.Tensor", w: "cr.PerInput", b: "Scalar" = 2.0) -> "Any":  # type: ignore[name-defined]  # noqa: F821
        return cr.sum(x * w) + b

    assert [(p.name, p.role) for p in cr.neuron(formula).parameters] == [
        ("w", "per_input"),
        ("b", "scalar"),
    ]


def test_other_first_values() -> None:
    changed = weighted_sum(W="he_normal", b=1)
    assert [repr(p.initializer) for p in changed.parameters] == [
        "HeNormal()",
        "Constant(value=1.0)",
    ]
    assert repr(changed) == "weighted_sum(W=HeNormal(), b=Constant(value=1.0))"


def test_a_setting_is_no_parameter() -> None:
    product = NEURONS["product_unit"](epsilon=0.5)
    assert [p.name for p in product.parameters] == ["w"]
    assert float(product(np.array([1.5]), np.array([2.0]))) == pytest.approx(4.0)


def test_a_neuron_is_applied_to_a_vector() -> None:
    assert float(cr.weighted_sum(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 0.5)) == 11.5


def replicated(neuron: Neuron, **shapes: tuple[int, ...]) -> cr.Tensor:
    parameters = {name: cr.tensor(name, shape) for name, shape in shapes.items()}
    return replicate(neuron, cr.tensor("x", (None, 3)), 4, parameters)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: replicated(cr.neuron(lambda x: x * 2)),
            UsageError,
            "expected one number for a vector of inputs",
        ),
        (
            lambda: replicated(cr.neuron(lambda x: 2.0)),
            UsageError,
            "expected a tensor, came float",
        ),
        (
            lambda: replicated(weighted_sum, W=(4, 3), b=(4,)),
            ShapeError,
            r"W is f32\[4, 3\]\n    expected f32\[3, 4\]",
        ),
        (
            lambda: cr.neuron(lambda x, w: cr.sum(x * w)),
            UsageError,
            "expected 1 without a default: x",
        ),
        (
            lambda: weighted_sum(np.ones(3)),
            UsageError,
            "it has 2: W, b",
        ),
        (lambda: cr.neuron("weighed_sum"), UnknownNameError, "did you mean 'weighted_sum'"),
        (lambda: weighted_sum(w=1), UnknownNameError, "has no setting 'w'"),
        (lambda: cr.neuron(lambda *x: x), UsageError, r"an argument \*x"),
    ],
)
def test_mistakes(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        make()
    assert str(raised.value).startswith("test_neurons.py:")
    assert len(str(raised.value).splitlines()) == 3


def test_what_cannot_be_replicated_says_so() -> None:
    seed = cr.tensor("seed", (), "int64")
    dropping = cr.neuron(
        lambda x: cr.sum(cr.Tensor(DROPOUT(x.node, seed.node, seed.node, rate=0.5, stream=0))),
        name="dropping",
    )
    with pytest.raises(UsageError, match="dropout inside a neuron formula") as raised:
        replicated(dropping)
    assert str(raised.value).startswith("test_neurons.py:")
