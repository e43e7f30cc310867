"""Convolution and pooling, and the sliding windows that they are made of."""

from __future__ import annotations

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node
from chainrule.compiler.ops import convolution as ops, pooling, windows as sliding
from chainrule.compiler.ops.shape import pad, transpose
from chainrule.compiler.ops.windows import span
from chainrule.compiler.types import Dim, Shape, add, mul, sub

from ..tensor import Like, Tensor, as_tensor, promote, public
from .geometry import Numbers, Padding, check_format, numbers, padding_of
from .reductions import normal_axis


@public
def conv(
    x: Like,
    w: Like,
    /,
    strides: Numbers = 1,
    padding: Padding = "valid",
    *,
    dilation: Numbers = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """Convolution over one, two or three axes: each result sees a window of x.

    y[b, o, f] = sum over k, c of x[b, o * stride + k * dilation - low, c] w[k, c, f], where x is 0
    outside. The kernel is not reversed.

    Args:
        x: a float tensor, shape `(batch, *space, channels)`.
        w: the kernel, shape `(*sizes, channels / groups, results)`.
        strides: steps from window to window, a number or one for each axis of space.
        padding: "valid": none. "same": as many results as x has places, over the stride. Or
            numbers: for all sides, for each axis, or pairs `(before, after)`.
        dilation: steps inside a window, a number or one for each axis.
        groups: parts of the channels that do not see each other.
        data_format: "channels_last", or "channels_first" for x and y of shape
            `(batch, channels, *space)`.

    Returns:
        A tensor of shape `(batch, *places, results)`.

    Raises:
        ShapeError: channels differ, or the kernel is larger than x.
        UsageError: numbers that do not fit the axes.

    Example:
        >>> import chainrule as cr
        >>> x, w = cr.tensor("x", (None, 28, 28, 1)), cr.tensor("w", (5, 5, 1, 6))
        >>> cr.conv(x, w, padding="same").shape
        (batch, 28, 28, 6)

    Source:
        Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning".
    """
    (given, kernel), weak = promote(x, w)
    first = check_format("conv", data_format)
    (parts,) = numbers("conv", "groups", groups, 1)
    a = _channels_last(given, first)
    rank = _rank("conv", a)
    _kernel("conv", a, kernel)
    if first:
        _channels("conv", given, kernel, mul(kernel.shape[-2], parts))
    size = ops.kernel_of(kernel)
    steps = numbers("conv", "strides", strides, rank)
    gaps = numbers("conv", "dilation", dilation, rank)
    lows, highs = padding_of("conv", padding, a.shape[1:-1], size, steps, gaps)
    result = ops.convolution(a, kernel, ops.Geometry(steps, gaps, lows, highs, parts))
    return Tensor(_restored(result, first), weak)


@public
def conv_transpose(
    y: Like,
    w: Like,
    /,
    strides: Numbers = 1,
    padding: Padding = "valid",
    *,
    output_padding: Numbers | None = None,
    dilation: Numbers = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The transpose of convolution: each element of y adds a multiple of the kernel to the result.

    x[b, p, c] = sum of y[b, o, f] w[k, c, f] over o, k, f with o * stride + k * dilation - low = p.

    Args:
        y: a float tensor, shape `(batch, *places, channels)`.
        w: the kernel, shape `(*sizes, results / groups, channels)`: that of the convolution whose
            transpose this is.
        strides: steps from window to window in the result.
        padding: that of the convolution: "valid", "same" (the result is as long as y times the
            stride) or numbers; it is cut off.
        output_padding: how much longer the result is than what the windows reach, for each axis.
            None: as long as needed, and at least stride times y.
        dilation: steps inside a window.
        groups: parts of the channels that do not see each other.
        data_format: "channels_last" or "channels_first".

    Returns:
        A tensor of shape `(batch, *space, results)`.

    Raises:
        ShapeError: channels differ, or nothing is left after cutting.
        UsageError: numbers that do not fit the axes.

    Example:
        >>> import chainrule as cr
        >>> y, w = cr.tensor("y", (None, 7, 7, 8)), cr.tensor("w", (3, 3, 4, 8))
        >>> cr.conv_transpose(y, w, strides=2, padding="same").shape
        (batch, 14, 14, 4)

    Source:
        Zeiler et al. 2010, "Deconvolutional networks"; Dumoulin and Visin 2016, chapter 4.
    """
    (given, kernel), weak = promote(y, w)
    first = check_format("conv_transpose", data_format)
    a = _channels_last(given, first)
    rank = _rank("conv_transpose", a)
    _kernel("conv_transpose", a, kernel)
    if first:
        _channels("conv_transpose", given, kernel, kernel.shape[-1])
    size = ops.kernel_of(kernel)
    steps = numbers("conv_transpose", "strides", strides, rank)
    gaps = numbers("conv_transpose", "dilation", dilation, rank)
    more = None
    if output_padding is not None:
        more = numbers("conv_transpose", "output_padding", output_padding, rank, 0)
    dims, lows, highs, tails = _transposed(a.shape[1:-1], size, steps, gaps, padding, more)
    (parts,) = numbers("conv_transpose", "groups", groups, 1)
    shape = ops.Geometry(steps, gaps, lows, highs, parts)
    result = ops.convolution_transpose(a, kernel, dims, shape)
    if any(tails):
        none = (0,) * result.type.ndim
        result = pad(result, lows=none, highs=(0, *tails, 0), inner=none, value=0.0)
    return Tensor(_restored(result, first), weak)


def _transposed(
    places: Shape,
    size: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: Padding,
    more: tuple[int, ...] | None,
) -> tuple[Shape, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The spatial sizes of the result, the padding of the convolution that it transposes, zeros.

    The zeros stand behind the result, where no window reaches.
    """
    name, rank = "conv_transpose", len(places)
    reach = tuple(map(span, size, dilation))
    full = tuple(add(mul(sub(n, 1), s), r) for n, s, r in zip(places, strides, reach, strict=True))
    if padding == "same" and more is None:
        lows = tuple(max(r - s, 0) // 2 for r, s in zip(reach, strides, strict=True))
        highs = tuple(max(r - s, 0) - low for r, s, low in zip(reach, strides, lows, strict=True))
        return tuple(map(mul, places, strides)), lows, highs, (0,) * rank
    if padding == "same":
        lows = highs = tuple(r // 2 for r in reach)
    else:
        lows, highs = padding_of(name, padding, full, size, strides, dilation)
    extra = more
    if extra is None:
        longer = padding == "valid"
        extra = tuple(max(s - r, 0) if longer else 0 for s, r in zip(strides, reach, strict=True))
    dims: list[Dim] = []
    tails = [0] * rank
    for axis in range(rank):
        cut = lows[axis] + highs[axis] - extra[axis]
        dims.append(sub(full[axis], cut))
        if isinstance(dims[-1], int) and dims[-1] < 1:
            raise ShapeError(
                f"{name}: nothing is left of spatial axis {axis}",
                f"the windows reach {full[axis]}, padding cuts off {cut}",
                "take a smaller padding",
            )
        if extra[axis] >= max(strides[axis], dilation[axis]):
            raise UsageError(
                f"{name}: output_padding={extra[axis]} on spatial axis {axis}",
                f"the stride is {strides[axis]}",
                "an output_padding is smaller than the stride, or than the dilation",
            )
        if extra[axis] >= strides[axis] and more is not None:
            # So long that a window more would fit: what is not cut off ends with the last one.
            tails[axis] = max(extra[axis] - highs[axis], 0)
            kept = max(highs[axis] - extra[axis], 0)
            highs = (*highs[:axis], kept, *highs[axis + 1 :])
            dims[-1] = sub(dims[-1], tails[axis])
    return tuple(dims), lows, highs, tuple(tails)


@public
def max_pool(
    x: Like,
    /,
    size: Numbers,
    strides: Numbers | None = None,
    padding: Padding = "valid",
    *,
    data_format: str = "channels_last",
) -> Tensor:
    """The largest element of each window, channel by channel; those that tie share the gradient.

    y[b, o, c] = max over k of x[b, o * stride + k - low, c].

    Args:
        x: a float tensor, shape `(batch, *space, channels)`.
        size: of the window, a number or one for each axis of space.
        strides: steps from window to window; the size by default.
        padding: "valid", "same" or numbers, as for `conv`; smaller than the window. What stands
            there is never the largest.
        data_format: "channels_last" or "channels_first".

    Returns:
        A tensor of shape `(batch, *places, channels)`.

    Raises:
        ShapeError: the window is larger than x, or lies in the padding alone.
        UsageError: numbers that do not fit the axes.

    Example:
        >>> import chainrule as cr
        >>> cr.max_pool(cr.tensor("x", (None, 28, 28, 6)), 2).shape
        (batch, 14, 14, 6)
    """
    return _pool(pooling.MAX_POOL, x, size, strides, padding, data_format)


@public
def average_pool(
    x: Like,
    /,
    size: Numbers,
    strides: Numbers | None = None,
    padding: Padding = "valid",
    *,
    data_format: str = "channels_last",
) -> Tensor:
    """The mean of each window, channel by channel, over those elements that exist.

    y[b, o, c] = sum over k of x[b, o * stride + k - low, c] / n(o), where n(o) is how many of the
    window's elements lie in x, not in the padding.

    Args:
        x: a float tensor, shape `(batch, *space, channels)`.
        size: of the window, a number or one for each axis of space.
        strides: steps from window to window; the size by default.
        padding: "valid", "same" or numbers, as for `conv`; smaller than the window.
        data_format: "channels_last" or "channels_first".

    Returns:
        A tensor of shape `(batch, *places, channels)`.

    Raises:
        ShapeError: the window is larger than x, or lies in the padding alone.
        UsageError: numbers that do not fit the axes.

    Example:
        >>> import chainrule as cr
        >>> cr.average_pool(cr.tensor("x", (None, 28, 28, 6)), 2).shape
        (batch, 14, 14, 6)
    """
    return _pool(pooling.AVERAGE_POOL, x, size, strides, padding, data_format)


def _pool(
    op: pooling.Pool,
    x: Like,
    size: Numbers,
    strides: Numbers | None,
    padding: Padding,
    data_format: str,
) -> Tensor:
    given, first = as_tensor(x), check_format(op.name, data_format)
    a = _channels_last(given.node, first)
    rank = _rank(op.name, a)
    window = numbers(op.name, "size", size, rank)
    steps = window if strides is None else numbers(op.name, "strides", strides, rank)
    lows, highs = padding_of(op.name, padding, a.shape[1:-1], window, steps, (1,) * rank)
    result = pooling.pool(op, a, window, steps, lows, highs)
    return Tensor(_restored(result, first), given.weak)


@public
def windows(
    x: Like, /, size: Numbers, *, axis: int = 0, strides: Numbers = 1, dilation: Numbers = 1
) -> Tensor:
    """Sliding windows along one axis, or along several neighboring ones.

    result[..., o, k, ...] = x[..., o * stride + k * dilation, ...].

    Args:
        x: a tensor, any dtype.
        size: of the window: a number for one axis, a tuple for as many axes.
        axis: the first of the axes.
        strides: steps from window to window, a number or one for each axis.
        dilation: steps inside a window, a number or one for each axis.

    Returns:
        A tensor with the places of the window where the axes were, then its sizes.

    Raises:
        ShapeError: there is no such axis, or it is shorter than the window.
        UsageError: numbers that do not fit the axes.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.windows(np.array([1, 2, 3, 4]), 3))
        array([[1, 2, 3],
               [2, 3, 4]])
    """
    given = as_tensor(x)
    rank = len(size) if isinstance(size, list | tuple) else 1
    first = normal_axis("windows", given.node, axis)
    if first + rank > given.ndim:
        raise ShapeError(
            f"windows over {rank} axes from axis {first} on",
            f"{given.node.type} has {given.ndim}",
            "axis= is the first of them",
        )
    shape = (
        numbers("windows", what, value, rank)
        for what, value in (("size", size), ("strides", strides), ("dilation", dilation))
    )
    return Tensor(sliding.windows(given.node, first, *shape), given.weak)


def _rank(name: str, x: Node) -> int:
    """The number of spatial axes."""
    rank = x.type.ndim - 2
    if not 1 <= rank <= 3:
        raise ShapeError(
            f"{name} of {x.type}",
            "expected a batch, one to three axes of space, and channels",
            "expand_dims or Reshape adds an axis of 1 for a single channel",
        )
    return rank


def _kernel(name: str, x: Node, w: Node) -> None:
    if w.type.ndim != x.type.ndim:
        raise ShapeError(
            f"{name}: {x.type} with a kernel {w.type}",
            f"expected a kernel of {x.type.ndim} axes: {x.type.ndim - 2} of space, and two of "
            "channels",
            "expand_dims adds an axis of 1",
        )


def _channels(name: str, x: Node, w: Node, takes: Dim) -> None:
    """Channels that come first, before they are moved to where ops have them."""
    if x.shape[1] != takes:
        raise ShapeError(
            f"{name}: channels differ",
            f"{x.type} has {x.shape[1]} on axis 1; the kernel {w.type} takes {takes}",
            "data_format='channels_last' is for channels on the last axis",
        )


def _channels_last(x: Node, first: bool) -> Node:
    if not first or x.type.ndim < 2:
        return x
    return transpose(x, (0, *range(2, x.type.ndim), 1))


def _restored(x: Node, first: bool) -> Node:
    rank = x.type.ndim
    return transpose(x, (0, rank - 1, *range(1, rank - 1))) if first else x
