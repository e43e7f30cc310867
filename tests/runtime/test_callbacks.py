"""Callbacks are called as in Keras 3, and early stopping decides as there."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import pytest

from chainrule.compiler.errors import UnknownNameError, UsageError
from chainrule.runtime.callbacks import Callback, Callbacks, EarlyStopping, Logs
from chainrule.runtime.data import TrainingData


class Weights:
    """A model whose weight is the number of the epoch."""

    def __init__(self) -> None:
        self.stop_training = False
        self.weight = -1

    def get_weights(self) -> list[Any]:
        return [np.asarray(self.weight)]

    def set_weights(self, weights: list[Any]) -> None:
        self.weight = int(weights[0])


def run(callback: EarlyStopping, values: list[float], name: str = "val_loss") -> tuple[int, int]:
    """Epochs that ran, and the epoch whose weights the model has at the end."""
    model, logs = Weights(), {"loss": 0.0}
    calls = Callbacks(callback, model, {"metrics": ["loss", name]})
    calls.train_begin()
    for epoch, value in enumerate(values):
        model.weight = epoch
        logs = {"loss": 0.0, name: value}
        calls.epoch_end(epoch, logs)
        if model.stop_training:
            break
    calls.train_end(logs)
    return epoch + 1, model.weight


@pytest.mark.parametrize(
    ("options", "values", "expected"),
    [
        ({}, [3, 2, 1, 1, 0], (4, 3)),
        ({}, [1, 2, 0], (2, 1)),
        ({"patience": 2}, [3, 2, 2, 2, 1], (4, 3)),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1], (6, 5)),
        ({"patience": 1, "restore_best_weights": True}, [3, 1, 2, 0], (3, 1)),
        ({"patience": 9, "restore_best_weights": True}, [3, 1, 2], (3, 1)),
        ({"min_delta": 0.5}, [3, 2.6, 1], (2, 1)),
        ({"min_delta": -0.5}, [3, 2.6, 1], (2, 1)),
        ({"mode": "max"}, [1, 2, 2, 3], (3, 2)),
        ({"mode": "max", "min_delta": 0.5}, [1, 1.4, 9], (2, 1)),
        ({"baseline": 1.0, "patience": 2}, [3, 2.5, 2.4, 2.4, 0.5], (4, 3)),
        ({"baseline": 1.0, "patience": 2, "restore_best_weights": True}, [3, 2, 2.5, 2.6], (3, 1)),
        ({"start_from_epoch": 3}, [0, 1, 2, 3, 2, 2], (6, 5)),
        ({"patience": 1}, [3, np.nan, 2], (2, 1)),
        ({"patience": 1, "restore_best_weights": True}, [np.nan, np.nan], (2, 0)),
    ],
)
def test_early_stopping(
    options: dict[str, Any], values: list[float], expected: tuple[int, int]
) -> None:
    assert run(EarlyStopping(**options), values) == expected


def test_early_stopping_can_be_used_again() -> None:
    callback = EarlyStopping()
    assert run(callback, [1, 2]) == run(callback, [5, 6]) == (2, 1)


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("digits_loss", "min"),
        ("val_mae", "min"),
        ("accuracy", "max"),
        ("val_digits_accuracy", "max"),
        ("AUC", "max"),
    ],
)
def test_the_direction_comes_from_the_name(monitor: str, mode: str) -> None:
    assert EarlyStopping(monitor).mode == mode


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"monitor": "spread"}, "cannot tell whether 'spread'"),
        ({"mode": "maxx"}, "did you mean 'max'?"),
        ({"patience": "x"}, "patience must be a non-negative integer"),
        ({"patience": -1}, "patience must be a non-negative integer"),
        ({"patience": 1.5}, "patience must be a non-negative integer"),
        ({"start_from_epoch": -1}, "start_from_epoch must be a non-negative integer"),
        ({"min_delta": "x"}, "min_delta must be a finite number"),
        ({"min_delta": np.nan}, "min_delta must be a finite number"),
        ({"baseline": np.inf}, "baseline must be a finite number"),
    ],
)
def test_what_early_stopping_cannot_be(options: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        EarlyStopping(**options)
    assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("monitor", "known", "part"),
    [
        ("val_loss", ["loss"], "pass validation_data or validation_split"),
        ("val_acuracy", ["loss", "val_accuracy"], "did you mean 'val_accuracy'?"),
    ],
)
def test_an_unknown_quantity_is_an_error_before_training(
    monitor: str, known: list[str], part: str
) -> None:
    calls = Callbacks(EarlyStopping(monitor, mode="min"), Weights(), {"metrics": known})
    with pytest.raises(UnknownNameError) as caught:
        calls.train_begin()
    assert part in str(caught.value)


def test_early_stopping_says_so_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    run(EarlyStopping(verbose=1, restore_best_weights=True), [1, 2])
    assert capsys.readouterr().out.splitlines() == [
        "epoch 2: early stopping",
        "weights of epoch 1, the best, are restored",
    ]


@pytest.mark.parametrize(
    ("given", "hint"), [(EarlyStopping, "an instance"), (print, "derive"), ("stop", "derive")]
)
def test_only_callbacks_are_callbacks(given: Any, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Callbacks([given], Weights(), {})
    assert hint in str(caught.value)


@pytest.mark.parametrize("when", ["begin", "end"])
def test_an_older_name_of_a_method_is_an_error_before_training(
    when: str, model: Any, data: Callable[..., TrainingData]
) -> None:
    old, new = f"on_batch_{when}", f"on_train_batch_{when}"
    callback = type("Shows", (Callback,), {old: lambda self, batch, logs: None})()
    with pytest.raises(UsageError) as caught:
        model.trainer.fit(data(20, 10), verbose=0, callbacks=[callback])
    assert f"Shows.{old} is never called" in str(caught.value)
    assert str(caught.value).endswith(f"hint: call it {new}")


def test_both_names_of_a_method_are_the_newer_one() -> None:
    class Both(Callback):
        def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
            seen.append(batch)

        on_batch_end = on_train_batch_end

    seen: list[int] = []
    Callbacks(Both(), Weights(), {}).batch_end(3, {})
    assert seen == [3]


class Recorder(Callback):
    """Notes every call, but those of batches."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def note(self, name: str, number: int | None, logs: Logs | None) -> None:
        shown = [] if number is None else [str(number)]
        self.calls.append(" ".join([name, *shown, *(logs or ())]))

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.note("train begin", None, logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.note("train end", None, logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.note("epoch begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.note("epoch end", epoch, logs)


class Batches(Recorder):
    """Notes the calls of batches too."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.note("batch begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.note("batch end", batch, logs)


Make = Callable[..., TrainingData]


def test_order_of_the_calls(model: Any, data: Make) -> None:
    recorder = Batches()
    model.trainer.fit(data(20, 10, validation=5), epochs=2, verbose=0, callbacks=[recorder])
    epoch = [
        "batch begin 0",
        "batch end 0 loss accuracy",
        "batch begin 1",
        "batch end 1 loss accuracy",
    ]
    scores = "loss accuracy val_loss val_accuracy"
    assert recorder.calls == [
        "train begin",
        "epoch begin 0",
        *epoch,
        f"epoch end 0 {scores}",
        "epoch begin 1",
        *epoch,
        f"epoch end 1 {scores}",
        f"train end {scores}",
    ]
    assert recorder.model is model
    assert recorder.params["metrics"] == scores.split()
    assert recorder.params["samples"] == 20


def test_batches_run_alone_only_if_somebody_looks(build: Callable[[], Any], data: Make) -> None:
    chunks = {}
    for callback in (Recorder(), Batches()):
        model = build()
        model.trainer.fit(data(100, 1), verbose=0, seed=3, callbacks=callback)
        chunks[type(callback)] = model.train.calls
    assert len(chunks[Recorder]) < 10
    assert chunks[Batches] == [(batch, batch + 1) for batch in range(100)]


def test_a_hook_may_be_set_on_an_instance(model: Any, data: Make) -> None:
    seen: list[int] = []
    callback: Any = Callback()
    callback.on_train_batch_end = lambda batch, logs: seen.append(batch)
    model.trainer.fit(data(30, 10), verbose=0, callbacks=callback)
    assert seen == [0, 1, 2]


class Stop(Callback):
    """Stops at a point of training."""

    def __init__(self, when: Literal["batch", "epoch"], number: int) -> None:
        self.number = number
        hook = "on_train_batch_end" if when == "batch" else "on_epoch_end"
        setattr(self, hook, self.stop)

    def stop(self, number: int, logs: Mapping[str, float]) -> None:
        if number == self.number:
            self.model.stop_training = True


@pytest.mark.parametrize(
    ("callback", "epochs", "steps"), [(Stop("epoch", 1), 2, 20), (Stop("batch", 3), 1, 4)]
)
def test_training_stops_when_a_callback_says_so(
    callback: Callback, epochs: int, steps: int, model: Any, data: Make
) -> None:
    history = model.trainer.fit(data(), epochs=5, verbose=0, callbacks=[callback])
    assert history.epoch == list(range(epochs))
    assert model.arrays["step"] == steps
    assert history.partial is None
    assert model.trainer.fit(data(), epochs=5, verbose=0).epoch == [0, 1, 2, 3, 4]


class Adds(Callback):
    """Adds to the logs, and changes a setting."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        assert logs is not None
        logs["rate"] = float(self.model.arrays["rate"])
        self.model.arrays["rate"][...] /= 2


def test_what_callbacks_add_is_in_the_history(model: Any, data: Make) -> None:
    history = model.trainer.fit(data(), epochs=3, verbose=0, callbacks=[Adds()])
    assert history.history["rate"] == [0.5, 0.25, 0.125]


def test_an_error_in_a_callback_keeps_the_history(model: Any, data: Make) -> None:
    def fail(epoch: int, logs: Logs) -> None:
        if epoch == 1:
            raise KeyError("mine")

    callback: Any = Callback()
    callback.on_epoch_end = fail
    with pytest.raises(KeyError, match="mine"):
        model.trainer.fit(data(), epochs=3, verbose=0, callbacks=[callback])
    assert model.history.epoch == [0, 1]


def test_early_stopping_restores_the_best_weights(model: Any, data: Make) -> None:
    model.arrays["rate"][...] = 40.0  # so that the loss jumps about
    kept: list[Any] = []
    callback: Any = Callback()
    callback.on_epoch_end = lambda epoch, logs: kept.append(model.get_weights())
    stopping = EarlyStopping(patience=2, restore_best_weights=True)
    history = model.trainer.fit(
        data(validation=50), epochs=30, seed=0, verbose=0, callbacks=[callback, stopping]
    )
    best = int(np.argmin(history.history["val_loss"]))
    assert len(history.epoch) < 30
    assert model.stop_training
    assert best == stopping.best_epoch != history.epoch[-1]
    for weight, expected in zip(model.get_weights(), kept[best], strict=True):
        np.testing.assert_array_equal(weight, expected)
