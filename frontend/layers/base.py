"""What a layer is: a function of tensors that owns parameters, built where it was written.

A layer may own state too, which training changes without a gradient, such as running means; it may
add terms to the loss; and what it does in training may differ from what it does outside
(`in_phases`).
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, cast

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError, caller, pinned
from chainrule.compiler.ir import Node, leaf
from chainrule.compiler.ops.phase import phase
from chainrule.compiler.types import Shape, TensorType

from ..calls import CALLS, Call, Effects, beside
from ..names import check_options, identifier
from ..tensor import Tensor

if TYPE_CHECKING:
    from ..formula import Regularizer
    from ..initializers import Initializer


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """An array that is trained: its leaf in the graph, and how its first value is drawn.

    `sparse` asks for updates of those rows alone that a step reads.
    """

    name: str
    node: Node
    initializer: Initializer
    regularizer: Regularizer | None
    sparse: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """An array that training changes without a gradient: its leaf, and its first value."""

    name: str
    node: Node
    initializer: Initializer


class BaseLayer(ABC):
    """A function of tensors that owns parameters.

    A layer is called on tensors, `y = layer(x)`; its parameters are made at the first call, when
    the sizes are known, and are shared by all further calls.

    Args:
        name: what its parameters are called after, `W_head`; by default they are numbered, `W1`.
    """

    letter = "h"  # what its result is called in formulas, with the layer's number
    opened = True  # whether its formula is one, or has a part for each inner result
    formula: str | None = None  # what the summary says, where it is not the formula itself
    inputs = 1  # how many tensors it takes; 0 means a list of them

    def __new__(cls, *args: Any, **given: Any) -> Self:
        """Check the names of the options, for every layer at once."""
        check_options(cls.__name__, cls.__init__, given)
        return super().__new__(cls)

    def __init__(self, name: str | None = None) -> None:
        self.name = None if name is None else identifier(name, "a layer's name")
        self.where = caller()
        self.parameters: list[Parameter] = []
        self.states: list[State] = []
        self._inner: list[tuple[str, Node]] = []
        self._updates: list[tuple[Node, Node]] = []
        self._losses: list[Node] = []

    @abstractmethod
    def describe(self) -> str:
        """The layer as it would be written: `Dense(4, activation="tanh")`."""

    @abstractmethod
    def apply(self, *inputs: Tensor) -> Tensor:
        """The result for these inputs."""

    def __repr__(self) -> str:
        return self.describe()

    def __call__(self, x: Tensor | Sequence[Tensor]) -> Tensor:
        """Apply the layer.

        Args:
            x: a tensor whose first axis is the batch; a list of them for a merging layer.

        Returns:
            The layer's output.
        """
        given: list[Tensor] = list(x) if isinstance(x, list | tuple) else [cast(Tensor, x)]
        with self._here():
            self._check(given)
            return self._called(given, lambda: self.apply(*given))

    @contextlib.contextmanager
    def _here(self) -> Iterator[None]:
        """Inside, what is made belongs to the line that the layer was written in."""
        with pinned(self.where and replace(self.where, layer=self.describe())):
            yield

    def _called(self, given: Sequence[Tensor], apply: Callable[[], Tensor]) -> Tensor:
        """The result of `apply`, with a note that it is this layer's of what was given."""
        self._inner, self._updates, self._losses = [], [], []
        result = apply()
        inputs = tuple(dict.fromkeys(t.node for t in given))
        effects = beside(Effects(tuple(self._updates), tuple(self._losses)))
        call = Call(self, inputs, tuple(self._inner), effects)
        calls = CALLS.setdefault(result.node, [])
        if not any(c.layer is self and c.inputs == call.inputs for c in calls):
            calls.append(call)
        return result

    def _check(self, given: Sequence[Any]) -> None:
        if self.inputs and len(given) != self.inputs:
            raise UsageError(
                f"{self.describe()} takes one tensor",
                f"{len(given)} given",
                "merge several with Concatenate, Add or Multiply",
            )
        if not given:
            raise UsageError(
                f"{self.describe()} of nothing",
                "expected a list of tensors",
                f"{self.describe()}([a, b])",
            )
        for t in given:
            if not isinstance(t, Tensor):
                raise UsageError(
                    f"{self.describe()} called on {type(t).__name__}",
                    "expected a tensor, such as cr.Input((784,))",
                    "arrays go to model.predict or model.fit",
                )
            if t.ndim < 1:
                raise ShapeError(
                    f"{self.describe()} called on {t.node.type}",
                    "expected a first axis for the batch",
                    "cr.Input((784,)) has one: f32[batch, 784]",
                )

    def parameter(
        self,
        name: str,
        shape: Shape,
        dtype: str,
        initializer: Initializer,
        regularizer: Regularizer | None = None,
        sparse: bool = False,
    ) -> Tensor:
        """A parameter of the layer: made at the first call, the same at all others."""
        type_ = TensorType(dtype, shape)
        for p in self.parameters:
            if p.name == name:
                if p.node.type != type_:
                    raise self._shared(name, p.node, type_)
                return Tensor(p.node)
        node = leaf(name, type_, "param", caller())
        self.parameters.append(Parameter(name, node, initializer, regularizer, sparse))
        return Tensor(node)

    def _shared(self, name: str, node: Node, needed: TensorType) -> ShapeError:
        return ShapeError(
            f"{self.describe()} is shared by inputs of different sizes",
            f"{name} is {node.type}, this input needs {needed}",
            "make a layer for each",
        )

    def state(self, name: str, shape: Shape, dtype: str, initializer: Initializer) -> Tensor:
        """An array of the layer's that is not trained: made at the first call.

        What it becomes in a training step, `update` says; evaluation and prediction read it.
        """
        type_ = TensorType(dtype, shape)
        for s in self.states:
            if s.name == name:
                if s.node.type != type_:
                    raise self._shared(name, s.node, type_)
                return Tensor(s.node)
        node = leaf(name, type_, "state", caller())
        self.states.append(State(name, node, initializer))
        return Tensor(node)

    def update(self, state: Tensor, new: Tensor) -> None:
        """A training step ends with `new` in the place of a state.

        Where a layer is called several times, each call starts from what the one before made.
        """
        self._updates.append((state.node, new.node))

    def add_loss(self, term: Tensor) -> None:
        """Training makes the model's loss plus `term` small, and evaluation reports their sum.

        For `apply`, of what only the layer knows, such as how far a code is from its prior. Each
        call of the layer adds a term.

        Args:
            term: a float; one number, or one or more for each sample, `[batch, ...]`, whose mean
                is taken.

        Raises:
            DTypeError: the term is no float.
            UsageError: the term is no tensor.

        Example:
            >>> import chainrule as cr
            >>> class Sparse(cr.BaseLayer):
            ...     def describe(self):
            ...         return "Sparse()"
            ...     def apply(self, x):
            ...         self.add_loss(0.01 * cr.sum(cr.abs(x), axis=-1))
            ...         return x
            >>> x = cr.Input((3,))
            >>> model = cr.Model(x, cr.Dense(1)(Sparse()(cr.Dense(2, activation="relu")(x))))
            >>> model.compile("mse")
        """
        from ..functions.statistics import mean

        if not isinstance(term, Tensor):
            raise UsageError(
                f"{self.describe()}: add_loss of {type(term).__name__}",
                "expected a tensor",
                "compute it from the layer's inputs: cr.sum(x**2, axis=-1)",
            )
        if not term.node.type.is_float:
            raise DTypeError(
                f"{self.describe()}: add_loss of {term.node.type}",
                "expected float32 or float64",
                'convert it with astype("float32")',
            )
        self._losses.append((mean(term) if term.ndim else term).node)

    def note(self, name: str, tensor: Tensor) -> Tensor:
        """Call an inner result `name` in formulas and code."""
        self._inner.append((name, tensor.node))
        return tensor


def in_phases(training: Tensor, outside: Tensor) -> Tensor:
    """`training` in a training step, `outside` in evaluation and prediction."""
    return Tensor(phase(training.node, outside.node))
