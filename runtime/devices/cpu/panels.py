"""Products of strided matrices, tile by tile: `c[i, j] = sum over k of a[i, k] b[k, j]`.

Around the tiles are loops: over blocks of rows, so that what is read of a stays in the second
cache; over blocks of the sum; over panels of columns. A panel of b is read where it lies; it is
copied where its columns do not lie together, and where its rows lie so far apart that caches
suffer.

A sum is taken in blocks of `LONGEST`, each in order, and the blocks' sums are added in order. So an
element depends on its own products alone: it is the same to the last bit whichever other rows and
columns are computed with it. Where there is one column, and the sum lies together in a and in b,
the lanes of a vector are sums of their own.

Sizes are arguments of the functions that are written here, so that products share them; only what
makes other loops makes another function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from llvmlite import ir

from .copies import copied, transposed_part
from .dots import dots
from .kinds import Number
from .loops import called, counted, known, least, moved, multiplied, whole
from .processor import processor_of
from .tiles import Panel, Shape, Tile
from .values import room

LONGEST = 256  # products of a block of the sum
BLOCK = 256  # rows that meet all panels before the next ones do
FAR = 4096  # bytes from row to row of b from which on panels of it are copied, if
MANY = 64  # rows meet them

NO, ONE = whole(0), whole(1)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a product.

    Attributes:
        size: its length.
        a: its stride in a, in elements; 0 if a does not have it.
        b: its stride in b.
        c: its stride in c.
    """

    size: Any
    a: Any = NO
    b: Any = NO
    c: Any = NO

    @property
    def turned(self) -> Axis:
        """The same axis after a and b have changed places."""
        return Axis(self.size, self.b, self.a, self.c)


@dataclass(frozen=True, slots=True)
class Form:
    """What a function for products is written for.

    Attributes:
        dtype: the type of all numbers.
        height: rows of a tile.
        panel: the vectors of panels, if there are any.
        last: those of the panels behind them, if there are any.
        source: how a panel of b is read: where it is, copied if rows are many, or transposed.
    """

    dtype: Number
    height: int
    panel: Panel
    last: Panel
    source: str

    @property
    def name(self) -> str:
        """What the function is called."""
        panels = ("_".join(map(str, panel)) for panel in (self.panel, self.last))
        return ".".join(("product", str(self.dtype), str(self.height), *panels, self.source))

    def does(self, other: Form) -> bool:
        """Whether a function for this form is one for another as well."""
        return (
            (self.dtype, self.height) == (other.dtype, other.height)
            and other.panel in ((), self.panel)
            and other.last in ((), self.last)
            and (self.source == other.source or (self.source, other.source) == ("copied", "here"))
        )


# The forms that a module has functions for.
_forms: WeakKeyDictionary[Any, list[Form]] = WeakKeyDictionary()


def product(
    builder: Any, dtype: Number, arrays: Sequence[Any], rows: Axis, columns: Axis, sums: Axis
) -> None:
    """Compute `c[i, j] = sum over k of a[i, k] b[k, j]`.

    Args:
        builder: where the code goes.
        dtype: the type of all numbers.
        arrays: the addresses of a, b and c.
        rows: the axis i, of a and of c.
        columns: the axis j, of b and of c; its elements lie together in c.
        sums: the axis k, of a and of b; its elements lie together in b if those of j do not.
    """
    a, b, c = arrays
    if _better_turned(rows, columns):
        a, b, rows, columns, sums = b, a, columns.turned, rows.turned, sums.turned
    if known(columns.size) == 1:
        if known(sums.a) == known(sums.b) == 1:
            dots(builder, dtype, (a, b, c), rows.size, (rows.a, rows.c), sums.size)
            return
        columns = dataclasses.replace(columns, b=ONE)  # there is no other to lie elsewhere
    form, forms = _form(builder, dtype, rows, columns, sums), _forms.setdefault(builder.module, [])
    form = next((found for found in forms if found.does(form)), form)
    if form not in forms:
        forms.append(form)

    def write(inside: Any, values: list[Any]) -> None:
        _Product(inside, form, values).write()

    given = [a, b, c, rows.size, rows.a, rows.c, columns.size, columns.b]
    called(builder, form.name, [*given, sums.size, sums.a, sums.b], write, special=False)


def _better_turned(rows: Axis, columns: Axis) -> bool:
    """Whether the transposed product has columns that lie together, where this one does not."""
    if known(rows.size) == 1:
        return known(columns.b) != 1 and known(columns.size) != 1
    return known(columns.size) == known(rows.a) == 1


def _form(builder: Any, dtype: Number, rows: Axis, columns: Axis, sums: Axis) -> Form:
    """What is special about a product."""
    shape = Shape.of(processor_of(builder.module), dtype)
    height, far = known(rows.size), known(sums.b)
    source = "here"
    if known(columns.b) != 1:
        source = "transposed"
    elif far is not None and far * dtype.size >= FAR and (height or MANY) >= MANY:
        source = "copied"
    return Form(dtype, shape.height(height), *shape.panels(known(columns.size)), source)


class _Product:
    """Writes a function for products of one form."""

    def __init__(self, builder: Any, form: Form, given: Sequence[Any]) -> None:
        self.builder, self.form, self.size = builder, form, form.dtype.size
        self.a, self.b, self.c, self.rows, self.a_row, self.c_row, *given = given
        self.columns, self.b_column, self.sums, self.a_step, self.b_step = given
        if form.source == "transposed":
            self.b_step = ONE
        else:
            self.b_column = ONE
        if form.source != "here":
            width = max(map(_width, (form.panel, form.last)))
            kind = ir.ArrayType(form.dtype.stored, LONGEST * width)
            self.memory = room(builder, kind, align=64)

    def write(self) -> None:
        """Loops, and tiles in them."""
        builder, a, b, c = self.builder, self.a, self.b, self.c
        # Once even for a sum of nothing: then zeros are written.
        some = builder.select(builder.icmp_signed(">", self.sums, NO), self.sums, ONE)
        with ExitStack() as loops:
            row = loops.enter_context(counted(builder, self.rows, step=BLOCK))
            start = loops.enter_context(counted(builder, some, step=LONGEST))
            a = self._moved(self._moved(a, row, self.a_row), start, self.a_step)
            b, c = self._moved(b, start, self.b_step), self._moved(c, row, self.c_row)
            rows = least(builder, whole(BLOCK), builder.sub(self.rows, row))
            size = least(builder, whole(LONGEST), builder.sub(self.sums, start))
            add, done = builder.icmp_signed(">", start, NO), NO
            for panel in (self.form.panel, self.form.last):
                if not panel:
                    continue
                *_, vector = panel
                width, stop = _width(panel), self.columns
                if vector.is_whole:
                    stop = builder.sub(stop, builder.urem(stop, whole(width)))
                with counted(builder, stop, done, width) as place:
                    left = builder.sub(self.columns, builder.add(place, whole(width)))
                    left = least(
                        builder, builder.add(left, whole(vector.lanes)), whole(vector.lanes)
                    )
                    self._panel(panel, (a, b, c), rows, size, place, left, add)
                done = stop

    def _panel(
        self, panel: Panel, at: Sequence[Any], rows: Any, size: Any, place: Any, left: Any, add: Any
    ) -> None:
        """A panel of columns: first its part of b, then its tiles."""
        builder, width, dtype = self.builder, whole(_width(panel)), self.form.dtype
        a, b, c = at
        b, c = self._moved(b, place, self.b_column), self._moved(c, place, ONE)
        step = self.b_step
        if self.form.source == "transposed":
            count = builder.add(left, whole(_width(panel[:-1])))
            transposed_part(builder, dtype, b, self.b_column, self.memory, width, count, size)
            b, step = self.memory, width
        elif self.form.source == "copied":
            before = builder.block
            many = builder.icmp_signed(">=", rows, whole(MANY))
            far = builder.icmp_signed(">=", step, whole(FAR // self.size))
            with builder.if_then(builder.and_(many, far)):
                copied(builder, dtype, panel, b, step, self.memory, size, left)
                inside = builder.block
            chosen = [builder.phi(value.type) for value in (b, step)]
            for phi, there, here in zip(chosen, (b, step), (self.memory, width), strict=True):
                phi.add_incoming(there, before)
                phi.add_incoming(here, inside)
            b, step = chosen
        tile = Tile(dtype, self.form.height, panel)
        strides, sums = (self.a_row, self.c_row), (size, self.a_step, step)
        tile.call(builder, (a, b, c), rows, strides, sums, add, left)

    def _moved(self, address: Any, place: Any, stride: Any) -> Any:
        return moved(self.builder, address, multiplied(self.builder, place, stride), self.size)


def _width(panel: Panel) -> int:
    """Columns that are computed."""
    return sum(vector.lanes for vector in panel)
