"""The cost of compiling: every case cold and from the cache, and GPT beside JAX."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .cases import NAMES

ROOT = Path(__file__).parents[1]
PHASES = ("import", "build", "rules", "gradient", "schedule", "emission", "native", "cache", "step")
COMPILED = ("rules", "gradient", "schedule", "emission")  # not needed from the cache
TOLERANCE = 1e-4  # between losses of the same steps
Result = dict[str, Any]


class UnequalWorkError(RuntimeError):
    """Two programs that should compute the same do not."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Runs processes, each with the cache that it is given and one thread for matrix products.

    Attributes:
        bytecode: a folder for the bytecode of the checkout, as installed packages have it.
    """

    bytecode: str

    def __call__(
        self, arguments: Sequence[str], cache: str, interpreter: str = sys.executable
    ) -> Result:
        """What a process prints at its end."""
        environment = {**os.environ, "CHAINRULE_CACHE_DIR": cache, "OPENBLAS_NUM_THREADS": "1"}
        environment["PYTHONPYCACHEPREFIX"] = self.bytecode
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(
            [interpreter, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        result: Result = json.loads(done.stdout.splitlines()[-1])
        return result


def case(run: Processes, name: str, repeat: int) -> Result:
    """Medians of a case, cold and from the cache."""
    cold, warm = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(run(["-m", "benchmarks.case", name], cache))
            warm.append(run(["-m", "benchmarks.case", name], cache))
    return {"name": name, "cold": median(cold), "warm": median(warm)}


def median(results: Sequence[Result]) -> Result:
    """The median of each number."""
    first = results[0]
    found: Result = {}
    for key, value in first.items():
        of_all = [result.get(key, 0) for result in results]
        if isinstance(value, Mapping):
            found[key] = median(of_all)
        else:
            found[key] = value if isinstance(value, str) else statistics.median(of_all)
    return found


def beside_jax(run: Processes, peer: str, repeat: int) -> Result:
    """GPT from empty caches and in JAX, one after the other, from the same weights.

    Raises:
        UnequalWorkError: the losses of a few steps differ.
    """
    own, other = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            weights = str(Path(folder) / "weights.npz")
            own.append(run(["-m", "benchmarks.own_gpt", weights], folder))
            other.append(run(["benchmarks/peer_gpt.py", weights], folder, peer))
    for mine, theirs in zip(own, other, strict=True):
        for a, b in zip(mine["losses"], theirs["losses"], strict=True):
            if abs(a - b) > TOLERANCE * abs(b):
                raise UnequalWorkError(f"losses {mine['losses']} and {theirs['losses']}")
    return {
        "jax": other[0]["version"],
        "losses": own[0]["losses"],
        **{
            f"{who}_{what}": statistics.median(result["compile"][i] for result in results)
            for who, results in (("chainrule", own), ("jax", other))
            for i, what in enumerate(("wall", "processor"))
        },
    }


def rows(results: Iterable[Result], kind: str) -> list[list[str]]:
    """The cells of a table, its titles first: "cold", or "warm" for what comes from the cache."""
    phases = [x for x in PHASES if kind == "cold" or x not in COMPILED]
    emitted = ("lines", "kernels", "calls") if kind == "cold" else ()
    found = [["case", *phases, "total", "others", "wall", "MB", *emitted]]
    for result in results:
        one = result[kind]
        seconds = [one["seconds"].get(phase, 0.0) for phase in phases]
        seconds += [one["total"], one["others"], one["wall"]]
        cells = [f"{x:.2f}" for x in seconds] + [f"{one['megabytes']:.0f}"]
        found.append([result["name"], *cells, *(f"{one[key]:.0f}" for key in emitted)])
    return found


TITLES = {
    "cold": "seconds of processor time to the first step, from an empty cache",
    "warm": "the same from the cache",
}


def show(results: Sequence[Result], markdown: bool) -> None:
    """Print the tables."""
    for kind, title in TITLES.items():
        head, *others = rows(results, kind)
        if markdown:
            print(f"\n{title}\n")
            for cells in (head, ["---", *["---:"] * (len(head) - 1)], *others):
                print(f"| {' | '.join(cells)} |")
            continue
        table = Table(title=title)
        for place, name in enumerate(head):
            table.add_column(name, justify="right" if place else "left")
        for cells in others:
            table.add_row(*cells)
        Console(width=160).print(table)


def main(names: Sequence[str], repeat: int, peer: str | None, path: str | None, text: bool) -> None:
    """Measure and tell.

    Args:
        names: the cases; all of them if there are none.
        repeat: how often each is measured; medians are told.
        peer: an interpreter with JAX, if GPT is to be compared.
        path: where the numbers go as JSON.
        text: whether the table is printed in Markdown.
    """
    report: Result = {"machine": machine(), "repeat": repeat, "cases": []}
    with tempfile.TemporaryDirectory() as bytecode:
        run = Processes(bytecode)
        with tempfile.TemporaryDirectory() as cache:
            run(["-m", "benchmarks.case", "digits"], cache)  # makes the bytecode
        for name in names or NAMES:
            print(name, file=sys.stderr)
            report["cases"].append(case(run, name, repeat))
        if peer:
            print("gpt, and the peer's", file=sys.stderr)
            report["gpt"] = beside_jax(run, peer, repeat)
    show(report["cases"], text)
    if peer:
        compared = report["gpt"]
        print(f"GPT cold, beside JAX {compared['jax']}, whose losses agree to {TOLERANCE:g}:")
        for what in ("processor", "wall"):
            own, other = compared[f"chainrule_{what}"], compared[f"jax_{what}"]
            print(f"  {what} {own:.2f} s, JAX {other:.2f} s")
    if path:
        Path(path).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, str | int | None]:
    """Where it was measured, and with what."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("numpy", "llvmlite", "scipy")}
    return {"processor": platform.processor(), "cores": os.cpu_count()} | {
        "python": platform.python_version(),
        **packages,
    }
