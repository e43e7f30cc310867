"""Recurrent layers: a cell's formula, repeated along a sequence."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.types import Dim, Size

from ..calls import CALLS
from ..drawing import dropped
from ..functions.creation import ones, zeros
from ..functions.elementwise import where
from ..functions.loops import kept_carries, scan
from ..functions.shaping import expand_dims, flip, permute_dims
from ..tensor import Tensor
from .base import BaseLayer, in_phases
from .core import probability

States = tuple[Tensor, ...]
Elements = Mapping[str, Tensor]
Step = Callable[[States, Elements], States]
Prepare = Callable[[Tensor], Elements]


class Recurrent(BaseLayer):
    """A cell along a sequence: states, new at every step, of which the first is the output.

    Args:
        units: the size of each state.
        return_sequences: whether the output is that of every step, rather than of the last.
        return_state: whether the last states are returned too.
        go_backwards: whether to go from the last element to the first; the outputs then come in
            that order too.
        checkpoint: how many states are kept for the gradient, as in `cr.scan`; None for all.
        dropout: the probability, in training, that an input is 0, at all steps of a sequence.
        recurrent_dropout: the same of the first state, as the cell sees it.
        name: the layer's name.

    Source:
        Gal and Ghahramani 2016, "A theoretically grounded application of dropout in recurrent
        neural networks", section 4, for dropout.
    """

    names: tuple[str, ...] = ("h",)  # of the states; the first is the output
    gates: tuple[str, ...] = ("h",)  # what sees inputs and states

    def __init__(
        self,
        units: int,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        checkpoint: int | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
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
                "such as 64",
            )
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards = bool(go_backwards)
        kind = type(self).__name__
        self.checkpoint = kept_carries(kind, checkpoint)
        self.dropout = probability(f"{kind} with dropout", dropout)
        self.recurrent_dropout = probability(f"{kind} with recurrent_dropout", recurrent_dropout)

    def describe(self) -> str:
        """As written."""
        rates = ((name, getattr(self, name)) for name in ("dropout", "recurrent_dropout"))
        said = [f", {name}={rate:g}" for name, rate in rates if rate]
        options = ("return_sequences", "return_state", "go_backwards")
        said += [f", {option}=True" for option in options if getattr(self, option)]
        if self.checkpoint is not None:
            said.append(f", checkpoint={self.checkpoint}")
        return f"{type(self).__name__}({self.units}{self._options()}{''.join(said)})"

    def _options(self) -> str:
        return ""

    @abstractmethod
    def begin(self, x: Tensor) -> tuple[Prepare, Step]:
        """For a sequence `(time, batch, features)`: what makes of it what the cell needs, the cell.

        What the first gives does not depend on the states. It is called with the sequence, for all
        steps at once, or for each step with the inputs `(batch, features)`, if few are to be kept.
        """

    def first(self) -> tuple[float, ...]:
        """What each state is before the first step."""
        return (0.0,) * len(self.names)

    def __call__(  # type: ignore[override]
        self,
        x: Tensor,
        initial_state: Tensor | Sequence[Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """Apply the layer.

        Args:
            x: a tensor `(batch, time, features)`; the time may be an open size.
            initial_state: the states before the first step, `(batch, units)` each.
            mask: a tensor of bool `(batch, time)`, false where a sequence is padded. A step that
                is masked leaves the states as they are.

        Returns:
            The output: `(batch, units)`, or `(batch, time, units)` with `return_sequences`. With
            `return_state` a list: the output, then the last states.
        """
        states = [initial_state] if isinstance(initial_state, Tensor) else list(initial_state or ())
        given = [x, *states, *([] if mask is None else [mask])]
        with self._here():
            self._check_all(given)
            self._fit(x, states, mask)
            found: list[Tensor] = []

            def apply() -> Tensor:
                output, last = self.run(x, states, mask)
                if self.return_sequences and self.go_backwards:
                    output = flip(output, axis=1)
                found.extend([output if self.return_sequences else last[0], *last])
                return found[0]

            self._called(given, apply)
        if not self.return_state:
            return found[0]
        # A model may use the states without the output.
        call = next(call for call in CALLS[found[0].node] if call.layer is self)
        for state in found[1:]:
            calls = CALLS.setdefault(state.node, [])
            if call not in calls:
                calls.append(call)
        return found

    def apply(self, *inputs: Tensor) -> Tensor:
        """The output for a sequence, from the first states, with no step masked."""
        output, last = self.run(inputs[0], [], None)
        return output if self.return_sequences else last[0]

    def run(
        self, x: Tensor, initial: Sequence[Tensor], mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The outputs in the order of time, and the last states."""
        whole = permute_dims(x, (1, 0, 2))
        prepare, step = self.begin(whole)
        shape = (x.shape[0], self.units)
        starts = tuple(initial) or tuple(
            zeros(shape, dtype=x.dtype) + value if value else zeros(shape, dtype=x.dtype)
            for value in self.first()
        )
        given = {"x": whole} if self.checkpoint else dict(prepare(whole))
        present = {}
        if mask is not None:
            present["present"] = expand_dims(permute_dims(mask, (1, 0)), axis=-1)

        def one(carry: Mapping[str, Tensor], now: Elements) -> tuple[Any, Tensor]:
            old = tuple(carry[name] for name in self.names)
            new = step(old, prepare(now["x"]) if self.checkpoint else now)
            if mask is not None:
                new = tuple(where(now["present"], a, b) for a, b in zip(new, old, strict=True))
            return dict(zip(self.names, new, strict=True)), new[0]

        init = dict(zip(self.names, starts, strict=True))
        xs = {**given, **present}
        last, outputs = scan(one, init, xs, reverse=self.go_backwards, checkpoint=self.checkpoint)
        return permute_dims(outputs, (1, 0, 2)), tuple(last[name] for name in self.names)

    def _masks(self, x: Tensor, width: Dim, rate: float) -> list[Tensor]:
        """What to multiply with so that some of `width` columns are 0: the same in every step.

        With `recurrent_dropout` each gate has a mask of its own, else one is for all; none if
        nothing is dropped.
        """
        if not rate:
            return []
        whole, count = ones((x.shape[1], width), dtype=x.dtype), len(self.gates)
        if self.recurrent_dropout:
            return [dropped(whole, rate) for _ in range(count)]
        return [dropped(whole, rate)] * count

    def _dropping(self, x: Tensor) -> Callable[[Tensor], list[Tensor]]:
        """What each gate sees of a state, given the sequence."""
        masks = self._masks(x, self.units, self.recurrent_dropout)
        return lambda state: self._seen(state, masks)

    def _seen(self, x: Tensor, masks: list[Tensor]) -> list[Tensor]:
        """What each gate sees of `x`: in training, what its mask leaves."""
        if not masks:
            return [x] * len(self.gates)
        return [in_phases(x * mask, x) for mask in masks]

    def _check_all(self, given: Sequence[Any]) -> None:
        self._check(given[:1])
        for t in given[1:]:
            if not isinstance(t, Tensor):
                raise UsageError(
                    f"{self.describe()} called with {type(t).__name__}",
                    "states and masks are tensors",
                    "make them inputs of the model with cr.Input",
                )

    def _fit(self, x: Tensor, states: Sequence[Tensor], mask: Tensor | None) -> None:
        if x.ndim != 3 or isinstance(x.shape[-1], Size):
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                "expected a sequence of vectors: batch, time, features",
                "cr.Input((None, 8)) has any number of steps of 8 features",
            )
        if not x.node.type.is_float:
            raise DTypeError(
                f"{self.describe()} on {x.node.type}",
                "expected float32 or float64",
                "an Embedding makes vectors of labels",
            )
        if states and len(states) != len(self.names):
            raise UsageError(
                f"{self.describe()} with {len(states)} initial states",
                f"expected {len(self.names)}: {', '.join(self.names)}",
                "return_state=True of another layer gives them, behind its output",
            )
        for state in states:
            if state.shape != (x.shape[0], self.units) or state.dtype != x.dtype:
                raise ShapeError(
                    f"{self.describe()}: an initial state is {state.node.type}",
                    f"expected {x.dtype} of shape ({x.shape[0]}, {self.units})",
                    "a Dense layer makes a state of that size of anything",
                )
        if mask is not None and (mask.shape != x.shape[:2] or mask.dtype != "bool"):
            raise ShapeError(
                f"{self.describe()}: the mask is {mask.node.type}",
                f"expected bool of shape ({x.shape[0]}, {x.shape[1]})",
                "true where there is something, such as labels != 0",
            )
