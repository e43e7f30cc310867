"""One workload in several frameworks: the same work first, then times, round by round."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..processes import Result
from .process import Worker, WorkerError
from .runners import OWN, RUNNERS
from .workloads import Workload

STEPS = 20  # whose losses are compared
TOLERANCE = 1e-4  # between losses, relative
PAUSE = 0.05  # seconds after which the threads of a worker no longer spin


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    Attributes:
        interpreters: for each framework one that has it.
        runners: names of `RUNNERS`, our own first.
        threads: how many cores each worker may use, one setting after the other.
        rounds: how often each runner has its turn.
        seconds: about how long a turn takes; at least an epoch.
        cold: whether a first process starts from empty caches; else the one that is timed does.
    """

    interpreters: Mapping[str, str]
    runners: Sequence[str]
    threads: Sequence[int]
    rounds: int
    seconds: float
    cold: bool = True


def measure(workload: Workload, settings: Settings) -> list[Result]:
    """What is seen for each number of threads."""
    chosen = [name for name in settings.runners if RUNNERS[name].runs(workload)]
    rows: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        arrays = str(Path(folder) / "arrays.npz")
        workload.numpy().save(arrays)
        kept: dict[str, Result] = {name: {} for name in chosen}
        for threads in settings.threads:
            with contextlib.ExitStack() as stack:
                workers = []
                for name in chosen:
                    given = (
                        name,
                        workload,
                        arrays,
                        str(Path(folder) / name),
                        settings.interpreters[RUNNERS[name].framework],
                        threads,
                    )
                    try:
                        if settings.cold and not kept[name]:
                            with Worker(*given) as worker:
                                kept[name]["cold"] = worker.first
                        workers.append(stack.enter_context(Worker(*given)))
                    except WorkerError as error:
                        kept[name] |= {"error": str(error)}
                seen = timed(workload, workers, settings)
            for name, found in kept.items():
                seen[name] = {**found, **seen.get(name, {})}
            rows.append(
                {
                    "workload": workload.describe(),
                    "flops": workload.flops,
                    "bytes": workload.bytes,
                    "threads": threads,
                    "runners": seen,
                }
            )
    return rows


def timed(workload: Workload, workers: Sequence[Worker], settings: Settings) -> dict[str, Result]:
    """Microseconds a step of each worker whose losses are ours, and its memory."""
    seen: dict[str, Result] = {}
    ready: list[tuple[Worker, int]] = []
    expected: list[float] | None = None
    for worker in workers:
        result: Result = {"warm": worker.first}
        seen[worker.runner] = result
        try:
            losses = worker.steps(STEPS - 1)
            if worker.runner == OWN:
                expected = losses
            if expected is not None:
                result["difference"] = difference(expected, losses)
                if not result["difference"] <= TOLERANCE:
                    result["error"] = f"losses differ by {result['difference']:.1e}"
                    continue
            worker.epochs(1)
            ready.append((worker, max(1, round(settings.seconds / sum(worker.epochs(1))))))
        except WorkerError as error:
            result["error"] = str(error)
    rounds: dict[str, list[list[float]]] = {worker.runner: [] for worker, _ in ready}
    for turn in range(settings.rounds):
        for worker, epochs in ready if turn % 2 else reversed(ready):
            time.sleep(PAUSE)
            rounds[worker.runner].append(worker.epochs(epochs))
    for worker, _ in ready:
        result, turns = seen[worker.runner], rounds[worker.runner]
        scale = 1e6 / workload.batches
        result["rounds"] = [scale * statistics.fmean(turn) for turn in turns]
        result["median"] = statistics.median(result["rounds"])
        result["minimum"] = scale * min(map(min, turns))
        result["megabytes"] = worker.peak()
        result["imported"] = worker.imported
    return seen


def difference(expected: Sequence[float], losses: Sequence[float]) -> float:
    """The largest relative difference of two lists of losses."""
    return max(abs(a - b) / max(abs(a), 1e-9) for a, b in zip(expected, losses, strict=True))
