"""What targets of Python text share: safe names, contractions as matrix products, sizes."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..ir import Node
from ..ops.linear import CONTRACT
from ..types import Dim, FloorDiv


class Identifiers:
    """Names for a module: each an identifier, none a keyword, reserved, or used before."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = {*keyword.kwlist, *keyword.softkwlist, *reserved}
        self._last: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """The wanted name, or the nearest that is free.

        Python reads identifiers in normal form NFKC, so they are compared in that form.
        """
        name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", wanted)).strip("_") or "value"
        if not name.isidentifier():
            name = f"value_{name}"
        if not name.isidentifier() or not name.isprintable():
            name = "value"
        free, number = name, self._last.get(name, 1)
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        self._last[name] = number
        return free


def comment(text: str) -> str:
    """Text that may stand behind a `#`: it has no line ends and nothing that does not print."""
    return "".join(c if c.isprintable() else " " for c in text).rstrip()


def docstring(text: str) -> str:
    """Text that may stand between triple quotes."""
    lines = [comment(line) for line in text.split("\n")]
    return "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")


@dataclass(frozen=True, slots=True)
class MatrixProduct:
    """A contraction as `first @ second`, where each may be transposed in its last two axes.

    Attributes:
        first: which operand comes first.
        transposed: whether the first, the second and the result are transposed.
    """

    first: int
    transposed: tuple[bool, bool, bool]

    @property
    def second(self) -> int:
        """Which operand comes second."""
        return 1 - self.first


def matrix_product(node: Node) -> MatrixProduct | None:
    """The contraction as a matrix product with as few transpositions as possible, if it is one."""
    assert node.op is CONTRACT
    sides, out = (node.attr("left"), node.attr("right")), node.attr("out")
    if any(len(set(letters)) != len(letters) for letters in (*sides, out)):
        return None
    plans = [
        MatrixProduct(first, (left, right, whole))
        for whole in (False, True)
        for left, right in ((False, False), (True, False), (False, True), (True, True))
        for first in (0, 1)
    ]
    plans.sort(key=lambda plan: sum(plan.transposed))
    for plan in plans:
        a, b, result = (
            _swapped(letters) if swap else letters
            for letters, swap in zip(
                (sides[plan.first], sides[plan.second], out), plan.transposed, strict=True
            )
        )
        if None not in (a, b, result) and _matmul(str(a), str(b)) == result:
            return plan
    return None


def _swapped(letters: str) -> str | None:
    return letters[:-2] + letters[:-3:-1] if len(letters) >= 2 else None


def _matmul(a: str, b: str) -> str | None:
    """The letters of `a @ b`, if that sums over the letter that they share and no other."""
    if not a or not b:
        return None
    summed = a[-1]
    if b[0 if len(b) == 1 else -2] != summed:
        return None
    rows, columns = a[:-1], b[:-2] + b[-1] if len(b) > 1 else ""
    if summed in rows + columns:
        return None
    if len(b) == 1:
        return rows
    if len(a) == 1:
        return columns
    lead = a[:-2] or b[:-2]
    if b[:-2] not in ("", lead) or a[:-2] not in ("", lead):
        return None
    return lead + a[-2] + b[-1] if a[-2] != b[-1] and b[-1] not in lead else None


def size_text(dim: Dim, symbols: Mapping[str, str]) -> tuple[str, bool]:
    """A size as Python, and whether it is an atom; `symbols` has the text of each symbol."""
    if isinstance(dim, int):
        return str(dim), dim >= 0
    parts = []
    for atoms, factor in dim.terms:
        names = [
            f"({size_text(atom.size, symbols)[0]}) // {atom.by}"
            if isinstance(atom, FloorDiv)
            else symbols[atom]
            for atom in atoms
        ]
        alone = len(atoms) == 1 and factor == 1
        names = [f"({name})" if "//" in name and not alone else name for name in names]
        if factor != 1 or not names:
            names.insert(0, str(factor))
        parts.append(" * ".join(names))
    text = " + ".join(parts).replace("+ -", "- ")
    return text, " " not in text
