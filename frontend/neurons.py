"""Neurons, as formulas: a vector of inputs and some parameters in, one number out.

`cr.Layer(neuron, units)` puts many side by side; `Dense` is the layer of `weighted_sum`. The others
are classics that a layer of weighted sums cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formula import Neuron, PerInput, Scalar, neuron
from .formulas.replicate import replicate
from .functions.elementwise import exp, log, square
from .functions.reductions import max, sum
from .functions.statistics import vector_norm
from .initializers import glorot_uniform, zeros
from .tensor import Tensor

__all__ = [
    "NEURONS",
    "cosine_similarity",
    "dilation",
    "distance",
    "product_unit",
    "quadratic",
    "radial",
    "replicate",
    "weighted_sum",
    "weighted_sum_without_bias",
]


@neuron
def weighted_sum(x: Tensor, W: PerInput = glorot_uniform, b: Scalar = 0.0) -> Any:
    """sum(x W) + b: the neuron of `Dense`.

    Args:
        x: the inputs, `[inputs]`.
        W: a weight for each input.
        b: the bias.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.weighted_sum(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 0.5))
        11.5

    Source:
        Rosenblatt 1958, "The perceptron".
    """
    return sum(x * W) + b


@neuron
def weighted_sum_without_bias(x: Tensor, W: PerInput = glorot_uniform) -> Any:
    """sum(x W).

    Args:
        x: the inputs, `[inputs]`.
        W: a weight for each input.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr
        >>> [p.name for p in cr.neuron("weighted_sum_without_bias").parameters]
        ['W']
    """
    return sum(x * W)


@neuron
def radial(x: Tensor, c: PerInput = glorot_uniform, gamma: Scalar = 1.0) -> Any:
    """exp(-gamma |x - c|^2): how near the inputs are to a center.

    Args:
        x: the inputs, `[inputs]`.
        c: the center.
        gamma: how narrow the bell is.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.radial(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 1.0))
        1.0

    Source:
        Broomhead and Lowe 1988, "Multivariable functional interpolation and adaptive networks".
    """
    return exp(-gamma * sum(square(x - c)))


@neuron
def distance(x: Tensor, c: PerInput = glorot_uniform) -> Any:
    """|x - c|: the Euclidean distance from a center.

    Args:
        x: the inputs, `[inputs]`.
        c: the center.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.neuron("distance")(np.array([3.0, 4.0]), np.array([0.0, 0.0])))
        5.0

    Source:
        Kohonen 1982, "Self-organized formation of topologically correct feature maps", eq. (1).
    """
    return vector_norm(x - c)


@neuron
def cosine_similarity(x: Tensor, w: PerInput = glorot_uniform, epsilon: float = 1e-7) -> Any:
    """sum(x w) / (|x| |w| + epsilon): the cosine of the angle between inputs and weights.

    Args:
        x: the inputs, `[inputs]`.
        w: a weight for each input.
        epsilon: keeps the quotient finite.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.neuron("cosine_similarity")(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
        0.0

    Source:
        Luo et al. 2018, "Cosine normalization", eq. (2).
    """
    return sum(x * w) / (vector_norm(x) * vector_norm(w) + epsilon)


@neuron
def quadratic(
    x: Tensor,
    u: PerInput = glorot_uniform,
    v: PerInput = glorot_uniform,
    w: PerInput = zeros,
    b: Scalar = 0.0,
) -> Any:
    """sum(x u) sum(x v) + sum(x^2 w) + b: products of inputs.

    Args:
        x: the inputs, `[inputs]`.
        u: weights of the first factor.
        v: weights of the second factor.
        w: weights of the squares.
        b: the bias.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr
        >>> [p.shape(784, 10) for p in cr.neuron("quadratic").parameters]
        [(784, 10), (784, 10), (784, 10), (10,)]

    Source:
        Fan, Cong and Wang 2018, "A new type of neurons for machine learning", eq. (4).
    """
    return sum(x * u) * sum(x * v) + sum(square(x) * w) + b


@neuron
def product_unit(x: Tensor, w: PerInput = glorot_uniform, epsilon: float = 1e-7) -> Any:
    """exp(sum(w log(|x| + epsilon))): the product of |x|^w.

    Args:
        x: the inputs, `[inputs]`.
        w: an exponent for each input.
        epsilon: keeps the logarithm finite.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> unit = cr.neuron("product_unit")
        >>> round(float(unit(np.array([2.0, 3.0]), np.array([2.0, 1.0]))), 4)
        12.0

    Source:
        Durbin and Rumelhart 1989, "Product units", eq. (1).
    """
    return exp(sum(w * log(abs(x) + epsilon)))


@neuron
def dilation(x: Tensor, w: PerInput = zeros) -> Any:
    """max(x + w): the neuron of morphology, where a sum is a maximum and a product a sum.

    Args:
        x: the inputs, `[inputs]`.
        w: what is added to each.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.neuron("dilation")(np.array([1.0, 2.0]), np.array([3.0, 0.0])))
        4.0

    Source:
        Ritter and Sussner 1996, "An introduction to morphological neural networks", eq. (6).
    """
    return max(x + w)


NEURONS: Mapping[str, Neuron] = {
    formula.name: formula
    for formula in (
        weighted_sum,
        weighted_sum_without_bias,
        radial,
        distance,
        cosine_similarity,
        quadratic,
        product_unit,
        dilation,
    )
}
