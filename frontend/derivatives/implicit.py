"""Roots, fixed points and minima as tensors, with the derivatives that their equations give them.

Where x solves r(x, p) = 0, it changes with p by dx = -(dr/dx)^-1 (dr/dp) dp. So the gradient of a
solution is a linear equation at the solution, whatever found it: no step of the search is kept or
differentiated. The rule is written with the solution itself, so that it may be differentiated
again, any number of times.

Source: Griewank and Walther 2008, "Evaluating Derivatives", 2nd ed., chapter 15; Blondel et al.
2022, "Efficient and modular implicit differentiation", eq. (3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

from chainrule.compiler.errors import UsageError
from chainrule.compiler.ir import Node, leaf, make, substitute
from chainrule.compiler.ops.algebra import solve, turned
from chainrule.compiler.ops.custom import Declaration, custom
from chainrule.compiler.ops.gradient import GRADIENT
from chainrule.compiler.ops.scan import from_outside
from chainrule.compiler.ops.shape import reshape

from ..calls import LOOPS, Effects, Loop
from ..functions.nests import Nest
from ..functions.reductions import argmin as _position
from ..integers import integer
from ..tensor import Like, Tensor, public
from .solvers import anderson, damped, newton, rates, slopes
from .unknowns import Unknowns, unknowns

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
CLOSE = {"float32": 1e-6, "float64": 1e-13}  # of an iteration, whose last step gains little


@public
def root(
    f: Callable[[Nest], Nest],
    x0: Nest,
    *,
    tolerance: float | None = None,
    max_steps: int = 100,
    samples: int = 0,
) -> Nest:
    """The x near x0 with f(x) = 0, by Newton's method.

    A step that makes no residual smaller is halved. The derivative is that of the solution,
    dx = -(df/dx)^-1 df, for all tensors that f uses, of any order; x0 has none. It costs one linear
    equation, however many steps the search took.

    Args:
        f: a function of x that gives as many numbers. It may use tensors from outside.
        x0: where the search begins, a tensor of floats, or a nest of them: tuples, lists and
            dictionaries.
        tolerance: the search ends where no residual is larger, or a step changes no more than this
            part of x; by default 1e-10, and 1e-5 for float32. One step more is taken.
        max_steps: how many steps there may be.
        samples: how many first axes of x are those of samples, each with an equation of its own.

    Returns:
        The solution, in the form of x0.

    Raises:
        ShapeError: f gives another number of numbers.
        DTypeError: something is not of floats, or dtypes differ.
        ConvergenceError: when run, the search did not end in `max_steps`.
        MatrixError: when run, df/dx is singular where the search comes, or at the solution if there
            a derivative is asked for.

    Example:
        >>> import chainrule as cr
        >>> a = cr.tensor("a", (), "float64")
        >>> x = cr.root(lambda x: x**3 + x - a, 1.0)
        >>> slope = cr.grad(x, a)
        >>> f = cr.function([a], [x, slope, cr.grad(slope, a)], "numpy")
        >>> [round(float(value), 6) for value in f(2.0)]
        [1.0, 0.25, -0.09375]

    Source:
        Griewank and Walther 2008, "Evaluating Derivatives", 2nd edition, section 15.1.
    """
    given = unknowns("root", f, x0, samples, alike=False)
    within = _tolerance(given, tolerance, TOLERANCE)
    steps = integer("root", "max_steps", max_steps, 1)

    def residual(x: Node) -> Node:
        return given.image(x)

    def search(at: Callable[[Tensor], Tensor], start: Tensor) -> Node:
        return newton(at, start, within, steps)

    return _solution(given, residual, lambda x, r: r, search)


@public
def fixed_point(
    f: Callable[[Nest], Nest],
    x0: Nest,
    *,
    tolerance: float | None = None,
    max_steps: int = 1000,
    memory: int = 5,
    samples: int = 0,
) -> Nest:
    """The x with x = f(x) that iteration from x0 leads to.

    It is for functions that bring points nearer together; Newton's method needs nothing of f, and
    is `cr.root(lambda x: f(x) - x, x0)`. The derivative is that of the solution,
    dx = (1 - df/dx)^-1 df, for all tensors that f uses, of any order; x0 has none.

    Args:
        f: a function of x that gives the same form and shapes. It may use tensors from outside.
        x0: where the iteration begins, a tensor of floats, or a nest of them.
        tolerance: the iteration ends where f changes no element by more, relative to the largest
            element if that is above 1; by default 1e-13, and 1e-6 for float32.
        max_steps: how often f may be applied.
        memory: from how many of the last values the next is made (Anderson acceleration); 0 is
            plain iteration.
        samples: how many first axes of x are those of samples, each with an equation of its own.

    Returns:
        The solution, in the form of x0.

    Raises:
        ShapeError: f gives another form or other shapes.
        DTypeError: something is not of floats, or dtypes differ.
        ConvergenceError: when run, the iteration did not end in `max_steps`.
        MatrixError: when run, 1 - df/dx is singular at the solution, and a derivative is asked for.

    Example:
        >>> import chainrule as cr
        >>> a = cr.tensor("a", (), "float64")
        >>> x = cr.fixed_point(lambda x: (x + a / x) / 2, 1.0)
        >>> [round(float(value), 6) for value in cr.function([a], [x, cr.grad(x, a)], "numpy")(4.0)]
        [2.0, 0.25]

    Source:
        Walker and Ni 2011, "Anderson acceleration for fixed-point iterations"; Bai, Kolter and
        Koltun 2019, "Deep equilibrium models", Theorem 1, for the derivative.
    """
    given = unknowns("fixed_point", f, x0, samples, alike=True)
    within = _tolerance(given, tolerance, CLOSE)
    kept = integer("fixed_point", "memory", memory, 0)
    steps = integer("fixed_point", "max_steps", max_steps, 1)

    def search(at: Callable[[Tensor], Tensor], start: Tensor) -> Node:
        return anderson(at, start, within, steps, kept)

    return _solution(given, given.image, lambda x, value: value - x, search)


@overload
def argmin(x: Like, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor: ...
@overload
def argmin(
    f: Callable[[Nest], Tensor],
    x0: Nest,
    /,
    *,
    tolerance: float | None = None,
    max_steps: int = 100,
    samples: int = 0,
) -> Nest: ...
@public
def argmin(
    x: Any,
    x0: Nest = None,
    /,
    *,
    axis: int | None = None,
    keepdims: bool = False,
    tolerance: float | None = None,
    max_steps: int = 100,
    samples: int = 0,
) -> Nest:
    """Where a function is smallest: `argmin(f, x0)`; or an array, as the standard has it.

    `argmin(f, x0)` is the minimum of f near x0, by Newton's method on the Hessian plus a multiple
    of the identity, so that each step makes f smaller. The derivative is that of the solution,
    dx = -H^-1 d(df/dx), for all tensors that f uses, of any order; x0 has none. A minimum may
    itself be part of what is minimized. If df/dx is 0 at x0, that is taken as the minimum.

    `argmin(x, axis=)` is the position of the smallest element, the first if there are several.

    Args:
        x: f, a function that gives a number; or a tensor. f may use tensors from outside.
        x0: for a function: where the search begins, a tensor of floats, or a nest of them.
        axis: for a tensor: which axis; None: all, as if they were one.
        keepdims: for a tensor: whether the axis stays, with size 1.
        tolerance: the search ends where no element of df/dx is larger, or a step changes no more
            than this part of x; by default 1e-10, and 1e-5 for float32. One step more is taken.
        max_steps: how many steps there may be.
        samples: how many first axes of x0 are those of samples: f gives a number for each, which
            depends on the x of that sample alone.

    Returns:
        For a function, the solution in the form of x0; for a tensor, positions, int64.

    Raises:
        ShapeError: f gives more than a number; or there is no such axis.
        DTypeError: something is not of floats, or dtypes differ.
        ConvergenceError: when run, the search did not end in `max_steps`.
        MatrixError: when run, the Hessian is singular at the solution, and a derivative is asked
            for.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> a = cr.tensor("a", (2,), "float64")
        >>> x = cr.argmin(lambda x: cr.sum(cr.exp(x) - a * x), np.zeros(2))
        >>> cr.function([a], cr.jacobian(x, a), "numpy")([1.0, 2.0])
        array([[1. , 0. ],
               [0. , 0.5]])
        >>> np.asarray(cr.argmin(np.array([3.0, 1.0, 2.0])))
        array(1)

    Source:
        Blondel et al. 2022, "Efficient and modular implicit differentiation", section 2.1.
    """
    if isinstance(x, Tensor) or not callable(x):
        if x0 is not None:
            raise UsageError(
                "argmin of a tensor takes no x0",
                "where a search begins is for functions",
                "argmin(lambda x: ..., x0)",
            )
        return _position(x, axis=axis, keepdims=keepdims)
    if axis is not None or keepdims:
        raise UsageError(
            "argmin of a function takes no axis", "it is for tensors", "argmin(f, x0, samples=1)"
        )
    given = unknowns("argmin", x, x0, samples, alike=False)
    within = _tolerance(given, tolerance, TOLERANCE)
    steps = integer("argmin", "max_steps", max_steps, 1)

    def search(at: Callable[[Tensor], Tensor], start: Tensor) -> Node:
        return damped(at, start, within, steps)

    return _solution(given, given.number, lambda x, y: slopes(y, x, x).node, search)


def _solution(
    given: Unknowns,
    function: Callable[[Node], Node],
    equation: Callable[[Node, Node], Node],
    search: Callable[[Callable[[Tensor], Tensor], Tensor], Node],
) -> Nest:
    """The solution of an equation, as the search finds it, with the derivative that it gives.

    Args:
        given: what it is solved for.
        function: what the user wrote, for a vector of unknowns.
        equation: what is to be 0, for the vector and what the function gives for it.
        search: finds the solution, for the function and where to begin.
    """
    x = leaf("x", given.type, "placeholder")
    traced = function(x)
    # What does not depend on x is computed once, before the search.
    outside = from_outside([x], [traced])
    inside = [leaf("p", node.type, "placeholder") for node in outside]
    known = dict(zip(outside, inside, strict=True))
    back = dict(zip(inside, outside, strict=True))

    def at(point: Tensor) -> Tensor:
        return Tensor(substitute([function(point.node)], known)[0])

    (found,) = substitute([search(at, Tensor(given.begin()))], back)
    (own,) = substitute([traced], known)
    solution = custom(_declared(found, x, equation(x, own), back))
    LOOPS[solution] = Loop((traced,), Effects())
    return given.back(solution)


def _declared(value: Node, x: Node, residual: Node, outside: Mapping[Node, Node]) -> Declaration:
    """The derivatives of a solution: for p, -w dr/dp where w dr/dx is the incoming gradient.

    Args:
        value: the solution.
        x: the leaf that stands for it.
        residual: what is 0, in terms of x and of leaves that stand for what comes from outside.
        outside: what the leaves stand for.
    """
    u = leaf("cotangent", value.type, "placeholder")
    (whole,) = substitute([residual], outside)
    matrix = turned(rates(whole, x).node)
    weights = reshape(solve(matrix, reshape(u, shape=(*u.shape, 1))), shape=u.shape)
    moving = [p for p in outside if p.type.is_float]
    grads = []
    for p in moving:  # all others are what they stand for, and constant
        (alone,) = substitute([residual], {k: node for k, node in outside.items() if k is not p})
        grads.append(make(GRADIENT, (alone, p, -weights, outside[p])))
    return Declaration(value, x, u, tuple(outside[p] for p in moving), tuple(grads))


def _tolerance(given: Unknowns, tolerance: Any, usual: Mapping[str, float]) -> float:
    if tolerance is None:
        return usual[given.type.dtype]
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not tolerance > 0:
        raise UsageError(
            f"{given.name} with tolerance={tolerance!r}",
            "expected a number above 0",
            "such as 1e-8",
        )
    return float(tolerance)
