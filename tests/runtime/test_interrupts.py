"""Ctrl-C while a model trains: it stops at once, and weights and history are those of a batch."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.runtime.callbacks import Callback
from chainrule.runtime.data import TrainingData
from chainrule.runtime.interrupts import Interrupts

Build = Callable[..., Any]
Make = Callable[..., TrainingData]
CONFTEST = Path(__file__).with_name("conftest.py")


def interrupt(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("batch", [0, 4, 9])
@pytest.mark.parametrize("epoch", [0, 1])
def test_ctrl_c_takes_effect_between_chunks(
    build: Build, data: Make, epoch: int, batch: int
) -> None:
    seen: list[int] = []

    def before(number: int) -> None:
        seen.append(number)
        if len(seen) == 10 * epoch + batch + 1:
            interrupt()

    model = build()
    model.train.before_batch = before
    with pytest.raises(KeyboardInterrupt):
        model.fit(data(), epochs=3)
    partial = model.history.partial
    assert model.history.epoch == list(range(epoch))
    assert partial.epoch == epoch
    assert partial.batches > batch
    assert model.arrays["step"] == 10 * epoch + partial.batches == len(seen)
    assert partial.logs["loss"] > 0
    assert model.weights() == build().after(data(), len(seen)).weights()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait(build: Build, data: Make) -> None:
    def before(batch: int) -> None:
        if batch == 5 and len(model.train.calls) == 2:
            interrupt(2)

    model = build()
    model.train.before_batch = before
    with pytest.raises(KeyboardInterrupt):
        model.fit(data())
    assert model.weights() == build().after(data(), 1).weights()


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_train_batch_end"])
def test_ctrl_c_in_a_callback_acts_at_once(model: Any, data: Make, hook: str) -> None:
    reached: list[int] = []

    def stop(number: int, logs: Any) -> None:
        interrupt()
        reached.append(number)

    callback: Any = Callback()
    setattr(callback, hook, stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(data(), callbacks=[callback])
    assert reached == []
    assert model.history.epoch == ([0] if hook == "on_epoch_end" else [])


def test_ctrl_c_during_validation_keeps_the_epochs_logs(model: Any, data: Make) -> None:
    model.test.before_batch = lambda batch: interrupt()
    with pytest.raises(KeyboardInterrupt):
        model.fit(data(validation=20), epochs=2)
    assert model.history.partial.batches == 10
    assert list(model.history.partial.logs) == ["loss", "accuracy"]


@pytest.fixture
def handler() -> Iterator[list[int]]:
    got: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda signum, frame: got.append(signum))
    yield got
    signal.signal(signal.SIGINT, previous)


def test_a_programs_own_handler_is_asked(model: Any, data: Make, handler: list[int]) -> None:
    model.train.before_batch = lambda batch: interrupt() if batch == 3 else None
    model.fit(data())
    assert handler == [signal.SIGINT]


@pytest.mark.parametrize("action", [signal.SIG_IGN, signal.SIG_DFL])
def test_what_the_system_does_with_ctrl_c_stays(
    handler: list[int], action: signal.Handlers
) -> None:
    signal.signal(signal.SIGINT, action)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) == action


def test_an_ignored_ctrl_c_is_ignored(model: Any, data: Make, handler: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    model.train.before_batch = lambda batch: interrupt()
    assert model.fit(data()).epoch == [0]


def test_training_in_a_thread(model: Any, data: Make) -> None:
    thread = threading.Thread(target=model.fit, args=(data(),))
    thread.start()
    thread.join()
    assert model.history.epoch == [0]


SCRIPT = """
import runpy, sys, time
from chainrule.runtime.callbacks import Callback

names = runpy.run_path(sys.argv[1])
class Ready(Callback):
    def on_epoch_begin(self, epoch, logs=None):
        print("epoch", epoch, flush=True)

model, data = names["Model"](), names["make_data"](1000, 1)
model.train.seconds = float(sys.argv[2])
try:
    model.trainer.fit(data, epochs=10**6, seed=0, verbose=2, callbacks=[Ready()])
except KeyboardInterrupt:
    now = time.monotonic()
    partial = model.history.partial
    count = 1000 * partial.epoch + partial.batches
    expected = names["Model"]().after(data, count)
    same = all((a == b).all() for a, b in zip(model.get_weights(), expected.get_weights()))
    whole = len(model.history.epoch) == partial.epoch
    print("caught", now, count, int(model.arrays["step"]), same, whole)
    if sys.argv[3] == "raise":
        raise
"""


@pytest.mark.parametrize(("seconds", "end"), [(0.0, "raise"), (0.01, "raise"), (0.1, "return")])
def test_a_real_ctrl_c(seconds: float, end: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(CONFTEST), str(seconds), end],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "epoch 0\n"
    time.sleep(0.4)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    notice, caught = output.splitlines()[-2:]
    word, now, count, step, same, whole = caught.split()
    assert (word, same, whole, step) == ("caught", "True", "True", count)
    assert int(count) > 0
    assert float(now) - sent < 0.3
    assert notice.startswith("stopped in epoch ")
    assert "weights and history are kept" in notice
    assert (process.returncode == 0) == (end == "return")
    assert ("KeyboardInterrupt" in errors) == (end == "raise")
