"""Convolutions with windows of 3 x 3, and their gradients, in fewer multiplications.

The four results `y` of a window `w` over a part `d` of 4 x 4 places are, for a channel of the image
and one of the results,

    y = Aᵀ [(G w Gᵀ) ∘ (Bᵀ d B)] A

with 16 multiplications in place of 36, and the gradients that `y` gives `d` and `w` are

    d = B [(G w Gᵀ) ∘ (A y Aᵀ)] Bᵀ          w = Gᵀ [(Bᵀ d B) ∘ (A y Aᵀ)] G

Over all channels each of the 16 is a product of two matrices: parts of an image by channels, and
channels by channels. Transforms go through vectors of channels. Errors are not larger than
those of sums one by one, as these have fewer terms; an infinity makes all four results NaN.

Source: Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from llvmlite import ir

from .loops import counted, least, moved, multiplied, whole
from .parallel import parallel
from .processor import Processor
from .small_matrices import HEIGHT, Layout, Matrix, Product, Transform, divisor, transposed
from .subscripts import Axes, Position
from .values import Array, Value, address, clear, room

PARTS: Matrix = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))  # Bᵀ
WINDOWS: Matrix = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))  # G
RESULTS: Matrix = ((1, 1, 1, 0), (0, 1, -1, -1))  # Aᵀ
IMAGE_IN, IMAGE_OUT = Transform(PARTS, ahead=True), Transform(transposed(PARTS), add=True)
RESULT_OUT, RESULT_IN = Transform(RESULTS), Transform(transposed(RESULTS), ahead=True)
WINDOW_IN, WINDOW_OUT = (Transform(x, special=False) for x in (WINDOWS, transposed(WINDOWS)))

Of = Literal["y", "d", "w"]
# Which array of a contraction is the image, which the windows and which the result.
ROLES: tuple[tuple[Of, tuple[int, int, int]], ...] = (
    ("y", (0, 1, 2)),
    ("d", (2, 1, 0)),
    ("w", (0, 2, 1)),
)
TERMS = 16  # products of two numbers for each part
FEWEST = 16  # channels for which transforms cost less than they save
TILES = 8  # parts of an image at a time, at least: enough rows of a product
GROUP = 8  # images for which windows are transformed once
LARGEST = 1 << 20  # bytes of transformed windows and parts: a thread's stack has 8 MB and less


@dataclass(frozen=True, slots=True)
class Form:
    """What is computed, of which sizes.

    Attributes:
        of: what is the result: `y` of images and windows, `d` of `y` and windows, or `w`.
        height, width: places of results, which are even.
        rows: places of an image along its first axis.
        pitch: numbers in a row of an image.
        channels: of images.
        filters: channels of results.
    """

    of: Of
    height: int
    width: int
    rows: int
    pitch: int
    channels: int
    filters: int

    @property
    def across(self) -> int:
        """Parts beside each other."""
        return self.width // 2

    @property
    def down(self) -> int:
        """Rows of parts that are taken at a time."""
        every = self.height // 2
        return next(n for n in range(1, every + 1) if every % n == 0 and self._enough(n))

    def _enough(self, down: int) -> bool:
        return down * self.across >= TILES or down == self.height // 2

    @property
    def tiles(self) -> int:
        """Parts that are taken at a time."""
        return self.down * self.across

    def fits(self, processor: Processor, size: int) -> bool:
        """Whether it is worth it, for numbers of so many bytes."""
        lanes, fewest = processor.vector_bytes // size, min(self.channels, self.filters)
        numbers = self.channels * self.filters + self.tiles * (self.channels + self.filters)
        return (
            self.height % 2 == self.width % 2 == 0
            and self.channels % lanes == self.filters % lanes == 0
            and fewest >= FEWEST
            and divisor(self.tiles, HEIGHT) >= HEIGHT // 2
            and TERMS * size * numbers <= LARGEST
        )


def form_of(axes: Axes, arrays: Sequence[Value], processor: Processor) -> Form | None:
    """The form of a contraction; None if it is no such convolution, or not worth it."""
    sides = [array for array in arrays if isinstance(array, Array)]
    for of, (image, window, result) in ROLES:
        letters = _letters(axes[image])
        if letters is None:
            continue
        b, x, u, y, v, channels = letters
        f = axes[result][-1:]
        order = (*f, u, v) if of == "d" else (u, v, *f)
        if axes[result] != (b, x, y, *f) or axes[window] != order:
            continue
        sizes = [[size.constant or 0 for size in side.sizes] for side in sides]  # 0: not known
        _, rows, pitch = sizes[image]
        _, height, width, filters = sizes[result]
        if 0 in (*sizes[window], rows, pitch, height, width, filters):
            return None
        three = sizes[window][1:] if of == "d" else sizes[window][:2]
        form = Form(of, height, width, rows, pitch, channels, filters)
        fits = three == [3, 3 * channels] and form.fits(processor, sides[0].dtype.size)
        return form if fits else None
    return None


def _letters(image: Sequence[Position]) -> tuple[Any, ...] | None:
    """Positions b, x, u, y, v of `b x+u cy+v`, and c."""
    if [len(position) for position in image] != [1, 2, 2]:
        return None
    (b,), (x, u), ((channels, y), v) = image
    if {factor for factor, _ in (b, x, u, v)} != {1}:
        return None
    return (b,), (x,), (u,), ((1, y),), (v,), channels


def write(builder: Any, form: Form, arrays: Sequence[Value]) -> None:
    """The results of images, or what comes back to them: some images at a time, in any order."""
    count = _images(arrays)
    if isinstance(count, ir.Constant):
        groups = whole(-(-count.constant // GROUP))
    else:
        groups = builder.sdiv(builder.add(count, whole(GROUP - 1)), whole(GROUP))

    def group(inner: Any, k: Any, own: list[Value]) -> None:
        first = multiplied(inner, k, whole(GROUP))
        left = least(inner, inner.sub(_images(own), first), whole(GROUP))
        writer = _Writer(inner, form, own)
        if form.of == "y":
            writer.results(first, left)
        else:
            writer.images(first, left)

    parallel(builder, groups, arrays, group)


def write_part(form: Form, count: int, builder: Any, arrays: Sequence[Value], k: Any) -> None:
    """What comes to windows from one of so many parts of the images."""
    images = _images(arrays)
    size = builder.sdiv(builder.add(images, whole(count - 1)), whole(count))
    first = multiplied(builder, k, size)
    left = least(builder, builder.sub(images, first), size)
    _Writer(builder, form, arrays).windows(first, left)


def _images(arrays: Sequence[Value]) -> Any:
    """How many images there are."""
    array = arrays[0]
    assert isinstance(array, Array)
    return array.sizes[0].value


class _Writer:
    """Writes the loops of a convolution."""

    def __init__(self, builder: Any, form: Form, arrays: Sequence[Value]) -> None:
        left, right, out = (x for x in arrays if isinstance(x, Array))
        image, window, result = {
            "y": (left, right, out),
            "d": (out, right, left),
            "w": (left, out, right),
        }[form.of]
        self.builder, self.form, self.dtype = builder, form, out.dtype
        self.image, self.window, self.result = (
            address(builder, x) for x in (image, window, result)
        )
        c, f = form.channels, form.filters
        self.in_image = Layout(form.pitch, c, 2 * form.pitch, 2 * c)
        self.in_result = Layout(form.width * f, f, 2 * form.width * f, 2 * f)
        self.w = self._memory(c * f)
        self.d, self.y = self._memory(form.tiles * c), self._memory(form.tiles * f)

    def results(self, first: Any, count: Any) -> None:
        """The results of so many images."""
        c, f = self.form.channels, self.form.filters
        self._transform(
            WINDOW_IN, (self.window, Layout(3 * c * f, c * f, f)), self._of(c, f), (c, 1, f)
        )
        with self._strips(first, count) as (image, result):
            self._transform(
                IMAGE_IN, (image, self.in_image), self._block(self.d, c), self._tiles(c)
            )
            self._products((self.d, c, 1), self.w, self.y, (self.form.tiles, c, f), add=False)
            self._transform(
                RESULT_OUT, self._block(self.y, f), (result, self.in_result), self._tiles(f)
            )

    def images(self, first: Any, count: Any) -> None:
        """What comes to so many images."""
        builder, form, c, f = self.builder, self.form, self.form.channels, self.form.filters
        self._transform(
            WINDOW_IN, (self.window, Layout(3 * c, c, 9 * c)), self._of(f, c), (f, 1, c)
        )
        each = whole(form.rows * form.pitch)
        where = moved(builder, self.image, multiplied(builder, first, each), self.dtype.size)
        self._clear(where, multiplied(builder, count, each))
        with self._strips(first, count) as (image, result):
            self._transform(
                RESULT_IN, (result, self.in_result), self._block(self.y, f), self._tiles(f)
            )
            self._products((self.y, f, 1), self.w, self.d, (form.tiles, f, c), add=False)
            target = image, self.in_image
            self._transform(IMAGE_OUT, self._block(self.d, c), target, self._tiles(c))

    def windows(self, first: Any, count: Any) -> None:
        """What comes to windows from so many images."""
        form, c, f = self.form, self.form.channels, self.form.filters
        self._clear(self.w, whole(TERMS * c * f))
        with self._strips(first, count) as (image, result):
            self._transform(
                IMAGE_IN, (image, self.in_image), self._block(self.d, c), self._tiles(c)
            )
            self._transform(
                RESULT_IN, (result, self.in_result), self._block(self.y, f), self._tiles(f)
            )
            self._products((self.d, 1, c), self.y, self.w, (c, form.tiles, f), add=True)
        target = self.window, Layout(3 * c * f, c * f, f)
        self._transform(WINDOW_OUT, self._of(c, f), target, (c, 1, f))

    def _memory(self, numbers: int) -> Any:
        """Room for each of the terms."""
        return room(self.builder, ir.ArrayType(self.dtype.stored, TERMS * numbers), align=64)

    def _of(self, left: int, right: int) -> tuple[Any, Layout]:
        """Transformed windows: matrices of channels by channels."""
        return self.w, Layout(4 * left * right, left * right, right)

    def _block(self, memory: Any, channels: int) -> tuple[Any, Layout]:
        """Transformed parts: matrices of parts by channels."""
        each = self.form.tiles * channels
        return memory, Layout(4 * each, each, self.form.across * channels, channels)

    def _tiles(self, channels: int) -> tuple[int, int, int]:
        return self.form.down, self.form.across, channels

    def _transform(
        self,
        transform: Transform,
        source: tuple[Any, Layout],
        target: tuple[Any, Layout],
        counts: tuple[int, int, int],
    ) -> None:
        transform.call(self.builder, self.dtype, source, target, counts)

    def _products(
        self,
        left: tuple[Any, int, int],
        right: Any,
        out: Any,
        sizes: tuple[int, int, int],
        add: bool,
    ) -> None:
        """A product of matrices for each term; the left one with its steps by rows and in sums."""
        data, row, step = left
        Product(self.dtype, TERMS, *sizes, (row, step), add).call(self.builder, data, right, out)

    def _clear(self, where: Any, numbers: Any) -> None:
        size = multiplied(self.builder, numbers, whole(self.dtype.size))
        clear(self.builder, where, size)

    @contextmanager
    def _strips(self, first: Any, count: Any) -> Iterator[tuple[Any, Any]]:
        """Loops over images, and in each over rows of parts; inside, where these are."""
        builder, form, size = self.builder, self.form, self.dtype.size
        with counted(builder, builder.add(first, count), first) as i:
            bases = [
                moved(builder, base, multiplied(builder, i, whole(each)), size)
                for base, each in (
                    (self.image, form.rows * form.pitch),
                    (self.result, form.height * form.width * form.filters),
                )
            ]
            with counted(builder, whole(form.height // 2), step=form.down) as k:
                image, result = (
                    moved(builder, base, multiplied(builder, k, whole(layout.down)), size)
                    for base, layout in zip(bases, (self.in_image, self.in_result), strict=True)
                )
                yield image, result
