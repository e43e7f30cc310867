"""Where the time of a compilation goes. Nothing is measured unless somebody asks.

with Stopwatch() as watch:
    compile(graph, "cpu")
watch.seconds["gradient"]
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextvars import ContextVar, Token

REST = "rest"  # what is in no phase


class Stopwatch:
    """Measures the phases that run while it is entered.

    Args:
        clock: gives the time in seconds, such as `time.process_time`.

    Attributes:
        seconds: of each phase, without the phases inside it.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0
        self._token: Token[Stopwatch | None] | None = None

    def __enter__(self) -> Stopwatch:
        self._token = _RUNNING.set(self)
        self.start(REST)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert self._token is not None
        _RUNNING.reset(self._token)

    def start(self, name: str) -> None:
        """A phase begins, inside the one that runs."""
        self._count()
        self._open.append(name)

    def stop(self) -> None:
        """The phase that runs is over; the one around it goes on."""
        self._count()
        self._open.pop()

    def _count(self) -> None:
        now = self.clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


class timed:
    """What runs inside is a phase of this name, for a stopwatch if there is one."""

    __slots__ = ("name", "watch")

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.watch = _RUNNING.get()
        if self.watch is not None:
            self.watch.start(self.name)

    def __exit__(self, *_: object) -> None:
        if self.watch is not None:
            self.watch.stop()


_RUNNING: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)
