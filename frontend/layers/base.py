"""What a layer is: a function of tensors that owns parameters, built where it was written."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, cast

from chainrule.compiler.errors import ShapeError, UsageError, caller, pinned
from chainrule.compiler.ir import Node, leaf
from chainrule.compiler.types import Shape, TensorType

from ..names import check_options, identifier
from ..tensor import Tensor

if TYPE_CHECKING:
    from ..formula import Regularizer
    from ..initializers import Initializer


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """An array that is trained: its leaf in the graph, and how its first value is drawn."""

    name: str
    node: Node
    initializer: Initializer
    regularizer: Regularizer | None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A layer was applied: to what, and what its inner nodes are called."""

    layer: BaseLayer
    inputs: tuple[Node, ...]
    inner: tuple[tuple[str, Node], ...]


# The calls whose result a node is. A node that nobody holds takes its calls with it.
CALLS: weakref.WeakKeyDictionary[Node, list[Call]] = weakref.WeakKeyDictionary()


class BaseLayer(ABC):
    """A function of tensors that owns parameters.

    A layer is called on tensors, `y = layer(x)`; its parameters are made at the first call, when
    the sizes are known, and are shared by all further calls.

    Args:
        name: what its parameters are called after, `W_head`; by default they are numbered, `W1`.
    """

    letter = "h"  # what its result is called in formulas, with the layer's number
    inputs = 1  # how many tensors it takes; 0 means a list of them

    def __new__(cls, *args: Any, **given: Any) -> Self:
        """Check the names of the options, for every layer at once."""
        check_options(cls.__name__, cls.__init__, given)
        return super().__new__(cls)

    def __init__(self, name: str | None = None) -> None:
        self.name = None if name is None else identifier(name, "a layer's name")
        self.where = caller()
        self.parameters: list[Parameter] = []
        self._inner: list[tuple[str, Node]] = []

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
        where = self.where and replace(self.where, layer=self.describe())
        with pinned(where):
            self._check(given)
            self._inner = []
            result = self.apply(*given)
        call = Call(self, tuple(t.node for t in given), tuple(self._inner))
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
    ) -> Tensor:
        """A parameter of the layer: made at the first call, the same at all others."""
        type_ = TensorType(dtype, shape)
        for p in self.parameters:
            if p.name == name:
                if p.node.type != type_:
                    raise ShapeError(
                        f"{self.describe()} is shared by inputs of different sizes",
                        f"{name} is {p.node.type}, this input needs {type_}",
                        "make a layer for each",
                    )
                return Tensor(p.node)
        node = leaf(name, type_, "param", caller())
        self.parameters.append(Parameter(name, node, initializer, regularizer))
        return Tensor(node)

    def note(self, name: str, tensor: Tensor) -> Tensor:
        """Call an inner result `name` in formulas and code."""
        self._inner.append((name, tensor.node))
        return tensor
