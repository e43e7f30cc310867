"""What was measured, drawn: a dot for each framework and workload, or a line for each curve."""

from __future__ import annotations

from typing import Any

from ..processes import Result
from .runners import OWN, RUNNERS

COLORS = dict(
    zip(
        RUNNERS,
        ("black", "tab:blue", "tab:cyan", "tab:red", "tab:orange", "tab:green", "tab:purple"),
        strict=True,
    )
)
KIND = "minimum"  # of all epochs: what a busy machine disturbs the least


def draw(report: Result, path: str) -> None:
    """Write a picture of the report: its format is what the name ends with."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 2 + 0.32 * len(report["rows"])), layout="constrained")
    if "curves" in report:
        figure.set_size_inches(14, 5)
        _curves(figure, report)
    else:
        _rows(figure, report)
    figure.savefig(path, dpi=120)


def _rows(figure: Any, report: Result) -> None:
    """Times in units of ours: what lies right of the line takes longer."""
    threads = list(dict.fromkeys(row["threads"] for row in report["rows"]))
    panels = figure.subplots(1, len(threads), sharey=True, squeeze=False)[0]
    for panel, n in zip(panels, threads, strict=True):
        rows = [row for row in report["rows"] if row["threads"] == n][::-1]
        for name in report["runners"]:
            places = [
                (runners[name][KIND] / runners[OWN][KIND], place)
                for place, row in enumerate(rows)
                if KIND in (runners := row["runners"])[OWN] and KIND in runners.get(name, {})
            ]
            if places:
                panel.scatter(*zip(*places, strict=True), color=COLORS[name], label=name, zorder=3)
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log")
        panel.set_yticks(range(len(rows)), [row["workload"]["name"] for row in rows])
        panel.grid(axis="both", color="0.9")
        panel.set_title(f"{n} thread{'s' * (n > 1)}")
        panel.set_xlabel("time of a step, in units of ours")
    _legend(figure, panels)


def _curves(figure: Any, report: Result) -> None:
    """Microseconds a step, for as many threads as there are."""
    panels = figure.subplots(1, len(report["curves"]), squeeze=False)[0]
    for panel, (what, rows) in zip(panels, report["curves"].items(), strict=True):
        most = max(row["threads"] for row in rows)
        for name in report["runners"]:
            points = [
                (row["at"], row["runners"][name][KIND])
                for row in rows
                if row["threads"] == most and KIND in row["runners"].get(name, {})
            ]
            if points:
                x, y = zip(*points, strict=True)
                width = 2 if name == OWN else 1
                panel.plot(x, y, "o-", color=COLORS[name], label=name, linewidth=width)
        panel.set_xscale("log")
        panel.set_yscale("log")
        sizes = sorted({row["at"] for row in rows})
        panel.set_xticks(sizes, list(map(str, sizes)))
        panel.set_xticks([], minor=True)
        panel.grid(color="0.9")
        panel.set_xlabel(what)
        panel.set_title(f"{most} thread{'s' * (most > 1)}")
    panels[0].set_ylabel("microseconds a step")
    _legend(figure, panels)


def _legend(figure: Any, panels: Any) -> None:
    handles, labels = panels[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
