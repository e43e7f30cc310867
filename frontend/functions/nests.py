"""Nests of tensors: tuples, lists and dictionaries of them, as loops carry and functions return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node
from chainrule.compiler.ops.convert import cast as convert
from chainrule.compiler.types import TensorType

from ..tensor import DEFAULT_FLOAT, Tensor

Nest = Any
"""A tensor, or a tuple, list or dictionary of nests; None holds nothing."""


def leaves(nest: Nest) -> Iterator[Any]:
    """The tensors of a nest, in order."""
    if nest is None:
        return
    if isinstance(nest, tuple | list):
        for item in nest:
            yield from leaves(item)
    elif isinstance(nest, Mapping):
        for key in nest:
            yield from leaves(nest[key])
    else:
        yield nest


def like(nest: Nest, values: Iterator[Any]) -> Nest:
    """A nest of the same form with other tensors."""
    if nest is None:
        return None
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*(like(item, values) for item in nest))
    if isinstance(nest, tuple | list):
        return type(nest)(like(item, values) for item in nest)
    if isinstance(nest, Mapping):
        return {key: like(item, values) for key, item in nest.items()}
    return next(values)


def form(nest: Nest) -> str:
    """The form of a nest, as text."""
    if nest is None:
        return "None"
    if isinstance(nest, Mapping):
        return f"{{{', '.join(f'{key!r}: {form(item)}' for key, item in nest.items())}}}"
    if isinstance(nest, tuple | list):
        inner = ", ".join(map(form, nest))
        return f"({inner})" if isinstance(nest, tuple) else f"[{inner}]"
    return "x"


def same_form(loop: str, init: Nest, new: Nest) -> None:
    """Check that a step returned a carry of the form that it was given.

    Raises:
        UsageError: it is of another one.
    """
    if form(new) != form(init):
        raise UsageError(
            f"a step of {loop} returned a carry of another form",
            f"it began as {form(init)} and became {form(new)}",
            "return what init is, in the same order",
        )


def settled(
    inits: Sequence[Tensor], tried: Callable[[list[Node], list[bool]], list[Tensor]]
) -> list[Node]:
    """The first carries, where a number has the dtype that the step makes of it.

    It may be that of another carry, so the step is tried until all are known.

    Args:
        inits: what the carries begin with.
        tried: what the step makes of carries, and of which of them are numbers.
    """
    starts, weak = [t.node for t in inits], [t.weak for t in inits]
    while any(weak):
        results = tried(starts, weak)
        known = [free and not new.weak for free, new in zip(weak, results, strict=True)]
        known = known if any(known) else weak
        starts = [
            convert(x, strong(new)) if now else x
            for x, new, now in zip(starts, results, known, strict=True)
        ]
        weak = [free and not now for free, now in zip(weak, known, strict=True)]
    return starts


def numbered(name: str, nest: Nest) -> list[str]:
    """A name for each tensor of a nest: keys of dictionaries, else numbers."""
    if isinstance(nest, Mapping):
        found = []
        for key, item in nest.items():
            own = key if isinstance(key, str) and key.isidentifier() else name
            found += numbered(own, item)
        return found
    count = len(list(leaves(nest)))
    return [name] if count == 1 else [f"{name}{i + 1}" for i in range(count)]


def strong(t: Tensor) -> str:
    """The dtype of a result: numbers that are none of a dtype's are of the default."""
    return DEFAULT_FLOAT if t.weak and t.dtype == "float64" else t.dtype


def kept(loop: str, x: Node, type: TensorType, new: Tensor) -> Node:
    """A new carry of a loop, if it has the type of the old one."""
    if new.shape != type.shape:
        raise ShapeError(
            f"a carry of {loop} changes its shape: {x.attr('name')}",
            f"it begins as {type} and becomes {new.node.type}",
            "begin with the shape that it has later: cr.zeros, cr.zeros_like",
        )
    if new.weak:
        return convert(new.node, type.dtype)
    if new.dtype != type.dtype:
        raise DTypeError(
            f"a carry of {loop} changes its dtype: {x.attr('name')}",
            f"it begins as {type} and becomes {new.node.type}",
            "convert one of them with astype",
        )
    return new.node
