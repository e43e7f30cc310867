"""How to draw operands for functions with a structure of their own: a line a function.

Windows and convolutions, attention, positions, order, random numbers, declared derivatives,
derivatives inside of formulas, activations and losses.
"""

from __future__ import annotations

from typing import Any

import chainrule as cr
from chainrule.compiler.ir import OPS, make
from chainrule.compiler.ops.normalization import normalize
from chainrule.compiler.ops.phase import phase
from chainrule.compiler.types import Dim, Shape, add

from .growth import BATCH, ODD, Growth, Line, N

LONG = add(ODD, 3)  # as long as any window


def space(g: Growth, rank: int, channels: int) -> cr.Tensor:
    """A batch of signals, images or volumes."""
    dims: list[Dim] = [g.some((4, 5, LONG) if rank == 1 else (3, 4)) for _ in range(rank)]
    return g.real((g.some((1, 2, BATCH)), *dims, channels))


def geometry(g: Growth, rank: int) -> dict[str, Any]:
    """Strides, padding, dilation."""
    strides, dilation = g.some(((1, 1), (2, 1), (1, 2), (1, 1)))
    return {
        "strides": strides,
        "dilation": dilation,
        "padding": g.some(("valid", "same", 1, ((1, 0),) * rank)),
    }


def convolved(g: Growth) -> Any:
    rank, groups = g.some((1, 1, 2, 2, 3)), g.some((1, 1, 2))
    x = space(g, rank, 2)
    w = g.real((*(g.some((1, 2)) for _ in range(rank)), 2 // groups, 2 * g.some((1, 2))))
    return cr.conv(x, w, groups=groups, **geometry(g, rank))


def transposed(g: Growth) -> Any:
    rank, groups = g.some((1, 1, 2, 3)), g.some((1, 1, 2))
    y = g.real((g.some((1, 2, BATCH)), *(g.some((2, 3)) for _ in range(rank)), 2))
    w = g.real((*(g.some((1, 2, 3)) for _ in range(rank)), g.some((1, 2)), 2))
    return cr.conv_transpose(y, w, groups=groups, **geometry(g, rank))


def pooled(function: Any) -> Line:
    def line(g: Growth) -> Any:
        x = space(g, g.some((1, 2)), g.some((1, 2)))
        padding = g.some(("valid", "same", 1))
        return function(x, g.some((2, 3)), strides=g.some((None, 1, 2)), padding=padding)

    return line


def slid(g: Growth) -> Any:
    rank = g.some((1, 2))
    x = g.real((g.some((1, BATCH)), *(g.some((3, 4, LONG)) for _ in range(rank))))
    size = tuple(g.some((1, 2, 3)) for _ in range(rank))
    return cr.windows(x, size, axis=1, strides=g.some((1, 2)), dilation=g.some((1, 1, 2)))


def attended(g: Growth) -> Any:
    lead: Shape = g.some(((), (BATCH,), (2,)))
    rows, columns = g.some((2, N, 3)), g.some((2, N, 3))
    q, k = g.real((*lead, rows, 2)), g.real((*lead, columns, 2))
    mask = g.some((None, None, g.truth((rows, columns)), g.real((rows, columns))))
    return cr.scaled_dot_product_attention(
        q, k, g.real((*lead, columns, g.some((1, 2)))), mask, is_causal=g.chance(0.3)
    )


# Positions and order


def taken(g: Growth) -> Any:
    x = g.real(least=1, most=3)
    axis = g.choose.randrange(x.ndim)
    size = x.shape[axis]
    if isinstance(size, int) and size > 0 and g.chance(0.3):
        return cr.take(x, g.known_positions(size), axis=axis)
    return cr.take(x, g.positions(size), axis=axis)


def taken_along(g: Growth) -> Any:
    x = g.real(least=1, most=3)
    axis = g.choose.randrange(x.ndim)
    shape = tuple(g.some((2, N)) if i == axis else g.some((1, d)) for i, d in enumerate(x.shape))
    return cr.take_along_axis(x, g.positions(x.shape[axis], shape), axis=axis)


def gathered(g: Growth) -> Any:
    """x[i, j], x[:, i], x[i, :, j], x[mask]."""
    x = g.real(least=2, most=3)
    shape = g.some(((), (3,), (N,), (2, 1)))
    axes = g.choose.sample(range(x.ndim), g.choose.randint(1, min(x.ndim, 2)))
    key = tuple(
        g.positions(d, shape) if axis in axes else slice(None) for axis, d in enumerate(x.shape)
    )
    return x[key]


def scattered(g: Growth) -> Any:
    x = g.real(least=1, most=3)
    count, shape = g.choose.randint(1, min(x.ndim, 2)), g.some(((3,), (N,), (2, 1), (BATCH,)))
    at = tuple(g.positions(d, shape) for d in x.shape[:count])
    return cr.scatter_add(
        x, at if g.chance(0.5) or count > 1 else at[0], g.real((*shape, *x.shape[count:]))
    )


def segments(g: Growth) -> Any:
    x = g.real(least=1, most=3)
    number = g.some((2, 3, N))
    places = cr.remainder(g.integer((x.shape[0],)).astype("int64"), g.size(number))
    return cr.segment_sum(x, places, number)


def hot(g: Growth) -> Any:
    number = g.some((2, 3))
    return cr.one_hot(g.positions(number), number, dtype=g.dtype)


def ordered(function: Any) -> Line:
    return lambda g: function(
        x := g.real(least=1) if g.chance(0.8) else g.integer(g.shape(1)),
        axis=g.axis(x),
        descending=g.chance(0.4),
    )


def largest(g: Growth) -> Any:
    x = g.real(least=1)
    axis = g.choose.randrange(x.ndim)
    size = x.shape[axis]
    return cr.top_k(
        x, g.choose.randint(1, size) if isinstance(size, int) and size else 1, axis=axis
    )


def ascending(g: Growth) -> cr.Tensor:
    """A vector that rises."""
    x = g.real(g.some(((3,), (N,), (ODD,))))
    return cr.cumulative_sum(cr.exp(g.within(x, -2.0, 1.0)), axis=0) - 1.5


def searched(g: Growth) -> Any:
    return cr.searchsorted(ascending(g), g.real(), side=g.some(("left", "right")))


def interpolated(g: Growth) -> Any:
    points = ascending(g)
    ends = g.some((None, 0.5)), g.some((None, -1.0))
    return cr.interp(g.real(), points, g.real(points.shape), left=ends[0], right=ends[1])


# Derivatives inside of formulas, and declared ones


@cr.custom_gradient(vjp=lambda g, y, x: g * y * (1 - y), jvp=lambda t, y, x: t * y * (1 - y))
def logistic(x: Any) -> Any:
    return 1 / (1 + cr.exp(-x))


@cr.custom_gradient(vjp=lambda g, y, x, w: (g * w * cr.cos(x * w), g * x * cr.cos(x * w)))
def wave(x: Any, w: Any) -> Any:
    return cr.sin(x * w)


def tame(x: cr.Tensor) -> cr.Tensor:
    """A number that depends on all of `x`, with derivatives of every order."""
    return cr.sum(cr.sin(x) * x) if x.ndim else cr.sin(x) * x


def inside(g: Growth) -> tuple[cr.Tensor, cr.Tensor]:
    """A number, and a tensor that it depends on, small enough for a Jacobian."""
    x = g.real(g.some(((), (2,), (N,), (2, N))))
    return tame(cr.tanh(x * g.real(())) + 0.5 * x), x


def lied(g: Growth, made: Any) -> Any:
    """Say that gradients are not slopes from here on."""
    g.declared = True
    return made


def straight(g: Growth) -> Any:
    x = g.real()
    return lied(g, cr.straight_through(cr.round(x), x))


def expanded(g: Growth) -> Any:
    y, x = inside(g)
    return cr.taylor(y, x, g.some((1, 2, 3)), direction=g.real(x.shape))


def several(function: Any) -> Line:
    """A line of a derivative along directions."""

    def line(g: Growth) -> Any:
        y, x = inside(g)
        return function(y, x, g.real(x.shape))

    return line


def expanded_function(g: Growth) -> Any:
    x, weight = g.real(g.some(((), (2,)))), g.real(())
    series = cr.taylor(lambda t: cr.sin(t * weight) * t, g.some((1, 2)))
    return series(x)


def colored(g: Growth) -> Any:
    """A Jacobian of which only the entries are computed that may differ from 0."""
    x = g.real((g.some((3, 4)),))
    y = cr.sin(x) * g.real(()) + g.some((cr.flip(x), x[:1], x))
    found = cr.jacobian(y, x, sparse=True) if g.chance(0.5) else None
    return (found or cr.hessian(cr.sum(y * x * x), x, sparse=True)).data


def curved(g: Growth) -> Any:
    y, x = inside(g)
    z = cr.tanh(x * 0.7)
    return cr.gauss_newton_vp(cr.sum(cr.square(z)) + 0 * y, z, x, g.real(x.shape))


def mapped(function: Any) -> Line:
    """A line of a derivative of something that has axes."""

    def line(g: Growth) -> Any:
        x = g.real(g.some(((2,), (N,))))
        return function(g, cr.sin(x) * g.real(()), x)

    return line


# Random numbers and phases


def drawing(name: str, **attrs: Any) -> Line:
    """Numbers of a seed and a step."""

    def line(g: Growth) -> Any:
        seed, step = (g.fresh((), "int64").node for _ in range(2))
        shape = g.shape()
        more = {"shape": shape, "dtype": g.dtype, "stream": g.choose.randrange(3), **attrs}
        return cr.Tensor(make(OPS[name], (seed, step), **more))

    return line


def dropped(g: Growth) -> Any:
    x, (seed, step) = g.real(), (g.fresh((), "int64").node for _ in range(2))
    return cr.Tensor(make(OPS["dropout"], (x.node, seed, step), rate=g.some((0.0, 0.4)), stream=1))


def normalized(g: Growth) -> Any:
    x = g.real(least=1)
    axes = tuple(sorted(g.choose.sample(range(x.ndim), g.choose.randint(1, x.ndim))))
    return cr.Tensor(normalize(x.node, axes, epsilon=0.05, centered=g.chance(0.6)))


def phased(g: Growth) -> Any:
    x = g.real()
    return cr.Tensor(phase((x * 0.5).node, g.real(x.shape).node))


# Formulas


def activated(name: str) -> Line:
    formula = getattr(cr.activations, name)
    return lambda g: formula(g.real(least=1) * g.some((1.0, 1.5)))


def probabilities(x: cr.Tensor) -> cr.Tensor:
    return cr.softmax(x, axis=-1)


def lost(name: str) -> Line:
    """A loss: targets of the kind that it takes."""
    formula = getattr(cr.losses, name, None) or getattr(cr.metrics, name)

    def line(g: Growth) -> Any:
        p = g.real(least=1, most=3)
        logits = name.endswith("from_logits")
        if name.startswith("sparse"):
            t = g.positions(p.shape[-1], p.shape[:-1])
            size = g.size(p.shape[-1])
            return formula(cr.where(t < 0, t + size, t), p if logits else probabilities(p))
        t = g.real(p.shape)
        if "crossentropy" in name or name in ("kl_divergence", "poisson"):
            t = probabilities(t)
            if not logits:
                p = probabilities(p) if "cat" in name else g.within(p, 0.1, 0.9)
        return formula(t, p)

    return line


ACTIVATIONS = (
    "elu gelu hard_sigmoid leaky_relu linear mish selu silu softsign relu softmax tanh sigmoid "
    "softplus log_softmax"
).split()
LOSSES = (
    "binary_crossentropy binary_crossentropy_from_logits categorical_crossentropy "
    "categorical_crossentropy_from_logits hinge huber kl_divergence log_cosh mean_absolute_error "
    "mean_squared_error poisson sparse_categorical_crossentropy "
    "sparse_categorical_crossentropy_from_logits accuracy root_mean_squared_error"
).split()
LINES: dict[str, Line] = {
    "conv": convolved,
    "conv_transpose": transposed,
    "max_pool": pooled(cr.max_pool),
    "average_pool": pooled(cr.average_pool),
    "windows": slid,
    "scaled_dot_product_attention": attended,
    "take": taken,
    "take_along_axis": taken_along,
    "getitem.arrays": gathered,
    "scatter_add": scattered,
    "segment_sum": segments,
    "one_hot": hot,
    "sort": ordered(cr.sort),
    "argsort": ordered(cr.argsort),
    "top_k": largest,
    "searchsorted": searched,
    "interp": interpolated,
    "custom_gradient": lambda g: logistic(g.real()),
    "custom_gradient.two": lambda g: wave(x := g.real(), g.real(x.shape)),
    "straight_through": straight,
    "stop_gradient": lambda g: lied(g, cr.stop_gradient(g.real())),
    "grad": lambda g: cr.grad(*inside(g)),
    "vjp": mapped(lambda g, y, x: cr.vjp(y, x, g.real(y.shape))),
    "jvp": mapped(lambda g, y, x: cr.jvp(y, x, g.real(x.shape))),
    "jacobian": mapped(lambda g, y, x: cr.jacobian(y, x)),
    "hvp": several(cr.hvp),
    "hessian": lambda g: cr.hessian(*inside(g)),
    "hessian_diagonal": lambda g: cr.hessian_diagonal(*inside(g)),
    "laplacian": lambda g: cr.laplacian(*inside(g)),
    "gauss_newton_vp": curved,
    "taylor": expanded,
    "taylor.function": expanded_function,
    "jacobian.sparse": colored,
    "random.normal": lambda g: cr.random.normal(
        g.shape(), 0.5, 0.7, dtype=g.dtype, seed=g.fresh((), "int64")
    ),
    "random.uniform": lambda g: cr.random.uniform(
        g.shape(), -1.0, 2.0, dtype=g.dtype, seed=g.fresh((), "int64")
    ),
    "op.uniform": drawing("uniform"),
    "op.normal": drawing("normal"),
    "op.dropout": dropped,
    "op.phase": phased,
    "op.normalize": normalized,
    **{f"activations.{name}": activated(name) for name in ACTIVATIONS},
    **{f"losses.{name}": lost(name) for name in LOSSES},
}
