"""The threads that help the one that calls a program.

They are Python's, so that they can be waited for, and wait in Python between calls. During a call
they are in native code (`pool_code.py`), without the GIL. There is one team in a process; who calls
while it has a leader gets no help.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ...cache import Cache
from ...threads import MOST
from .kept import keep, native
from .loader import NativeLibrary
from .pool_code import (
    CLOCK,
    LINE,
    LONG,
    RANGES,
    RUN,
    SESSION,
    SLEEP,
    THREADS,
    TURN,
    WORTH,
    YIELD,
    code,
)

STACK = 1 << 23  # bytes of a thread's stack
BEFORE_FORK = 2.0  # seconds that a fork waits for a program to end


class Team:
    """The leader's place, and the other threads."""

    def __init__(self) -> None:
        """No threads yet."""
        self._leading = threading.Lock()
        self._library: NativeLibrary | None = None
        self._gates: list[threading.Lock] = []
        self._threads: list[threading.Thread] = []
        size = RANGES + LINE * MOST
        self._memory: Any = (ctypes.c_int64 * (size + LINE))()
        begin = ctypes.addressof(self._memory)
        self.address = begin + -begin % (8 * LINE)
        self._words: Any = (ctypes.c_int64 * size).from_address(self.address)
        self._stopping = False

    @property
    def loops(self) -> int:
        """How many loops have been shared so far."""
        return int(self._words[TURN])

    @contextmanager
    def helping(self, count: int) -> Iterator[int]:
        """Inside, `count` threads at most, the caller's included; gives the team's address.

        It is 0 where there is no help: somebody else has it, or this system does not have what the
        threads need.
        """
        if count < 2 or not self._leading.acquire(blocking=False):
            yield 0
            return
        try:
            count = self._ready(min(count, MOST))
            if count < 2:
                yield 0
                return
            self._words[THREADS] = count
            try:
                # Odd inside and even outside, wherever Ctrl-C came before.
                self._words[SESSION] |= 1
                for gate in self._gates[: count - 1]:
                    if gate.locked():
                        gate.release()
                yield self.address
            finally:
                self._words[SESSION] = (self._words[SESSION] | 1) + 1
        finally:
            self._leading.release()

    def _ready(self, count: int) -> int:
        """Have so many threads, the caller's included, or as many as there can be."""
        if self._library is None:
            functions = _functions()
            if functions is None:
                return 1
            self._library = _load()
            for word, address in functions.items():
                self._words[word] = address
            self._words[LONG] = WORTH
            self._words[RUN] = self._library.addresses["chainrule_run"]
        if len(self._threads) < count - 1:
            before = threading.stack_size(STACK)
            try:
                # The system may refuse more, and so does an interpreter that is about to end.
                with suppress(RuntimeError):
                    while len(self._threads) < count - 1:
                        self._start(len(self._threads) + 1)
            finally:
                threading.stack_size(before)
        return min(count, 1 + len(self._threads))

    def _start(self, number: int) -> None:
        gate = threading.Lock()
        gate.acquire()
        assert self._library is not None
        work = self._library.entries["chainrule_work"]
        block = (ctypes.c_int64 * 2)(self.address, number)

        def wait_and_work() -> None:
            while True:
                gate.acquire()
                if self._stopping:
                    return
                work(ctypes.addressof(block))

        thread = threading.Thread(target=wait_and_work, name=f"chainrule-{number}", daemon=True)
        thread.start()
        self._gates.append(gate)
        self._threads.append(thread)

    def stop(self) -> bool:
        """End the threads, and keep the leader's place; False if a program does not end soon."""
        if not self._leading.acquire(timeout=BEFORE_FORK):
            return False
        self._stopping = True
        for gate in self._gates:
            with suppress(RuntimeError):
                gate.release()
        for thread in self._threads:
            thread.join()
        self._gates.clear()
        self._threads.clear()
        self._stopping = False
        return True

    def go_on(self) -> None:
        """After `stop`: threads may be started again."""
        self._leading.release()


_team: Team | None = None
_stopped = False
_made = threading.Lock()


def team() -> Team:
    """The process's team."""
    global _team
    with _made:
        if _team is None:
            _team = Team()
        return _team


def _functions() -> dict[int, int] | None:
    """What the threads need of the C library, by the word of its address; None if it lacks it."""
    names = {YIELD: "sched_yield", SLEEP: "usleep", CLOCK: "clock_gettime"}
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None)
    if not all(hasattr(library, name) for name in names.values()):
        return None
    found = {word: ctypes.cast(library[name], ctypes.c_void_p) for word, name in names.items()}
    return {word: address.value or 0 for word, address in found.items()}


def prepare(cache: Cache) -> None:
    """Have the native code of the team in the cache, if there can be a team."""
    if (os.cpu_count() or 1) > 1:
        keep(_text(), cache)


def _text() -> str:
    return code(platform.machine().lower())


def _load() -> NativeLibrary:
    object_code, imports = native(_text(), Cache.open())
    return NativeLibrary(object_code, ("chainrule_run", "chainrule_work"), imports)


# A child of a fork has none of its parent's threads: they end before it, and start again when they
# are wanted.


def _before_fork() -> None:
    global _stopped
    _stopped = _team is not None and _team.stop()


def _after_fork() -> None:
    if _stopped and _team is not None:
        _team.go_on()


def _in_child() -> None:
    global _team, _made
    if _stopped:
        _after_fork()
    else:
        # It was in the middle of something, which nobody ends here.
        _team, _made = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
