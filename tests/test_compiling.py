"""When a model's programs are compiled, and what is said of it."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import _build
from chainrule.compiler.errors import DataError, UsageError
from chainrule.runtime.devices.cpu import pool

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


@pytest.mark.parametrize("option", [{"verbose": "loud"}, {"epochs": 0}, {"initial_epoch": -1}])
def test_options_are_checked_before_anything_is_compiled(option: dict[str, Any]) -> None:
    model = net(1_933)
    with pytest.raises(UsageError, match=next(iter(option))):
        model.fit(X, Y, **option)
    assert not model._programs


def test_verbose_is_checked_before_evaluate_is_compiled() -> None:
    model = net(1_933)
    with pytest.raises(UsageError, match="verbose"):
        model.evaluate(X, Y, verbose="loud")
    assert not model._programs


def test_ctrl_c_while_compiling_leaves_an_empty_history(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    model = net(1_934)
    monkeypatch.setattr(_build, "executable", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0)
    assert isinstance(model.history, cr.History)
    assert (model.history.epoch, model.history.history) == ([], {})


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_after_compiling_as_before(enabled: bool) -> None:
    seen: list[bool] = []
    (gc.enable if enabled else gc.disable)()
    try:
        with _build._uncollected():
            seen.append(gc.isenabled())
        seen.append(gc.isenabled())
        with pytest.raises(ZeroDivisionError), _build._uncollected():
            seen.append(bool(1 // 0))
        seen.append(gc.isenabled())
    finally:
        gc.enable()
    assert seen == [False, enabled, enabled]


def test_what_threads_and_direct_calls_run_is_compiled_with_the_first_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    x = cr.Input((), dtype="float64")
    cr.Model(x, x * 1_934.0).predict(np.ones(2))
    assert len(list(tmp_path.glob("*.o"))) == 3
    # Another process that finds both needs no compiler.
    monkeypatch.setattr("chainrule.runtime.devices.cpu.objects.compile_text", None)
    assert pool._load().entries.keys() == {"chainrule_run", "chainrule_work"}
