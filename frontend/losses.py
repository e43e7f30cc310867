"""Losses, as formulas of target and prediction: one value for each sample.

Names, defaults and values are Keras 3's, with one difference: probabilities that come straight from
a softmax or sigmoid are not clipped to [1e-7, 1 - 1e-7] before the logarithm is taken: it is
computed exactly from what goes into the activation, so its gradient never vanishes.
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.compiler.ir import Node

from .formula import Loss, loss
from .functions import statistics
from .functions.elementwise import abs, clip, cosh, log, maximum, softplus, square, where
from .functions.indexing import take_along_axis
from .functions.reductions import sum
from .functions.shaping import expand_dims, squeeze
from .functions.statistics import mean
from .tensor import Tensor, as_tensor

EPSILON = 1e-7


@loss
def mean_squared_error(target: Tensor, prediction: Tensor) -> Tensor:
    """mean (prediction - target)^2 over the last axis.

    Args:
        target: of the prediction's shape.
        prediction: float, `[batch, ..., outputs]`.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, p = cr.tensor("y", (None, 3)), cr.tensor("p", (None, 3))
        >>> cr.loss("mse")(y, p).shape
        (batch,)
    """
    return mean(square(prediction - target), axis=-1)


@loss
def mean_absolute_error(target: Tensor, prediction: Tensor) -> Tensor:
    """mean |target - prediction| over the last axis.

    Args:
        target: of the prediction's shape.
        prediction: float, `[batch, ..., outputs]`.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, p = cr.tensor("y", (None, 3)), cr.tensor("p", (None, 3))
        >>> cr.loss("mae")(y, p).shape
        (batch,)
    """
    return mean(abs(target - prediction), axis=-1)


@loss
def huber(target: Tensor, prediction: Tensor, delta: float = 1.0) -> Tensor:
    """Squares of small errors, absolute values of large ones.

    mean of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2, with e = target - prediction.

    Args:
        target: of the prediction's shape.
        prediction: float, `[batch, ..., outputs]`.
        delta: where the square ends.

    Returns:
        `[batch, ...]`: the mean over the last axis.

    Example:
        >>> import chainrule as cr
        >>> cr.loss("huber")(delta=2.0)
        huber(delta=2.0)

    Source:
        Huber 1964, "Robust estimation of a location parameter", eq. (8).
    """
    e = abs(target - prediction)
    return mean(where(e <= delta, 0.5 * square(e), delta * e - 0.5 * delta**2), axis=-1)


@loss
def log_cosh(target: Tensor, prediction: Tensor) -> Tensor:
    """mean log cosh(target - prediction): like e^2 / 2 for small errors, |e| - log 2 for large.

    Args:
        target: of the prediction's shape.
        prediction: float, `[batch, ..., outputs]`.

    Returns:
        `[batch, ...]`: the mean over the last axis.

    Example:
        >>> import chainrule as cr
        >>> y, p = cr.tensor("y", (None, 3)), cr.tensor("p", (None, 3))
        >>> cr.loss("log_cosh")(y, p).shape
        (batch,)
    """
    return mean(log(cosh(target - prediction)), axis=-1)


@loss
def binary_crossentropy(target: Tensor, prediction: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """mean -(t log p + (1 - t) log(1 - p)) over the last axis.

    Args:
        target: `t`, 0 or 1 or between, of the prediction's shape.
        prediction: `p`, probabilities, `[batch, ..., outputs]`.
        label_smoothing: how far targets are moved towards 1/2, from 0 to 1.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None, 1)), cr.tensor("z", (None, 1))
        >>> cr.loss("binary_crossentropy")(y, cr.sigmoid(z)).shape
        (batch,)

    Source:
        Szegedy et al. 2016, "Rethinking the Inception architecture", section 7, for the smoothing.
    """
    t = target * (1 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else target
    p = prediction if _comes_from(prediction, "sigmoid") else clip(prediction, EPSILON, 1 - EPSILON)
    return mean(-(t * log(p) + (1 - t) * log(1 - p)), axis=-1)


@loss(from_logits=True)
def binary_crossentropy_from_logits(
    target: Tensor, prediction: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Binary cross entropy with p = sigmoid(z): mean softplus(z) - t z over the last axis.

    Args:
        target: `t`, 0 or 1 or between, of the prediction's shape.
        prediction: `z`, any numbers, `[batch, ..., outputs]`.
        label_smoothing: how far targets are moved towards 1/2, from 0 to 1.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None, 1)), cr.tensor("z", (None, 1))
        >>> cr.loss("binary_crossentropy_from_logits")(y, z).shape
        (batch,)
    """
    t = target * (1 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else target
    return mean(softplus(prediction) - t * prediction, axis=-1)


@loss
def categorical_crossentropy(
    target: Tensor, prediction: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """-sum t log p over the last axis.

    Args:
        target: `t`, one-hot rows or probabilities, of the prediction's shape.
        prediction: `p`, probabilities, `[batch, ..., classes]`; rows that are not from a softmax
            are divided by their sum.
        label_smoothing: how far targets are moved towards 1/classes, from 0 to 1.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None, 10)), cr.tensor("z", (None, 10))
        >>> cr.loss("categorical_crossentropy")(y, cr.softmax(z)).shape
        (batch,)

    Source:
        Szegedy et al. 2016, "Rethinking the Inception architecture", section 7, for the smoothing.
    """
    t = _smoothed(target, label_smoothing)
    return -sum(t * _log_probabilities(prediction), axis=-1)


@loss(from_logits=True)
def categorical_crossentropy_from_logits(
    target: Tensor, prediction: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Categorical cross entropy with p = softmax(z): -sum t log_softmax(z) over the last axis.

    Args:
        target: `t`, one-hot rows or probabilities, of the prediction's shape.
        prediction: `z`, any numbers, `[batch, ..., classes]`.
        label_smoothing: how far targets are moved towards 1/classes, from 0 to 1.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None, 10)), cr.tensor("z", (None, 10))
        >>> cr.loss("categorical_crossentropy_from_logits")(y, z).shape
        (batch,)
    """
    t = _smoothed(target, label_smoothing)
    return -sum(t * statistics.log_softmax(prediction, axis=-1), axis=-1)


@loss(target="classes")
def sparse_categorical_crossentropy(target: Tensor, prediction: Tensor) -> Tensor:
    """-log p[t]: the logarithm of the probability that the right class was given.

    Args:
        target: `t`, classes as integers from 0, `[batch, ...]` or `[batch, ..., 1]`. One that does
            not exist is an error where the loss is computed; its gradient alone takes it for none.
        prediction: `p`, probabilities, `[batch, ..., classes]`; rows that are not from a softmax
            are divided by their sum.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None,), "int32"), cr.tensor("z", (None, 10))
        >>> cr.loss("sparse_categorical_crossentropy")(y, cr.softmax(z)).shape
        (batch,)
    """
    return -_of_class(_log_probabilities(prediction), target)


@loss(target="classes", from_logits=True)
def sparse_categorical_crossentropy_from_logits(target: Tensor, prediction: Tensor) -> Tensor:
    """-log_softmax(z)[t]: sparse categorical cross entropy with p = softmax(z).

    Args:
        target: `t`, classes as integers from 0, `[batch, ...]` or `[batch, ..., 1]`. One that does
            not exist is an error where the loss is computed; its gradient alone takes it for none.
        prediction: `z`, any numbers, `[batch, ..., classes]`.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None,), "int32"), cr.tensor("z", (None, 10))
        >>> cr.loss("sparse_categorical_crossentropy_from_logits")(y, z).shape
        (batch,)
    """
    return -_of_class(statistics.log_softmax(prediction, axis=-1), target)


@loss
def kl_divergence(target: Tensor, prediction: Tensor) -> Tensor:
    """sum t log(t / p) over the last axis; a target of 0 costs nothing.

    Args:
        target: `t`, probabilities, of the prediction's shape.
        prediction: `p`, probabilities, `[batch, ..., classes]`.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None, 10)), cr.tensor("z", (None, 10))
        >>> cr.loss("kl_divergence")(y, cr.softmax(z)).shape
        (batch,)

    Source:
        Kullback and Leibler 1951, "On information and sufficiency", eq. (2.4).
    """
    p = prediction if _comes_from(prediction, "softmax") else clip(prediction, EPSILON, 1.0)
    return sum(where(target > 0, target * (log(target) - log(p)), 0.0), axis=-1)


@loss
def hinge(target: Tensor, prediction: Tensor) -> Tensor:
    """mean max(0, 1 - t p) over the last axis.

    Args:
        target: `t`, -1 or 1, where 0 counts as -1; of the prediction's shape.
        prediction: `p`, any numbers, `[batch, ..., outputs]`.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, p = cr.tensor("y", (None, 1)), cr.tensor("p", (None, 1))
        >>> cr.loss("hinge")(y, p).shape
        (batch,)

    Source:
        Cortes and Vapnik 1995, "Support-vector networks", eq. (22).
    """
    t = where(target == 0, -1.0, target)
    return mean(maximum(0.0, 1 - t * prediction), axis=-1)


@loss
def poisson(target: Tensor, prediction: Tensor) -> Tensor:
    """mean p - t log(p + 1e-7) over the last axis: counts t of a Poisson distribution of mean p.

    Args:
        target: `t`, counts, of the prediction's shape.
        prediction: `p`, positive, `[batch, ..., outputs]`; of what comes straight from an exp, the
            logarithm is taken as it is.

    Returns:
        `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> y, z = cr.tensor("y", (None, 1)), cr.tensor("z", (None, 1))
        >>> cr.loss("poisson")(y, cr.exp(z)).shape
        (batch,)
    """
    p = prediction if _comes_from(prediction, "exp") else prediction + EPSILON
    return mean(prediction - target * log(p), axis=-1)


def _comes_from(probabilities: Tensor, function: str) -> bool:
    """Whether this function gave the probabilities, at most reshaped since."""
    node: Node = probabilities.node
    while node.op.name == "reshape":
        (node,) = node.operands
    return node.op.name == function


def _log_probabilities(p: Tensor) -> Tensor:
    """log p. What is not a softmax's is made to add up to 1 and kept off 0, as in Keras."""
    if _comes_from(p, "softmax"):
        return log(p)
    p = p / sum(p, axis=-1, keepdims=True)
    return log(clip(p, EPSILON, 1 - EPSILON))


def _smoothed(target: Tensor, label_smoothing: float) -> Tensor:
    if not label_smoothing:
        return target
    return target * (1 - label_smoothing) + as_tensor(label_smoothing) / target.shape[-1]


def _of_class(values: Tensor, classes: Tensor) -> Tensor:
    """The value of each row's class."""
    if classes.ndim == values.ndim - 1:
        classes = expand_dims(classes, axis=-1)
    return squeeze(take_along_axis(values, classes, axis=-1), axis=-1)


LOSSES: Mapping[str, Loss] = {
    formula.name: formula
    for formula in (
        mean_squared_error,
        mean_absolute_error,
        huber,
        log_cosh,
        binary_crossentropy,
        binary_crossentropy_from_logits,
        categorical_crossentropy,
        categorical_crossentropy_from_logits,
        sparse_categorical_crossentropy,
        sparse_categorical_crossentropy_from_logits,
        kl_divergence,
        hinge,
        poisson,
    )
} | {"mse": mean_squared_error, "mae": mean_absolute_error, "kld": kl_divergence}
