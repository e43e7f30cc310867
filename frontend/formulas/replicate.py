"""Neurons, and one neuron's formula many times side by side and over a batch.

The formula is traced once, on vectors; then every op of it is lifted over leading axes. Nothing is
repeated: a layer's graph is as long as its neuron's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node, leaf, walk
from chainrule.compiler.lifting import lifted
from chainrule.compiler.ops.gradient import WANTED
from chainrule.compiler.ops.random import DROPOUT
from chainrule.compiler.ops.shape import broadcast_to, reshape, transpose
from chainrule.compiler.ops.steps import with_steps
from chainrule.compiler.types import Shape, TensorType

from ..calls import CALLS, LOOPS, Effects, Loop, one_of_many
from ..tensor import Like, Tensor, as_tensor, public
from .kinds import Formula, Self
from .signature import REQUIRED, Role, configured


@dataclass(frozen=True, slots=True)
class NeuronParameter:
    """A parameter of a neuron: one number an input, or one."""

    name: str
    role: Role
    initializer: Any

    def shape(self, inputs: int, units: int) -> tuple[int, ...]:
        """The shape for many neurons side by side."""
        return (inputs, units) if self.role == "per_input" else (units,)


@dataclass(frozen=True, eq=False, repr=False)
class Neuron(Formula):
    """A function of a vector of inputs and of parameters that gives one number."""

    kind = "neuron"
    operands = ("x",)
    roles = ("per_input", "scalar")

    def defaults(self) -> dict[str, Any]:
        """All settings with their defaults; a parameter's is its initializer."""
        from ..initializers import glorot_uniform, initializer, zeros

        found = super().defaults()
        for argument in self.signature.of("per_input", "scalar"):
            none = glorot_uniform if argument.role == "per_input" else zeros
            given = none if argument.default is REQUIRED else argument.default
            found[argument.name] = initializer(given)
        return found

    @property
    def parameters(self) -> tuple[NeuronParameter, ...]:
        """Its parameters, in order."""
        return tuple(
            NeuronParameter(a.name, a.role, self.settings[a.name])
            for a in self.signature.of("per_input", "scalar")
        )

    def configured(self: Self, **settings: Any) -> Self:
        """A copy with other settings; a parameter's is its initializer."""
        from ..initializers import initializer

        parameters = {a.name for a in self.signature.of("per_input", "scalar")}
        drawn = {n: initializer(v) for n, v in settings.items() if n in parameters}
        others = {n: v for n, v in settings.items() if n not in parameters}
        chosen = configured(self.name, self.defaults(), self.settings, others)
        return replace(self, settings={**chosen, **drawn})

    def __call__(self, *operands: Like, **settings: Any) -> Any:
        """The number for a vector and parameters in order; without them, a configured copy."""
        chosen = self.configured(**settings)
        return chosen.applied(*operands) if operands else chosen

    @public
    def applied(self, x: Like, *parameters: Like) -> Tensor:
        """The neuron of a vector `[inputs]`, its `PerInput` `[inputs]`, its `Scalar` `[]`."""
        names = [p.name for p in self.parameters]
        if len(parameters) != len(names):
            raise UsageError(
                f"{self.name} of {len(parameters)} parameters",
                f"it has {len(names)}: {', '.join(names)}",
                "cr.Layer makes them by itself",
            )
        first = as_tensor(x)
        given = {n: as_tensor(v, first) for n, v in zip(names, parameters, strict=True)}
        number = self.tensor(self.trace(first, **given))
        if number.ndim:
            raise UsageError(
                f"{self.name}: the result is {number.node.type}",
                "expected one number for a vector of inputs",
                "reduce it, such as with cr.sum(x * w)",
                self.signature.where,
            )
        return Tensor(as_tensor(number, first).node)


def replicate(neuron: Neuron, x: Tensor, units: int, parameters: Mapping[str, Tensor]) -> Tensor:
    """A neuron applied to every vector of inputs, with each unit's own parameters.

        y[..., j] = f(x[..., :], w[:, j], b[j])

    Args:
        neuron: the formula f.
        x: `[..., inputs]`.
        units: how many neurons there are.
        parameters: by name, of the shape that `NeuronParameter.shape` says: `(inputs, units)` for
            one number an input, `(units,)` for one number.

    Returns:
        `[..., units]`.

    Raises:
        ShapeError: a parameter has another shape.
        UsageError: the formula uses something that cannot be replicated, or does not give one
            number.

    Example:
        >>> import chainrule as cr
        >>> from chainrule.frontend.neurons import replicate, weighted_sum
        >>> x, W, b = cr.tensor("x", (None, 3)), cr.tensor("W", (3, 4)), cr.tensor("b", (4,))
        >>> replicate(weighted_sum, x, 4, {"W": W, "b": b}).shape
        (batch, 4)
    """
    inputs, lead = x.shape[-1], x.ndim  # the lifted axes: those of the batch, and the units
    own = leaf("x", TensorType(x.dtype, (inputs,)), "placeholder")
    mapped: dict[Node, Node] = {own: _spread(x.node, (*x.shape[:-1], 1, inputs))}
    placeholders = []
    for parameter in neuron.parameters:
        given = parameters[parameter.name].node
        per_input = parameter.role == "per_input"
        expected = (inputs, units) if per_input else (units,)
        if given.shape != expected:
            raise ShapeError(
                f"{neuron.name}: {parameter.name} is {given.type}",
                f"expected {TensorType(given.dtype, expected)}",
                "one number for each input and unit" if per_input else "one number for each unit",
            )
        shape = (inputs,) if per_input else ()
        placeholder = leaf(parameter.name, TensorType(given.dtype, shape), "placeholder")
        placeholders.append(Tensor(placeholder))
        by_unit = transpose(given, (1, 0)) if per_input else given
        mapped[placeholder] = _spread(by_unit, ((1,) * (lead - 1)) + (units, *shape))
    with one_of_many():
        traced = number = neuron.applied(Tensor(own), *placeholders).node
    if any(node.op in WANTED for node in with_steps(walk([number]))):
        # A warm start of a model without such a neuron needs no chain rule.
        from chainrule.compiler.passes.differentiate import derived

        number = derived(number)
    for node in with_steps(walk([number])):
        if node.op is DROPOUT:
            raise UsageError(
                "dropout inside a neuron formula",
                "a neuron's formula is one for all units",
                "put a Dropout layer before or after it",
                node.where,
            )
    result = broadcast_to(lifted(number, mapped, lead), shape=(*x.shape[:-1], units))
    if any(node in CALLS or node in LOOPS for node in walk([traced])):
        LOOPS[result] = Loop((traced,), Effects())  # its layers are the model's
    return Tensor(result)


def _spread(node: Node, shape: Shape) -> Node:
    return reshape(node, shape=shape)
