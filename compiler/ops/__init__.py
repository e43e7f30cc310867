"""The table of ops: one row or one small class each. Importing this fills `ir.OPS`."""

from . import (
    algebra,
    arithmetic,
    convert,
    elementary,
    gradient,
    index,
    linear,
    normalization,
    order,
    phase,
    random,
    reduce,
    running,
    shape,
    special,
    stable,
)

__all__ = [
    "algebra",
    "arithmetic",
    "convert",
    "elementary",
    "gradient",
    "index",
    "linear",
    "normalization",
    "order",
    "phase",
    "random",
    "reduce",
    "running",
    "shape",
    "special",
    "stable",
]
