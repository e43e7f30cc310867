"""Workloads so small that they take no time, one of each kind."""

from __future__ import annotations

from benchmarks.cpu.workloads import Workload
from benchmarks.cpu.workloads.dense import Dense

TINY: tuple[Workload, ...] = (
    Dense(name="binary", widths=(3, 1), batch=4, batches=3),
    Dense(name="classes", widths=(5, 4, 3), batch=4, batches=3, activation="tanh"),
    Dense(name="doubles", widths=(5, 4, 3), batch=4, batches=3, dtype="float64"),
)
