"""Functions of matrices, part of `cr.linalg`, that need no factors: products, diagonals, norms."""

from __future__ import annotations

import math
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops import algebra, reduce as ops, shape
from chainrule.compiler.ops.arithmetic import abs as absolute
from chainrule.compiler.types import FLOATS, add, sub

from ..integers import integer
from ..tensor import Like, Tensor, as_tensor, promote, public
from .creation import eye
from .linear import einsum, matmul
from .reductions import normal_axis, reduced, sum as total
from .shaping import part, roll


@public
def diagonal(x: Like, /, *, offset: int = 0) -> Tensor:
    """The elements on a diagonal of matrices, x_i,i+k for the offset k.

    Args:
        x: a tensor of shape `(..., m, n)`, any dtype but bool.
        offset: which diagonal: 0 the main one, 1 the one above it.

    Returns:
        A tensor of the leading axes and one as long as the diagonal; of length 0 if there is none.

    Raises:
        ShapeError: x has fewer than two axes, or which of two named sizes ends the diagonal is not
            known; when run, if named sizes turn out too small for the offset.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.linalg.diagonal(np.array([[1.0, 2.0], [3.0, 4.0]])))
        array([1., 4.])
    """
    return _diagonal("diagonal", x, offset)


def _diagonal(name: str, x: Like, offset: int) -> Tensor:
    given, k = _matrices(name, x), integer(name, "offset", offset)
    node, axis = given.node, given.ndim - 2
    above, left = max(-k, 0), max(k, 0)
    rows, columns = sub(node.shape[-2], above), sub(node.shape[-1], left)
    longer = sub(rows, columns)
    if not isinstance(longer, int):
        raise ShapeError(
            f"{name} of {given.node.type}",
            f"whether {rows} or {columns} is less is not known yet",
            "give both one name, or cut them: x[..., :3, :3]",
        )
    length = columns if longer > 0 else rows
    if isinstance(length, int):
        length = max(length, 0)
        above, left = (above, left) if length else (0, 0)
    # What begins with the diagonal's first row and column, and is square.
    if node.shape[-2] != length:
        node = part(node, axis, above, add(above, length))
    if node.shape[-1] != length:
        node = part(node, axis + 1, left, add(left, length))
    return einsum("...ii->...i", Tensor(node, given.weak))


@public
def trace(x: Like, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum of the elements on a diagonal of matrices, sum over i of x_i,i+k for the offset k.

    Args:
        x: a tensor of shape `(..., m, n)`, any dtype but bool.
        offset: which diagonal: 0 the main one, 1 the one above it.
        dtype: what is summed in; by default that of x, and int64 for integers.

    Returns:
        A tensor of the leading axes.

    Raises:
        ShapeError: x has fewer than two axes, or which of two named sizes ends the diagonal is not
            known; when run, if named sizes turn out too small for the offset.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.linalg.trace(np.array([[1.0, 2.0], [3.0, 4.0]])))
        5.0
    """
    return total(_diagonal("trace", x, offset), axis=-1, dtype=dtype)


@public
def outer(x1: Like, x2: Like, /) -> Tensor:
    """All products of elements of two vectors, x_i y_j.

    Args:
        x1: a tensor of shape `(n,)`, any dtype but bool.
        x2: a tensor of shape `(m,)`, any dtype but bool.

    Returns:
        A tensor of shape `(n, m)`.

    Raises:
        ShapeError: an operand has not one axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.linalg.outer(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
        array([[3., 4.],
               [6., 8.]])
    """
    a, b = as_tensor(x1), as_tensor(x2)
    if (a.ndim, b.ndim) != (1, 1):
        raise ShapeError(
            f"outer of {a.node.type} and {b.node.type}",
            "expected two vectors",
            "einsum gives other products: cr.einsum('ij,k->ijk', a, b)",
        )
    return einsum("i,j->ij", a, b)


@public
def cross(x1: Like, x2: Like, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors in space, (x2 y3 - x3 y2, x3 y1 - x1 y3, x1 y2 - x2 y1).

    Args:
        x1: a tensor whose size along the axis is 3, any dtype but bool.
        x2: another one; the other axes broadcast.
        axis: along which axis the vectors are; negative, if x1 has not as many axes as x2.

    Returns:
        A tensor of the shape that the two broadcast to.

    Raises:
        ShapeError: there is no such axis, its size is not 3, or the others do not broadcast.
        DTypeError: an operand is of dtype bool.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.linalg.cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])))
        array([0., 0., 1.])
    """
    nodes, weak = promote(x1, x2)
    places = [normal_axis("cross", node, axis) for node in nodes]
    sizes = [node.shape[place] for node, place in zip(nodes, places, strict=True)]
    if sizes != [3, 3]:
        raise ShapeError(
            f"cross of {nodes[0].type} and {nodes[1].type}",
            f"expected size 3 along axis {axis}, these have {sizes[0]} and {sizes[1]}",
            "in the plane it is one number: x[0] * y[1] - x[1] * y[0]",
        )
    if axis >= 0 and nodes[0].type.ndim != nodes[1].type.ndim:
        raise ShapeError(
            f"cross along axis {axis}: {nodes[0].type} and {nodes[1].type}",
            "expected a negative number, as the operands have different numbers of axes",
            "axis=-1 is the last one",
        )
    a, b = (Tensor(node, weak) for node in nodes)
    after, before = (
        [roll(x, by, axis=place) for x, place in zip((a, b), places, strict=True)] for by in (-1, 1)
    )
    return after[0] * before[1] - before[0] * after[1]


@public
def matrix_power(x: Like, n: int, /) -> Tensor:
    """The product of n factors x, by repeated squaring; of the inverse, if n is negative.

    Args:
        x: a float tensor of shape `(..., m, m)`; for n from 0 integers, too.
        n: the power. Power 0 is the identity.

    Returns:
        A tensor of shape `(..., m, m)`.

    Raises:
        ShapeError: the matrices are not square.
        DTypeError: x has no such power.
        UsageError: n is no integer.
        MatrixError: when run, if n is negative and a pivot exactly 0: the matrix is singular.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.linalg.matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 3))
        array([[1., 3.],
               [0., 1.]])

    Source:
        Knuth 1997, The Art of Computer Programming 2, section 4.6.3, algorithm A.
    """
    given, exponent = _matrices("matrix_power", x), integer("matrix_power", "n", n)
    if given.shape[-1] != given.shape[-2]:
        raise ShapeError(
            f"matrix_power of {given.node.type}",
            "expected square matrices: the last two axes are equally long",
            "x.mT @ x is square",
        )
    if exponent == 0:
        one = eye(given.shape[-1], dtype=given.dtype)
        return Tensor(shape.broadcast_to(one.node, shape=given.shape), given.weak)
    square = Tensor(algebra.inv(given.node), given.weak) if exponent < 0 else given
    rest, result = -exponent if exponent < 0 else exponent, None
    while True:
        if rest % 2:
            result = square if result is None else matmul(result, square)
        rest //= 2
        if not rest:
            assert result is not None
            return result
        square = matmul(square, square)


# Norms by what they ask for: sums of |x| along which axis, and of these which.
SUMS = {
    1: (0, ops.MAX),
    -1: (0, ops.MIN),
    math.inf: (1, ops.MAX),
    -math.inf: (1, ops.MIN),
}


@public
def matrix_norm(x: Like, /, *, keepdims: bool = False, ord: float | str = "fro") -> Tensor:
    """The norm of matrices: Frobenius's, sqrt(sum |x_ij|^2), or a largest sum of |x_ij|.

    The derivative of Frobenius's norm at 0 is 0.

    Args:
        x: a tensor of shape `(..., m, n)`, float32 or float64.
        keepdims: whether the two axes stay, with size 1.
        ord: "fro"; 1, the largest of the sums of columns, -1 the smallest; `inf`, the largest of
            the sums of rows, `-inf` the smallest.

    Returns:
        A tensor of the leading axes.

    Raises:
        ShapeError: x has fewer than two axes.
        DTypeError: x is not of floats.
        UsageError: there is no such norm: 2, -2 and "nuc" are made of singular values.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.linalg.matrix_norm(np.array([[3.0, 0.0], [0.0, 4.0]])))
        5.0
    """
    given = _matrices("matrix_norm", x)
    if given.dtype not in FLOATS:
        raise DTypeError(
            f"matrix_norm of {given.node.type}", "takes float32, float64", "convert with astype"
        )
    if not isinstance(ord, str | int | float) or (ord != "fro" and ord not in SUMS):
        raise UsageError(
            f"matrix_norm: ord is {ord!r:.60}",
            "expected 'fro', 1, -1, inf or -inf",
            "what is made of singular values is not here",
        )

    def rule(node: Node, axes: tuple[int, ...]) -> Node:
        if isinstance(ord, str):
            return make(ops.NORM, (node,), axes=axes)
        along, which = SUMS[ord]
        sums = ops.sum(absolute(node), axes=(axes[along],))
        return make(which, (sums,), axes=(axes[0],))

    return reduced("matrix_norm", given, (-2, -1), keepdims, rule)


def _matrices(name: str, x: Like) -> Tensor:
    given = as_tensor(x)
    if given.ndim < 2:
        raise ShapeError(
            f"{name} of {given.node.type}", "expected at least 2 axes", "reshape makes a matrix"
        )
    return given
