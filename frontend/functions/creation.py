"""Tensors made from nothing: constants, counting, the identity."""

from __future__ import annotations

import math
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, const
from chainrule.compiler.ops import shape as ops
from chainrule.compiler.ops.arithmetic import equal, greater_equal, maximum, where
from chainrule.compiler.ops.convert import cast, iota, size
from chainrule.compiler.types import FLOATS, Dim, Size, sub

from ..constants import dtype_name
from ..integers import count, integer
from ..tensor import DEFAULT_FLOAT, Like, Tensor, as_tensor, public, result_type
from .shaping import ShapeLike, shape_of


@public
def full(shape: ShapeLike, fill_value: float, *, dtype: Any = None) -> Tensor:
    """A tensor that has one value everywhere.

    Args:
        shape: its shape; sizes of other tensors, such as `x.shape[0]`, too.
        fill_value: a number.
        dtype: by default float32 for a float, int64 for an integer, bool for a truth value.

    Returns:
        A tensor of that shape.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.full((2,), 0.5))
        array([0.5, 0.5], dtype=float32)
    """
    return _filled("full", shape, fill_value, dtype)


def _filled(name: str, shape: ShapeLike, fill_value: Like, dtype: Any) -> Tensor:
    given = as_tensor(fill_value)
    if given.ndim:
        raise ShapeError(
            f"{name}: the value is {given.node.type}",
            "expected one number",
            "broadcast_to repeats what has axes",
        )
    kind = {"float64": DEFAULT_FLOAT}.get(given.dtype, given.dtype) if given.weak else given.dtype
    node = cast(given.node, kind if dtype is None else dtype_name(dtype))
    return Tensor(ops.broadcast_to(node, shape=shape_of(name, shape)))


@public
def zeros(shape: ShapeLike, *, dtype: Any = DEFAULT_FLOAT) -> Tensor:
    """Zeros.

    Args:
        shape: the shape.
        dtype: float32 by default.

    Returns:
        A tensor of that shape.

    Example:
        >>> import chainrule as cr
        >>> cr.zeros((2, 3))
        <tensor broadcast_to: f32[2, 3]>
    """
    return _filled("zeros", shape, 0, dtype)


@public
def ones(shape: ShapeLike, *, dtype: Any = DEFAULT_FLOAT) -> Tensor:
    """Ones.

    Args:
        shape: the shape.
        dtype: float32 by default.

    Returns:
        A tensor of that shape.

    Example:
        >>> import chainrule as cr
        >>> cr.ones((2, 3))
        <tensor broadcast_to: f32[2, 3]>
    """
    return _filled("ones", shape, 1, dtype)


@public
def full_like(x: Like, /, fill_value: float, *, dtype: Any = None) -> Tensor:
    """A tensor of the shape of `x` that has one value everywhere.

    Args:
        x: a tensor.
        fill_value: a number.
        dtype: by default that of x.

    Returns:
        A tensor of that shape.

    Example:
        >>> import chainrule as cr
        >>> cr.full_like(cr.tensor("x", (None, 3)), 0.5)
        <tensor broadcast_to: f32[batch, 3]>
    """
    given = as_tensor(x)
    return full(given.shape, fill_value, dtype=given.dtype if dtype is None else dtype)


@public
def zeros_like(x: Like, /, *, dtype: Any = None) -> Tensor:
    """Zeros of the shape of `x`.

    Args:
        x: a tensor.
        dtype: by default that of x.

    Returns:
        A tensor of that shape.

    Example:
        >>> import chainrule as cr
        >>> cr.zeros_like(cr.tensor("x", (None, 3)))
        <tensor broadcast_to: f32[batch, 3]>
    """
    return full_like(x, 0, dtype=dtype)


@public
def ones_like(x: Like, /, *, dtype: Any = None) -> Tensor:
    """Ones of the shape of `x`.

    Args:
        x: a tensor.
        dtype: by default that of x.

    Returns:
        A tensor of that shape.

    Example:
        >>> import chainrule as cr
        >>> cr.ones_like(cr.tensor("x", (None, 3)))
        <tensor broadcast_to: f32[batch, 3]>
    """
    return full_like(x, 1, dtype=dtype)


@public
def arange(
    start: float | Size, /, stop: float | None = None, step: float = 1, *, dtype: Any = None
) -> Tensor:
    """Numbers start, start + step, ... before stop; from 0 where there is one argument.

    Args:
        start: the first number; alone, it is `stop`, which may be a size such as `x.shape[0]`.
        stop: where to end, itself not included.
        step: the difference of two neighbors, not 0.
        dtype: by default int64, or float32 where an argument is a float.

    Returns:
        A tensor of one axis.

    Raises:
        UsageError: step is 0.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.arange(0, 10, 3))
        array([0, 3, 6, 9])
    """
    floats = any(isinstance(x, float) for x in (start, stop, step))
    kind = dtype_name((DEFAULT_FLOAT if floats else "int64") if dtype is None else dtype)
    if isinstance(start, Size):
        if stop is not None:
            raise UsageError(
                f"arange from {start}", "a named size stands alone", "add to cr.arange(x.shape[0])"
            )
        return Tensor(iota(start, kind))
    for given in (start, step, 0 if stop is None else stop):
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise UsageError(
                f"arange: {given!r:.60}", "expected numbers", "such as cr.arange(0, 10, 2)"
            )
    if step == 0:
        raise UsageError(
            "arange: the step is 0",
            "expected another number, negative to count down",
            "full gives equal numbers",
        )
    first, last = (0, start) if stop is None else (start, stop)
    places = iota(max(math.ceil((last - first) / step), 0), kind)
    scaled = places if step == 1 else places * step
    return Tensor(scaled if first == 0 else scaled + first)


@public
def linspace(
    start: Like, stop: Like, /, num: int | Size, *, dtype: Any = None, endpoint: bool = True
) -> Tensor:
    """Numbers at equal distances, start + i (stop - start) / (num - 1) for i = 0, 1, ...

    Args:
        start: the first number: a number, or a tensor without axes.
        stop: the last number, likewise. Where num is 1, there is but the first.
        num: how many.
        dtype: float32 or float64; by default that of a tensor given, float32 for numbers.
        endpoint: whether `stop` is the last one; else it would be the next, at distances of
            (stop - start) / num.

    Returns:
        A tensor of one axis.

    Raises:
        ShapeError: start or stop has axes.
        DTypeError: the dtype is none of floats.
        UsageError: num is no number from 0.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.linspace(0.0, 1.0, 5))
        array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    length = count("linspace", "num", num)
    ends = as_tensor(start), as_tensor(stop)
    for end in ends:
        if end.ndim or end.dtype == "bool":
            raise (ShapeError if end.ndim else DTypeError)(
                f"linspace: an end is {end.node.type}",
                "expected numbers",
                "such as cr.linspace(0, 1, 5)",
            )
    numbers, given = all(end.weak for end in ends), result_type(*ends)
    kind = given if given in FLOATS and not numbers else DEFAULT_FLOAT
    kind = kind if dtype is None else dtype_name(dtype)
    if kind not in FLOATS:
        raise DTypeError(
            f"linspace of dtype {kind}", "expected float32 or float64", "arange counts in integers"
        )
    # Numbers are divided in float64, as NumPy does, whatever the result is.
    within = "float64" if numbers or "float64" in (given, kind) else "float32"
    a, b = (cast(end.node, within) for end in ends)
    places = iota(length, a.dtype)
    if not endpoint:
        return Tensor(cast(a + places * ((b - a) / _at_least_1(length, a.dtype)), kind))
    last = _at_least_1(sub(length, 1), a.dtype)
    inner = a + places * ((b - a) / last)
    return Tensor(cast(where(greater_equal(places, last), b, inner), kind))


def _at_least_1(n: Dim, dtype: str) -> Node:
    return const(max(n, 1), dtype) if isinstance(n, int) else maximum(size(n, dtype), 1)


@public
def eye(
    n_rows: int | Size,
    n_cols: int | Size | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = DEFAULT_FLOAT,
) -> Tensor:
    """Ones on a diagonal, zeros elsewhere.

    Args:
        n_rows: the number of rows.
        n_cols: the number of columns; as many as rows by default.
        k: which diagonal: 0 the main one, 1 the one above it.
        dtype: float32 by default.

    Returns:
        A tensor of two axes.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.eye(2))
        array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    m, n = shape_of("eye", (n_rows, n_rows if n_cols is None else n_cols))
    k = integer("eye", "k", k)
    rows = ops.reshape(iota(m), shape=(m, 1))
    return Tensor(cast(equal(iota(n), rows if k == 0 else rows + k), dtype_name(dtype)))


@public
def asarray(value: Any, /, *, dtype: Any = None) -> Tensor:
    """An array, a number or nested lists of numbers as a constant of the graph.

    Args:
        value: at most 4,096 elements: they stand in the program's text.
        dtype: by default the array's own; float32 for Python floats, int64 for integers.

    Returns:
        A tensor that keeps the values as they are now.

    Raises:
        UsageError: there are too many elements: make it an input.
        DTypeError: the elements are not numbers.

    Example:
        >>> import chainrule as cr
        >>> cr.asarray([[1.0, 2.0], [3.0, 4.0]])
        <tensor literal: f32[2, 2]>
    """
    import numpy as np

    if isinstance(value, Tensor):
        return value if dtype is None else value.astype(dtype)
    array = np.asarray(value)
    if dtype is None and not isinstance(value, np.ndarray | np.generic):
        if array.dtype == np.float64:
            dtype = DEFAULT_FLOAT
    return as_tensor(array if dtype is None else array.astype(dtype_name(dtype)))
