"""What is installed and what works here: what `chainrule doctor` prints."""

from __future__ import annotations

import ctypes
import os
import platform
import warnings
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("chainrule", "numpy", "scipy", "sympy", "llvmlite", "safetensors", "rich")
DRIVERS = ("libcuda.so.1", "nvcuda.dll")


def report() -> dict[str, str]:
    """Findings by what they are about."""
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{name: _version(name) for name in PACKAGES},
        "cache": cache(),
        "threads": threads(),
        "targets": targets(),
        "gpu": gpu(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"not installed: python -m pip install {name}"


def cache() -> str:
    """Where compiled programs are kept, and whether that works."""
    from chainrule.runtime.cache import Cache

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opened = Cache.open()
    if not opened.persistent:
        return str(caught[0].message) if caught else "in memory only"
    files = [path for path in opened.folder.iterdir() if path.is_file()]
    programs = sum(path.suffix == ".json" for path in files)
    size = sum(path.stat().st_size for path in files)
    return f"{opened.folder}: {programs} programs, {size / 1e6:.1f} MB"


def threads() -> str:
    """How many threads programs may use, and on how many cores."""
    from chainrule.compiler.errors import ChainruleError
    from chainrule.runtime.threads import cores, get_num_threads

    try:
        count = get_num_threads()
    except ChainruleError as error:
        return error.what
    return f"{count} of programs at most, on {cores()} of {os.cpu_count()} cores"


def targets() -> str:
    """The targets that can be asked for."""
    from chainrule.compiler.targets import known

    return ", ".join(known())


def gpu() -> str:
    """Whether a CUDA driver is there, and how many devices it sees."""
    for name in DRIVERS:
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return f"{count.value} CUDA devices"
        return "a CUDA driver without a device"
    return "no CUDA driver"
