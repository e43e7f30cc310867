"""Many networks of one model: each is the one that is trained alone."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import DataError, UnknownNameError, UsageError

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(60, 5)).astype(np.float32)
T = RANDOM.integers(0, 3, 60)
LOSS = "sparse_categorical_crossentropy_from_logits"


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = cr.get_num_threads()
    cr.set_num_threads(request.param)
    yield request.param
    cr.set_num_threads(before)


def build(rate: float = 0.01, target: str = "cpu", seed: int | None = None) -> cr.Model:
    layers = [
        cr.Dense(6, activation="tanh"),
        cr.BatchNormalization(),
        cr.Dropout(0.2),
        cr.Dense(3),
    ]
    model = cr.Sequential([cr.Input((5,)), *layers], seed=seed)
    model.compile(LOSS, cr.Adam(rate), metrics=["accuracy"], target=target)
    return model


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_each_is_the_network_that_is_trained_alone(threads: int, target: str) -> None:
    rates, seeds = [0.001, 0.01, 0.1, 0.01], [3, 5, 5, 8]
    sweep = cr.Sweep(build(target=target), seeds=seeds, learning_rate=rates)
    assert len(sweep) == 4
    given: dict[str, Any] = {"batch_size": 8, "epochs": 3, "validation_split": 0.2, "verbose": 0}
    found = sweep.fit(X, T, **given)
    again = sweep.fit(X, T, **{**given, "epochs": 5}, initial_epoch=3)
    scores, outputs = sweep.evaluate(X, T), sweep.predict(X)
    for i, (rate, seed) in enumerate(zip(rates, seeds, strict=True)):
        alone = build(rate, target, seed)
        first = alone.fit(X, T, **given, seed=seed)
        for name, values in first.history.items():
            np.testing.assert_array_equal(found[name][i], values)
        later = alone.fit(X, T, **{**given, "epochs": 5}, initial_epoch=3, seed=seed)
        for name, values in later.history.items():
            np.testing.assert_array_equal(again[name][i], values)
        for ours, theirs in zip(sweep.models[i].get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert {name: values[i] for name, values in scores.items()} == alone.evaluate(
            X, T, verbose=0
        )
        np.testing.assert_array_equal(outputs[i], alone.predict(X))


def test_the_model_that_it_is_made_of_stays_as_it_is() -> None:
    model = build(0.5, seed=1)
    model.settings["beta_1"] = 0.8
    before = model.get_weights()
    sweep = cr.Sweep(model, n=3, learning_rate=0.02)
    sweep.fit(X, T, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.settings["learning_rate"] == 0.5
    for network in sweep.models:
        assert network.settings["learning_rate"] == 0.02
        assert network.settings["beta_1"] == 0.8
    assert sweep.seeds == (0, 1, 2)
    assert repr(sweep).startswith("<Sweep of 3 networks with seeds, learning_rate: <Model")


def test_the_best_is_the_one_of_the_smallest_loss(threads: int) -> None:
    sweep = cr.Sweep(build(), learning_rate=[1e-6, 0.03, 1e-5])
    found = sweep.fit(X, T, epochs=15, verbose=0)
    assert sweep.history is found
    assert found["loss"].shape == (3, 15)
    assert sweep.best is sweep.models[1]
    sweep.fit(X, T, validation_data=(X[:20], T[:20]), verbose=0)
    assert sweep.best is sweep.models[int(np.argmin(sweep.history["val_loss"][:, -1]))]


def plain(rate: float) -> cr.Model:
    model = cr.Sequential([cr.Input((5,)), cr.Dense(1)])
    model.compile("mse", cr.SGD(rate))
    return model


def test_one_that_diverges_does_not_stop_the_others(
    threads: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = cr.Sweep(plain(0.1), learning_rate=[0.01, 1e30, 0.02])
    found = sweep.fit(X, X[:, 0], epochs=4)
    assert sweep.diverged == (1,)
    assert np.isnan(found["loss"][1, -1])
    assert np.isfinite(found["loss"][[0, 2]]).all()
    assert np.isfinite(sweep.models[1].get_weights()[0]).all()
    assert sweep.best in (sweep.models[0], sweep.models[2])
    lines = sorted(capsys.readouterr().out.splitlines())
    assert [line.split(":")[0] for line in lines] == [
        "network 1 of 3 (seed 0, learning_rate 0.01)",
        "network 2 of 3 (seed 1, learning_rate 1e+30)",
        "network 3 of 3 (seed 2, learning_rate 0.02)",
    ]
    assert "diverged" in lines[1]
    assert f"loss {found['loss'][0, -1]:.4g}" in lines[0]


def test_none_is_the_best_where_all_diverge() -> None:
    sweep = cr.Sweep(plain(1.0), n=2, learning_rate=1e30)
    sweep.fit(X, X[:, 0], epochs=4, verbose=0)
    with pytest.raises(UsageError, match="2 of 2 diverged"):
        _ = sweep.best


def test_callbacks_are_made_for_each(threads: int) -> None:
    def stops() -> cr.Callback:
        return cr.EarlyStopping(monitor="loss", patience=1, min_delta=0.05)

    sweep = cr.Sweep(build(), learning_rate=[0.0, 0.03])
    found = sweep.fit(X, T, epochs=6, callbacks=stops, verbose=0)
    ended = (~np.isnan(found["loss"])).sum(axis=1)
    assert ended[0] < 6
    assert ended[1] > ended[0]


class Calls(cr.Callback):
    """Does something in the second epoch of each network."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 1:
            self.action()


def test_an_error_ends_all(threads: int) -> None:
    def fails() -> None:
        raise RuntimeError("from a callback")

    sweep = cr.Sweep(build(), n=4)
    with pytest.raises(RuntimeError, match="from a callback"):
        sweep.fit(X, T, epochs=10**6, callbacks=lambda: Calls(fails), verbose=0)
    assert threading.active_count() < 10
    sweep.fit(X, T, epochs=2, verbose=0)
    assert not np.isnan(sweep.history["loss"]).any()


def test_control_c_ends_all(threads: int) -> None:
    sweep = cr.Sweep(build(), n=4)
    once = iter([_thread.interrupt_main])
    with pytest.raises(KeyboardInterrupt):
        sweep.fit(
            X,
            T,
            epochs=10**6,
            callbacks=lambda: Calls(lambda: next(once, lambda: None)()),
            verbose=0,
        )
    assert sweep.history["loss"].shape == (4, 10**6)
    assert np.isfinite(sweep.history["loss"][:, 0]).any()


def test_epochs_that_are_stopped_before_they_begin_have_no_column(threads: int) -> None:
    class Stops(cr.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.model.stop_training = epoch == 2

    sweep = cr.Sweep(build(), n=2)
    losses = sweep.fit(X, T, epochs=4, callbacks=Stops, verbose=0)["loss"]
    assert np.isfinite(losses[:, :2]).all()
    assert np.isnan(losses[:, 2:]).all()
    assert all(model.history.epoch == [0, 1] for model in sweep.models if model.history)


def test_several_outputs() -> None:
    x = cr.Input((5,))
    model = cr.Model(x, [cr.Dense(2)(x), cr.Dense(1)(x)])
    model.compile(["mse", "mse"], "sgd")
    sweep = cr.Sweep(model, n=3)
    sweep.fit(X, [X[:, :2], X[:, :1]], verbose=0)
    first, second = sweep.predict(X)
    assert (first.shape, second.shape) == ((3, 60, 2), (3, 60, 1))
    assert set(sweep.evaluate(X, [X[:, :2], X[:, :1]])) == {"loss", "y1_loss", "y2_loss"}


def compiled_anew(sweep: cr.Sweep) -> cr.Sweep:
    sweep.models[1].compile("mae", "sgd")
    return sweep


WRONG: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "no model": (lambda: cr.Sweep("model"), UsageError, "expected a compiled model"),  # type: ignore[arg-type]
    "not compiled": (
        lambda: cr.Sweep(cr.Sequential([cr.Input((5,)), cr.Dense(1)]), n=2),
        UsageError,
        "not compiled",
    ),
    "how many": (lambda: cr.Sweep(build()), UsageError, "neither n nor a list"),
    "number": (lambda: cr.Sweep(build(), n=0), UsageError, "expected a positive integer"),
    "lengths": (
        lambda: cr.Sweep(build(), n=3, learning_rate=[0.1, 0.2]),
        UsageError,
        "n: 3, learning_rate: 2",
    ),
    "no networks": (lambda: cr.Sweep(build(), seeds=[]), UsageError, "seeds: 0"),
    "setting": (lambda: cr.Sweep(build(), learning_rat=[0.1]), UnknownNameError, "learning_rate"),
    "text": (lambda: cr.Sweep(build(), learning_rate=["a"]), UsageError, "expected a number"),
    "range": (lambda: cr.Sweep(build(), beta_1=[1.5]), UsageError, "0 <= beta_1 < 1"),
    "negative": (lambda: cr.Sweep(build(), learning_rate=-1.0), UsageError, "numbers of 0 or more"),
    "seed": (lambda: cr.Sweep(build(), seeds=[-1]), UsageError, "seed"),
    "no seeds": (lambda: cr.Sweep(build(), seeds=3), UsageError, "range(8)"),  # type: ignore[arg-type]
    "huge": (lambda: cr.Sweep(build(), learning_rate=[10**400]), UsageError, "expected a number"),
    "shuffle": (
        lambda: cr.Sweep(build(), n=2).fit(X, T, shuffle="no", verbose=0),  # type: ignore[arg-type]
        UsageError,
        "expected True or False",
    ),
    "no callbacks": (
        lambda: cr.Sweep(build(), n=2).fit(X, T, callbacks=lambda: None, verbose=0),  # type: ignore[arg-type,return-value]
        UsageError,
        "instances of Callback",
    ),
    "compiled anew": (
        lambda: compiled_anew(cr.Sweep(build(), n=np.int64(2))).fit(X, T, verbose=0),  # type: ignore[arg-type]
        UsageError,
        "network 2 of the sweep",
    ),
    "verbose": (lambda: cr.Sweep(build(), n=2).fit(X, T, verbose=2), UsageError, "expected 0 or 1"),
    "callbacks": (
        lambda: cr.Sweep(build(), n=2).fit(X, T, callbacks=[], verbose=0),  # type: ignore[arg-type]
        UsageError,
        "expected a function",
    ),
    "both": (
        lambda: cr.Sweep(build(), n=2).fit(X, T, validation_split=0.5, validation_data=(X, T)),
        UsageError,
        "pass one of them",
    ),
    "data": (lambda: cr.Sweep(build(), n=2).fit(X * np.nan, T), DataError, "NaN"),
    "labels": (lambda: cr.Sweep(build(), n=2).fit(X, T + 3), DataError, "class"),
    "best": (lambda: cr.Sweep(build(), n=2).best, UsageError, "none has been trained"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(name: str) -> None:
    make, kind, why = WRONG[name]
    with pytest.raises(kind) as caught:
        make()
    assert why in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3
    assert "test_sweep.py" in str(caught.value)


def test_a_model_from_a_file_has_no_initializers(tmp_path: Path) -> None:
    model = build()
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="a model from a file"):
        cr.Sweep(cr.load_model(tmp_path / "m.safetensors"), n=2)
