"""Ctrl-C while a native program trains, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import json, sys, time
import numpy as np
import chainrule as cr

random = np.random.default_rng(0)
x = random.standard_normal((40_000, 256)).astype(np.float32)
y = random.integers(0, 10, 40_000)
model = cr.Sequential([cr.Input((256,)), cr.Dense(256, activation="relu"), cr.Dense(10)], seed=0)
model.compile("sparse_categorical_crossentropy_from_logits", cr.SGD(1e-2), ["accuracy"])
model.train_on_batch(x[:64], y[:64])  # compiles
before = model.get_weights()

class Told(cr.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            print("training", flush=True)

try:
    model.fit(x, y, epochs=10_000, batch_size=64, callbacks=[Told()], seed=0, verbose=0)
except KeyboardInterrupt:
    stopped = time.time()
history, after = model.history, model.get_weights()

# The same steps again: the weights are those between two of them.
partial = history.partial
again = cr.Sequential([cr.Input((256,)), cr.Dense(256, activation="relu"), cr.Dense(10)], seed=0)
again.compile("sparse_categorical_crossentropy_from_logits", cr.SGD(1e-2), ["accuracy"])
again.train_on_batch(x[:64], y[:64])
again.fit(x, y, epochs=partial.epoch, batch_size=64, seed=0, verbose=0)
from chainrule.runtime.data import permutation
order = permutation(0, partial.epoch, 40_000)
for k in range(partial.batches):
    rows = order[k * 64 : (k + 1) * 64]
    again.train_on_batch(x[rows], y[rows])
same = all(np.array_equal(a, b) for a, b in zip(after, again.get_weights()))

more = model.fit(x, y, epochs=1, batch_size=64, seed=0, verbose=0)
print(json.dumps({
    "stopped": stopped, "epochs": history.epoch, "losses": history.history["loss"],
    "batches": partial.batches, "of": partial.of, "epoch": partial.epoch,
    "changed": not np.array_equal(before[0], after[0]), "same": same,
    "more": more.history["loss"],
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are sent to a process")
def test_ctrl_c(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "training\n"
    time.sleep(0.25)  # somewhere inside of a chunk
    sent = time.time()
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    told = json.loads(printed)
    assert told["stopped"] - sent < 0.3
    assert len(told["losses"]) == len(told["epochs"]) == told["epoch"] >= 1
    assert 0 <= told["batches"] <= told["of"] == 625
    assert told["changed"]
    assert told["same"]
    assert told["more"][0] < told["losses"][0]
