"""Linear algebra of square matrices, over leading axes.

Two solvers carry the derivatives of everything here: what solves a x = b solves a' y = g for the
gradient. A matrix that cannot be solved with, or has no Cholesky factor, is an error when run.
"""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, Fault, ShapeError
from ..ir import Node, Op, const, located, make, register
from ..types import Dim, TensorType
from .arithmetic import abs, equal, greater, greater_equal, sign, where
from .base import Composite
from .broadcasting import broadcast_dims
from .convert import cast, iota
from .elementary import log
from .linear import matmul
from .reduce import prod, sum
from .shape import broadcast_to, reshape, transpose

SINGULAR = Fault("singular", "a matrix is singular")
NOT_POSITIVE = Fault("not positive definite", "a matrix is not positive definite")


class Matrix(Op):
    """A function of square matrices, the last two axes."""

    called = ""  # by users, where it is not the name

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The first operand is of square matrices of floats."""
        (a, *_) = operands
        if a.type.ndim < 2 or a.shape[-1] != a.shape[-2]:
            raise ShapeError(
                f"{self.called or self.name} of {a.type}",
                "expected square matrices: the last two axes are equally long",
                "give both the same size or name in cr.tensor",
            )
        if any(not x.type.is_float or x.dtype != a.dtype for x in operands):
            raise DTypeError(
                f"{self.called or self.name} of {' and '.join(str(x.type) for x in operands)}",
                "takes float32, float64, the same for all operands",
                "convert with astype",
            )
        return TensorType(a.dtype, self.result(operands))

    def result(self, operands: tuple[Node, ...]) -> tuple[Dim, ...]:
        """The shape of the result, by default that of the last operand."""
        return operands[-1].shape

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Leading axes are leading axes."""
        return make(self, operands, node.where, **dict(node.attrs))


class Solver(Matrix):
    """The x of a x = b, for matrices b of right sides; a and b have the same leading axes."""

    def result(self, operands: tuple[Node, ...]) -> tuple[Dim, ...]:
        """The shape of b."""
        a, b = operands
        if a.shape[:-1] != b.shape[:-1]:
            raise ShapeError(
                f"{self.name}: {a.type} and {b.type}",
                f"the right sides have {b.shape[-2]} rows, the matrix {a.shape[-1]} columns"
                if a.shape[:-2] == b.shape[:-2]
                else "their leading axes differ",
                "a vector of right sides has one axis, a matrix a column for each",
            )
        return b.shape

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Both get all leading axes in full."""
        return make(self, together(self.name, *operands), node.where, **dict(node.attrs))


class Solve(Solver):
    """The x of a x = b, by Gaussian elimination with partial pivoting."""

    name = "solve"
    source = "Giles 2008, Collected matrix derivative results, section 2.3.1"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """b gets the y of a' y = g, and a gets -y x'."""
        a, _ = node.operands
        share = solve(turned(a), out_grad)
        return (-matmul(share, turned(node)), share)


class SolveTriangular(Solver):
    """The x of a x = b, or of a' x = b; of a one triangle is read. attrs: lower, transposed."""

    name = "solve_triangular"
    source = "Giles 2008, Collected matrix derivative results, section 2.3.1"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """As for any matrix, in the triangle that is read."""
        a, _ = node.operands
        lower, transposed = node.attr("lower"), node.attr("transposed")
        share = solve_triangular(a, out_grad, lower, not transposed)
        left, right = (node, share) if transposed else (share, node)
        return (-triangle(matmul(left, turned(right)), lower), share)


class Cholesky(Matrix):
    """The lower triangular L with L L' = a, for a symmetric a, of which the lower triangle is read.

    The gradient is meant for symmetric changes of a: it is right up to an antisymmetric part.
    """

    name = "cholesky"
    source = "Murray 2016, arXiv:1602.07527, eq. (10)"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """L'^-1 P L^-1, where P is the lower triangle of L' g with half the diagonal."""
        both = matmul(turned(node), out_grad)
        row, at = places(node)
        half = where(equal(row, at), both * 0.5, const(0, node.dtype))
        lower = where(greater(row, at), both, half)
        left = solve_triangular(node, lower, lower=True, transposed=True)
        right = solve_triangular(node, turned(left), lower=True, transposed=True)
        return (turned(right),)


class Inverse(Matrix, Composite):
    """The inverse."""

    name = "inv"
    source = "Giles 2008, Collected matrix derivative results, section 2.2.3"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """-y' g y'."""
        other = turned(node)
        return (-matmul(matmul(other, out_grad), other),)

    def expand(self, node: Node) -> Node:
        """The solution for each column of the identity; what is singular is so on this line."""
        (a,) = node.operands
        with located(node.where):
            return solve(a, broadcast_to(identity(a), shape=a.shape))


class Pivots(Matrix):
    """Numbers whose product is the determinant: the pivots of elimination, with its sign.

    Only targets make one, when all derivatives are taken.
    """

    name = "pivots"

    def result(self, operands: tuple[Node, ...]) -> tuple[Dim, ...]:
        """One a row."""
        return operands[0].shape[:-1]


class Determinant(Matrix, Composite):
    """A number for each matrix, of its pivots."""

    def result(self, operands: tuple[Node, ...]) -> tuple[Dim, ...]:
        """The leading axes."""
        return operands[0].shape[:-2]

    def of_pivots(self, pivots: Node, axes: tuple[int, ...]) -> Node:
        """The number that the pivots give."""
        return prod(pivots, axes=axes)

    def expand(self, node: Node) -> Node:
        """From the pivots, which all of these share."""
        (a,) = node.operands
        return self.of_pivots(make(PIVOTS, (a,)), (a.type.ndim - 2,))


class Det(Determinant):
    """The determinant."""

    name = "det"
    source = "Giles 2008, Collected matrix derivative results, section 2.2.4"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """det(a) times the transposed inverse, by Jacobi's formula."""
        (a,) = node.operands
        return (column(out_grad * node) * turned(inv(a)),)


class LogAbsDet(Determinant):
    """The logarithm of the size of the determinant; minus infinity where that is 0."""

    name = "logabsdet"
    called = "slogdet"
    source = "Giles 2008, Collected matrix derivative results, section 2.2.4"

    def of_pivots(self, pivots: Node, axes: tuple[int, ...]) -> Node:
        """The sum of logarithms: nothing overflows."""
        return sum(log(abs(pivots)), axes=axes)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The transposed inverse."""
        (a,) = node.operands
        return (column(out_grad) * turned(inv(a)),)


class SignDet(Determinant):
    """The sign of the determinant: -1, 0 or 1."""

    name = "signdet"
    called = "slogdet"

    def of_pivots(self, pivots: Node, axes: tuple[int, ...]) -> Node:
        """The product of signs."""
        return prod(sign(pivots), axes=axes)


SOLVE, SOLVE_TRIANGULAR = register(Solve()), register(SolveTriangular())
CHOLESKY, INV, PIVOTS = register(Cholesky()), register(Inverse()), register(Pivots())
DET, LOGABSDET, SIGNDET = register(Det()), register(LogAbsDet()), register(SignDet())
# What goes wrong with a matrix, by op.
FAULTS: dict[object, Fault] = {
    SOLVE: SINGULAR,
    SOLVE_TRIANGULAR: SINGULAR,
    INV: SINGULAR,
    CHOLESKY: NOT_POSITIVE,
}


def solve(a: Node, b: Node) -> Node:
    """The x of a x = b; leading axes broadcast."""
    return make(SOLVE, together("solve", a, b))


def solve_triangular(a: Node, b: Node, lower: bool, transposed: bool) -> Node:
    """The x of a x = b, or of a' x = b; leading axes broadcast."""
    operands = together("solve_triangular", a, b)
    return make(SOLVE_TRIANGULAR, operands, lower=lower, transposed=transposed)


def inv(a: Node) -> Node:
    """The inverse of `a`."""
    return make(INV, (a,))


def together(name: str, a: Node, b: Node) -> tuple[Node, Node]:
    """Two operands, repeated to the leading axes that they have together."""
    lead = broadcast_dims(name, (a.shape[:-2], b.shape[:-2]))
    return (
        broadcast_to(a, shape=(*lead, *a.shape[-2:])),
        broadcast_to(b, shape=(*lead, *b.shape[-2:])),
    )


def turned(a: Node) -> Node:
    """Rows and columns exchanged."""
    n = a.type.ndim
    return transpose(a, axes=(*range(n - 2), n - 1, n - 2))


def column(x: Node) -> Node:
    """Numbers as matrices of one element."""
    return reshape(x, shape=(*x.shape, 1, 1))


def places(a: Node) -> tuple[Node, Node]:
    """Row and column of each element of a matrix."""
    rows, columns = a.shape[-2:]
    return reshape(iota(rows), shape=(rows, 1)), iota(columns)


def diagonal(a: Node) -> Node:
    """Whether an element lies on the diagonal."""
    row, at = places(a)
    return equal(row, at)


def triangle(a: Node, lower: bool) -> Node:
    """The lower or the upper triangle, zeros elsewhere."""
    row, at = places(a)
    inside = greater_equal(row, at) if lower else greater_equal(at, row)
    return where(inside, a, const(0, a.dtype))


def identity(a: Node) -> Node:
    """The identity of the size of `a`."""
    return cast(diagonal(a), a.dtype)
