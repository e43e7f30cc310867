"""Copies to go back to, of trainings inside each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.runtime import rewind
from chainrule.runtime.rewind import Rewind

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.standard_normal((16, 3)).astype(np.float32), np.ones((16, 1), np.float32)

INNER: dict[str, Callable[[cr.Model], object]] = {
    "fit": lambda model: model.fit(X, Y, batch_size=4, epochs=2, verbose=0, seed=1),
    "train_on_batch": lambda model: model._trainer("train").train_on_batch({"x": X, "t": Y}),
}


@pytest.mark.parametrize("name", INNER)
def test_a_training_that_a_callback_begins_has_copies_of_its_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rewind, "due", False)
    monkeypatch.setattr(rewind, "_SMALL", 0)
    model = cr.Sequential([cr.Input((3,), name="x"), cr.Dense(1)], seed=0)
    model.compile("mse", cr.SGD(0.01))
    before = model.get_weights()

    class Inside(cr.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 0:
                INNER[name](model)
                model.settings["learning_rate"] = 1e30

    with pytest.raises(cr.ChainruleError, match=r"before batch 1 of epoch 1$"):
        model.fit(X, Y, batch_size=4, epochs=4, verbose=0, seed=0, callbacks=[Inside()])
    for array, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, was)
