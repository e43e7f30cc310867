"""Numbers and files of a command line, checked before anything is measured."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def count(given: str) -> int:
    """An integer of 1 or more."""
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of 1 or more, came {given!r}")
    return int(given)


def duration(given: str) -> float:
    """Seconds, more than 0."""
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, more than 0, came {given!r}")
    return seconds


def new_file(given: str) -> str:
    """A file in a folder that is there."""
    if not Path(given).parent.is_dir() or Path(given).is_dir():
        raise argparse.ArgumentTypeError(f"no file can be written at {given!r}")
    return given


def old_file(given: str) -> str:
    """A file that is there."""
    if not Path(given).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {given!r}")
    return given
