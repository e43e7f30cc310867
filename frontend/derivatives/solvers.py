"""Solvers as loops of the graph: roots, fixed points and minima, for one sample or for many.

Each works on a vector for each sample, and takes all samples along until the last is done. Nothing
is differentiated here: what a solution depends on, the equation says that it solves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from chainrule.compiler.ir import Node, const, leaf, make
from chainrule.compiler.jacobians import one_hots
from chainrule.compiler.ops.gradient import GRADIENT, gradient, jacobian
from chainrule.compiler.ops.scan import scan
from chainrule.compiler.ops.shape import broadcast_to, reshape, transpose

from ..functions.creation import arange, ones_like, zeros, zeros_like
from ..functions.elementwise import abs, isfinite, maximum, minimum, sqrt, where
from ..functions.linalg import solve
from ..functions.reductions import all as every, any as some, max as highest, sum as total
from ..functions.shaping import concat
from ..tensor import Tensor

Equation: TypeAlias = Callable[[Tensor], Tensor]
Carry: TypeAlias = dict[str, Tensor]

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
# Of the decrease that the slope promises, the part that a step must give; Nocedal and Wright 2006,
# eq. (3.4).
ARMIJO = 1e-4
DAMPING, LEAST = 1e-3, 1e-8  # of a minimum's first step, and when all goes well
FACTOR = 10.0  # by which the damping falls and rises
WORSE = 10.0  # by how much a residual may rise before the iteration begins anew


def loop(
    name: str, init: Carry, step: Callable[[Carry], Carry], max_steps: Any
) -> Mapping[str, Node]:
    """Repeat a step until all samples are done.

    After `max_steps` it is a fault that `name` did not converge.
    """
    inputs = {key: leaf(key, t.node.type, "placeholder") for key, t in init.items()}
    carry = {key: Tensor(x) for key, x in inputs.items()}
    new = step(carry)
    holds = some(~carry["done"])
    outputs = [broadcast_to(new[key].node, shape=x.shape) for key, x in inputs.items()]
    starts = [t.node for t in init.values()]
    made = scan([*inputs.values()], outputs, starts, [], max_steps, False, holds.node, name)
    return dict(zip(init, made, strict=False))


def newton(residual: Equation, x: Tensor, tolerance: float, max_steps: Any) -> Node:
    """The root near x, by Newton's method; a step that makes the residual no smaller is halved.

    Source: Dennis and Schnabel 1996, "Numerical Methods for Unconstrained Optimization and
    Nonlinear Equations", section 6.5.
    """

    def step(c: Carry) -> Carry:
        x, r, part, done = (c[key] for key in ("x", "residual", "part", "done"))
        size = largest(r)
        ended = done | (size == 0)
        change = -solved(rates(residual(x).node, x.node), r, ended)
        trial = x + part[..., None] * change
        new = residual(trial)
        better = largest(new) < size
        close = (size <= tolerance) | (largest(change) <= tolerance * largest(x))
        taken = (better & ~ended)[..., None]
        return {
            "x": where(taken, trial, x),
            "residual": where(taken, new, r),
            "part": where(better, minimum(2 * part, 1.0), part / 2),
            "done": ended | close,
        }

    first = residual(x)
    part = ones_like(x[..., 0])
    init = {"x": x, "residual": first, "part": part, "done": part < 0}
    return loop("root", init, step, max_steps)["x"]


def anderson(function: Equation, x: Tensor, tolerance: float, max_steps: Any, memory: int) -> Node:
    """The fixed point near x, by iteration; with a memory, from the last values together.

    The next value is the mean of the last ones with the weights, of sum 1, for which the mean of
    their residuals is smallest. Where that leads away, the iteration goes on from the best.

    Source: Walker and Ni 2011, "Anderson acceleration for fixed-point iterations", eq. (2.1).
    """
    slots = max(memory, 1)

    def step(c: Carry) -> Carry:
        x, best, least, done = (c[key] for key in ("x", "best", "least", "done"))
        value = function(x)
        size = largest(value - x)
        lost = ~(size <= WORSE * least)
        values = concat([c["values"][..., 1:, :], value[..., None, :]], axis=-2)
        residuals = concat([c["residuals"][..., 1:, :], (value - x)[..., None, :]], axis=-2)
        count = where(lost, 0.0, minimum(c["count"] + 1, float(slots)))
        best = where((size < least)[..., None], value, best)
        mixed = value if slots == 1 else _mixed(values, residuals, count)
        fine = every(isfinite(mixed), axis=-1) & (count > 0)
        onward = where(lost[..., None], best, where(fine[..., None], mixed, value))
        close = size <= tolerance * maximum(largest(value), 1.0)
        following = where(close[..., None], value, onward)
        return {
            "x": where(done[..., None], x, following),
            "values": values,
            "residuals": residuals,
            "count": count,
            "best": best,
            "least": where(size < least, size, least),
            "done": done | close,
        }

    none = zeros_like(x[..., 0])
    room = zeros((*x.shape[:-1], slots, x.shape[-1]), dtype=x.dtype)
    init = {"x": x, "values": room, "residuals": room, "count": none, "best": x}
    init |= {"least": none + float("inf"), "done": none > 0}
    return loop("fixed_point", init, step, max_steps)["x"]


def _mixed(values: Tensor, residuals: Tensor, count: Tensor) -> Tensor:
    """The mean of the last `count` values for which that of their residuals is smallest."""
    slots, dtype = residuals.shape[-2], residuals.dtype
    known = arange(slots, dtype=dtype) >= slots - count[..., None]
    used = where(known[..., None], residuals, 0.0)
    size = total(used * used, axis=(-2, -1))[..., None, None]
    products = where(size > 0, used @ used.mT / where(size > 0, size, 1.0), 0.0)
    # What is not known is left out; what depends on others is kept apart.
    apart = where(known, 10 * EPSILON[dtype], 1.0)[..., None] * Tensor(one_hots((slots,), dtype))
    weights = solve(products + apart, where(known, 1.0, 0.0).astype(dtype)[..., None])
    return total(weights / total(weights, axis=-2, keepdims=True) * values, axis=-2)


def damped(objective: Equation, x: Tensor, tolerance: float, max_steps: Any) -> Node:
    """The minimum near x, by Newton's method on the Hessian plus a multiple of the identity.

    The multiple is proportional to the length of the gradient, so that it vanishes at a minimum,
    and rises until the step makes the objective smaller. Where that is as small as can be told, the
    gradient decides.

    Source: Li, Fukushima, Qi and Yamashita 2004, "Regularized Newton methods for convex
    minimization problems with singular solutions", Algorithm 1; Hager and Zhang 2005, "A new
    conjugate gradient method with guaranteed descent", eq. (2.4), for the last sentence.
    """

    def slope_at(point: Tensor) -> Tensor:
        variable = leaf("x", point.node.type, "placeholder")
        return slopes(objective(Tensor(variable)).node, variable, point.node)

    def step(c: Carry) -> Carry:
        x, now, slope, damping, done = (
            c[key] for key in ("x", "objective", "slope", "damping", "done")
        )
        length = sqrt(total(slope * slope, axis=-1))
        ended = done | (length == 0)
        added = damping * length
        identity = Tensor(one_hots(x.node.shape[-1:], x.dtype))
        curvature = rates(slope_at(x).node, x.node)
        change = -solved(curvature + added[..., None, None] * identity, slope, ended)
        trial = x + change
        new = objective(trial)
        there = slope_at(trial)
        promised = total(slope * change, axis=-1)
        lower = (promised < 0) & (new <= now + ARMIJO * promised)
        level = abs(new - now) <= 10 * EPSILON[x.dtype] * abs(now)
        better = lower | (level & (largest(there) < largest(slope)))
        near = largest(change) <= tolerance * largest(x)
        whole = added * sqrt(total(change * change, axis=-1)) <= length / 2
        taken = better & ~ended
        less = maximum(damping / FACTOR, LEAST)
        return {
            "x": where(taken[..., None], trial, x),
            "objective": where(taken, new, now),
            "slope": where(taken[..., None], there, slope),
            "damping": where(better, less, maximum(damping, DAMPING) * FACTOR),
            "done": ended | (largest(slope) <= tolerance) | (near & whole),
        }

    now = objective(x)
    damping = zeros_like(now) + DAMPING
    init = {"x": x, "objective": now, "slope": slope_at(x), "damping": damping}
    return loop("argmin", init | {"done": damping < 0}, step, max_steps)["x"]


def largest(x: Tensor) -> Tensor:
    """The largest absolute value of each sample."""
    return highest(abs(x), axis=-1)


def slopes(y: Node, x: Node, value: Node) -> Tensor:
    """The gradient of each sample's number `y` for the leaf `x`, where that is `value`."""
    one = broadcast_to(const(1, y.dtype), shape=y.shape)
    return Tensor(make(GRADIENT, (y, x, one, value)))


def rates(y: Node, x: Node) -> Tensor:
    """A Jacobian for each sample, on which alone its y depends."""
    front, n = y.shape[:-1], y.shape[-1]
    if not front:
        return Tensor(jacobian(y, x))
    hots = reshape(one_hots((n,), y.dtype), shape=(n, *(1,) * len(front), n))
    rows = gradient(y, x, broadcast_to(hots, shape=(n, *front, n)))
    k = len(front)
    return Tensor(transpose(rows, axes=(*range(1, k + 1), 0, k + 1)))


def solved(a: Tensor, b: Tensor, ended: Tensor) -> Tensor:
    """The x of a x = b for each sample; of those that have ended nothing is asked."""
    identity = Tensor(one_hots(a.node.shape[-1:], a.dtype))
    return solve(where(ended[..., None, None], identity, a), b[..., None])[..., 0]
