"""Making formulas: decorators for neurons, activations, losses, metrics, optimizers, regularizers.

Each takes a Python callable, a SymPy expression, or the name of a built-in formula:

    swish = cr.activation(lambda z: z * cr.sigmoid(z), name="swish")

    @cr.neuron
    def radial(x, c: cr.PerInput, gamma: cr.Scalar = 1.0):
        return cr.exp(-gamma * cr.sum((x - c) ** 2))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar, overload

from chainrule.compiler.errors import UsageError

from .formulas.comparisons import Loss, Metric
from .formulas.expressions import is_sympy, of_expressions
from .formulas.kinds import Activation, Formula, Regularizer, named
from .formulas.replicate import Neuron, NeuronParameter
from .formulas.signature import PerInput, Scalar, State, Step, signature
from .formulas.updates import Optimizer, Update
from .names import identifier
from .tensor import Tensor

__all__ = [
    "Activation",
    "Formula",
    "Loss",
    "Metric",
    "Neuron",
    "NeuronParameter",
    "Optimizer",
    "PerInput",
    "Regularizer",
    "Scalar",
    "State",
    "Step",
    "Update",
    "activation",
    "from_config",
    "loss",
    "metric",
    "neuron",
    "optimizer",
    "regularizer",
]

F = TypeVar("F", bound=Formula)


def made(kind: type[F], given: Any, name: str | None = None, **options: Any) -> Any:
    """The formula that is meant.

    Args:
        kind: its class.
        given: a callable, a SymPy expression (several for an optimizer), a built-in formula's name,
            or a formula; None: a decorator is wanted.
        name: what formulas and code call it; by default the callable's name.
        options: what the class has beyond name, function and settings, and what the symbols of a
            SymPy expression are, themselves or by name: `args`, `settings`, `states` and `step`.

    Raises:
        UnknownNameError: no formula has this name, or the name is not an identifier.
        UsageError: it is no formula, or one with other arguments than its kind has.
    """
    if given is None:
        return lambda function: made(kind, function, name, **options)
    if isinstance(given, str):
        return named(kind.kind, given)
    if isinstance(given, kind):
        return given if name is None else replace(given, name=identifier(name, "a formula's name"))
    roles = {key: options.pop(key, None) for key in ("args", "settings", "states", "step")}
    if is_sympy(given):
        function, found = of_expressions(given, kind, **roles)
    elif callable(given) and not isinstance(given, Formula):
        function, found = given, signature(given, kind.kind, kind.operands, kind.roles)
    else:
        what = given.kind if isinstance(given, Formula) else type(given).__name__
        raise UsageError(
            f"expected {'an' if kind.kind[0] in 'ao' else 'a'} {kind.kind}, came {what}",
            f"{given!r:.60}",
            f"a name, a function of {', '.join(kind.operands)}, or a SymPy expression",
        )
    own = getattr(given, "__name__", "")
    called = (own if own.isidentifier() else kind.kind) if name is None else name
    return kind(identifier(called, "a formula's name"), function, found, {}, **options)


Given = Callable[..., Any] | str
Decorator = Callable[[Callable[..., Any]], F]


@overload
def activation(
    given: Activation | Given | Any,
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    settings: Mapping[Any, Any] | None = None,
) -> Activation: ...
@overload
def activation(given: None = None, *, name: str | None = None) -> Decorator[Activation]: ...
def activation(given: Any = None, **options: Any) -> Any:  # noqa: D417 - the overloads name them
    """An activation function: a formula of one tensor.

    Args:
        given: a Python function of `x`, whose further arguments have defaults and are settings; a
            SymPy expression; or the name of a built-in one. Nothing: the result is a decorator.
        name: what formulas and code call it; by default the function's name.
        args: the symbol of a SymPy expression that is the operand.
        settings: the other symbols of a SymPy expression, with their values.

    Returns:
        The activation, to be applied to tensors or given to a layer.

    Raises:
        UnknownNameError: no activation has this name.
        UsageError: it is not a formula of one tensor.

    Example:
        >>> import chainrule as cr
        >>> swish = cr.activation(lambda z: z * cr.sigmoid(z), name="swish")
        >>> swish(cr.tensor("x", (3,)))
        <tensor swish: f32[3]>
        >>> cr.activation("leaky_relu")(negative_slope=0.3)
        leaky_relu(negative_slope=0.3)
    """
    return made(Activation, given, **options)


@overload
def loss(
    given: Loss | Given | Any,
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    settings: Mapping[Any, Any] | None = None,
    target: Literal["values", "classes"] = "values",
    from_logits: bool = False,
) -> Loss: ...
@overload
def loss(
    given: None = None,
    *,
    name: str | None = None,
    target: Literal["values", "classes"] = "values",
    from_logits: bool = False,
) -> Decorator[Loss]: ...
def loss(given: Any = None, **options: Any) -> Any:  # noqa: D417 - the overloads name them
    """A loss: a formula of target and prediction, one value for each sample.

    Training makes the mean over the samples small.

    Args:
        given: a Python function of `(target, prediction)`, whose further arguments have defaults
            and are settings; a SymPy expression; or the name of a built-in one. Nothing: the
            result is a decorator.
        name: what it is called; by default the function's name.
        args: the symbols of a SymPy expression that are target and prediction.
        settings: the other symbols of a SymPy expression, with their values.
        target: `values`, of the prediction's shape, or `classes`, integers from 0 in place of the
            prediction's last axis.
        from_logits: whether the prediction is taken before the sigmoid or softmax.

    Returns:
        The loss, to be applied to two tensors or given to `model.compile`.

    Raises:
        UnknownNameError: no loss has this name.
        UsageError: it is not a formula of two tensors.

    Example:
        >>> import chainrule as cr
        >>> @cr.loss
        ... def quartic(target, prediction, scale=1.0):
        ...     return scale * cr.mean((target - prediction) ** 4, axis=-1)
        >>> quartic(cr.tensor("y", (None, 3)), cr.tensor("p", (None, 3))).shape
        (batch,)
        >>> cr.loss("mse")
        mean_squared_error
    """
    return made(Loss, given, **options)


@overload
def metric(
    given: Metric | Given | Any,
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    settings: Mapping[Any, Any] | None = None,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> Metric: ...
@overload
def metric(
    given: None = None,
    *,
    name: str | None = None,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> Decorator[Metric]: ...
def metric(given: Any = None, **options: Any) -> Any:  # noqa: D417 - the overloads name them
    """A metric: a formula of target and prediction, one value for each sample.

    What is shown is the mean over all samples, or `finish` of it.

    Args:
        given: a Python function of `(target, prediction)`, whose further arguments have defaults
            and are settings; a SymPy expression; a loss; or the name of a built-in metric or loss.
            Nothing: the result is a decorator.
        name: what it is called; by default the function's name.
        args: the symbols of a SymPy expression that are target and prediction.
        settings: the other symbols of a SymPy expression, with their values.
        finish: a formula of the mean over all samples, such as `cr.sqrt`.

    Returns:
        The metric.

    Raises:
        UnknownNameError: neither a metric nor a loss has this name.
        UsageError: it is not a formula of two tensors.

    Example:
        >>> import chainrule as cr
        >>> @cr.metric(finish=cr.sqrt)
        ... def rms(target, prediction):
        ...     return cr.mean((target - prediction) ** 2, axis=-1)
        >>> rms.conclude(9.0)
        3.0
    """
    if isinstance(given, Loss):
        name = options.get("name") or given.name
        return Metric(name, given.function, given.signature, given.settings)
    return made(Metric, given, **options)


@overload
def regularizer(
    given: Regularizer | Given | Any,
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    settings: Mapping[Any, Any] | None = None,
) -> Regularizer: ...
@overload
def regularizer(given: None = None, *, name: str | None = None) -> Decorator[Regularizer]: ...
def regularizer(given: Any = None, **options: Any) -> Any:  # noqa: D417 - the overloads name them
    """A regularizer: a formula of a parameter that gives one number, which is added to the loss.

    Args:
        given: a Python function of `w`, whose further arguments have defaults and are settings; a
            SymPy expression; or the name of a built-in one. Nothing: the result is a decorator.
        name: what it is called; by default the function's name.
        args: the symbol of a SymPy expression that is the operand.
        settings: the other symbols of a SymPy expression, with their values.

    Returns:
        The regularizer.

    Raises:
        UnknownNameError: no regularizer has this name.
        UsageError: it is not a formula of one tensor.

    Example:
        >>> import chainrule as cr
        >>> @cr.regularizer
        ... def unit_length(w, strength=0.01):
        ...     return strength * (cr.sum(w**2) - 1) ** 2
        >>> unit_length(0.1)
        unit_length(strength=0.1)
    """
    return made(Regularizer, given, **options)


@overload
def neuron(
    given: Neuron | Given | Any,
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    settings: Mapping[Any, Any] | None = None,
) -> Neuron: ...
@overload
def neuron(given: None = None, *, name: str | None = None) -> Decorator[Neuron]: ...
def neuron(given: Any = None, **options: Any) -> Any:  # noqa: D417 - the overloads name them
    """A neuron: a formula of a vector of inputs and of parameters that gives one number.

    `cr.Layer(neuron, units)` puts many side by side.

    Args:
        given: a Python function of `x`, shape `(inputs,)`. An argument annotated `cr.PerInput` is a
            parameter with one number for each input, one annotated `cr.Scalar` a parameter of one
            number; the default is a number or an initializer (Glorot uniform and 0 where there is
            none). Arguments that only have a default are settings. Or a SymPy expression, in which
            an `IndexedBase` inside a `Sum` is the input or has one number for each input, and a
            symbol is one number. Or the name of a built-in one. Nothing: the result is a decorator.
        name: what it is called; by default the function's name.
        args: the input in a SymPy expression; by default `x`.
        settings: those symbols of a SymPy expression that are settings, with their values.

    Returns:
        The neuron.

    Raises:
        UnknownNameError: no neuron has this name.
        UsageError: it is not a formula of one vector.

    Example:
        >>> import chainrule as cr
        >>> @cr.neuron
        ... def radial(x, c: cr.PerInput, gamma: cr.Scalar = 1.0):
        ...     return cr.exp(-gamma * cr.sum((x - c) ** 2))
        >>> [p.shape(784, 64) for p in radial.parameters]
        [(784, 64), (64,)]
    """
    return made(Neuron, given, **options)


@overload
def optimizer(
    given: Optimizer | Given | Any,
    *,
    name: str | None = None,
    args: Sequence[Any] | None = None,
    settings: Mapping[Any, Any] | None = None,
    states: Mapping[Any, float] | None = None,
    step: Any = None,
) -> Optimizer: ...
@overload
def optimizer(given: None = None, *, name: str | None = None) -> Decorator[Optimizer]: ...
def optimizer(given: Any = None, **options: Any) -> Any:  # noqa: D417 - the overloads name them
    """An optimizer: parameter, gradient and state in; new parameter and new state out.

    Args:
        given: a Python function of a parameter `p` and its gradient `g`. An argument annotated
            `cr.State` is a state of the parameter's shape, one annotated `cr.Scalar` a state of one
            number, `cr.Step` the number of the step, from 1. Arguments that only have a default are
            settings: one that is a float is a number known only at run time, so that changing it
            compiles nothing again. It returns the new parameter, then the new states in order; None
            for a state that is not needed. Or SymPy expressions of these results. Or the name of a
            built-in one. Nothing: the result is a decorator.
        name: what it is called; by default the function's name.
        args: parameter and gradient in SymPy expressions; by default `p` and `g`.
        settings: those symbols of SymPy expressions that are settings, with their values.
        states: those that are states, with what they start from.
        step: the one that is the number of the step.

    Returns:
        The optimizer. Called with settings, by position or by name, it gives a configured copy;
        every optimizer also takes `weight_decay`, `clipvalue`, `clipnorm` and `global_clipnorm`.

    Raises:
        UnknownNameError: no optimizer has this name.
        UsageError: it is not a formula of a parameter and its gradient.

    Example:
        >>> import chainrule as cr
        >>> @cr.optimizer
        ... def momentum(p, g, v: cr.State = 0.0, rate=0.01, mu=0.9):
        ...     v = mu * v - rate * g
        ...     return p + v, v
        >>> momentum(0.1, clipnorm=1.0)
        momentum(rate=0.1, clipnorm=1.0)
    """
    return made(Optimizer, given, **options)


def from_config(config: Mapping[str, Any]) -> Formula:
    """The formula that `Formula.config` wrote. No code that comes with it is run.

    Raises:
        FileError: it is not such a description.
        UnknownNameError: it names a built-in formula or a setting that does not exist.
    """
    from .formulas.stored import formula

    return formula(config)
