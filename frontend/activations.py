"""Activation functions, as formulas. Names, defaults and values are Keras 3's.

Each is written as a user would write it. What a function needs beyond the formula, so that nothing
overflows or cancels, stands in a comment; derivatives are found from the formula.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .formula import Activation, activation
from .functions import elementwise, statistics
from .functions.elementwise import abs, erfc, expm1, minimum, where
from .tensor import Tensor

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@activation
def linear(x: Tensor) -> Tensor:
    """The identity: x.

    Args:
        x: any shape.

    Returns:
        `x`.

    Example:
        >>> import chainrule as cr
        >>> float(cr.activation("linear")(-2.0))
        -2.0
    """
    return x


@activation
def relu(x: Tensor) -> Tensor:
    """The rectifier: max(x, 0); its derivative at 0 is 0.

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> float(cr.activation("relu")(-2.0))
        0.0

    Source:
        Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".
    """
    return elementwise.relu(x)


@activation
def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """A rectifier that lets something through: x for x > 0, else negative_slope x.

    Args:
        x: float, any shape.
        negative_slope: the slope below 0.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> float(cr.leaky_relu(-2.0)), float(cr.leaky_relu(-2.0, negative_slope=0.5))
        (-0.4, -1.0)

    Source:
        Maas, Hannun and Ng 2013, "Rectifier nonlinearities improve neural network acoustic models".
    """
    return where(x > 0, x, negative_slope * x)


@activation
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """The exponential linear unit: x for x > 0, else alpha (exp(x) - 1).

    Args:
        x: float, any shape.
        alpha: minus the limit for x to minus infinity.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> f"{float(cr.elu(-1.0)):.6f}"
        '-0.632121'

    Source:
        Clevert, Unterthiner and Hochreiter 2016, "Fast and accurate deep network learning by
        exponential linear units", eq. (15).
    """
    return where(x > 0, x, alpha * expm1(x))


@activation
def selu(x: Tensor) -> Tensor:
    """The scaled exponential linear unit: 1.0507 times elu of alpha = 1.6733.

    With `lecun_normal` weights it keeps mean 0 and variance 1 from layer to layer.

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> f"{float(cr.selu(1.0)):.6f}"
        '1.050701'

    Source:
        Klambauer et al. 2017, "Self-normalizing neural networks", eq. (2) and (14).
    """
    return SELU_SCALE * where(x > 0, x, SELU_ALPHA * expm1(x))


@activation
def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """The Gaussian error linear unit: x Phi(x), where Phi is the normal distribution function.

    Args:
        x: float, any shape.
        approximate: instead of Phi(x), (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> f"{float(cr.gelu(1.0)):.6f} {float(cr.gelu(1.0, approximate=True)):.6f}"
        '0.841345 0.841192'

    Source:
        Hendrycks and Gimpel 2016, "Gaussian error linear units", section 2.
    """
    if approximate:
        # (1 + tanh(u)) / 2 = sigmoid(2 u), and this does not cancel where tanh(u) is near -1.
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return x * elementwise.sigmoid(2 * u)
    # Phi(x) = (1 + erf(x / sqrt 2)) / 2 = erfc(-x / sqrt 2) / 2, which does not cancel for x < 0.
    return 0.5 * x * erfc(-math.sqrt(0.5) * x)


@activation
def silu(x: Tensor) -> Tensor:
    """The sigmoid linear unit, also called swish: x sigmoid(x).

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> f"{float(cr.silu(1.0)):.6f}"
        '0.731059'

    Source:
        Elfwing, Uchibe and Doya 2018, "Sigmoid-weighted linear units for neural network function
        approximation in reinforcement learning", eq. (6).
    """
    return x * elementwise.sigmoid(x)


@activation
def mish(x: Tensor) -> Tensor:
    """x tanh(softplus(x)), where softplus(x) = log(1 + exp(x)).

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> f"{float(cr.mish(1.0)):.6f}"
        '0.865098'

    Source:
        Misra 2020, "Mish: a self regularized non-monotonic activation function", eq. (1).
    """
    return x * elementwise.tanh(elementwise.softplus(x))


@activation
def softplus(x: Tensor) -> Tensor:
    """A smooth rectifier: log(1 + exp(x)).

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> f"{float(cr.activation('softplus')(0.0)):.6f}"
        '0.693147'

    Source:
        Dugas et al. 2001, "Incorporating second-order functional knowledge for better option
        pricing", section 3.
    """
    return elementwise.softplus(x)


@activation
def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|).

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> float(cr.softsign(-3.0))
        -0.75

    Source:
        Bergstra et al. 2009, "Quadratic polynomials learn better image features", eq. (5).
    """
    return x / (1 + abs(x))


@activation
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent: (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> f"{float(cr.activation('tanh')(0.5)):.6f}"
        '0.462117'
    """
    return elementwise.tanh(x)


@activation
def sigmoid(x: Tensor) -> Tensor:
    """The logistic function: 1 / (1 + exp(-x)).

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> float(cr.activation("sigmoid")(0.0))
        0.5
    """
    return elementwise.sigmoid(x)


@activation
def hard_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid of straight lines: min(6, max(0, x + 3)) / 6; its derivative at -3 and 3 is 0.

    Args:
        x: float, any shape.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> float(cr.hard_sigmoid(1.5))
        0.75

    Source:
        Howard et al. 2019, "Searching for MobileNetV3", section 5.2.
    """
    return minimum(6.0, elementwise.relu(x + 3)) / 6


@activation
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Probabilities from any numbers: exp(x) / sum exp(x) along an axis.

    Args:
        x: float, at least one axis.
        axis: along which the result adds up to 1.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> cr.activation("softmax")(cr.tensor("z", (None, 10))).shape
        (batch, 10)

    Source:
        Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """
    return statistics.softmax(x, axis=axis)


@activation
def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """The logarithm of the softmax: x - log(sum exp(x)) along an axis.

    Args:
        x: float, at least one axis.
        axis: along which exp of the result adds up to 1.

    Returns:
        A tensor of the type of `x`.

    Example:
        >>> import chainrule as cr
        >>> cr.activation("log_softmax")(cr.tensor("z", (None, 10))).shape
        (batch, 10)
    """
    return statistics.log_softmax(x, axis=axis)


ACTIVATIONS: Mapping[str, Activation] = {
    formula.name: formula
    for formula in (
        linear,
        relu,
        leaky_relu,
        elu,
        selu,
        gelu,
        silu,
        mish,
        softplus,
        softsign,
        tanh,
        sigmoid,
        hard_sigmoid,
        softmax,
        log_softmax,
    )
} | {"swish": silu}
