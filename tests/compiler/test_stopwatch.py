"""Phases: each has its own time, and nobody's time is counted twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainrule.compiler.stopwatch import REST, Stopwatch, timed


def ticks() -> Iterator[float]:
    time = 0.0
    while True:
        yield time
        time += 1


def test_a_phase_does_not_have_the_time_of_those_inside() -> None:
    clock = ticks()
    with Stopwatch(lambda: next(clock)) as watch:  # 0
        with timed("outer"):  # 1
            with timed("inner"):  # 2
                next(clock)  # 3
            with timed("inner"):  # 5, after 4
                pass
        # 7, after 6
    assert watch.seconds == {REST: 2, "outer": 3, "inner": 3}
    assert sum(watch.seconds.values()) == 8


def test_without_a_stopwatch_nothing_is_counted() -> None:
    with timed("alone"):
        watch = Stopwatch()
    assert watch.seconds == {}


def test_an_error_ends_its_phase() -> None:
    clock = ticks()
    with Stopwatch(lambda: next(clock)) as watch:
        with pytest.raises(ValueError, match="inside"), timed("failing"):
            raise ValueError("inside")
        with timed("next"):
            pass
    assert watch.seconds == {REST: 3, "failing": 1, "next": 1}
