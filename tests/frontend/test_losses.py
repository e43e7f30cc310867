"""Every loss and its gradient against the mathematics at 50 digits, and where formulas break."""

import functools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Graph, evaluate
from chainrule.compiler.pipeline import derive
from chainrule.compiler.types import TensorType, symbol
from chainrule.frontend.losses import LOSSES

EPSILON = 2.0**-52
close = functools.partial(np.testing.assert_allclose, rtol=64 * EPSILON, atol=4 * EPSILON)
Array = np.ndarray[Any, Any]
Row = Callable[[list[Any], list[Any]], Any]
RANDOM = np.random.default_rng(20)


def run(
    loss: Any, target: Array, given: Array, activation: Any = lambda z: z
) -> tuple[Array, Array]:
    """One value for each sample, and the gradient of their sum, as they are compiled."""
    z = cr.tensor("z", (None, *given.shape[1:]), dtype=str(given.dtype))
    t = cr.tensor("t", (None, *target.shape[1:]), dtype=str(target.dtype))
    y = loss(t, activation(z))
    dz = cr.grad(cr.sum(y), z)
    outputs = (("y", y.node), ("dz", dz.node))
    graph = derive(Graph("test", inputs=(t.node, z.node), outputs=outputs))
    value, gradient = evaluate(graph.roots, {t.node: target, z.node: given})
    return value, gradient


def exact(row: Row, target: Array, given: Array) -> tuple[Array, Array]:
    """Values and gradients of a function of one sample, at 50 digits."""
    values, gradients = [], []
    with mpmath.workdps(50):
        for t, z in zip(target.tolist(), given.tolist(), strict=True):
            ts, zs = [mpmath.mpf(v) for v in t], [mpmath.mpf(v) for v in z]
            values.append(float(row(ts, zs)))

            def along(i: int, v: Any, ts: list[Any] = ts, zs: list[Any] = zs) -> Any:
                return row(ts, [v if j == i else w for j, w in enumerate(zs)])

            gradients.append(
                [float(mpmath.diff(lambda v, i=i: along(i, v), zs[i])) for i in range(len(zs))]
            )
    return np.array(values), np.array(gradients)


def mean(element: Callable[[Any, Any], Any]) -> Row:
    return lambda ts, ps: sum(map(element, ts, ps)) / len(ps)


def total(element: Callable[[Any, Any], Any]) -> Row:
    return lambda ts, ps: sum(map(element, ts, ps))


def huber(e: Any, delta: Any = 1) -> Any:
    return e**2 / 2 if abs(e) <= delta else delta * abs(e) - mpmath.mpf(delta) ** 2 / 2


def entropy(t: Any, p: Any) -> Any:
    return -(t * mpmath.log(p) + (1 - t) * mpmath.log(1 - p))


def logit_entropy(t: Any, z: Any) -> Any:
    return mpmath.log1p(mpmath.exp(z)) - t * z


def log_softmax(zs: list[Any]) -> list[Any]:
    norm = mpmath.log(sum(map(mpmath.exp, zs)))
    return [z - norm for z in zs]


def normalized(ps: list[Any]) -> list[Any]:
    return [p / sum(ps) for p in ps]


NUMBERS = RANDOM.normal(size=(6, 3)) * 3
WANTED = RANDOM.normal(size=(6, 3)) * 3
PROBABILITIES = RANDOM.uniform(0.01, 0.99, size=(6, 3))
SHARES = RANDOM.dirichlet([1.0, 1.0, 1.0], size=6)
ONE_HOT = np.eye(3)[[0, 1, 2, 2, 1, 0]]
BITS = RANDOM.integers(0, 2, size=(6, 3)).astype("float64")
CASES: dict[str, tuple[Row, Array, Array]] = {
    "mean_squared_error": (mean(lambda t, p: (t - p) ** 2), WANTED, NUMBERS),
    "mean_absolute_error": (mean(lambda t, p: abs(t - p)), WANTED, NUMBERS),
    "huber": (mean(lambda t, p: huber(t - p)), WANTED, NUMBERS),
    "log_cosh": (mean(lambda t, p: mpmath.log(mpmath.cosh(t - p))), WANTED, NUMBERS),
    "binary_crossentropy": (mean(entropy), BITS, PROBABILITIES),
    "binary_crossentropy_from_logits": (mean(logit_entropy), BITS, NUMBERS),
    "categorical_crossentropy": (
        lambda ts, ps: -sum(t * mpmath.log(p) for t, p in zip(ts, normalized(ps), strict=True)),
        SHARES,
        PROBABILITIES,
    ),
    "categorical_crossentropy_from_logits": (
        lambda ts, zs: -sum(t * q for t, q in zip(ts, log_softmax(zs), strict=True)),
        ONE_HOT,
        NUMBERS,
    ),
    "kl_divergence": (total(lambda t, p: t * mpmath.log(t / p)), SHARES, PROBABILITIES),
    "hinge": (mean(lambda t, p: max(mpmath.mpf(0), 1 - (2 * t - 1) * p)), BITS, NUMBERS),
    "poisson": (
        mean(lambda t, p: p - t * mpmath.log(p + mpmath.mpf(1e-7))),
        np.round(np.abs(WANTED)),
        PROBABILITIES,
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_value_and_gradient_agree_with_50_digits(name: str) -> None:
    row, target, given = CASES[name]
    found, wanted = run(LOSSES[name], target, given), exact(row, target, given)
    close(found[0], wanted[0])
    close(found[1], wanted[1])


@pytest.mark.parametrize("name", sorted(CASES))
def test_float32_stays_float32(name: str) -> None:
    row, target, given = CASES[name]
    target, given = target.astype("float32"), given.astype("float32")
    value, gradient = run(LOSSES[name], target, given)
    assert value.dtype == gradient.dtype == np.float32
    wanted = exact(row, target, given)
    np.testing.assert_allclose(value, wanted[0], rtol=64 * 2.0**-23, atol=4 * 2.0**-23)
    np.testing.assert_allclose(gradient, wanted[1], rtol=64 * 2.0**-23, atol=4 * 2.0**-23)


@pytest.mark.parametrize("suffix", ["", "_from_logits"])
def test_sparse_is_categorical_of_one_hot_rows(suffix: str) -> None:
    labels, given = ONE_HOT.argmax(axis=1), PROBABILITIES
    sparse = run(LOSSES[f"sparse_categorical_crossentropy{suffix}"], labels, given)
    dense = run(LOSSES[f"categorical_crossentropy{suffix}"], ONE_HOT, given)
    np.testing.assert_allclose(sparse[0], dense[0], rtol=1e-15)
    np.testing.assert_allclose(sparse[1], dense[1], rtol=1e-14, atol=1e-16)


FAR = np.array([[-1000.0, 0.0, 1000.0], [800.0, -800.0, 0.0], [40.0, -40.0, 0.0]])


def test_binary_crossentropy_of_a_sigmoid_is_exact() -> None:
    target = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    value, gradient = run(LOSSES["binary_crossentropy"], target, FAR, cr.sigmoid)
    wanted = exact(mean(logit_entropy), target, FAR)
    close(value, wanted[0])
    close(gradient, wanted[1])
    assert abs(gradient[0, 0]) == pytest.approx(1 / 3)  # wrong and certain: it still learns


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "kl_divergence"])
def test_crossentropy_of_a_softmax_is_exact(loss: str) -> None:
    row = CASES["categorical_crossentropy_from_logits"][0]
    target = np.eye(3)  # of which the entropy is 0, so that the divergence is the cross entropy
    value, gradient = run(LOSSES[loss], target, FAR, cr.softmax)
    wanted = exact(row, target, FAR)
    close(value, wanted[0])
    close(gradient, wanted[1])


def test_sparse_crossentropy_of_a_softmax_is_exact() -> None:
    labels = np.array([0, 1, 2])
    name = "sparse_categorical_crossentropy"
    value, gradient = run(LOSSES[name], labels, FAR, cr.softmax)
    wanted = exact(CASES["categorical_crossentropy_from_logits"][0], np.eye(3), FAR)
    close(value, wanted[0])
    close(gradient, wanted[1])


def test_poisson_of_an_exponential_is_exact() -> None:
    value, _ = run(LOSSES["poisson"], np.array([[3.0]]), np.array([[-1000.0]]), cr.exp)
    assert value == [3000.0]


def test_probabilities_from_elsewhere_are_kept_off_0_and_1() -> None:
    most = -np.log(1e-7)
    certain = np.array([[0.0, 1.0]])
    value, _ = run(LOSSES["binary_crossentropy"], np.array([[1.0, 0.0]]), certain)
    np.testing.assert_allclose(value, [most], rtol=1e-9)
    value, _ = run(LOSSES["categorical_crossentropy"], np.array([[1.0, 0.0]]), certain)
    np.testing.assert_allclose(value, [most], rtol=1e-9)
    value, _ = run(LOSSES["sparse_categorical_crossentropy"], np.array([0]), certain)
    np.testing.assert_allclose(value, [most], rtol=1e-9)
    value, _ = run(LOSSES["kl_divergence"], np.array([[1.0, 0.0]]), certain)
    np.testing.assert_allclose(value, [most], rtol=1e-9)


def test_keras_own_example_of_binary_crossentropy() -> None:
    target, given = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.6, 0.4], [0.4, 0.6]])
    value, _ = run(LOSSES["binary_crossentropy"], target, given)
    np.testing.assert_allclose(value, [0.916, 0.714], atol=5e-4)


def test_log_cosh_far_out_and_near_0() -> None:
    given = np.array([[1e-9], [1000.0], [-1e300]])
    value, gradient = run(LOSSES["log_cosh"], np.zeros((3, 1)), given)
    np.testing.assert_allclose(value, [5e-19, 1000 - np.log(2), 1e300], rtol=4 * EPSILON)
    np.testing.assert_allclose(gradient, [[1e-9], [1.0], [-1.0]], rtol=4 * EPSILON)


def test_huber_has_a_delta() -> None:
    target, given = WANTED, NUMBERS
    found = run(cr.huber(delta=2), target, given)
    wanted = exact(mean(lambda t, p: huber(t - p, 2)), target, given)
    close(found[0], wanted[0])
    close(found[1], wanted[1])


@pytest.mark.parametrize("suffix", ["", "_from_logits"])
def test_labels_are_smoothed(suffix: str) -> None:
    given = PROBABILITIES
    binary = run(LOSSES[f"binary_crossentropy{suffix}"](label_smoothing=0.2), BITS, given)
    plain = run(LOSSES[f"binary_crossentropy{suffix}"], BITS * 0.8 + 0.1, given)
    np.testing.assert_allclose(binary[0], plain[0], rtol=1e-14)
    many = run(LOSSES[f"categorical_crossentropy{suffix}"](label_smoothing=0.3), ONE_HOT, given)
    plain = run(LOSSES[f"categorical_crossentropy{suffix}"], ONE_HOT * 0.7 + 0.1, given)
    np.testing.assert_allclose(many[0], plain[0], rtol=1e-14)


def test_hinge_takes_0_for_minus_1() -> None:
    given = NUMBERS
    zeros, signs = run(LOSSES["hinge"], BITS, given), run(LOSSES["hinge"], 2 * BITS - 1, given)
    np.testing.assert_array_equal(zeros[0], signs[0])


@pytest.mark.parametrize("name", ["mean_squared_error", "binary_crossentropy_from_logits"])
@pytest.mark.parametrize(("target", "given"), [((None,), (None, 1)), ((None, 1), (None,))])
def test_a_missing_last_axis_does_not_broadcast(
    name: str, target: tuple[Any, ...], given: tuple[Any, ...]
) -> None:
    y = LOSSES[name](cr.tensor("t", target), cr.tensor("p", given))
    assert y.shape == (symbol("batch"),)


def test_labels_may_have_a_last_axis_of_1() -> None:
    labels = ONE_HOT.argmax(axis=1)
    loss = LOSSES["sparse_categorical_crossentropy_from_logits"]
    flat, column = run(loss, labels, NUMBERS), run(loss, labels[:, None], NUMBERS)
    np.testing.assert_array_equal(flat[0], column[0])


def test_more_axes_than_one_sample() -> None:
    loss = LOSSES["sparse_categorical_crossentropy_from_logits"]
    y = loss(cr.tensor("t", (None, 7), dtype="int32"), cr.tensor("z", (None, 7, 3)))
    assert y.shape == (symbol("batch"), 7)
    assert loss.reduced(cr.tensor("t", (None, 7), "int32"), cr.tensor("z", (None, 7, 3))).ndim == 0


def test_reduced_is_the_mean_over_everything() -> None:
    t, p = cr.tensor("t", (None, 3), dtype="float64"), cr.tensor("p", (None, 3), dtype="float64")
    node = LOSSES["mse"].reduced(t, p).node
    (value,) = evaluate([node], {t.node: WANTED, p.node: NUMBERS})
    assert value == pytest.approx(np.mean((WANTED - NUMBERS) ** 2), rel=1e-15)


def test_targets_are_converted() -> None:
    p = cr.tensor("p", (None, 3))
    for dtype in ("float64", "int64", "bool"):
        assert LOSSES["kl_divergence"](cr.tensor("t", (None, 3), dtype), p).dtype == "float32"


def test_the_type_of_a_target() -> None:
    prediction = TensorType("float64", (symbol("batch"), 10))
    assert LOSSES["mse"].target_type(prediction) == prediction
    sparse = LOSSES["sparse_categorical_crossentropy"]
    assert sparse.target_type(prediction) == TensorType("int32", (symbol("batch"),))


def test_which_losses_take_logits() -> None:
    assert {name for name, loss in LOSSES.items() if loss.from_logits} == {
        name for name in LOSSES if name.endswith("_from_logits")
    }


@pytest.mark.parametrize(
    ("formula", "count", "expected"),
    [
        (LOSSES["log_cosh"], 1, "2: target, prediction"),
        (LOSSES["mse"], 3, "2: target, prediction"),
        (cr.activation(lambda x: x * x, name="squared"), 2, "1: x"),
        (cr.L2(0.1), 2, "1: w"),
    ],
)
def test_another_number_of_operands_is_refused(formula: Any, count: int, expected: str) -> None:
    with pytest.raises(
        UsageError, match=rf"test_losses.py:\d+: \w+ of {count} value.*\n.*{expected}"
    ):
        formula(*(cr.tensor(name, (3,)) for name in "abc"[:count]))


def test_an_integer_prediction_is_refused() -> None:
    with pytest.raises(DTypeError, match=r"test_losses.py:\d+: mean_squared_error: the prediction"):
        LOSSES["mse"](cr.tensor("t", (3,)), cr.tensor("p", (3,), dtype="int32"))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="differ"):
        LOSSES["mse"](cr.tensor("t", (None, 3)), cr.tensor("p", (None, 4)))


def test_a_loss_that_adds_up_the_samples_is_refused() -> None:
    added = cr.loss(lambda t, p: cr.sum((t - p) ** 2, axis=0), name="added")
    model = cr.Sequential([cr.Input((4,)), cr.Dense(2)])
    with pytest.raises(ShapeError, match=r"test_losses.py:\d+: added: the result is f32\[2\]"):
        model.compile(added, "sgd")
