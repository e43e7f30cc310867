"""SciPy's OpenBLAS, which factors and solves: inside a program it has one thread.

Its own threads spin while they wait, and on a machine that has anything else to do small matrices
take ten times as long with them; and what it computes depends on how many they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, it has one thread; where SciPy has another library, that does as it likes."""
    library = _openblas()
    threads = 1 if library is None else library.scipy_openblas_get_num_threads()
    if threads == 1:
        yield
        return
    assert library is not None
    library.scipy_openblas_set_num_threads(1)
    try:
        yield
    finally:
        library.scipy_openblas_set_num_threads(threads)


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
