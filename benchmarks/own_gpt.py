"""The character GPT: compiles its step, and writes the weights that its peer in JAX starts from.

python -m benchmarks.own_gpt weights.npz
"""

from __future__ import annotations

import json
import resource
import sys
import time

from .cases import load
from .cpu.runners.own import Own
from .cpu.workloads import WORKLOADS

STEPS = 5


def main(path: str) -> None:
    """Compile the step, write the weights, and take some steps."""
    load()
    workload = WORKLOADS["gpt"]
    before = time.perf_counter(), time.process_time()
    model = workload.model()
    model._program("train")
    after = time.perf_counter(), time.process_time()
    sample = workload.numpy()
    sample.save(path)
    print(
        json.dumps(
            {
                "losses": Own(workload, sample, lambda: model).losses(0, STEPS),
                "compile": [b - a for a, b in zip(before, after, strict=True)],
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
