"""The process in which one runner trains one workload, told over a pipe what to do.

    python -m benchmarks.cpu.worker '{"runner": "jax-scan", "workload": {...}, ...}'

Lines of JSON come on standard input and go to standard output: first `{"imported": megabytes}`,
then `{"losses": [...]}` of the first step, then an answer for each line that came. Whatever
libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, TextIO


def main(task: dict[str, Any], out: TextIO) -> None:
    """Take the first step, then do as told until standard input ends."""
    limit(task["threads"])
    from .runners import RUNNERS
    from .workloads import Sample, workload

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=out, flush=True)

    make = RUNNERS[task["runner"]].make(workload(task["workload"]))
    say(imported=resident())
    runner = make(Sample.load(task["arrays"]))
    say(losses=runner.losses(0, 1))
    for line in sys.stdin:
        asked = json.loads(line)
        if "losses" in asked:
            say(losses=runner.losses(*asked["losses"]))
        elif "epochs" in asked:
            say(seconds=runner.epochs(asked["epochs"]))
        else:
            say(peak=peak())


def limit(threads: int) -> None:
    """Let this process have so many cores, the last ones: some thread pools know nothing else."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def resident() -> float:
    """Megabytes of memory that the process has now."""
    return _status("VmRSS")


def peak() -> float:
    """The most megabytes that the process ever had."""
    return _status("VmHWM")


def _status(name: str) -> float:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    # Elsewhere only the peak so far is told, in bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


if __name__ == "__main__":
    private = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(json.loads(sys.argv[1]), private)
