"""A recurrent layer of any formula, and recurrent layers in both directions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.compiler.errors import ShapeError, UsageError

from ..formulas.signature import REQUIRED, Role, signature
from ..functions.shaping import concat, flip
from ..initializers import initializer as find_initializer
from ..tensor import Tensor, as_tensor
from .base import BaseLayer
from .recurrent import Elements, Prepare, Recurrent, States, Step

INITIAL = {"per_input": "glorot_uniform", "per_unit": "orthogonal", "scalar": "zeros"}
MERGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concat": lambda a, b: concat([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


class RNN(Recurrent):
    """A recurrent layer whose cell is a formula of yours.

    The cell is a function of `x`, the input at one step, shape `(batch, features)`, and of what
    annotations say: `cr.State`, a state of shape `(batch, units)`, its default the number that it
    begins with; `cr.PerInput`, a parameter of shape `(features, units)`; `cr.PerUnit`, one of shape
    `(units, units)`; `cr.Scalar`, one of shape `(units,)`. A parameter's default is an initializer.
    It returns the new states in the order of its arguments; the first is the output.

    Args:
        cell: the formula.
        units: the size of the states.
        return_sequences: whether the output is that of every step.
        return_state: whether the last states are returned too.
        go_backwards: whether to go from the last element to the first.
        checkpoint: how many states are kept for the gradient, as in `cr.scan`; None for all.
        dropout: the probability, in training, that an input is 0 at all steps; the others are
            divided by 1 - dropout.
        recurrent_dropout: the same of the first state, as the cell sees it.
        name: the layer's name.

    Raises:
        UsageError: the cell has no state, or returns something else than its new states.
        ShapeError: a new state has another shape than the old one.

    Example:
        >>> import chainrule as cr
        >>> def leaky(x, h: cr.State = 0.0, W: cr.PerInput = "he_normal", U: cr.PerUnit = "zeros"):
        ...     return 0.9 * h + 0.1 * cr.tanh(x @ W + h @ U)
        >>> cr.RNN(leaky, 16)(cr.Input((None, 8))).shape
        (batch, 16)
    """

    def __init__(
        self,
        cell: Callable[..., Any],
        units: int,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        checkpoint: int | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            units,
            return_sequences,
            return_state,
            go_backwards,
            checkpoint,
            dropout,
            recurrent_dropout,
            name,
        )
        roles: tuple[Role, ...] = ("per_input", "per_unit", "scalar", "state")
        self.cell, self._signature = cell, signature(cell, "cell", ("x",), roles)
        self._states = self._signature.of("state")
        if not self._states:
            raise UsageError(
                f"a cell without a state: {self._called_cell()}",
                "expected at least one argument annotated cr.State",
                "def cell(x, h: cr.State = 0.0, W: cr.PerInput = 'glorot_uniform'): ...",
            )
        self.names = tuple(argument.name for argument in self._states)
        self.formula = (
            f"{', '.join(self.names)} = {self._called_cell()}(x, {', '.join(self.names)})"
        )

    def _called_cell(self) -> str:
        return str(getattr(self.cell, "__name__", "cell"))

    def describe(self) -> str:
        """As written."""
        return super().describe().replace("RNN(", f"RNN({self._called_cell()}, ", 1)

    def first(self) -> tuple[float, ...]:
        """The states' defaults."""
        return tuple(0.0 if s.default is REQUIRED else float(s.default) for s in self._states)

    def begin(self, x: Tensor) -> tuple[Prepare, Step]:
        """The sequence as it is, and the cell."""
        shapes = {
            "per_input": (x.shape[-1], self.units),
            "per_unit": (self.units, self.units),
            "scalar": (self.units,),
        }
        values: dict[str, Any] = {s.name: s.default for s in self._signature.of("setting")}
        for p in self._signature.of("per_input", "per_unit", "scalar"):
            first = find_initializer(INITIAL[p.role] if p.default is REQUIRED else p.default)
            values[p.name] = self.parameter(p.name, shapes[p.role], x.dtype, first)
        (operand,) = self._signature.of("operand")
        seen, masks = self._dropping(x), self._masks(x, x.shape[-1], self.dropout)

        def step(states: States, now: Elements) -> States:
            old = dict(zip(self.names, (*seen(states[0]), *states[1:]), strict=True))
            result = self._signature.call(self.cell, {**values, **old, operand.name: now["x"]})
            new = result if isinstance(result, tuple) else (result,)
            if len(new) != len(states):
                raise UsageError(
                    f"the cell {self._called_cell()} returned {len(new)} states",
                    f"expected {len(states)}: {', '.join(self.names)}",
                    "return the new states in the order of the arguments",
                )
            return tuple(self._fitting(as_tensor(a), b) for a, b in zip(new, states, strict=True))

        return lambda x: {"x": self._seen(x, masks)[0]}, step

    def _fitting(self, new: Tensor, old: Tensor) -> Tensor:
        if new.shape != old.shape:
            raise ShapeError(
                f"the cell {self._called_cell()} returned a state of {new.node.type}",
                f"expected {old.node.type}: a state keeps its shape",
                "x @ W has it, where W is annotated cr.PerInput",
            )
        return new


class Bidirectional(BaseLayer):
    """A recurrent layer in both directions, each with parameters of its own.

    Args:
        layer: a recurrent layer.
        merge_mode: how the two outputs become one: "concat", "sum", "mul", "ave"; None for a list.
        backward_layer: the layer that goes from the last element to the first; by default one like
            `layer`.
        name: the layer's name.

    Raises:
        UsageError: the layer is not recurrent, the two return different things, or there is no
            such mode.

    Example:
        >>> import chainrule as cr
        >>> cr.Bidirectional(cr.LSTM(16))(cr.Input((None, 8))).shape
        (batch, 32)

    Source:
        Schuster and Paliwal 1997, "Bidirectional recurrent neural networks".
    """

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str | None = "concat",
        backward_layer: Recurrent | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        for given in (layer, *([] if backward_layer is None else [backward_layer])):
            if not isinstance(given, Recurrent):
                raise UsageError(
                    f"Bidirectional of {given!r:.60}", "expected a recurrent layer", "cr.LSTM(16)"
                )
        if merge_mode is not None and merge_mode not in MERGES:
            raise UsageError(
                f"Bidirectional: merge_mode={merge_mode!r}",
                f"expected {', '.join(MERGES)} or None",
                "concat is the default",
            )
        self.forward_layer, self.merge_mode = layer, merge_mode
        self.backward_layer = backward_layer or _mirrored(layer)
        ahead, back = self.forward_layer, self.backward_layer
        if (ahead.return_sequences, ahead.return_state) != (
            back.return_sequences,
            back.return_state,
        ) or ahead.go_backwards == back.go_backwards:
            raise UsageError(
                f"Bidirectional of {ahead.describe()} and {back.describe()}",
                "one goes backwards, and both return the same",
                "leave backward_layer out for one like the first",
            )

    def describe(self) -> str:
        """As written."""
        mode = "" if self.merge_mode == "concat" else f", merge_mode={self.merge_mode!r}"
        return f"Bidirectional({self.forward_layer.describe()}{mode})"

    def __call__(  # type: ignore[override]
        self,
        x: Tensor,
        initial_state: Sequence[Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """Apply the layer.

        Args:
            x: a tensor `(batch, time, features)`.
            initial_state: the states of the forward layer, then those of the backward one.
            mask: a tensor of bool `(batch, time)`, false where a sequence is padded.

        Returns:
            The merged output, both in the order of time; with `return_state` a list: the output,
            the last states of the forward layer, those of the backward one.
        """
        count = len(self.forward_layer.names)
        states = list(initial_state or ())
        ahead = self.forward_layer(x, states[:count] or None, mask)
        back = self.backward_layer(x, states[count:] or None, mask)
        outputs, others = [ahead, back], []
        if self.forward_layer.return_state:
            outputs = [ahead[0], back[0]]
            others = [*ahead[1:], *back[1:]]
        merged = self._merged(outputs)
        if self.merge_mode is None:
            return [*merged, *others]
        return [*merged, *others] if others else merged[0]

    def apply(self, *inputs: Tensor) -> Tensor:
        """The merged output."""
        return self._merged([self.forward_layer(inputs[0]), self.backward_layer(inputs[0])])[0]

    def _merged(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        if self.forward_layer.return_sequences:
            layers = (self.forward_layer, self.backward_layer)
            outputs = [
                flip(y, axis=1) if layer.go_backwards else y
                for y, layer in zip(outputs, layers, strict=True)
            ]
        if self.merge_mode is None:
            return list(outputs)
        with self._here():
            merge = MERGES[self.merge_mode]
            return [self._called(outputs, lambda: merge(outputs[0], outputs[1]))]


def _mirrored(layer: Recurrent) -> Recurrent:
    """A layer like another one, the other way round, with parameters of its own."""
    other = copy.copy(layer)
    other.parameters, other.states = [], []
    other.go_backwards = not layer.go_backwards
    other.name = None if layer.name is None else f"{layer.name}_backward"
    return other
