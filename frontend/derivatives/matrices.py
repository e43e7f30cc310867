"""Matrices of derivatives, and what is made of them: many gradients side by side, never unrolled.

A Jacobian is the gradient for all one-hot cotangents at once, or, where the result has more
elements than what it is differentiated for, the derivative along all one-hot directions. Like
`cr.grad`, all of these only write down what is wanted, and may be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node, const, walk
from chainrule.compiler.laplacians import curvatures
from chainrule.compiler.ops.custom import CUSTOM
from chainrule.compiler.ops.gradient import (
    STOP_GRADIENT,
    gradient,
    jacobian as wanted,
    laplacian as of_samples,
)
from chainrule.compiler.ops.reduce import sum as summed
from chainrule.compiler.ops.shape import broadcast_to, reshape
from chainrule.compiler.ops.steps import with_steps

from ..tensor import Like, Tensor, public
from .gradients import Tensors, floats, grad, hvp, jvp, matching, tensors, vjp
from .sparse import SparseMatrix, sparse_matrix


@overload
def jacobian(ys: Tensor, xs: Tensor) -> Tensor: ...
@overload
def jacobian(ys: Tensor, xs: Tensors) -> list[Tensor]: ...
@overload
def jacobian(ys: Tensors, xs: Tensor) -> list[Tensor]: ...
@overload
def jacobian(ys: Tensors, xs: Tensors) -> list[list[Tensor]]: ...
@overload
def jacobian(ys: Tensor, xs: Tensor, sparse: Literal[True]) -> SparseMatrix: ...
@public
def jacobian(ys: Tensor | Tensors, xs: Tensor | Tensors, sparse: bool = False) -> Any:
    """The Jacobian, dy[i]/dx[j] for every element of y and of x.

    It is one sweep for all elements of y side by side, or for all of x where these are fewer. Where
    sizes are numbers and the operations show that most of it is 0, as for elementwise functions,
    stencils and blocks of samples, fewer are enough: rows that share no column go together, or
    columns that share no row. A tridiagonal Jacobian of any size takes 3.

    Args:
        ys: a float tensor, or a list of them.
        xs: a float tensor that they depend on, or a list of them.
        sparse: whether only the entries that may differ from 0 are wanted; for one y and one x.

    Returns:
        A tensor of shape `y.shape + x.shape`; a list where one of the two is a list; for two lists
        a list for each y of one for each x. If sparse, a `SparseMatrix`, with the number of sweeps.

    Raises:
        DTypeError: a tensor is not of floats.
        ShapeError: a sparse one is wanted, and a size is not a number.
        UsageError: a sparse one is wanted of lists, or there are more than 32,768 entries.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (2,), "float64")
        >>> f = cr.function([x], cr.jacobian(cr.stack([x[0] * x[1], x[0], x[1] ** 2]), x), "numpy")
        >>> f([2.0, 3.0])
        array([[3., 2.],
               [1., 0.],
               [0., 6.]])

    Source:
        Gebremedhin, Manne and Pothen 2005, "What color is your Jacobian? Graph coloring for
        computing derivatives", section 3.
    """
    results, points = tensors("y", ys), tensors("x", xs)
    floats("jacobian", [*results, *points])
    if sparse:
        return _sparse("jacobian", ys, xs, symmetric=False)
    rows: Any = [_several(xs, [Tensor(_jacobian(y.node, x.node)) for x in points]) for y in results]
    return rows if isinstance(ys, list | tuple) else rows[0]


@overload
def hessian(y: Tensor, xs: Tensor) -> Tensor: ...
@overload
def hessian(y: Tensor, xs: Tensors) -> list[list[Tensor]]: ...
@overload
def hessian(y: Tensor, xs: Tensor, sparse: Literal[True]) -> SparseMatrix: ...
@public
def hessian(y: Tensor, xs: Tensor | Tensors, sparse: bool = False) -> Any:
    """The Hessian of a number, d2y/(dx[i] dx[j]): the Jacobian of the gradient.

    Where the operations show that most of it is 0, it takes few sweeps, as a Jacobian does, and
    fewer still, since an entry may be read in its row or in its column.

    Args:
        y: a float tensor of no axes.
        xs: a float tensor that y depends on, or a list of them.
        sparse: whether only the entries that may differ from 0 are wanted; for one x.

    Returns:
        A tensor of shape `x.shape + x.shape`; for a list, a list for each x of one for each x. If
        sparse, a `SparseMatrix`, with the number of sweeps.

    Raises:
        ShapeError: y has axes; or a sparse one is wanted, and a size is not a number.
        DTypeError: a tensor is not of floats.
        UsageError: a sparse one is wanted of lists, or there are more than 32,768 entries.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (2,), "float64")
        >>> cr.function([x], cr.hessian(x[0] ** 2 * x[1], x), "numpy")([2.0, 3.0])
        array([[6., 4.],
               [4., 0.]])
        >>> t = cr.tensor("t", (100,), "float64")
        >>> rosenbrock = cr.sum(100 * (t[1:] - t[:-1] ** 2) ** 2 + (1 - t[:-1]) ** 2)
        >>> hessian = cr.hessian(rosenbrock, t, sparse=True)
        >>> len(hessian.rows), hessian.colors
        (298, 3)

    Source:
        Gebremedhin, Manne and Pothen 2005, "What color is your Jacobian? Graph coloring for
        computing derivatives", section 4.
    """
    slopes, points = grad(y, xs), tensors("x", xs)
    # What is declared of a derivative need not be the gradient of anything.
    true = not any(n.op in (CUSTOM, STOP_GRADIENT) for n in with_steps(walk([y.node])))
    if sparse:
        return _sparse("hessian", slopes, xs, symmetric=true)
    if isinstance(slopes, Tensor):
        return Tensor(_jacobian(slopes.node, points[0].node, true))
    return [
        [Tensor(_jacobian(row.node, x.node, true and i == j)) for j, x in enumerate(points)]
        for i, row in enumerate(slopes)
    ]


@overload
def hessian_diagonal(y: Tensor, xs: Tensor) -> Tensor: ...
@overload
def hessian_diagonal(y: Tensor, xs: Tensors) -> list[Tensor]: ...
@public
def hessian_diagonal(y: Tensor, xs: Tensor | Tensors) -> Tensor | list[Tensor]:
    """The second derivatives d2y/dx[i]^2, the diagonal of the Hessian.

    Where y has axes, they are samples: x has them too, as its first ones, and y of a sample depends
    on the x of that sample alone, as in a network that is applied to a batch. The derivatives are
    then those of each sample, at the cost of one gradient for each element of a sample.

    Args:
        y: a float tensor of no axes, or of those that x begins with.
        xs: a float tensor that y depends on, or a list of them.

    Returns:
        A tensor of the type of x; a list where a list was given.

    Raises:
        ShapeError: y has axes that x does not begin with.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (None, 2), "float64")
        >>> f = cr.function([x], cr.hessian_diagonal(x[:, 0] ** 3 * x[:, 1] ** 2, x), "numpy")
        >>> f([[1.0, 2.0], [2.0, 1.0]])
        array([[24.,  2.],
               [12., 16.]])
    """
    points = _of_samples("hessian_diagonal", y, xs)
    return _several(xs, [Tensor(summed(curvatures(y.node, x.node), axes=(0,))) for x in points])


@overload
def laplacian(y: Tensor, xs: Tensor) -> Tensor: ...
@overload
def laplacian(y: Tensor, xs: Tensors) -> list[Tensor]: ...
@public
def laplacian(y: Tensor, xs: Tensor | Tensors) -> Tensor | list[Tensor]:
    """The Laplacian, the sum over i of d2y/dx[i]^2: the trace of the Hessian.

    Where y has axes, they are samples: x has them too, as its first ones, and y of a sample depends
    on the x of that sample alone, as in a network that is applied to a batch. The Laplacian is then
    that of each sample, the sum over the other axes of x. It is found in one sweep forwards, which
    follows the sum of the second derivatives, not each of them: half the work of gradients of
    gradients.

    Args:
        y: a float tensor of no axes, or of those that x begins with.
        xs: a float tensor that y depends on, or a list of them.

    Returns:
        A tensor of the shape of y; a list where a list was given.

    Raises:
        ShapeError: y has axes that x does not begin with.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (None, 2), "float64")
        >>> u = x[:, 0] ** 2 + 3 * x[:, 1] ** 2
        >>> cr.function([x], cr.laplacian(u, x), "numpy")([[1.0, 2.0], [5.0, 0.0]])
        array([8., 8.])

    Source:
        Li et al. 2023, "Forward Laplacian: A New Computational Framework for Neural Network-based
        Variational Monte Carlo".
    """
    points = _of_samples("laplacian", y, xs)
    return _several(xs, [Tensor(of_samples(y.node, x.node)) for x in points])


@overload
def gauss_newton_vp(
    loss: Tensor, ys: Tensor | Tensors, xs: Tensor, vectors: Like | Sequence[Like]
) -> Tensor: ...
@overload
def gauss_newton_vp(
    loss: Tensor, ys: Tensor | Tensors, xs: Tensors, vectors: Like | Sequence[Like]
) -> list[Tensor]: ...
@public
def gauss_newton_vp(
    loss: Tensor, ys: Tensor | Tensors, xs: Tensor | Tensors, vectors: Like | Sequence[Like]
) -> Tensor | list[Tensor]:
    """The Gauss-Newton vector product, J' H J v: the curvature of the loss without that of y.

    J is the Jacobian of y for x, H the Hessian of the loss for y. Where the loss is convex in y,
    the matrix J' H J is positive semidefinite, unlike the Hessian. No matrix is made.

    Args:
        loss: a float tensor of no axes, computed from y.
        ys: a float tensor, such as a model's prediction, or a list of them.
        xs: a float tensor that y depends on, or a list of them.
        vectors: v, of the type of x; a list where xs is one.

    Returns:
        A tensor of the type of x; a list where a list was given.

    Raises:
        ShapeError: the loss has axes, or a vector has another shape than its x.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> w = cr.tensor("w", (2,), "float64")
        >>> y = cr.stack([w[0] * w[1], w[1]])
        >>> v = np.array([1.0, 0.0])
        >>> f = cr.function([w], cr.gauss_newton_vp(cr.sum(y**2), y, w, v), "numpy")
        >>> f([2.0, 3.0])
        array([18., 12.])

    Source:
        Schraudolph 2002, "Fast curvature matrix-vector products for second-order gradient descent".
    """
    results, points = tensors("y", ys), tensors("x", xs)
    directions = [Tensor(v) for v in matching("gauss_newton_vp", "vector", points, xs, vectors)]
    changes: list[Tensor] = jvp(results, points, directions)
    curved: list[Tensor] = hvp(loss, results, changes)
    return _several(xs, vjp(results, points, curved))


def _jacobian(y: Node, x: Node, symmetric: bool = False) -> Node:
    if y.type.size == 1:
        one = broadcast_to(const(1, y.dtype), shape=y.shape)
        return reshape(gradient(y, x, one), shape=y.shape + x.shape)
    return wanted(y, x, symmetric)


def _sparse(name: str, y: Any, x: Any, symmetric: bool) -> SparseMatrix:
    if not isinstance(y, Tensor) or not isinstance(x, Tensor):
        raise UsageError(
            f"a sparse {name} of lists",
            "its rows and columns are those of one tensor each",
            "ask for one at a time",
        )
    return sparse_matrix(name, y.node, x.node, symmetric)


def _of_samples(name: str, y: Tensor, xs: Tensor | Tensors) -> list[Tensor]:
    """Each x, which begins with the axes of y."""
    (y,), points = tensors("y", y), tensors("x", xs)
    floats(name, [y, *points])
    for x in points:
        if x.shape[: y.ndim] != y.shape:
            raise ShapeError(
                f"{name} of {y.node.type} for {x.node.type}",
                "expected a number, or the first axes of x: those of samples",
                "choose one component, such as y[:, 0], or take the sum",
            )
    return points


def _several(given: Tensor | Tensors, results: list[Tensor]) -> Tensor | list[Tensor]:
    """A list where a list was given."""
    return results if isinstance(given, list | tuple) else results[0]
