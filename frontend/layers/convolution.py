"""Layers of kernels that slide over space: convolution, depthwise, separable, transposed."""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.types import Shape, Size

from ..formula import (
    Activation as ActivationFormula,
    Regularizer,
    activation as find_activation,
    regularizer as find_regularizer,
)
from ..functions.convolution import conv
from ..functions.geometry import Numbers, Padding, check_format, numbers
from ..functions.shaping import reshape
from ..initializers import initializer as find_initializer
from ..tensor import Tensor
from .base import BaseLayer

AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}


class Sliding(BaseLayer):
    """What layers over space have in common: the number of spatial axes, and where channels are."""

    rank: ClassVar[int]

    def __init__(self, data_format: str | None, name: str | None) -> None:
        super().__init__(name)
        self.data_format = "channels_last" if data_format is None else data_format
        self.first = check_format(type(self).__name__, self.data_format)

    def check_space(self, x: Tensor) -> None:
        """Whether a tensor has a batch, the spatial axes and channels.

        Raises:
            ShapeError: it has more axes or fewer.
        """
        if x.ndim == self.rank + 2:
            return
        space = AXES[self.rank]
        order = f"channels, {space}" if self.first else f"{space}, channels"
        hint = "Reshape adds an axis of 1 where there is a single channel"
        if x.ndim > self.rank + 2:
            hint = f"the layer for {x.ndim - 2} axes of space is called {x.ndim - 2}D"
        raise ShapeError(f"{self.describe()} on {x.node.type}", f"expected [batch, {order}]", hint)

    def channels(self, x: Tensor) -> int:
        """How many channels a tensor has.

        Raises:
            ShapeError: the number is not known, or there are other axes.
            DTypeError: it is not of floats.
        """
        self.check_space(x)
        found = x.shape[1 if self.first else -1]
        if isinstance(found, Size):
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                f"the channels are {found}, of no known size",
                "a kernel has a number for each of them",
            )
        if not x.node.type.is_float:
            raise DTypeError(
                f"{self.describe()} on {x.node.type}",
                "weights are floats, and so must be what they multiply",
                'cr.astype(x, "float32"), or cr.Input(..., dtype="float32")',
            )
        return found

    def options(self, **given: tuple[Any, Any]) -> str:
        """Options as they are written: those that are not at their default."""
        shown = []
        for name, (value, default) in given.items():
            if value != default and value != (default,) * self.rank:
                text = f'"{value}"' if isinstance(value, str) else plain(value)
                shown.append(f", {name}={text}")
        return "".join(shown)


def plain(value: Any) -> str:
    """Numbers for each axis as one, where they are alike."""
    if isinstance(value, list | tuple) and value and all(x == value[0] for x in value):
        return plain(value[0]) if not isinstance(value[0], list | tuple) else str(value)
    return str(value)


class Kernels(Sliding):
    """What layers with kernels have in common: sizes, a bias, an activation."""

    def __init__(
        self,
        kernel_size: Numbers,
        strides: Numbers,
        padding: Padding,
        data_format: str | None,
        dilation_rate: Numbers,
        activation: str | ActivationFormula | None,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        name: str | None,
    ) -> None:
        super().__init__(data_format, name)
        layer = type(self).__name__
        self.kernel_size = numbers(layer, "kernel_size", kernel_size, self.rank)
        self.strides = numbers(layer, "strides", strides, self.rank)
        self.dilation_rate = numbers(layer, "dilation_rate", dilation_rate, self.rank)
        self.padding = padding
        self.activation: ActivationFormula | None = (
            None if activation is None else find_activation(activation)
        )
        if self.activation is not None and self.activation.name == "linear":
            self.activation = None
        if not use_bias and bias_regularizer is not None:
            raise UsageError(
                f"{layer} without a bias has no bias_regularizer",
                "use_bias is False, and bias_regularizer is given",
                "leave one of them out",
            )
        self.use_bias = use_bias
        self.bias_initializer = find_initializer(bias_initializer)
        self.bias_regularizer = term(bias_regularizer)
        self.letter = "z" if self.activation is None else "h"

    def written(self, head: str, **given: tuple[Any, Any]) -> str:
        """The layer as it would be written."""
        shown = self.options(
            strides=(self.strides, 1),
            padding=(self.padding, "valid"),
            dilation_rate=(self.dilation_rate, 1),
            **given,
        )
        if self.activation is not None:
            shown += f', activation="{self.activation.name}"'
        return f"{type(self).__name__}({head}{shown})"

    def finished(self, y: Tensor, results: int) -> Tensor:
        """With bias and activation."""
        if self.use_bias:
            b = self.parameter(
                "b", (results,), y.dtype, self.bias_initializer, self.bias_regularizer
            )
            y = y + (reshape(b, (results, *(1,) * self.rank)) if self.first else b)
        if self.activation is None:
            return y
        activated: Tensor = self.activation(self.note("z", y))
        return activated


def term(given: Any) -> Regularizer | None:
    """A regularizer by its name, or none."""
    return None if given is None else find_regularizer(given)


class Conv(Kernels):
    """Convolution: y = f(conv(x, W) + b). See `Conv2D`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Numbers,
        strides: Numbers = 1,
        padding: Padding = "valid",
        data_format: str | None = None,
        dilation_rate: Numbers = 1,
        groups: int = 1,
        activation: str | ActivationFormula | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
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
        (self.filters,) = numbers(type(self).__name__, "filters", filters, 1)
        (self.groups,) = numbers(type(self).__name__, "groups", groups, 1)
        if self.filters % self.groups:
            raise UsageError(
                f"{type(self).__name__}: {self.filters} filters in {self.groups} groups",
                "expected a number that the groups divide",
                "each group makes as many of the filters",
            )
        self.kernel_initializer = find_initializer(kernel_initializer)
        self.kernel_regularizer = term(kernel_regularizer)

    def describe(self) -> str:
        """As written."""
        return self.written(f"{self.filters}, {plain(self.kernel_size)}", groups=(self.groups, 1))

    def apply(self, *inputs: Tensor) -> Tensor:
        """The kernels' results, of shape `(batch, *places, filters)`."""
        (x,) = inputs
        channels = self.channels(x)
        if channels % self.groups:
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                f"{channels} channels in {self.groups} groups",
                "the groups must divide the channels",
            )
        shape: Shape = (*self.kernel_size, channels // self.groups, self.filters)
        w = self.parameter("W", shape, x.dtype, self.kernel_initializer, self.kernel_regularizer)
        y = conv(
            x,
            w,
            self.strides,
            self.padding,
            dilation=self.dilation_rate,
            groups=self.groups,
            data_format=self.data_format,
        )
        return self.finished(y, self.filters)


class Conv1D(Conv):
    """Convolution over one axis, such as time: `y = f(conv(x, W) + b)`.

    Args: as for `Conv2D`; padding may be "causal" too: each result sees what was before it.

    Example:
        >>> import chainrule as cr
        >>> cr.Conv1D(8, 3, padding="causal")(cr.Input((100, 4))).shape
        (batch, 100, 8)
    """

    rank = 1


class Conv2D(Conv):
    """Convolution over two axes, such as an image's: `y = f(conv(x, W) + b)`.

    `y[b, o, p, f] = f(sum over k, l, c of x[b, o*s + k*d, p*s + l*d, c] W[k, l, c, f] + b[f])`.

    Args:
        filters: how many kernels, and so channels of the result.
        kernel_size: a number, or one for each spatial axis.
        strides: steps from window to window.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        data_format: "channels_last", the default, or "channels_first".
        dilation_rate: steps inside a window.
        groups: parts of the channels that do not see each other.
        activation: `f`; a name or a formula, none by default.
        use_bias: whether there is `b`.
        kernel_initializer: first values of `W`, shape `(*kernel_size, channels / groups, filters)`.
        bias_initializer: first values of `b`, shape `(filters,)`.
        kernel_regularizer: a term added to the loss for `W`.
        bias_regularizer: a term added to the loss for `b`.
        name: the layer's name.

    Raises:
        UsageError: numbers that do not fit the axes.
        ShapeError: when called: the kernel is larger than the input, or its axes are not these.

    Example:
        >>> import chainrule as cr
        >>> cr.Conv2D(6, 5, padding="same", activation="relu")(cr.Input((28, 28, 1))).shape
        (batch, 28, 28, 6)

    Source:
        LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.
    """

    rank = 2


class Conv3D(Conv):
    """Convolution over three axes: `y = f(conv(x, W) + b)`.

    Args: as for `Conv2D`.

    Example:
        >>> import chainrule as cr
        >>> cr.Conv3D(4, 3)(cr.Input((8, 8, 8, 1))).shape
        (batch, 6, 6, 6, 4)
    """

    rank = 3


class DepthwiseConv(Kernels):
    """Convolution of each channel by itself. See `DepthwiseConv2D`."""

    def __init__(
        self,
        kernel_size: Numbers,
        strides: Numbers = 1,
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Numbers = 1,
        activation: str | ActivationFormula | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
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
        (self.depth_multiplier,) = numbers(layer, "depth_multiplier", depth_multiplier, 1)
        self.depthwise_initializer = find_initializer(depthwise_initializer)
        self.depthwise_regularizer = term(depthwise_regularizer)

    def describe(self) -> str:
        """As written."""
        return self.written(plain(self.kernel_size), depth_multiplier=(self.depth_multiplier, 1))

    def depthwise(self, name: str, x: Tensor) -> Tensor:
        """Each channel convolved with its own kernels, from the parameter of this name."""
        channels = self.channels(x)
        more = self.depth_multiplier
        kernel = self.parameter(
            name,
            (*self.kernel_size, channels, more),
            x.dtype,
            self.depthwise_initializer,
            self.depthwise_regularizer,
        )
        return conv(
            x,
            reshape(kernel, (*self.kernel_size, 1, channels * more)),
            self.strides,
            self.padding,
            dilation=self.dilation_rate,
            groups=channels,
            data_format=self.data_format,
        )

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *places, channels * depth_multiplier)`."""
        (x,) = inputs
        return self.finished(self.depthwise("W", x), self.channels(x) * self.depth_multiplier)


class DepthwiseConv1D(DepthwiseConv):
    """Convolution of each channel by itself, over one axis.

    Args: as for `DepthwiseConv2D`.

    Example:
        >>> import chainrule as cr
        >>> cr.DepthwiseConv1D(3)(cr.Input((100, 4))).shape
        (batch, 98, 4)
    """

    rank = 1


class DepthwiseConv2D(DepthwiseConv):
    """Convolution of each channel by itself: `y = f(conv(x, W) + b)` with a group a channel.

    `y[..., c*m + j]` is channel c of x convolved with `W[..., c, j]`, j below m = depth_multiplier.

    Args:
        kernel_size: a number, or one for each spatial axis.
        strides: steps from window to window.
        padding: "valid", "same", or numbers: for all sides, for each axis, or pairs.
        depth_multiplier: how many kernels each channel has.
        data_format: "channels_last", the default, or "channels_first".
        dilation_rate: steps inside a window.
        activation: `f`; a name or a formula, none by default.
        use_bias: whether there is `b`.
        depthwise_initializer: first values of `W`, shape
            `(*kernel_size, channels, depth_multiplier)`.
        bias_initializer: first values of `b`, shape `(channels * depth_multiplier,)`.
        depthwise_regularizer: a term added to the loss for `W`.
        bias_regularizer: a term added to the loss for `b`.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.DepthwiseConv2D(3, depth_multiplier=2)(cr.Input((8, 8, 3))).shape
        (batch, 6, 6, 6)

    Source:
        Chollet 2017, "Xception: Deep learning with depthwise separable convolutions".
    """

    rank = 2
