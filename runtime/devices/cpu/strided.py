"""Products of strided matrices, tile by tile: `c[i, j] = sum over k of a[i, k] b[k, j]`.

Around the tiles are loops: over blocks of rows, so that what is read of a stays in the second
cache; over blocks of the sum; over panels of columns. A panel of b is read where it lies; it is
copied where its columns do not lie together, and where its rows lie so far apart that caches
suffer. Where the numbers of a row of a lie far apart, and it meets many columns, a block of rows is
copied too, in the order in which tiles read it (*packed*). A large product is computed by parts of
the result, which several threads share.

A sum is taken in blocks of `LONGEST`, each in order, and the blocks' sums are added in order. So an
element depends on its own products alone: it is the same to the last bit whichever other rows and
columns are computed with it. Where there is one column, and the sum lies together in a and in b,
the lanes of a vector are sums of their own.

Sizes are arguments of the functions that are written here, so that products share them; only what
makes other loops makes another function.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from llvmlite import ir

from .copies import copied, slivers, transposed_part
from .dots import dots
from .kinds import INT64, POINTER, Number
from .loops import called, counted, known, least, moved, multiplied, whole
from .parallel import in_body, parallel
from .processor import processor_of
from .tiles import Panel, Shape, Tile
from .values import Array, Scalar, Value, flatten, room

LONGEST = 256  # products of a block of the sum
BLOCK = 256  # rows that meet all panels before the next ones do
FAR = 4096  # bytes from row to row of b from which on panels of it are copied, if
MANY = 64  # rows meet them
FEW = 7  # rows below which they are computed two at a time, where columns are enough for it
PACKED = 1 << 19  # bytes of a block of rows that is copied: half of the second cache, or all
HUGE = 1 << 25  # multiply-adds of a product whose rows are copied, if they do not lie along a and
WIDE = 512  # columns meet them
LARGE = 1 << 20  # multiply-adds from which a product is computed by parts: some 20 microseconds
PART = (256, 128)  # rows and columns: whole panels of columns, whatever the vectors
PACKED_PART = (512, 512)  # the same where rows are copied, once for each part
PARTS = 8  # fewer have fewer rows, or columns if there are more of these, but LARGE products each
PANELS = 32  # columns: no fewer, and whole panels too
USUAL = 256  # for a size that is not known, when it is decided whether a product may be large

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
class Operands:
    """What a product is of: the addresses of a, b and c, and the axes i, j and k."""

    a: Any
    b: Any
    c: Any
    rows: Axis
    columns: Axis
    sums: Axis

    @property
    def words(self) -> list[Any]:
        """All of it, as arguments of a function."""
        rows, columns, sums = self.rows, self.columns, self.sums
        axes = rows.size, rows.a, rows.c, columns.size, columns.b, sums.size, sums.a, sums.b
        return [self.a, self.b, self.c, *axes]

    @staticmethod
    def of(words: Sequence[Any]) -> Operands:
        """The same from its words."""
        a, b, c, m, a_row, c_row, n, b_column, k, a_step, b_step = words
        rows, columns = Axis(m, a=a_row, c=c_row), Axis(n, b=b_column, c=ONE)
        return Operands(a, b, c, rows, columns, Axis(k, a=a_step, b=b_step))

    @property
    def turned(self) -> Operands:
        """The transposed product."""
        axes = self.columns.turned, self.rows.turned, self.sums.turned
        return Operands(self.b, self.a, self.c, *axes)

    def part(
        self, builder: Any, size: int, rows: tuple[Any, Any], columns: tuple[Any, Any]
    ) -> Operands:
        """Some rows and columns of elements of so many bytes: from a place on, at most so many."""
        (row, m), (column, n) = rows, columns

        def at(address: Any, *steps: tuple[Any, Any]) -> Any:
            for place, stride in steps:
                places = multiplied(builder, place, stride)
                address = moved(builder, address, places, size)
            return address

        def some(axis: Axis, place: Any, most: Any) -> Axis:
            left = builder.sub(axis.size, place)
            return dataclasses.replace(axis, size=least(builder, most, left))

        return Operands(
            at(self.a, (row, self.rows.a)),
            at(self.b, (column, self.columns.b)),
            at(self.c, (row, self.rows.c), (column, self.columns.c)),
            some(self.rows, row, m),
            some(self.columns, column, n),
            self.sums,
        )


@dataclass(frozen=True, slots=True)
class Form:
    """What a function for products is written for.

    Attributes:
        dtype: the type of all numbers.
        height: rows of a tile.
        panel: the vectors of panels, if there are any.
        last: those of the panels behind them, if there are any.
        source: how a panel of b is read: where it is, copied if rows are many, or transposed.
        few: whether there may be few rows, which are computed two at a time.
        packed: whether blocks of rows are copied, and all panels of b.
        adds: whether products are added to what is there.
    """

    dtype: Number
    height: int
    panel: Panel
    last: Panel
    source: str
    few: bool
    packed: bool = False
    adds: bool = False

    @property
    def when_packed(self) -> Form:
        """The same where blocks of rows are copied."""
        source = "transposed" if self.source == "transposed" else "copied"
        return dataclasses.replace(self, source=source, few=False, packed=True)

    @property
    def name(self) -> str:
        """What the function is called."""
        panels = ("_".join(map(str, panel)) for panel in (self.panel, self.last))
        source = self.source + ".few" * self.few + ".packed" * self.packed + ".adds" * self.adds
        return ".".join(("product", str(self.dtype), str(self.height), *panels, source))

    def does(self, other: Form) -> bool:
        """Whether a function for this form is one for another as well."""
        return (
            (self.dtype, self.height) == (other.dtype, other.height)
            and other.panel in ((), self.panel)
            and other.last in ((), self.last)
            and self.few >= other.few
            and (self.packed, self.adds) == (other.packed, other.adds)
            and (self.source == other.source or (self.source, other.source) == ("copied", "here"))
        )


# The forms that a module has functions for.
_forms: WeakKeyDictionary[Any, list[Form]] = WeakKeyDictionary()


def product(builder: Any, dtype: Number, given: Operands, adds: bool = False) -> None:
    """Compute `c[i, j] = sum over k of a[i, k] b[k, j]`, or add it to what is there.

    Args:
        builder: where the code goes.
        dtype: the type of all numbers.
        given: the matrices. The columns of c lie together; so do those of b, or else its rows do.
        adds: whether it is added.
    """
    if _better_turned(given.rows, given.columns):
        given = given.turned
    rows, columns, sums = given.rows, given.columns, given.sums
    if known(columns.size) == 1:
        if known(sums.a) == known(sums.b) == 1 and not adds:
            arrays, strides = (given.a, given.b, given.c), (rows.a, rows.c)
            dots(builder, dtype, arrays, rows.size, strides, sums.size)
            return
        # There is no other column to lie elsewhere.
        given = dataclasses.replace(given, columns=dataclasses.replace(columns, b=ONE))
    form = dataclasses.replace(_form(builder, dtype, given), adds=adds)
    size = math.prod(known(axis.size) or USUAL for axis in (rows, columns, sums))
    high, wide = (known(axis.size) or 0 for axis in (rows, columns))
    forms = [form]
    if known(rows.a) == 1 and wide >= WIDE and size >= HUGE and not 0 < high < MANY:
        forms = [form.when_packed] if high else [form, form.when_packed]
    forms = [_known(builder, form) for form in forms]
    if in_body(builder) or size < LARGE:
        _call(builder, forms, given)
        return

    def write(inside: Any, words: list[Any]) -> None:
        _by_parts(inside, forms, Operands.of(words))

    called(builder, f"{forms[-1].name}.parts", given.words, write, special=False)


def _known(builder: Any, form: Form) -> Form:
    """A form that does the same, of which the module has a function; else the form itself."""
    forms = _forms.setdefault(builder.module, [])
    form = next((found for found in forms if found.does(form)), form)
    if form not in forms:
        forms.append(form)
    return form


def _better_turned(rows: Axis, columns: Axis) -> bool:
    """Whether the transposed product has columns that lie together, where this one does not."""
    if known(rows.size) == 1:
        return known(columns.b) != 1 and known(columns.size) != 1
    return known(columns.size) == known(rows.a) == known(rows.c) == 1


def _call(builder: Any, forms: Sequence[Form], given: Operands) -> None:
    """Call the function of a form; of two, that of the second where rows are many."""
    form, *others = forms
    if others:
        many = builder.icmp_signed(">=", given.rows.size, whole(MANY))
        with builder.if_else(many) as (several, few):
            with several:
                _call(builder, others, given)
            with few:
                _call(builder, [form], given)
        return

    def write(inside: Any, words: list[Any]) -> None:
        _Product(inside, form, Operands.of(words)).write()

    called(builder, form.name, given.words, write, special=False)


def _by_parts(builder: Any, forms: Sequence[Form], given: Operands) -> None:
    """A product that several threads share, if it is large: each takes parts of the result."""
    form = forms[-1]
    tall, wide = PACKED_PART if form.packed else PART

    def divided(inside: Any, x: Any, y: Any) -> Any:
        """The quotient, rounded up."""
        return inside.udiv(inside.add(x, inside.sub(y, ONE)), y)

    def parts(inside: Any, of: Operands) -> tuple[Any, Any, Any, Any]:
        """How many lie below and beside each other, and the rows and columns of each."""
        sizes, most = (of.rows.size, of.columns.size), (whole(tall), whole(wide))
        below, across = (divided(inside, *pair) for pair in zip(sizes, most, strict=True))
        if form.packed:
            return below, across, *most
        work = inside.mul(inside.mul(*sizes), of.sums.size)
        wanted = least(inside, inside.udiv(work, whole(LARGE)), whole(PARTS))
        is_wide = inside.icmp_signed(">", of.columns.size, of.rows.size)

        def fewer(size: Any, others: Any, step: int, most: Any) -> Any:
            """The rows or columns of a part, so that there are as many parts as are wanted."""
            each = divided(inside, inside.mul(size, others), wanted)
            return least(inside, inside.mul(divided(inside, each, whole(step)), whole(step)), most)

        rows = fewer(of.rows.size, across, form.height, most[0])
        columns = fewer(of.columns.size, below, PANELS, most[1])
        rows = inside.select(is_wide, most[0], rows)
        columns = inside.select(is_wide, columns, most[1])
        counts = (divided(inside, x, y) for x, y in zip(sizes, (rows, columns), strict=True))
        return *counts, rows, columns

    def part(inside: Any, number: Any, values: list[Value]) -> None:
        every = Operands.of([word for value in values for word in flatten(inside, value)])
        _, across, rows, columns = parts(inside, every)
        row = inside.mul(inside.udiv(number, across), rows)
        column = inside.mul(inside.urem(number, across), columns)
        places = (row, rows), (column, columns)
        _call(inside, forms, every.part(inside, form.dtype.size, *places))

    work = builder.mul(builder.mul(given.rows.size, given.columns.size), given.sums.size)
    is_large = builder.icmp_signed(">=", work, whole(LARGE))
    with builder.if_else(is_large) as (large, small):
        with large:
            captured: list[Value] = [
                Array(form.dtype, word, ()) if word.type == POINTER else Scalar(INT64, word)
                for word in given.words
            ]
            below, across, *_ = parts(builder, given)
            parallel(builder, builder.mul(below, across), captured, part)
        with small:
            _call(builder, forms, given)


def _form(builder: Any, dtype: Number, given: Operands) -> Form:
    """What is special about a product."""
    shape = Shape.of(processor_of(builder.module), dtype)
    height, far = known(given.rows.size), known(given.sums.b)
    source = "here"
    if known(given.columns.b) != 1:
        source = "transposed"
    elif far is not None and far * dtype.size >= FAR and (height or MANY) >= MANY:
        source = "copied"
    panel, last = shape.panels(known(given.columns.size))
    few = bool(height is None and source != "transposed" and panel and shape.has_masks)
    return Form(dtype, shape.height(height), panel, last, source, few)


class _Product:
    """Writes a function for products of one form."""

    def __init__(self, builder: Any, form: Form, given: Operands) -> None:
        self.builder, self.form, self.size = builder, form, form.dtype.size
        self.shape = Shape.of(processor_of(builder.module), form.dtype)
        if form.source == "transposed":
            sums = dataclasses.replace(given.sums, b=ONE)
            self.given = dataclasses.replace(given, sums=sums)
        else:
            columns = dataclasses.replace(given.columns, b=ONE)
            self.given = dataclasses.replace(given, columns=columns)
        self.block = BLOCK
        if form.packed:
            self.block = PACKED // (LONGEST * self.size)
            rows = -(-self.block // form.height) * form.height
            self.rows = room(builder, ir.ArrayType(form.dtype.stored, LONGEST * rows), align=64)
        if form.source != "here":
            width = max(map(_width, (form.panel, form.last)))
            kind = ir.ArrayType(form.dtype.stored, LONGEST * width)
            self.memory = room(builder, kind, align=64)

    def write(self) -> None:
        """Loops, and tiles in them."""
        builder, given = self.builder, self.given
        # Once even for a sum of nothing: then zeros are written.
        turns = builder.select(builder.icmp_signed(">", given.sums.size, NO), given.sums.size, ONE)
        with ExitStack() as loops:
            row = loops.enter_context(counted(builder, given.rows.size, step=self.block))
            start = loops.enter_context(counted(builder, turns, step=LONGEST))
            rows, all_columns = (row, whole(self.block)), (NO, given.columns.size)
            given, sums = given.part(builder, self.size, rows, all_columns), given.sums
            given = dataclasses.replace(
                given,
                a=self._moved(given.a, start, sums.a),
                b=self._moved(given.b, start, sums.b),
                sums=dataclasses.replace(
                    sums, size=least(builder, whole(LONGEST), builder.sub(sums.size, start))
                ),
            )
            add = builder.icmp_signed(">=" if self.form.adds else ">", start, NO)
            if self.form.packed:
                given = self._packed(given)
            if not self.form.few:
                self._panels(given, add)
                return
            is_few = builder.and_(
                builder.icmp_signed("<", given.rows.size, whole(FEW)),
                builder.icmp_signed(">=", given.columns.size, whole(_width(self.form.panel))),
            )
            with builder.if_else(is_few) as (few, many):
                with (
                    few,
                    counted(builder, given.columns.size, step=_width(self.shape.few)) as place,
                ):
                    self._tiles(2, self.shape.few, self._columns(given, self.shape.few, place), add)
                with many:
                    self._panels(given, add)

    def _packed(self, given: Operands) -> Operands:
        """The same with the rows copied in the order in which tiles read them."""
        builder, form, sizes = self.builder, self.form, (given.rows.size, given.sums.size)
        slivers(builder, form.dtype, form.height, given.a, given.sums.a, self.rows, sizes)
        return dataclasses.replace(given, a=self.rows)

    def _columns(self, given: Operands, panel: Panel, place: Any) -> Operands:
        """The columns of a panel that begins at a place."""
        columns = place, whole(_width(panel))
        return given.part(self.builder, self.size, (NO, given.rows.size), columns)

    def _panels(self, given: Operands, add: Any) -> None:
        """All columns, a panel at a time."""
        builder, done, columns = self.builder, NO, given.columns.size
        for panel in (self.form.panel, self.form.last):
            if not panel:
                continue
            width, stop = _width(panel), columns
            if panel[-1].is_whole:
                stop = builder.sub(columns, builder.urem(columns, whole(width)))
            with counted(builder, stop, done, width) as place:
                self._panel(panel, self._columns(given, panel, place), add)
            done = stop

    def _panel(self, panel: Panel, given: Operands, add: Any) -> None:
        """A panel of columns: first its part of b, then its tiles."""
        builder, width, dtype = self.builder, whole(_width(panel)), self.form.dtype
        rows, left, size = given.rows, given.columns.size, given.sums.size
        b, step = given.b, given.sums.b
        if self.form.source == "transposed":
            transposed_part(builder, dtype, b, given.columns.b, self.memory, width, left, size)
            b, step = self.memory, width
        elif self.form.packed:
            copied(builder, dtype, panel, b, step, self.memory, size, left)
            b, step = self.memory, width
        elif self.form.source == "copied":
            before = builder.block
            many = builder.icmp_signed(">=", rows.size, whole(MANY))
            far = builder.icmp_signed(">=", step, whole(FAR // self.size))
            with builder.if_then(builder.and_(many, far)):
                copied(builder, dtype, panel, b, step, self.memory, size, left)
                inside = builder.block
            chosen = [builder.phi(value.type) for value in (b, step)]
            for phi, there, here in zip(chosen, (b, step), (self.memory, width), strict=True):
                phi.add_incoming(there, before)
                phi.add_incoming(here, inside)
            b, step = chosen
        sums = dataclasses.replace(given.sums, b=step)
        self._tiles(self.form.height, panel, dataclasses.replace(given, b=b, sums=sums), add)

    def _tiles(self, height: int, panel: Panel, given: Operands, add: Any) -> None:
        """The tiles of a panel, below each other."""
        rows, sums = given.rows, given.sums
        arrays, steps = (given.a, given.b, given.c), (sums.size, sums.a, sums.b)
        tile = Tile(self.form.dtype, height, panel, self.form.packed)
        tile.call(self.builder, arrays, rows.size, (rows.a, rows.c), steps, add, given.columns.size)

    def _moved(self, address: Any, place: Any, stride: Any) -> Any:
        return moved(self.builder, address, multiplied(self.builder, place, stride), self.size)


def _width(panel: Panel) -> int:
    """Columns that are computed."""
    return sum(vector.lanes for vector in panel)
