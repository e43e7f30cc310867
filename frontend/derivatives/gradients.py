"""Derivatives as tensors, which may be differentiated again.

They only write down what is wanted; the compiler takes the gradient. An op has one derivative rule,
in reverse mode; forward mode is the reverse of the reverse, which is linear in its cotangent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, const, walk
from chainrule.compiler.ops.gradient import change, gradient
from chainrule.compiler.ops.reduce import sum as summed

from ..tensor import Like, Tensor, as_tensor, public

Tensors = Sequence[Tensor]


@overload
def grad(y: Tensor, xs: Tensor) -> Tensor: ...
@overload
def grad(y: Tensor, xs: Tensors) -> list[Tensor]: ...
@public
def grad(y: Tensor, xs: Tensor | Tensors) -> Tensor | list[Tensor]:
    """The gradient of a number, dy/dx for every element of x.

    Args:
        y: a float tensor of no axes.
        xs: a float tensor that y depends on, an input or not; or a list of them.

    Returns:
        A tensor of the type of x; a list where a list was given. It is 0 where y does not depend
        on x, and may be differentiated again.

    Raises:
        ShapeError: y has axes.
        DTypeError: y or x is not of floats.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (), "float64")
        >>> slope = cr.grad(x**3, x)
        >>> f = cr.function([x], [slope, cr.grad(slope, x)], target="numpy")
        >>> [float(value) for value in f(2.0)]
        [12.0, 12.0]
    """
    (y,) = tensors("y", y)
    if y.ndim:
        raise ShapeError(
            f"grad of {y.node.type}",
            "expected a number, a tensor of no axes",
            "take cr.sum or cr.mean of it, or say with cr.vjp how its elements are weighted",
        )
    floats("grad", [y])
    return _each(xs, lambda x: Tensor(gradient(y.node, x, const(1, y.dtype))))


@overload
def vjp(ys: Tensor | Tensors, xs: Tensor, cotangents: Like | Sequence[Like]) -> Tensor: ...
@overload
def vjp(ys: Tensor | Tensors, xs: Tensors, cotangents: Like | Sequence[Like]) -> list[Tensor]: ...
@public
def vjp(
    ys: Tensor | Tensors, xs: Tensor | Tensors, cotangents: Like | Sequence[Like]
) -> Tensor | list[Tensor]:
    """The vector-Jacobian product, sum over i of v_i dy_i/dx: the gradient of sum(v y).

    Args:
        ys: a float tensor, or a list of them.
        xs: a float tensor that they depend on, or a list of them.
        cotangents: v, of the type of y; a list where ys is one.

    Returns:
        A tensor of the type of x; a list where xs is one.

    Raises:
        ShapeError: a cotangent has another shape than its y.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x = cr.tensor("x", (3,), "float64")
        >>> f = cr.function([x], cr.vjp(x**2, x, np.array([1.0, 0.0, 2.0])), target="numpy")
        >>> f(np.array([1.0, 2.0, 3.0]))
        array([ 2.,  0., 12.])
    """
    results = tensors("y", ys)
    floats("vjp", results)
    weights = matching("vjp", "cotangent", results, ys, cotangents)

    def one(x: Node) -> Tensor:
        parts = [gradient(y.node, x, v) for y, v in zip(results, weights, strict=True)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return Tensor(total)

    return _each(xs, one)


@overload
def jvp(ys: Tensor, xs: Tensor | Tensors, tangents: Like | Sequence[Like]) -> Tensor: ...
@overload
def jvp(ys: Tensors, xs: Tensor | Tensors, tangents: Like | Sequence[Like]) -> list[Tensor]: ...
@public
def jvp(
    ys: Tensor | Tensors, xs: Tensor | Tensors, tangents: Like | Sequence[Like]
) -> Tensor | list[Tensor]:
    """The Jacobian-vector product, sum over j of dy/dx_j t_j: how y changes along t.

    The vector-Jacobian product is linear in its cotangent u, so its own derivative for u, weighted
    with t, is it: J t = d/du (u J t).

    Args:
        ys: a float tensor, or a list of them.
        xs: a float tensor that they depend on, or a list of them.
        tangents: t, of the type of x; a list where xs is one.

    Returns:
        A tensor of the type of y; a list where ys is one.

    Raises:
        ShapeError: a tangent has another shape than its x.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x = cr.tensor("x", (3,), "float64")
        >>> f = cr.function([x], cr.jvp(x**2, x, np.array([1.0, 0.0, 2.0])), target="numpy")
        >>> f(np.array([1.0, 2.0, 3.0]))
        array([ 2.,  0., 12.])

    Source:
        Christianson 1992, "Automatic Hessians by reverse accumulation".
    """
    points = tensors("x", xs)
    floats("jvp", points)
    directions = matching("jvp", "tangent", points, xs, tangents)

    def one(y: Node) -> Tensor:
        along = [change(y, x.node, t) for x, t in zip(points, directions, strict=True)]
        total = along[0]
        for part in along[1:]:
            total = total + part
        return Tensor(total)

    return _each(ys, one)


@overload
def hvp(y: Tensor, xs: Tensor, vectors: Like | Sequence[Like]) -> Tensor: ...
@overload
def hvp(y: Tensor, xs: Tensors, vectors: Like | Sequence[Like]) -> list[Tensor]: ...
@public
def hvp(y: Tensor, xs: Tensor | Tensors, vectors: Like | Sequence[Like]) -> Tensor | list[Tensor]:
    """The Hessian-vector product, sum over j of d2y/(dx dx_j) v_j, without the Hessian.

    It is the gradient of the sum of dy/dx v, at about the cost of two gradients.

    Args:
        y: a float tensor of no axes.
        xs: a float tensor that y depends on, or a list of them: the Hessian is that of all.
        vectors: v, of the type of x; a list where xs is one.

    Returns:
        A tensor of the type of x; a list where a list was given.

    Raises:
        ShapeError: y has axes, or a vector has another shape than its x.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x = cr.tensor("x", (2,), "float64")
        >>> f = cr.function([x], cr.hvp(cr.prod(x) ** 2, x, np.array([1.0, 0.0])), target="numpy")
        >>> f(np.array([1.0, 2.0]))
        array([8., 8.])

    Source:
        Pearlmutter 1994, "Fast exact multiplication by the Hessian".
    """
    points = tensors("x", xs)
    slopes: list[Tensor] = grad(y, points)
    weights = matching("hvp", "vector", points, xs, vectors)
    if {x.node for x in points} & set(walk(weights)):  # a vector counts as a constant
        moving: list[Tensor] = vjp(slopes, points, [Tensor(v) for v in weights])
        return moving if isinstance(xs, list | tuple) else moving[0]
    total: Node | None = None
    for slope, v in zip(slopes, weights, strict=True):
        part = summed(slope.node * v, axes=tuple(range(slope.ndim)))
        total = part if total is None else total + part
    assert total is not None
    curves: list[Tensor] = grad(Tensor(total), points)
    return curves if isinstance(xs, list | tuple) else curves[0]


def tensors(what: str, given: Tensor | Tensors) -> list[Tensor]:
    """One tensor or several, as a list."""
    found: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    if not found or not all(isinstance(x, Tensor) for x in found):
        came = ", ".join(type(x).__name__ for x in found) or "nothing"
        raise UsageError(
            f"a derivative for something that is no tensor: {what} is {came}",
            "expected a tensor or a list of them",
            "derivatives are taken of what cr.tensor and functions of it give",
        )
    return found


def floats(name: str, given: Sequence[Tensor]) -> None:
    """Derivatives are of floats.

    Raises:
        DTypeError: one is not of floats.
    """
    for x in given:
        if not x.node.type.is_float:
            raise DTypeError(
                f"{name}: {x.node.type} has no derivatives",
                "expected float32 or float64",
                "declare it as floats, or convert with astype",
            )


def matching(
    name: str, what: str, points: Sequence[Tensor], given: Any, vectors: Any
) -> list[Node]:
    """A vector for each tensor, of its type."""
    several = isinstance(given, list | tuple)
    found = list(vectors) if several and isinstance(vectors, list | tuple) else [vectors]
    if len(found) != len(points):
        raise UsageError(
            f"{name}: {len(found)} {what}s for {len(points)} tensors",
            "expected one for each",
            "a list of tensors takes a list of as many, in the same order",
        )
    nodes = []
    for x, v in zip(points, found, strict=True):
        node = as_tensor(v, x).node
        if node.type != x.node.type:
            raise ShapeError(
                f"{name}: a {what} of {node.type}",
                f"expected {x.node.type}, the type of what it belongs to",
                "cr.ones_like gives one of the right type",
            )
        nodes.append(node)
    return nodes


def _each(given: Tensor | Tensors, rule: Callable[[Node], Tensor]) -> Tensor | list[Tensor]:
    """The rule for one tensor, or for each of a list."""
    points = tensors("x", given)
    floats("a derivative", points)
    results = [rule(x.node) for x in points]
    return results if isinstance(given, list | tuple) else results[0]
