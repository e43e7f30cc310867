"""Layers that make one number of each window, or of all places."""

from __future__ import annotations

from typing import ClassVar

from ..functions.convolution import average_pool, max_pool
from ..functions.geometry import Numbers, Padding, numbers
from ..functions.reductions import max as largest
from ..functions.statistics import mean
from ..tensor import Tensor
from .convolution import Sliding, plain


class Pooling(Sliding):
    """One number for each window, channel by channel.

    Args:
        pool_size: of the window, a number or one for each spatial axis.
        strides: steps from window to window; the size by default.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.
    """

    letter = "p"

    def __init__(
        self,
        pool_size: Numbers = 2,
        strides: Numbers | None = None,
        padding: Padding = "valid",
        data_format: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(data_format, name)
        layer = type(self).__name__
        self.pool_size = numbers(layer, "pool_size", pool_size, self.rank)
        self.strides = (
            self.pool_size if strides is None else numbers(layer, "strides", strides, self.rank)
        )
        self.padding = padding

    def describe(self) -> str:
        """As written."""
        shown = self.options(
            strides=(self.strides, self.pool_size), padding=(self.padding, "valid")
        )
        return f"{type(self).__name__}({plain(self.pool_size)}{shown})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *places, channels)`."""
        (x,) = inputs
        self.check_space(x)
        pool = max_pool if isinstance(self, MaxPooling) else average_pool
        return pool(x, self.pool_size, self.strides, self.padding, data_format=self.data_format)


class MaxPooling(Pooling):
    """The largest element of each window."""


class AveragePooling(Pooling):
    """The mean of each window, over those elements that exist."""


class GlobalPooling(Sliding):
    """One number for each channel.

    Args:
        data_format: "channels_last", the default, or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        name: the layer's name.
    """

    letter = "p"

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, name: str | None = None
    ) -> None:
        super().__init__(data_format, name)
        self.keepdims = keepdims

    def describe(self) -> str:
        """As written."""
        shown = self.options(
            data_format=(self.data_format, "channels_last"), keepdims=(self.keepdims, False)
        )
        return f"{type(self).__name__}({shown.removeprefix(', ')})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, channels)`."""
        (x,) = inputs
        self.check_space(x)
        start = 2 if self.first else 1
        axes = tuple(range(start, start + self.rank))
        reduce = largest if isinstance(self, GlobalMaxPooling) else mean
        return reduce(x, axis=axes, keepdims=self.keepdims)


class GlobalMaxPooling(GlobalPooling):
    """The largest element of each channel."""


class GlobalAveragePooling(GlobalPooling):
    """The mean of each channel."""


class MaxPooling1D(MaxPooling):
    """The largest element of each window over one axis, channel by channel.

    `y[b, o, c] = max over k of x[b, o*stride + k, c]`; those that tie share the gradient.

    Args:
        pool_size: of the window, a number or one for each spatial axis.
        strides: steps from window to window; the size by default.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.MaxPooling1D(2)(cr.Input((100, 4))).shape
        (batch, 50, 4)
    """

    rank: ClassVar[int] = 1


class AveragePooling1D(AveragePooling):
    """The mean of each window over one axis, of those elements that exist.

    `y[b, o, c] = sum over k of x[b, o*stride + k, c] / n`, n without what lies in the padding.

    Args:
        pool_size: of the window, a number or one for each spatial axis.
        strides: steps from window to window; the size by default.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.AveragePooling1D(2)(cr.Input((100, 4))).shape
        (batch, 50, 4)
    """

    rank: ClassVar[int] = 1


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest element of each channel over one axis.

    Args:
        data_format: "channels_last", the default, or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.GlobalMaxPooling1D()(cr.Input((100, 4))).shape
        (batch, 4)
    """

    rank: ClassVar[int] = 1


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of each channel over one axis.

    Args:
        data_format: "channels_last", the default, or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.GlobalAveragePooling1D()(cr.Input((100, 4))).shape
        (batch, 4)
    """

    rank: ClassVar[int] = 1


class MaxPooling2D(MaxPooling):
    """The largest element of each window over two axes, channel by channel.

    `y[b, o, c] = max over k of x[b, o*stride + k, c]`; those that tie share the gradient.

    Args:
        pool_size: of the window, a number or one for each spatial axis.
        strides: steps from window to window; the size by default.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.MaxPooling2D(2)(cr.Input((28, 28, 6))).shape
        (batch, 14, 14, 6)
    """

    rank: ClassVar[int] = 2


class AveragePooling2D(AveragePooling):
    """The mean of each window over two axes, of those elements that exist.

    `y[b, o, c] = sum over k of x[b, o*stride + k, c] / n`, n without what lies in the padding.

    Args:
        pool_size: of the window, a number or one for each spatial axis.
        strides: steps from window to window; the size by default.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.AveragePooling2D(2)(cr.Input((28, 28, 6))).shape
        (batch, 14, 14, 6)
    """

    rank: ClassVar[int] = 2


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest element of each channel over two axes.

    Args:
        data_format: "channels_last", the default, or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.GlobalMaxPooling2D()(cr.Input((28, 28, 6))).shape
        (batch, 6)
    """

    rank: ClassVar[int] = 2


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of each channel over two axes.

    Args:
        data_format: "channels_last", the default, or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.GlobalAveragePooling2D()(cr.Input((28, 28, 6))).shape
        (batch, 6)
    """

    rank: ClassVar[int] = 2


class MaxPooling3D(MaxPooling):
    """The largest element of each window over three axes, channel by channel.

    `y[b, o, c] = max over k of x[b, o*stride + k, c]`; those that tie share the gradient.

    Args:
        pool_size: of the window, a number or one for each spatial axis.
        strides: steps from window to window; the size by default.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.MaxPooling3D(2)(cr.Input((8, 8, 8, 2))).shape
        (batch, 4, 4, 4, 2)
    """

    rank: ClassVar[int] = 3


class AveragePooling3D(AveragePooling):
    """The mean of each window over three axes, of those elements that exist.

    `y[b, o, c] = sum over k of x[b, o*stride + k, c] / n`, n without what lies in the padding.

    Args:
        pool_size: of the window, a number or one for each spatial axis.
        strides: steps from window to window; the size by default.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.AveragePooling3D(2)(cr.Input((8, 8, 8, 2))).shape
        (batch, 4, 4, 4, 2)
    """

    rank: ClassVar[int] = 3


class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest element of each channel over three axes.

    Args:
        data_format: "channels_last", the default, or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.GlobalMaxPooling3D()(cr.Input((8, 8, 8, 2))).shape
        (batch, 2)
    """

    rank: ClassVar[int] = 3


class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean of each channel over three axes.

    Args:
        data_format: "channels_last", the default, or "channels_first".
        keepdims: whether the spatial axes stay, with size 1.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.GlobalAveragePooling3D()(cr.Input((8, 8, 8, 2))).shape
        (batch, 2)
    """

    rank: ClassVar[int] = 3
