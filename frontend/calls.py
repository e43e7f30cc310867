"""What layers leave behind: which gave which node, and what a training step does because of them.

Inside the step of a loop a layer is applied to one step, and the loop is what a model holds. So
what its layers do beside their results is noted while the step is traced (`tracing`), and the loop
does it for all steps: states are carried along, terms of the loss are added up, and random numbers
are drawn for the number of the step.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Container, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import Node, leaf
from chainrule.compiler.ops.convert import size
from chainrule.compiler.ops.custom import loose
from chainrule.compiler.types import Dim, TensorType

if TYPE_CHECKING:
    from .layers.base import BaseLayer


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """What happens beside a result: what states become in training, terms of the loss."""

    updates: tuple[tuple[Node, Node], ...] = ()
    losses: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A layer was applied: to what, what inner nodes are called, and what happens beside."""

    layer: BaseLayer
    inputs: tuple[Node, ...]
    inner: tuple[tuple[str, Node], ...]
    effects: Effects


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A loop, or neurons: what it was made of, where its layers are, and what happens beside."""

    traced: tuple[Node, ...]
    effects: Effects


# The calls whose result a node is. A node that nobody holds takes its calls with it.
CALLS: weakref.WeakKeyDictionary[Node, list[Call]] = weakref.WeakKeyDictionary()
# The loop whose result a node is.
LOOPS: weakref.WeakKeyDictionary[Node, Loop] = weakref.WeakKeyDictionary()


@dataclass(slots=True, eq=False)
class Step:
    """The step of a loop, while it is traced.

    Attributes:
        own: a leaf for the number of the step in its loop.
        number: its number among the steps of all loops around it; None where there is no loop.
        updates: what states become in this step, in the order of the calls.
        losses: terms of the loss in this step.
    """

    own: Node
    number: Node | None
    updates: list[tuple[Node, Node]] = field(default_factory=list)
    losses: list[Node] = field(default_factory=list)

    @property
    def effects(self) -> Effects:
        """All that happens in the step beside its results."""
        return Effects(tuple(self.updates), tuple(self.losses))

    def note(self, effects: Effects) -> None:
        """A layer's effects are this step's."""
        self.updates += effects.updates
        self.losses += effects.losses


MANY = 2**20
_STEP: ContextVar[Step | None] = ContextVar("step", default=None)
_ONE: ContextVar[bool] = ContextVar("one_of_many", default=False)


def current() -> Step | None:
    """The step that is being traced, the innermost."""
    return _STEP.get()


@contextlib.contextmanager
def tracing(length: Dim | None) -> Iterator[Step]:
    """Inside, a step is traced that is repeated `length` times (or at most so often).

    A loop of no known length is numbered as if it took MANY steps.
    """
    own = number = leaf("t", TensorType("int64"), "placeholder")
    outer = current()
    if outer is not None and outer.number is not None:
        number = outer.number * size(MANY if length is None else length, "int64") + own
    with _noting(Step(own, number)) as step:
        yield step


@contextlib.contextmanager
def branching() -> Iterator[Step]:
    """Inside, a branch is traced, which may not be taken."""
    own, outer = leaf("t", TensorType("int64"), "placeholder"), current()
    with _noting(Step(own, None if outer is None else outer.number)) as step:
        yield step


@contextlib.contextmanager
def _noting(step: Step) -> Iterator[Step]:
    token = _STEP.set(step)
    try:
        yield step
    finally:
        _STEP.reset(token)


@contextlib.contextmanager
def one_of_many() -> Iterator[None]:
    """Inside, a formula is traced for one unit and one sample, and then stands for all of them."""
    token = _ONE.set(True)
    try:
        yield
    finally:
        _ONE.reset(token)


def check_outside(what: str, nodes: Sequence[Node], but: Container[Node] = ()) -> None:
    """Nodes, all that they need among them, use nothing that has a value only inside a function."""
    for x in loose(nodes):
        if x not in but:
            raise UsageError(
                f"{what} uses {x.attr('name')!r} outside of the function that was given it",
                f"{x.type}: it has a value only there, such as another one in each step of a loop",
                "return what is wanted from the function; a scan stacks what its step returns",
            )


def beside(effects: Effects) -> Effects:
    """What of these effects is left to whoever is not the step being traced: nothing inside one."""
    if _ONE.get() and (effects.updates or effects.losses):
        raise UsageError(
            "a layer with a state, or that adds to the loss, inside a neuron formula",
            "the formula is that of one unit and one sample; a state and the loss are of all",
            "call the layer outside of the neuron",
        )
    step = current()
    if step is None:
        return effects
    step.note(effects)
    return Effects()
