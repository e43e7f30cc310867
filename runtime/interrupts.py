"""Ctrl-C between two steps of the training, never within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """While entered, holds Ctrl-C back inside `with interrupts.held:` blocks until their end.

    Everywhere else it acts at once, as usual. A second Ctrl-C acts at once in any case. Python
    delivers signals to the main thread only; in others this does nothing.
    """

    def __init__(self) -> None:
        """Nothing is held yet."""
        self.held = _Held(self)
        self._depth, self._pending = 0, False
        self._previous: signal._HANDLER = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            # A program that ignores Ctrl-C, or dies of it, keeps doing so.
            if callable(handler):
                self._previous = handler
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous)
        self._previous = None

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._depth and not self._pending:
            self._pending = True
        else:
            self._deliver(signum, frame)

    def _deliver(self, signum: int, frame: FrameType | None) -> None:
        self._pending = False
        if callable(self._previous):
            self._previous(signum, frame)


class _Held:
    """The block within which Ctrl-C waits."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def __enter__(self) -> None:
        self._interrupts._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        interrupts = self._interrupts
        interrupts._depth -= 1
        if interrupts._pending and not interrupts._depth and error is None:
            interrupts._deliver(signal.SIGINT, None)
