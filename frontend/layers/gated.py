"""Recurrent layers whose weights lie side by side: the plain one, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainrule.compiler.errors import UsageError
from chainrule.compiler.types import Shape

from ..formula import Activation, activation as find_activation, regularizer as find_regularizer
from ..functions.shaping import concat, part
from ..initializers import Initializer, initializer as find_initializer
from ..tensor import Tensor
from .recurrent import Elements, Prepare, Recurrent, States, Step

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class ForgetBias(Initializer):
    """1 in the second quarter, for the forget gate; elsewhere another initializer's values.

    Source:
        Jozefowicz et al. 2015, "An empirical exploration of recurrent network architectures".
    """

    others: Initializer

    def draw(self, random: np.random.Generator, shape: Sequence[int]) -> Any:
        """Values of the bias."""
        values = self.others.draw(random, shape)
        values[shape[0] // 4 : shape[0] // 2] = 1.0
        return values


class Gated(Recurrent):
    """Weights side by side for each gate: `W` for the input, `U` for the state, `b`."""

    def __init__(
        self,
        units: int,
        activation: str | Activation,
        use_bias: bool,
        initializers: tuple[Any, Any, Any],
        regularizers: tuple[Any, Any, Any],
        **options: Any,
    ) -> None:
        super().__init__(units, **options)
        self.activation: Activation = find_activation(activation)
        self.use_bias = bool(use_bias)
        self._initializers = [find_initializer(x) for x in initializers]
        self._regularizers = [None if x is None else find_regularizer(x) for x in regularizers]
        if not use_bias and regularizers[2] is not None:
            raise UsageError(
                f"{type(self).__name__} without a bias has no bias_regularizer",
                "use_bias is False, and bias_regularizer is given",
                "leave one of them out",
            )

    def _options(self) -> str:
        return "" if self.activation.name == "tanh" else f', activation="{self.activation.name}"'

    def _weights(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """W, U and b, each with the columns of one gate after those of the other."""
        n, count = self.units, len(self.gates)
        shapes = ((x.shape[-1], count * n), (n, count * n), self._bias_shape())
        found: list[Tensor] = []
        for name, shape, first, extra in zip(
            "WUb", shapes, self._initializers, self._regularizers, strict=True
        ):
            if name == "b" and not self.use_bias:
                return found[0], found[1], None
            found.append(self.parameter(name, shape, x.dtype, first, extra))
        return found[0], found[1], found[2]

    def _bias_shape(self) -> Shape:
        return (len(self.gates) * self.units,)

    def _of_gates(self, x: Tensor) -> list[Tensor]:
        """The columns of each gate."""
        n, last, width = self.units, x.ndim - 1, x.shape[-1]
        assert isinstance(width, int)
        return [Tensor(part(x.node, last, i, i + n)) for i in range(0, width, n)]

    def _inputs(self, x: Tensor, w: Tensor, b: Tensor | None) -> Prepare:
        """What inputs contribute to all gates, for a sequence like `x` or a step of it."""
        masks = self._masks(x, x.shape[-1], self.dropout)

        def prepare(x: Tensor) -> dict[str, Tensor]:
            seen = self._seen(x, masks)
            if _all_same(seen):
                return {"x": _sum(seen[0], w, b)}
            return {"x": concat(self._sums(seen, w, b), axis=-1)}

        return prepare

    def _sums(self, seen: list[Tensor], w: Tensor, b: Tensor | None = None) -> list[Tensor]:
        """`x w + b` of each gate, `x` what it sees: one product if all see the same."""
        if _all_same(seen):
            return self._of_gates(_sum(seen[0], w, b))
        biases = [None] * len(seen) if b is None else self._of_gates(b)
        parts = zip(seen, self._of_gates(w), biases, strict=True)
        return [_sum(x, weights, bias) for x, weights, bias in parts]


def _all_same(seen: list[Tensor]) -> bool:
    return len({x.node for x in seen}) == 1


def _sum(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    return x @ w if b is None else x @ w + b


class SimpleRNN(Gated):
    """The plain recurrent layer: `h = f(x W + h U + b)`.

    Args:
        units: the size of the state.
        activation: `f`; a name or a formula.
        use_bias: whether there is `b`.
        kernel_initializer: first values of `W`, shape `(features, units)`.
        recurrent_initializer: first values of `U`, shape `(units, units)`.
        bias_initializer: first values of `b`, shape `(units,)`.
        kernel_regularizer: a term added to the loss for `W`.
        recurrent_regularizer: a term added to the loss for `U`.
        bias_regularizer: a term added to the loss for `b`.
        dropout: the probability, in training, that an input is 0 at all steps; the others are
            divided by 1 - dropout.
        recurrent_dropout: the same of what the gates see of the state `h`.
        return_sequences: whether the output is that of every step.
        return_state: whether the last state is returned too.
        go_backwards: whether to go from the last element to the first.
        checkpoint: how many states are kept for the gradient, as in `cr.scan`; None for all.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.SimpleRNN(16)(cr.Input((None, 8))).shape
        (batch, 16)

    Source:
        Elman 1990, "Finding structure in time".
    """

    formula = "h = activation(x W + h U + b)"
    gates = ("h",)

    def __init__(
        self,
        units: int,
        activation: str | Activation = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        checkpoint: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            units,
            activation,
            use_bias,
            (kernel_initializer, recurrent_initializer, bias_initializer),
            (kernel_regularizer, recurrent_regularizer, bias_regularizer),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            checkpoint=checkpoint,
            name=name,
        )

    def begin(self, x: Tensor) -> tuple[Prepare, Step]:
        """`x W + b` and the formula."""
        w, u, b = self._weights(x)
        seen = self._dropping(x)

        def step(states: States, now: Elements) -> States:
            (h,) = seen(states[0])
            return (self.activation(now["x"] + h @ u),)

        return self._inputs(x, w, b), step


class LSTM(Gated):
    """Long short-term memory: a cell state that gates let in, keep and show.

        i = s(x W_i + h U_i + b_i)        f = s(x W_f + h U_f + b_f)
        g = a(x W_g + h U_g + b_g)        o = s(x W_o + h U_o + b_o)
        c = f * c + i * g                 h = o * a(c)

    Args:
        units: the size of the states `h` and `c`.
        activation: `a`; a name or a formula.
        recurrent_activation: `s`, of the gates.
        use_bias: whether there is `b`.
        kernel_initializer: first values of `W`, shape `(features, 4 units)`: i, f, g, o.
        recurrent_initializer: first values of `U`, shape `(units, 4 units)`.
        bias_initializer: first values of `b`, shape `(4 units,)`.
        unit_forget_bias: whether `b_f` begins at 1.
        kernel_regularizer: a term added to the loss for `W`.
        recurrent_regularizer: a term added to the loss for `U`.
        bias_regularizer: a term added to the loss for `b`.
        dropout: the probability, in training, that an input is 0 at all steps; the others are
            divided by 1 - dropout.
        recurrent_dropout: the same of what the gates see of the state `h`.
        return_sequences: whether the output is `h` of every step.
        return_state: whether the last `h` and `c` are returned too.
        go_backwards: whether to go from the last element to the first.
        checkpoint: how many states are kept for the gradient, as in `cr.scan`; None for all.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.LSTM(16, return_sequences=True)(cr.Input((20, 8))).shape
        (batch, 20, 16)

    Source:
        Hochreiter and Schmidhuber 1997, "Long short-term memory"; Gers et al. 2000, "Learning to
        forget", for the gate f.
    """

    formula = "c = f * c + i * g; h = o * activation(c)"
    gates = ("i", "f", "g", "o")
    names = ("h", "c")

    def __init__(
        self,
        units: int,
        activation: str | Activation = "tanh",
        recurrent_activation: str | Activation = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        checkpoint: int | None = None,
        name: str | None = None,
    ) -> None:
        bias = find_initializer(bias_initializer)
        super().__init__(
            units,
            activation,
            use_bias,
            (
                kernel_initializer,
                recurrent_initializer,
                ForgetBias(bias) if unit_forget_bias else bias,
            ),
            (kernel_regularizer, recurrent_regularizer, bias_regularizer),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            checkpoint=checkpoint,
            name=name,
        )
        self.recurrent_activation: Activation = find_activation(recurrent_activation)

    def begin(self, x: Tensor) -> tuple[Prepare, Step]:
        """`x W + b` of each gate and the formula."""
        w, u, b = self._weights(x)
        gate, activation, seen = self.recurrent_activation, self.activation, self._dropping(x)

        def step(states: States, now: Elements) -> States:
            h, c = states
            parts = zip(self._of_gates(now["x"]), self._sums(seen(h), u), strict=True)
            of_i, of_f, of_g, of_o = (x + h for x, h in parts)
            i, f, g, o = gate(of_i), gate(of_f), activation(of_g), gate(of_o)
            c = f * c + i * g
            return o * activation(c), c

        return self._inputs(x, w, b), step


class GRU(Gated):
    """The gated recurrent unit: how much of the state stays, `z`, and is seen, `r`.

        z = s(x W_z + b_z + h U_z + d_z)      r = s(x W_r + b_r + h U_r + d_r)
        n = a(x W_n + b_n + r * (h U_n + d_n))
        h = z * h + (1 - z) * n

    With `reset_after=False`, `n = a(x W_n + (r * h) U_n + b_n)` and there is no `d`.

    Args:
        units: the size of the state.
        activation: `a`; a name or a formula.
        recurrent_activation: `s`, of the gates.
        use_bias: whether there are `b` and `d`.
        kernel_initializer: first values of `W`, shape `(features, 3 units)`: z, r, n.
        recurrent_initializer: first values of `U`, shape `(units, 3 units)`.
        bias_initializer: first values of `b` and `d`, shape `(2, 3 units)`; `(3 units,)` without d.
        kernel_regularizer: a term added to the loss for `W`.
        recurrent_regularizer: a term added to the loss for `U`.
        bias_regularizer: a term added to the loss for `b` and `d`.
        dropout: the probability, in training, that an input is 0 at all steps; the others are
            divided by 1 - dropout.
        recurrent_dropout: the same of what the gates see of the state `h`.
        return_sequences: whether the output is that of every step.
        return_state: whether the last state is returned too.
        go_backwards: whether to go from the last element to the first.
        checkpoint: how many states are kept for the gradient, as in `cr.scan`; None for all.
        reset_after: whether `r` acts behind the product with `U_n`.
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.GRU(16)(cr.Input((20, 8))).shape
        (batch, 16)

    Source:
        Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder".
    """

    formula = "h = z * h + (1 - z) * n"
    gates = ("z", "r", "n")

    def __init__(
        self,
        units: int,
        activation: str | Activation = "tanh",
        recurrent_activation: str | Activation = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        checkpoint: int | None = None,
        reset_after: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(
            units,
            activation,
            use_bias,
            (kernel_initializer, recurrent_initializer, bias_initializer),
            (kernel_regularizer, recurrent_regularizer, bias_regularizer),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            checkpoint=checkpoint,
            name=name,
        )
        self.recurrent_activation: Activation = find_activation(recurrent_activation)
        self.reset_after = bool(reset_after)

    def _bias_shape(self) -> Shape:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def begin(self, x: Tensor) -> tuple[Prepare, Step]:
        """`x W + b` of each gate and the formula."""
        w, u, bias = self._weights(x)
        b, d = (bias[0], bias[1]) if bias is not None and self.reset_after else (bias, None)
        gate, activation, seen = self.recurrent_activation, self.activation, self._dropping(x)

        def step(states: States, now: Elements) -> States:
            (h,) = states
            x_z, x_r, x_n = self._of_gates(now["x"])
            if self.reset_after:
                h_z, h_r, h_n = self._sums(seen(h), u, d)
                h_n = gate(x_r + h_r) * h_n
            else:
                *others, for_n = seen(h)
                h_z, h_r = self._sums(others, u[:, : 2 * self.units])
                h_n = (gate(x_r + h_r) * for_n) @ u[:, 2 * self.units :]
            z, n = gate(x_z + h_z), activation(x_n + h_n)
            return (z * h + (1 - z) * n,)

        return self._inputs(x, w, b), step
