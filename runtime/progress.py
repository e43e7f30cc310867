"""How training shows what it does: a live bar in a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from chainrule.compiler.errors import UsageError

from .history import number

if TYPE_CHECKING:
    from rich.console import Console

Verbose: TypeAlias = int | Literal["auto"]

REDRAW_SECONDS = 0.1


def display(
    verbose: Verbose, *, rows: int, epochs: int, first: int = 0, title: str = "epoch"
) -> Display:
    """The display that `verbose` asks for.

    Args:
        verbose: 0 nothing; 1 or `auto` a live bar, or lines where there is no terminal; 2 lines.
        rows: samples of an epoch.
        epochs: the number of epochs.
        first: the first epoch's number, from 0.
        title: what an epoch is called.
    """
    check_verbose(verbose)
    work = Work(rows, epochs, first, title)
    if verbose == 0:
        return Silent(work)
    return Live(work) if verbose != 2 and _is_terminal() else Lines(work)


def check_verbose(verbose: Verbose) -> None:
    """Whether it is one of the ways to show work.

    Raises:
        UsageError: it is none of them.
    """
    if verbose not in (0, 1, 2, "auto"):
        raise UsageError(
            "verbose must be 0, 1, 2 or 'auto'",
            f"got {verbose!r}",
            "0 is silent, 1 a bar, 2 a line an epoch",
        )


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


class Work:
    """What there is to do and how far it is, with its speed and the time left.

    Args:
        rows: samples of an epoch.
        epochs: the number of epochs.
        first: the first epoch's number.
        title: what an epoch is called.
    """

    def __init__(self, rows: int, epochs: int, first: int, title: str) -> None:
        """Nothing is done yet."""
        self.rows, self.epochs, self.first, self.title = rows, epochs, first, title
        self.epoch, self.done = first, 0
        self._start = self._epoch_start = time.perf_counter()
        self._trained = 0.0

    def begin(self, epoch: int) -> None:
        """An epoch begins."""
        self.epoch, self.done = epoch, 0
        self._epoch_start = time.perf_counter()
        self._trained = 0.0

    def step(self, done: int) -> None:
        """So many rows of the epoch are done."""
        self.done = done
        self._trained = time.perf_counter() - self._epoch_start

    @property
    def label(self) -> str:
        """Such as `epoch 3/20`."""
        return self.title if self.epochs == 0 else f"{self.title} {self.epoch + 1}/{self.epochs}"

    @property
    def seconds(self) -> float:
        """Seconds since the epoch began."""
        return time.perf_counter() - self._epoch_start

    @property
    def rate(self) -> float:
        """Samples a second in this epoch, its validation not counted."""
        return self.done / max(self._trained, 1e-9)

    @property
    def left(self) -> float:
        """Seconds to the end of all epochs, if they go on at the mean speed so far."""
        done = (self.epoch - self.first) * self.rows + self.done
        total = max(self.epochs - self.first, 1) * self.rows
        return (time.perf_counter() - self._start) * (total - done) / max(done, 1)


class Display(ABC):
    """Shows work; a context manager, since a live bar has to be put away whatever happens."""

    def __init__(self, work: Work) -> None:
        """Nothing is shown yet."""
        self.work = work

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, epoch: int) -> None:
        """An epoch begins."""
        self.work.begin(epoch)

    def step(self, done: int) -> bool:
        """So many rows of the epoch are done: whether it is time to `draw` again."""
        self.work.step(done)
        return False

    @abstractmethod
    def draw(self, logs: Mapping[str, float]) -> None:
        """Show the epoch so far."""

    @abstractmethod
    def end(self, logs: Mapping[str, float]) -> None:
        """The epoch is done, with its validation."""

    @abstractmethod
    def notice(self, text: str) -> None:
        """Say something in a line of its own."""

    @abstractmethod
    def close(self) -> None:
        """Put away what is on the screen only for now."""


class Silent(Display):
    """Shows nothing."""

    def draw(self, logs: Mapping[str, float]) -> None:
        """Nothing."""

    def end(self, logs: Mapping[str, float]) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines(Display):
    """A line an epoch."""

    def draw(self, logs: Mapping[str, float]) -> None:
        """Nothing: a line comes when the epoch is done."""

    def end(self, logs: Mapping[str, float]) -> None:
        """Print the epoch's line."""
        print(_line(self.work, logs), flush=True)

    def notice(self, text: str) -> None:
        """Print the text."""
        print(text, flush=True)

    def close(self) -> None:
        """Nothing: lines stay."""


class Live(Display):
    """A bar for the running epoch, below a line for each that is done.

    Of epochs shorter than the time between two redraws, only some get their line.
    """

    def __init__(self, work: Work, console: Console | None = None) -> None:
        """Import rich, which only a terminal needs."""
        from rich.progress import BarColumn, Progress, TextColumn

        super().__init__(work)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[status]}", style="dim"),
            TextColumn("{task.fields[logs]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task(work.label, total=work.rows, status="", logs="")
        self._drawn = self._printed = float("-inf")
        self._unprinted: str | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def close(self) -> None:
        """Print the last epoch's line, and take the bar away."""
        if self._unprinted is not None:
            self._print(self._unprinted)
        self._progress.stop()

    def step(self, done: int) -> bool:
        """Whether the last redraw is long enough ago."""
        super().step(done)
        return time.perf_counter() - self._drawn >= REDRAW_SECONDS

    def draw(self, logs: Mapping[str, float]) -> None:
        """Redraw the bar."""
        work = self.work
        status = f"{work.rate:,.0f} samples/s, {clock(work.left)} left"
        self._progress.update(
            self._task,
            description=work.label,
            completed=work.done,
            status=status,
            logs=_quantities(logs),
            refresh=True,
        )
        self._drawn = time.perf_counter()

    def end(self, logs: Mapping[str, float]) -> None:
        """Print the epoch's line, unless the one before was printed just now."""
        self._unprinted = _line(self.work, logs)
        if time.perf_counter() - self._printed >= REDRAW_SECONDS:
            self._print(self._unprinted)

    def notice(self, text: str) -> None:
        """Print the text above the bar."""
        if self._unprinted is not None:
            self._print(self._unprinted)
        self._progress.console.print(text, markup=False, highlight=False)

    def _print(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._printed, self._unprinted = time.perf_counter(), None


def _line(work: Work, logs: Mapping[str, float]) -> str:
    parts = (work.label, f"{work.seconds:.2f} s", f"{work.rate:,.0f} samples/s", _quantities(logs))
    return "  ".join(part for part in parts if part)


def _quantities(logs: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {number(value)}" for name, value in logs.items())


def clock(seconds: float) -> str:
    """Seconds as people read them: `0:07`, `12:30`, `3:05:00`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
