"""Random networks, trained by any optimizer: what is computed is the same on every target.

`drawn` makes of a number a whole experiment: a network, a loss, an optimizer and data.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

import chainrule as cr
from chainrule.compiler.errors import ChainruleError

from .layers import LABELS, LENGTH, OTHER, Zoo, dims, embedded, step

Array: TypeAlias = "np.ndarray[Any, Any]"
# By dtype: how far first weights are moved, and what is allowed for beside what that changes.
MOVED = {"float64": 1e-13, "float32": 3e-6}
ALLOWED = {"float64": 1e-9, "float32": 1e-4}

SHAPES: tuple[tuple[Any, ...], ...] = (
    ("n", 3), ("n", 1), ("n", 16), ("n", 5, 3), (4, "n", 2),
    (1,), (3,), (17,), (64,), (130,), (1, 1), (5, 3), (7, 16), (11, 1), (1, 17), (33, 8),
    (5, 5, 1), (8, 7, 3), (6, 6, 16), (1, 1, 4), (3, 3, 3, 2),
)  # fmt: skip
LARGE: tuple[tuple[Any, ...], ...] = (
    ("n", 64), ("n", 130),
    (257,), (784,), (1031,), (3,), (130, 7), (67, 64), (257, 16), (28, 28, 1), (13, 17, 16),
    (8, 8, 64), (14, 14, 32), (4, 8, 8, 3),
)  # fmt: skip
LOSSES = (
    "mse", "mse", "mae", "huber", "log_cosh", "sparse_categorical_crossentropy_from_logits",
    "categorical_crossentropy_from_logits", "binary_crossentropy_from_logits", "hinge", "poisson",
    "aside", "curved",
)  # fmt: skip
OPTIMIZERS: tuple[Callable[..., Any], ...] = (
    lambda **o: cr.SGD(0.05, **o),
    lambda **o: cr.SGD(0.05, momentum=0.9, **o),
    lambda **o: cr.SGD(0.05, momentum=0.5, nesterov=True, **o),
    lambda **o: cr.Adam(0.01, **o),
    lambda **o: cr.Adam(0.01, amsgrad=True, **o),
    lambda **o: cr.AdamW(0.01, **{"weight_decay": 0.1, **o}),
    lambda **o: cr.Adamax(0.01, **o),
    lambda **o: cr.Nadam(0.01, **o),
    lambda **o: cr.RMSprop(0.01, **o),
    lambda **o: cr.RMSprop(0.01, momentum=0.5, centered=True, **o),
    lambda **o: cr.Adagrad(0.05, **o),
    lambda **o: cr.Adadelta(0.5, **o),
    lambda **o: cr.Lion(0.003, **o),
)  # fmt: skip
OPTIONS: tuple[dict[str, float], ...] = (
    {}, {}, {}, {}, {"clipvalue": 0.05}, {"clipnorm": 0.1}, {"global_clipnorm": 0.1},
    {"weight_decay": 0.01},
)  # fmt: skip


def aside(y_true: cr.Tensor, y_pred: cr.Tensor) -> cr.Tensor:
    """A loss that does not look at the prediction."""
    return cr.mean(y_true**2, axis=-1)


def curved(y_true: cr.Tensor, y_pred: cr.Tensor) -> cr.Tensor:
    """A loss with a gradient in it."""
    d = cr.grad(cr.sum(cr.sqrt((y_pred - y_true) ** 2 + 1)), y_pred)
    return cr.mean(d**2 + 0.1 * y_pred**2, axis=-1)


@dataclass(frozen=True)
class Experiment:
    """A network and what it is trained on."""

    inputs: tuple[cr.Tensor, ...]
    outputs: tuple[cr.Tensor, ...]
    losses: tuple[str, ...]
    optimizer: Any
    x: tuple[Array, ...]
    y: tuple[Array, ...]
    other: tuple[Array, ...]
    batch_size: int
    dtype: str
    said: tuple[str, ...]

    def model(self, target: str) -> cr.Model:
        """A new model of it."""
        model = cr.Model(list(self.inputs), list(self.outputs), seed=3)
        own = {"aside": cr.loss(aside), "curved": cr.loss(curved)}
        chosen = [own.get(name, name) for name in self.losses]
        model.compile(chosen, self.optimizer, target=target)
        return model

    def weights(self, target: str, moved: float = 0.0) -> list[Array]:
        """What training makes, numbers by number.

        Args:
            target: where it runs.
            moved: by how much first weights are moved, relatively.
        """
        model = self.model(target)
        shake = np.random.default_rng(1)
        for array in model.parameters.values():
            array += array * np.asarray(moved * shake.uniform(-1, 1, array.shape), array.dtype)
        x, y = list(self.x), list(self.y)
        fitted = model.fit(
            x, y, batch_size=self.batch_size, epochs=2, seed=5, verbose=0, validation_data=(x, y)
        )
        found = [np.asarray(values) for values in fitted.history.values()]
        found += model.get_weights()
        for rows in (x, list(self.other)):
            predicted = model.predict(rows, batch_size=self.batch_size + 2)
            found += predicted if isinstance(predicted, list) else [predicted]
        return found


def samples(x: cr.Tensor, rows: int, generator: np.random.Generator, length: int = LENGTH) -> Array:
    """Samples of an input."""
    shape = (rows, *dims(x, length))
    if x.node.type.is_float:
        return generator.normal(size=shape).astype(x.dtype)
    return generator.integers(0, LABELS, shape).astype(x.dtype)


def targets(loss: str, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """What a loss compares with."""
    if loss.startswith("sparse"):
        return generator.integers(0, shape[-1], shape[:-1])
    if loss.startswith("categorical"):
        drawn = generator.random(shape) + 0.05
        found: Array = drawn / drawn.sum(axis=-1, keepdims=True)
        return found
    if loss.startswith("binary"):
        return generator.integers(0, 2, shape).astype(float)
    if loss == "hinge":
        return generator.choice([-1.0, 1.0], shape)
    if loss == "poisson":
        return generator.poisson(1.5, shape).astype(float)
    return generator.normal(size=shape)


def drawn(number: int | str, is_large: bool = False) -> Experiment:
    """The experiment of a number.

    Args:
        number: which.
        is_large: whether its layers are wide.
    """
    choose = random.Random(number)
    z = Zoo(choose, choose.choice(("float64", "float64", "float32")), is_large)
    for i in range(choose.choice((1, 1, 1, 2))):
        if choose.random() < 0.15:
            shape = choose.choice(((3,), (7,), (1,)))
            x = cr.Input(shape, name=f"in{i}", dtype="int32")
        else:
            x = cr.Input(choose.choice(LARGE if is_large else SHAPES), name=f"in{i}", dtype=z.dtype)
        z.inputs.append(x)
        z.pool.append(x)
        if not x.node.type.is_float:
            z.pool.append(embedded(z, x))
    for _ in range(choose.randint(1, 9)):
        step(z)
    floats = [t for t in z.pool if t.node.type.is_float]
    outputs, losses = [], []
    for _ in range(choose.choice((1, 1, 1, 2))):
        last = choose.choice(floats[-2:])
        loss = choose.choice(LOSSES)
        width = choose.choice((1, 2, 3, 10))
        if loss != "mse" or choose.random() < 0.7:
            if last.ndim > 2 and choose.random() < 0.7:
                last = cr.mean(last, axis=tuple(range(1, last.ndim - 1)))
            if not isinstance(last.shape[-1], int):
                last = cr.mean(last, axis=-1, keepdims=True)
            last = z.on(cr.Dense(width, "softplus" if loss == "poisson" else None), last)
        outputs.append(last)
        losses.append(loss)
    for x in z.inputs:  # all are read
        if x.node.type.is_float:
            means = cr.mean(x, axis=tuple(range(1, x.ndim)))
            outputs[0] += 0.1 * cr.reshape(means, (x.shape[0], *(1,) * (outputs[0].ndim - 1)))
    rows = choose.choice((70, 131, 300) if is_large else (1, 2, 5, 13, 37, 131))
    sizes = (33, 64, 130, 257) if is_large else (1, 2, 3, 8, 32, 64)
    batch_size = choose.choice([b for b in sizes if b <= rows])
    generator = np.random.default_rng(choose.getrandbits(32))
    given = tuple(samples(x, rows, generator) for x in z.inputs)
    other = tuple(samples(x, 5, generator, OTHER) for x in z.inputs)
    wanted = []
    for loss, output in zip(losses, outputs, strict=True):
        wanted.append(targets(loss, (rows, *dims(output)), generator))
    optimizer = choose.choice(OPTIMIZERS)(**choose.choice(OPTIONS))
    told = (*z.said, f"{losses}, {optimizer}, {rows} rows by {batch_size}, {z.dtype}")
    return Experiment(
        tuple(z.inputs), tuple(outputs), tuple(losses), optimizer, given, tuple(wanted),
        other, batch_size, z.dtype, told,
    )  # fmt: skip


def compare(number: int | str, is_large: bool = False) -> bool:
    """Whether there was something to compare: what cpu computes is what NumPy does.

    What small moves of the first weights change is allowed for: a sign that is thrown over, a
    gradient of nothing but roundings that an optimizer makes a step of.

    Args:
        number: which experiment.
        is_large: whether its layers are wide.

    Raises:
        AssertionError: the targets differ, or one refuses what the other takes.
    """
    try:
        experiment = drawn(number, is_large)
    except ChainruleError:
        return False
    told = f"network {number}: " + "; ".join(experiment.said)
    found = [ran(experiment, target) for target in ("numpy", "cpu")]
    refused = [isinstance(x, ChainruleError) for x in found]
    if any(refused):
        assert all(refused), f"{told}\n{found}"
        assert str(found[0]) == str(found[1]), told
        return False
    expected, came = found
    assert isinstance(expected, list)
    assert isinstance(came, list)
    allowed = ALLOWED[experiment.dtype]
    spread = [allowed * (0.1 + np.abs(a)) for a in expected]
    if all(np.all(np.abs(b - a) <= s) for a, b, s in zip(expected, came, spread, strict=True)):
        return True
    for sign in (1, -1, 3):
        moved = ran(experiment, "numpy", sign * MOVED[experiment.dtype])
        if isinstance(moved, ChainruleError):
            return False
        for s, a, b in zip(spread, expected, moved, strict=True):
            np.maximum(s, 10 * np.max(np.abs(b - a), initial=0), out=s)
    for a, b, s in zip(expected, came, spread, strict=True):
        wrong = ~(np.abs(b - a) <= s)
        assert not wrong.any(), f"{told}\n{b[wrong][:3]}, expected {a[wrong][:3]}"
    return True


def ran(experiment: Experiment, target: str, moved: float = 0.0) -> list[Array] | ChainruleError:
    """What an experiment makes, or why it is refused."""
    try:
        return experiment.weights(target, moved)
    except ChainruleError as error:
        return error
