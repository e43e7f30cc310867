"""Taylor coefficients as a tensor, which may be differentiated again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, overload

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import leaf
from chainrule.compiler.ops.gradient import series, taylor as coefficients

from ..functions.creation import ones_like
from ..integers import integer
from ..tensor import Like, Tensor, as_tensor, public
from .gradients import floats, matching, tensors

Formula: TypeAlias = Callable[[Tensor], Like]


@overload
def taylor(y: Formula, x: int, /) -> Callable[..., Tensor]: ...
@overload
def taylor(y: Formula, *, order: int) -> Callable[..., Tensor]: ...
@overload
def taylor(y: Tensor, x: Tensor, order: int, direction: Like | None = None) -> Tensor: ...
@public
def taylor(y: Any, x: Any = None, order: Any = None, direction: Like | None = None) -> Any:
    """The Taylor coefficients c[k] of y at x: y(x + h d) = sum over k of c[k] h^k.

    `taylor(y, x, order)` is for tensors, as `cr.grad(y, x)`; `taylor(f, order)` for a function: it
    gives a function of x, and of d if wanted, `taylor(f, order)(x, direction=None)`.

    For a function of one number, c[k] is its kth derivative divided by k!. For an elementwise
    function of a tensor the coefficients are those of each element, since d is 1 everywhere unless
    it is given. They are found by recurrences between series, one for each operation, so that the
    work grows with the square of the order, where gradients of gradients grow exponentially. What
    has a declared derivative (`custom_gradient`, `root`, `fixed_point`, `argmin`) has none of them:
    there the work grows exponentially too, and orders above 2 can take minutes.

    Args:
        y: a float tensor; or a function of a tensor that gives one. What else the function uses is
            constant along d, even where it depends on x.
        x: a float tensor that y depends on; left out for a function.
        order: the highest k, from 0.
        direction: d, of the type of x; by default ones.

    Returns:
        A tensor of shape `(order + 1, *y.shape)`; for a function, a function that gives it.

    Raises:
        UsageError: the order is not an integer from 0.
        ShapeError: the direction has another shape than x.
        DTypeError: a tensor is not of floats.

    Example:
        >>> import chainrule as cr
        >>> x = cr.tensor("x", (), "float64")
        >>> cr.function([x], cr.taylor(1 / (1 - x), x, 4), "numpy")(0.5)
        array([ 2.,  4.,  8., 16., 32.])
        >>> c = cr.taylor(lambda x: 1 / (1 - x), 4)
        >>> cr.function([x], c(x), "numpy")(0.5)
        array([ 2.,  4.,  8., 16., 32.])

    Source:
        Griewank and Walther 2008, "Evaluating Derivatives", 2nd edition, section 13.2.
    """
    if callable(y) and not isinstance(y, Tensor):
        if (x is None) == (order is None) or direction is not None:
            raise UsageError(
                "taylor of a function takes an order and nothing else",
                "the point comes later: taylor(f, order)(x, direction)",
                "taylor(f, 4)(x), or for tensors taylor(y, x, 4)",
            )
        return _of_function(y, integer("taylor", "order", x if order is None else order, 0))
    (x,), (result,) = tensors("x", x), tensors("y", y)
    floats("taylor", [result, x])
    highest = integer("taylor", "order", order, 0)
    (d,) = matching("taylor", "direction", [x], x, ones_like(x) if direction is None else direction)
    return Tensor(coefficients(result.node, x.node, d, highest))


def _of_function(function: Formula, order: int) -> Callable[..., Tensor]:
    """The coefficients as a function of the point and the direction."""

    @public
    def at(x: Like, direction: Like | None = None) -> Tensor:
        point = as_tensor(x)
        floats("taylor", [point])
        variable = leaf("x", point.node.type, "placeholder")
        result = as_tensor(function(Tensor(variable)), Tensor(variable))
        floats("taylor", [result])
        along = ones_like(point) if direction is None else direction
        (d,) = matching("taylor", "direction", [point], point, along)
        return Tensor(series(result.node, variable, d, point.node, order))

    return at
