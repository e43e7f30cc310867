"""SciPy's OpenBLAS, which factors and solves: inside a program it has one thread.

Its own threads spin while they wait, and on a machine that has anything else to do small matrices
take ten times as long with them; and what it computes depends on how many they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_change = threading.Lock()
_inside = 0  # how many calls are in programs now
_before = 1  # the threads that it had before the first of them


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, it has one thread; where SciPy has another library, that does as it likes.

    Of calls at the same time, the last to end gives its threads back.
    """
    library = _openblas()
    if library is None:
        yield
        return
    _enter(library)
    try:
        yield
    finally:
        _leave(library)


def _enter(library: Any) -> None:
    global _inside, _before
    with _change:
        if not _inside:
            _before = library.scipy_openblas_get_num_threads()
            if _before > 1:
                library.scipy_openblas_set_num_threads(1)
        _inside += 1


def _leave(library: Any) -> None:
    global _inside
    with _change:
        _inside -= 1
        if not _inside and _before > 1:
            library.scipy_openblas_set_num_threads(_before)


def _in_child() -> None:
    """In a child of a fork, nobody is in a call."""
    global _change, _inside
    _change, _inside = threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@cache
def _openblas() -> Any:
    """The OpenBLAS that SciPy's wheels carry, if this SciPy is one."""
    spec = importlib.util.find_spec("scipy")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    for folder in (package.parent / "scipy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*scipy_openblas*")):
            with contextlib.suppress(OSError):
                library = ctypes.CDLL(str(path))
                if hasattr(library, "scipy_openblas_set_num_threads"):
                    return library
    return None
