"""Products of tensors that sum over shared axes. All of them are contractions in the graph."""

from __future__ import annotations

import string
from collections.abc import Sequence

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops import linear as ops
from chainrule.compiler.ops.convert import iota
from chainrule.compiler.ops.index import TAKE_ALONG
from chainrule.compiler.ops.reduce import sum as summed
from chainrule.compiler.ops.shape import reshape, transpose
from chainrule.compiler.types import Dim

from ..tensor import Like, Tensor, as_tensor, promote, public
from .reductions import normal_axis


@public
def matmul(a: Like, b: Like, /) -> Tensor:
    """The matrix product, (a b)_ij = sum over k of a_ik b_kj.

    Axes before the last two broadcast. An operand of one axis is a row at the left, a column at the
    right; its axis is gone from the result.

    Args:
        a: a tensor of at least one axis, any dtype but bool.
        b: a tensor of at least one axis, any dtype but bool.

    Returns:
        A tensor of shape `(..., m, n)`.

    Raises:
        ShapeError: an operand has no axes, or the inner sizes differ.
        DTypeError: an operand is bool.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> np.asarray(cr.matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 1.0])))
        array([3., 7.])
    """
    (x, y), weak = promote(a, b)
    return Tensor(ops.matmul(x, y), weak)


@public
def matrix_transpose(x: Like, /) -> Tensor:
    """The last two axes swapped, (x^T)_ij = x_ji.

    Args:
        x: a tensor of at least two axes, any dtype.

    Returns:
        A tensor of shape `(..., n, m)` for one of shape `(..., m, n)`.

    Raises:
        ShapeError: x has fewer than two axes.

    Example:
        >>> import chainrule as cr
        >>> cr.matrix_transpose(cr.tensor("w", (3, 4)))
        <tensor transpose: f32[4, 3]>
    """
    given = as_tensor(x)
    if given.ndim < 2:
        raise ShapeError(
            f"matrix_transpose of {given.node.type}",
            f"expected at least 2 axes, it has {given.ndim}",
            "insert axes with expand_dims",
        )
    order = (*range(given.ndim - 2), given.ndim - 1, given.ndim - 2)
    return Tensor(transpose(given.node, axes=order), given.weak)


@public
def vecdot(a: Like, b: Like, /, *, axis: int = -1) -> Tensor:
    """The dot product along an axis, sum over k of a_k b_k; the other axes broadcast.

    Args:
        a: a tensor, any dtype but bool.
        b: a tensor, any dtype but bool.
        axis: which axis of both, counted from the end.

    Returns:
        A tensor of the other axes.

    Raises:
        ShapeError: the sizes along the axis differ, or there is no such axis.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.vecdot(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
        11.0
    """
    (x, y), weak = promote(a, b)
    if isinstance(axis, int) and axis >= 0:
        raise ShapeError(
            f"vecdot: axis {axis}", "expected a negative number", "the last axis is -1"
        )
    moved = []
    for node in (x, y):
        place = normal_axis("vecdot", node, axis)
        rest = tuple(i for i in range(node.type.ndim) if i != place)
        moved.append(transpose(node, axes=(*rest, place)))
    x, y = moved
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(
            "vecdot: sizes differ",
            f"{x.type} and {y.type} along axis {axis}: {x.shape[-1]} and {y.shape[-1]}",
            "the axis that is summed over does not broadcast",
        )
    return Tensor(_einsum([x, y], ["...a", "...a"], "..."), weak)


@public
def tensordot(
    a: Like, b: Like, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """The sum of products over several axes of two tensors.

    Args:
        a: a tensor, any dtype but bool.
        b: a tensor, any dtype but bool.
        axes: how many of the last axes of a meet the first of b; or the axes of a, and the axes of
            b that they meet, one by one.

    Returns:
        A tensor of the other axes of a, then those of b.

    Raises:
        ShapeError: the axes do not fit.

    Example:
        >>> import chainrule as cr
        >>> a, b = cr.tensor("a", (2, 3, 4)), cr.tensor("b", (4, 3, 5))
        >>> cr.tensordot(a, b, axes=((1, 2), (1, 0)))
        <tensor contract: f32[2, 5]>
    """
    (x, y), weak = promote(a, b)
    if isinstance(axes, int):
        if not 0 <= axes <= min(x.type.ndim, y.type.ndim):
            raise ShapeError(
                f"tensordot over {axes} axes",
                f"{x.type} and {y.type}",
                "axes=1 is a matrix product",
            )
        ours: Sequence[int] = range(x.type.ndim - axes, x.type.ndim)
        theirs: Sequence[int] = range(axes)
    else:
        pair = isinstance(axes, list | tuple) and [isinstance(x, list | tuple) for x in axes]
        if pair != [True, True]:
            raise UsageError(
                f"tensordot: axes={axes!r:.60}",
                "expected a number of axes, or those of a and those of b",
                "axes=1 is a matrix product, and so is axes=((1,), (0,))",
            )
        ours = [normal_axis("tensordot", x, axis) for axis in axes[0]]
        theirs = [normal_axis("tensordot", y, axis) for axis in axes[1]]
    if len(ours) != len(theirs) or len(set(ours)) != len(ours) or len(set(theirs)) != len(theirs):
        raise ShapeError(
            "tensordot: axes do not pair up", f"axes={axes}", "as many of each, each one once"
        )
    for i, j in zip(ours, theirs, strict=True):
        if x.shape[i] != y.shape[j]:
            raise ShapeError(
                "tensordot: sizes differ",
                f"{x.shape[i]} on axis {i} of {x.type}, {y.shape[j]} on axis {j} of {y.type}",
                "axes that are summed over must be equally long",
            )
    left = string.ascii_letters[: x.type.ndim]
    fresh = iter(string.ascii_letters[x.type.ndim :])
    pairs = dict(zip(theirs, ours, strict=True))
    right = "".join(left[pairs[j]] if j in pairs else next(fresh) for j in range(y.type.ndim))
    out = [left[i] for i in range(x.type.ndim) if i not in set(ours)]
    out += [right[j] for j in range(y.type.ndim) if j not in pairs]
    return Tensor(_contracted(x, left, y, right, "".join(out)), weak)


@public
def einsum(subscripts: str, /, *operands: Like) -> Tensor:
    """Sums of products in Einstein's notation: an axis a letter, summed where the result lacks it.

    `"ij,jk->ik"` is the matrix product. Without `->` the result has the letters that occur once, in
    alphabetical order. `...` stands for axes that broadcast; a letter that is repeated in one
    operand takes its diagonal. Several operands are multiplied from left to right.

    Args:
        subscripts: letters for the axes of each operand, between commas, and for the result.
        *operands: tensors, any dtype but bool.

    Returns:
        A tensor whose axes are the letters of the result.

    Raises:
        UsageError: the notation is wrong.
        ShapeError: the sizes of a letter differ, or the letters do not fit an operand.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> float(cr.einsum("ii", np.array([[1.0, 2.0], [3.0, 4.0]])))
        5.0
    """
    inputs, output = _parsed(subscripts, len(operands))
    nodes, weak = promote(*operands)
    return Tensor(_einsum(list(nodes), inputs, output), weak)


def _parsed(subscripts: str, count: int) -> tuple[list[str], str]:
    """The letters of each operand and of the result."""
    if not isinstance(subscripts, str):
        raise UsageError(
            "einsum: the subscripts come first",
            f"came {type(subscripts).__name__}",
            'the matrix product is einsum("ij,jk->ik", a, b)',
        )
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    for part in (*inputs, output):
        letters = part.replace("...", "", 1)
        if letters and not (letters.isascii() and letters.isalpha()):
            raise UsageError(
                f"einsum: {part!r} in {subscripts!r}",
                "expected letters a to z, A to Z, and once '...'",
                'the matrix product is "ij,jk->ik"',
            )
    if len(inputs) != count:
        raise UsageError(
            f"einsum: {len(inputs)} operands in {subscripts!r}, {count} given",
            "expected as many as there are parts between commas",
            'the matrix product is einsum("ij,jk->ik", a, b)',
        )
    every = "".join(inputs).replace("...", "")
    if not arrow:
        once = sorted(letter for letter in set(every) if every.count(letter) == 1)
        return inputs, ("..." if "..." in left else "") + "".join(once)
    letters = output.replace("...", "")
    wrong = [x for x in letters if x not in every or letters.count(x) > 1]
    if wrong or ("..." in output and "..." not in left):
        raise UsageError(
            f"einsum: the result {output!r} of {subscripts!r}",
            "expected letters of the operands, each once",
            "a letter that is left out is summed over",
        )
    return inputs, output


def _einsum(nodes: list[Node], inputs: list[str], output: str) -> Node:
    """The contraction of nodes whose axes have letters; `...` is spelled out first."""
    inputs, output, spread = _spelled_out(nodes, inputs, output)
    sizes = _sizes(nodes, inputs, spread)
    terms = [_simple(node, letters, sizes) for node, letters in zip(nodes, inputs, strict=True)]
    result, letters = terms[0]
    for i, (node, its) in enumerate(terms[1:], start=1):
        later = output + "".join(x for _, x in terms[i + 1 :])
        result, letters = _without_alone(result, letters, its + later)
        node, its = _without_alone(node, its, letters + later)
        wanted = "".join(x for x in dict.fromkeys(letters + its) if x in later)
        if i == len(terms) - 1:
            wanted = "".join(x for x in output if x in wanted)
        result, letters = _contracted(result, letters, node, its, wanted), wanted
    result, letters = _without_alone(result, letters, output)
    order = [letters.index(x) for x in output if x in letters]
    moved = transpose(result, axes=tuple(order))
    # A letter whose every axis had size 1 was dropped on the way.
    return reshape(moved, shape=tuple(sizes[x] for x in output))


def _spelled_out(
    nodes: list[Node], inputs: list[str], output: str
) -> tuple[list[str], str, list[str]]:
    """Letters that are not used yet in place of `...`, aligned at the right; and these letters."""
    taken = set("".join((*inputs, output)))
    free = [x for x in string.ascii_uppercase + string.ascii_lowercase if x not in taken]
    widths = []
    for node, letters in zip(nodes, inputs, strict=True):
        width = node.type.ndim - len(letters.replace("...", ""))
        if width < 0 or (width > 0 and "..." not in letters):
            raise ShapeError(
                f"einsum: {letters!r} for {node.type}",
                f"expected a letter for each of {node.type.ndim} axes",
                "'...' stands for any number of axes",
            )
        widths.append(width)
    most = max(widths)
    if most > len(free):
        raise UsageError(
            "einsum: too many axes",
            f"'...' stands for {most}, and {len(free)} letters are left",
            "reshape first, so that there are fewer",
        )
    rest = free[:most]
    new = [
        letters.replace("...", "".join(rest[most - width :]))
        for letters, width in zip(inputs, widths, strict=True)
    ]
    return new, output.replace("...", "".join(rest)), rest


def _sizes(nodes: list[Node], inputs: list[str], spread: list[str]) -> dict[str, Dim]:
    """The size of each letter; axes of size 1 broadcast."""
    sizes: dict[str, Dim] = {}
    seen: dict[str, str] = {}
    for node, letters in zip(nodes, inputs, strict=True):
        for axis, (letter, size) in enumerate(zip(letters, node.shape, strict=True)):
            known, place = sizes.get(letter, 1), f"{size} on axis {axis} of {node.type}"
            if known != 1 and size not in (1, known):
                raise ShapeError(
                    f"einsum: two sizes for {'...' if letter in spread else letter!r}",
                    f"{seen[letter]}, {place}",
                    "a letter has one size; size 1 broadcasts",
                )
            if known == 1:
                sizes[letter], seen[letter] = size, place
    return sizes


def _simple(x: Node, letters: str, sizes: dict[str, Dim]) -> tuple[Node, str]:
    """An operand without axes that broadcast, and with every letter once."""
    kept = [i for i, size in enumerate(x.shape) if size == sizes[letters[i]] != 1]
    x = reshape(x, shape=tuple(x.shape[i] for i in kept))
    letters = "".join(letters[i] for i in kept)
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            x, letters = _diagonal(x, letters, letter)
    return x, letters


def _diagonal(x: Node, letters: str, letter: str) -> tuple[Node, str]:
    """x_ii for the first two axes of a letter: the places along both are equal."""
    first = letters.index(letter)
    second = letters.index(letter, first + 1)
    rest = [i for i in range(len(letters)) if i not in (first, second)]
    moved = transpose(x, axes=(*rest, first, second))
    n = x.shape[first]
    places = reshape(iota(n), shape=(1,) * len(rest) + (n, 1))
    taken = make(TAKE_ALONG, (moved, places), axis=len(letters) - 1)
    kept = "".join(letters[i] for i in rest) + letter
    return reshape(taken, shape=taken.shape[:-1]), kept


def _without_alone(x: Node, letters: str, others: str) -> tuple[Node, str]:
    """Summed over the letters that nobody else has."""
    alone = tuple(i for i, letter in enumerate(letters) if letter not in others)
    return summed(x, axes=alone), "".join(x for x in letters if x in others)


def _contracted(a: Node, left: str, b: Node, right: str, out: str) -> Node:
    if a.dtype == "bool":
        raise DTypeError(
            "a product of truth values", f"{a.type} and {b.type}", "convert with astype"
        )
    return ops.contract(a, b, left, right, out)
