"""Jacobians and Hessians of which only the entries are kept that may differ from 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.compiler.errors import ShapeError, UsageError
from chainrule.compiler.ir import Node
from chainrule.compiler.ops.gradient import stand_in

from ..tensor import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SparseMatrix:
    """A matrix by its entries, row by row: what `scipy.sparse.coo_array` takes.

    `coo_array((data, (rows, columns)), shape)`, where data is the value of the tensor.

    Attributes:
        data: the entries, a tensor of shape `(entries,)`.
        rows: the row of each, int64: the place in y when its elements are counted in order.
        columns: the column of each, int64: the place in x.
        shape: how many elements y and x have.
        colors: how many sweeps give all of them.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> x = cr.tensor("x", (4,), "float64")
        >>> found = cr.jacobian(x[1:] * x[:-1], x, sparse=True)
        >>> found
        <sparse 3 x 4, 6 entries, 2 colors>
        >>> cr.function([x], found.data, "numpy")(np.arange(4.0))
        array([1., 0., 2., 1., 3., 2.])
        >>> found.columns
        array([0, 1, 1, 2, 2, 3])
    """

    data: Tensor
    rows: Any
    columns: Any
    shape: tuple[int, int]
    colors: int

    def __repr__(self) -> str:
        m, n = self.shape
        return f"<sparse {m} x {n}, {len(self.rows)} entries, {self.colors} colors>"


def sparse_matrix(name: str, y: Node, x: Node, symmetric: bool) -> SparseMatrix:
    """The entries of the Jacobian of `y` for `x`.

    Raises:
        ShapeError: a size is not a number.
        UsageError: there are too many entries.
    """
    # The pattern is that of the gradient, which is taken at once.
    from chainrule.compiler.jacobians import ENTRIES, compression, entries, swept
    from chainrule.compiler.passes.differentiate import derived

    m, n = y.type.size, x.type.size
    if not isinstance(m, int) or not isinstance(n, int):
        raise ShapeError(
            f"a sparse {name} of {y.type} for {x.type}",
            "which entries there are is known once all sizes are numbers",
            f"leave out sparse=True: cr.{name} takes any sizes",
        )
    inner, variable = stand_in(y, x)
    found = compression(derived(inner), variable, symmetric)
    if found is None or len(found.rows) > ENTRIES:
        many = "very many" if found is None else f"{len(found.rows):,}"
        raise UsageError(
            f"a sparse {name} of {y.type} for {x.type}",
            f"{many} entries may differ from 0, expected at most {ENTRIES:,}",
            f"leave out sparse=True; or multiply with it: cr.{'hvp' if symmetric else 'jvp'}",
        )
    data = Tensor(entries(swept(y, x, found), found))
    return SparseMatrix(data, found.rows, found.columns, (m, n), found.count)
