"""How many threads a program takes: by the times of its steps, here made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainrule.runtime.devices.cpu.choice import Choice

Times = Callable[[int], float]


def simulate(choice: Choice, each: Times, seconds: float, shared: bool = True) -> float:
    """Slices of about a tenth of a second, until so much time has gone; steps per second."""
    gone, steps_done = 0.0, 0
    while gone < seconds:
        left = max(1, int(0.1 / each(choice.threads)))
        while left:
            threads, steps = choice.next(left)
            assert 1 <= threads <= choice.limit
            assert 1 <= steps <= left
            took = steps * each(threads)
            choice.took(steps, took, shared and threads > 1)
            gone, left, steps_done = gone + took, left - steps, steps_done + steps
    return steps_done / gone


def scaling(work: float, cores: int) -> Times:
    return lambda threads: work / min(threads, cores) * (1.0 + 0.02 * threads)


@pytest.mark.parametrize(("limit", "cores", "best"), [(2, 2, 2), (8, 8, 8), (64, 4, 4), (1, 4, 1)])
@pytest.mark.parametrize("work", [200e-6, 5e-3, 0.3])
def test_it_climbs_to_what_is_fastest(limit: int, cores: int, best: int, work: float) -> None:
    choice, each = Choice(limit), scaling(work, cores)
    simulate(choice, each, 30 * max(work, 0.05))
    assert choice.threads == best
    rate = simulate(choice, each, 60.0)
    assert rate > 0.95 / each(best)
    assert choice.threads == best


def test_comparisons_of_long_steps_take_little_of_the_time() -> None:
    choice, each = Choice(2), scaling(1.0, 2)
    while choice.threads == 1:
        simulate(choice, each, 1.0)
    assert simulate(choice, each, 60.0) > 0.95 / each(2)


def test_short_steps_stay_on_one_thread_and_are_not_measured() -> None:
    choice = Choice(8)
    simulate(choice, lambda threads: 4e-6 * threads, 3.0)
    assert choice.alone
    assert choice.next(100) == (1, 100)
    assert Choice(1).alone


def test_threads_that_find_nothing_to_share_are_asked_rarely() -> None:
    choice, asked = Choice(2), 0
    for _ in range(20_000):
        threads, steps = choice.next(1)
        asked += threads == 2
        choice.took(steps, 1e-3, False)
    assert 0 < asked <= 20  # one comparison


def test_a_busy_neighbor_is_noticed_and_costs_little() -> None:
    """Beside a busy loop two threads take five times as long as one."""
    choice, free = Choice(2), scaling(1e-3, 2)
    simulate(choice, free, 3.0)
    assert choice.threads == 2

    def busy(threads: int) -> float:
        return 1e-3 if threads == 1 else 5e-3

    simulate(choice, busy, 1.0)
    assert choice.threads == 1
    assert simulate(choice, busy, 20.0) > 0.95 / busy(1)
    simulate(choice, free, 40.0)
    assert choice.threads == 2


@pytest.mark.parametrize("late", [0, 1, 2])
def test_one_turn_that_the_system_disturbs_does_not_decide(late: int) -> None:
    """With two threads each third turn takes five times as long: the median does not."""
    choice, turn = Choice(2), 0
    for _ in range(100):
        threads, steps = choice.next(50)
        turn += threads == 2
        each = 2e-3 if threads == 1 else 1e-3 * (5 if turn % 3 == late else 1)
        choice.took(steps, steps * each, threads == 2)
        if choice.threads == 2:
            break
    assert choice.threads == 2


def test_single_calls_are_compared_too() -> None:
    choice = Choice(2)
    for _ in range(2000):
        threads, steps = choice.next(1)
        assert steps == 1
        choice.took(1, 1e-3 / threads, threads > 1)
    assert choice.threads == 2


def test_who_does_not_get_the_threads_goes_on_alone() -> None:
    choice = Choice(2)
    for _ in range(100):
        threads, steps = choice.next(10)
        if threads > 1:
            choice.hindered()
            break
        choice.took(steps, steps * 1e-3, False)
    assert choice.next(10) == (1, 10)
