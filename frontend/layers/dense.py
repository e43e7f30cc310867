"""Layers of neurons: one formula, side by side; `Dense` is the layer of weighted sums."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UnknownNameError, UsageError, nearest
from chainrule.compiler.types import Size

from ..formula import (
    Activation as ActivationFormula,
    Neuron,
    Regularizer,
    activation as find_activation,
    neuron as find_neuron,
    regularizer as find_regularizer,
)
from ..initializers import initializer as find_initializer
from ..neurons import replicate, weighted_sum, weighted_sum_without_bias
from ..tensor import Tensor
from .base import BaseLayer


class Layer(BaseLayer):
    """A neuron's formula, `units` times side by side, over the batch and all axes but the last.

    `y[..., j] = f(x[..., :], w[:, j], b[j])`: a parameter with one number for each input becomes an
    array of shape `(inputs, units)`, a parameter of one number a neuron one of shape `(units,)`.
    Where the formula is a weighted sum, the compiler finds the matrix product.

    Args:
        neuron: a formula made by `cr.neuron`, or a function that one can be made of.
        units: how many.
        activation: applied to the result; a name or a formula.
        initializers: a distribution of first values for some parameters, by name.
        regularizers: a term added to the loss for some parameters, by name.
        name: the layer's name.

    Raises:
        UsageError: `units` is not a positive integer.
        ShapeError: the last axis of the input has no known size.

    Example:
        >>> import chainrule as cr
        >>> @cr.neuron
        ... def radial(x, c: cr.PerInput, gamma: cr.Scalar = 1.0):
        ...     return cr.exp(-gamma * cr.sum((x - c) ** 2))
        >>> cr.Layer(radial, 64)(cr.Input((784,))).shape
        (batch, 64)
    """

    def __init__(
        self,
        neuron: Neuron | Any,
        units: int,
        activation: str | ActivationFormula | None = None,
        *,
        initializers: Mapping[str, Any] | None = None,
        regularizers: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        try:
            self.units = 0 if isinstance(units, bool) else operator.index(units)
        except TypeError:
            self.units = 0
        if self.units < 1:
            raise UsageError(
                f"{type(self).__name__} of {units!r} units",
                "expected a positive integer",
                "such as 128",
            )
        self.neuron: Neuron = find_neuron(neuron)
        self.activation: ActivationFormula | None = (
            None if activation is None else find_activation(activation)
        )
        if self.activation is not None and self.activation.name == "linear":
            self.activation = None
        first = self._known("initializers", initializers)
        extra = self._known("regularizers", regularizers)
        self._initializers = {
            p.name: find_initializer(first.get(p.name, p.initializer))
            for p in self.neuron.parameters
        }
        self._regularizers: dict[str, Regularizer] = {
            name: find_regularizer(given) for name, given in extra.items()
        }
        self.letter = "z" if self.activation is None else "h"

    def _known(self, what: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
        names = [p.name for p in self.neuron.parameters]
        for name in given or {}:
            if name not in names:
                raise UnknownNameError(
                    f"{what} for {name!r}",
                    f"the neuron {self.neuron.name} has {', '.join(names) or 'no parameters'}",
                    nearest(name, names),
                )
        return {name: value for name, value in (given or {}).items() if value is not None}

    def describe(self) -> str:
        """As written."""
        return f"Layer({self.neuron.name}, {self.units}{self._options()})"

    def _options(self) -> str:
        return "" if self.activation is None else f', activation="{self.activation.name}"'

    def apply(self, *inputs: Tensor) -> Tensor:
        """The neurons' results, of shape `(batch, ..., units)`."""
        (x,) = inputs
        if x.ndim < 2 or isinstance(x.shape[-1], Size):
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                "the last axis must be the neuron's inputs, of a known size",
                "cr.Input((784,)) has 784; Flatten makes one axis of several",
            )
        if not x.node.type.is_float:
            raise DTypeError(
                f"{self.describe()} on {x.node.type}",
                "weights are floats, and so must be what they multiply",
                'cr.astype(x, "float32"), or cr.Input(..., dtype="float32")',
            )
        values = {}
        for p in self.neuron.parameters:
            values[p.name] = self.parameter(
                p.name,
                p.shape(x.shape[-1], self.units),
                x.dtype,
                self._initializers[p.name],
                self._regularizers.get(p.name),
            )
        result: Tensor = replicate(self.neuron, x, self.units, values)
        if self.activation is None:
            return result
        activated: Tensor = self.activation(self.note("z", result))
        return activated


class Dense(Layer):
    """Weighted sums with a bias: `y = f(x W + b)`.

    Args:
        units: how many.
        activation: `f`; a name or a formula, none by default.
        use_bias: whether there is `b`.
        kernel_initializer: first values of `W`, shape `(inputs, units)`.
        bias_initializer: first values of `b`, shape `(units,)`.
        kernel_regularizer: a term added to the loss for `W`.
        bias_regularizer: a term added to the loss for `b`.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.Dense(128, activation="relu")(cr.Input((784,))).shape
        (batch, 128)
    """

    def __init__(
        self,
        units: int,
        activation: str | ActivationFormula | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        first, extra = {"W": kernel_initializer}, {"W": kernel_regularizer}
        if use_bias:
            first["b"], extra["b"] = bias_initializer, bias_regularizer
        elif bias_regularizer is not None:
            raise UsageError(
                "Dense without a bias has no bias_regularizer",
                "use_bias is False, and bias_regularizer is given",
                "leave one of them out",
            )
        super().__init__(
            weighted_sum if use_bias else weighted_sum_without_bias,
            units,
            activation,
            initializers=first,
            regularizers=extra,
            name=name,
        )

    def describe(self) -> str:
        """As written."""
        return f"Dense({self.units}{self._options()})"
