"""Types of tensors: a dtype and a shape whose sizes are integers or named symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

FLOATS = ("float32", "float64")
INTS = ("int32", "int64")
DTYPES = ("bool", *INTS, *FLOATS)
SHORT = {"bool": "bool", "int32": "i32", "int64": "i64", "float32": "f32", "float64": "f64"}
BYTES = {"bool": 1, "int32": 4, "int64": 8, "float32": 4, "float64": 8}  # of an element
LONG = {short: name for name, short in SHORT.items()}


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in the user's own program: file, line, and the layer that was being built there."""

    file: str
    line: int
    layer: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class FloorDiv:
    """A size divided by an integer and rounded down: what a strided slice of a symbol leaves."""

    size: Size
    by: int

    def __str__(self) -> str:
        return f"(({self.size}) // {self.by})"


Atom: TypeAlias = "str | FloorDiv"
Monomial: TypeAlias = "tuple[Atom, ...]"


@dataclass(frozen=True, slots=True)
class Size:
    """A size that is not known yet: a polynomial in named symbols, kept in one canonical form.

    `terms` maps sorted products of symbols to integer coefficients, so equal sizes compare equal:
    `2*batch + 1` is `((("batch",), 2), ((), 1))`.
    """

    terms: tuple[tuple[Monomial, int], ...]

    def __str__(self) -> str:
        parts = []
        for atoms, factor in self.terms:
            names = [str(atom) for atom in atoms]
            if factor != 1 or not names:
                names.insert(0, str(factor))
            parts.append("*".join(names))
        return " + ".join(parts).replace("+ -", "- ")

    def __repr__(self) -> str:
        """As it prints, so that a shape prints as `(batch, 3)`."""
        return str(self)

    def __lt__(self, other: Size) -> bool:
        return str(self) < str(other)

    def symbols(self) -> frozenset[str]:
        """Names of the symbols that the size depends on."""
        found: set[str] = set()
        for atoms, _ in self.terms:
            for atom in atoms:
                found |= atom.size.symbols() if isinstance(atom, FloorDiv) else {atom}
        return frozenset(found)


Dim: TypeAlias = int | Size
Shape: TypeAlias = tuple[Dim, ...]


def symbol(name: str) -> Size:
    """The size called `name`."""
    return Size((((name,), 1),))


def _terms(dim: Dim) -> dict[Monomial, int]:
    return {(): dim} if isinstance(dim, int) else dict(dim.terms)


def _dim(terms: Mapping[Monomial, int]) -> Dim:
    kept = {atoms: factor for atoms, factor in terms.items() if factor}
    if not kept.keys() - {()}:
        return kept.get((), 0)
    if len(kept) == 1:
        return Size(tuple(kept.items()))
    # Longest products first, the constant last: `2*batch + 1`.
    return Size(tuple(sorted(kept.items(), key=lambda term: (-len(term[0]), str(term[0])))))


def add(a: Dim, b: Dim) -> Dim:
    """The size `a + b`."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    total = _terms(a)
    for atoms, factor in _terms(b).items():
        total[atoms] = total.get(atoms, 0) + factor
    return _dim(total)


def mul(a: Dim, b: Dim) -> Dim:
    """The size `a * b`."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    total: dict[Monomial, int] = {}
    for left, p in _terms(a).items():
        for right, q in _terms(b).items():
            atoms = tuple(sorted(left + right, key=str))
            total[atoms] = total.get(atoms, 0) + p * q
    return _dim(total)


def sub(a: Dim, b: Dim) -> Dim:
    """The size `a - b`."""
    return add(a, mul(b, -1))


def floordiv(a: Dim, by: int) -> Dim:
    """The size `a // by`, exact where every coefficient divides."""
    if isinstance(a, int):
        return a // by
    if by == 1:
        return a
    if all(factor % by == 0 for _, factor in a.terms):
        return _dim({atoms: factor // by for atoms, factor in a.terms})
    return _dim({(FloorDiv(a, by),): 1})


def divide(a: Dim, b: Dim) -> Dim | None:
    """The size `a / b` where it is exact whatever the symbols are, else None."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b and a % b == 0 else None
    if isinstance(b, int):
        if b == 0 or any(factor % b for factor in _terms(a).values()):
            return None
        return _dim({atoms: factor // b for atoms, factor in _terms(a).items()})
    if len(b.terms) != 1:
        return 1 if a == b else None
    if a == 0:
        return 0
    (below, divisor), quotient = b.terms[0], {}
    for atoms, factor in _terms(a).items():
        rest = list(atoms)
        for atom in below:
            if atom not in rest:
                return None
            rest.remove(atom)
        if factor % divisor:
            return None
        quotient[tuple(rest)] = factor // divisor
    return _dim(quotient)


@lru_cache(1024)
def product(dims: Shape) -> Dim:
    """The number of elements of a shape."""
    total: Dim = 1
    for dim in dims:
        total = mul(total, dim)
    return total


def value(dim: Dim, sizes: Mapping[str, int]) -> int:
    """The number that a size is, once its symbols are known."""
    if isinstance(dim, int):
        return dim
    total = 0
    for atoms, factor in dim.terms:
        for atom in atoms:
            if isinstance(atom, FloorDiv):
                factor *= value(atom.size, sizes) // atom.by
            else:
                factor *= sizes[atom]
        total += factor
    return total


def symbols(shape: Shape) -> frozenset[str]:
    """Names of all symbols in a shape."""
    return frozenset().union(*(dim.symbols() for dim in shape if isinstance(dim, Size)))


@dataclass(frozen=True, slots=True)
class TensorType:
    """A dtype and a shape; prints as `f32[batch, 10]`."""

    dtype: str
    shape: Shape = ()

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """Number of elements."""
        return product(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.dtype in FLOATS

    def __str__(self) -> str:
        return f"{SHORT[self.dtype]}[{', '.join(map(str, self.shape))}]"
