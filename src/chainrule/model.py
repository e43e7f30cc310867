"""Models: a network with its arrays, compiled to a program, trained, read, saved."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from chainrule.compiler.errors import UnknownNameError, UsageError, nearest
from chainrule.frontend.formula import Loss, Metric, loss as find_loss, metric as find_metric
from chainrule.frontend.layers import BaseLayer
from chainrule.frontend.names import check_options, identifier, options
from chainrule.frontend.network import Network, network
from chainrule.frontend.tensor import Tensor
from chainrule.frontend.training import Objective, training

from .alike import nothing
from .compiled import Compiled
from .trained import Trained

if TYPE_CHECKING:
    from chainrule.frontend.formulas.updates import Optimizer


class Model(Trained):
    """A model: everything between some inputs and some outputs.

    Args:
        inputs: tensors made by `Input`; one or a list.
        outputs: tensors computed from them by layers and functions; one or a list. They may be
            derivatives: a network that solves an equation is trained on what is left of it, such as
            `cr.laplacian(u[:, 0], x) + f`. Of several, each is called as its layer is
            (`cr.Dense(3, name="kind")`), or else y1, y2, ....
        name: an identifier.
        seed: of the first values of the parameters; by default that of the first `fit`.

    Raises:
        UsageError: an output needs an input that is not given.

    Example:
        >>> import chainrule as cr
        >>> x = cr.Input((3,))
        >>> y = cr.Dense(1)(cr.Dense(4, activation="tanh")(x))
        >>> model = cr.Model(x, y)
        >>> model.count_params()
        21
    """

    def __new__(cls, *args: Any, **given: Any) -> Self:
        """Check the names of the options."""
        check_options(cls.__name__, cls.__init__, given)
        return super().__new__(cls)

    def __init__(
        self,
        inputs: Tensor | Sequence[Tensor],
        outputs: Tensor | Sequence[Tensor],
        name: str = "model",
        seed: int | None = None,
    ) -> None:
        name = identifier(name, "a model's name")
        self._own(name, network(_listed(inputs), _listed(outputs), name), seed)

    @classmethod
    def of(cls, name: str, built: Network, seed: int | None = None) -> Model:
        """The model of a network that is there already, such as one from a file."""
        model: Model = object.__new__(Model)
        model._own(name, built, seed)
        return model

    def _own(self, name: str, built: Network, seed: int | None) -> None:
        super().__init__(name, built.inference, built.rows, seed)
        self._network = built
        self._draw = built.initializers

    @options
    def compile(
        self,
        loss: Any,
        optimizer: str | Optimizer = "rmsprop",
        metrics: Any = (),
        target: str = "cpu",
        loss_weights: Sequence[float] | Mapping[str, float] | None = None,
    ) -> None:
        """Choose what is minimized, how, and where it runs. Nothing is compiled before it is used.

        Args:
            loss: a name or a formula; for several outputs a list, or a dictionary by output. None
                for an output that is compared with nothing; no target is given for it.
            optimizer: a name or a configured optimizer, such as `cr.Adam(1e-3)`.
            metrics: names or formulas; for several outputs a list of lists, or a dictionary.
            target: "numpy" or "cpu".
            loss_weights: factors of the outputs' losses, 1 by default.

        Raises:
            UnknownNameError: a name is not known; the nearest one is in the message.
        """
        from chainrule.compiler.targets import target as find_target
        from chainrule.frontend.formula import optimizer as find_optimizer

        find_target(target)
        outputs = [name for name, _ in self._network.graph.outputs]
        losses: list[Loss | None] = [
            None if x is None else find_loss(x) for x in _each(loss, outputs, "loss")
        ]
        nothing = all(x is None for x in losses) and not self._network.terms
        for what, missing, such in (
            ("loss", nothing, "mse"),
            ("optimizer", optimizer is None, "adam"),
        ):
            if missing:
                raise UsageError(
                    f"compile without {what}",
                    "expected a name or a formula",
                    f'such as {what}="{such}"',
                )
        weights = [1.0] * len(outputs)
        if loss_weights is not None:
            weights = [_weight(w) for w in _each(loss_weights, outputs, "loss_weights")]
        chosen = [
            [_metric(m, of, name) for m in wanted]
            for name, wanted, of in zip(outputs, _lists(metrics, outputs), losses, strict=True)
        ]
        built = training(
            self._network, Objective(losses, weights, chosen), find_optimizer(optimizer)
        )
        self._install(Compiled.of(built, target))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A model that is trained on its own: the same graphs, copies of all arrays."""
        from chainrule.runtime.memory import filled

        made = object.__new__(type(self))
        memo[id(self)] = made
        vars(made).update(vars(self))
        made._arrays = {
            name: filled(array, array.shape, array.dtype) for name, array in self._arrays.items()
        }
        made._programs, made._fixed, made._steps, made._rewind = {}, None, None, None
        made._direct, made._alike = nothing, 0
        made.history = copy.deepcopy(self.history, memo)
        return made

    def __copy__(self) -> Self:
        """As a deep copy: what of two models with the same arrays is trained would be both."""
        return copy.deepcopy(self)

    def __reduce__(self) -> NoReturn:
        """Formulas are functions, which no other process finds by their names."""
        raise UsageError(
            f"{self.name} cannot be pickled",
            "a model is kept in a file, which holds no code",
            "model.save(path) writes it and cr.load_model(path) reads it",
        )

    def save(self, path: Any) -> None:
        """Write the model to one file: graphs, weights, the optimizer's state. No pickle.

        Args:
            path: where to; the old file is replaced only when the new one is complete.
        """
        from .saving import save

        self._drawn()
        save(path, self)


class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: `Input` first, then layers.
        name: an identifier.
        seed: of the first values of the parameters; by default that of the first `fit`.

    Raises:
        UsageError: there is no input at the start, or something is not a layer.

    Example:
        >>> import chainrule as cr
        >>> model = cr.Sequential([cr.Input((784,)), cr.Dense(10)])
        >>> model.count_params()
        7850
    """

    def __init__(
        self, layers: Sequence[Tensor | BaseLayer], name: str = "model", seed: int | None = None
    ) -> None:
        such = "cr.Sequential([cr.Input((784,)), cr.Dense(10)])"
        if not isinstance(layers, list | tuple):
            raise UsageError("Sequential takes a list of layers", f"came {layers!r:.60}", such)
        if not layers or not isinstance(layers[0], Tensor):
            first = type(layers[0]).__name__ if layers else "nothing"
            raise UsageError(
                "Sequential needs an input first", f"expected cr.Input(shape), came {first}", such
            )
        x = layers[0]
        for layer in layers[1:]:
            if isinstance(layer, type):
                raise UsageError(
                    f"Sequential: {layer.__name__} is a class of layers",
                    "after the input come layers",
                    f"cr.{layer.__name__}(...) makes one",
                )
            if not callable(layer) or isinstance(layer, Tensor):
                raise UsageError(
                    f"Sequential: {type(layer).__name__} is not a layer",
                    "after the input come layers",
                    'an activation by name is a layer so: cr.Activation("relu")',
                )
            x = layer(x)
        super().__init__(layers[0], x, name, seed)
        self.layers = [layer for layer in layers[1:] if isinstance(layer, BaseLayer)]


def _listed(given: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return list(given) if isinstance(given, list | tuple) else [given]  # type: ignore[list-item]


def _weight(given: Any) -> float:
    """The factor of a loss."""
    number = float(given) if isinstance(given, int | float | np.number) else math.nan
    if not math.isfinite(number):
        raise UsageError(
            f"{given!r} in loss_weights", "expected a finite number", "1.0 is the weight by default"
        )
    return number


def _each(given: Any, outputs: Sequence[str], what: str) -> list[Any]:
    """One thing for each output, from one for all, a list, or a dictionary by output."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in outputs:
                raise _no_output(what, name, outputs)
        missing = [name for name in outputs if name not in given]
        if missing:
            raise UsageError(
                f"no {what} for output {missing[0]}",
                f"outputs: {', '.join(outputs)}",
                "give one for each",
            )
        return [given[name] for name in outputs]
    if isinstance(given, list | tuple):
        if len(given) != len(outputs):
            raise UsageError(
                f"{len(given)} entries in {what}, {len(outputs)} outputs",
                f"outputs: {', '.join(outputs)}",
                "give one for each, in order",
            )
        return list(given)
    return [given] * len(outputs)


def _no_output(what: str, name: object, outputs: Sequence[str]) -> UnknownNameError:
    return UnknownNameError(
        f"{what} for output {name!r}",
        f"the model's outputs: {', '.join(outputs)}",
        nearest(str(name), outputs),
    )


def _lists(metrics: Any, outputs: Sequence[str]) -> list[list[Any]]:
    """A list of metrics for each output."""
    if metrics is None:
        metrics = ()
    if isinstance(metrics, Mapping):
        for name in metrics:
            if name not in outputs:
                raise _no_output("metrics", name, outputs)
        chosen = [metrics.get(name, ()) for name in outputs]
        return [list(m) if isinstance(m, list | tuple) else [m] for m in chosen]
    if not isinstance(metrics, list | tuple):
        metrics = [metrics]
    if any(isinstance(m, list | tuple) for m in metrics):
        nested = _each(metrics, outputs, "metrics")
        return [list(m) if isinstance(m, list | tuple) else [m] for m in nested]
    return [list(metrics) for _ in outputs]


def _metric(given: Any, of: Loss | None, output: str) -> Metric:
    """The metric; an accuracy knows whether predictions are logits by the loss."""
    if of is None:
        raise UsageError(
            f"a metric of {output}, which has no loss",
            "an output without a loss has no target to be compared with",
            "give metrics by output, as a dictionary, or this output a loss",
        )
    found: Metric = find_metric(given)
    if given in ("accuracy", "acc") and of.from_logits:
        return found.configured(threshold=0.0)
    return found
