"""Unknowns of equations: a nest of tensors as one vector for each sample, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, leaf, walk
from chainrule.compiler.ops.convert import cast as convert
from chainrule.compiler.ops.random import DRAWS
from chainrule.compiler.ops.shape import concat, reshape, slice_
from chainrule.compiler.ops.steps import with_steps
from chainrule.compiler.types import Dim, Shape, TensorType, add, product

from ..calls import tracing
from ..functions.nests import Nest, form, leaves, like, strong
from ..integers import integer
from ..tensor import Tensor, as_tensor


@dataclass(frozen=True, slots=True, eq=False)
class Unknowns:
    """What an equation is solved for.

    Attributes:
        name: the function that solves it, for messages.
        function: gives what the equation is made of, for a nest of the unknowns.
        nest: where the search begins, which has their form.
        types: those of its tensors.
        samples: how many first axes are those of samples.
    """

    name: str
    function: Callable[[Nest], Nest]
    nest: Nest
    types: tuple[TensorType, ...]
    samples: int

    @property
    def type(self) -> TensorType:
        """That of the vectors, the axes of samples first."""
        total: Dim = 0
        for type_ in self.types:
            total = add(total, product(type_.shape[self.samples :]))
        front = self.types[0].shape[: self.samples]
        return TensorType(self.types[0].dtype, (*front, total))

    def begin(self) -> Node:
        """Where the search begins."""
        return self.vector([as_tensor(x).node for x in leaves(self.nest)])

    def vector(self, parts: list[Node]) -> Node:
        """Tensors as one vector for each sample."""
        flat = []
        for x in parts:
            own = product(x.shape[self.samples :])
            cast = convert(x, self.types[0].dtype)
            flat.append(reshape(cast, shape=(*x.shape[: self.samples], own)))
        return concat(tuple(flat), axis=self.samples)

    def back(self, vector: Node) -> Nest:
        """The nest that a vector is of."""

        def parts() -> Iterator[Tensor]:
            start: Dim = 0
            front, ones = vector.shape[: self.samples], (1,) * (self.samples + 1)
            for type_ in self.types:
                stop = add(start, product(type_.shape[self.samples :]))
                starts: Shape = (*(0,) * self.samples, start)
                piece = slice_(vector, starts=starts, stops=(*front, stop), steps=ones)
                yield Tensor(reshape(piece, shape=type_.shape))
                start = stop

        return like(self.nest, parts())

    def called(self, vector: Node) -> list[Tensor]:
        """What the function gives, as a list."""
        with tracing(None) as traced:
            given = list(leaves(self.function(self.back(vector))))
        found = [as_tensor(x, Tensor(vector)) for x in given]
        nodes = [t.node for t in found]
        drawn = any(node.op in DRAWS for node in with_steps(walk(nodes)))
        if drawn or traced.updates or traced.losses:
            raise UsageError(
                f"{self.name}: the function draws random numbers, or changes states of layers",
                "it must be the same each time it is asked",
                "draw them outside, and let the function use them",
            )
        if not found or not all(x.node.type.is_float for x in found):
            came = ", ".join(str(x.node.type) for x in found) or "nothing"
            raise DTypeError(
                f"{self.name}: the function gives {came}", "expected floats", "is a return missing?"
            )
        return found

    def image(self, vector: Node) -> Node:
        """What the function gives, as a vector: as many numbers as there are unknowns."""
        found = self.called(vector)
        front = vector.shape[: self.samples]
        fits = all(x.shape[: self.samples] == front for x in found)
        result = self.vector([x.node for x in found]) if fits else found[0].node
        if result.type != vector.type:
            raise ShapeError(
                f"{self.name}: the function gives {_types(x.node.type for x in found)}",
                f"for {_types(self.types)}; expected as many numbers as there are unknowns",
                "axes of samples, if there are any, stand first in all of them",
            )
        return result

    def number(self, vector: Node) -> Node:
        """What the function gives, a number for each sample."""
        found = self.called(vector)
        front = vector.shape[: self.samples]
        if len(found) != 1 or found[0].shape != front or found[0].dtype != vector.dtype:
            raise ShapeError(
                f"{self.name}: the function gives {_types(x.node.type for x in found)}",
                f"expected {TensorType(vector.dtype, front)}, a number"
                + (" for each sample" if front else ""),
                "take cr.sum or cr.mean of what is to be small",
            )
        return found[0].node


def unknowns(
    name: str, function: Callable[[Nest], Nest], start: Nest, samples: int, alike: bool
) -> Unknowns:
    """What is asked for, checked.

    Args:
        name: the function that solves it.
        function: what the equation is made of.
        start: where the search begins.
        samples: how many first axes are those of samples.
        alike: whether the function gives a nest of the same form.
    """
    if not callable(function):
        raise UsageError(
            f"{name} of {type(function).__name__}",
            "expected a function of the unknowns",
            f"such as {name}(lambda x: ..., x0)",
        )
    given = [as_tensor(x) for x in leaves(start)]
    if not given:
        raise UsageError(f"{name} of nothing", f"x0 is {form(start)}", "begin with a tensor")
    dtype = _dtype(name, function, start, given)
    types = tuple(TensorType(dtype, t.shape) for t in given)
    samples = integer(name, "samples", samples, 0)
    if len({t.shape[:samples] for t in types}) > 1 or any(t.ndim < samples for t in types):
        raise UsageError(
            f"{name} with samples={samples!r}",
            f"x0 is {_types(types)}: expected how many first axes all of them have in common",
            "1 for a batch of equations, 0 for one equation",
        )
    found = Unknowns(name, function, start, types, samples)
    if alike:
        with tracing(None):
            result = function(found.back(found.begin()))
        shapes = [as_tensor(x).shape for x in leaves(result)]
        if form(result) != form(start) or shapes != [t.shape for t in types]:
            came = _types(as_tensor(x).node.type for x in leaves(result))
            raise ShapeError(
                f"{name}: the function gives {came} in the form {form(result)}",
                f"expected {_types(types)} in the form {form(start)}, as it is given",
                "what it gives is given to it again",
            )
    return found


def _dtype(name: str, function: Any, start: Nest, given: list[Tensor]) -> str:
    """The dtype of the unknowns; numbers take that of what the function makes of them."""
    dtypes = {t.dtype for t in given if not t.weak}
    if not dtypes:
        free = [leaf("x", TensorType("float64", t.shape), "placeholder") for t in given]
        with tracing(None):
            result = function(like(start, (Tensor(x, weak=True) for x in free)))
        found = [as_tensor(x) for x in leaves(result)]
        dtypes = {t.dtype for t in found if not t.weak} or {strong(t) for t in found}
    if len(dtypes) != 1 or not dtypes <= {"float32", "float64"}:
        raise DTypeError(
            f"{name}: unknowns of {' and '.join(sorted(dtypes)) or 'nothing'}",
            "expected float32 or float64, the same for all",
            "convert with astype",
        )
    return dtypes.pop()


def _types(types: Any) -> str:
    return ", ".join(map(str, types)) or "nothing"
