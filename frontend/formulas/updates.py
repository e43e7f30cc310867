"""An optimizer at work: its formula for every parameter of a model, with its state and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from chainrule.compiler.errors import ShapeError, UsageError, caller
from chainrule.compiler.ir import Node, leaf, located, walk
from chainrule.compiler.ops.convert import cast
from chainrule.compiler.types import TensorType

from ..rows import Table, refused
from ..tensor import Tensor, as_tensor
from .kinds import Formula, positional
from .signature import REQUIRED, Argument

# What every optimizer takes besides its own settings; None leaves it out.
OPTIONS = ("weight_decay", "clipvalue", "clipnorm", "global_clipnorm")
CLIPPING = OPTIONS[1:]
# Settings that are 0 or more, and those that are shares, in [0, 1). What a user's own formula takes
# under these names is its own matter.
NON_NEGATIVE = tuple(
    "learning_rate weight_decay epsilon initial_accumulator_value momentum_decay".split()
)
SHARES = ("momentum", "beta_1", "beta_2", "rho")
RATES = ("learning_rate", "rate", "lr")


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """A step of an optimizer, as graphs.

    Attributes:
        settings: leaves of role `setting`, float64 without axes, with their values.
        state: leaves of role `state`, with the value that all their elements start from.
        updates: parameters and states, with their new values.
        names: what inner nodes are called.
    """

    settings: tuple[tuple[Node, float], ...]
    state: tuple[tuple[Node, float], ...]
    updates: tuple[tuple[Node, Node], ...]
    names: Mapping[Node, str]


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer(Formula):
    """How a parameter changes, given its gradient: a formula of both, of states and of settings."""

    kind = "optimizer"
    operands = ("p", "g")
    roles = ("state", "scalar", "step")

    def defaults(self) -> dict[str, Any]:
        """All settings with their defaults: the formula's own, and those of every optimizer."""
        own = super().defaults()
        return {**own, **{name: None for name in OPTIONS if name not in own}}

    def configured(self, **settings: Any) -> Optimizer:
        """A copy with other settings.

        Raises:
            UnknownNameError: there is no such setting.
            UsageError: a value is of another kind than the default, or outside the range in which
                it means something, or two ways of clipping are asked for.
        """
        chosen = super().configured(**settings)
        chosen._check_ranges()
        limits = {name: chosen.settings[name] for name in CLIPPING if chosen.settings[name]}
        for name, limit in limits.items():
            if not limit > 0:
                raise UsageError(
                    f"{self.name}: {name}={limit:g}",
                    "expected a positive number",
                    "None leaves gradients as they are",
                )
        if len(limits) > 1:
            raise UsageError(
                f"{self.name}: {' and '.join(limits)}",
                "expected at most one way of clipping",
                "global_clipnorm keeps the direction of the whole gradient",
            )
        return chosen

    def _check_ranges(self) -> None:
        """Whether rates are not negative, and shares in [0, 1)."""
        foreign = () if self.builtin else super().defaults()
        for name, value in self.settings.items():
            if value is None or name in foreign:
                continue
            share = name in SHARES
            if (share and not 0 <= value < 1) or (name in NON_NEGATIVE and value < 0):
                raise UsageError(
                    f"{self.name}: {name}={value:g}",
                    f"expected 0 <= {name} < 1" if share else "expected a number of 0 or more",
                    f"the default is {self.defaults()[name]!r}",
                )

    def __call__(self, *values: Any, **settings: Any) -> Any:
        """A copy with these settings; given tensors, what the formula returns for them."""
        chosen = self.configured(**settings)
        if not values or not isinstance(values[0], Tensor):
            return chosen.configured(**positional(self, values))
        others = [argument.name for argument in self.signature.of("state", "scalar", "step")]
        return chosen.trace(*values[:2], **dict(zip(others, values[2:], strict=True)))

    @property
    def states(self) -> list[str]:
        """The names of its states, in order."""
        return [argument.name for argument in self.signature.of("state", "scalar")]

    def apply(
        self,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        tables: Mapping[Node, Table] = MappingProxyType({}),
    ) -> Update:
        """The step of all parameters.

        Args:
            params: leaves of the graph.
            grads: a gradient for each, of its shape and dtype.
            tables: those of which only rows are read.

        Returns:
            New values, and everything that they depend on.

        Raises:
            UsageError: the formula returns another number of results than it has states.
            ShapeError: a result is not of the type of what it replaces.
        """
        with located(caller()):
            settings = {
                name: Tensor(leaf(name, TensorType("float64"), "setting"), weak=True)
                for name, value in self.settings.items()
                if isinstance(value, float)
            }
            values = {**self.settings, **settings}
            counter = leaf(f"{self.name.lower()}_step", TensorType("int64"), "state")
            t = Tensor(cast(counter + 1, "float64"), weak=True)
            updates: list[tuple[Node, Node]] = []
            state: list[tuple[Node, float]] = []
            clipped = self._clipped(grads, values)
            tables = self._by_rows(tables)
            for p, g in zip(params, clipped, strict=True):
                changed, kept = self._step(p, g, t, values)
                if p.node in tables:
                    changed = [*tables[p.node].updates(changed, g.node)]
                updates += changed
                state += kept
        used = set(walk([new for _, new in updates]))
        if t.node in used:
            state.append((counter, 0))
            updates.append((counter, counter + 1))
        return Update(
            tuple((x.node, self.settings[n]) for n, x in settings.items() if x.node in used),
            tuple(state),
            tuple(updates),
            {
                new.node: f"clipped_{p.node.attr('name')}"
                for p, g, new in zip(params, grads, clipped, strict=True)
                if new is not g
            },
        )

    def _by_rows(self, tables: Mapping[Node, Table]) -> Mapping[Node, Table]:
        """The tables of which rows may be updated alone: none where a norm is taken of all."""
        own = super().defaults()
        norms = [name for name in ("clipnorm", "global_clipnorm") if name not in own]
        taken = [name for name in norms if self.settings[name] is not None]
        if not taken:
            return tables
        for table in tables.values():
            if table.asked:
                raise refused(table.node, f"{taken[0]} looks at all rows of its gradient")
        return {}

    def _clipped(self, grads: Sequence[Tensor], values: Mapping[str, Any]) -> list[Tensor]:
        from ..transforms import clip_by_global_norm, clip_by_norm, clip_by_value

        own = super().defaults()
        asked = [name for name in CLIPPING if name not in own and values[name] is not None]
        limit = {name: values[name] for name in asked}
        if "clipvalue" in limit:
            return [clip_by_value(g, limit["clipvalue"]) for g in grads]
        if "clipnorm" in limit:
            return [clip_by_norm(g, limit["clipnorm"]) for g in grads]
        if "global_clipnorm" in limit:
            return clip_by_global_norm(grads, limit["global_clipnorm"])
        return list(grads)

    def _step(
        self, p: Tensor, g: Tensor, t: Tensor, values: Mapping[str, Any]
    ) -> tuple[list[tuple[Node, Node]], list[tuple[Node, float]]]:
        """Updates of one parameter and of its states, and where these start."""
        name = p.node.attr("name")
        states = self.signature.of("state", "scalar")
        leaves = [self._state(argument, p, name) for argument in states]
        given = {a.name: Tensor(x, a.role == "scalar") for a, x in zip(states, leaves, strict=True)}
        given |= {argument.name: t for argument in self.signature.of("step")}
        result = self.results(self._decayed(p, values), g, {**values, **given})
        updates, kept = [(p.node, self._new(result[0], p.node, "the new parameter"))], []
        for argument, node, new in zip(states, leaves, result[1:], strict=True):
            if new is not None:
                updates.append((node, self._new(new, node, f"the new {argument.name}")))
                kept.append((node, self.start(argument)))
        return updates, kept

    def _state(self, argument: Argument, p: Tensor, name: str) -> Node:
        whole = p.node.type if argument.role == "state" else TensorType("float64")
        return leaf(f"{self.name.lower()}_{argument.name}_{name}", whole, "state")

    def start(self, argument: Argument) -> float:
        """What a state starts from: a number, or the value of a setting."""
        start = 0.0 if argument.default is REQUIRED else argument.default
        return float(self.settings[start] if isinstance(start, str) else start)

    def _decayed(self, p: Tensor, values: Mapping[str, Any]) -> Tensor:
        from ..transforms import decay_weights

        if "weight_decay" in super().defaults() or values["weight_decay"] is None:
            return p
        rate = next((values[name] for name in RATES if name in values), None)
        if rate is None:
            raise UsageError(
                f"{self.name}: weight_decay without a learning rate",
                f"the settings are {', '.join(super().defaults()) or 'none'}",
                "call one learning_rate or rate: what is taken off a step is proportional to it",
                self.signature.where,
            )
        return decay_weights(p, values["weight_decay"], rate)

    def results(self, p: Tensor, g: Tensor, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the formula returns: the new parameter, then a new state or None for each state.

        Raises:
            UsageError: it is another number of results.
        """
        result = self.trace(p, g, **values)
        results = tuple(result) if isinstance(result, tuple | list) else (result,)
        names = self.states
        if len(results) != 1 + len(names):
            raise UsageError(
                f"{self.name}: new states returned: {len(results) - 1}",
                f"expected {len(names)}: the new parameter, then {', '.join(names) or 'nothing'}",
                "return them in the order of the arguments; None for one that is not needed",
                self.signature.where,
            )
        return results

    def _new(self, result: Any, old: Node, what: str) -> Node:
        """A result, if it can take the place of what was there."""
        new = as_tensor(self.tensor(result, what), Tensor(old)).node
        if new.type != old.type:
            raise ShapeError(
                f"{self.name}: {what} is {new.type}",
                f"{old.attr('name')} is {old.type}",
                "an optimizer keeps shapes and dtypes",
                self.signature.where,
            )
        return new
