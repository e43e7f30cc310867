"""Metrics, as formulas of target and prediction: one value for each sample.

What is shown is the mean over all samples, or `finish` of it. Names are Keras 3's; every loss is a
metric too.
"""

from __future__ import annotations

from collections.abc import Mapping

from .formula import Metric, metric
from .functions.elementwise import abs, equal, sqrt, square
from .functions.reductions import argmax
from .functions.shaping import squeeze
from .functions.statistics import mean
from .losses import LOSSES
from .tensor import Tensor


@metric
def accuracy(target: Tensor, prediction: Tensor, threshold: float = 0.5) -> Tensor:
    """The share of predictions that are right.

    What right means depends on the shapes, as in Keras:

        prediction [..., 1]:             (prediction > threshold) = target
        target [...] or [..., 1]:        argmax(prediction) = target        classes as integers
        target as the prediction:        argmax(prediction) = argmax(target)

    Args:
        target: classes as integers, one-hot rows, or 0 and 1.
        prediction: float, `[batch, ..., classes]` or `[batch, ..., 1]`.
        threshold: what a prediction of one number must exceed to count as 1. 0 for logits.

    Returns:
        1 or 0 for each sample, `[batch, ...]`.

    Example:
        >>> import chainrule as cr
        >>> accuracy = cr.metric("accuracy")
        >>> accuracy(cr.tensor("y", (None,), "int32"), cr.tensor("p", (None, 10))).shape
        (batch,)
    """
    dtype = prediction.dtype
    if prediction.ndim and prediction.shape[-1] == 1 and target.ndim == prediction.ndim:
        right = equal((prediction > threshold).astype(dtype), target.astype(dtype))
        return mean(right.astype(dtype), axis=-1)
    if target.ndim == prediction.ndim and target.shape[-1] == 1:
        target = squeeze(target, axis=-1)
    found = argmax(prediction, axis=-1)
    wanted = argmax(target, axis=-1) if target.ndim == prediction.ndim else target
    return equal(found.astype(dtype), wanted.astype(dtype)).astype(dtype)


@metric
def mean_absolute_error(target: Tensor, prediction: Tensor) -> Tensor:
    """The mean of |target - prediction|.

    Args:
        target: float, of the prediction's shape.
        prediction: float, `[batch, ..., outputs]`.

    Returns:
        `[batch, ...]`: the mean over the last axis.

    Example:
        >>> import chainrule as cr
        >>> y, p = cr.tensor("y", (None, 3)), cr.tensor("p", (None, 3))
        >>> cr.metric("mae")(y, p).shape
        (batch,)
    """
    return mean(abs(target - prediction), axis=-1)


@metric
def mean_squared_error(target: Tensor, prediction: Tensor) -> Tensor:
    """The mean of (prediction - target)^2.

    Args:
        target: float, of the prediction's shape.
        prediction: float, `[batch, ..., outputs]`.

    Returns:
        `[batch, ...]`: the mean over the last axis.

    Example:
        >>> import chainrule as cr
        >>> y, p = cr.tensor("y", (None, 3)), cr.tensor("p", (None, 3))
        >>> cr.metric("mse")(y, p).shape
        (batch,)
    """
    return mean(square(prediction - target), axis=-1)


@metric(finish=sqrt)
def root_mean_squared_error(target: Tensor, prediction: Tensor) -> Tensor:
    """The root of the mean of (prediction - target)^2 over all samples.

    Args:
        target: float, of the prediction's shape.
        prediction: float, `[batch, ..., outputs]`.

    Returns:
        `[batch, ...]`: the mean square over the last axis, before the root is taken.

    Example:
        >>> import chainrule as cr
        >>> cr.metric("rmse").conclude(4.0)
        2.0
    """
    return mean(square(prediction - target), axis=-1)


METRICS: Mapping[str, Metric] = (
    {name: metric(loss) for name, loss in LOSSES.items()}
    | {
        formula.name: formula
        for formula in (accuracy, mean_absolute_error, mean_squared_error, root_mean_squared_error)
    }
    | {
        "acc": accuracy,
        "mae": mean_absolute_error,
        "mse": mean_squared_error,
        "rmse": root_mean_squared_error,
    }
)
