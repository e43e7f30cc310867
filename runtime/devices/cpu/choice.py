"""How many threads the calls of a program take: as many as were seen to be faster.

Nothing is assumed of the machine, or of what else runs on it. Now and then the same number of steps
is run with the threads that are used, and with twice or half as many, in turns; what takes less
time stays. Of a side's turns the median counts: in one of them the system may have given a core to
somebody else.

What is seen once may have been chance. A virtual core that was idle may even get half of a real one
until it has been busy for a while: more threads that are no slower are therefore tried for a tenth
of a second, and then compared again. The first comparisons follow each other soon, the later ones,
while they tell the same, after twice as long each. What one costs is the time by which the worse
side was slower. Before the next one 25 times as much passes, so that all of them take less than 4 %
of the time, unless steps become slower and lose as much.

A program whose steps are short has one thread and is not compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from statistics import median

SHORT = 50e-6  # seconds of a step below which no thread could help
LOOK = 15e-3  # seconds after which one looks how long steps take; the first ones say little
TURN = 5e-3  # seconds of a turn, if a step does not take longer
TURNS = 3  # of each side
WARM = 2  # steps: in the first, a program learns which loops are worth to be shared
SHARE = 25  # times what a comparison costs must pass before it
SOON, LATE = 0.1, 30.0  # seconds from one comparison to the next: at first, and at most
GAIN = 0.95  # more threads are taken if they need so much of the time, or less
TRIED = 1.05  # and are tried for a while if they need no more than that
SLOWER = 1.2  # times the time of the last comparison, for as long as one costs: it is due at once
SETTLED = 10  # calls after which a short step is taken for one


class _Phase(Enum):
    STEADY = "as chosen"
    WARM = "steps of the other side that are not counted: threads wake up"
    BASE = "a turn of the threads that are used"
    RIVAL = "a turn of the other side"


@dataclass(slots=True)
class Choice:
    """The threads of one program, for one choice of sizes.

    Attributes:
        limit: the most that it may have.
        threads: how many it has.
        alone: whether it has one, whatever comes, so that nothing needs to be measured.
    """

    limit: int
    threads: int = 1
    alone: bool = False
    _phase: _Phase = _Phase.STEADY
    _done: int = 0  # steps of this phase, or since somebody looked at how long they take
    _spent: float = 0.0  # seconds that they took
    _rival: int = 0
    _turn: int = 0  # steps
    _turns: dict[_Phase, list[float]] = field(default_factory=dict)  # seconds of a step in each
    _warm: float = 0.0  # seconds of steps that are not counted
    _shared: bool = False
    _base: float = 0.0  # seconds of a step with `threads`, when they were last compared
    _calls: int = 0
    _since: float = 0.0  # seconds since the last comparison
    _cost: float = 0.0  # seconds by which a side was slower, and the next time will be
    _lost: float = 0.0  # seconds by which steps were slower than they had been, lately
    _pause: float = 0.0  # seconds from one comparison to the next, while they tell the same
    _wait: float = 0.0  # seconds from the last comparison to the next, if it cost nothing

    def __post_init__(self) -> None:
        """One thread needs no measuring."""
        self.alone = self.limit == 1

    def next(self, steps: int) -> tuple[int, int]:
        """How many threads to take next, and for how many of the steps that are to be run."""
        if self._phase is _Phase.STEADY:
            return self.threads, steps
        threads = self.threads if self._phase is _Phase.BASE else self._rival
        return threads, min(steps, self._goal - self._done)

    @property
    def _goal(self) -> int:
        """The steps of this phase."""
        return WARM if self._phase is _Phase.WARM else self._turn

    def took(self, steps: int, seconds: float, shared: bool) -> None:
        """Learn from what `next` said to do.

        Args:
            steps: how many steps were run.
            seconds: how long they took.
            shared: whether several threads found something to share.
        """
        self._done += steps
        self._spent += seconds
        if self._phase is _Phase.STEADY:
            self._calls += 1
            self._since += seconds
            self._consider()
            return
        self._shared |= shared
        if self._done < self._goal:
            return
        if self._phase is _Phase.WARM:
            self._warm = self._spent
            self._enter(_Phase.BASE)
            return
        self._turns[self._phase].append(self._spent / self._done)
        if self._phase is _Phase.BASE:
            self._enter(_Phase.RIVAL)
        else:
            self._compare()

    def hindered(self) -> None:
        """Others had the threads: no comparison now."""
        self._enter(_Phase.STEADY)
        self._since = 0.0

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._done, self._spent = phase, 0, 0.0

    def _consider(self) -> None:
        """Begin a comparison if it is time, for a program whose steps are not short."""
        each = self._spent / self._done
        if self.threads == 1 and each < SHORT:
            self.alone = self.alone or self._calls >= SETTLED
        if self._spent < LOOK:
            return
        slower = self.threads > 1 and each > SLOWER * self._base
        self._lost = self._lost + self._spent - self._done * self._base if slower else 0.0
        self._done, self._spent = 0, 0.0
        slower = self._lost > self._cost
        due = slower or self._since >= max(self._wait, SHARE * self._cost)
        if not due or (self.threads == 1 and each < SHORT):
            return
        more = min(2 * self.threads, self.limit)
        less = max(self.threads // 2, 1)
        up = self.threads == 1 or (more > self.threads and self._rival <= self.threads)
        self._rival = less if slower or not up else more
        self._turn = max(1, round(TURN / each))
        self._turns = {_Phase.BASE: [], _Phase.RIVAL: []}
        self._warm, self._shared = 0.0, False
        self._enter(_Phase.WARM if self._rival > self.threads else _Phase.BASE)

    def _compare(self) -> None:
        """After a turn of each side: decide, if there were enough or the other one is too slow."""
        base, rival = self._turns[_Phase.BASE], self._turns[_Phase.RIVAL]
        cost = self._turn * (sum(rival) - sum(base))
        if self._warm:
            cost += self._warm - WARM * median(base)
        too_slow = cost > TURNS * self._turn * median(base)
        if len(rival) < TURNS and not too_slow:
            self._enter(_Phase.BASE)
            return
        self._cost, self._since, self._lost = abs(cost), 0.0, 0.0
        self._decide(math.inf if too_slow else median(rival) / median(base), median(base))
        self._enter(_Phase.STEADY)

    def _decide(self, times: float, base: float) -> None:
        """Take the other side or not, and say when to compare again.

        Args:
            times: how long its steps take, in units of those as chosen.
            base: seconds of a step as chosen.
        """
        more = self._rival > self.threads
        taken = times < ((TRIED if self._shared else 0.0) if more else 1.0)
        if taken:
            self.threads = self._rival
        self._base = times * base if taken else base
        if taken and times < GAIN:
            self._pause = self._wait = SOON
            if more and self.threads < self.limit:
                self._cost = self._wait = 0.0  # perhaps even more
        elif more and not self._shared:
            self._pause = self._wait = LATE
        else:
            self._pause = min(max(2 * self._pause, SOON), LATE)
            self._wait = SOON if taken and more else self._pause
