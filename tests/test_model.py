"""Whole models: the native program against the NumPy one, batch by batch."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ShapeError
from chainrule.frontend.losses import LOSSES

Array = np.ndarray[Any, Any]
Build: TypeAlias = Callable[[], tuple[list[cr.Tensor], list[cr.Tensor]]]
BUILDS: dict[str, Build] = {}


def architecture(build: Build) -> Build:
    BUILDS[build.__name__] = build
    return build


def features(*shape: int, name: str | None = None) -> cr.Tensor:
    return cr.Input(shape, name=name, dtype="float64")


@architecture
def one_layer() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(5)
    return [x], [cr.Dense(3)(x)]


@architecture
def two_layers() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(5)
    return [x], [cr.Dense(3)(cr.Dense(7, activation="tanh")(x))]


@architecture
def several_inputs_and_outputs() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    a, b = features(4, name="left"), features(3, name="right")
    joined = cr.Concatenate()([cr.Dense(4, activation="relu")(a), b])
    return [a, b], [cr.Dense(2)(joined), cr.Dense(3, activation="softplus")(joined)]


@architecture
def shared_layer() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    a, b = features(4, name="a"), features(4, name="b")
    twin = cr.Dense(5, activation="sigmoid")
    return [a, b], [cr.Dense(1)(cr.Multiply()([twin(a), twin(b)]))]


@architecture
def applied_twice() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(5)
    again = cr.Dense(5, activation="tanh")
    return [x], [again(again(x))]


@architecture
def residual() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(6)
    h = cr.Add()([x, cr.Dense(6, activation="gelu")(x)])
    return [x], [cr.Dense(2)(cr.Add()([h, cr.Dense(6, activation="silu")(h)]))]


@architecture
def dropout() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(5)
    h = cr.Dropout(0.5)(cr.Dense(8, activation="relu")(cr.Dropout(0.2)(x)))
    return [x], [cr.Dense(2)(h)]


@architecture
def shapes() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(4, 3)
    h = cr.Reshape((2, -1))(cr.Dense(5, activation="elu")(x))
    return [x], [cr.Dense(2)(cr.Flatten()(cr.Activation("softsign")(h)))]


@architecture
def custom_neuron() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    @cr.neuron
    def radial(x: cr.Tensor, c: cr.PerInput, gamma: cr.Scalar = 0.3) -> cr.Tensor:
        return cr.exp(-gamma * cr.sum((x - c) ** 2))

    x = features(4)
    return [x], [cr.Dense(2)(cr.Layer(radial, 6)(x))]


@architecture
def custom_activation() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    bent = cr.activation(lambda z: (cr.sqrt(z**2 + 1) - 1) / 2 + z, name="bent_identity")
    normed = cr.activation(lambda z: z / cr.sum(cr.abs(z), axis=-1, keepdims=True), name="normed")
    x = features(4)
    return [x], [cr.Dense(3, activation=normed)(cr.Dense(6, activation=bent)(x))]


@architecture
def regularized() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(4)
    h = cr.Dense(5, activation="tanh", kernel_regularizer=cr.L1(0.01), bias_regularizer="l2")(x)
    return [x], [cr.Dense(2, kernel_regularizer=cr.L2(0.1), use_bias=False)(h)]


@architecture
def functions_between_layers() -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    x = features(6)
    h = cr.Dense(4)(x)
    centered = (h - cr.mean(h, axis=0)) / cr.sqrt(cr.var(h, axis=0) + 1e-3)
    return [x], [cr.Dense(2)(cr.where(centered > 0, centered, 0.1 * centered))]


def data(inputs: Sequence[cr.Tensor], outputs: Sequence[cr.Tensor], rows: int) -> tuple[Any, Any]:
    random = np.random.default_rng(7)
    draw = [
        [
            random.standard_normal((rows, *(d for d in t.shape[1:] if isinstance(d, int))))
            for t in tensors
        ]
        for tensors in (inputs, outputs)
    ]
    x, y = draw
    return x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]


@pytest.mark.parametrize("name", BUILDS)
def test_targets_agree(name: str) -> None:
    """The same weights and batches give the same losses and weights, also with random numbers."""
    models = {}
    for target in ("cpu", "numpy"):
        inputs, outputs = BUILDS[name]()
        models[target] = cr.Model(inputs, outputs, seed=3)
        models[target].compile("mse", cr.Adam(0.01), ["mae"], target)
    cpu, numpy = models["cpu"], models["numpy"]
    x, y = data(inputs, outputs, 70)
    before = cpu.get_weights()
    for _ in range(2):
        histories = [
            m.fit(x, y, epochs=2, batch_size=32, seed=5, verbose=0).history for m in (cpu, numpy)
        ]
        assert histories[0].keys() == histories[1].keys()
        for key, losses in histories[0].items():
            np.testing.assert_allclose(losses, histories[1][key], rtol=1e-10, err_msg=key)
    for initial, a, b in zip(before, cpu.get_weights(), numpy.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        assert not np.array_equal(initial, a)
    scores, expected = cpu.evaluate(x, y, verbose=0), numpy.evaluate(x, y, verbose=0)
    assert scores == pytest.approx(expected, rel=1e-10)
    predicted, wanted = cpu.predict(x), numpy.predict(x)
    assert type(predicted) is type(wanted)
    assert isinstance(predicted, list) == (len(outputs) > 1)
    listed = predicted if isinstance(predicted, list) else [predicted]
    for a, b in zip(listed, wanted if isinstance(wanted, list) else [wanted], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# What each loss's targets are, and the activation that makes its predictions.
ONE_HOT, CLASSES, REAL, SIGNS, COUNTS, SHARES, BITS = (
    "one-hot", "classes", "real", "signs", "counts", "shares", "bits",
)  # fmt: skip
SUITED = {
    "mean_squared_error": (REAL, None),
    "mean_absolute_error": (REAL, "tanh"),
    "huber": (REAL, None),
    "log_cosh": (REAL, "selu"),
    "binary_crossentropy": (BITS, "sigmoid"),
    "binary_crossentropy_from_logits": (BITS, None),
    "categorical_crossentropy": (ONE_HOT, "softmax"),
    "categorical_crossentropy_from_logits": (ONE_HOT, None),
    "sparse_categorical_crossentropy": (CLASSES, "softmax"),
    "sparse_categorical_crossentropy_from_logits": (CLASSES, None),
    "kl_divergence": (SHARES, "softmax"),
    "hinge": (SIGNS, None),
    "poisson": (COUNTS, "softplus"),
}


def test_every_loss_is_tried() -> None:
    assert SUITED.keys() == {formula.name for formula in LOSSES.values()}


def labels(kind: str, rows: int, classes: int) -> Array:
    random = np.random.default_rng(11)
    numbers = random.integers(0, classes, rows)
    positive = random.random((rows, classes)) + 0.01
    made: dict[str, Array] = {
        ONE_HOT: np.eye(classes)[numbers],
        CLASSES: numbers,
        REAL: random.standard_normal((rows, classes)),
        SIGNS: random.choice([-1.0, 1.0], (rows, classes)),
        COUNTS: random.poisson(2.0, (rows, classes)).astype(float),
        SHARES: positive / positive.sum(axis=-1, keepdims=True),
        BITS: random.integers(0, 2, (rows, classes)).astype(float),
    }
    return made[kind]


@pytest.mark.parametrize("loss", SUITED)
def test_losses(loss: str) -> None:
    """Each loss at the end of a network, native and in NumPy; and it becomes smaller."""
    kind, activation = SUITED[loss]
    x, y = np.random.default_rng(1).standard_normal((40, 5)), labels(kind, 40, 4)
    histories, weights = [], []
    for target in ("cpu", "numpy"):
        inner = cr.Dense(8, activation="tanh")
        model = cr.Sequential([features(5), inner, cr.Dense(4, activation=activation)], seed=1)
        model.compile(loss, cr.SGD(0.05, momentum=0.9), ["accuracy"], target)
        histories.append(model.fit(x, y, epochs=10, batch_size=16, seed=2, verbose=0).history)
        weights.append(model.get_weights())
    for key in ("loss", "accuracy"):
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=1e-10)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]


@pytest.mark.parametrize(
    "clipping", [{"clipvalue": 0.01}, {"clipnorm": 0.05}, {"global_clipnorm": 0.05}]
)
def test_clipping(clipping: dict[str, float]) -> None:
    """The step of plain SGD is the rate times the clipped gradient."""
    x, y = np.random.default_rng(1).standard_normal((20, 5)), labels(REAL, 20, 4) * 10
    steps = []
    for options in ({}, clipping):
        model = cr.Sequential([features(5), cr.Dense(6, activation="tanh"), cr.Dense(4)], seed=1)
        model.compile("mse", cr.SGD(1.0, **options))
        before = model.get_weights()
        model.train_on_batch(x, y)
        steps.append([a - b for a, b in zip(before, model.get_weights(), strict=True)])
    grads, clipped = steps
    ((kind, limit),) = clipping.items()
    if kind == "clipvalue":
        expected = [np.clip(g, -limit, limit) for g in grads]
    elif kind == "clipnorm":
        expected = [g * min(1, limit / np.linalg.norm(g)) for g in grads]
    else:
        norm = np.sqrt(sum(float((g**2).sum()) for g in grads))
        assert norm > limit
        expected = [g * limit / norm for g in grads]
    for a, b in zip(clipped, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("target", ["cpu", "numpy"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_last_batch(target: str, optimizer: str) -> None:
    """An epoch over 70 rows in batches of 32 is three steps, the last one on 6 rows."""
    x, y = np.random.default_rng(1).standard_normal((70, 5)), labels(CLASSES, 70, 3)
    models = []
    for _ in range(2):
        model = cr.Sequential([features(5), cr.Dense(6, activation="relu"), cr.Dense(3)], seed=4)
        model.compile("sparse_categorical_crossentropy_from_logits", optimizer, target=target)
        models.append(model)
    whole, by_hand = models
    reported = whole.fit(x, y, epochs=1, batch_size=32, shuffle=False, verbose=0).history["loss"]
    losses = [
        by_hand.train_on_batch(x[rows], y[rows])["loss"]
        for rows in (slice(0, 32), slice(32, 64), slice(64, 70))
    ]
    for a, b in zip(whole.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert reported == [pytest.approx(np.average(losses, weights=[32, 32, 6]), rel=1e-14)]


def test_evaluation_and_prediction_do_not_depend_on_the_batch_size() -> None:
    x, y = np.random.default_rng(1).standard_normal((70, 5)), labels(REAL, 70, 3)
    model = cr.Sequential([features(5), cr.Dense(6, activation="relu"), cr.Dense(3)], seed=4)
    model.compile("mse", "sgd", ["mae", "rmse"])
    whole = model.evaluate(x, y, batch_size=70, verbose=0)
    for size in (1, 32, 69):
        assert model.evaluate(x, y, batch_size=size, verbose=0) == pytest.approx(whole, rel=1e-12)
        np.testing.assert_allclose(
            model.predict(x, batch_size=size), model.predict(x), rtol=1e-13, atol=1e-15
        )
    p = model.predict(x)
    assert whole == pytest.approx(
        {
            "loss": np.mean((p - y) ** 2),
            "mean_absolute_error": np.mean(np.abs(p - y)),
            "root_mean_squared_error": np.sqrt(np.mean((p - y) ** 2)),
        },
        rel=1e-12,
    )


def test_weights_that_are_given_are_not_drawn() -> None:
    def made() -> cr.Model:
        return cr.Sequential([features(5), cr.Dense(2)])

    drawn = made().get_weights()
    model = made()
    with pytest.raises(ShapeError):
        model.set_weights(drawn[:1])
    with pytest.raises(ShapeError):
        model.set_weights([drawn[0], np.zeros(3)])
    model.set_weights([w + 1 for w in drawn])
    assert model.seed is None
    for given, w in zip(drawn, model.get_weights(), strict=True):
        np.testing.assert_array_equal(w, given + 1)


def test_dropout_is_off_outside_training() -> None:
    x, y = np.random.default_rng(1).standard_normal((64, 5)), labels(REAL, 64, 2)
    layers = [cr.Dense(16, activation="tanh"), cr.Dropout(0.5), cr.Dense(2)]
    model = cr.Sequential([features(5), *layers], seed=4)
    model.compile("mse", cr.SGD(0.0))
    plain = cr.Sequential([features(5), layers[0], layers[2]])
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x), plain.predict(x))
    quiet = model.evaluate(x, y, verbose=0)["loss"]
    first, second = (model.train_on_batch(x, y)["loss"] for _ in range(2))
    assert len({quiet, first, second}) == 3  # another mask each step
    again = [
        model.fit(x, y, batch_size=64, seed=seed, verbose=0).history["loss"] for seed in (1, 1, 2)
    ]
    assert again[0] == again[1] != again[2]


def test_dropout_keeps_the_mean() -> None:
    """Of 1 - rate of the elements each is divided by 1 - rate, so that the mean stays."""
    x = features(1000)
    model = cr.Model(x, cr.Dropout(0.3)(cr.Dense(1000, kernel_initializer="zeros")(x)))
    model.compile("mse", cr.SGD(1.0), ["mae"])
    model.parameters["b1"][...] = 1.0
    zeros, ones = np.zeros((50, 1000)), np.zeros((50, 1000))
    reported = model.train_on_batch(zeros, ones)
    share = reported["mean_absolute_error"] * 0.7  # of the elements that are kept
    assert share == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / 50_000))
    assert reported["loss"] == pytest.approx(reported["mean_absolute_error"] / 0.7, rel=1e-12)


def test_hessian_of_a_networks_loss() -> None:
    """The gradient of a gradient, against finite differences of the first."""
    x = cr.tensor("x", (None, 2), dtype="float64")
    y = cr.tensor("y", (None,), dtype="float64")
    theta = cr.tensor("theta", (9,), dtype="float64")
    w1, b1, w2, b2 = cr.reshape(theta[:4], (2, 2)), theta[4:6], theta[6:8], theta[8]
    loss = cr.mean((cr.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2)
    (gradient,) = cr.grad(loss, [theta])
    rows = [cr.grad(gradient[i], [theta])[0] for i in range(9)]
    hessian = cr.function([x, y, theta], cr.stack(rows), target="numpy")
    row = cr.function([x, y, theta], rows[0])
    slope = cr.function([x, y, theta], gradient, target="numpy")
    random = np.random.default_rng(0)
    a, b, at = (random.standard_normal(shape) for shape in ((9, 2), 9, 9))
    h = 1e-5
    expected = np.stack(
        [(slope(a, b, at + h * e) - slope(a, b, at - h * e)) / (2 * h) for e in np.eye(9)]
    )
    found = hessian(a, b, at)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    np.testing.assert_allclose(found, found.T, atol=1e-14)
    np.testing.assert_allclose(row(a, b, at), found[0], atol=1e-14)
    assert np.abs(found).max() > 0.1
