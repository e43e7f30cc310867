"""Processes to be measured: each with caches of its own, whatever environment this one has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Processes:
    """Runs processes, each with the cache that it is given.

    Attributes:
        bytecode: a folder for the bytecode of all that is imported; None for the usual places.
        threads: of libraries that multiply matrices.
    """

    bytecode: str | None = None
    threads: int = 1

    def environment(self, cache: str) -> dict[str, str]:
        """Of a process whose compilers keep what they compiled in the folder `cache`."""
        kept = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        }
        if self.bytecode is not None:
            kept["PYTHONPYCACHEPREFIX"] = self.bytecode
        threads = str(self.threads)
        return kept | {
            "CHAINRULE_CACHE_DIR": cache,
            "OPENBLAS_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "NUMBA_NUM_THREADS": threads,
            "CHAINRULE_NUM_THREADS": threads,
        }

    def __call__(
        self, arguments: Sequence[str], cache: str, interpreter: str = sys.executable
    ) -> Result:
        """What a process prints at its end."""
        done = subprocess.run(
            [interpreter, *arguments],
            cwd=ROOT,
            env=self.environment(cache),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        result: Result = json.loads(done.stdout.splitlines()[-1])
        return result
