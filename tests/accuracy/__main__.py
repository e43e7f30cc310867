"""How close the functions of target cpu are to the truth: what docs/numbers.md says.

python -m tests.accuracy [--every N] [--mantissas N] [function ...]

Tries every Nth number of float32, all of them if N is 1, against float64, and the worst against
50 digits; and numbers of float64 of every exponent against 50 digits.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from .functions import ROWS, errors, every_exponent, native, truth

CHUNK = 1 << 21
KEPT = 64  # the worst of a chunk are looked at closely


def all_float32(name: str, every: int) -> tuple[int, float, float]:
    """How many numbers were tried, the largest error, and where it is."""
    tried, worst, place = 0, 0.0, 0.0
    for start in range(0, 1 << 32, CHUNK * every):
        x = np.arange(start, min(start + CHUNK * every, 1 << 32), every, dtype=np.uint64)
        given = x.astype(np.uint32).view(np.float32)
        (came,) = native(name, "float32").call(given)
        tried += given.size
        suspects = given[suspicious(name, given, came)]
        if not suspects.size:
            continue
        (again,) = native(name, "float32").call(suspects)
        wrong = errors(again, truth(name, suspects))
        i = int(np.argmax(wrong))
        if wrong[i] > worst:
            worst, place = float(wrong[i]), float(suspects[i])
    return tried, worst, place


def suspicious(name: str, x: npt.NDArray[Any], came: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The places of the largest errors, as float64 sees them."""
    with np.errstate(all="ignore"):
        wide = ROWS[name].wide(x.astype(np.float64))
        rounded = wide.astype(np.float32)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(np.float32).max))
        wrong = np.abs(came.astype(np.float64) - wide) / unit
        same = (came == rounded) | ((came != came) & (rounded != rounded))
    wrong[same & ~np.isfinite(wrong)] = 0
    wrong[~np.isfinite(wrong)] = np.inf
    found: npt.NDArray[Any] = np.argpartition(wrong, -KEPT)[-KEPT:]
    return found


def sampled_float64(name: str, mantissas: int) -> tuple[int, float, float]:
    """The same for numbers of float64."""
    x = every_exponent("float64", mantissas, seed=1)
    (came,) = native(name, "float64").call(x)
    wrong = errors(came, truth(name, x))
    i = int(np.argmax(wrong))
    return x.size, float(wrong[i]), float(x[i])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--mantissas", type=int, default=40)
    parser.add_argument("functions", nargs="*", default=list(ROWS))
    given = parser.parse_args()
    start = time.perf_counter()
    print("| function | float32 | at | float64 | at |\n| --- | --- | --- | --- | --- |")
    counts = 0, 0
    for name in given.functions:
        n32, worst32, at32 = all_float32(name, given.every)
        n64, worst64, at64 = sampled_float64(name, given.mantissas)
        counts = n32, n64
        print(f"| {name} | {worst32:.2f} | {at32:.9g} | {worst64:.2f} | {at64:.17g} |", flush=True)
    print(f"{counts[0]:,} and {counts[1]:,} numbers in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
