"""Regularizers, as formulas: costs of large parameters. Names and defaults are Keras 3's."""

from __future__ import annotations

from collections.abc import Mapping

from .formula import Regularizer, regularizer
from .functions.elementwise import abs, square
from .functions.reductions import sum
from .tensor import Tensor


@regularizer
def L1(w: Tensor, l1: float = 0.01) -> Tensor:
    """l1 sum |w|: many parameters become 0.

    Args:
        w: a parameter, of any shape.
        l1: how much.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr
        >>> cr.L1(0.001)
        L1(l1=0.001)

    Source:
        Tibshirani 1996, "Regression shrinkage and selection via the lasso", eq. (1).
    """
    return l1 * sum(abs(w))


@regularizer
def L2(w: Tensor, l2: float = 0.01) -> Tensor:
    """l2 sum w^2: parameters stay small.

    Args:
        w: a parameter, of any shape.
        l2: how much.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr
        >>> cr.L2(0.001)
        L2(l2=0.001)

    Source:
        Hoerl and Kennard 1970, "Ridge regression".
    """
    return l2 * sum(square(w))


@regularizer
def L1L2(w: Tensor, l1: float = 0.0, l2: float = 0.0) -> Tensor:
    """Both: l1 sum |w| + l2 sum w^2.

    Args:
        w: a parameter, of any shape.
        l1: how much of the first.
        l2: how much of the second.

    Returns:
        One number.

    Example:
        >>> import chainrule as cr
        >>> cr.L1L2(l1=0.001, l2=0.01)
        L1L2(l1=0.001, l2=0.01)

    Source:
        Zou and Hastie 2005, "Regularization and variable selection via the elastic net".
    """
    return l1 * sum(abs(w)) + l2 * sum(square(w))


REGULARIZERS: Mapping[str, Regularizer] = {"l1": L1, "l2": L2, "l1_l2": L1L2, "l1l2": L1L2} | {
    formula.name: formula for formula in (L1, L2, L1L2)
}
