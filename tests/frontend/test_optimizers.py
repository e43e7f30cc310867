"""Every optimizer against its paper's equations in plain NumPy; options; what goes wrong."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError
from chainrule.compiler.ir import evaluate, leaf
from chainrule.compiler.types import TensorType
from chainrule.frontend.formula import Optimizer
from chainrule.frontend.optimizers import OPTIMIZERS

Array = np.ndarray[Any, Any]
Paper = Callable[[Array, Iterator[Array]], Iterator[Array]]
STEPS = 50
START = np.random.default_rng(1).normal(size=(4, 3))
GRADIENTS = np.random.default_rng(2).normal(size=(STEPS, 4, 3)) * np.array([1e-3, 1.0, 1e3])


def parameter(name: str, shape: tuple[int, ...], dtype: str = "float64") -> cr.Tensor:
    return cr.Tensor(leaf(name, TensorType(dtype, shape), "param"))


def follow(optimizer: Optimizer, gradients: Array = GRADIENTS, start: Array = START) -> Array:
    """The parameter after every step."""
    p, g = parameter("W", start.shape, str(start.dtype)), cr.tensor("g", start.shape, start.dtype)
    update = optimizer.apply([p], [g])
    known: dict[Any, Any] = {p.node: start, **dict(update.settings)}
    for node, value in update.state:
        known[node] = np.full(node.shape, value, node.dtype)
    path = []
    for gradient in gradients:
        new = evaluate([node for _, node in update.updates], {**known, g.node: gradient})
        known |= dict(zip((old for old, _ in update.updates), new, strict=True))
        path.append(known[p.node])
    return np.array(path)


def sgd(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    for g in gradients:
        p = p - 0.01 * g
        yield p


def heavy_ball(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    v = np.zeros_like(p)
    for g in gradients:
        v = 0.9 * v - 0.01 * g
        p = p + v
        yield p


def nesterov(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    v = np.zeros_like(p)
    for g in gradients:
        v = 0.9 * v - 0.01 * g
        p = p + 0.9 * v - 0.01 * g
        yield p


def adam(p: Array, gradients: Iterator[Array], decay: float = 0.0) -> Iterator[Array]:
    # Kingma and Ba 2015, end of section 2, where epsilon is "epsilon hat".
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        p = p - 0.001 * decay * p
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        rate = 0.001 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p = p - rate * m / (np.sqrt(v) + 1e-7)
        yield p


def adamw(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    yield from adam(p, gradients, decay=0.004)


def amsgrad(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    m, v, largest = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        largest = np.maximum(largest, v)
        rate = 0.001 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p = p - rate * m / (np.sqrt(largest) + 1e-7)
        yield p


def rmsprop(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    v = np.zeros_like(p)
    for g in gradients:
        v = 0.9 * v + 0.1 * g**2
        p = p - 0.001 * g / np.sqrt(v + 1e-7)
        yield p


def graves(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    # Graves 2013, eq. (38) to (45): centered, with momentum.
    v, m, u = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    for g in gradients:
        v = 0.95 * v + 0.05 * g**2
        m = 0.95 * m + 0.05 * g
        u = 0.9 * u - 1e-4 * g / np.sqrt(v - m**2 + 1e-4)
        p = p + u
        yield p


def adagrad(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    a = np.full_like(p, 0.1)
    for g in gradients:
        a = a + g**2
        p = p - 0.001 * g / np.sqrt(a + 1e-7)
        yield p


def adadelta(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    # Zeiler 2012, algorithm 1.
    a, d = np.zeros_like(p), np.zeros_like(p)
    for g in gradients:
        a = 0.95 * a + 0.05 * g**2
        s = -np.sqrt(d + 1e-7) / np.sqrt(a + 1e-7) * g
        d = 0.95 * d + 0.05 * s**2
        p = p + s
        yield p


def adamax(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    # Kingma and Ba 2015, algorithm 2.
    m, u = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + (1 - 0.9) * g
        u = np.maximum(0.999 * u, np.abs(g))
        p = p - 0.001 / (1 - 0.9**t) * m / (u + 1e-7)
        yield p


def nadam(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    # Dozat 2016, algorithm 2, with the schedule of section 3.
    m, v = np.zeros_like(p), np.zeros_like(p)
    schedule = [0.9 * (1 - 0.5 * 0.96**t) for t in range(STEPS + 2)]
    for t, g in enumerate(gradients, 1):
        so_far = np.prod(schedule[1 : t + 1])
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        m_hat = schedule[t + 1] * m / (1 - so_far * schedule[t + 1])
        m_hat = m_hat + (1 - schedule[t]) * g / (1 - so_far)
        v_hat = v / (1 - 0.999**t)
        p = p - 0.001 * m_hat / (np.sqrt(v_hat) + 1e-7)
        yield p


def lion(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    # Chen et al. 2023, program 1.
    m = np.zeros_like(p)
    for g in gradients:
        update = np.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
        p = p - 0.001 * update
        yield p


PAPERS: dict[str, tuple[Optimizer, Paper]] = {
    "SGD": (cr.SGD(), sgd),
    "momentum": (cr.SGD(momentum=0.9), heavy_ball),
    "nesterov": (cr.SGD(momentum=0.9, nesterov=True), nesterov),
    "Adam": (cr.Adam(), adam),
    "amsgrad": (cr.Adam(amsgrad=True), amsgrad),
    "AdamW": (cr.AdamW(), adamw),
    "RMSprop": (cr.RMSprop(), rmsprop),
    "centered": (cr.RMSprop(1e-4, rho=0.95, momentum=0.9, epsilon=1e-4, centered=True), graves),
    "Adagrad": (cr.Adagrad(), adagrad),
    "Adadelta": (cr.Adadelta(1.0), adadelta),
    "Adamax": (cr.Adamax(), adamax),
    "Nadam": (cr.Nadam(), nadam),
    "Lion": (cr.Lion(), lion),
}


@pytest.mark.parametrize("name", PAPERS)
def test_fifty_steps_are_the_papers(name: str) -> None:
    optimizer, paper = PAPERS[name]
    wanted = np.array(list(paper(START, iter(GRADIENTS))))
    np.testing.assert_allclose(follow(optimizer), wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", PAPERS)
def test_float32_stays_float32_and_near(name: str) -> None:
    optimizer, paper = PAPERS[name]
    start, gradients = START.astype("float32"), GRADIENTS.astype("float32")
    found = follow(optimizer, gradients, start)
    assert found.dtype == np.float32
    wanted = np.array(list(paper(start.astype(float), iter(gradients.astype(float)))))
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)


def test_every_optimizer_is_tested_and_found_by_name() -> None:
    assert {formula.name for formula, _ in PAPERS.values()} == {
        formula.name for formula in OPTIMIZERS.values()
    }
    for name, formula in OPTIMIZERS.items():
        assert cr.optimizer(name) is formula
        assert cr.optimizer(formula.name) is formula


def test_what_a_step_needs_is_named() -> None:
    p = [parameter("W1", (4, 3)), parameter("b1", (3,))]
    update = cr.Adam(1e-3).apply(p, p)
    assert [(node.attr("name"), value) for node, value in update.settings] == [
        ("learning_rate", 1e-3),
        ("beta_1", 0.9),
        ("beta_2", 0.999),
        ("epsilon", 1e-7),
    ]
    assert [node.attr("name") for node, _ in update.state] == [
        "adam_m_W1",
        "adam_v_W1",
        "adam_m_b1",
        "adam_v_b1",
        "adam_step",
    ]
    assert {node.attr("role") for node, _ in update.state} == {"state"}
    assert {node.attr("role") for node, _ in update.settings} == {"setting"}
    assert not update.names


@pytest.mark.parametrize("option", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipped_gradients_are_named(option: str) -> None:
    p = [parameter("W1", (4, 3)), parameter("b1", (3,))]
    g = [cr.tensor("g1", (4, 3), "float64"), cr.tensor("g2", (3,), "float64")]
    update = cr.SGD(**{option: 1.0}).apply(p, g)
    assert sorted(update.names.values()) == ["clipped_W1", "clipped_b1"]


def test_plain_descent_keeps_no_state() -> None:
    p = parameter("W", (3,))
    update = cr.SGD(0.1).apply([p], [p])
    assert update.state == ()
    assert [node.attr("name") for node, _ in update.settings] == ["learning_rate"]
    assert cr.SGD(momentum=0.0).apply([p], [p]).state == ()


def test_a_state_starts_from_a_setting() -> None:
    p = parameter("W", (3,))
    update = cr.Adagrad(initial_accumulator_value=0.5).apply([p], [p])
    assert [value for _, value in update.state] == [0.5]
    assert "initial_accumulator_value" not in {n.attr("name") for n, _ in update.settings}


def test_a_step_that_is_not_asked_for_is_not_counted() -> None:
    p = parameter("W", (3,))
    assert [n.attr("name") for n, _ in cr.Lion().apply([p], [p]).state] == ["lion_m_W"]


def test_the_learning_rate_is_no_constant_of_the_graph() -> None:
    p, g = parameter("W", (3,)), cr.tensor("g", (3,), dtype="float64")
    update = cr.SGD(0.1).apply([p], [g])
    ((rate, _),) = update.settings
    ((_, new),) = update.updates
    known = {p.node: np.ones(3), g.node: np.ones(3)}
    assert evaluate([new], {**known, rate: 0.1})[0].tolist() == [0.9] * 3
    assert evaluate([new], {**known, rate: 0.5})[0].tolist() == [0.5] * 3


def test_weight_decay_is_decoupled() -> None:
    found = follow(cr.Adam(weight_decay=0.004))
    np.testing.assert_allclose(found, follow(cr.AdamW()), rtol=1e-14)


def test_clipping_by_value() -> None:
    found = follow(cr.SGD(clipvalue=0.5))
    np.testing.assert_allclose(found, follow(cr.SGD(), np.clip(GRADIENTS, -0.5, 0.5)), rtol=1e-14)


def test_clipping_by_norm() -> None:
    norms = np.sqrt((GRADIENTS**2).sum(axis=(1, 2), keepdims=True))
    scaled = np.where(norms > 900.0, GRADIENTS * 900.0 / norms, GRADIENTS)
    assert 0 < (norms > 900.0).sum() < STEPS
    np.testing.assert_allclose(follow(cr.SGD(clipnorm=900)), follow(cr.SGD(), scaled), rtol=1e-12)


def test_clipping_by_global_norm_sees_all_gradients() -> None:
    p = [parameter("W", (2,)), parameter("b", ())]
    g = [cr.tensor("gW", (2,), "float64"), cr.tensor("gb", (), "float64")]
    update = cr.SGD(1.0, global_clipnorm=1.0).apply(p, g)
    known = {p[0].node: np.zeros(2), p[1].node: 0.0, g[0].node: np.array([2.0, 3.0]), g[1].node: 6}
    known |= dict(update.settings)
    found = evaluate([new for _, new in update.updates], known)
    np.testing.assert_allclose(found[0], [-2 / 7, -3 / 7], rtol=1e-15)
    np.testing.assert_allclose(found[1], -6 / 7, rtol=1e-15)


@pytest.mark.parametrize("option", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_a_gradient_of_0_is_clipped_to_0(option: str) -> None:
    path = follow(cr.SGD(**{option: 1.0}), np.zeros((1, 4, 3)))
    np.testing.assert_array_equal(path[0], START)


@cr.optimizer
def momentum(p: cr.Tensor, g: cr.Tensor, v: cr.State = 0.0, rate: float = 0.01, mu: float = 0.9):  # type: ignore[no-untyped-def]
    v = mu * v - rate * g
    return p + v, v


def test_an_optimizer_of_ones_own() -> None:
    np.testing.assert_array_equal(follow(momentum), follow(cr.SGD(momentum=0.9)))
    assert repr(momentum(0.1, clipnorm=2)) == "momentum(rate=0.1, clipnorm=2.0)"


def test_weight_decay_finds_the_rate_of_an_optimizer_of_ones_own() -> None:
    found = follow(momentum(weight_decay=0.1))
    np.testing.assert_allclose(found, follow(cr.SGD(momentum=0.9, weight_decay=0.1)), rtol=1e-14)


def test_an_optimizer_applied_to_tensors() -> None:
    p, g, v = (cr.tensor(name, (3,)) for name in "pgv")
    new, velocity = momentum(p, g, v)
    assert new.shape == velocity.shape == (3,)


def test_an_optimizer_with_norms_sees_one_parameter() -> None:
    @cr.optimizer
    def normalized(p, g, learning_rate=0.1):  # type: ignore[no-untyped-def]
        return p - learning_rate * g / cr.vector_norm(g)

    path = follow(normalized, np.ones((1, 4, 3)))
    np.testing.assert_allclose(path[0], START - 0.1 / np.sqrt(12), rtol=1e-15)


P = parameter("W", (3,))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: cr.Adam(lr=0.1), UnknownNameError, "Adam has no setting 'lr'"),
        (lambda: cr.Adam(learning_rat=0.1), UnknownNameError, "did you mean 'learning_rate'"),
        (lambda: cr.optimizer("adm"), UnknownNameError, "did you mean 'adam'"),
        (lambda: cr.Adam("fast"), UsageError, "expected a finite number, came str"),
        (lambda: cr.Adam(float("nan")), UsageError, "expected a finite number, came float"),
        (
            lambda: cr.SGD(-1),
            UsageError,
            "SGD: learning_rate=-1\n    expected a number of 0 or more",
        ),
        (lambda: cr.RMSprop(epsilon=-1e-7), UsageError, "epsilon=-1e-07"),
        (lambda: cr.Adam(epsilon=float("inf")), UsageError, "expected a finite number"),
        (lambda: cr.AdamW(weight_decay=-0.1), UsageError, "the default is 0.004"),
        (lambda: cr.SGD(weight_decay=-0.1), UsageError, "weight_decay=-0.1"),
        (lambda: momentum(weight_decay=-0.1), UsageError, "weight_decay=-0.1"),
        (lambda: cr.Adagrad(initial_accumulator_value=-1), UsageError, "0 or more"),
        (lambda: cr.Nadam(momentum_decay=-1), UsageError, "0 or more"),
        (lambda: cr.SGD(momentum=1), UsageError, "expected 0 <= momentum < 1"),
        (lambda: cr.Adam(beta_1=-0.1), UsageError, "expected 0 <= beta_1 < 1"),
        (lambda: cr.Adamax(beta_2=1), UsageError, "expected 0 <= beta_2 < 1"),
        (lambda: cr.Adadelta(rho=1.5), UsageError, "expected 0 <= rho < 1"),
        (lambda: cr.SGD(nesterov=1), UsageError, "expected True or False"),
        (lambda: cr.Adam(*range(9)), UsageError, "takes 5 settings, 9 given"),
        (lambda: cr.Adam(clipnorm=-1.0), UsageError, "expected a positive number"),
        (lambda: cr.Adam(clipnorm=1, clipvalue=1), UsageError, "at most one way of clipping"),
        (lambda: cr.optimizer(lambda p: p), UsageError, "expected 2 without a default: p, g"),
    ],
)
def test_bad_settings(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        make()
    assert str(raised.value).startswith("test_optimizers.py:")
    assert len(str(raised.value).splitlines()) == 3


def test_settings_at_the_ends_of_their_ranges() -> None:
    """Nothing is learned, or nothing kept; both are sound."""
    np.testing.assert_array_equal(follow(cr.SGD(0, momentum=0)), follow(cr.SGD(0)))
    assert cr.Adam(beta_1=0, beta_2=0, epsilon=0).settings["epsilon"] == 0


def test_what_settings_of_an_own_formula_may_be_is_its_own_matter() -> None:
    @cr.optimizer
    def ascent(p, g, learning_rate=0.1, rho=2.0):  # type: ignore[no-untyped-def]
        return p - learning_rate * rho * g

    assert ascent(-0.1, rho=3).settings["learning_rate"] == -0.1


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        (lambda p, g: (p, g), UsageError, "new states returned: 1\n    expected 0"),
        (lambda p, g: None, UsageError, "the new parameter is no tensor"),
        (lambda p, g: cr.sum(p), ShapeError, r"the new parameter is f64\[\]\n    W is f64\[3\]"),
        (lambda p, g: np.sqrt(p), UsageError, "a function that does not take tensors"),
    ],
)
def test_bad_formulas(formula: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        cr.optimizer(formula, name="bad").apply([P], [P])
    assert str(raised.value).startswith("test_optimizers.py:")
    assert len(str(raised.value).splitlines()) == 3


def test_weight_decay_needs_a_rate() -> None:
    free = cr.optimizer(lambda p, g, speed=0.1: p - speed * g, name="free")
    with pytest.raises(UsageError, match="weight_decay without a learning rate"):
        free(weight_decay=0.1).apply([P], [P])
