"""How many threads a program takes: by the times of its steps, here made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainrule.runtime.devices.cpu.choice import Choice

Times = Callable[[int], float]  # seconds of a step with so many threads
Run = Callable[[int, int], float]  # seconds of so many steps with so many threads


def simulate(choice: Choice, each: Times, seconds: float, shared: bool = True) -> float:
    """Slices of about a tenth of a second, until so much time has gone; steps per second."""
    gone, steps_done = 0.0, 0
    while gone < seconds:
        count = max(1, int(0.1 / each(choice.threads)))
        gone += call(choice, lambda threads, steps: steps * each(threads), count, shared)
        steps_done += count
    return steps_done / gone


def call(choice: Choice, run: Run, left: int, shared: bool = True) -> float:
    """One call for so many steps: the seconds that they take in all."""
    gone = 0.0
    while left:
        threads, steps = choice.next(left)
        assert 1 <= threads <= choice.limit
        assert 1 <= steps <= left
        took = run(threads, steps)
        choice.took(steps, took, shared and threads > 1)
        gone, left = gone + took, left - steps
    return gone


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


@pytest.mark.parametrize("work", [1e-3, 0.1])
def test_a_neighbor_is_noticed_before_much_is_lost(work: float) -> None:
    choice = Choice(2)
    simulate(choice, scaling(work, 2), max(1.0, 100 * work))
    assert choice.threads == 2
    gone = 0.0
    while choice.threads == 2:
        gone += call(choice, lambda n, steps: steps * work * (2.0 if n == 2 else 1.0), 1)
    assert gone < max(0.1, 15 * work)


def test_steps_that_vary_are_not_compared_all_the_time() -> None:
    """Each fourth tenth of a second has steps that take half as long again."""
    choice, rate, turn = Choice(2), 0.0, 0
    for _ in range(200):
        turn += 1
        longer = 1.5 if turn % 4 == 0 else 1.0

        def each(threads: int, longer: float = longer) -> float:
            return longer * 2e-3 / threads

        rate += simulate(choice, each, 0.1) * each(2) / 200
    assert choice.threads == 2
    assert rate > 0.9


@pytest.mark.parametrize("slower", [1.04, 1.1, 1.5, 3.0, 10.0])
@pytest.mark.parametrize("work", [100e-6, 3e-3, 0.1])
def test_where_one_thread_is_right_comparisons_take_a_twentieth_of_the_time(
    work: float, slower: float
) -> None:
    choice = Choice(2)

    def each(threads: int) -> float:
        return work * (1.0 if threads == 1 else slower)

    rate = simulate(choice, each, max(1.0, 1000 * work))
    assert rate > 0.9 / work
    assert simulate(choice, each, max(20.0, 2000 * work)) > 0.95 / work
    assert choice.threads == 1


@pytest.mark.parametrize("asleep", [0.02, 0.1, 0.3, 1.0])
def test_a_core_that_wakes_late_is_soon_found(asleep: float) -> None:
    """Until then two threads take 1.3 times as long as one."""
    choice, gone = Choice(2), 0.0

    def run(threads: int, steps: int) -> float:
        return steps * 1e-3 * (1.0 if threads == 1 else 1.3 if gone < asleep else 0.55)

    while gone < 2 * asleep + 0.2:
        gone += call(choice, run, 10)
    assert choice.threads == 2


def test_a_core_that_wakes_only_when_it_is_busy_is_found() -> None:
    """It is as fast as the other one after 50 milliseconds of work; idle, it is asleep at once."""
    choice, gone, busy = Choice(2), 0.0, 0.0

    def run(threads: int, steps: int) -> float:
        nonlocal busy
        took = steps * (0.6e-3 if threads == 2 and busy > 0.05 else 1e-3)
        busy = busy + took if threads == 2 else 0.0
        return took

    while gone < 0.3:
        gone += call(choice, run, 10)
    assert choice.threads == 2


def test_threads_that_change_nothing_are_rarely_tried() -> None:
    choice, gone, together = Choice(2), 0.0, 0.0

    def run(threads: int, steps: int) -> float:
        nonlocal together
        together += steps * 1e-3 * (threads == 2)
        return steps * 1e-3 * (1.01 if threads == 2 else 1.0)

    while gone < 60.0:
        gone += call(choice, run, 100)
    assert 0.0 < together < 0.03 * gone


def test_faster_by_chance_is_not_enough() -> None:
    """Nothing was shared, so it was not by the threads."""
    choice = Choice(2)
    simulate(choice, lambda threads: 1e-3 / threads, 5.0, shared=False)
    assert choice.threads == 1


def test_one_long_step_of_a_short_program_is_not_compared() -> None:
    choice, gone = Choice(2), 0.0
    while gone < 2.0:
        gone += call(choice, lambda threads, steps: steps * (4e-6 if steps > 1 else 1e-3), 1)
        for _ in range(10):
            assert choice.next(1000) == (1, 1000)
            gone += call(choice, lambda threads, steps: steps * 4e-6, 1000)


def test_steps_that_threads_make_short_are_still_compared() -> None:
    choice = Choice(4)
    simulate(choice, scaling(60e-6, 4), 2.0)
    assert choice.threads == 4
    simulate(choice, lambda threads: 60e-6 * threads, 4.0)
    assert choice.threads == 1


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
