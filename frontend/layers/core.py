"""Layers that reshape, merge, or apply one function: everything but neurons."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.types import product, symbol

from ..drawing import dropped
from ..formula import Activation as ActivationFormula, activation as find_activation
from ..functions.shaping import concat, reshape
from ..names import identifier, options
from ..tensor import Tensor, tensor
from .base import BaseLayer, in_phases


@options
def Input(
    shape: Sequence[int | str | None], name: str | None = None, dtype: str = "float32"
) -> Tensor:
    """An input of a model.

    Args:
        shape: the sizes of one sample, without the batch axis: `(784,)`.
        name: what `fit` and formulas call it; `x` by default.
        dtype: of the data and, for floats, of everything computed from it.

    Returns:
        A tensor of shape `(batch, *shape)`.

    Raises:
        UnknownNameError: the name is not an identifier.
        ShapeError: a size is not a positive integer.

    Example:
        >>> import chainrule as cr
        >>> cr.Input((784,)).shape
        (batch, 784)
    """
    if name is not None:
        identifier(name, "an input's name")
    if not isinstance(shape, list | tuple) or 0 in shape:
        raise ShapeError(
            f"Input of shape {shape!r}",
            "expected the sizes of one sample, each at least 1, without the batch",
            "cr.Input((784,)) is for rows of 784 numbers, cr.Input(()) for one number each",
        )
    return tensor(name or "x", (symbol("batch"), *shape), dtype=dtype)


class Activation(BaseLayer):
    """Apply an activation function elementwise (or along the last axis, for softmax).

    Args:
        activation: a name such as "relu", or a formula made by `cr.activation`.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.Activation("relu")(cr.Input((3,))).shape
        (batch, 3)
    """

    def __init__(self, activation: str | ActivationFormula, name: str | None = None) -> None:
        super().__init__(name)
        self.activation: ActivationFormula = find_activation(activation)

    def describe(self) -> str:
        """As written."""
        return f"Activation({self.activation.name!r})".replace("'", '"')

    def apply(self, *inputs: Tensor) -> Tensor:
        """The activation of `x`."""
        (x,) = inputs
        result: Tensor = self.activation(x)
        return result


class Flatten(BaseLayer):
    """All axes but the batch as one.

    Example:
        >>> import chainrule as cr
        >>> cr.Flatten()(cr.Input((8, 8))).shape
        (batch, 64)
    """

    def describe(self) -> str:
        """As written."""
        return "Flatten()"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, n)`."""
        (x,) = inputs
        return reshape(x, (x.shape[0], product(x.shape[1:])))


class Reshape(BaseLayer):
    """Another shape for each sample.

    Args:
        target_shape: the new sizes without the batch; one may be -1.

    Example:
        >>> import chainrule as cr
        >>> cr.Reshape((8, -1))(cr.Input((64,))).shape
        (batch, 8, 8)
    """

    def __init__(self, target_shape: Sequence[int], name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(target_shape, list | tuple):
            raise ShapeError(
                f"Reshape({target_shape!r})",
                "expected the new sizes of one sample, without the batch",
                "such as cr.Reshape((8, 8))",
            )
        self.target_shape = tuple(target_shape)

    def describe(self) -> str:
        """As written."""
        return f"Reshape({self.target_shape})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *target_shape)`."""
        (x,) = inputs
        return reshape(x, (x.shape[0], *self.target_shape))


class Concatenate(BaseLayer):
    """Several tensors one after the other along an axis.

    Args:
        axis: which; the last by default, never the batch.

    Example:
        >>> import chainrule as cr
        >>> a, b = cr.Input((3,), name="a"), cr.Input((4,), name="b")
        >>> cr.Concatenate()([a, b]).shape
        (batch, 7)
    """

    inputs = 0

    def __init__(self, axis: int = -1, name: str | None = None) -> None:
        super().__init__(name)
        try:
            self.axis = operator.index(axis)
        except TypeError:
            raise UsageError(
                f"Concatenate(axis={axis!r})", "expected an integer", "-1 is the last axis"
            ) from None

    def describe(self) -> str:
        """As written."""
        return "Concatenate()" if self.axis == -1 else f"Concatenate(axis={self.axis})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """The tensors joined."""
        if self.axis % max(inputs[0].ndim, 1) == 0:
            raise ShapeError(
                "Concatenate along the batch",
                f"axis {self.axis} of {inputs[0].node.type} is the batch",
                "choose another axis; -1 is the last",
            )
        return concat(inputs, axis=self.axis)


class Add(BaseLayer):
    """The sum of several tensors.

    Example:
        >>> import chainrule as cr
        >>> x = cr.Input((3,))
        >>> cr.Add()([x, cr.Dense(3)(x)]).shape
        (batch, 3)
    """

    inputs = 0

    def describe(self) -> str:
        """As written."""
        return "Add()"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Added from the left."""
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class Multiply(BaseLayer):
    """The product of several tensors, elementwise.

    Example:
        >>> import chainrule as cr
        >>> x = cr.Input((3,))
        >>> cr.Multiply()([x, cr.Dense(3, activation="sigmoid")(x)]).shape
        (batch, 3)
    """

    inputs = 0

    def describe(self) -> str:
        """As written."""
        return "Multiply()"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Multiplied from the left."""
        result = inputs[0]
        for x in inputs[1:]:
            result = result * x
        return result


class Dropout(BaseLayer):
    """In training, set each element to 0 with probability `rate` and divide the others by 1 - rate.

    The random numbers are a function of seed, step and position, the same on every target; the
    backward pass computes them again rather than store a mask. Outside training nothing changes.

    Args:
        rate: the probability, in [0, 1).

    Example:
        >>> import chainrule as cr
        >>> cr.Dropout(0.5)(cr.Input((3,))).shape
        (batch, 3)

    Source:
        Srivastava et al. 2014, "Dropout"; Salmon et al. 2011 for the random numbers.
    """

    def __init__(self, rate: float, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = probability("Dropout", rate)

    def describe(self) -> str:
        """As written."""
        return f"Dropout({self.rate:g})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """The elements that stay."""
        (x,) = inputs
        if self.rate == 0:
            return x
        return in_phases(dropped(x, self.rate), x)


def probability(name: str, rate: float) -> float:
    """`rate`, if it is a probability below 1."""
    if not isinstance(rate, int | float) or not 0 <= rate < 1:
        raise UsageError(
            f"{name}({rate!r})", "expected a probability, 0 <= rate < 1", "such as 0.2"
        )
    return float(rate)
