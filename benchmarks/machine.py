"""Where something was measured, and with what."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str | int | None]:
    """The processor, how many cores there are, and the versions that count."""
    packages = {name: version(name) for name in ("numpy", "llvmlite", "scipy")}
    return {
        "processor": processor(),
        "cores": cores(),
        "python": platform.python_version(),
        **packages,
    }


def processor() -> str:
    """The processor's name, as far as the system tells."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
