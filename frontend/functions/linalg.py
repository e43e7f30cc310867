"""Linear algebra, `cr.linalg`: solving, inverses, factors, determinants, powers and norms.

Names follow the standard's extension `linalg`. All work on the last two axes, over the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainrule.compiler.errors import ShapeError
from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops import algebra as ops
from chainrule.compiler.ops.shape import reshape

from ..tensor import Like, Tensor, as_tensor, promote, public
from .linear import matmul, matrix_transpose, tensordot, vecdot
from .matrices import cross, diagonal, matrix_norm, matrix_power, outer, trace
from .statistics import vector_norm

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_transpose",
    "outer",
    "slogdet",
    "solve",
    "solve_triangular",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class SlogdetResult(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Tensor
    logabsdet: Tensor


@public
def cholesky(x: Like, /, *, upper: bool = False) -> Tensor:
    """The lower triangular L with L L' = x, for symmetric positive definite matrices x.

    Of a matrix that is not symmetric it is that of (x + x') / 2. The gradient is symmetric.

    Args:
        x: a float tensor of shape `(..., n, n)`.
        upper: whether L' comes instead.

    Returns:
        A tensor of shape `(..., n, n)`, zeros in the other triangle.

    Raises:
        ShapeError: the matrices are not square.
        DTypeError: x is not of floats.
        MatrixError: when run, if a matrix is not positive definite. NaN gives NaN, no error.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.linalg.cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])))
        array([[2., 0.],
               [1., 2.]])

    Source:
        Murray 2016, Differentiation of the Cholesky decomposition, arXiv:1602.07527.
    """
    given = as_tensor(x)
    ops.CHOLESKY.infer((given.node,))
    factor = make(ops.CHOLESKY, ((given.node + ops.turned(given.node)) * 0.5,))
    return Tensor(ops.turned(factor) if upper else factor, given.weak)


@public
def solve(x1: Like, x2: Like, /) -> Tensor:
    """The solution y of x1 y = x2, by elimination with partial pivoting.

    Args:
        x1: a float tensor of shape `(..., n, n)`.
        x2: the right sides, of shape `(n,)` or `(..., n, k)`; leading axes broadcast.

    Returns:
        A tensor of shape `(..., n)` for a vector, else `(..., n, k)`.

    Raises:
        ShapeError: the matrices are not square, or the sizes do not fit.
        DTypeError: an operand is not of floats.
        MatrixError: when run, if a pivot is exactly 0: the matrix is singular.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> a = np.array([[2.0, 1.0], [0.0, 4.0]])
        >>> np.asarray(cr.linalg.solve(a, np.array([4.0, 8.0])))
        array([1., 2.])

    Source:
        Giles 2008, Collected matrix derivative results for forward and reverse mode AD, 2.3.1.
    """
    (a, b), weak = promote(x1, x2)
    return Tensor(_solved("solve", a, b, ops.solve), weak)


@public
def solve_triangular(
    x1: Like, x2: Like, /, *, upper: bool = False, transpose: bool = False
) -> Tensor:
    """The solution y of x1 y = x2, for triangular matrices x1.

    Args:
        x1: a float tensor of shape `(..., n, n)`; the other triangle is not read.
        x2: the right sides, of shape `(n,)` or `(..., n, k)`; leading axes broadcast.
        upper: whether the matrices are upper triangular.
        transpose: whether it is x1' y = x2 that is solved.

    Returns:
        A tensor of shape `(..., n)` for a vector, else `(..., n, k)`.

    Raises:
        ShapeError: the matrices are not square, or the sizes do not fit.
        DTypeError: an operand is not of floats.
        MatrixError: when run, if there is a 0 on the diagonal: the matrix is singular.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> a = np.array([[2.0, 0.0], [1.0, 4.0]])
        >>> np.asarray(cr.linalg.solve_triangular(a, np.array([4.0, 10.0])))
        array([2., 2.])

    Source:
        Giles 2008, Collected matrix derivative results for forward and reverse mode AD, 2.3.1.
    """
    (a, b), weak = promote(x1, x2)

    def rule(a: Node, b: Node) -> Node:
        return ops.solve_triangular(a, b, lower=not upper, transposed=transpose)

    return Tensor(_solved("solve_triangular", a, b, rule), weak)


def _solved(name: str, a: Node, b: Node, rule: Callable[[Node, Node], Node]) -> Node:
    if not b.type.ndim:
        raise ShapeError(
            f"{name}: {a.type} and {b.type}", "expected a right side for each row", "add an axis"
        )
    if b.type.ndim > 1:
        return rule(a, b)
    if a.type.ndim > 1 and a.shape[-2] == a.shape[-1] != b.shape[0]:
        raise ShapeError(
            f"{name}: {a.type} and {b.type}",
            f"the right side has {b.shape[0]} rows, the matrix {a.shape[-1]} columns",
            "each row of the matrix has an element on the right",
        )
    found = rule(a, reshape(b, shape=(*b.shape, 1)))
    return reshape(found, shape=found.shape[:-1])


@public
def inv(x: Like, /) -> Tensor:
    """The inverse y, with x y = y x = 1.

    Args:
        x: a float tensor of shape `(..., n, n)`.

    Returns:
        A tensor of shape `(..., n, n)`.

    Raises:
        ShapeError: the matrices are not square.
        DTypeError: x is not of floats.
        MatrixError: when run, if a pivot is exactly 0: the matrix is singular.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.linalg.inv(np.array([[2.0, 0.0], [0.0, 4.0]])))
        array([[0.5 , 0.  ],
               [0.  , 0.25]])

    Source:
        Giles 2008, Collected matrix derivative results for forward and reverse mode AD, 2.2.3.
    """
    given = as_tensor(x)
    return Tensor(ops.inv(given.node), given.weak)


@public
def det(x: Like, /) -> Tensor:
    """The determinant.

    Its gradient, det(x) times the transposed inverse, is an error where x is singular.

    Args:
        x: a float tensor of shape `(..., n, n)`.

    Returns:
        A tensor of the leading axes; 1 for matrices of no elements.

    Raises:
        ShapeError: the matrices are not square.
        DTypeError: x is not of floats.
        MatrixError: when a gradient is run, if a matrix is singular.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> round(float(cr.linalg.det(np.array([[1.0, 2.0], [3.0, 4.0]]))), 12)
        -2.0

    Source:
        Giles 2008, Collected matrix derivative results for forward and reverse mode AD, 2.2.4.
    """
    given = as_tensor(x)
    return Tensor(make(ops.DET, (given.node,)), given.weak)


@public
def slogdet(x: Like, /) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its absolute value.

    Of a singular matrix they are 0 and minus infinity. The gradient of the logarithm, the
    transposed inverse, is an error there; that of the sign is 0.

    Args:
        x: a float tensor of shape `(..., n, n)`.

    Returns:
        `sign, logabsdet`, two tensors of the leading axes.

    Raises:
        ShapeError: the matrices are not square.
        DTypeError: x is not of floats.
        MatrixError: when a gradient is run, if a matrix is singular.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> sign, logabsdet = cr.linalg.slogdet(np.array([[0.0, 1.0], [1.0, 0.0]]))
        >>> float(sign), float(logabsdet)
        (-1.0, 0.0)

    Source:
        Giles 2008, Collected matrix derivative results for forward and reverse mode AD, 2.2.4.
    """
    given = as_tensor(x)
    sign, logarithm = (make(op, (given.node,)) for op in (ops.SIGNDET, ops.LOGABSDET))
    return SlogdetResult(Tensor(sign, given.weak), Tensor(logarithm, given.weak))
