"""The cost of compiling: every case cold and from the cache, and GPT beside JAX."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from . import peers, tables
from .arguments import count, new_file
from .cases import NAMES
from .machine import machine
from .processes import Processes, Result

PHASES = ("import", "build", "rules", "gradient", "schedule", "emission", "native", "cache", "step")
COMPILED = ("rules", "gradient", "schedule", "emission")  # not needed from the cache
TOLERANCE = 1e-4  # between losses of the same steps


class UnequalWorkError(RuntimeError):
    """Two programs that should compute the same do not."""


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
            other.append(run(["-m", "benchmarks.peer_gpt", weights], folder, peer))
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
        tables.show(title, rows(results, kind), markdown)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command line takes."""
    parser.add_argument("names", nargs="*", metavar="case", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--repeat", type=count, default=3, help="how often; medians are told")
    peers.add_option(parser)
    parser.add_argument("--json", type=new_file, help="a file for the numbers")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.set_defaults(run=run, error=parser.error)


def run(given: argparse.Namespace) -> None:
    """Measure and tell; where there is JAX, GPT is compared."""
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        given.error(f"no case {unknown[0]!r}; there are {', '.join(NAMES)}")
    peer = peers.found(["jax"], given.interpreters).get("jax")
    report: Result = {"machine": machine(), "repeat": given.repeat, "cases": []}
    with tempfile.TemporaryDirectory() as bytecode:
        processes = Processes(bytecode)
        with tempfile.TemporaryDirectory() as cache:
            processes(["-m", "benchmarks.case", "digits"], cache)  # makes the bytecode
        for name in given.names or NAMES:
            print(name, file=sys.stderr)
            report["cases"].append(case(processes, name, given.repeat))
        if peer:
            print("gpt, and the peer's", file=sys.stderr)
            report["gpt"] = beside_jax(processes, peer, given.repeat)
    show(report["cases"], given.markdown)
    if peer:
        compared = report["gpt"]
        print(f"GPT cold, beside JAX {compared['jax']}, whose losses agree to {TOLERANCE:g}:")
        for what in ("processor", "wall"):
            own, other = compared[f"chainrule_{what}"], compared[f"jax_{what}"]
            print(f"  {what} {own:.2f} s, JAX {other:.2f} s")
    if given.json:
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
