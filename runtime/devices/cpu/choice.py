"""How many threads the calls of a program take: as many as were seen to be faster.

Nothing is assumed of the machine, or of what else runs on it. Now and then the same number of steps
is run with the threads that are used, and with twice or half as many, in turns; what takes less time
stays. Each side has several turns, of which the median counts: in one of them the system may have
given a core to somebody else.

What is seen once may have been chance, so the next comparison follows soon, and later ones after
twice as long each, while they tell the same. What a comparison costs is the time by which the other
side was slower; twenty times as long must pass before the next one. A program whose steps are short
has one thread and is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from statistics import median

SHORT = 50e-6  # seconds of a step below which no thread could help
BEGIN = 15e-3  # seconds that a program runs before the first comparison: the first steps say little
TURN = 5e-3  # seconds of a turn, if a step does not take longer
TURNS = 3  # of each side
WARM = 2  # steps: in the first, a program learns which loops are worth to be shared
SHARE = 20  # times what the last comparison cost must pass before the next one
SOON, LATE = 0.1, 30.0  # seconds from one comparison to the next: at first, and at most
GAIN = 0.95  # more threads are taken if they need so much of the time, or less
SLOWER = 1.2  # times the time of the last comparison: something is not as it was
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
    _ran: float = 0.0  # seconds, but for those of comparisons
    _since: float = 0.0  # the same, since the last comparison
    _cost: float = 0.0  # seconds that it took more than steps as chosen would have
    _pause: float = 0.0  # seconds from the last comparison to the next, if it cost nothing

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
            self._ran += seconds
            self._since += seconds
            self._consider(seconds / steps)
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

    def _consider(self, each: float) -> None:
        """Begin a comparison if it is time, for a program whose steps take so long."""
        if each * self.threads < SHORT:
            self.alone = self.threads == 1 and self._calls >= SETTLED
            return
        slower = False
        if self._spent >= BEGIN:
            slower = self.threads > 1 and self._spent / self._done > SLOWER * self._base
            self._done, self._spent = 0, 0.0
        pause = max(0.0 if slower else self._pause, SHARE * self._cost)
        if self._ran < BEGIN or self._since < pause:
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
        too_slow = cost > TURNS * self._turn * median(base)
        if len(rival) < TURNS and not too_slow:
            self._enter(_Phase.BASE)
            return
        if self._warm:
            cost += self._warm - WARM * median(base)
        self._cost, self._since = max(cost, 0.0), 0.0
        self._enter(_Phase.STEADY)
        more = self._rival > self.threads
        if not too_slow and median(rival) < median(base) * (GAIN if more else 1.0):
            self.threads, self._base, self._pause = self._rival, median(rival), SOON
            if more and self.threads < self.limit:
                self._pause = 0.0  # perhaps even more
        else:
            self._base = median(base)
            unshared = more and not self._shared
            self._pause = LATE if unshared else min(max(2 * self._pause, SOON), LATE)
