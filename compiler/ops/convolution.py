"""Convolution and its transposes. The three are derivatives of one trilinear form.

In one spatial dimension, with x[b, p, c] zero outside, w[k, c, f] and y[b, o, f], that form is

    F(x, w, y) = sum of x[b, o*stride + k*dilation - low, c] w[k, c, f] y[b, o, f] over all letters.

`convolution` is its derivative for y, `convolution_transpose` that for x, `correlation` that for w.
So the derivative of each is made of the other two. As in most of the field, the kernel is not
reversed. Channels stand last. With groups, the channels of x and of y are cut into as many parts,
and each part of y sees its own part of x alone: w is [k, c / groups, f].

Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, make, register
from ..types import Dim, Shape, TensorType, add, mul
from .base import Composite
from .linear import contract
from .shape import pad, reshape, slice_
from .windows import overlap_add, places, span, windows

SPACE = "xyz"  # letters of places along the spatial axes, and below those inside a window
INSIDE = "uvw"


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a kernel goes: a number for each spatial axis, and the groups of channels."""

    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]
    groups: int = 1

    def attrs(self) -> dict[str, Any]:
        """As attributes of a node."""
        return {
            "strides": self.strides,
            "dilation": self.dilation,
            "lows": self.lows,
            "highs": self.highs,
            "groups": self.groups,
        }

    def padded(self, dims: Shape) -> Shape:
        """Spatial sizes with zeros around."""
        sides = zip(dims, self.lows, self.highs, strict=True)
        return tuple(add(add(dim, low), high) for dim, low, high in sides)

    def places(self, name: str, dims: Shape, kernel: tuple[int, ...]) -> Shape:
        """How many places the kernel has along each spatial axis of these sizes.

        Raises:
            ShapeError: an axis is shorter than the kernel.
        """
        found = []
        for axis, (dim, whole, k) in enumerate(zip(dims, self.padded(dims), kernel, strict=True)):
            stride, dilation = self.strides[axis], self.dilation[axis]
            reach, padding = span(k, dilation), self.lows[axis] + self.highs[axis]
            if isinstance(whole, int) and whole < reach:
                dilated = f" ({k} with dilation {dilation})" if dilation > 1 else ""
                around = f" and padding of {padding}" if padding else ""
                raise ShapeError(
                    f"{name}: the kernel is larger than spatial axis {axis}",
                    f"a kernel of {reach}{dilated} on an axis of {dim}{around}",
                    'padding="same" keeps the size; or take a smaller kernel',
                )
            found.append(places(name, f"spatial axis {axis}", whole, k, stride, dilation))
        return tuple(found)


def geometry(node: Node) -> Geometry:
    """The geometry of a convolution or of one of its transposes."""
    names = ("strides", "dilation", "lows", "highs", "groups")
    return Geometry(*(node.attr(name) for name in names))


class Convolutional(Composite):
    """What the three have in common. attrs: strides, dilation, lows, highs, groups."""

    source = "Dumoulin and Visin 2016, arXiv:1603.07285"
    # Leading axes would have to be counted: a neuron's formula has no use for it.
    lift = Op.lift


def _floats(name: str, operands: tuple[Node, ...]) -> str:
    a, b = operands
    if a.dtype != b.dtype or not a.type.is_float:
        raise DTypeError(
            f"{name}: operands of dtype {a.dtype} and {b.dtype}",
            "expected two of float32 or two of float64",
            "convert one with astype",
        )
    return a.dtype


class Convolution(Convolutional):
    """y[b, o, f] = sum over k, c of x[b, o*stride + k*dilation - low, c] w[k, c, f]."""

    name = "convolution"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """[batch, places..., f]."""
        x, w = operands
        shape, dtype = Geometry(**attrs), _floats("conv", operands)
        rank = len(shape.strides)
        if x.type.ndim != rank + 2 or w.type.ndim != rank + 2:
            raise ShapeError(
                f"conv: {x.type} with a kernel {w.type}",
                f"expected [batch, {rank} spatial axes, channels] and [{rank} sizes, channels, "
                "results]",
                "strides, dilation and padding have a number for each spatial axis",
            )
        channels, groups = x.shape[-1], shape.groups
        if mul(w.shape[-2], groups) != channels:
            parts = f" in {groups} groups" if groups > 1 else ""
            raise ShapeError(
                "conv: channels differ",
                f"{x.type} has {channels} on its last axis; the kernel {w.type} takes "
                f"{mul(w.shape[-2], groups)}{parts}",
                "the kernel's last axes are channels (of one group) and results",
            )
        _grouped("conv", w.shape[-1], groups)
        out = shape.places("conv", x.shape[1:-1], kernel_of(w))
        return TensorType(dtype, (x.shape[0], *out, w.shape[-1]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The transpose for x, the correlation for w."""
        x, w = node.operands
        shape = geometry(node)
        return (
            convolution_transpose(out_grad, w, x.shape[1:-1], shape),
            correlation(x, out_grad, kernel_of(w), shape),
        )

    def expand(self, node: Node) -> Node:
        """One product of a matrix whose rows are windows."""
        x, w = node.operands
        shape = geometry(node)
        form = _Form(shape, x.shape[1:-1], node.shape[1:-1], kernel_of(w))
        y = contract(form.windows(x), form.kernel(w), form.left, form.right, form.out)
        return reshape(y, node.shape)


class ConvolutionTranspose(Convolutional):
    """x[b, p, c] = sum over o, k, f with o*stride + k*dilation - low = p of y[b, o, f] w[k, c, f].

    attrs: dims too, the spatial sizes of x.
    """

    name = "convolution_transpose"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """[batch, dims..., channels]."""
        y, w = operands
        dims = attrs.pop("dims")
        shape, dtype = Geometry(**attrs), _floats("conv_transpose", operands)
        rank = len(dims)
        if y.type.ndim != rank + 2 or w.type.ndim != rank + 2:
            raise ShapeError(
                f"conv_transpose: {y.type} with a kernel {w.type}",
                f"expected [batch, {rank} spatial axes, channels] and [{rank} sizes, results, "
                "channels]",
                "strides, dilation and padding have a number for each spatial axis",
            )
        if w.shape[-1] != y.shape[-1]:
            raise ShapeError(
                "conv_transpose: channels differ",
                f"{y.type} has {y.shape[-1]} on its last axis; the kernel {w.type} takes "
                f"{w.shape[-1]}",
                "the kernel's last axes are results and channels",
            )
        _grouped("conv_transpose", y.shape[-1], shape.groups)
        out = shape.places("conv_transpose", dims, kernel_of(w))
        for axis, (have, need) in enumerate(zip(y.shape[1:-1], out, strict=True)):
            if have != need:
                raise ShapeError(
                    f"conv_transpose: spatial axis {axis} does not fit",
                    f"{y.type} has {have}; a result of {dims[axis]} needs {need}",
                    "choose an output_padding below the stride",
                )
        return TensorType(dtype, (y.shape[0], *dims, mul(w.shape[-2], shape.groups)))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The convolution for y, the correlation for w."""
        y, w = node.operands
        shape = geometry(node)
        return convolution(out_grad, w, shape), correlation(out_grad, y, kernel_of(w), shape)

    def expand(self, node: Node) -> Node:
        """A matrix of windows, added where they overlap."""
        y, w = node.operands
        shape = geometry(node)
        form = _Form(shape, node.shape[1:-1], y.shape[1:-1], kernel_of(w))
        found = contract(form.split(y), form.kernel(w), form.out, form.right, form.left)
        return form.put_back(found, node.shape)


class Correlation(Convolutional):
    """w[k, c, f] = sum over b, o of x[b, o*stride + k*dilation - low, c] y[b, o, f].

    attrs: size too, the kernel's spatial sizes.
    """

    name = "correlation"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """[size..., channels of a group, results]."""
        x, y = operands
        size = attrs.pop("size")
        shape, dtype = Geometry(**attrs), _floats("correlate", operands)
        out = shape.places("correlate", x.shape[1:-1], size)
        if y.shape[:-1] != (x.shape[0], *out):
            raise ShapeError(
                "correlate: the tensors do not fit",
                f"{x.type} and {y.type}: a kernel of {size} has {out} places",
                "the second is a result of a convolution of the first",
            )
        channels = x.shape[-1]
        _grouped("correlate", channels, shape.groups)
        assert isinstance(channels, int)
        return TensorType(dtype, (*size, channels // shape.groups, y.shape[-1]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The transpose for x, the convolution for y: `out_grad` is a kernel."""
        x, y = node.operands
        shape = geometry(node)
        return (
            convolution_transpose(y, out_grad, x.shape[1:-1], shape),
            convolution(x, out_grad, shape),
        )

    def expand(self, node: Node) -> Node:
        """One product of the matrix of windows, transposed."""
        x, y = node.operands
        shape, size = geometry(node), node.attr("size")
        form = _Form(shape, x.shape[1:-1], y.shape[1:-1], size)
        w = contract(form.windows(x), form.split(y), form.left, form.out, form.right)
        return reshape(w, node.shape)


def _grouped(name: str, channels: Dim, groups: int) -> None:
    if not isinstance(channels, int) or channels % groups:
        raise ShapeError(
            f"{name}: {channels} channels in {groups} groups",
            "expected a number that the groups divide",
            "groups=1 connects every channel with every other",
        )


def kernel_of(w: Node) -> tuple[int, ...]:
    """The spatial sizes of a kernel."""
    size = w.shape[:-2]
    for axis, dim in enumerate(size):
        if not isinstance(dim, int):
            raise ShapeError(
                f"conv: the kernel {w.type}",
                f"axis {axis} is {dim}, of no known size",
                "a kernel's spatial sizes are numbers",
            )
        if dim < 1:
            raise ShapeError(
                f"conv: the kernel {w.type}",
                f"axis {axis} has size {dim}",
                "a kernel has at least one element along each axis",
            )
    return size  # type: ignore[return-value]


class _Form:
    """The trilinear form as a contraction of windows [b, o.., k.., c], w and y, in letters.

    The last spatial axis and the channels lie side by side in memory. Where windows take all
    elements between their ends and there is one group, the two are one axis here: rows of the
    matrix of windows are then copied in long runs.
    """

    def __init__(self, shape: Geometry, dims: Shape, out: Shape, kernel: tuple[int, ...]) -> None:
        self.shape, self.dims, self.places, self.size = shape, dims, out, kernel
        rank = len(dims)
        self.rank = rank
        known = isinstance(dims[-1], int) or shape.strides[-1] == 1
        self.runs = shape.groups == 1 and shape.dilation[-1] == 1 and kernel[-1] > 1 and known
        places_, inside = SPACE[:rank], INSIDE[:rank]
        if shape.groups > 1:
            self.left, self.right = f"b{places_}{inside}gc", f"{inside}cgf"
            self.out = f"b{places_}gf"
        else:
            channel = "" if self.runs else "c"
            self.left, self.right = f"b{places_}{inside}{channel}", f"{inside}{channel}f"
            self.out = f"b{places_}f"

    def windows(self, x: Node) -> Node:
        """The matrix of windows of a padded x."""
        shape = self.shape
        whole = (0, *shape.lows, 0), (0, *shape.highs, 0)
        x = pad(x, *whole, inner=(0,) * x.type.ndim, value=0.0)
        channels = x.shape[-1]
        size, stride = self.size, shape.strides
        if self.runs:
            x = reshape(x, (*x.shape[:-2], mul(x.shape[-2], channels)))
            size, stride = self._long(size, channels), self._long(stride, channels)
        found = windows(x, 1, size, stride, shape.dilation)
        if shape.groups > 1:
            found = reshape(found, (*found.shape[:-1], *self._parts(channels)))
        return found

    def kernel(self, w: Node) -> Node:
        """The kernel, with an axis for the groups, or one axis for the last two."""
        if self.shape.groups > 1:
            return reshape(w, (*w.shape[:-1], *self._parts(w.shape[-1])))
        if self.runs:
            return reshape(w, (*w.shape[:-3], mul(w.shape[-3], w.shape[-2]), w.shape[-1]))
        return w

    def split(self, y: Node) -> Node:
        """y, with an axis for the groups."""
        if self.shape.groups == 1:
            return y
        return reshape(y, (*y.shape[:-1], *self._parts(y.shape[-1])))

    def put_back(self, found: Node, result: Shape) -> Node:
        """The sum of windows, less what was padded."""
        shape, channels = self.shape, result[-1]
        dims, stride = shape.padded(self.dims), shape.strides
        if self.runs:
            dims = (*dims[:-1], mul(dims[-1], channels))
            stride = self._long(stride, channels)
        if shape.groups > 1:
            found = reshape(found, (*found.shape[:-2], channels))
        x = overlap_add(found, 1, dims, stride, shape.dilation)
        x = reshape(x, (result[0], *shape.padded(self.dims), channels))
        ends = tuple(add(low, dim) for low, dim in zip(shape.lows, self.dims, strict=True))
        stops = (result[0], *ends, channels)
        return slice_(x, (0, *shape.lows, 0), stops, (1,) * x.type.ndim)

    def _parts(self, channels: Dim) -> Shape:
        assert isinstance(channels, int)
        return self.shape.groups, channels // self.shape.groups

    @staticmethod
    def _long(numbers: tuple[int, ...], channels: Dim) -> tuple[int, ...]:
        assert isinstance(channels, int)
        return (*numbers[:-1], numbers[-1] * channels)


CONVOLUTION = register(Convolution())
CONVOLUTION_TRANSPOSE = register(ConvolutionTranspose())
CORRELATION = register(Correlation())


def convolution(x: Node, w: Node, shape: Geometry) -> Node:
    """x convolved with w."""
    return make(CONVOLUTION, (x, w), **shape.attrs())


def convolution_transpose(y: Node, w: Node, dims: Shape, shape: Geometry) -> Node:
    """The transpose of the convolution with w, which makes spatial sizes `dims` of those of y."""
    return make(CONVOLUTION_TRANSPOSE, (y, w), dims=dims, **shape.attrs())


def correlation(x: Node, y: Node, size: tuple[int, ...], shape: Geometry) -> Node:
    """The kernel, of spatial sizes `size`, that is the transpose of the convolution for w."""
    return make(CORRELATION, (x, y), size=size, **shape.attrs())
