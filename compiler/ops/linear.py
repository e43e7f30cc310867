"""Contraction: products of two tensors, summed over the axes that they share. One op for them all.

`contract(a, b, left, right, out)` is `einsum("left,right->out", a, b)`: every letter stands for an
axis; a letter in `left` and `right` but not in `out` is summed over.
"""

from __future__ import annotations

import string
from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, make, register
from ..types import Dim, TensorType
from .broadcasting import broadcast_dims
from .shape import broadcast_to, reshape


class Contract(Op):
    """A product summed over shared axes. attrs: left, right, out (letters)."""

    name = "contract"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """Sizes of equal letters agree; every letter of the result is in one of them."""
        a, b = operands
        left, right, out = attrs["left"], attrs["right"], attrs["out"]
        if a.dtype != b.dtype or a.dtype == "bool":
            raise DTypeError(
                f"matmul: operands of dtype {a.dtype} and {b.dtype}",
                "expected two of one numeric dtype",
                "convert one with astype",
            )
        sizes: dict[str, Dim] = {}
        for x, letters in ((a, left), (b, right)):
            for letter, size in zip(letters, x.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    raise ShapeError(
                        "matmul: inner dimensions differ",
                        f"{a.type} @ {b.type}: {sizes[letter]} and {size}",
                        "the last axis of the left must be as long as the first of the right",
                    )
        return TensorType(a.dtype, tuple(sizes[letter] for letter in out))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The same contraction with the letters of one operand and of the result exchanged."""
        (a, b), left, right, out = (
            node.operands,
            node.attr("left"),
            node.attr("right"),
            node.attr("out"),
        )
        return (
            _share(out_grad, b, out, right, a, left),
            _share(a, out_grad, left, out, b, right),
        )

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Leading axes get letters; one of size 1 is left out where the other side has it whole."""
        letters = [letter for letter in string.ascii_letters if letter not in used(node)][:lead]
        shape = broadcast_dims("matmul", tuple(x.shape[:lead] for x in operands))
        sides = []
        for x, own in zip(operands, (node.attr("left"), node.attr("right")), strict=True):
            kept = [i for i in range(lead) if x.shape[i] != 1]
            squeezed = reshape(x, shape=tuple(x.shape[i] for i in kept) + x.shape[lead:])
            sides.append((squeezed, "".join(letters[i] for i in kept) + own))
        (a, left), (b, right) = sides
        present = "".join(letter for letter in letters if letter in left + right)
        product = contract(a, b, left, right, present + node.attr("out"))
        return reshape(product, shape=shape + node.shape)


def _share(a: Node, b: Node, left: str, right: str, x: Node, letters: str) -> Node:
    """The gradient for `x`: a contraction, repeated along axes that were only summed over."""
    common = "".join(letter for letter in letters if letter in left + right)
    grad = contract(a, b, left, right, common)
    if common == letters:
        return grad
    ones = tuple(
        size if letter in common else 1 for letter, size in zip(letters, x.shape, strict=True)
    )
    return broadcast_to(reshape(grad, shape=ones), shape=x.shape)


CONTRACT = register(Contract())


def used(node: Node) -> str:
    """All letters of a contraction."""
    return "".join(sorted(set(node.attr("left") + node.attr("right"))))


def contract(a: Node, b: Node, left: str, right: str, out: str) -> Node:
    """`einsum(f"{left},{right}->{out}", a, b)`, letters renamed in order of appearance."""
    names: dict[str, str] = {}
    for letter in left + right:
        names.setdefault(letter, string.ascii_letters[len(names)])
    left, right, out = ("".join(names[x] for x in side) for side in (left, right, out))
    return make(CONTRACT, (a, b), left=left, right=right, out=out)


def matmul(a: Node, b: Node) -> Node:
    """`a @ b` as NumPy has it: one-axis operands, and leading axes that broadcast."""
    if not a.type.ndim or not b.type.ndim:
        raise ShapeError(
            "matmul: an operand has no axes", f"{a.type} @ {b.type}", "multiply with * instead"
        )
    left = "k" if a.type.ndim == 1 else "mk"
    right = "k" if b.type.ndim == 1 else "kn"
    if a.shape[-1] != b.shape[-len(right)]:
        raise ShapeError(
            "matmul: inner dimensions differ",
            f"{a.type} @ {b.type}",
            f"the left has {a.shape[-1]} columns, the right {b.shape[-len(right)]} rows",
        )
    lead_a, lead_b = a.shape[: a.type.ndim - len(left)], b.shape[: b.type.ndim - len(right)]
    lead = broadcast_dims("matmul", (lead_a, lead_b))
    out = ("m" if len(left) == 2 else "") + ("n" if len(right) == 2 else "")
    letters = string.ascii_uppercase[: len(lead)]
    sides = []
    for x, own, its in ((a, left, lead_a), (b, right, lead_b)):
        names = letters[len(lead) - len(its) :]
        # A repeated axis of size 1 is dropped: its letter is then the other operand's alone.
        kept = [i for i, size in enumerate(its) if size != 1 or lead[len(lead) - len(its) + i] == 1]
        squeezed = reshape(x, shape=tuple(its[i] for i in kept) + x.shape[len(its) :])
        sides.append((squeezed, "".join(names[i] for i in kept) + own))
    (a, left), (b, right) = sides
    return contract(a, b, left, right, letters + out)
