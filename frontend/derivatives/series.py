"""Taylor coefficients as a tensor, which may be differentiated again."""

from __future__ import annotations

import operator
from collections.abc import Callable

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ops.gradient import taylor as coefficients

from ..functions.creation import ones_like
from ..tensor import Like, Tensor, public
from .gradients import floats, matching, tensors


@public
def taylor(
    y: Tensor | Callable[[Tensor], Tensor], x: Tensor, order: int, direction: Like | None = None
) -> Tensor:
    """The Taylor coefficients c[k] of y at x: y(x + h d) = sum over k of c[k] h^k.

    For a function of one number, c[k] is its kth derivative divided by k!. For an elementwise
    function of a tensor the coefficients are those of each element, since d is 1 everywhere unless
    it is given. They are found by recurrences between series, one for each operation, so that the
    work grows with the square of the order, where gradients of gradients grow exponentially.

    Args:
        y: a float tensor, or a function that gives it for x.
        x: a float tensor that y depends on.
        order: the highest k, from 0.
        direction: d, of the type of x; by default ones.

    Returns:
        A tensor of shape `(order + 1, *y.shape)`.

    Raises:
        UsageError: the order is not an integer from 0.
        ShapeError: the direction has another shape than x.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (), "float64")
        >>> cr.function([x], cr.taylor(1 / (1 - x), x, 4), "numpy")(0.5)
        array([ 2.,  4.,  8., 16., 32.])

    Source:
        Griewank and Walther 2008, "Evaluating Derivatives", 2nd edition, section 13.2.
    """
    (x,) = tensors("x", x)
    (result,) = tensors("y", y if isinstance(y, Tensor) or not callable(y) else y(x))
    floats("taylor", [result, x])
    try:
        highest = operator.index(order)
    except TypeError:
        highest = -1
    if highest < 0:
        raise UsageError(
            f"taylor of order {order!r}", "expected an integer from 0", "2 gives c[0], c[1], c[2]"
        )
    along = ones_like(x) if direction is None else direction
    (d,) = matching("taylor", "direction", [x], x, along)
    return Tensor(coefficients(result.node, x.node, d, highest))
