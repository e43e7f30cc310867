"""Progress: lines, a bar in a terminal, or nothing; and rich only where there is a terminal."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chainrule.compiler.errors import UsageError
from chainrule.runtime import progress
from chainrule.runtime.progress import Lines, Live, Silent, Work, clock, display

CONFTEST = Path(__file__).with_name("conftest.py")


class Clock:
    """Time that goes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("verbose", "kind"), [(0, Silent), (False, Silent), (1, Lines), ("auto", Lines), (2, Lines)]
)
def test_what_is_shown_without_a_terminal(verbose: Any, kind: type) -> None:
    assert type(display(verbose, rows=1, epochs=1)) is kind


@pytest.mark.parametrize(
    ("verbose", "kind"), [(0, Silent), (1, Live), (True, Live), ("auto", Live), (2, Lines)]
)
def test_what_is_shown_in_a_terminal(
    verbose: Any, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert type(display(verbose, rows=1, epochs=1)) is kind


@pytest.mark.parametrize("verbose", [3, -1, "yes", None])
def test_what_cannot_be_shown(verbose: Any) -> None:
    with pytest.raises(UsageError, match="verbose must be 0, 1, 2 or 'auto'"):
        display(verbose, rows=1, epochs=1)


def test_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert type(display("auto", rows=1, epochs=1)) is Lines


def test_a_line_an_epoch(time: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with display(2, rows=1000, epochs=12) as show:
        show.begin(2)
        time.now += 0.5
        assert not show.step(1000)
        time.now += 0.25
        show.end({"loss": 0.123456, "val_loss": 2.0})
        show.notice("stopped")
    assert capsys.readouterr().out.splitlines() == [
        "epoch 3/12  0.75 s  2,000 samples/s  loss 0.1235  val_loss 2",
        "stopped",
    ]


def test_silence(model: Any, data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model.trainer.fit(data(validation=10), epochs=3, verbose=0)
    model.trainer.evaluate(data().train, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_lines_of_a_training(model: Any, data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model.trainer.fit(data(validation=10), epochs=2)
    model.trainer.evaluate(data().train)
    epoch = "epoch #/#  # s  # samples/s  loss #  accuracy #  val_loss #  val_accuracy #"
    assert [
        re.sub(r"\d[\d.,e+-]*", "#", line) for line in capsys.readouterr().out.splitlines()
    ] == [
        epoch,
        epoch,
        "evaluate  # s  # samples/s  loss #  accuracy #",
    ]


def test_time_left_is_that_of_all_epochs(time: Clock) -> None:
    work = Work(rows=100, epochs=7, first=2, title="epoch")
    work.begin(2)
    time.now += 1.0
    work.step(50)
    assert work.left == pytest.approx(9.0)
    work.begin(6)
    time.now += 8.0
    work.step(100)
    assert work.left == 0.0


def test_validation_does_not_count_as_training_speed(time: Clock) -> None:
    work = Work(rows=100, epochs=1, first=0, title="epoch")
    work.begin(0)
    time.now += 2.0
    work.step(100)
    time.now += 5.0
    assert work.rate == 50.0
    assert work.seconds == 7.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (11100, "3:05:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def live(rows: int = 100, epochs: int = 50) -> tuple[Live, io.StringIO]:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120, color_system=None)
    return Live(Work(rows, epochs, 0, "epoch"), console), output


def test_the_bar_shows_where_training_is(time: Clock) -> None:
    show, output = live()
    with show:
        show.begin(4)
        time.now += 2.0
        assert show.step(50)
        show.draw({"loss": 0.5})
        text = output.getvalue()
        assert "epoch 5/50" in text
        assert "25 samples/s, 0:20 left" in text
        assert "loss 0.5" in text
        time.now += 0.05
        assert not show.step(51)
        time.now += 0.06
        assert show.step(52)


def printed(output: io.StringIO) -> list[str]:
    """Numbers of the epochs that got a line that stays."""
    return re.findall(r"epoch (\d+)/\d+  \d+\.\d\d s", output.getvalue())


def test_each_slow_epoch_gets_its_line(time: Clock) -> None:
    show, output = live(epochs=3)
    with show:
        for epoch in range(3):
            show.begin(epoch)
            time.now += 1.0
            show.step(100)
            show.end({"loss": 0.5})
    assert printed(output) == ["1", "2", "3"]


def test_of_quick_epochs_some_get_their_line_and_the_last_does(time: Clock) -> None:
    show, output = live()
    with show:
        for epoch in range(50):
            show.begin(epoch)
            time.now += 0.01
            show.step(100)
            show.end({"loss": 0.5})
    numbers = printed(output)
    assert 4 <= len(numbers) <= 7
    assert numbers[-1] == "50"


def test_a_notice_comes_after_the_epochs_line(time: Clock) -> None:
    show, output = live()
    with show:
        for epoch in range(2):
            show.begin(epoch)
            show.step(100)
            show.end({})
        show.notice("stopped [in] epoch 3")
    text = output.getvalue()
    assert printed(output) == ["1", "2"]
    assert text.index("epoch 2/50  0.00 s") < text.index("stopped [in] epoch 3")


SCRIPT = """
import runpy, sys
names = runpy.run_path(sys.argv[1])
model = names["Model"]()
model.train.seconds = 0.002
model.trainer.fit(names["make_data"](300, 1, validation=10), epochs=2)
sys.exit(sum(name.split(".")[0] == "rich" for name in sys.modules) > 0)
"""


def test_a_real_terminal() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONWARNINGS": "error"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(CONFTEST)], stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    # Linux ends a terminal whose other side is closed with an error.
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait() == 1
    text = shown.decode()
    assert "━" in text
    assert re.search(r"[\d,]+ samples/s, \d:\d\d left", text)
    assert re.search(r"epoch 2/2  \d\.\d\d s  [\d,]+ samples/s  loss 0\.\d+", text)
    assert text.count("left") < 40
    assert "\x1b[?25h" in text  # the cursor is shown again


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_rich_stays_out_without_a_terminal() -> None:
    command = [sys.executable, "-c", SCRIPT, str(CONFTEST)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
