"""Losses and metrics: formulas that compare a prediction with a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from chainrule.compiler.errors import DTypeError, ShapeError
from chainrule.compiler.ir import evaluate, leaf
from chainrule.compiler.types import TensorType

from ..tensor import Like, Tensor, as_tensor, public
from .kinds import Formula


@dataclass(frozen=True, eq=False, repr=False)
class _Comparison(Formula):
    """A formula of a target and a prediction: what `Loss` and `Metric` share."""

    operands = ("target", "prediction")

    @property
    def numeric(self) -> bool:
        """Whether a target is a number to compute with, never a class."""
        return False

    def __call__(self, *operands: Like, **settings: Any) -> Any:
        """One value for each sample; without tensors, a copy with other settings."""
        chosen = self.configured(**settings)
        if not operands:
            return chosen
        self.expect_all(operands)
        return chosen.applied(*operands)

    @public
    def applied(self, target: Like, prediction: Like) -> Tensor:
        """One value for each sample.

        Args:
            target: what should have come, `[batch, ...]`.
            prediction: what came, `[batch, ...]`.

        Returns:
            `[batch, ...]`, without the last axis where the formula reduces it.

        Raises:
            DTypeError: the prediction is not a float.
        """
        y, p = as_tensor(target), as_tensor(prediction)
        if not p.node.type.is_float:
            raise DTypeError(
                f"{self.name}: the prediction is {p.node.type}",
                "expected float32 or float64",
                'convert it with astype("float32")',
            )
        if self.numeric and y.dtype != p.dtype:
            y = y.astype(p.dtype)
        value = self.tensor(self.trace(*aligned(y, p)))
        if not value.node.type.is_float:
            raise DTypeError(
                f"{self.name}: the result is {value.node.type}",
                "expected float32 or float64",
                f"convert it with astype({p.dtype!r})",
                self.signature.where,
            )
        return as_tensor(value, p)

    @public
    def reduced(self, target: Like, prediction: Like) -> Tensor:
        """The mean over all samples: a tensor without axes.

        Raises:
            ShapeError: the formula gives values, but not one or more for each sample.
        """
        from ..functions.statistics import mean

        value, p = self.applied(target, prediction), as_tensor(prediction)
        if value.ndim and p.ndim and value.shape[0] != p.shape[0]:
            raise ShapeError(
                f"{self.name}: the result is {value.node.type}",
                f"expected a value for each sample of {p.node.type}",
                "leave the first axis as it is: cr.mean(x, axis=-1)",
                self.signature.where,
            )
        return mean(value) if value.ndim else value


def aligned(target: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
    """Both with equally many axes where one lacks a last axis of size 1; floats of one dtype.

    Without it `[batch]` and `[batch, 1]` would broadcast to `[batch, batch]`.
    """
    from ..functions.shaping import expand_dims

    if target.dtype != prediction.dtype and target.node.type.is_float:
        target = target.astype(prediction.dtype)
    if target.ndim == prediction.ndim - 1 and prediction.shape[-1] == 1:
        target = expand_dims(target, axis=-1)
    elif prediction.ndim == target.ndim - 1 and target.shape[-1] == 1:
        prediction = expand_dims(prediction, axis=-1)
    return target, prediction


@dataclass(frozen=True, eq=False, repr=False)
class Loss(_Comparison):
    """What training makes small: a formula of target and prediction, one value for each sample.

    Attributes:
        target: whether a target is `values` like the prediction or `classes`, integers in place
            of the prediction's last axis.
        from_logits: whether the prediction is taken before the sigmoid or softmax.
    """

    kind = "loss"

    target: Literal["values", "classes"] = "values"
    from_logits: bool = False

    @property
    def numeric(self) -> bool:
        """Whether a target is a number to compute with, never a class."""
        return self.target == "values"

    def target_type(self, prediction: TensorType) -> TensorType:
        """The type of the target that belongs to a prediction."""
        if self.target == "classes":
            return TensorType("int32", prediction.shape[:-1])
        return prediction


@dataclass(frozen=True, eq=False, repr=False)
class Metric(_Comparison):
    """A number that tells how good a prediction is: `finish` of the mean over all samples.

    Attributes:
        finish: a formula of one number; None: the mean itself.
    """

    kind = "metric"

    finish: Callable[[Tensor], Tensor] | None = None

    def conclude(self, mean: float) -> float:
        """The metric, given the mean over all samples."""
        if self.finish is None:
            return mean
        x = leaf("x", TensorType("float64"), "placeholder")
        result = self.tensor(self.finish(Tensor(x)), "the end of the metric")
        return float(evaluate([result.node], {x: mean})[0])
