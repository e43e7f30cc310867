"""When a model's programs are compiled, and what is said of it."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import DataError

X = np.ones((4, 3), np.float32)
Y = np.ones((4, 1), np.float32)


def net(units: int) -> cr.Sequential:
    """A model that no other test has: its programs are not in the cache."""
    model = cr.Sequential([cr.Input((3,)), cr.Dense(units), cr.Dense(1)])
    model.compile(loss="mse", optimizer="sgd", target="numpy")
    return model


def test_each_wait_is_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    model = net(1_931)
    model.fit(X, Y, validation_data=(X, Y))
    first = capsys.readouterr().out.splitlines()
    assert first[:2] == [
        "compiling train for numpy (once) ...",
        "compiling evaluate for numpy (once) ...",
    ]
    model.fit(X, Y, validation_data=(X, Y))
    assert "compiling" not in capsys.readouterr().out


def test_data_are_checked_before_anything_is_compiled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = net(1_932)
    with pytest.raises(DataError):
        model.fit(X * np.nan, Y)
    with pytest.raises(DataError):
        model.evaluate(X, Y * np.nan)
    assert capsys.readouterr().out == ""
    assert not model._programs
