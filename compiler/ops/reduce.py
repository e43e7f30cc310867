"""Reductions over axes, and running sums. Results drop the axes; `kept` puts them back as 1."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, ShapeError
from ..ir import Node, Op, const, make, register
from ..types import Shape, TensorType, product
from .arithmetic import equal, isfinite, sqrt, square, where
from .base import Composite
from .broadcasting import lifted_axes
from .convert import cast, iota, size
from .elementary import exp, log
from .shape import broadcast_to, flip, reshape, transpose


def without(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """The shape less some axes."""
    return tuple(dim for axis, dim in enumerate(shape) if axis not in axes)


def kept(reduced: Node, x: Node, axes: tuple[int, ...]) -> Node:
    """A reduction of `x` with the axes back as size 1, so that it broadcasts against `x`."""
    return reshape(reduced, shape=tuple(1 if i in axes else d for i, d in enumerate(x.shape)))


def count(x: Node, axes: tuple[int, ...]) -> Node:
    """How many elements are reduced, as a number of the dtype of `x`."""
    return size(product(tuple(x.shape[axis] for axis in axes)), x.dtype)


class Reduce(Op):
    """A reduction. attrs: axes, increasing."""

    accepts: tuple[str, ...] = ("float32", "float64", "int32", "int64")

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The other axes."""
        (x,) = operands
        if x.dtype not in self.accepts:
            raise DTypeError(
                f"{self.name}: {x.type}", f"takes {', '.join(self.accepts)}", "convert with astype"
            )
        for axis in attrs["axes"]:
            if not 0 <= axis < x.type.ndim:
                raise ShapeError(
                    f"{self.name}: no axis {axis}",
                    f"{x.type} has {x.type.ndim} axes",
                    "axes count from 0, or from -1 backwards",
                )
        return TensorType(x.dtype, without(x.shape, attrs["axes"]))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """Axes move right."""
        return make(self, operands, node.where, **lifted_axes(dict(node.attrs), lead))


class Sum(Reduce):
    """The sum over axes."""

    name = "sum"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Every element changes the sum alike."""
        (x,) = node.operands
        return (broadcast_to(kept(out_grad, x, node.attr("axes")), shape=x.shape),)


class Prod(Reduce):
    """The product over axes."""

    name = "prod"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The product of the others, without division, so that zeros are right at any order."""
        (x,) = node.operands
        axes = node.attr("axes")
        if not axes:
            return (out_grad,)
        free = tuple(axis for axis in range(x.type.ndim) if axis not in axes)
        order = free + axes
        last = transpose(x, axes=order)
        n = product(tuple(x.shape[axis] for axis in axes))
        lead = tuple(x.shape[axis] for axis in free)
        flat = reshape(last, shape=(*lead, n))
        index = iota(n)
        diagonal = equal(reshape(index, shape=(n, 1)), index)
        row = reshape(flat, shape=(*lead, 1, n))
        others = prod(where(diagonal, const(1, x.dtype), row), axes=(len(lead) + 1,))
        shaped = reshape(others, shape=last.shape)
        back = transpose(shaped, axes=tuple(order.index(i) for i in range(len(order))))
        return (kept(out_grad, x, axes) * back,)


def _of_some(name: str, x: Node, axes: tuple[int, ...]) -> None:
    """ShapeError if an axis is known to have no elements."""
    for axis in axes:
        if axis < x.type.ndim and x.shape[axis] == 0:
            raise ShapeError(
                f"{name} of no elements", f"axis {axis} of {x.type} has size 0", "give it elements"
            )


class Extreme(Reduce):
    """The largest or smallest element; a NaN wins. The gradient is shared by those that tie."""

    accepts = ("float32", "float64", "int32", "int64")

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """Of no elements there is no largest."""
        _of_some(self.name, operands[0], attrs["axes"])
        return super().infer(operands, **attrs)

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """To the elements that equal the extreme, in equal parts."""
        (x,) = node.operands
        axes = node.attr("axes")
        hits = equal(x, kept(node, x, axes))
        ties = kept(sum(cast(hits, x.dtype), axes=axes), x, axes)
        return (where(hits, kept(out_grad, x, axes) / ties, const(0, x.dtype)),)


class Max(Extreme):
    """The largest element over axes."""

    name = "max"


class Min(Extreme):
    """The smallest element over axes."""

    name = "min"


class Truth(Reduce):
    """Logic over axes."""

    accepts = ("bool",)


class Any_(Truth):
    """Whether any element is true."""

    name = "any"


class All_(Truth):
    """Whether all elements are true."""

    name = "all"


class Position(Op):
    """Where the extreme stands along an axis, the first of several; a NaN wins. attrs: axis."""

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """An int64 for each of the rest."""
        (x,), axis = operands, attrs["axis"]
        if x.shape[axis] == 0:
            raise ShapeError(f"{self.name} of no elements", str(x.type), f"axis {axis} has size 0")
        return TensorType("int64", without(x.shape, (axis,)))

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axis moves right."""
        return make(self, operands, node.where, axis=node.attr("axis") + lead)


class ArgMax(Position):
    """Where the largest stands."""

    name = "argmax"


class ArgMin(Position):
    """Where the smallest stands."""

    name = "argmin"


class CumulativeSum(Op):
    """Running sums along an axis. attrs: axis."""

    name = "cumulative_sum"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operand's type."""
        if operands[0].dtype == "bool":
            raise DTypeError("cumulative_sum of bool", "expected numbers", "convert with astype")
        return operands[0].type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Running sums from the other end."""
        axis = node.attr("axis")
        return (flip(cumulative_sum(flip(out_grad, axes=(axis,)), axis=axis), axes=(axis,)),)

    def lift(self, node: Node, operands: tuple[Node, ...], lead: int) -> Node:
        """The axis moves right."""
        return make(self, operands, node.where, axis=node.attr("axis") + lead)


class Mean(Composite):
    """The mean over axes."""

    name = "mean"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The other axes."""
        (x,) = operands
        if not x.type.is_float:
            raise DTypeError(f"mean of {x.type}", "takes float32, float64", "convert with astype")
        return TensorType(x.dtype, without(x.shape, attrs["axes"]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """Every element changes the mean alike, by 1/n."""
        (x,) = node.operands
        axes = node.attr("axes")
        share = out_grad / count(x, axes)
        return (broadcast_to(kept(share, x, axes), shape=x.shape),)

    def expand(self, node: Node) -> Node:
        """The sum over the number of elements."""
        (x,), axes = node.operands, node.attr("axes")
        return sum(x, axes=axes) / count(x, axes)


class Norm(Composite):
    """The Euclidean norm over axes; its gradient at 0 is 0."""

    name = "norm"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The other axes."""
        (x,) = operands
        if not x.type.is_float:
            raise DTypeError(f"norm of {x.type}", "takes float32, float64", "convert with astype")
        return TensorType(x.dtype, without(x.shape, attrs["axes"]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """x / |x|, and 0 where the norm is 0."""
        (x,) = node.operands
        axes = node.attr("axes")
        length = kept(node, x, axes)
        unit = where(equal(length, 0), const(0, x.dtype), x / length)
        return (kept(out_grad, x, axes) * unit,)

    def expand(self, node: Node) -> Node:
        """The root of the sum of squares."""
        return sqrt(sum(square(node.operands[0]), axes=node.attr("axes")))


class LogSumExp(Composite):
    """log of the sum of exp over axes, less the largest so that nothing overflows."""

    name = "logsumexp"
    source = "Blanchard, Higham, Higham 2021, doi:10.1093/imanum/draa038, eq. (1.2)"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The other axes."""
        (x,) = operands
        if not x.type.is_float:
            raise DTypeError(f"logsumexp of {x.type}", "takes float32, float64", "convert it")
        _of_some(self.name, x, attrs["axes"])
        return TensorType(x.dtype, without(x.shape, attrs["axes"]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """The softmax."""
        (x,) = node.operands
        axes = node.attr("axes")
        return (kept(out_grad, x, axes) * make(SOFTMAX, (x,), axes=axes),)

    def formula(self, node: Node) -> Node:
        """log sum exp."""
        (x,), axes = node.operands, node.attr("axes")
        return log(sum(exp(x), axes=axes))

    def expand(self, node: Node) -> Node:
        """The largest is taken out first; where it is infinite, 0 is."""
        (x,), axes = node.operands, node.attr("axes")
        top = finite(max(x, axes=axes))
        return top + log(sum(exp(x - kept(top, x, axes)), axes=axes))


def finite(top: Node) -> Node:
    """`top`, and 0 where it is not finite, so that inf - inf does not arise."""
    return where(isfinite(top), top, const(0, top.dtype))


class Softmax(Composite):
    """exp(x) / sum exp(x) over axes."""

    name = "softmax"
    source = "Blanchard, Higham, Higham 2021, doi:10.1093/imanum/draa038, eq. (1.3)"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operand's type."""
        (x,) = operands
        if not x.type.is_float:
            raise DTypeError(f"{self.name} of {x.type}", "takes float32, float64", "convert it")
        _of_some(self.name, x, attrs["axes"])
        return x.type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """p (g - sum(g p))."""
        (x,) = node.operands
        axes = node.attr("axes")
        return (node * (out_grad - kept(sum(out_grad * node, axes=axes), x, axes)),)

    def formula(self, node: Node) -> Node:
        """exp over its sum."""
        (x,), axes = node.operands, node.attr("axes")
        return exp(x) / kept(sum(exp(x), axes=axes), x, axes)

    def expand(self, node: Node) -> Node:
        """The largest is taken out first."""
        (x,), axes = node.operands, node.attr("axes")
        top = kept(max(x, axes=axes), x, axes)
        e = exp(x - top)
        return e / kept(sum(e, axes=axes), x, axes)


class LogSoftmax(Softmax):
    """x - logsumexp(x) over axes."""

    name = "log_softmax"

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """g - softmax(x) sum(g)."""
        (x,) = node.operands
        axes = node.attr("axes")
        return (
            out_grad - make(SOFTMAX, (x,), axes=axes) * kept(sum(out_grad, axes=axes), x, axes),
        )

    def formula(self, node: Node) -> Node:
        """log of the softmax."""
        (x,), axes = node.operands, node.attr("axes")
        return log(exp(x) / kept(sum(exp(x), axes=axes), x, axes))

    def expand(self, node: Node) -> Node:
        """The largest is taken out first, and never comes back in: it would cancel."""
        (x,), axes = node.operands, node.attr("axes")
        shifted = x - kept(max(x, axes=axes), x, axes)
        return shifted - kept(log(sum(exp(shifted), axes=axes)), x, axes)


SUM, PROD, MAX, MIN = (register(op) for op in (Sum(), Prod(), Max(), Min()))
ANY, ALL = register(Any_()), register(All_())
ARGMAX, ARGMIN, CUMULATIVE_SUM = (register(op) for op in (ArgMax(), ArgMin(), CumulativeSum()))
MEAN, NORM, LOGSUMEXP = register(Mean()), register(Norm()), register(LogSumExp())
SOFTMAX, LOG_SOFTMAX = register(Softmax()), register(LogSoftmax())


def sum(x: Node, axes: tuple[int, ...]) -> Node:
    """The sum of `x` over axes."""
    return make(SUM, (x,), axes=axes) if axes else x


def prod(x: Node, axes: tuple[int, ...]) -> Node:
    """The product of `x` over axes."""
    return make(PROD, (x,), axes=axes) if axes else x


def max(x: Node, axes: tuple[int, ...]) -> Node:
    """The largest of `x` over axes."""
    return make(MAX, (x,), axes=axes) if axes else x


def cumulative_sum(x: Node, axis: int) -> Node:
    """Running sums of `x`."""
    return make(CUMULATIVE_SUM, (x,), axis=axis)
