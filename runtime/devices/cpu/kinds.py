"""The types that values of native code have: numbers, arrays of them, and tuples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from llvmlite import ir

INT64_TYPE = ir.IntType(64)
POINTER = ir.PointerType()


@dataclass(frozen=True, slots=True)
class Number:
    """A number's type.

    Attributes:
        name: its dtype.
        family: how it is computed with.
        llvm: LLVM's type of it.
        stored: LLVM's type of it in memory.
        size: bytes in memory.
    """

    name: str
    family: Literal["bool", "signed", "unsigned", "float"]
    llvm: Any
    stored: Any
    size: int

    @property
    def is_float(self) -> bool:
        """Whether it is float32 or float64."""
        return self.family == "float"

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer; a truth value is none."""
        return self.family in ("signed", "unsigned")

    def __str__(self) -> str:
        return self.name


BOOL = Number("bool", "bool", ir.IntType(1), ir.IntType(8), 1)
INT32 = Number("int32", "signed", ir.IntType(32), ir.IntType(32), 4)
INT64 = Number("int64", "signed", INT64_TYPE, INT64_TYPE, 8)
UINT64 = Number("uint64", "unsigned", INT64_TYPE, INT64_TYPE, 8)
FLOAT32 = Number("float32", "float", ir.FloatType(), ir.FloatType(), 4)
FLOAT64 = Number("float64", "float", ir.DoubleType(), ir.DoubleType(), 8)
NUMBERS = {kind.name: kind for kind in (BOOL, INT32, INT64, UINT64, FLOAT32, FLOAT64)}


@dataclass(frozen=True, slots=True)
class ArrayKind:
    """A C-contiguous array's type: its dtype and its sizes, None where one is not known."""

    dtype: Number
    sizes: tuple[int | None, ...]

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.sizes)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if n is None else str(n) for n in self.sizes)}]"


@dataclass(frozen=True, slots=True)
class ColumnsKind:
    """The type of some columns of a matrix: its dtype, its rows and columns, None if not known."""

    dtype: Number
    sizes: tuple[int | None, int | None]

    def __str__(self) -> str:
        return f"columns of {ArrayKind(self.dtype, self.sizes)}"


@dataclass(frozen=True, slots=True)
class TupleKind:
    """A tuple's type; that of no items is also the type of what gives no result."""

    items: tuple[Kind, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


@dataclass(frozen=True, slots=True)
class TextKind:
    """A text's type, which is the text: what a function of the library is told is known."""

    text: str

    def __str__(self) -> str:
        return repr(self.text)


Kind: TypeAlias = Number | ArrayKind | ColumnsKind | TupleKind | TextKind
NOTHING = TupleKind(())


def parts(kind: Kind) -> list[Any]:
    """LLVM's types of the words that a value of this type is made of."""
    match kind:
        case Number():
            return [kind.llvm]
        case ArrayKind():
            return [POINTER, *(INT64_TYPE for size in kind.sizes if size is None)]
        case ColumnsKind():
            return [*parts(ArrayKind(kind.dtype, kind.sizes)), INT64_TYPE]
        case TupleKind():
            return [part for item in kind.items for part in parts(item)]
        case TextKind():
            return []


def promoted(first: Kind, second: Kind) -> Kind | None:
    """The type in which two values are joined, as Numba and NumPy have it, if there is one."""
    if first == second:
        return first
    if not (isinstance(first, Number) and isinstance(second, Number)):
        return None
    if first.is_float or second.is_float:
        return FLOAT64
    return None if UINT64 in (first, second) else INT64
