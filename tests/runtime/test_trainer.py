"""Training: exact means, chunks, determinism and divergence, on a program made by hand."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from chainrule.compiler.errors import (
    ChainruleError,
    DataError,
    DivergenceError,
    IndexOutOfRange,
    UsageError,
)
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import TensorType, symbol
from chainrule.runtime import rewind
from chainrule.runtime.cache import Cache
from chainrule.runtime.callbacks import Callback
from chainrule.runtime.chunks import CHUNK_SECONDS, Pace, Quantity
from chainrule.runtime.data import TrainingData
from chainrule.runtime.devices import load
from chainrule.runtime.rewind import Rewind
from chainrule.runtime.trainer import Trainer

Array = npt.NDArray[Any]
Build = Callable[..., Any]
Make = Callable[..., TrainingData]
CONFTEST = Path(__file__).with_name("conftest.py")


# What is computed.


def test_training_is_the_steps_one_after_the_other(build: Build, data: Make) -> None:
    model = build()
    model.fit(data(103, 10), epochs=3)
    assert model.weights() == build().after(data(103, 10), 33).weights()


@pytest.mark.parametrize("batch_size", [1, 7, 50, 100])
def test_logs_are_means_over_rows(build: Build, data: Make, batch_size: int) -> None:
    model = build(rate=0.0)
    scores = model.trainer.evaluate(data().train, batch_size=batch_size, verbose=0)
    expected = model.test.step(*data().train.values(), model.arrays)
    assert scores == pytest.approx({name: float(value) for name, value in expected.items()})
    history = model.fit(data(100, batch_size, validation=33), epochs=1)
    assert history.history["loss"] == pytest.approx([math.log(2)])
    assert history.history["val_loss"] == pytest.approx([math.log(2)])


def test_the_history_is_also_the_models(model: Any, data: Make) -> None:
    history = model.fit(data(validation=20), epochs=3, seed=5)
    assert history is model.history
    assert history.epoch == [0, 1, 2]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(len(values) == 3 for values in history.history.values())
    assert history.history["loss"] == sorted(history.history["loss"], reverse=True)
    assert history.params == {
        "epochs": 3,
        "steps": 10,
        "batch_size": 10,
        "samples": 100,
        "seed": 5,
        "metrics": ["loss", "accuracy", "val_loss", "val_accuracy"],
    }


def test_a_metric_is_finished_after_the_mean(model: Any, data: Make) -> None:
    quantities = [Quantity("loss"), Quantity("root", math.sqrt)]
    model.trainer = Trainer(model, model.arrays, quantities, evaluate=model.test)
    scores = model.trainer.evaluate(data().train, batch_size=9, verbose=0)
    right = float(model.test.step(*data().train.values(), model.arrays)["accuracy"])
    assert scores["root"] == pytest.approx(math.sqrt(right))


def test_validation_changes_nothing(build: Build, data: Make) -> None:
    plain, validated = build(), build()
    plain.fit(data(), epochs=2)
    validated.fit(data(validation=17), epochs=2)
    assert plain.weights() == validated.weights()


@pytest.mark.parametrize("batch_size", [None, 1, 3, 7, 100])
def test_predict_does_not_depend_on_the_batch_size(
    model: Any, data: Make, batch_size: int | None
) -> None:
    model.fit(data())
    x = data(7, 7).train["x"]
    outputs = model.trainer.predict({"x": x}, batch_size=batch_size)
    assert list(outputs) == ["p"]
    expected = model.outputs.run({**model.arrays, "x": x})["p"]
    np.testing.assert_allclose(outputs["p"], expected, rtol=1e-15)
    assert max(model.outputs.rows) <= 7


def test_train_on_batch_is_one_step(build: Build, data: Make) -> None:
    model = build()
    batch = data(10, 10)
    logs = model.trainer.train_on_batch(batch.train)
    share = 1 - batch.train["y"].mean()  # a probability of 1/2 counts as class 0
    assert logs == {"loss": pytest.approx(math.log(2)), "accuracy": pytest.approx(share)}
    assert model.arrays["step"] == 1
    assert model.trainer.train_on_batch(batch.train)["loss"] < logs["loss"]


# Determinism.


def test_same_seed_same_weights(build: Build, data: Make) -> None:
    def train(seed: int) -> Any:
        model = build()
        model.fit(data(), epochs=2, seed=seed)
        return model.weights()

    assert train(1) == train(1) != train(2)


def test_without_a_seed_one_is_drawn_and_told(build: Build, data: Make) -> None:
    model, again = build(), build()
    seed = model.fit(data(), seed=None).params["seed"]
    again.fit(data(), seed=seed)
    assert model.weights() == again.weights()


def test_without_shuffling_rows_stay_in_order(build: Build, data: Make) -> None:
    orders: list[Array] = []
    model = build()
    original = model.train.epoch

    def epoch(first: int, last: int, size: int, order: Array, *rest: Any) -> int:
        orders.append(order)
        return int(original(first, last, size, order, *rest))

    model.train.epoch = epoch
    model.fit(data(), shuffle=False)
    for order in orders:
        assert order.dtype == np.int64
        np.testing.assert_array_equal(order, np.arange(100))


def test_training_can_go_on_where_it_stopped(build: Build, data: Make) -> None:
    whole, parts = build(), build()
    whole.fit(data(), epochs=4)
    parts.fit(data(), epochs=2)
    history = parts.fit(data(), epochs=4, initial_epoch=2)
    assert history.epoch == [2, 3]
    assert whole.weights() == parts.weights()


def test_a_batch_hook_changes_no_number(build: Build, data: Make) -> None:
    plain, hooked = build(), build()
    callback: Any = Callback()
    callback.on_train_batch_end = lambda batch, logs: None
    first = plain.fit(data(101, 10), epochs=2)
    second = hooked.fit(data(101, 10), epochs=2, callbacks=[callback])
    assert plain.weights() == hooked.weights()
    assert first.history == second.history


# Chunks.


def test_chunks_cover_every_batch_once(model: Any, data: Make) -> None:
    model.fit(data(500, 1), epochs=2)
    done = [batch for first, last in model.train.calls for batch in range(first, last)]
    assert done == [*range(500), *range(500)]
    assert model.train.calls[0] == (0, 1)


def test_chunks_approach_a_tenth_of_a_second() -> None:
    pace, sizes = Pace(), []
    for _ in range(8):
        size = pace.batches(10**9)
        sizes.append(size)
        pace.took(size, size * 1e-4)
    assert sizes[:4] == [1, 8, 64, 512]
    assert sizes[4:] == [CHUNK_SECONDS / 1e-4] * 4


@pytest.mark.parametrize(("seconds", "following"), [(10.0, 1), (0.1, 1), (0.05, 2), (0.0, 8)])
def test_a_slow_batch_is_a_chunk(seconds: float, following: int) -> None:
    pace = Pace()
    pace.took(1, seconds)
    assert pace.batches(100) == following
    assert pace.batches(1) == 1


# Divergence.


def diverge(model: Any, data: TrainingData, **options: Any) -> str:
    with pytest.raises(DivergenceError) as caught:
        model.trainer.fit(data, verbose=0, seed=0, **options)
    text = str(caught.value)
    assert text.startswith("test_trainer.py:")
    assert len(text.splitlines()) == 3
    for array in model.get_weights():
        assert np.isfinite(array).all()
    return text


@pytest.fixture(params=["often", "each epoch"])
def copies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """When copies of the weights are made, which otherwise depends on their cost."""
    monkeypatch.setattr(Rewind, "due", request.param == "often")


@pytest.mark.usefixtures("copies")
@pytest.mark.parametrize("steps", [0, 1, 5, 9, 10, 25])
def test_weights_are_those_before_the_batch_that_diverged(
    build: Build, data: Make, steps: int
) -> None:
    model = build()
    model.train.infinite_from = steps
    text = diverge(model, data(), epochs=4)
    epoch, batch = divmod(steps, 10)
    assert f"the loss became NaN or infinite in epoch {epoch + 1}, batch {batch + 1} of 10" in text
    assert f"before batch {batch + 1}" in text
    assert model.weights() == build().after(data(), steps).weights()
    assert model.arrays["step"] == steps
    assert model.history.epoch == list(range(epoch))
    assert (model.history.partial.epoch, model.history.partial.batches) == (epoch, batch)


@pytest.mark.usefixtures("copies")
@pytest.mark.parametrize("steps", [0, 1, 5, 9, 10, 25, 29])
def test_weights_that_a_finite_loss_leaves_infinite(build: Build, data: Make, steps: int) -> None:
    model = build()
    model.train.overflow_at = steps
    text = diverge(model, data(), epochs=3)
    assert f"before batch {steps % 10 + 1}" in text
    assert "the step of w, b overflowed" in text
    assert model.weights() == build().after(data(), steps).weights()


@pytest.mark.parametrize(("what", "batch"), [("infinite_from", 6), ("overflow_at", 7)])
def test_the_copy_of_a_large_model_may_be_of_an_earlier_epoch(
    build: Build, data: Make, monkeypatch: pytest.MonkeyPatch, what: str, batch: int
) -> None:
    monkeypatch.setattr(Rewind, "due", False)
    monkeypatch.setattr(rewind, "_SMALL", 0)
    model = build()
    setattr(model.train, what, 25)
    text = diverge(model, data(), epochs=4)
    assert f"in epoch 3, batch {batch} of 10" in text
    assert "before batch 1 of epoch 1" in text
    assert model.weights() == build().weights()
    assert model.arrays["step"] == 0


@pytest.mark.parametrize("what", ["infinite_from", "overflow_at"])
def test_of_a_large_model_the_optimizer_starts_anew(
    build: Build, data: Make, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(Rewind, "due", False)
    monkeypatch.setattr(rewind, "_LARGE", 0)
    monkeypatch.setattr(rewind, "_SMALL", 0)
    model = build()
    model.arrays["step"][...] = 7
    model.trainer = model.training(optimizer={"step": -3})
    setattr(model.train, what, 12)
    text = diverge(model, data(), epochs=4)
    assert text.endswith("before batch 1 of epoch 1, and the optimizer starts anew")
    assert model.weights() == build().weights()
    assert model.arrays["step"] == -3


def test_one_training_leaves_its_copies_to_the_next(build: Build, data: Make) -> None:
    model = build()
    model.fit(data(), epochs=1)
    before = model.weights()
    model.train.infinite_from = 0
    diverge(model, data(), epochs=1)
    assert model.weights() == before != build().weights()


def test_steps_between_which_a_callback_acts_are_not_repeated(
    build: Build, data: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rewind, "due", False)
    model, kept = build(), []
    model.train.infinite_from = 15
    callback: Any = Callback()
    callback.on_epoch_begin = lambda epoch, logs: kept.append(model.weights())
    callback.on_train_batch_end = lambda batch, logs: model.arrays["rate"].fill(batch)
    text = diverge(model, data(), epochs=4, callbacks=[callback])
    assert "in epoch 2, batch 6 of 10" in text
    assert "before batch 1" in text
    assert model.weights() == kept[1]


def test_the_cause_is_the_learning_rate(model: Any, data: Make) -> None:
    model.arrays["rate"][...] = 1e4
    assert "the learning rate is too high" in diverge(model, data())


def test_the_cause_is_a_logarithm_of_0(model: Any, data: Make) -> None:
    model.train.infinite_from = 3
    assert "the logarithm of 0" in diverge(model, data())


def test_the_cause_is_large_inputs(model: Any, data: Make) -> None:
    given = data()
    given.train["x"] *= 1e6
    text = diverge(model, given)
    assert "scale x" in text


def test_the_cause_is_in_the_weights(model: Any, data: Make) -> None:
    model.arrays["w"][1] = np.nan
    with pytest.raises(DivergenceError, match="NaN or infinity in the weights before training: w"):
        model.fit(data())
    assert model.train.calls == []


def test_train_on_batch_diverges_without_a_trace(model: Any, data: Make) -> None:
    model.train.infinite_from = 0
    before = model.weights()
    with pytest.raises(DivergenceError):
        model.trainer.train_on_batch(data().train)
    assert model.weights() == before
    assert model.arrays["step"] == 0


def test_an_infinite_loss_is_evaluated_as_it_is(model: Any, data: Make) -> None:
    given = data().train
    model.arrays["w"][...] = [1e3, 0, 0]
    scores = model.trainer.evaluate(given, batch_size=7, verbose=0)
    expected = model.test.step(given["x"], given["y"], model.arrays)
    assert scores["loss"] == np.inf == expected["loss"]
    assert scores["accuracy"] == pytest.approx(float(expected["accuracy"]))


def test_an_error_within_a_chunk_takes_the_chunk_back(build: Build, data: Make) -> None:
    def before(batch: int) -> None:
        if batch == 6 and len(model.train.calls) == 2:
            raise IndexOutOfRange("take: index out of range")

    model = build()
    model.train.before_batch = before
    with pytest.raises(IndexOutOfRange):
        model.fit(data())
    assert model.weights() == build().after(data(), 1).weights()
    assert model.history.partial.batches == 1
    assert model.history.partial.logs["loss"] == pytest.approx(math.log(2))


# What is asked for wrongly.


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"epochs": 0}, "epochs must be a positive integer"),
        ({"epochs": 1.5}, "got 1.5"),
        ({"seed": -1}, "seed must be a non-negative integer"),
        ({"initial_epoch": -1}, "initial_epoch"),
        ({"verbose": 3}, "verbose must be"),
        ({"callbacks": [Callback]}, "pass an instance"),
    ],
)
def test_arguments_that_make_no_sense(
    model: Any, data: Make, options: dict[str, Any], part: str
) -> None:
    with pytest.raises(UsageError) as caught:
        model.fit(data(), **options)
    assert part in str(caught.value)
    assert model.train.calls == []


@pytest.mark.parametrize("batch_size", [0, -3, 2.5, True])
def test_batch_sizes_of_evaluation(model: Any, data: Make, batch_size: Any) -> None:
    for ask in (model.trainer.evaluate, model.trainer.predict):
        with pytest.raises(UsageError, match="batch_size must be a positive integer"):
            ask(data().train, batch_size=batch_size)


def test_a_batch_larger_than_the_data(model: Any, data: Make) -> None:
    with pytest.raises(DataError, match="batch_size is larger than the data"):
        model.fit(data(10, 11))


@pytest.mark.parametrize("name", ["train", "evaluate", "predict"])
def test_a_model_that_is_not_compiled(model: Any, data: Make, name: str) -> None:
    trainer = Trainer(model, model.arrays, [Quantity("loss")])
    ask: dict[str, Callable[[], object]] = {
        "train": lambda: trainer.fit(data(), verbose=0),
        "evaluate": lambda: trainer.evaluate(data().train, verbose=0),
        "predict": lambda: trainer.predict(data().train),
    }
    with pytest.raises(UsageError, match=f"no program to {name} with"):
        ask[name]()


# The contract with real programs.

SOURCE = """
import numpy as np

def step(x, y, rate, w, t):
    error = x @ w - y
    loss = np.mean(error * error)
    return loss, np.mean(np.abs(error)), w - rate * (2 / len(y)) * (x.T @ error), t + 1
"""


def program(name: str, source: str, trains: bool) -> Program:
    batch = symbol("batch")
    buffers = [
        Buffer("x", "input", TensorType("float64", (batch, 3))),
        Buffer("y", "input", TensorType("float64", (batch,))),
        *([Buffer("rate", "setting", TensorType("float64"))] if trains else []),
        Buffer("w", "param", TensorType("float64", (3,))),
        *([Buffer("t", "state", TensorType("int64"))] if trains else []),
        Buffer("loss", "output", TensorType("float64")),
        Buffer("mae", "output", TensorType("float64")),
    ]
    return Program(name, "numpy", source, tuple(buffers), (), ("batch",), "batch", (), (), name)


def test_programs_of_the_numpy_target(model: Any, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    scores = SOURCE.replace("rate, w, t", "w").split(", w - rate")[0] + ", w\n"
    trainer = Trainer(
        model,
        {"w": np.zeros(3), "rate": np.asarray(0.1), "t": np.asarray(0)},
        [Quantity("loss"), Quantity("mae")],
        train=load(program("train", SOURCE, True), cache),
        evaluate=load(program("scores", scores, False), cache),
        params=["w"],
    )
    x = np.random.default_rng(0).standard_normal((95, 3))
    rows = {"x": x, "y": x @ [1.0, 2.0, 3.0]}
    history = trainer.fit(TrainingData(rows, rows, 10), epochs=20, verbose=0, seed=0)
    np.testing.assert_allclose(trainer.arrays["w"], [1, 2, 3], atol=1e-6)
    assert trainer.arrays["t"] == 200
    assert history.history["val_loss"][-1] < 1e-12
    assert trainer.evaluate(rows, verbose=0)["mae"] == pytest.approx(history.history["val_mae"][-1])
    trainer.arrays["rate"][...] = 1e6
    with pytest.raises(ChainruleError, match="learning rate is too high"):
        trainer.fit(TrainingData(rows, None, 10), epochs=20, verbose=0, seed=0)
    assert np.isfinite(trainer.arrays["w"]).all()


def test_what_training_imports_is_light() -> None:
    modules = "import chainrule.runtime.trainer, chainrule.runtime.checkpoint, sys"
    heavy = {"numba", "llvmlite", "sympy", "scipy", "rich", "safetensors"}
    code = f"{modules}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
