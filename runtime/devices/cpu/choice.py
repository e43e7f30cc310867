"""How many threads the calls of a program take: as many as were seen to be faster.

Nothing is assumed of the machine, or of what else runs on it. Now and then the same number of steps
is run with the threads that are used, and with twice or half as many, one after the other; what
takes less time stays. Each side has several turns, of which the median counts: in one of them the
system may have given a core to somebody else. A program whose steps are short has one thread and
is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

SHORT = 50e-6  # seconds of a step below which no thread could help
TRIAL = 15e-3  # seconds that each side of a comparison takes; and the first ones, which say little
TURNS = 3  # of each side, at least
SHARE = 20  # times what the last comparison took must pass before the next one
SOON, LATE = 1.0, 30.0  # seconds from one comparison to the next, while things change and if not
GAIN = 0.95  # more threads are taken if they need so much of the time, or less
SLOWER = 1.2  # times the time of the last comparison: something is not as it was
SETTLED = 10  # calls after which a short step is taken for one


class _Phase(Enum):
    STEADY = "as chosen"
    BASE = "the first side of a comparison"
    WARM = "one step of the other side, which is not counted: threads wake up"
    RIVAL = "the other side"


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
    _rival: int = 0
    _base: float = 0.0  # seconds of a step with `threads`, when they were last compared
    _steps: int = 0  # of each side
    _done: int = 0
    _turns: list[float] = field(default_factory=list)  # seconds of a step in each
    _calls: int = 0
    _ran: float = 0.0  # seconds, but for those of comparisons
    _pause: float = SOON
    _since: float = SOON  # seconds since the last comparison
    _spent: float = 0.0  # seconds that it took

    def __post_init__(self) -> None:
        """One thread needs no measuring."""
        self.alone = self.limit == 1

    def next(self, steps: int) -> tuple[int, int]:
        """How many threads to take next, and for how many of the steps that are to be run."""
        match self._phase:
            case _Phase.STEADY:
                return self.threads, steps
            case _Phase.BASE:
                return self.threads, min(steps, self._turn)
            case _Phase.WARM:
                return self._rival, 1
            case _Phase.RIVAL:
                return self._rival, min(steps, self._turn)

    @property
    def _turn(self) -> int:
        """The steps of a side's next turn."""
        return min(-(-self._steps // TURNS), self._steps - self._done)

    def took(self, steps: int, seconds: float, shared: bool) -> None:
        """Learn from what `next` said to do.

        Args:
            steps: how many steps were run.
            seconds: how long they took.
            shared: whether several threads found something to share.
        """
        if self._phase is _Phase.STEADY:
            self._calls += 1
            self._ran += seconds
            self._since += seconds
            self._consider(seconds / steps)
            return
        self._spent += seconds
        if self._phase is _Phase.WARM:
            self._enter(_Phase.RIVAL)
            return
        self._done += steps
        self._turns.append(seconds / steps)
        if self._done < self._steps:
            return
        each = sorted(self._turns)[len(self._turns) // 2]
        if self._phase is _Phase.BASE:
            self._base = each
            self._enter(_Phase.WARM)
        else:
            self._decide(each, shared)

    def hindered(self) -> None:
        """Others had the threads: no comparison now."""
        self._enter(_Phase.STEADY)
        self._since = 0.0

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._done, self._turns = phase, 0, []

    def _consider(self, each: float) -> None:
        """Begin a comparison if it is time, for a program whose steps take so long."""
        if each * self.threads < SHORT:
            self.alone = self.threads == 1 and self._calls >= SETTLED
            return
        slower = self.threads > 1 and each > SLOWER * self._base
        pause = max(self._pause, SHARE * self._spent)
        if self._ran < TRIAL or (self._since < pause and not slower):
            return
        self._spent = 0.0
        more = min(2 * self.threads, self.limit)
        less = max(self.threads // 2, 1)
        up = self.threads == 1 or (more > self.threads and self._rival <= self.threads)
        self._rival = less if slower or not up else more
        self._steps = max(TURNS, round(TRIAL / each))
        self._enter(_Phase.BASE)

    def _decide(self, each: float, shared: bool) -> None:
        self._enter(_Phase.STEADY)
        self._since = 0.0
        before, rival = self.threads, self._rival
        if each < self._base * (GAIN if rival > before else 1.0):
            self.threads, self._base, self._pause = rival, each, SOON
            if before < rival < self.limit:
                self._since, self._spent = SOON, 0.0  # perhaps even more
        elif rival > before and not shared:
            self._pause = LATE
        else:
            self._pause = min(2 * self._pause, LATE)
