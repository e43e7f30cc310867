"""Tables of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from .. import tables
from ..processes import Result
from .runners import OWN

TITLES = {
    "steps": "microseconds a step, median of the rounds (and the fastest epoch of all)",
    "starts": "seconds to the first step, and the most megabytes: in all, and what imports left",
}
STARTS: dict[str, Callable[[Result], float | None]] = {
    "cold": lambda x: x.get("cold"),
    "warm": lambda x: x.get("warm"),
    "MB": lambda x: x.get("megabytes"),
    "MB after imports": lambda x: x["megabytes"] - x["imported"] if "megabytes" in x else None,
}


def show(report: Result, markdown: bool) -> None:
    """Print the tables of the workloads."""
    for kind, table in (("steps", steps(report)), ("starts", starts(report))):
        tables.show(TITLES[kind], table, markdown, words=2)


def where(report: Result) -> str:
    """The machine, and its peaks as measured in this run."""
    machine = report["machine"]
    peaks = []
    for threads, peak in report["peaks"].items():
        copies = [f"{speed / 1e9:.0f}" for speed in peak["bandwidth"].values()]
        peaks.append(
            f"{threads} thread{'s' * (int(threads) > 1)}: {peak['flops'] / 1e9:.0f} GFLOP/s, "
            f"copies {copies[0]} (in the first cache) to {copies[-1]} GB/s (in memory)"
        )
    return (
        f"{machine['processor']}, {machine['cores']} cores, {report['dtype']}. {'; '.join(peaks)}."
    )


def steps(report: Result) -> list[list[str]]:
    """Times a step, ours beside each peer's, and how near ours is to what the machine can do."""
    peers = _peers(report)
    found = [["workload", "threads", OWN, *peers, "ratio", "GFLOP/s", "of peak", "of roofline"]]
    for row in report["rows"]:
        own = row["runners"][OWN]
        cells = [row["workload"]["name"], str(row["threads"])]
        cells += [time(row["runners"].get(name)) for name in (OWN, *peers)]
        if "median" in own:
            faster = ratio(row, "median"), ratio(row, "minimum")
            cells.append("" if faster[0] is None else f"{faster[0]:.2f} ({faster[1]:.2f})")
            cells += _shares(row, report["peaks"][str(row["threads"])])
        found.append(cells + [""] * (len(found[0]) - len(cells)))
    return found


def best(row: Result, kind: str) -> str | None:
    """The fastest peer, of those that were timed."""
    times = {name: x[kind] for name, x in row["runners"].items() if kind in x and name != OWN}
    return min(times, key=lambda name: times[name], default=None)


def ratio(row: Result, kind: str) -> float | None:
    """The best peer's time in units of ours: above 1, ours is faster."""
    peer, own = best(row, kind), row["runners"][OWN].get(kind)
    return None if peer is None or own is None else float(row["runners"][peer][kind] / own)


def _shares(row: Result, peak: Result) -> list[str]:
    """Operations a second of our fastest epoch; share of the peak, and of the roofline."""
    seconds = row["runners"][OWN]["minimum"] * 1e-6
    floor = row["flops"] / peak["flops"] + row["bytes"] / bandwidth(peak, row["bytes"])
    rate = row["flops"] / seconds
    return [f"{rate / 1e9:.1f}", f"{rate / peak['flops']:.0%}", f"{floor / seconds:.0%}"]


def bandwidth(peak: Result, size: float) -> float:
    """Bytes a second of the smallest copy that is as large."""
    sizes: Mapping[str, float] = peak["bandwidth"]
    fitting = [s for s in sizes if int(s) >= size] or [max(sizes, key=int)]
    return sizes[min(fitting, key=int)]


def starts(report: Result) -> list[list[str]]:
    """Seconds of the first start and of the second, and memory: ours beside the best peer's."""
    head = [f"{kind}: {who}" for kind in STARTS for who in (OWN, "best peer")]
    found = [["workload", "threads", *head]]
    for row in report["rows"]:
        cells = [row["workload"]["name"], str(row["threads"])]
        for what in STARTS.values():
            told = {name: what(x) for name, x in row["runners"].items()}
            numbers = {name: x for name, x in told.items() if x is not None}
            own = numbers.pop(OWN, None)
            cells.append("" if own is None else digits(own))
            peer = min(numbers, key=lambda name: numbers[name], default=None)
            cells.append("" if peer is None else f"{digits(numbers[peer])} {peer}")
        found.append(cells)
    return found


def errors(report: Result) -> list[str]:
    """Why a cell is empty."""
    return [
        f"{row['workload']['name']}, {name}, {row['threads']} threads: {x['error']}"
        for row in (*report["rows"], *chain(*report.get("curves", {}).values()))
        for name, x in row["runners"].items()
        if "error" in x
    ]


def _peers(report: Result) -> Sequence[str]:
    return [name for name in report["runners"] if name != OWN]


def time(result: Result | None) -> str:
    """The median, and the minimum in parentheses; or why there is none."""
    if result is None:
        return "-"
    if "median" not in result:
        return "differs" if "difference" in result else "fails"
    return f"{digits(result['median'])} ({digits(result['minimum'])})"


def digits(x: float) -> str:
    """At least three digits that count."""
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:,.0f}"
