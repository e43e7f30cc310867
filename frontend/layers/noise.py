"""Layers that add noise in training, and outside training change nothing.

The random numbers are a function of seed, step and position, the same on every target; the
backward pass computes them again rather than store them.
"""

from __future__ import annotations

import math

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ops.random import NORMAL, UNIFORM
from chainrule.compiler.types import Shape

from ..drawing import drawn, dropped
from ..functions.creation import ones
from ..functions.elementwise import where
from ..tensor import Tensor
from .base import BaseLayer, in_phases
from .core import probability


class GaussianNoise(BaseLayer):
    """In training, add normal numbers of mean 0: `y = x + stddev e`.

    Args:
        stddev: the standard deviation, at least 0.

    Raises:
        UsageError: stddev is negative.

    Example:
        >>> import chainrule as cr
        >>> cr.GaussianNoise(0.1)(cr.Input((3,))).shape
        (batch, 3)

    Source:
        Bishop 1995, "Training with noise is equivalent to Tikhonov regularization", eq. (3).
    """

    def __init__(self, stddev: float, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(stddev, int | float) or not 0 <= stddev < math.inf:
            raise UsageError(
                f"GaussianNoise({stddev!r})", "expected a standard deviation, 0 or more", "0.1"
            )
        self.stddev = float(stddev)

    def describe(self) -> str:
        """As written."""
        return f"GaussianNoise({self.stddev:g})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        if self.stddev == 0:
            return x
        return in_phases(x + self.stddev * drawn(NORMAL, x.shape, x.dtype), x)


class GaussianDropout(BaseLayer):
    """In training, multiply by normal numbers of mean 1 and the variance that dropout has.

    `y = x (1 + sqrt(rate / (1 - rate)) e)`.

    Args:
        rate: the probability of the dropout that has this variance, in [0, 1).

    Raises:
        UsageError: the rate is no such probability.

    Example:
        >>> import chainrule as cr
        >>> cr.GaussianDropout(0.5)(cr.Input((3,))).shape
        (batch, 3)

    Source:
        Srivastava et al. 2014, "Dropout", section 10.
    """

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = probability("GaussianDropout", rate)

    def describe(self) -> str:
        """As written."""
        return f"GaussianDropout({self.rate:g})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        if self.rate == 0:
            return x
        deviation = math.sqrt(self.rate / (1 - self.rate))
        return in_phases(x * (1 + deviation * drawn(NORMAL, x.shape, x.dtype)), x)


class AlphaDropout(BaseLayer):
    """Dropout that keeps mean 0 and variance 1, for networks with selu.

    In training, an element becomes `alpha' = -1.7580993` with probability `rate`; then all are
    `a x + b`, with a and b such that mean and variance are as before.

    Args:
        rate: the probability, in [0, 1).

    Raises:
        UsageError: the rate is no such probability.

    Example:
        >>> import chainrule as cr
        >>> cr.AlphaDropout(0.1)(cr.Input((3,))).shape
        (batch, 3)

    Source:
        Klambauer et al. 2017, "Self-normalizing neural networks", section "New Dropout Technique".
    """

    # Where selu saturates: -alpha times scale.
    lowest = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = probability("AlphaDropout", rate)

    def describe(self) -> str:
        """As written."""
        return f"AlphaDropout({self.rate:g})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        if self.rate == 0:
            return x
        draw = drawn(UNIFORM, x.shape, x.dtype)
        a = ((1 - self.rate) * (1 + self.rate * self.lowest**2)) ** -0.5
        b = -a * self.lowest * self.rate
        return in_phases(a * where(draw >= self.rate, x, self.lowest) + b, x)


class SpatialDropout(BaseLayer):
    """In training, whole channels are 0 with probability `rate`, the others over 1 - rate."""

    axes: int  # between batch and channels

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = probability(type(self).__name__, rate)

    def describe(self) -> str:
        """As written."""
        return f"{type(self).__name__}({self.rate:g})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of the shape of `x`."""
        (x,) = inputs
        if x.ndim != self.axes + 2:
            between = ", ".join(["steps", "height, width"][self.axes - 1 : self.axes])
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                f"expected {self.axes + 2} axes: batch, {between}, channels",
                "Dropout takes any shape",
            )
        if self.rate == 0:
            return x
        mask: Shape = (x.shape[0], *(1,) * self.axes, x.shape[-1])
        return in_phases(x * dropped(ones(mask, dtype=x.dtype), self.rate), x)


class SpatialDropout1D(SpatialDropout):
    """In training, each channel of a sample is 0 at all steps with probability `rate`.

    The others are divided by 1 - rate. Neighbors in a sequence are alike, so dropping single
    elements would change little.

    Args:
        rate: the probability, in [0, 1).

    Raises:
        UsageError: the rate is no such probability.
        ShapeError: the input has not the axes batch, steps, channels.

    Example:
        >>> import chainrule as cr
        >>> cr.SpatialDropout1D(0.2)(cr.Input((10, 3))).shape
        (batch, 10, 3)

    Source:
        Tompson et al. 2015, "Efficient object localization using convolutional networks", 3.2.
    """

    axes = 1


class SpatialDropout2D(SpatialDropout):
    """In training, each channel of an image is 0 everywhere with probability `rate`.

    The others are divided by 1 - rate. Neighbors in an image are alike, so dropping single
    elements would change little.

    Args:
        rate: the probability, in [0, 1).

    Raises:
        UsageError: the rate is no such probability.
        ShapeError: the input has not the axes batch, height, width, channels.

    Example:
        >>> import chainrule as cr
        >>> cr.SpatialDropout2D(0.2)(cr.Input((8, 8, 3))).shape
        (batch, 8, 8, 3)

    Source:
        Tompson et al. 2015, "Efficient object localization using convolutional networks", 3.2.
    """

    axes = 2
