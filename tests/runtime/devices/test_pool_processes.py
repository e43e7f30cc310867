"""Threads of programs and what happens to processes: forks, ends, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import TensorType
from chainrule.runtime import threads
from chainrule.runtime.devices import load
from chainrule.runtime.devices.cpu import pool
from chainrule.runtime.devices.cpu.choice import Choice

SOURCE = '''
from chainrule.runtime.devices.cpu.library import *

@program
def step(x, turns, y, fault):
    for i in range(64):
        y[i] = 0.0
    for turn in range(turns[0]):
        for i in prange(64):
            for j in range(64):
                y[i] += sqrt(x[i] * x[j])
'''
BUFFERS = (
    Buffer("x", "input", TensorType("float64", (64,))),
    Buffer("turns", "input", TensorType("int64", (1,))),
    Buffer("y", "output", TensorType("float64", (64,))),
)
made = Program("loops", "cpu", SOURCE, BUFFERS, (), (), None, (), (), "0")
Choice.next = lambda choice, steps: (choice.limit, steps)  # no comparisons: always all threads
Choice.took = lambda *given: None
threads.set_num_threads(3)
run, x = load(made), np.arange(64.0)
wanted = run.call(x, np.array([1]))[0]

def check(turns=50):
    y = run.call(x, np.array([turns]))[0]
    np.testing.assert_allclose(y, turns * wanted)

with pool.team().helping(3):
    pool.team()._words[5] = 0  # every loop is long enough
check()
assert pool.team().loops
"""

FORK = """
for turn in range(3):
    child = os.fork()
    if child == 0:
        check()
        assert len(pool.team()._threads) == 2
        os._exit(7)
    check()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
check()
"""

# The other thread is in a program nearly always when the process forks.
FORK_DURING_A_CALL = """
stop = threading.Event()
def others():
    while not stop.is_set():
        check(2000)
other = threading.Thread(target=others)
other.start()
for turn in range(3):
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        check()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
stop.set()
other.join()
check()
"""

# It does not end in time: the child begins anew.
FORK_DURING_A_LONG_CALL = """
pool.BEFORE_FORK = 0.01
other = threading.Thread(target=lambda: check(20_000), daemon=True)
other.start()
time.sleep(0.05)
assert run._team.value
child = os.fork()
if child == 0:
    assert not run._team.value
    with pool.team().helping(3):  # who calls now gets no help
        check()
    check()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
other.join()
check()
"""

EXIT = """
threading.Thread(target=lambda: check(10**9), daemon=True).start()
time.sleep(0.1)
assert pool.team()._leading.locked()
"""

ERROR = """
try:
    with pool.team().helping(3) as address:
        assert address
        raise ValueError
except ValueError:
    check()
"""

INTERRUPT = """
print("ready", flush=True)
try:
    while True:
        check(1000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert pool.team()._words[8] % 2 == 0
check()
print("fine", flush=True)
"""


def run(lines: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM + lines]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    "lines",
    [FORK, FORK_DURING_A_CALL, FORK_DURING_A_LONG_CALL],
    ids=["between calls", "during a call", "during a long call"],
)
def test_a_child_of_a_fork_has_threads_of_its_own(lines: str) -> None:
    done = run(lines)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("lines", ["", EXIT, ERROR], ids=["idle", "working", "error"])
def test_a_process_ends_as_if_it_had_no_threads(lines: str) -> None:
    done = run(lines)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_comes_when_the_call_returns() -> None:
    command = [sys.executable, "-c", PROGRAM + INTERRUPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\nfine\n"
        guard.cancel()
    assert process.returncode == 0
