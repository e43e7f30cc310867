"""What formulas are: the one way to say what a neuron, activation, loss, metric or optimizer is.

A formula is a Python callable that is traced once, or a SymPy expression; the built-in ones are
written in the same way. What its arguments are, their annotations say (see `signature`). A formula
object applied to tensors gives a tensor; given settings by keyword it gives a configured copy:

    swish = cr.activation(lambda z: z * cr.sigmoid(z), name="swish")
    swish(x)
    cr.leaky_relu(negative_slope=0.3)
"""

from __future__ import annotations

import functools
import importlib
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from chainrule.compiler.errors import (
    ChainruleError,
    UnknownNameError,
    UsageError,
    nearest,
)
from chainrule.compiler.ir import OPS, Node, is_const, leaf, walk
from chainrule.compiler.ops.base import Scalar as Row
from chainrule.compiler.types import TensorType, symbol

from ..tensor import Like, Tensor, apply, as_tensor, public
from .signature import Role, Signature, configured

Self = TypeVar("Self", bound="Formula")


@dataclass(frozen=True, eq=False, repr=False)
class Formula(ABC):
    """A named function of tensors, with settings.

    Attributes:
        name: an identifier.
        function: the Python callable.
        signature: what its arguments are.
        settings: the values of its settings.
    """

    kind: ClassVar[str]
    operands: ClassVar[tuple[str, ...]]
    roles: ClassVar[tuple[Role, ...]] = ()

    name: str
    function: Callable[..., Any]
    signature: Signature
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Complete the settings; carry the function's documentation, as decorating it would."""
        object.__setattr__(self, "settings", {**self.defaults(), **self.settings})
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, name) and name != "__annotations__":
                object.__setattr__(self, name, getattr(self.function, name))
        object.__setattr__(self, "__wrapped__", self.function)

    def __repr__(self) -> str:
        changed = [
            f"{name}={value!r}"
            for name, value in self.settings.items()
            if value != self.defaults().get(name)
        ]
        return f"{self.name}({', '.join(changed)})" if changed else self.name

    def defaults(self) -> dict[str, Any]:
        """All settings with their defaults."""
        return {argument.name: argument.default for argument in self.signature.of("setting")}

    @property
    def builtin(self) -> bool:
        """Whether the formula is found by its name."""
        known = table(self.kind)
        found = known.get(self.name) or known.get(self.name.lower())
        return found is not None and found.function is self.function

    def configured(self: Self, **settings: Any) -> Self:
        """A copy with other settings.

        Raises:
            UnknownNameError: there is no such setting.
            UsageError: a value is of another kind than the default.
        """
        if not settings:
            return self
        return replace(
            self, settings=configured(self.name, self.defaults(), self.settings, settings)
        )

    def expect_all(self, operands: Sequence[object]) -> None:
        """Whether each operand has come.

        Raises:
            UsageError: there are more, or fewer.
        """
        if len(operands) != len(self.operands):
            names = ", ".join(self.operands)
            raise UsageError(
                f"{self.name} of {len(operands)} value{'s' * (len(operands) != 1)}",
                f"expected {len(self.operands)}: {names}",
                f"call {self.name}({names})",
            )

    def config(self, *operands: TensorType) -> dict[str, Any]:
        """The formula as plain data, for a file. `from_config` reads it back.

        Args:
            operands: the types of the tensors that a formula of the user's is applied to: the file
                then has its graph for these.

        Returns:
            Kind, name and settings; the graph's text if the formula is not built in.
        """
        from .stored import config

        return config(self, operands)

    def trace(self, *operands: Tensor, **others: Any) -> Any:
        """What the formula's function returns.

        Args:
            operands: its operands.
            others: everything else that is no setting, by name.

        Raises:
            UsageError: the function does something that tensors cannot.
        """
        names = [argument.name for argument in self.signature.of("operand")]
        values = {**self.settings, **others, **dict(zip(names, operands, strict=True))}
        try:
            return self.signature.call(self.function, values)
        except TypeError as error:
            if isinstance(error, ChainruleError) or "Tensor" not in str(error):
                raise
            raise UsageError(
                f"{self.name}: a function that does not take tensors",
                str(error).partition("\n")[0],
                "formulas are made of chainrule's functions: cr.exp instead of np.exp",
                self.signature.where,
            ) from error

    def tensor(self, result: Any, what: str = "the result") -> Tensor:
        """What the formula returned, if it is a tensor."""
        if isinstance(result, Tensor):
            return result
        came = "nothing" if result is None else type(result).__name__
        raise UsageError(
            f"{self.name}: {what} is no tensor",
            f"expected a tensor, came {came}",
            "is a return missing?" if result is None else "compute it from the operands",
            self.signature.where,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Activation(Formula):
    """A function of one tensor.

    One that works element by element becomes a row of the table of functions, so that its name
    stays in formulas and code, and SymPy finds its derivative.
    """

    kind = "activation"
    operands = ("x",)

    probed: dict[tuple[tuple[str, Any], ...], tuple[bool, Row | None]] = field(default_factory=dict)

    def __call__(self, *operands: Like, **settings: Any) -> Any:
        """The activation of a tensor; without one, a copy with other settings."""
        chosen = self.configured(**settings)
        if not operands:
            return chosen
        self.expect_all(operands)
        return chosen.applied(*operands)

    @public
    def applied(self, x: Like) -> Tensor:
        """The activation of a tensor."""
        given = as_tensor(x)
        row = self._probe()[1]
        if row is not None:
            return apply(row, given)
        return self.tensor(self.trace(given))

    @property
    def elementwise(self) -> bool:
        """Whether each element of the result depends on the same element of the tensor alone."""
        return self._probe()[0]

    def _probe(self) -> tuple[bool, Row | None]:
        """Whether it is elementwise, and the row that it then is, if it is not one already."""
        key = tuple(self.settings.items())
        if key not in self.probed:
            self.probed[key] = self._probed()
        return self.probed[key]

    def _probed(self) -> tuple[bool, Row | None]:
        x = leaf("x", TensorType("float64", (symbol("rows"), symbol("columns"))), "placeholder")
        try:
            result = self.trace(Tensor(x))
        except ChainruleError:
            return False, None  # whether it takes the tensor that it is given, the call will tell
        if not isinstance(result, Tensor) or not _elementwise(result.node, x):
            return False, None
        op = result.node.op
        if result.node is x or (result.node.operands == (x,) and op.name in (self.name, *OPS)):
            return True, None
        if self.name in OPS and not self.builtin:
            raise UsageError(
                f"an activation called {self.name}",
                f"{self.name} is a function of the language, and another one",
                "give it a name of its own: cr.activation(..., name='my_" + self.name + "')",
                self.signature.where,
            )
        return True, Row(self.name, formula=self._of_node, doc=_first_line(self.function))

    def _of_node(self, x: Node) -> Node:
        result = self.tensor(self.trace(Tensor(x)))
        return as_tensor(result, Tensor(x)).node


def _elementwise(result: Node, x: Node) -> bool:
    """Whether a result is made of elementwise functions of `x` and numbers."""
    nodes = walk([result])
    return result.type == x.type and all(
        node is x or is_const(node) or isinstance(node.op, Row) for node in nodes
    )


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]


@dataclass(frozen=True, eq=False, repr=False)
class Regularizer(Formula):
    """A cost of a parameter's values, added to the loss: a tensor without axes."""

    kind = "regularizer"
    operands = ("w",)

    def __call__(self, *operands: Any, **settings: Any) -> Any:
        """The cost of a parameter; given numbers, a copy with these settings."""
        chosen = self.configured(**settings)
        if operands and isinstance(operands[0], Tensor):
            self.expect_all(operands)
            return chosen.applied(*operands)
        return chosen.configured(**positional(self, operands))

    @public
    def applied(self, w: Tensor) -> Tensor:
        """The cost of a parameter."""
        cost = self.tensor(self.trace(w))
        if cost.ndim:
            raise UsageError(
                f"{self.name}: the cost is {cost.node.type}",
                "expected one number",
                "add the elements up with cr.sum",
                self.signature.where,
            )
        return as_tensor(cost, w)


def positional(formula: Formula, values: tuple[Any, ...]) -> dict[str, Any]:
    """Settings given by position, `Adam(1e-3)`, by name."""
    names = [argument.name for argument in formula.signature.of("setting")]
    if len(values) > len(names):
        raise UsageError(
            f"{formula.name} takes {len(names)} settings, {len(values)} given",
            f"they are {', '.join(names) or 'none'}",
            "give them by name",
        )
    return dict(zip(names, values, strict=False))


# Where the built-in formulas of each kind are found by name.
TABLES = {
    "activation": ("activations", "ACTIVATIONS"),
    "loss": ("losses", "LOSSES"),
    "metric": ("metrics", "METRICS"),
    "regularizer": ("regularizers", "REGULARIZERS"),
    "neuron": ("neurons", "NEURONS"),
    "optimizer": ("optimizers", "OPTIMIZERS"),
}


def table(kind: str) -> Mapping[str, Formula]:
    """The built-in formulas of a kind, by name; some have several names."""
    module, name = TABLES[kind]
    found: Mapping[str, Formula] = getattr(
        importlib.import_module(f"chainrule.frontend.{module}"), name
    )
    return found


def named(kind: str, name: str) -> Any:
    """The built-in formula of this name.

    Raises:
        UnknownNameError: there is none.
    """
    known = table(kind)
    found = known.get(name) or known.get(name.lower())
    if found is None:
        raise UnknownNameError(
            f"unknown {kind} {name!r}",
            f"expected the name of a built-in {kind}, or a formula",
            nearest(name, known),
        )
    return found
