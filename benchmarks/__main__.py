"""The command line: `python -m benchmarks compile --peer /path/to/python/with/jax`."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from . import compile
from .cases import NAMES


def main() -> None:
    """Run a benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("what", choices=["compile"], help="compile: seconds up to the first step")
    parser.add_argument("names", nargs="*", metavar="case", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--repeat", type=int, default=3, help="how often; medians are told")
    parser.add_argument("--peer", help="an interpreter with JAX, to compile the same GPT")
    parser.add_argument("--json", help="a file for the numbers")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(NAMES)}")
    own = sys.executable if importlib.util.find_spec("jax") else None
    compile.main(given.names, given.repeat, given.peer or own, given.json, given.markdown)


if __name__ == "__main__":
    main()
