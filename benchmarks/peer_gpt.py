"""The character GPT in plain JAX, run by an interpreter that has JAX.

    python -m benchmarks.peer_gpt weights.npz

Printed are, as JSON, the losses of some steps of Adam and the seconds that tracing and compiling
one step took.
"""

from __future__ import annotations

import json
import resource
import sys
import time

# Imports stand between clocks: what they take is told apart.
begun = time.perf_counter(), time.process_time()
import jax  # noqa: E402

imported = time.perf_counter(), time.process_time()
from .cpu.runners.jaxed import JaxStep  # noqa: E402
from .cpu.workloads import WORKLOADS, Sample  # noqa: E402
from .cpu.workloads.gpt import GPT  # noqa: E402

STEPS = 5


def main(path: str) -> None:
    """Compile the step for the file's weights, and take some."""
    sample = Sample.load(path)
    workload = WORKLOADS["gpt"]
    assert isinstance(workload, GPT)
    runner = JaxStep(workload, sample, workload.jax)
    jax.block_until_ready((runner.state, runner.pairs))
    before = time.perf_counter(), time.process_time()
    compiled = runner.run.lower(runner.state, runner.pairs[0]).compile()
    after = time.perf_counter(), time.process_time()
    losses = []
    for n in range(STEPS):
        runner.state, loss = compiled(runner.state, runner.pairs[n % runner.batches])
        losses.append(float(loss))
    print(
        json.dumps(
            {
                "version": jax.__version__,
                "losses": losses,
                "import": [b - a for a, b in zip(begun, imported, strict=True)],
                "compile": [b - a for a, b in zip(before, after, strict=True)],
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
