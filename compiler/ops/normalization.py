"""Variance, and normalization by it: values less their mean, over their standard deviation."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from ..ir import Node, make, register
from ..types import TensorType
from .arithmetic import sqrt, square
from .base import Composite
from .reduce import MEAN, count, kept, without


def _float(name: str, x: Node) -> None:
    if not x.type.is_float:
        raise DTypeError(f"{name} of {x.type}", "takes float32, float64", "convert with astype")


class Variance(Composite):
    """The mean of squared distances from the mean, over axes. attrs: axes."""

    name = "variance"
    source = "Chan, Golub, LeVeque 1983, doi:10.1080/00031305.1983.10483115, eq. (1.1): two passes"

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The other axes."""
        (x,) = operands
        _float(self.name, x)
        return TensorType(x.dtype, without(x.shape, attrs["axes"]))

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """2/n times the distance from the mean: that the mean moves too cancels out."""
        (x,), axes = node.operands, node.attr("axes")
        return (kept(out_grad * 2 / count(x, axes), x, axes) * centered(x, axes),)

    def expand(self, node: Node) -> Node:
        """Centered first: E[x^2] - E[x]^2 cancels where the mean is large."""
        (x,), axes = node.operands, node.attr("axes")
        return mean(square(centered(x, axes)), axes)


class Normalize(Composite):
    """x less its mean over its standard deviation, or x over its root mean square.

    attrs: axes, epsilon (added to the variance), centered (whether the mean is taken off).
    """

    name = "normalize"
    source = (
        "Ba, Kiros, Hinton 2016, 'Layer normalization', eq. (4); "
        "Zhang, Sennrich 2019, 'Root mean square layer normalization', eq. (4)"
    )

    def infer(self, operands: tuple[Node, ...], **attrs: Any) -> TensorType:
        """The operand's type."""
        (x,) = operands
        _float(self.name, x)
        return x.type

    def vjp(self, node: Node, out_grad: Node) -> tuple[Node | None, ...]:
        """(g - mean(g) - n mean(g n)) / deviation, n the result; no mean(g) if not centered."""
        (x,), axes = node.operands, node.attr("axes")
        along = node * kept(mean(out_grad * node, axes), x, axes)
        rest = out_grad
        if node.attr("centered"):
            rest = out_grad - kept(mean(out_grad, axes), x, axes)
        return ((rest - along) / deviation(node),)

    def expand(self, node: Node) -> Node:
        """Over the deviation."""
        (x,) = node.operands
        above = centered(x, node.attr("axes")) if node.attr("centered") else x
        return above / deviation(node)


VARIANCE, NORMALIZE = Variance(), Normalize()
register(VARIANCE)
register(NORMALIZE)


def mean(x: Node, axes: tuple[int, ...]) -> Node:
    """The mean over axes."""
    return make(MEAN, (x,), axes=axes)


def centered(x: Node, axes: tuple[int, ...]) -> Node:
    """`x` less its mean."""
    return x - kept(mean(x, axes), x, axes)


def variance(x: Node, axes: tuple[int, ...]) -> Node:
    """The mean of squared distances from the mean."""
    return make(VARIANCE, (x,), axes=axes)


def normalize(x: Node, axes: tuple[int, ...], epsilon: float, centered: bool = True) -> Node:
    """`x` with mean 0 and variance 1 over axes, but for epsilon."""
    return make(NORMALIZE, (x,), axes=axes, epsilon=float(epsilon), centered=centered)


def deviation(node: Node) -> Node:
    """What a normalize node divides by, with its axes as size 1."""
    (x,), axes = node.operands, node.attr("axes")
    power = variance(x, axes) if node.attr("centered") else mean(square(x), axes)
    return kept(sqrt(power + node.attr("epsilon")), x, axes)
