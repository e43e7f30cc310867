"""How a step grows with the width of a network, with the batch, and with the depth."""

from __future__ import annotations

from collections.abc import Sequence

from ..processes import Result
from .report import best, digits, ratio, time
from .runners import OWN
from .workloads import Workload
from .workloads.dense import Dense


def wide(width: int) -> Dense:
    """Two hidden layers as wide as the input."""
    return Dense(
        name=f"width-{width}",
        widths=(width, width, width, 10),
        batch=64,
        batches=min(64, max(2, 16384 // width)),
        rate=1e-4 if width < 4096 else 1e-5,
    )


def batched(batch: int) -> Dense:
    """Two hidden layers of 256, and so many samples a step."""
    return Dense(
        name=f"batch-{batch}",
        widths=(256, 256, 256, 10),
        batch=batch,
        batches=min(256, max(2, 4096 // batch)),
        rate=1e-4,
    )


def deep(depth: int) -> Dense:
    """So many hidden layers of 64."""
    return Dense(
        name=f"depth-{depth}",
        widths=(*[64] * (depth + 1), 10),
        batch=32,
        batches=64,
        rate=1e-4,
    )


CURVES: dict[str, dict[int, Workload]] = {
    "width": {n: wide(n) for n in (16, 64, 256, 1024, 4096)},
    "batch": {n: batched(n) for n in (1, 8, 64, 512, 4096)},
    "depth": {n: deep(n) for n in (1, 3, 10, 30, 100)},
}


def table(name: str, rows: Sequence[Result]) -> list[list[str]]:
    """Our time beside the best peer's, and which it is."""
    found = [[name, "threads", OWN, "best peer", "ratio"]]
    for row in rows:
        faster, peer = ratio(row, "minimum"), best(row, "minimum")
        found.append(
            [
                str(row["at"]),
                str(row["threads"]),
                time(row["runners"][OWN]),
                "" if peer is None else f"{time(row['runners'][peer])} {peer}",
                "" if faster is None else digits(faster),
            ]
        )
    return found
