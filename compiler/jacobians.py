"""Jacobians: gradients for many cotangents side by side, as few as the pattern allows.

A Jacobian of m results for n variables takes n sweeps forwards or m backwards, side by side. Where
the graph shows that most of it is 0, columns (or rows) that share no row (no column) go together in
one sweep, and each entry is read from the sweep of its color.

Source: Curtis, Powell and Reid 1974, "On the estimation of sparse Jacobian matrices".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .ir import Node, const, leaf, make
from .ops.arithmetic import equal, remainder, where
from .ops.convert import cast, iota, literal
from .ops.gradient import gradient
from .ops.index import ADD_AT, TAKE
from .ops.shape import broadcast_to, reshape, transpose
from .types import Dim, Shape, divide, product

Array = Any
Side: TypeAlias = Literal["rows", "columns"]
ENTRIES = 1 << 15  # of a pattern, which a program's text holds
# Sweeps are put together where as many are wanted, and half of them are left or fewer: what is
# small is read more easily as it is.
WORTHWHILE = 16


@dataclass(frozen=True, slots=True)
class Compression:
    """How a Jacobian is had from few sweeps.

    Attributes:
        side: whether rows (cotangents) or columns (directions) go together.
        colors: the sweep of each row, or column.
        rows: the row of each entry, row by row.
        columns: its column.
        places: where it stands among the sweeps, which are rows of a matrix.
        shape: how many elements y and x have.
    """

    side: Side
    colors: Array
    rows: Array
    columns: Array
    places: Array
    shape: tuple[int, int]

    @property
    def count(self) -> int:
        """How many sweeps there are."""
        from .coloring import count

        return count(self.colors)

    @property
    def diagonal(self) -> bool:
        """Whether one sweep is enough, and gives the diagonal."""
        return self.count == 1 and self.side == "rows" and bool((self.rows == self.columns).all())

    @property
    def worthwhile(self) -> bool:
        """Whether it is shorter than one sweep for each row or column."""
        few = min(self.shape)
        return few >= WORTHWHILE and 2 * self.count <= few and len(self.rows) <= ENTRIES


def jacobian(y: Node, x: Node, symmetric: bool) -> Node:
    """The Jacobian of `y` for the leaf `x`; below `y` no derivative is still to be taken."""
    m, n = y.type.size, x.type.size
    if m == 1:
        one = broadcast_to(const(1, y.dtype), shape=y.shape)
        return reshape(gradient(y, x, one), shape=y.shape + x.shape)
    found = compression(y, x, symmetric) if isinstance(m, int) and isinstance(n, int) else None
    if found is not None and found.diagonal:
        row = reshape(iota(m), shape=(m, 1))
        flat = where(equal(row, iota(n)), swept(y, x, found), const(0, y.dtype))
    elif found is not None and found.worthwhile:
        at = literal(found.rows * n + found.columns)
        kept = entries(swept(y, x, found), found)
        flat = make(ADD_AT, (kept, at), axis=0, dim=product((m, n)))
    else:
        return by_columns(y, x) if fewer(n, m) else by_rows(y, x)
    return reshape(flat, shape=y.shape + x.shape)


def compression(y: Node, x: Node, symmetric: bool) -> Compression | None:
    """The fewest sweeps that were found; None where the pattern is not known."""
    import numpy as np

    from .coloring import columns, count, own, stars
    from .sparsity import pattern

    found = pattern(y, x)
    if found is None:
        return None
    if symmetric:  # the truth is part of both
        found = found.multiply(found.T).tocsr()
    found.sort_indices()
    m, n = found.shape
    ways: list[tuple[Side, Array | None]] = [("rows", np.arange(m)), ("columns", np.arange(n))]
    if symmetric and 4 * found.nnz < m * n:
        ways.insert(0, ("rows", stars(found)))
    elif not symmetric:
        ways = [("rows", columns(found.T.tocsr())), ("columns", columns(found)), *ways]
    known = [(side, colors) for side, colors in ways if colors is not None]
    side, colors = min(known, key=lambda way: count(way[1]))
    entries = found.tocoo()
    rows, at = entries.row.astype("int64"), entries.col.astype("int64")
    if side == "columns":
        places = colors[at] * m + rows
    else:
        places = colors[rows] * n + at
        if symmetric:  # by its row, unless another row of that color has the column too
            other = ~own(colors, at, rows)
            places[other] = colors[at[other]] * n + rows[other]
    return Compression(side, colors, rows, at, places, (m, n))


def swept(y: Node, x: Node, found: Compression) -> Node:
    """All sweeps, a row each: sums of rows or of columns of one color."""
    if found.side == "rows":
        sums = gradient(y, x, _sums(found, y))
    else:
        u = leaf("cotangent", y.type, "placeholder")
        sums = gradient(gradient(y, x, u), u, _sums(found, x))
    return reshape(sums, shape=(found.count, product(sums.shape[1:])))


def entries(sweeps: Node, found: Compression) -> Node:
    """The entries of the pattern, row by row."""
    flat = reshape(sweeps, shape=(sweeps.type.size,))
    return make(TAKE, (flat, literal(found.places)), axis=0)


def _sums(found: Compression, of: Node) -> Node:
    """For each color a tensor with ones where the color is."""
    import numpy as np

    n, k = len(found.colors), found.count
    if k == 1 and found.colors.min() == 0:
        return broadcast_to(const(1, of.dtype), shape=(k, *of.shape))
    places = iota(n)
    periodic = np.array_equal(found.colors, np.arange(n) % k)
    own = remainder(places, k) if periodic else literal(found.colors)
    hot = equal(reshape(iota(k), shape=(k, 1)), own)
    return reshape(cast(hot, of.dtype), shape=(k, *of.shape))


def by_rows(y: Node, x: Node) -> Node:
    """The Jacobian as the gradients of all elements of `y`."""
    return reshape(gradient(y, x, one_hots(y.shape, y.dtype)), shape=y.shape + x.shape)


def by_columns(y: Node, x: Node) -> Node:
    """The Jacobian as the changes of `y` with each element of `x`.

    A gradient is linear in its cotangent; the gradient of that is its transpose.
    """
    u = leaf("cotangent", y.type, "placeholder")
    columns = gradient(gradient(y, x, u), u, one_hots(x.shape, x.dtype))
    k, rank = x.type.ndim, x.type.ndim + y.type.ndim
    return transpose(reshape(columns, shape=x.shape + y.shape), (*range(k, rank), *range(k)))


def fewer(m: Dim, n: Dim) -> bool:
    """Whether m is known to be the smaller; a number is taken to be smaller than a symbol."""
    if isinstance(m, int) or isinstance(n, int):
        return isinstance(m, int) and (not isinstance(n, int) or m < n)
    return divide(n, m) not in (None, 1)


def one_hots(shape: Shape, dtype: str) -> Node:
    """Every tensor of this shape with a single one, side by side."""
    n = product(shape)
    places = iota(n)
    diagonal = cast(equal(reshape(places, shape=(n, 1)), places), dtype)
    return reshape(diagonal, shape=(n, *shape))
