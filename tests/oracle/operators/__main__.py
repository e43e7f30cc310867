"""Compare with all of PyTorch's float64 samples, and print what came of it.

python -m tests.oracle.operators [--target numpy|cpu] [--most N] [operator ...]
"""

from __future__ import annotations

import argparse
import collections
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from .absent import ABSENT
from .compare import Case, Outcome, compare, judge, prepare, run
from .row import Row, Uncompared
from .samples import database, samples
from .tables import ROWS

Notes = collections.Counter[str]


def outcomes(operator: Any, row: Row, given: Iterable[Any], target: str) -> list[Outcome]:
    """What comes of each sample: in a program each for numpy, all in one for cpu."""
    if target == "numpy":
        return [guarded(operator, row, sample) for sample in given]
    found: list[Outcome] = []
    cases: list[Case] = []
    for i, sample in enumerate(given):
        try:
            cases.append(prepare(operator, row, sample, f"s{i}"))
        except Uncompared as refused:
            found.append(Outcome(reason=str(refused)))
    try:
        results = run(cases, target) if cases else []
    except Exception as error:
        return [*found, *(Outcome([one_line(error)]) for _ in cases)]
    return [*found, *(judge(case, got) for case, got in zip(cases, results, strict=True))]


def guarded(operator: Any, row: Row, sample: Any) -> Outcome:
    """A sample that raises is one that differs."""
    try:
        return compare(operator, row, sample)
    except Exception as error:
        return Outcome([one_line(error)])


def one_line(error: Exception) -> str:
    """An error's kind and message, for a table."""
    return f"{type(error).__name__}: {' / '.join(str(error).split(chr(10)))[:200]}"


def report(name: str, found: Sequence[Outcome], seconds: float, notes: Mapping[str, Notes]) -> int:
    """Print what is wrong, count the rest, and say how many samples agree."""
    agreed = sum(not o.wrong and not o.reason for o in found)
    wrong = collections.Counter(line for o in found for line in o.wrong)
    if wrong:
        print(f"{name}: {agreed} of {len(found)} samples, {seconds:.1f} s", flush=True)
    for line, count in wrong.most_common(3):
        print(f"    {count} x {line}", flush=True)
    for o in found:
        if o.reason:
            notes["not compared"][f"{name}: {o.reason}"] += 1
        for kind, lines in (("inaccurate", o.inaccurate), ("differences", o.instead)):
            for line in lines:
                notes[kind][f"{name}: {line.split(':')[0]}"] += 1
    return agreed


TITLES = {
    "not compared": "Not compared",
    "inaccurate": "PyTorch wrong, ours right at many digits",
    "differences": "PyTorch has no second derivative; ours right at many digits",
}


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description="every float64 sample of PyTorch's operators")
    parser.add_argument("names", nargs="*", help="operators; all by default")
    parser.add_argument("--target", choices=("numpy", "cpu"), default="numpy")
    parser.add_argument("--most", type=int, help="samples of each operator; all by default")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    operators = database()
    notes: dict[str, Notes] = {kind: collections.Counter() for kind in TITLES}
    names = chosen.names or [name for name in ROWS if name in operators]
    started, whole, agreed, made = time.perf_counter(), 0, 0, 0
    for name in names:
        began = time.perf_counter()
        given = list(islice(samples(operators[name]), chosen.most))
        found = outcomes(operators[name], ROWS[name], given, chosen.target)
        fine = report(name, found, time.perf_counter() - began, notes)
        whole += fine == len(found)
        agreed, made = agreed + fine, made + len(found)
    for kind, title in TITLES.items():
        print(f"\n{title}: {notes[kind].total()} samples")
        for line, count in notes[kind].items():
            print(f"    {count} x {line}")
    print(
        f"\n{whole} of {len(names)} operators in full, {agreed} of {made} samples, "
        f"{time.perf_counter() - started:.0f} s; {len(ABSENT)} operators are not ours"
    )


if __name__ == "__main__":
    main()
