"""Calls from Python: what comes again takes a short way, and nobody can tell by the results."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import (
    ChainruleError,
    DataError,
    DivergenceError,
    DTypeError,
    IndexOutOfRange,
    ShapeError,
    UsageError,
)

TARGETS = ["cpu", "numpy"]


def classifier(target: str = "cpu", **options: Any) -> cr.Model:
    model = cr.Sequential(
        [cr.Input((6,)), cr.Dense(8, activation="tanh"), cr.Dropout(0.2), cr.Dense(3)], seed=1
    )
    model.compile(
        "sparse_categorical_crossentropy_from_logits", "adam", ["accuracy"], target, **options
    )
    return model


def rows(n: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal((n, 6)).astype(np.float32)


@pytest.mark.parametrize("target", TARGETS)
def test_a_model_is_called_for_a_batch(target: str) -> None:
    model = classifier(target)
    for n in (1, 4, 1, 1, 300, 4, 300):
        x = rows(n, n)
        expected = model.predict(x, batch_size=n)
        for found in (model(x), model(x), model.predict_on_batch(x), model.predict(x)):
            np.testing.assert_array_equal(found, expected)


def test_outputs_are_the_callers_own() -> None:
    model = classifier()
    first = model(rows(1))
    kept = first.copy()
    second = model(rows(1, 1))
    np.testing.assert_array_equal(first, kept)
    second[...] = 0
    np.testing.assert_array_equal(model(rows(1)), kept)


@pytest.mark.parametrize(
    "given",
    [
        rows(2).astype(np.float64),
        rows(2).tolist(),
        np.asfortranarray(rows(2)),
        np.repeat(rows(2), 2, axis=0)[::2],
        [rows(2)],
        {"x": rows(2)},
        rows(2).astype(">f4"),
    ],
    ids=["float64", "list", "fortran", "strided", "listed", "named", "order"],
)
def test_anything_that_makes_an_array_is_taken(given: Any) -> None:
    model = classifier()
    expected = model(rows(2))
    np.testing.assert_allclose(model(given), expected, rtol=1e-6)
    np.testing.assert_allclose(model(given), expected, rtol=1e-6)


def test_new_weights_take_effect() -> None:
    model, x = classifier(), rows(1)
    before = model(x)
    model.set_weights([2 * w for w in model.get_weights()])
    after = model(x)
    assert not np.array_equal(before, after)
    model.compile("sparse_categorical_crossentropy_from_logits", "sgd")
    np.testing.assert_array_equal(model(x), after)
    model.train_on_batch(x, np.array([1]))
    assert not np.array_equal(model(x), after)


def test_a_call_takes_what_predict_refuses() -> None:
    """NaN and infinity go through; `predict` finds them the second time too."""
    model, x = classifier(), rows(2)
    model.predict(x)
    x[1, 2] = np.nan
    for given in (x, x.astype(np.float64)):
        assert np.isnan(model(given)).any(axis=1).tolist() == [False, True]
        with pytest.raises(DataError, match="NaN"):
            model.predict(given)


def test_a_value_that_becomes_infinite_is_told() -> None:
    model = classifier()
    large = rows(2).astype(np.float64)
    large[0, 0] = np.inf
    model(large)
    large[1, 0] = 1e300
    with pytest.raises(DataError, match="too large") as error:
        model(large)
    assert "x[1, 0]" in error.value.detail


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (rows(2)[:, :5], ShapeError),
        (rows(2)[0], ShapeError),
        (np.zeros((0, 6), np.float32), DataError),
        (np.array([["a"] * 6]), DTypeError),
        (cr.tensor("x", (None, 6)), UsageError),
        (None, UsageError),
    ],
    ids=["columns", "sample", "empty", "text", "tensor", "nothing"],
)
def test_what_does_not_fit_is_told(given: Any, error: type[ChainruleError]) -> None:
    model = classifier()
    model(rows(2))
    for _ in range(2):
        with pytest.raises(error) as raised:
            model(given)
        assert len(str(raised.value).splitlines()) == 3
    np.testing.assert_array_equal(model(rows(2)), model.predict(rows(2)))


def test_several_inputs_and_outputs() -> None:
    a, b = cr.Input((3,), name="a"), cr.Input((2,), name="b")
    h = cr.Concatenate()([a, b])
    model = cr.Model([a, b], [cr.Dense(1)(h), cr.Dense(2)(h)], seed=0)
    rng = np.random.default_rng(0)
    x = [rng.random((2, n)).astype(np.float32) for n in (3, 2)]
    expected = model.predict(x)
    for given in (x, tuple(x), {"a": x[0], "b": x[1]}, x):
        for found, wanted in zip(model(given), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    with pytest.raises(DataError, match="inconsistent"):
        model([x[0], x[1][:1]])


def test_calls_from_several_threads() -> None:
    model, wrong = classifier(), []
    batches = [rows(1 + i % 3, i) for i in range(12)]
    expected = [model.predict(x) for x in batches]

    def run() -> None:
        for _ in range(100):
            for x, y in zip(batches, expected, strict=True):
                if not np.array_equal(model(x), y):
                    wrong.append(x)

    running = [threading.Thread(target=run) for _ in range(3)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not wrong


# Functions


@pytest.mark.parametrize("n", [3, 3000, 5000])
def test_a_function_reads_what_is_there_now(n: int) -> None:
    """Small arrays are copied, of large ones the address is known: changes count either way."""
    x = cr.tensor("x", ("n", 2))
    f = cr.function(x, [cr.sum(x, axis=0), 2 * x])
    given = np.random.default_rng(0).random((n, 2)).astype(np.float32)
    for array in (given, given, given + 1, given[::-1], given, given[: n // 2]):
        total, double = f(array)
        np.testing.assert_allclose(total, array.sum(0), rtol=1e-4)
        np.testing.assert_array_equal(double, 2 * array)
        given += 1
    kept = double.copy()
    f(given[: n // 2])
    np.testing.assert_array_equal(double, kept)


def test_an_array_that_changes_its_form_is_looked_at_again() -> None:
    x = cr.tensor("x", ("n", "m"))
    f = cr.function(x, cr.sum(x, axis=0))
    given = np.arange(12000, dtype=np.float32).reshape(3, 4000)
    f(given)
    assert f(given).shape == (4000,)
    given = given.reshape(4000, 3)
    np.testing.assert_allclose(f(given), given.sum(0), rtol=1e-5)
    with pytest.raises(DTypeError):
        f(given.view(np.int32))


def test_a_fault_is_told_and_forgotten() -> None:
    x, i = cr.tensor("x", ("n",)), cr.tensor("i", ("k",), "int32")
    f = cr.function([x, i], cr.take(x, i))
    x_values, good = np.arange(4, dtype=np.float32), np.array([3, 0], np.int32)
    for _ in range(2):
        np.testing.assert_array_equal(f(x_values, good), [3, 0])
        with pytest.raises(IndexOutOfRange):
            f(x_values, np.array([4, 0], np.int32))
    np.testing.assert_array_equal(f(x_values, good), [3, 0])


# Steps


def by_the_trainer(model: cr.Model, x: Any, t: Any) -> dict[str, float]:
    names = [slot.buffer.name for slots in model._slots("train") for slot in slots]
    return model._trainer("train").train_on_batch(dict(zip(names, (x, t), strict=True)))


@pytest.mark.parametrize("target", TARGETS)
def test_steps_are_those_of_the_trainer(target: str) -> None:
    """Bit for bit, what Dropout drops included."""
    model, other = classifier(target), classifier(target)
    t = np.random.default_rng(1).integers(0, 3, 16).astype(np.int32)
    for place in range(6):
        x = rows(16 if place != 3 else 5, place)
        found = model.train_on_batch(x, t[: len(x)])
        other._drawn()
        assert found == by_the_trainer(other, x, t[: len(x)])
    assert model._arrays.keys() == other._arrays.keys()
    for name, array in model._arrays.items():
        np.testing.assert_array_equal(array, other._arrays[name])


def arrays(model: cr.Model) -> dict[str, np.ndarray[Any, Any]]:
    return {name: array.copy() for name, array in model._arrays.items()}


@pytest.mark.parametrize(
    ("x", "t", "error"),
    [
        (np.full((4, 6), np.nan, np.float32), [0, 1, 2, 0], DataError),
        (rows(4), [0, 1, 3, 0], DataError),
        (rows(4), [0, -1, 2, 0], DataError),
        (rows(4), [0, 1, 2], DataError),
        (rows(4)[:, :5], [0, 1, 2, 0], ShapeError),
        (rows(4), None, UsageError),
    ],
    ids=["nan", "label", "negative", "rows", "columns", "nothing"],
)
def test_a_step_that_is_refused_changes_nothing(x: Any, t: Any, error: Any) -> None:
    model = classifier()
    good = rows(4), np.array([0, 1, 2, 0], np.int32)
    for _ in range(2):
        model.train_on_batch(*good)
        before = arrays(model)
        with pytest.raises(error):
            model.train_on_batch(x, None if t is None else np.array(t, np.int32))
        for name, array in arrays(model).items():
            np.testing.assert_array_equal(array, before[name])


def test_a_step_that_diverges_is_taken_back() -> None:
    model = cr.Sequential([cr.Input((6,)), cr.Dense(1)], seed=0)
    model.compile("mse", cr.SGD(0.1))
    x, y = rows(4), np.ones((4, 1), np.float32)
    model.train_on_batch(x, y)
    before = arrays(model)
    for rate, data in ((1e38, 1e3 * x), (0.1, 1e30 * x)):
        model.settings["learning_rate"] = rate
        with pytest.raises(DivergenceError):
            model.train_on_batch(data, y)
        model.settings["learning_rate"] = 0.1
        for name, array in arrays(model).items():
            np.testing.assert_array_equal(array, before[name])
    assert np.isfinite(model.train_on_batch(x, y)["loss"])


def test_settings_take_effect_in_the_next_step() -> None:
    model = cr.Sequential([cr.Input((6,)), cr.Dense(1)], seed=0)
    model.compile("mse", cr.SGD(0.1))
    x, y = rows(4), np.ones((4, 1), np.float32)
    model.train_on_batch(x, y)
    model.settings["learning_rate"] = 0.0
    before = arrays(model)
    model.train_on_batch(x, y)
    for name, array in arrays(model).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("target", TARGETS)
def test_masked_values_are_told_however_often_a_model_was_called(target: str) -> None:
    model, x = classifier(target), rows(2)
    masked = np.ma.masked_array(x, x > 0)
    for call in (model, model.predict, lambda x: model.train_on_batch(x, np.array([1, 2]))):
        call(x)
        call(x)
        with pytest.raises(DataError, match="masked values"):
            call(masked)


@pytest.mark.parametrize("target", TARGETS)
def test_masked_values_are_told_however_often_a_function_was_called(target: str) -> None:
    x = cr.tensor("x", (None,))
    f = cr.function(x, cr.sum(x), target=target)
    values = np.array([1, 2, 4], np.float32)
    for _ in range(2):
        assert f(values) == f(np.ma.masked_array(values)) == 7
        with pytest.raises(DataError) as told:
            f(np.ma.masked_array(values, [False, True, False]))
        lines = str(told.value).splitlines()
        assert lines[0].endswith("function: x has masked values")
        assert lines[1].endswith("1 of 3 values are masked")
