"""The command `python -m benchmarks cpu`."""

from __future__ import annotations

import argparse
import compileall
import dataclasses
import json
import sys
from pathlib import Path

import chainrule

from .. import peak, peers, tables
from ..arguments import count, duration, new_file, old_file
from ..machine import cores, machine
from ..processes import Result
from . import curves, picture, report
from .curves import CURVES
from .measure import Settings, measure
from .runners import OWN, RUNNERS
from .workloads import WORKLOADS, Workload


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command line takes."""
    others = [name for name in RUNNERS if name != OWN]
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument(
        "--peers",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(others)}, or a framework; all that there are by default",
    )
    parser.add_argument("--threads", nargs="+", type=count, help="1 and all cores by default")
    parser.add_argument("--rounds", type=count, default=5, help="turns of each; medians are told")
    parser.add_argument("--seconds", type=duration, default=0.2, help="about how long a turn takes")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    peers.add_option(parser)
    parser.add_argument(
        "--curves",
        nargs="*",
        metavar="WHAT",
        help=f"not the workloads, but how a step grows with {', '.join(CURVES)}; all by default",
    )
    parser.add_argument("--plot", type=new_file, metavar="FILE", help="draw what was measured")
    parser.add_argument(
        "--json", type=new_file, help="a file for the numbers, written after each workload"
    )
    parser.add_argument(
        "--read",
        type=old_file,
        metavar="FILE",
        help="measure nothing; tell what is in the file",
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.set_defaults(run=run, error=parser.error)


def run(given: argparse.Namespace) -> None:
    """Measure and tell."""
    found = read(given.read) if given.read else measured(given)
    tell(found, given.markdown)
    if given.plot and (found["rows"] or found.get("curves")):
        picture.draw(found, given.plot)


def measured(given: argparse.Namespace) -> Result:
    """What is seen now; the file has what was seen so far."""
    for names, known in ((given.only, WORKLOADS), (given.curves, CURVES)):
        for name in names or ():
            if name not in known:
                given.error(f"no {name!r}; there are {', '.join(known)}")
    settings = chosen(given)
    # As installed packages have it; the first start of a checkout would make it.
    compileall.compile_dir(Path(chainrule.__file__).parent, quiet=2)
    found: Result = {
        "machine": machine(),
        "dtype": given.dtype,
        "runners": list(settings.runners),
        "peaks": {str(n): peak.measure(n, given.dtype) for n in settings.threads},
        "rows": [],
    }
    steps: list[tuple[list[Result], Result, Workload]]
    if given.curves is None:
        steps = [(found["rows"], {}, WORKLOADS[name]) for name in given.only or WORKLOADS]
    else:
        found["curves"] = {name: [] for name in given.curves or CURVES}
        steps = [
            (rows, {"at": at}, workload)
            for name, rows in found["curves"].items()
            for at, workload in CURVES[name].items()
        ]
        settings = dataclasses.replace(settings, cold=False)
    for rows, place, workload in steps:
        print(workload.name, file=sys.stderr)
        workload = dataclasses.replace(workload, dtype=given.dtype)
        rows += [{**place, **row} for row in measure(workload, settings)]
        if given.json:
            Path(given.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def read(path: str) -> Result:
    """What `--json` wrote; of a run that was stopped, without curves that had not begun."""
    found: Result = json.loads(Path(path).read_text(encoding="utf-8"))
    if "curves" in found:
        found["curves"] = {name: rows for name, rows in found["curves"].items() if rows}
    return found


def tell(found: Result, markdown: bool) -> None:
    """Print the tables of what was measured."""
    print(report.where(found))
    if "curves" in found:
        for name, rows in found["curves"].items():
            title = f"microseconds a step, as the {name} grows"
            tables.show(title, curves.table(name, rows), markdown, words=0)
    else:
        report.show(found, markdown)
    for line in report.errors(found):
        print(line)


def chosen(given: argparse.Namespace) -> Settings:
    """The settings that were asked for."""
    interpreters = peers.found({x.framework for x in RUNNERS.values()}, given.interpreters)
    known = {name: x.framework for name, x in RUNNERS.items()}
    names = [name for name in RUNNERS if known[name] in interpreters]
    if given.peers is not None:
        for wanted in given.peers:
            if wanted not in known and wanted not in known.values():
                given.error(f"no peer {wanted!r}; there are {', '.join(RUNNERS)}")
        names = [n for n in names if n == OWN or {n, known[n]} & set(given.peers)]
    threads = given.threads or sorted({1, cores()})
    return Settings(interpreters, names, threads, given.rounds, given.seconds)
