"""The other end of the pipe: a worker, as an object."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from typing import Any

from ..processes import ROOT, Processes
from .runners import RUNNERS
from .workloads import Workload


class WorkerError(RuntimeError):
    """A worker ended before it answered; the message is the last line that it printed."""


class Worker:
    """A process that trains; it has taken its first step when this returns.

    Args:
        runner: a name of `RUNNERS`.
        workload: what is trained.
        arrays: the file with its arrays.
        cache: a folder; what compilers keep goes there, and is found there.
        interpreter: has the framework.
        threads: how many cores the process may use.

    Attributes:
        first: seconds from the start of the process to the loss of its first step.
        imported: megabytes of memory after imports.
        losses: those of the steps so far.
    """

    def __init__(
        self,
        runner: str,
        workload: Workload,
        arrays: str,
        cache: str,
        interpreter: str,
        threads: int,
    ) -> None:
        """Start it."""
        task = {
            "runner": runner,
            "workload": workload.describe(),
            "arrays": arrays,
            "threads": threads,
        }
        self.runner = runner
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [interpreter, "-m", "benchmarks.cpu.worker", json.dumps(task)],
            cwd=ROOT,
            env=environment(runner, cache, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            self.imported: float = self._answer()["imported"]
            self.losses: list[float] = self._answer()["losses"]
        except WorkerError:
            self.close()
            raise
        self.first = time.perf_counter() - begun

    def __enter__(self) -> Worker:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._errors.close()

    def steps(self, count: int) -> list[float]:
        """Steps on the next batches: the losses of all steps so far."""
        self.losses += self._ask(losses=[len(self.losses), count])["losses"]
        return self.losses

    def epochs(self, count: int) -> list[float]:
        """The seconds of so many epochs."""
        seconds: list[float] = self._ask(epochs=count)["seconds"]
        return seconds

    def peak(self) -> float:
        """The most megabytes of memory that it ever had."""
        found: float = self._ask(peak=True)["peak"]
        return found

    def _ask(self, **what: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            print(json.dumps(what), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # its last words are read below
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self._process.wait()
        self._errors.seek(0)
        lines = [x.strip() for x in self._errors.read().splitlines() if x.strip()]
        raise WorkerError(lines[-1] if lines else f"ended with code {code}")


def environment(runner: str, cache: str, threads: int) -> dict[str, str]:
    """Where each compiler is told to keep what it compiles."""
    found = Processes(threads=threads).environment(cache)
    return found | KEPT.get(RUNNERS[runner].framework, lambda cache: {})(cache)


KEPT = {
    "jax": lambda cache: {
        "JAX_COMPILATION_CACHE_DIR": os.path.join(cache, "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_PLATFORMS": "cpu",
    },
    "pytensor": lambda cache: {
        "PYTENSOR_FLAGS": f"base_compiledir={os.path.join(cache, 'pytensor')}",
        "NUMBA_CACHE_DIR": os.path.join(cache, "numba"),
    },
    "torch": lambda cache: {"TORCHINDUCTOR_CACHE_DIR": os.path.join(cache, "torch")},
}
