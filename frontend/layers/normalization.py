"""Layers that make values alike in size: less their mean, over their standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ops.normalization import normalize, variance
from chainrule.compiler.types import Shape, Size

from ..formula import Regularizer, regularizer as find_regularizer
from ..functions.elementwise import sqrt
from ..functions.reductions import normal_axes
from ..functions.shaping import reshape
from ..functions.statistics import mean
from ..initializers import Initializer, initializer as find_initializer
from ..integers import integer
from ..tensor import Tensor
from .base import BaseLayer, in_phases


class Normalization(BaseLayer):
    """What normalizing layers share: `y = gamma n + beta`, with n the normalized values."""

    letter = "h"

    def __init__(
        self,
        axis: int | Sequence[int],
        epsilon: float,
        center: bool,
        scale: bool,
        initializers: dict[str, Any],
        regularizers: dict[str, Any],
        name: str | None,
    ) -> None:
        super().__init__(name)
        self.axis = axis if isinstance(axis, int) else tuple(axis)
        if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not epsilon > 0:
            raise UsageError(
                f"{type(self).__name__} with epsilon={epsilon!r}",
                "expected a positive number",
                "it keeps the quotient finite where all values are equal, such as 1e-3",
            )
        self.epsilon = float(epsilon)
        self._used = {"gamma": scale, "beta": center}
        self._initializers: dict[str, Initializer] = {
            name: find_initializer(given) for name, given in initializers.items()
        }
        self._regularizers: dict[str, Regularizer] = {
            name: find_regularizer(given)
            for name, given in regularizers.items()
            if given is not None
        }

    def describe(self) -> str:
        """As written."""
        options = "" if self.axis == -1 else f"axis={self.axis}"
        return f"{type(self).__name__}({options})"

    def _axes(self, x: Tensor) -> tuple[int, ...]:
        """The axes that `axis` names, never the batch."""
        if not x.node.type.is_float:
            raise DTypeError(
                f"{self.describe()} on {x.node.type}",
                "means and deviations are of floats",
                'cr.astype(x, "float32"), or an Embedding for labels',
            )
        axes = normal_axes(self.describe(), x.node, self.axis)
        if 0 in axes:
            raise ShapeError(
                f"{self.describe()} along the batch",
                f"axis 0 of {x.node.type} is the batch",
                "choose another axis; -1 is the last",
            )
        return axes

    def _shape(self, x: Tensor, axes: Sequence[int]) -> Shape:
        """The sizes of axes along which parameters vary."""
        for axis in axes:
            if isinstance(x.shape[axis], Size):
                raise ShapeError(
                    f"{self.describe()} on {x.node.type}",
                    f"axis {axis} has no known size, and gamma and beta have one number for each",
                    "give Input a size there",
                )
        return tuple(x.shape[axis] for axis in axes)

    def _scaled(self, n: Tensor, axes: Sequence[int]) -> Tensor:
        """`gamma n + beta`, whose numbers vary along these axes."""
        shape = self._shape(n, axes)
        y = n
        if self._used["gamma"]:
            y = y * _along(self._own("gamma", shape, n.dtype), n, axes)
        if self._used["beta"]:
            y = y + _along(self._own("beta", shape, n.dtype), n, axes)
        return y

    def _own(self, name: str, shape: Shape, dtype: str) -> Tensor:
        return self.parameter(
            name, shape, dtype, self._initializers[name], self._regularizers.get(name)
        )


def _along(w: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    """`w`, whose axes are these of `x`, with the others as size 1."""
    if list(axes) == list(range(x.ndim - len(axes), x.ndim)):
        return w  # it broadcasts as it is
    return reshape(w, tuple(dim if i in axes else 1 for i, dim in enumerate(x.shape)))


class BatchNormalization(Normalization):
    """Each channel less its mean over the batch, over its standard deviation there.

    In training `y = gamma (x - mean) / sqrt(variance + epsilon) + beta` with mean and variance over
    all axes but `axis`, of the samples at hand: a smaller last batch has its own. Each step moves
    the running numbers, `moving = momentum moving + (1 - momentum) now`, with the variance over n
    as Keras has it. Evaluation and prediction use the running numbers instead. They are state: no
    gradient changes them, `compile` leaves them, and files and `get_weights` have them.

    Args:
        axis: of the channels; the last by default.
        momentum: how much the running numbers keep in a step, in [0, 1].
        epsilon: added to the variance.
        center: whether there is `beta`, shape `(channels,)`.
        scale: whether there is `gamma`, shape `(channels,)`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        moving_mean_initializer: first values of the running mean.
        moving_variance_initializer: first values of the running variance.
        beta_regularizer: a term added to the loss for `beta`.
        gamma_regularizer: a term added to the loss for `gamma`.
        name: the layer's name.

    Raises:
        UsageError: epsilon is not positive, or momentum not in [0, 1].
        ShapeError: the axis is the batch, or has no known size.

    Example:
        >>> import chainrule as cr
        >>> model = cr.Sequential([cr.Input((4,)), cr.BatchNormalization()])
        >>> list(model.parameters), list(model.state)
        (['gamma1', 'beta1'], ['moving_mean1', 'moving_variance1'])

    Source:
        Ioffe, Szegedy 2015, "Batch normalization", algorithms 1 and 2.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            integer(type(self).__name__, "axis", axis),
            epsilon,
            center,
            scale,
            {
                "gamma": gamma_initializer,
                "beta": beta_initializer,
                "moving_mean": moving_mean_initializer,
                "moving_variance": moving_variance_initializer,
            },
            {"gamma": gamma_regularizer, "beta": beta_regularizer},
            name,
        )
        if not isinstance(momentum, int | float) or not 0 <= momentum <= 1:
            raise UsageError(
                f"BatchNormalization with momentum={momentum!r}",
                "expected the share that running numbers keep in a step, 0 <= momentum <= 1",
                "such as 0.99",
            )
        self.momentum = float(momentum)

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        (axis,) = self._axes(x)
        over = tuple(i for i in range(x.ndim) if i != axis)
        shape = self._shape(x, (axis,))
        moving = [
            self.state(name, shape, x.dtype, self._initializers[name])
            for name in ("moving_mean", "moving_variance")
        ]
        now = mean(x, axis=over), Tensor(variance(x.node, over))
        for running, new in zip(moving, now, strict=True):
            self.update(running, self.momentum * running + (1 - self.momentum) * new)
        center, spread = (_along(running, x, (axis,)) for running in moving)
        n = in_phases(
            Tensor(normalize(x.node, over, self.epsilon)),
            (x - center) / sqrt(spread + self.epsilon),
        )
        return self._scaled(self.note("n", n), (axis,))


class LayerNormalization(Normalization):
    """Each sample less its own mean, over its own standard deviation.

    `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, mean and variance along `axis`. With
    g the gradient for n = (x - mean) / s, s the deviation, that for x is
    `(g - mean(g) - n mean(g n)) / s`.

    Args:
        axis: one or several, over which means are taken and along which gamma and beta vary.
        epsilon: added to the variance.
        center: whether there is `beta`.
        scale: whether there is `gamma`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        beta_regularizer: a term added to the loss for `beta`.
        gamma_regularizer: a term added to the loss for `gamma`.
        name: the layer's name.

    Raises:
        UsageError: epsilon is not positive.
        ShapeError: an axis is the batch, or has no known size.

    Example:
        >>> import chainrule as cr
        >>> cr.LayerNormalization()(cr.Input((32, 64))).shape
        (batch, 32, 64)

    Source:
        Ba, Kiros, Hinton 2016, "Layer normalization", eq. (4).
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            axis,
            epsilon,
            center,
            scale,
            {"gamma": gamma_initializer, "beta": beta_initializer},
            {"gamma": gamma_regularizer, "beta": beta_regularizer},
            name,
        )

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        axes = self._axes(x)
        n = self.note("n", Tensor(normalize(x.node, axes, self.epsilon)))
        return self._scaled(n, axes)


class RMSNormalization(Normalization):
    """Each sample over its root mean square: `y = gamma x / sqrt(mean(x^2) + epsilon)`.

    Args:
        axis: one or several, over which means are taken and along which gamma varies.
        epsilon: added to the mean square.
        gamma_initializer: first values of `gamma`.
        gamma_regularizer: a term added to the loss for `gamma`.
        name: the layer's name.

    Raises:
        UsageError: epsilon is not positive.
        ShapeError: an axis is the batch, or has no known size.

    Example:
        >>> import chainrule as cr
        >>> cr.RMSNormalization()(cr.Input((32, 64))).shape
        (batch, 32, 64)

    Source:
        Zhang, Sennrich 2019, "Root mean square layer normalization", eq. (4).
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-6,
        gamma_initializer: Any = "ones",
        gamma_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        first, extra = {"gamma": gamma_initializer}, {"gamma": gamma_regularizer}
        super().__init__(axis, epsilon, False, True, first, extra, name)

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        axes = self._axes(x)
        n = self.note("n", Tensor(normalize(x.node, axes, self.epsilon, centered=False)))
        return self._scaled(n, axes)


class GroupNormalization(Normalization):
    """Channels in groups; each group of a sample less its mean, over its standard deviation.

    Mean and variance are over all axes but the batch and the groups; gamma and beta have one number
    for each channel.

    Args:
        groups: how many; a divisor of the number of channels. -1 means one channel a group.
        axis: of the channels; the last by default.
        epsilon: added to the variance.
        center: whether there is `beta`, shape `(channels,)`.
        scale: whether there is `gamma`, shape `(channels,)`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        beta_regularizer: a term added to the loss for `beta`.
        gamma_regularizer: a term added to the loss for `gamma`.
        name: the layer's name.

    Raises:
        UsageError: epsilon is not positive, or groups not a positive integer or -1.
        ShapeError: groups do not divide the channels.

    Example:
        >>> import chainrule as cr
        >>> cr.GroupNormalization(groups=4)(cr.Input((8, 8, 16))).shape
        (batch, 8, 8, 16)

    Source:
        Wu, He 2018, "Group normalization", eq. (7).
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            integer(type(self).__name__, "axis", axis),
            epsilon,
            center,
            scale,
            {"gamma": gamma_initializer, "beta": beta_initializer},
            {"gamma": gamma_regularizer, "beta": beta_regularizer},
            name,
        )
        known = isinstance(groups, int) and not isinstance(groups, bool)
        if not known or (groups < 1 and groups != -1):
            raise UsageError(
                f"{type(self).__name__} of {groups!r} groups",
                "expected a positive integer, or -1 for a group a channel",
                "such as 4",
            )
        self.groups = groups

    def describe(self) -> str:
        """As written."""
        axis = "" if self.axis == -1 else f", axis={self.axis}"
        return f"{type(self).__name__}({self.groups}{axis})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        (axis,) = self._axes(x)
        (channels,) = self._shape(x, (axis,))
        assert isinstance(channels, int)
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                f"{channels} channels are not {groups} groups of one size",
                f"choose a divisor of {channels}",
            )
        split = (*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :])
        grouped = reshape(x, split).node
        over = tuple(i for i in range(1, len(split)) if i != axis)
        n = self.note("n", Tensor(normalize(grouped, over, self.epsilon)))
        return self._scaled(reshape(n, x.shape), (axis,))


class InstanceNormalization(GroupNormalization):
    """Each channel of each sample less its mean, over its standard deviation.

    `GroupNormalization` with a group for each channel.

    Args:
        axis: of the channels; the last by default.
        epsilon: added to the variance.
        center: whether there is `beta`, shape `(channels,)`.
        scale: whether there is `gamma`, shape `(channels,)`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        beta_regularizer: a term added to the loss for `beta`.
        gamma_regularizer: a term added to the loss for `gamma`.
        name: the layer's name.

    Raises:
        UsageError: epsilon is not positive.
        ShapeError: the axis is the batch, or has no known size.

    Example:
        >>> import chainrule as cr
        >>> cr.InstanceNormalization()(cr.Input((8, 8, 3))).shape
        (batch, 8, 8, 3)

    Source:
        Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization", eq. (2).
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            -1,
            axis,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            name,
        )

    def describe(self) -> str:
        """As written."""
        return Normalization.describe(self)
