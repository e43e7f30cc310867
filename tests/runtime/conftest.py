"""A logistic regression by hand that behaves as a compiled program does, to train without one.

Subprocesses run this file too, so it needs nothing of pytest but the fixtures.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from chainrule.runtime.chunks import Quantity
from chainrule.runtime.data import TrainingData, layer_seed, permutation
from chainrule.runtime.devices.base import Executable
from chainrule.runtime.history import History
from chainrule.runtime.rewind import Rewind
from chainrule.runtime.trainer import Trainer

Array = npt.NDArray[Any]


class Logistic(Executable):
    """Loss and accuracy of sigmoid(x w + b), and steps of gradient descent with noise on x.

    The noise is a function of seed and step, as a layer's random numbers are.
    """

    def __init__(self, trains: bool) -> None:
        self.trains = trains
        self.calls: list[tuple[int, int]] = []
        self.seconds = 0.0  # what each batch takes
        self.infinite_from = self.overflow_at = 2**62  # steps with such a loss, such weights
        self.before_batch: Callable[[int], None] = lambda batch: None

    def step(self, x: Array, y: Array, arrays: Mapping[str, Array]) -> dict[str, Array]:
        if self.trains:
            noise = np.random.default_rng([int(arrays["seed"]), int(arrays["step"])])
            x = x + 0.01 * noise.standard_normal(x.shape)
        with np.errstate(all="ignore"):
            p = 1 / (1 + np.exp(-(x @ arrays["w"] + arrays["b"])))
            loss = -np.mean(np.where(y > 0, np.log(p), np.log(1 - p)))
            if self.trains:
                if arrays["step"] >= self.infinite_from:
                    loss = np.inf
                if arrays["step"] == self.overflow_at:
                    p = p * np.inf
                arrays["w"][...] -= arrays["rate"] * (x.T @ (p - y)) / len(y)
                arrays["b"][...] -= arrays["rate"] * np.mean(p - y)
                arrays["step"][...] += 1
        return {"loss": np.asarray(loss), "accuracy": np.asarray(np.mean((p > 0.5) == y))}

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        return self.step(arrays["x"], arrays["y"], arrays)

    def call(self, *arrays: Array) -> tuple[Array, ...]:
        raise AssertionError("the trainer gives arrays by name")

    def epoch(
        self,
        first: int,
        last: int,
        batch_size: int,
        order: npt.NDArray[np.int64],
        arrays: Mapping[str, Array],
        totals: npt.NDArray[np.float64],
    ) -> int:
        self.calls.append((first, last))
        for batch in range(first, last):
            self.before_batch(batch)
            if self.seconds:
                time.sleep(self.seconds)
            rows = order[batch * batch_size : (batch + 1) * batch_size]
            outputs = self.step(arrays["x"][rows], arrays["y"][rows], arrays)
            if not np.isfinite(outputs["loss"]):
                return batch - first
            totals += [len(rows) * float(value) for value in outputs.values()]
        return last - first


class Predict(Executable):
    """The probabilities, and the rows of each call."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        self.rows.append(len(arrays["x"]))
        return {"p": 1 / (1 + np.exp(-(arrays["x"] @ arrays["w"] + arrays["b"])))}

    def call(self, *arrays: Array) -> tuple[Array, ...]:
        raise AssertionError("the trainer gives arrays by name")

    def epoch(self, *_: Any) -> int:
        raise AssertionError("prediction has no epochs")


class Model:
    """What the runtime needs of a model, with its programs and trainer in reach."""

    def __init__(self, rate: float = 0.5, dtype: str = "float64") -> None:
        self.stop_training = False
        self.history: History | None = None
        self.arrays: dict[str, Array] = {
            "w": np.zeros(3, dtype),
            "b": np.zeros((), dtype),
            "step": np.zeros((), np.int64),
            "rate": np.asarray(rate, dtype),
            "seed": np.zeros((), np.int64),
        }
        self.train, self.test, self.outputs = Logistic(True), Logistic(False), Predict()
        self.trainer = self.training({})

    def training(self, optimizer: Mapping[str, float]) -> Trainer:
        """A trainer; `optimizer` says which arrays are the optimizer's, and how they begin."""
        return Trainer(
            self,
            self.arrays,
            [Quantity("loss"), Quantity("accuracy")],
            train=self.train,
            evaluate=self.test,
            predict=self.outputs,
            params=("w", "b"),
            seeds=("seed",),
            counters=("step",),
            rewind=Rewind(self.arrays, ("w", "b"), optimizer),
        )

    def get_weights(self) -> list[Array]:
        return [self.arrays["w"].copy(), self.arrays["b"].copy()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        for name, weight in zip(("w", "b"), weights, strict=True):
            self.arrays[name][...] = weight

    def fit(self, data: TrainingData, **options: Any) -> History:
        return self.trainer.fit(data, **{"verbose": 0, "seed": 0, **options})

    def after(self, data: TrainingData, steps: int, seed: int = 0) -> "Model":
        """The model after so many steps, one by one and without a trainer."""
        self.arrays["seed"][...] = layer_seed(seed)
        rows, size = len(data.train["x"]), data.batch_size
        arrays = {**self.arrays, **data.train}
        for step in range(steps):
            epoch, batch = divmod(step, -(-rows // size))
            order = permutation(seed, epoch, rows)
            self.train.epoch(batch, batch + 1, size, order, arrays, np.zeros(2))
        return self

    def weights(self) -> list[bytes]:
        return [array.tobytes() for array in self.get_weights()]


def make_rows(rows: int = 100, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, 3))
    return {"x": x, "y": (x @ [1.0, -2.0, 0.5] > 0.1).astype(np.float64)}


def make_data(rows: int = 100, batch_size: int = 10, validation: int = 0) -> TrainingData:
    held = make_rows(validation, seed=1) if validation else None
    return TrainingData(make_rows(rows), held, batch_size)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def build() -> Callable[..., Model]:
    return Model


@pytest.fixture
def data() -> Callable[..., TrainingData]:
    return make_data
