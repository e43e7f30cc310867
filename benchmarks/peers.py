"""Frameworks to compare with, and the interpreters that have them: `--peer jax=/path/to/python`."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from collections.abc import Iterable


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--peer` to a command."""
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        type=_pair,
        metavar="FRAMEWORK=PYTHON",
        dest="interpreters",
        help="an interpreter that has a framework, where this one has not",
    )


def _pair(given: str) -> tuple[str, str]:
    framework, sign, path = given.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"expected FRAMEWORK=PYTHON, came {given!r}")
    if shutil.which(path) is None:
        raise argparse.ArgumentTypeError(f"there is no interpreter {path!r}")
    return framework, path


def found(frameworks: Iterable[str], given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each framework that there is, an interpreter that has it."""
    own = {name: sys.executable for name in frameworks if importlib.util.find_spec(name)}
    return own | dict(given)
