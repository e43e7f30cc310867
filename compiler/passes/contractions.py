"""Contractions as matrix products: which are, and how their axes must lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ..ir import Node, is_leaf
from ..ops import linear, shape
from ..types import FLOATS, Dim, product
from .again import AGAIN
from .sizes import usual
from .sliding import prepared
from .wholes import Core, Places

Kind: TypeAlias = Literal["gemm", "loops", "elementwise"]


def kind_of(node: Node) -> Kind:
    """How a contraction is made: by a matrix product, by plain loops, or element by element."""
    sizes, left, right, out = _thick(node)
    over = [letter for letter in sizes if letter not in out]
    if not over:
        return "elementwise"
    alone = [letter for letter in over if letter not in left or letter not in right]
    rows = [letter for letter in out if letter not in right]
    columns = [letter for letter in out if letter not in left]
    if node.dtype in FLOATS and not alone and ((rows and columns) or _is_of_data(node, sizes)):
        return "gemm"
    return "loops"


def _is_of_data(node: Node, sizes: Mapping[str, Dim]) -> bool:
    """Whether a matrix that is an input is multiplied by one column, or by one row.

    In loops over rows each row would wait for its sum, and what follows from it would be no vector
    code. A matrix that is computed is better summed up where it is computed.
    """
    sides = zip(node.operands, (node.attr("left"), node.attr("right")), strict=True)
    matrices = [x for x, letters in sides if len([a for a in letters if a in sizes]) == 2]
    return len(matrices) == 1 and is_leaf(matrices[0]) and matrices[0].attr("role") == "input"


def _thick(node: Node) -> tuple[dict[str, Dim], str, str, str]:
    """The letters of a contraction less those of size 1, which change nothing."""
    left, right, out = (node.attr(name) for name in ("left", "right", "out"))
    a, b = node.operands
    sizes = {
        letter: size
        for letter, size in zip(left + right, a.shape + b.shape, strict=True)
        if size != 1
    }
    kept = ("".join(letter for letter in names if letter in sizes) for names in (left, right, out))
    return (sizes, *kept)  # type: ignore[return-value]


def standard(node: Node) -> Node:
    """The node, with transposes around a matrix product whose axes do not lie in groups."""
    found = prepared(node)
    if found is not None:
        return found
    if node.op is not linear.CONTRACT or kind_of(node) != "gemm" or _core(node) is not None:
        return node
    left, right, out = (node.attr(name) for name in ("left", "right", "out"))
    batch = "".join(letter for letter in out if letter in left and letter in right)
    rows = "".join(letter for letter in out if letter in left and letter not in right)
    columns = "".join(letter for letter in out if letter not in left)
    a, b = node.operands
    # The smaller operand is copied, if one has to be.
    longer = left if usual(a.type.size) >= usual(b.type.size) else right
    over = "".join(letter for letter in longer if letter not in out)
    first, second = _grouped(left, batch, rows, over), _grouped(right, batch, over, columns)
    result = linear.contract(
        _permuted(a, left, first),
        _permuted(b, right, second),
        first,
        second,
        batch + rows + columns,
    )
    return _permuted(result, batch + rows + columns, out)


def _grouped(have: str, batch: str, rows: str, columns: str) -> str:
    """The letters of an operand in groups.

    Those that lie last stay last, as copies of what lies together are fast, but in batches: of many
    small products each is faster as it should be.
    """
    first, second = batch + rows + columns, batch + columns + rows
    return second if not batch and second[-1:] == have[-1:] else first


def _permuted(x: Node, have: str, want: str) -> Node:
    return shape.transpose(x, axes=tuple(have.index(letter) for letter in want))


def core(node: Node) -> Core:
    """The matrix product that a contraction is."""
    found = _core(node)
    assert found is not None
    return found


def _core(node: Node) -> Core | None:
    """The matrix product, if the axes of operands and result lie in groups."""
    sizes, left, right, out = _thick(node)
    batch = "".join(letter for letter in out if letter in left and letter in right)
    rows = "".join(letter for letter in out if letter not in right)
    columns = "".join(letter for letter in out if letter not in left)
    places = _places(out, batch, rows, columns)
    if places is None or (batch and out[0] != batch[0]):
        return None
    a, b = node.operands
    for over in dict.fromkeys(_orders(a, left, out) + _orders(b, right, out)):
        first = _laid(a, node.attr("left"), sizes, batch, rows, over)
        second = _laid(b, node.attr("right"), sizes, batch, over, columns)
        if first is None or second is None:
            continue
        m, k, n = (
            product(tuple(sizes[letter] for letter in names)) for names in (rows, over, columns)
        )
        if rows and columns and out.index(columns[0]) < out.index(rows[0]):
            # (a b)' = b' a'
            first, second, m, n = second.turned, first.turned, n, m
        every = (first.places, second.places, places)
        return Core(
            "gemm",
            node,
            first.tensor,
            second.tensor,
            first.transposed,
            second.transposed,
            tuple(sizes[letter] for letter in batch),
            m,
            k,
            n,
            every if any(x != _in_front(batch) for x in every) else (),
        )
    return None


def _in_front(batch: str) -> Places:
    """Matrices one after the other."""
    return (*range(len(batch)), None, None)


def _places(lies: str, batch: str, rows: str, columns: str) -> Places | None:
    """Which axes of a batch come in which order, and where among them matrices have their own two.

    None where rows or columns do not lie in a group, or neither of them lies together.
    """
    if lies in (batch + rows + columns, batch + columns + rows):
        return _in_front(batch)
    if not rows or not columns:
        return None
    grouped = lies.replace(rows, "<").replace(columns, ">")
    if len(grouped) != len(batch) + 2 or grouped[-1] not in "<>":
        return None
    return tuple(None if letter in "<>" else batch.index(letter) for letter in grouped)


@dataclass(frozen=True, slots=True)
class _Matrices:
    """An operand: the tensor in memory, and how matrices lie in it.

    Attributes:
        tensor: where they are.
        transposed: whether they are transposed there.
        places: the order of its axes, as a core has it.
    """

    tensor: Node
    transposed: bool
    places: Places

    @property
    def turned(self) -> _Matrices:
        """The transposed matrices."""
        return replace(self, transposed=not self.transposed)


def _orders(x: Node, letters: str, out: str) -> list[str]:
    """The orders in which the summed letters may lie in an operand."""
    own = "".join(letter for letter in letters if letter not in out)
    if x.op is not shape.TRANSPOSE or len(letters) != x.type.ndim:
        return [own]
    _, below = _untransposed(x, letters)
    return [own, "".join(letter for letter in below if letter not in out)]


def _untransposed(x: Node, letters: str) -> tuple[Node, str]:
    if x.op is not shape.TRANSPOSE:
        return x, letters
    order = x.attr("axes")
    return x.operands[0], "".join(letters[order.index(i)] for i in range(len(order)))


def _laid(
    x: Node, letters: str, sizes: dict[str, Dim], batch: str, rows: str, columns: str
) -> _Matrices | None:
    """The matrices that an operand is, as they lie in memory."""
    for tensor, names in (_untransposed(x, letters), (x, letters)):
        lies = "".join(letter for letter in names if letter in sizes)
        places = _places(lies, batch, rows, columns)
        if places is not None:
            while tensor.op in (shape.RESHAPE, AGAIN):
                tensor = tensor.operands[0]
            in_order = "".join(letter for letter in lies if letter not in batch) == rows + columns
            return _Matrices(tensor, not in_order, places)
    return None
