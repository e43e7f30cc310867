"""Copies of models: each is trained on its own; pickles are refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import UsageError

X = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32)


@pytest.mark.parametrize("target", ["cpu", "numpy"])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_trained_on_its_own(target: str, copied: Callable[[cr.Model], cr.Model]) -> None:
    hidden = [cr.Dense(3), cr.BatchNormalization(), cr.Dense(1)]
    model = cr.Sequential([cr.Input((4,)), *hidden], seed=0)
    model.compile("mse", "adam", target=target)
    model.fit(X, X[:, :1], verbose=0, seed=1)
    model.train_on_batch(X, X[:, :1])
    before, twin = model(X), copied(model)
    assert type(twin) is cr.Sequential
    assert twin.history == model.history is not twin.history
    np.testing.assert_array_equal(twin(X), before)
    twin.fit(X, X[:, :1], epochs=2, verbose=0, seed=2)
    np.testing.assert_array_equal(model(X), before)
    model.fit(X, X[:, :1], epochs=2, verbose=0, seed=2)
    np.testing.assert_array_equal(twin(X), model(X))
    twin.compile("mae", "sgd")
    model.train_on_batch(X, X[:, :1])
    assert "adam_step" in model._arrays


def test_a_copy_of_a_model_that_is_not_compiled_yet() -> None:
    model = cr.Sequential([cr.Input((4,)), cr.Dense(1)], seed=0)
    np.testing.assert_array_equal(copy.deepcopy(model)(X), model(X))


def test_a_pickle_is_refused_in_three_lines() -> None:
    model = cr.Sequential([cr.Input((4,)), cr.Dense(1)])
    with pytest.raises(UsageError, match=r"test_copies\.py:\d+: model cannot be pickled") as error:
        pickle.dumps(model)
    assert "model.save(path)" in str(error.value)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("make", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_sweep_is_not_copied(make: Callable[[object], object]) -> None:
    model = cr.Sequential([cr.Input((4,)), cr.Dense(1)])
    model.compile("mse", "sgd")
    sweep = cr.Sweep(model, learning_rate=[0.1, 0.2])
    with pytest.raises(UsageError, match=r"test_copies\.py:\d+: a sweep cannot be") as error:
        make(sweep)
    assert len(str(error.value).splitlines()) == 3
