"""Calls for one small array straight from Python: the same numbers, or the long way."""

from __future__ import annotations

import copy
import ctypes
import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import trained
from chainrule.alike import ALIKE, nothing
from chainrule.compiler.errors import ChainruleError, DataError, IndexOutOfRange
from chainrule.runtime.devices.cpu import direct
from chainrule.runtime.devices.cpu.pool_code import TEAM

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long for the shortest step."""
    monkeypatch.setattr(direct, "LONGEST", 60.0)


def dense(dtype: str = "float32") -> cr.Model:
    layers = [cr.Dense(5, activation="tanh"), cr.Dense(3)]
    return cr.Sequential([cr.Input((4,), dtype=dtype), *layers], seed=0)


def words() -> cr.Model:
    layers = [cr.Embedding(7, 3), cr.Flatten(), cr.Dense(2)]
    return cr.Sequential([cr.Input((4,), dtype="int32"), *layers], seed=0)


def called(model: cr.Model, x: Any) -> cr.Model:
    """The model after so many calls that it has a function for such arrays."""
    for _ in range(ALIKE + 1):
        model(x)
    return model


def samples(rows: int = 1, dtype: str = "float32") -> Any:
    return RANDOM.standard_normal((rows, 4)).astype(dtype)


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_gives_what_any_call_gives(rows: int, dtype: str) -> None:
    model = called(dense(dtype), samples(rows, dtype))
    given = [samples(rows, dtype) for _ in range(5)]
    found = [model._direct(x) for x in given]
    for x, y in zip(given, found, strict=True):
        assert y is not None
        np.testing.assert_array_equal(y, model._called(x))
        assert (y.dtype, y.shape, y.flags.carray, y.flags.owndata) == (dtype, (rows, 3), True, True)


def test_weights_are_read_where_they_are() -> None:
    model, x = dense(), samples()
    before = called(model, x)(x)
    model.parameters["b2"] = 1.0
    np.testing.assert_allclose(model(x), before + 1, rtol=1e-6)
    model.compile("mse", "sgd")
    model.fit(samples(8), np.zeros((8, 3)), verbose=0)
    np.testing.assert_array_equal(called(model, x)._direct(x), model._called(x))


class Own(np.ndarray[Any, Any]):
    """An array of another class."""


X = samples(2)
OTHERS: dict[str, Callable[[], Any]] = {
    "a list": lambda: X.tolist(),
    "a list of an array": lambda: [X],
    "None": lambda: None,
    "a number": lambda: 1.0,
    "more rows": lambda: samples(3),
    "no rows": lambda: samples(0),
    "fewer axes": lambda: X[0],
    "more axes": lambda: X[None],
    "no axes": lambda: np.array(1.0, np.float32),
    "another dtype": lambda: X.astype(np.float64),
    "other bytes": lambda: X.astype(">f4"),
    "columns first": lambda: np.asfortranarray(X),
    "every other row": lambda: np.repeat(X, 2, axis=0)[::2],
    "not aligned": lambda: np.frombuffer(b"0" + X.tobytes(), np.uint8)[1:].view("f4").reshape(2, 4),
    "a masked array": lambda: np.ma.masked_array(X),
    "another class": lambda: X.view(Own),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_such_an_array_takes_the_long_way(name: str) -> None:
    model, x = called(dense(), X), OTHERS[name]()
    assert model._direct(X) is not None
    assert model._direct(x) is None
    try:
        expected = dense()(x)
    except ChainruleError as error:
        with pytest.raises(type(error)):
            model(x)
    else:
        np.testing.assert_array_equal(model(x), expected)


def test_an_array_that_cannot_be_written_to_is_read() -> None:
    model, x = called(dense(), X), X.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(model._direct(x), model._called(x))


def test_no_reference_is_lost_or_kept() -> None:
    model = called(dense(), X)
    other = samples(3)
    kept = [X, other, None, model._direct.__self__, type(X), X.dtype]  # type: ignore[attr-defined]
    before = [sys.getrefcount(x) for x in kept]
    for _ in range(10_000):
        model._direct(X)
        model._direct(other)
    for was, x in zip(before, kept, strict=True):
        assert abs(sys.getrefcount(x) - was) < 100
    found, fresh = model._direct(X), X.copy()
    assert sys.getrefcount(found) == sys.getrefcount(fresh)


def test_it_has_what_it_needs() -> None:
    model = called(dense(), X)
    expected, function = model(X), model._direct
    del model
    gc.collect()
    np.testing.assert_array_equal(function(X), expected)
    with pytest.raises(TypeError):
        function()  # type: ignore[call-arg]


def test_what_goes_wrong_is_told_as_ever() -> None:
    model, x = words(), np.array([[1, 2, 3, 4]], np.int32)
    right = called(model, x)(x)
    assert model._direct(x) is not None
    wrong = np.array([[1, 2, 7, 4]], np.int32)
    for _ in range(2):
        with pytest.raises(IndexOutOfRange, match="7"):
            model(wrong)
        np.testing.assert_array_equal(model._direct(x), right)


def test_another_model_has_its_own() -> None:
    model = called(dense(), X)
    other = copy.deepcopy(model)
    assert other._direct(X) is None
    model.parameters["b2"] = 1.0
    found = called(other, X)._direct(X)
    assert found is not None
    assert not np.array_equal(found, model(X))
    model.compile("mse", "sgd")
    assert model._direct(X) is None


def test_threads_do_not_mix() -> None:
    model = called(dense(), X)
    given = [samples(2) for _ in range(64)]
    expected = [model._called(x) for x in given]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for y, z in zip(pool.map(model, given), expected, strict=True):
                np.testing.assert_array_equal(y, z)


def test_a_program_in_which_other_threads_are_is_left_to_them() -> None:
    model = called(dense(), X)
    team = ctypes.c_void_p.from_address(model._programs["predict"]._library.addresses[TEAM])  # type: ignore[attr-defined]
    team.value = 8
    try:
        assert model._direct(X) is None
    finally:
        team.value = 0
    assert model._direct(X) is not None


def two() -> cr.Model:
    x, y = cr.Input((4,)), cr.Input((4,))
    return cr.Model([x, y], cr.Dense(3)(x + y))


def pair() -> cr.Model:
    x = cr.Input((4,))
    return cr.Model(x, [cr.Dense(3)(x), cr.Dense(2)(x)])


@pytest.mark.parametrize(
    ("make", "x"), [(two, [X, X]), (pair, X), (dense, samples(4000))], ids=["in", "out", "large"]
)
def test_other_models_have_none(make: Callable[[], cr.Model], x: Any) -> None:
    assert called(make(), x)._direct is nothing


@pytest.mark.parametrize(("name", "value"), [("_possible", lambda: False), ("LONGEST", 0.0)])
def test_where_it_is_not_possible_or_takes_long(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, name, value)
    model = called(dense(), X)
    assert model._direct is nothing
    np.testing.assert_array_equal(model(X), dense()(X))


def test_arrays_of_another_form_get_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "SELDOM", 5)
    model, other = called(dense(), X), samples(3)
    for _ in range(ALIKE + 10):
        model(other)
    assert model._direct(X) is None
    np.testing.assert_array_equal(model._direct(other), model._called(other))


def test_values_are_looked_at_by_predict_alone() -> None:
    model, x = called(dense(), X), X.copy()
    np.testing.assert_array_equal(model.predict(X), model(X))
    x[1, 2] = np.nan
    assert np.isnan(model(x)[1]).all()
    with pytest.raises(DataError, match="NaN"):
        model.predict(x)


def test_the_target_numpy_has_none() -> None:
    model = dense()
    model.compile("mse", "sgd", target="numpy")
    assert called(model, X)._direct is nothing
