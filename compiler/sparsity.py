"""Which elements of a result depend on which elements of a leaf: the pattern of its Jacobian.

A pattern is a boolean matrix, a row for each element of the result. Each op says how its elements
are linked to those of its operands, and links are followed from the leaf to the result, as in
forward mode. What is found may be more than the truth, never less.

Source: Griewank and Walther 2008, "Evaluating Derivatives", 2nd ed., section 7.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from .ir import LEAF, Node, evaluate, leaf, make, walk
from .ops import algebra, convert, index, linear, phase, reduce, running, shape, windows
from .ops.base import Scalar
from .ops.custom import CUSTOM, declared
from .ops.gradient import STOP_GRADIENT
from .ops.normalization import NORMALIZE, VARIANCE
from .ops.random import UNIFORM
from .types import TensorType

Pattern = Any  # sparse.csr_array of bool
Array = Any
LIMIT = 400_000  # entries of a pattern, or pairs of elements that one op links
WORK = 10 * LIMIT  # entries that are put together, equal ones included


class TooDense(Exception):
    """A pattern has too many entries to be of use."""


def pattern(y: Node, x: Node) -> Pattern | None:
    """The elements of the leaf `x` that each element of `y` depends on.

    Args:
        y: a node below which no derivative is still to be taken.
        x: a leaf.

    Returns:
        A boolean matrix, `y.size` by `x.size`; None where a size is not known, or nearly everything
        depends on everything.
    """
    if any(not isinstance(dim, int) for dim in (*x.shape, *y.shape)):
        return None
    try:
        return _Patterns(x).of(y)
    except TooDense:
        return None


class _Patterns:
    """The patterns of nodes, for one leaf."""

    def __init__(self, x: Node) -> None:
        """The leaf depends on itself."""
        self.count = _size(x)
        self.known: dict[Node, Pattern | None] = {
            x: sparse.eye_array(self.count, dtype=bool, format="csr")
        }

    def of(self, y: Node) -> Pattern:
        """The pattern of a node."""
        self._settle(y)
        found = self.known[y]
        return sparse.csr_array((_size(y), self.count), dtype=bool) if found is None else found

    def _settle(self, y: Node) -> None:
        for node in walk([y], self.known):
            if node not in self.known:
                self.known[node] = self._find(node)

    def _find(self, node: Node) -> Pattern | None:
        """The union over the operands that depend on the leaf; None is empty."""
        moving = [i for i, x in enumerate(node.operands) if self.known.get(x) is not None]
        if not moving or not node.type.is_float or node.op is STOP_GRADIENT:
            return None
        expanded = None if _linked(node) else node.op.expand(node)
        if expanded is not None:
            self._settle(expanded)
            return self.known[expanded]
        total: Pattern | None = None
        for i in moving:
            part = self._through(node, i)
            total = part if total is None or part is None else total + part
            if total is not None and total.nnz > LIMIT:
                raise TooDense
        return total

    def _through(self, node: Node, i: int) -> Pattern | None:
        below: Any = self.known[node.operands[i]]
        link = links(node, i)
        if link is None:  # everything on everything
            columns = np.unique(below.indices)
            if len(columns) * _size(node) > LIMIT:
                raise TooDense
            rows = np.repeat(np.arange(_size(node)), len(columns))
            return _matrix(rows, np.tile(columns, _size(node)), _size(node), self.count)
        if np.diff(below.indptr)[link.indices].sum() > WORK:
            raise TooDense
        return (link @ below).tocsr()


def links(node: Node, i: int) -> Pattern | None:
    """Which elements of operand `i` each element of a node depends on; None: on all."""
    op, x = node.op, node.operands[i]
    if op in MOVERS:
        return _moved(node, i)
    if isinstance(op, Scalar) or op is convert.CAST or op is phase.PHASE:
        return _elementwise(node, x)
    if op in ADDERS:
        return _added(node)
    if op in ALONG:
        axes = node.attr("axis") if op in RUNNING else node.attr("axes")
        return _grouped(node, x, set(axes if isinstance(axes, tuple) else (axes,)))
    if op in MATRICES:
        return _grouped(node, x, set(range(node.operands[0].type.ndim - 2, x.type.ndim)))
    if op is linear.CONTRACT:
        return _contracted(node, i)
    if op is CUSTOM:
        return _declared(node, i)
    return None


def _linked(node: Node) -> bool:
    """Whether `links` knows the op, so that it need not be opened."""
    return isinstance(node.op, Scalar) or node.op in KNOWN


MOVERS = frozenset(
    {
        shape.RESHAPE,
        shape.TRANSPOSE,
        shape.BROADCAST_TO,
        shape.SLICE,
        shape.PAD,
        shape.FLIP,
        shape.CONCAT,
        windows.WINDOWS,
        index.TAKE,
        index.TAKE_ALONG,
        index.GATHER,
    }
)
# Each is the transpose of a mover, which its derivative rule names.
ADDERS = frozenset({windows.OVERLAP_ADD, index.ADD_AT, index.ADD_ALONG, index.SCATTER_ADD})
RUNNING = frozenset(
    {
        reduce.CUMULATIVE_SUM,
        running.CUMULATIVE_PROD,
        running.CUMULATIVE_LOGSUMEXP,
        running.LINEAR_RECURRENCE,
    }
)
ALONG = RUNNING | {
    reduce.SUM,
    reduce.PROD,
    reduce.MAX,
    reduce.MIN,
    reduce.MEAN,
    reduce.NORM,
    reduce.LOGSUMEXP,
    reduce.SOFTMAX,
    reduce.LOG_SOFTMAX,
    VARIANCE,
    NORMALIZE,
}
MATRICES = frozenset(
    {
        algebra.SOLVE,
        algebra.SOLVE_TRIANGULAR,
        algebra.CHOLESKY,
        algebra.INV,
        algebra.PIVOTS,
        algebra.DET,
        algebra.LOGABSDET,
        algebra.SIGNDET,
    }
)
OPEN = frozenset({LEAF, convert.SIZE, UNIFORM})
KNOWN = MOVERS | ADDERS | ALONG | MATRICES | {convert.CAST, phase.PHASE, linear.CONTRACT, CUSTOM}


def _size(node: Node) -> int:
    return math.prod(_dims(node))


def _matrix(rows: Array, columns: Array, height: int, width: int) -> Pattern:
    if len(rows) > LIMIT:
        raise TooDense
    ones = np.ones(len(rows), bool)
    return sparse.csr_array((ones, (rows, columns)), (height, width))


def _dims(node: Node) -> tuple[int, ...]:
    """The shape, all numbers."""
    dims = tuple(dim for dim in node.shape if isinstance(dim, int))
    if len(dims) != node.type.ndim or math.prod(dims) > LIMIT:
        raise TooDense
    return dims


def _positions(dims: tuple[int, ...]) -> Array:
    return np.arange(math.prod(dims), dtype=np.int64).reshape(dims)


def _elementwise(node: Node, x: Node) -> Pattern:
    places = np.broadcast_to(_positions(_dims(x)), _dims(node)).ravel()
    return _matrix(np.arange(len(places)), places, len(places), _size(x))


def _moved(node: Node, i: int) -> Pattern | None:
    """Where elements go: the op applied to positions, counted from 1."""
    leaves = [
        leaf("x", TensorType("int64", x.shape), "placeholder") if k == i or x.type.is_float else x
        for k, x in enumerate(node.operands)
    ]
    given = [x for x in leaves if x not in node.operands]
    zero = {"value": 0} if node.op is shape.PAD else {}
    twin = make(node.op, tuple(leaves), **{**dict(node.attrs), **zero})
    if _open(x for x in leaves if x not in given):  # where it reads is not known yet
        return None
    positions = {x: np.zeros(_dims(x), np.int64) for x in given}
    positions[leaves[i]] = _positions(_dims(leaves[i])) + 1
    (places,) = evaluate([twin], positions)
    (rows,) = np.nonzero(places.ravel())
    return _matrix(rows, places.ravel()[rows] - 1, _size(node), _size(node.operands[i]))


def _added(node: Node) -> Pattern | None:
    """The transpose of what its derivative does to a gradient."""
    u = leaf("cotangent", node.type, "placeholder")
    (share, *_) = node.op.vjp(node, u)
    if share is None or any(x.op in OPEN and x is not u for x in walk([share])):
        return None
    return _Patterns(u).of(share).T.tocsr()


def _open(nodes: Iterable[Node]) -> bool:
    """Whether values come from outside or are drawn, and so are not known yet."""
    return any(node.op in OPEN for node in walk(nodes))


def _grouped(node: Node, x: Node, axes: set[int]) -> Pattern:
    """Every element on all elements of its group, which differ along these axes alone."""
    rank, kept = x.type.ndim, [a for a in range(x.type.ndim) if a not in axes]
    dims, after = _dims(x), _dims(node)
    groups = _positions(tuple(dims[axis] for axis in kept))
    wide = groups.reshape([dims[a] if a in kept else 1 for a in range(rank)])
    into = np.broadcast_to(wide, dims).ravel()
    same = node.type.ndim == rank
    further = groups.reshape((*groups.shape, *(1,) * (len(after) - groups.ndim)))
    out = np.broadcast_to(wide if same else further, after).ravel()
    count = max(groups.size, 1)
    if out.size * into.size > LIMIT * count:
        raise TooDense
    member = _matrix(np.arange(out.size), out, out.size, count)
    return (member @ _matrix(into, np.arange(into.size), count, into.size)).tocsr()


def _contracted(node: Node, i: int) -> Pattern:
    """A result on all elements that it is summed over, but those that are multiplied with 0."""
    sides = (node.attr("left"), node.attr("right"))
    out, own, other = node.attr("out"), sides[i], sides[1 - i]
    size = {
        letter: dim
        for x, letters in zip(node.operands, sides, strict=True)
        for letter, dim in zip(letters, _dims(x), strict=True)
    }
    factor = node.operands[1 - i]
    fixed = not _open([factor])
    letters = sorted({*out, *own, *(other if fixed else "")})
    if math.prod(size[letter] for letter in letters) > LIMIT:
        raise TooDense
    grid = dict(zip(letters, np.indices([size[k] for k in letters], sparse=True), strict=True))
    everywhere = tuple(size[k] for k in letters)

    def places(word: str) -> Array:
        at = np.zeros((), np.int64)
        for letter in word:
            at = at * size[letter] + grid[letter]
        return np.broadcast_to(at, everywhere).ravel()

    rows, columns = places(out), places(own)
    if fixed:
        (values,) = evaluate([factor], {})
        there = values.ravel()[places(other)] != 0
        rows, columns = rows[there], columns[there]
    return _matrix(rows, columns, _size(node), _size(node.operands[i]))


def _declared(node: Node, i: int) -> Pattern | None:
    """As the declared gradients and changes say, which need not be what the formula says."""
    known = declared(node)
    at = i - 3
    if not 0 <= at < len(known.xs):
        return sparse.csr_array((_size(node), _size(node.operands[i])), dtype=bool)
    found = _Patterns(known.cotangent).of(known.grads[at]).T.tocsr()
    if known.change is not None:
        found = found + _Patterns(known.tangents[at]).of(known.change)
    return found
