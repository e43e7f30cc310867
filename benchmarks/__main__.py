"""The command line: `python -m benchmarks cpu`, `compile` and `products`."""

from __future__ import annotations

import argparse

from . import compile, products
from .cpu import command


def main() -> None:
    """Run a benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    kinds = parser.add_subparsers(required=True)
    compile.add_options(kinds.add_parser("compile", help="seconds up to the first step"))
    command.add_options(kinds.add_parser("cpu", help="training and prediction, beside peers"))
    products.add_options(kinds.add_parser("products", help="matrix products, beside SciPy's BLAS"))
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
