"""Convolutions in two steps, and transposed ones."""

from __future__ import annotations

from typing import Any

from chainrule.compiler.errors import UsageError

from ..formula import Activation as ActivationFormula
from ..functions.convolution import conv, conv_transpose
from ..functions.geometry import Numbers, Padding, numbers
from ..initializers import initializer as find_initializer
from ..tensor import Tensor
from .convolution import DepthwiseConv, Kernels, plain, term


class SeparableConv(DepthwiseConv):
    """Channels one by one, then all channels place by place. See `SeparableConv2D`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Numbers,
        strides: Numbers = 1,
        padding: Padding = "valid",
        data_format: str | None = None,
        dilation_rate: Numbers = 1,
        depth_multiplier: int = 1,
        activation: str | ActivationFormula | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            depthwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            bias_regularizer,
            name,
        )
        (self.filters,) = numbers(type(self).__name__, "filters", filters, 1)
        self.pointwise_initializer = find_initializer(pointwise_initializer)
        self.pointwise_regularizer = term(pointwise_regularizer)

    def describe(self) -> str:
        """As written."""
        return self.written(
            f"{self.filters}, {plain(self.kernel_size)}",
            depth_multiplier=(self.depth_multiplier, 1),
        )

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *places, filters)`."""
        (x,) = inputs
        between = self.depthwise("D", x)
        w = self.parameter(
            "W",
            (*(1,) * self.rank, self.channels(x) * self.depth_multiplier, self.filters),
            x.dtype,
            self.pointwise_initializer,
            self.pointwise_regularizer,
        )
        return self.finished(conv(between, w, data_format=self.data_format), self.filters)


class SeparableConv1D(SeparableConv):
    """Channels one by one over one axis, then all channels place by place.

    Args: as for `SeparableConv2D`.

    Example:
        >>> import chainrule as cr
        >>> cr.SeparableConv1D(8, 3)(cr.Input((100, 4))).shape
        (batch, 98, 8)
    """

    rank = 1


class SeparableConv2D(SeparableConv):
    """Channels one by one, then all channels place by place: `y = f(conv(conv(x, D), W) + b)`.

    Args:
        filters: channels of the result.
        kernel_size: of `D`; a number, or one for each spatial axis.
        strides: steps from window to window.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        dilation_rate: steps inside a window.
        depth_multiplier: how many kernels each channel has in the first step.
        activation: `f`; a name or a formula, none by default.
        use_bias: whether there is `b`.
        depthwise_initializer: first values of `D`, shape
            `(*kernel_size, channels, depth_multiplier)`.
        pointwise_initializer: first values of `W`, shape
            `(1, 1, channels * depth_multiplier, filters)`.
        bias_initializer: first values of `b`, shape `(filters,)`.
        depthwise_regularizer: a term added to the loss for `D`.
        pointwise_regularizer: a term added to the loss for `W`.
        bias_regularizer: a term added to the loss for `b`.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.SeparableConv2D(16, 3, padding="same")(cr.Input((8, 8, 3))).shape
        (batch, 8, 8, 16)

    Source:
        Chollet 2017, "Xception: Deep learning with depthwise separable convolutions".
    """

    rank = 2


class ConvTranspose(Kernels):
    """The transpose of a convolution. See `Conv2DTranspose`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Numbers,
        strides: Numbers = 1,
        padding: Padding = "valid",
        data_format: str | None = None,
        dilation_rate: Numbers = 1,
        activation: str | ActivationFormula | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        output_padding: Numbers | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            name,
        )
        layer = type(self).__name__
        (self.filters,) = numbers(layer, "filters", filters, 1)
        if padding == "causal":
            raise UsageError(
                f'{layer}: padding="causal"',
                'expected "valid", "same" or numbers',
                "causal padding is for cr.Conv1D",
            )
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = numbers(layer, "output_padding", output_padding, self.rank, 0)
        self.kernel_initializer = find_initializer(kernel_initializer)
        self.kernel_regularizer = term(kernel_regularizer)

    def describe(self) -> str:
        """As written."""
        return self.written(
            f"{self.filters}, {plain(self.kernel_size)}",
            output_padding=(self.output_padding, None),
        )

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *space, filters)`."""
        (x,) = inputs
        w = self.parameter(
            "W",
            (*self.kernel_size, self.filters, self.channels(x)),
            x.dtype,
            self.kernel_initializer,
            self.kernel_regularizer,
        )
        y = conv_transpose(
            x,
            w,
            self.strides,
            self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.finished(y, self.filters)


class Conv1DTranspose(ConvTranspose):
    """The transpose of a convolution over one axis.

    Args: as for `Conv2DTranspose`.

    Example:
        >>> import chainrule as cr
        >>> cr.Conv1DTranspose(4, 3, strides=2, padding="same")(cr.Input((50, 8))).shape
        (batch, 100, 4)
    """

    rank = 1


class Conv2DTranspose(ConvTranspose):
    """The transpose of a convolution over two axes: `y = f(conv_transpose(x, W) + b)`.

    Each place of x adds a multiple of the kernel to the result, so that strides make it larger.

    Args:
        filters: channels of the result.
        kernel_size: a number, or one for each spatial axis.
        strides: steps from window to window in the result.
        padding: that of the convolution: "valid"; "same", the result is as long as x times the
            stride; or numbers. It is cut off.
        data_format: "channels_last", the default, or "channels_first".
        dilation_rate: steps inside a window.
        activation: `f`; a name or a formula, none by default.
        use_bias: whether there is `b`.
        kernel_initializer: first values of `W`, shape `(*kernel_size, filters, channels)`.
        bias_initializer: first values of `b`, shape `(filters,)`.
        kernel_regularizer: a term added to the loss for `W`.
        bias_regularizer: a term added to the loss for `b`.
        output_padding: how much longer the result is than what the windows reach.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.Conv2DTranspose(4, 3, strides=2, padding="same")(cr.Input((7, 7, 8))).shape
        (batch, 14, 14, 4)

    Source:
        Zeiler et al. 2010, "Deconvolutional networks".
    """

    rank = 2


class Conv3DTranspose(ConvTranspose):
    """The transpose of a convolution over three axes.

    Args: as for `Conv2DTranspose`.

    Example:
        >>> import chainrule as cr
        >>> cr.Conv3DTranspose(2, 2, strides=2)(cr.Input((4, 4, 4, 3))).shape
        (batch, 8, 8, 8, 2)
    """

    rank = 3
