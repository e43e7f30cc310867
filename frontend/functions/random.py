"""Random numbers, `cr.random`: functions of a seed and of their position, the same on every target.

Without a seed they are a model's: new ones in each step of training, as the seed of `fit` has it;
outside training the same ones for every batch and in every call, so that what `evaluate` and
`predict` give does not change from call to call. In a loop every step draws its own.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, Op
from chainrule.compiler.ops.convert import cast
from chainrule.compiler.ops.random import NORMAL, UNIFORM
from chainrule.compiler.types import FLOATS

from ..constants import dtype_name
from ..drawing import drawn
from ..tensor import DEFAULT_FLOAT, Like, Tensor, as_tensor, public
from .shaping import ShapeLike, shape_of

__all__ = ["normal", "uniform"]


@public
def normal(
    shape: ShapeLike,
    mean: float = 0.0,
    stddev: float = 1.0,
    *,
    dtype: Any = DEFAULT_FLOAT,
    seed: Like | None = None,
) -> Tensor:
    """Numbers of a normal distribution, mean + stddev e.

    Args:
        shape: the shape; sizes of other tensors, such as `x.shape[0]`, too.
        mean: of the distribution.
        stddev: of the distribution, at least 0.
        dtype: float32 by default.
        seed: an integer, of which alone the numbers are then a function; None: they are a model's.

    Returns:
        A tensor of that shape. Draws of one seed differ, each is a stream of its own.

    Raises:
        UsageError: a number is none, or stddev is negative.
        DTypeError: the dtype is not of floats, or the seed no integer.
        ShapeError: the seed has axes.

    Example:
        >>> import chainrule as cr
        >>> m, s = cr.Input((2,)), cr.Input((2,))
        >>> z = m + s * cr.random.normal(m.shape)

    Source:
        Box, Muller 1958, "A note on the generation of random normal deviates".
    """
    if not _finite(stddev) or stddev < 0 or not _finite(mean):
        raise UsageError(
            f"random.normal with mean={mean!r}, stddev={stddev!r}",
            "expected numbers, and none below 0 for the deviation",
            "tensors are multiplied and added: m + s * cr.random.normal(m.shape)",
        )
    found = _drawn("normal", NORMAL, shape, dtype, seed)
    scaled = found if stddev == 1 else stddev * found
    return scaled if mean == 0 else scaled + mean


@public
def uniform(
    shape: ShapeLike,
    minval: float = 0.0,
    maxval: float = 1.0,
    *,
    dtype: Any = DEFAULT_FLOAT,
    seed: Like | None = None,
) -> Tensor:
    """Numbers that are equally likely everywhere from minval to before maxval.

    Args:
        shape: the shape; sizes of other tensors, such as `x.shape[0]`, too.
        minval: the smallest number.
        maxval: the bound above.
        dtype: float32 by default.
        seed: an integer, of which alone the numbers are then a function; None: they are a model's.

    Returns:
        A tensor of that shape. Draws of one seed differ, each is a stream of its own.

    Raises:
        UsageError: the bounds are no numbers, or in the wrong order.
        DTypeError: the dtype is not of floats, or the seed no integer.
        ShapeError: the seed has axes.

    Example:
        >>> import chainrule as cr
        >>> s = cr.tensor("s", (), dtype="int64")
        >>> f = cr.function([s], cr.random.uniform((3,), seed=s), target="numpy")
        >>> [round(float(u), 4) for u in f(1)]
        [0.8903, 0.672, 0.2474]

    Source:
        Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10.
    """
    if not _finite(minval) or not _finite(maxval) or minval > maxval:
        raise UsageError(
            f"random.uniform from {minval!r} to {maxval!r}",
            "expected two numbers, the smaller one first",
            "tensors are multiplied and added: a + (b - a) * cr.random.uniform(a.shape)",
        )
    found = _drawn("uniform", UNIFORM, shape, dtype, seed)
    scaled = found if maxval - minval == 1 else (maxval - minval) * found
    return scaled if minval == 0 else scaled + minval


def _drawn(name: str, op: Op, shape: ShapeLike, dtype: Any, seed: Like | None) -> Tensor:
    kind = dtype_name(dtype)
    if kind not in FLOATS:
        raise DTypeError(
            f"random.{name} of {kind}", "expected float32 or float64", "convert with astype"
        )
    given = None if seed is None else _seed(name, as_tensor(seed).node)
    return drawn(op, shape_of(f"random.{name}", shape), kind, given)


def _seed(name: str, seed: Node) -> Node:
    if seed.shape:
        raise ShapeError(
            f"random.{name}: the seed is {seed.type}", "expected one integer", "such as seed=1"
        )
    if seed.dtype not in ("int32", "int64"):
        raise DTypeError(
            f"random.{name}: the seed is {seed.type}",
            "expected int32 or int64",
            'cr.tensor("seed", (), dtype="int64")',
        )
    return cast(seed, "int64")


def _finite(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)
