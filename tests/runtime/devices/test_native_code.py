"""Source, cache and cost of native code."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from timeit import repeat
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.program import Buffer, Program
from chainrule.compiler.types import TensorType
from chainrule.runtime import cache as cache_module
from chainrule.runtime.cache import Cache
from chainrule.runtime.devices import compiled, load
from chainrule.runtime.devices.base import Executable
from chainrule.runtime.devices.cpu.key import object_key
from chainrule.runtime.devices.generated import import_program

Arrays = dict[str, Any]
MakeBuffer = Callable[..., Buffer]
MakeProgram = Callable[[str], Program]
MakeExecutable = Callable[..., Executable]
MakeArrays = Callable[..., Arrays]
TARGETS = ["numpy", "cpu"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_code_that_runs_is_a_file(target: str, tmp_path: Path, network: MakeProgram) -> None:
    cache = Cache.open(tmp_path / "cache")
    program = network(target)
    load(program, cache)
    assert cache.source_path(program).read_text() == program.source


def test_tracebacks_show_the_generated_line(tmp_path: Path) -> None:
    source = "def step(x):\n    return (1 / x,)  # the line\n"
    program = Program("failing", "numpy", source, (), (), (), None, (), (), "0")
    module = import_program(program, Cache.open(tmp_path / "cache"))
    assert sys.modules[module.__name__] is module
    with pytest.raises(ZeroDivisionError) as error:
        module.step(0)
    assert "# the line" in "".join(traceback.format_exception(error.value))


def test_a_module_that_fails_to_import_leaves_nothing(tmp_path: Path) -> None:
    program = Program("failing", "numpy", "1 / 0\n", (), (), (), None, (), (), "0")
    before = set(sys.modules)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            import_program(program, Cache.open(tmp_path / "cache"))
    assert set(sys.modules) == before


def test_comments_do_not_recompile(
    tmp_path: Path, buffer: MakeBuffer, piece: MakeExecutable
) -> None:
    """A model that moved by a line in the user's file has the same native code."""
    cache = Cache.open(tmp_path / "cache")
    lines = "# net.py:14\ny[0] = x[0]"
    buffers = (buffer("x", "input"), buffer("y", "output"))
    first = piece("cpu", lines, *buffers, sizes=()).program
    load(first, cache)
    moved = replace(first, source=first.source.replace("net.py:14", "net.py:15"))
    assert moved != first
    assert compiled(moved, cache)
    assert not compiled(replace(first, source=first.source.replace("= x[0]", "= -x[0]")), cache)
    single = tuple(replace(b, type=TensorType("float32", ())) for b in buffers)
    assert not compiled(replace(first, buffers=single), cache)


def test_damaged_native_code_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: MakeProgram, data: MakeArrays
) -> None:
    cache = Cache.open(tmp_path / "cache")
    program = network("cpu")
    load(program, cache)
    # Beside it is the code of threads, which is made with the first program.
    path = tmp_path / "cache" / f"{object_key(program)}.o"
    good = path.read_bytes()
    monkeypatch.setattr(cache_module, "_warn", cache_module._warn.__wrapped__)  # each time
    for bad in (b"", good[:1000], good[:-1] + b"!", b"\0" * len(good), good[:200] + good[201:]):
        path.write_bytes(bad)
        with pytest.warns(UserWarning, match=r"\.o was damaged; it is made again"):
            executable = load(program, cache)
        assert np.isfinite(executable.run(data())["loss"])
        assert path.read_bytes() == good


WARM = """
import sys, time
start = time.process_time()
from pathlib import Path
import numpy as np
from chainrule.runtime.cache import Cache
from chainrule.runtime.devices import load
cache = Cache.open()
program = cache.load_program(sys.argv[1])
executable = load(program, cache)
seconds = time.process_time() - start
x, t, rate = np.ones((4, 3)), np.ones((4, 2)), np.array(0.1)
weights = np.ones((3, 4)), np.ones(4), np.ones((4, 2)), np.ones(2), np.array(0)
print(float(executable.call(x, t, rate, *weights)[0]))
print(seconds)
print(sorted({"numba", "sympy"} & set(sys.modules)))
"""


def test_a_start_needs_neither_numba_nor_sympy(tmp_path: Path, network: MakeProgram) -> None:
    """The first compiles, and the others find what it made."""
    folder = tmp_path / "cache"
    cache = Cache.open(folder)
    program = network("cpu")
    cache.store_program(program)
    assert not compiled(program, cache)
    x, t, rate = np.ones((4, 3)), np.ones((4, 2)), np.array(0.1)
    weights = np.ones((3, 4)), np.ones(4), np.ones((4, 2)), np.ones(2), np.array(0)
    expected = load(program).call(x, t, rate, *weights)[0]
    spent = []
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", WARM, program.fingerprint],
            env={**os.environ, "CHAINRULE_CACHE_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        loss, seconds, imported = done.stdout.splitlines()
        assert float(loss) == expected
        assert imported == "[]"
        assert compiled(program, cache)
        spent.append(float(seconds))
    assert min(spent[1:]) < 0.5  # about 0.15 on a machine that does nothing else


def test_a_call_costs_microseconds(network: MakeProgram, data: MakeArrays) -> None:
    """The bound call is taken: the slow way round costs ten times as much."""
    executable = load(network("cpu"))
    arrays = executable.in_order(data(4))
    executable.call(*arrays)
    calls = repeat(
        lambda: executable.call(*arrays), timer=time.process_time, number=1000, repeat=20
    )
    assert min(calls) / 1000 < 20e-6
