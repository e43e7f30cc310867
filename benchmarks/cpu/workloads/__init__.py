"""The workloads, a file for each kind: `WORKLOADS` is the table of what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Sample, Workload
from .dense import DENSE, Dense

__all__ = ["KINDS", "WORKLOADS", "Sample", "Workload", "workload"]

KINDS: dict[str, type[Workload]] = {kind.__name__: kind for kind in (Dense,)}
WORKLOADS: dict[str, Workload] = {given.name: given for given in (*DENSE,)}


def workload(described: Mapping[str, Any]) -> Workload:
    """The workload that `Workload.describe` described."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in described.items()
        if name != "kind"
    }
    return KINDS[described["kind"]](**fields)
