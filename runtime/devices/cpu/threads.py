"""How many threads BLAS may use: one, unless a product is large enough to keep several busy.

OpenBLAS splits products from some 100,000 multiply-adds on and lets its threads spin. On a machine
that has anything else to do, such a product takes ten times as long as on one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chainrule.compiler.program import Program
from chainrule.compiler.types import value

# Multiply-adds from which a product takes about a millisecond on one core.
LARGE = 1 << 26


# Makes what a call is to be run in, if there is such a thing.
Around = Callable[[], contextlib.AbstractContextManager[None]] | None
# Multiply-adds up to which OpenBLAS never splits a product.
SERIAL = 1 << 15


def one_if_better(program: Program, sizes: Mapping[str, int]) -> Around:
    """`one_thread`, if a program with such sizes had better run inside; else None."""
    found = [value(m, sizes) * value(k, sizes) * value(n, sizes) for m, k, n in program.products]
    return one_thread if SERIAL < max(found, default=0) < LARGE else None


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, SciPy's BLAS uses one thread; where it is not OpenBLAS, as many as it likes."""
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
