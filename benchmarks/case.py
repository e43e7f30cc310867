"""One case in a process of its own: `python -m benchmarks.case gpt` prints its times as JSON."""

from __future__ import annotations

import time

wall = time.perf_counter()  # before everything else is imported
import ast  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).parents[1]
# Seconds of processor time by default: what else the machine does then counts less.
CLOCK = time.perf_counter if "--wall" in sys.argv else time.process_time


def others(name: str) -> list[str]:
    """The modules that an example imports beside the package and NumPy."""
    path = ROOT / "examples" / f"{name}.py"
    if not path.exists():
        return []
    found: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    own = ("chainrule", "numpy")
    return [module for module in found if module.split(".")[0] not in own]


def measure(name: str) -> dict[str, object]:
    """Seconds of each phase up to the first step, memory, and what was emitted."""
    begun = CLOCK()
    from benchmarks.cases import build, load

    load()
    imported = CLOCK()
    for module in others(name):
        importlib.import_module(module)
    ready = CLOCK()
    from chainrule.compiler.stopwatch import REST, Stopwatch, timed

    with Stopwatch(CLOCK) as watch:
        with timed("build"):
            step = build(name)
        step()
    seconds = dict(watch.seconds)
    seconds["step"] = seconds.pop(REST)
    seconds["import"] = seconds.get("import", 0.0) + imported - begun
    return {
        "name": name,
        "seconds": seconds,
        "total": CLOCK() - begun - (ready - imported),
        "others": ready - imported,
        "wall": time.perf_counter() - wall,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **emitted(),
    }


def emitted() -> dict[str, int]:
    """What the programs in the cache are: lines of text, kernels, and calls of them in a step."""
    from chainrule.runtime.cache import Cache

    folder = Cache.open().folder
    found = [
        program
        for path in sorted(folder.glob("*.json"))
        if (program := Cache.open().load_program(path.stem)) is not None
    ]
    kernels = [(program.name, kernel.name) for program in found for kernel in program.kernels]
    return {
        "lines": sum(program.source.count("\n") for program in found),
        "kernels": len(set(kernels)),
        "calls": len(kernels),
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    print(json.dumps(measure(sys.argv[1])))
