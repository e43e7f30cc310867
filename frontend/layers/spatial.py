"""Layers that make space larger or smaller: repeat places, put zeros around, cut off edges."""

from __future__ import annotations

from typing import Any

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError
from chainrule.compiler.types import Dim, Size, mul

from ..functions.geometry import Numbers, numbers
from ..functions.shaping import broadcast_to, pad, reshape
from ..tensor import Tensor
from .convolution import Sliding, plain

Pairs = tuple[tuple[int, int], ...]


def pairs(layer: str, what: str, given: Any, rank: int) -> Pairs:
    """How many places before and after each axis: from a number, one for each axis, or pairs.

    For one axis, two numbers are a pair, as Keras has it.

    Raises:
        UsageError: numbers that do not fit the axes.
    """
    nested = isinstance(given, list | tuple) and any(isinstance(x, list | tuple) for x in given)
    if nested and len(given) == rank:
        return tuple(_pair(numbers(layer, what, x, 2, 0)) for x in given)
    if nested:
        raise UsageError(
            f"{layer}: {what}={given!r}",
            f"expected {rank} pairs of integers",
            "a pair says how much there is before and after an axis",
        )
    if rank == 1 and isinstance(given, list | tuple):
        return (_pair(numbers(layer, what, given, 2, 0)),)
    return tuple((n, n) for n in numbers(layer, what, given, rank, 0))


def _pair(given: tuple[int, ...]) -> tuple[int, int]:
    before, after = given
    return before, after


class UpSampling(Sliding):
    """Every place `size` times, along each spatial axis. See `UpSampling2D`."""

    def __init__(
        self,
        size: Numbers = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        name: str | None = None,
    ) -> None:
        super().__init__(data_format, name)
        self.size = numbers(type(self).__name__, "size", size, self.rank)
        if interpolation != "nearest":
            raise UnknownNameError(
                f"{type(self).__name__}: interpolation={interpolation!r}",
                "expected 'nearest': every place is repeated",
                "Conv2DTranspose learns how to interpolate",
            )

    def describe(self) -> str:
        """As written."""
        return f"{type(self).__name__}({plain(self.size)})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *(space * size), channels)`."""
        (x,) = inputs
        self.check_space(x)
        start = 2 if self.first else 1
        ones: list[Dim] = []
        full: list[Dim] = []
        shape: list[Dim] = []
        for axis, dim in enumerate(x.shape):
            by = self.size[axis - start] if start <= axis < start + self.rank else 1
            ones += [dim, 1] if by > 1 else [dim]
            full += [dim, by] if by > 1 else [dim]
            shape.append(mul(dim, by))
        return reshape(broadcast_to(reshape(x, ones), full), shape)


class UpSampling1D(UpSampling):
    """Every place `size` times, along one axis.

    Args:
        size: how often.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.UpSampling1D(2)(cr.Input((50, 4))).shape
        (batch, 100, 4)
    """

    rank = 1


class UpSampling2D(UpSampling):
    """Every place `size` times, along both axes: `y[b, i, j, c] = x[b, i // size, j // size, c]`.

    Args:
        size: how often, a number or one for each spatial axis.
        data_format: "channels_last", the default, or "channels_first".
        interpolation: "nearest".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.UpSampling2D(2)(cr.Input((7, 7, 8))).shape
        (batch, 14, 14, 8)
    """

    rank = 2


class ZeroPadding(Sliding):
    """Zeros around space. See `ZeroPadding2D`."""

    def __init__(
        self, padding: Any = 1, data_format: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(data_format, name)
        self.padding = pairs(type(self).__name__, "padding", padding, self.rank)

    def describe(self) -> str:
        """As written."""
        return f"{type(self).__name__}({_shown(self.padding)})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *(before + space + after), channels)`."""
        (x,) = inputs
        self.check_space(x)
        none = ((0, 0),)
        first = self.first
        return pad(x, (*none, *(none if first else ()), *self.padding, *(() if first else none)))


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after.

    Args:
        padding: how many: a number for both ends, or a pair.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.ZeroPadding1D((2, 0))(cr.Input((50, 4))).shape
        (batch, 52, 4)
    """

    rank = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around.

    Args:
        padding: how many: a number, one for each spatial axis, or pairs
            `((top, bottom), (left, right))`.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.ZeroPadding2D(2)(cr.Input((28, 28, 1))).shape
        (batch, 32, 32, 1)
    """

    rank = 2


class Cropping(Sliding):
    """Edges cut off. See `Cropping2D`."""

    def __init__(
        self, cropping: Any = 1, data_format: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(data_format, name)
        self.cropping = pairs(type(self).__name__, "cropping", cropping, self.rank)

    def describe(self) -> str:
        """As written."""
        return f"{type(self).__name__}({_shown(self.cropping)})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Shape `(batch, *(space - before - after), channels)`."""
        (x,) = inputs
        self.check_space(x)
        start = 2 if self.first else 1
        index: list[slice] = [slice(None)] * x.ndim
        for axis, (before, after) in enumerate(self.cropping, start):
            dim = x.shape[axis]
            if not isinstance(dim, Size) and before + after >= dim:
                raise ShapeError(
                    f"{self.describe()}: nothing is left of axis {axis}",
                    f"{x.node.type} has {dim} there, {before} and {after} are cut off",
                    "cut off less",
                )
            index[axis] = slice(before, -after if after else None)
        return x[tuple(index)]


class Cropping1D(Cropping):
    """Places cut off at both ends.

    Args:
        cropping: how many: a number for both ends, or a pair.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.Cropping1D((2, 0))(cr.Input((50, 4))).shape
        (batch, 48, 4)
    """

    rank = 1


class Cropping2D(Cropping):
    """Edges cut off.

    Args:
        cropping: how many places: a number, one for each spatial axis, or pairs
            `((top, bottom), (left, right))`; none by default.
        data_format: "channels_last", the default, or "channels_first".
        name: the layer's name.

    Example:
        >>> import chainrule as cr
        >>> cr.Cropping2D(((1, 0), (2, 3)))(cr.Input((8, 8, 1))).shape
        (batch, 7, 3, 1)
    """

    rank = 2

    def __init__(
        self, cropping: Any = 0, data_format: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(cropping, data_format, name)


def _shown(given: Pairs) -> str:
    """Pairs as they would be written: as one number where they are alike."""
    if len({n for pair in given for n in pair}) == 1:
        return str(given[0][0])
    return str(given[0] if len(given) == 1 else given)
