"""The character GPT of `examples/gpt.py`: writes the weights that its peer in JAX starts from.

python -m benchmarks.own_gpt weights.npz
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np
from examples.gpt import CONTEXT, gpt

from benchmarks.cases import load

STEPS, BATCH, CHARACTERS = 5, 32, 65


def main(path: str) -> None:
    """Write the weights, compile the step, and take some."""
    load()
    before = time.perf_counter(), time.process_time()
    model = gpt(CHARACTERS)
    model._program("train")
    after = time.perf_counter(), time.process_time()
    random = np.random.default_rng(0)
    text = random.integers(0, CHARACTERS, (BATCH, CONTEXT + 1), np.int32)
    x, y = text[:, :-1], text[:, 1:]
    model.seed = 0
    arrays: dict[str, Any] = {"x": x, "y": y, **model.parameters}
    np.savez(path, **arrays)
    losses = [model.train_on_batch(x, y)["loss"] for _ in range(STEPS)]
    print(
        json.dumps(
            {
                "losses": losses,
                "compile": [b - a for a, b in zip(before, after, strict=True)],
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
