"""Many small matrices of vectors: transforms of all of them, and products over their channels.

A *transform* is P d Pᵀ of small matrices `d` whose elements are vectors of channels, wherever they
lie. Transformed matrices lie element by element, each a matrix of places by channels, so that what
is multiplied element by element, and added up over channels, are products of ordinary matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from llvmlite import ir

from .kinds import Number
from .loops import called, counted, moved, multiplied, repeated, whole
from .processor import processor_of
from .values import declared
from .vectors import INT32, everywhere, load_vector, store_vector, times_plus, vector_type, zeros

Matrix = tuple[tuple[float, ...], ...]
# Rows of a tile of a product, and how many steps of a sum are written down.
HEIGHT, UNROLLED = 8, 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in memory, in numbers.

    Attributes:
        row, column: from one row of a small matrix to the next, and from column to column.
        down, right: from matrix to matrix.
    """

    row: int
    column: int
    down: int
    right: int = 0


@dataclass(frozen=True, slots=True)
class Transform:
    """A matrix times each of many small ones times its transpose.

    Attributes:
        matrix: the matrix.
        add: whether the transforms are added to what is there.
        ahead: whether the small matrices lie far away: those below come to the cache meanwhile.
        special: whether it is worth a function of its own for its sizes.
    """

    matrix: Matrix
    add: bool = False
    ahead: bool = False
    special: bool = True

    def call(
        self,
        builder: Any,
        dtype: Number,
        source: tuple[Any, Layout],
        target: tuple[Any, Layout],
        counts: tuple[int, int, int],
    ) -> None:
        """Compute them.

        Args:
            builder: where the code goes.
            dtype: of the numbers.
            source: the address of the small matrices, and how they lie.
            target: the same of their transforms.
            counts: how many matrices there are one below the other and beside each other, and how
                many channels.
        """
        (read, before), (to, after) = source, target
        steps = [before.row, before.column, before.down, before.right]
        steps += [after.row, after.column, after.down, after.right]
        given = [read, to, *map(whole, steps), *map(whole, counts)]
        rows = "_".join(",".join(map(str, row)) for row in self.matrix)
        name = f"transform.{dtype}.{rows}{'.added' if self.add else ''}"
        called(builder, name, given, partial(self._write, dtype), special=self.special)

    def _write(self, dtype: Number, builder: Any, given: Sequence[Any]) -> None:
        """The body of the function: loops over small matrices."""
        source, target, *numbers = given
        steps, (down, right, channels) = numbers[:8], numbers[8:]
        size, matrix = dtype.size, self.matrix
        lanes = processor_of(builder.module).vector_bytes // size
        kind = vector_type(dtype, lanes)

        def places(base: Any, row: Any, column: Any, many: int) -> list[list[Any]]:
            rows = [
                moved(builder, base, multiplied(builder, whole(i), row), size) for i in range(many)
            ]
            return [
                [
                    moved(builder, x, multiplied(builder, whole(j), column), size)
                    for j in range(many)
                ]
                for x in rows
            ]

        with (
            counted(builder, down) as i,
            counted(builder, right) as j,
            counted(builder, channels, step=lanes) as k,
        ):
            bases = []
            for base, below, beside in ((source, *steps[2:4]), (target, *steps[6:8])):
                offset = builder.add(multiplied(builder, i, below), multiplied(builder, j, beside))
                bases.append(moved(builder, base, builder.add(offset, k), size))
            before = places(bases[0], steps[0], steps[1], len(matrix[0]))
            found = [[load_vector(builder, x, kind, size) for x in row] for row in before]
            if self.ahead:
                # What the next matrices have beyond these comes from memory meanwhile.
                distance = multiplied(builder, down, steps[2])
                for row in before[-2:]:
                    for x in row[:2]:
                        _fetch(builder, moved(builder, x, distance, size))
            for _ in range(2):  # from the left, then the transpose of that: from the right
                found = [
                    [_combined(builder, row, column) for row in matrix]
                    for column in zip(*found, strict=True)
                ]
            for row, values in zip(
                places(bases[1], steps[4], steps[5], len(matrix)), found, strict=True
            ):
                for x, value in zip(row, values, strict=True):
                    if self.add:
                        value = builder.fadd(load_vector(builder, x, kind, size), value)
                    store_vector(builder, value, x, size)


def transposed(matrix: Matrix) -> Matrix:
    """Rows as columns."""
    return tuple(zip(*matrix, strict=True))


def _fetch(builder: Any, where: Any) -> None:
    """Have memory at an address come to the second cache."""
    kinds = [ir.Constant(INT32, number) for number in (0, 2, 1)]
    given = [where, *kinds]
    builder.call(declared(builder, "llvm.prefetch.p0", ir.VoidType(), given), given)


def _combined(builder: Any, factors: Sequence[float], values: Sequence[Any]) -> Any:
    """A sum of vectors with factors, those above 0 first."""
    found = None
    for factor, value in sorted(zip(factors, values, strict=True), key=lambda x: x[0] <= 0):
        if not factor:
            continue
        if abs(factor) != 1:
            number = ir.Constant(value.type, [abs(factor)] * value.type.count)
            value = builder.fmul(number, value)
        if found is None:
            found = value if factor > 0 else builder.fneg(value)
        else:
            found = (builder.fadd if factor > 0 else builder.fsub)(found, value)
    return found


@dataclass(frozen=True, slots=True)
class Product:
    """Products of matrices, by tiles whose sums stay in registers.

    Attributes:
        dtype: of the numbers.
        terms: how many products there are; matrices of the next lie behind those of one.
        rows, sums, columns: of the result, and how many products are added.
        steps: of the left matrix, from row to row and in a sum.
        add: whether it is added to what is there.
    """

    dtype: Number
    terms: int
    rows: int
    sums: int
    columns: int
    steps: tuple[int, int]
    add: bool

    def call(self, builder: Any, left: Any, right: Any, out: Any) -> None:
        """Compute it, from addresses."""
        text = "x".join(map(str, (self.rows, self.sums, self.columns, *self.steps)))
        name = f"small_products.{self.dtype}.{text}{'.added' if self.add else ''}"
        called(builder, name, [left, right, out], self._write)

    def _write(self, builder: Any, given: Sequence[Any]) -> None:
        """The body of the function: loops over terms and tiles."""
        size, processor = self.dtype.size, processor_of(builder.module)
        lanes = processor.vector_bytes // size
        width = 2 if self.columns % (2 * lanes) == 0 else 1
        height = divisor(self.rows, HEIGHT if processor.registers >= 32 else HEIGHT // width)
        each = self.rows * self.sums, self.sums * self.columns, self.rows * self.columns
        with counted(builder, whole(self.terms)) as term:
            bases = [
                moved(builder, base, multiplied(builder, term, whole(n)), size)
                for base, n in zip(given, each, strict=True)
            ]
            with (
                counted(builder, whole(self.columns), step=width * lanes) as j,
                counted(builder, whole(self.rows), step=height) as i,
            ):
                offsets = [
                    multiplied(builder, i, whole(self.steps[0])),
                    j,
                    builder.add(multiplied(builder, i, whole(self.columns)), j),
                ]
                places = [moved(builder, x, n, size) for x, n in zip(bases, offsets, strict=True)]
                self._tile(builder, places, height, [lanes] * width)

    def _tile(self, builder: Any, places: list[Any], height: int, widths: list[int]) -> None:
        """Sums in registers: in each step a row of the right matrix meets a number of each row."""
        a, b, c = places
        size, kind = self.dtype.size, vector_type(self.dtype, widths[0])
        row, step = self.steps
        many = divisor(self.sums, UNROLLED)

        def vectors(base: Any, first: int) -> list[Any]:
            return [
                moved(builder, base, whole(first + k * widths[0]), size) for k in range(len(widths))
            ]

        def turn(_: Any, now: list[Any]) -> list[Any]:
            a, b, *found = now
            for k in range(many):
                right = [load_vector(builder, x, kind, size) for x in vectors(b, k * self.columns)]
                before, found = iter(found), []
                for i in range(height):
                    where = moved(builder, a, whole(i * row + k * step), size)
                    number = builder.load(where, typ=self.dtype.llvm, align=size)
                    same = everywhere(builder, number, widths[0])
                    found += [times_plus(builder, same, x, next(before), size) for x in right]
            a = moved(builder, a, whole(many * step), size)
            return [a, moved(builder, b, whole(many * self.columns), size), *found]

        rows = [x for i in range(height) for x in vectors(c, i * self.columns)]
        start = [load_vector(builder, x, kind, size) if self.add else zeros(kind) for x in rows]
        _, _, *found = repeated(builder, whole(self.sums), many, [a, b, *start], turn)
        for x, value in zip(rows, found, strict=True):
            store_vector(builder, value, x, size)


def divisor(number: int, most: int) -> int:
    """The largest divisor that is not above a number."""
    return next(n for n in range(most, 0, -1) if number % n == 0)
