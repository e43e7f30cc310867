"""The table of ops: one row or one small class each. Importing this fills `ir.OPS`."""

from . import (
    arithmetic,
    convert,
    elementary,
    gradient,
    index,
    linear,
    random,
    reduce,
    shape,
    special,
    stable,
)

__all__ = [
    "arithmetic",
    "convert",
    "elementary",
    "gradient",
    "index",
    "linear",
    "random",
    "reduce",
    "shape",
    "special",
    "stable",
]
