"""How to draw operands for each function of tensors: a line a function."""

from __future__ import annotations

from typing import Any

import chainrule as cr
from chainrule.compiler.ir import OPS, make
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.special import zeta
from chainrule.compiler.types import Dim, product
from chainrule.frontend.functions import elementwise as elements

from .growth import BATCH, Growth, Line, N

RADIUS = 3.0  # of what operands are drawn from, where the domain is larger


def elementwise(row: Scalar) -> Line:
    """The line of a row: operands of its domain."""
    function = getattr(elements, row.name, None)

    def line(g: Growth) -> Any:
        if row.kind == "logic":
            x = g.truth()
        elif row.kind == "compare":
            x = g.whatever()
        elif row.kind == "number":
            x = g.number()
        else:
            x = g.real()
        xs = [x, *(g.partner(x) for _ in range(row.arity - 1))]
        if row.kind in ("float", "number"):
            xs = [placed(g, x, *bounds) for x, bounds in zip(xs, row.domain, strict=False)]
        if function is not None:
            return function(*xs)
        return cr.Tensor(make(row, tuple(x.node for x in xs)))

    return line


def placed(g: Growth, x: cr.Tensor, low: float, high: float) -> cr.Tensor:
    """`x`, or something of it, between the bounds of a domain that are near 0."""
    low, high = max(low, -RADIUS), min(high, max(low, -RADIUS) + 2 * RADIUS)
    if x.node.type.is_float:
        return g.within(x, low, high)
    return x if low <= -RADIUS else cr.abs(x) % 3 + 1


def like(g: Growth, x: cr.Tensor) -> cr.Tensor:
    """A tensor of the type of `x`."""
    return g.real(x.shape) if x.node.type.is_float else g.integer(x.shape).astype(x.dtype)


def condition(g: Growth) -> Any:
    """x where something of x, or of something else, is large; elsewhere another."""
    x = g.real()
    other: Any = g.partner(x) if g.chance(0.7) else g.some((0.0, 1, -2.0))
    by = g.partner(x) if g.chance(0.5) else x
    where = g.truth(x.shape) if g.chance(0.4) else by > g.some((-0.3, 0.0, 0.4))
    return cr.where(where, x, other) if g.chance(0.5) else cr.where(where, other, x)


def reduced(function: Any, **more: Any) -> Line:
    """A line that reduces over axes."""
    return lambda g: function(x := g.real(least=0), axis=g.axes(x), keepdims=g.chance(0.3), **more)


def running(function: Any) -> Line:
    """A line that goes along an axis."""
    return lambda g: function(x := g.real(least=1), axis=g.axis(x))


def counted(function: Any) -> Line:
    """A line whose sums and products may be of integers and of another dtype."""

    def line(g: Growth) -> Any:
        x = g.real(least=1) if g.chance(0.7) else g.integer()
        dtype = None if g.chance(0.8) else "float64"
        return function(x, axis=g.axes(x), dtype=dtype, keepdims=g.chance(0.3))

    return line


def chained(function: Any) -> Line:
    """A line of running sums or products, perhaps with what they begin with."""
    return lambda g: function(x := g.real(least=1), axis=g.axis(x), include_initial=g.chance(0.3))


def factors(g: Growth) -> tuple[cr.Tensor, cr.Tensor]:
    """Two operands of a matrix product."""
    x = g.real(least=1, most=3)
    columns: Dim = g.some((N, 2, BATCH, 1))
    shapes = [(x.shape[-1],), (x.shape[-1], columns), (*x.shape[:-2], x.shape[-1], columns)]
    return x, g.real(g.some(shapes))


def shared(g: Growth) -> Any:
    """A product of two or three tensors in Einstein's notation, letters drawn."""
    dims = dict(zip("abcd", (g.some((BATCH, N, 2, 1, 3)) for _ in range(4)), strict=True))
    terms = [
        "".join(g.choose.sample("abcd", g.choose.randint(1, 3)))
        for _ in range(g.some((1, 2, 2, 3)))
    ]
    if g.chance(0.2):
        terms[0] += terms[0][0]  # a diagonal
    xs = [g.real(tuple(dims[letter] for letter in term)) for term in terms]
    letters = sorted(set("".join(terms)))
    out = "".join(g.choose.sample(letters, g.choose.randint(0, min(3, len(letters)))))
    return cr.einsum(f"{','.join(terms)}->{out}", *xs)


def over_axes(g: Growth) -> Any:
    """A sum over one axis of each, or over the last and the first ones."""
    x = g.real(least=1, most=3)
    axis = g.choose.randrange(x.ndim)
    if g.chance(0.5):
        y = g.real((x.shape[-1], g.some((2, N))))
        return cr.tensordot(x, y, axes=1)
    y = g.real((g.some((2, N)), x.shape[axis]))
    return cr.tensordot(x, y, axes=((axis,), (1,)))


def along(g: Growth) -> Any:
    x = g.real(least=1, most=3)
    return cr.vecdot(x, g.real(x.shape), axis=-g.choose.randint(1, x.ndim))


def triangular(g: Growth) -> Any:
    a = g.matrix()
    return cr.linalg.solve_triangular(a, right(g, a), upper=g.chance(0.5), transpose=g.chance(0.5))


def banded(g: Growth, function: Any) -> Any:
    """Of a diagonal of square matrices, or of others."""
    if g.chance(0.5):
        return function(g.matrix(), offset=g.some((0, 0, 1, -1)))
    return function(g.real((*g.shape(1), 3, g.some((2, 4)))), offset=g.some((0, 1, -2)))


def right(g: Growth, a: cr.Tensor) -> cr.Tensor:
    """Right sides for a matrix: a vector, or a matrix of them."""
    if a.ndim == 2 and g.chance(0.5):
        return g.real((a.shape[-1],))
    return g.real((*a.shape[:-1], g.some((1, 2, N))))


def joined(g: Growth) -> Any:
    x = g.real(least=1)
    axis = g.choose.randrange(x.ndim)
    other = g.real((*x.shape[:axis], g.some((1, 2, N, x.shape[axis])), *x.shape[axis + 1 :]))
    xs = [x, other, cr.tanh(x)][: g.some((2, 2, 3))]
    return cr.concat(g.choose.sample(xs, len(xs)), axis=axis)


def stacked(g: Growth) -> Any:
    x = g.whatever()
    return cr.stack(
        [x, x if x.dtype == "bool" else like(g, x), x], axis=g.choose.randint(0, x.ndim)
    )


def reshaped(g: Growth) -> Any:
    x = g.whatever()
    forms: list[Any] = [(-1,), (1, *x.shape), (product(x.shape),), (*x.shape, 1)]
    if x.ndim >= 2:
        forms += [
            (x.shape[0] if x.ndim == 2 else -1, *x.shape[1:]),
            (product(x.shape[:2]), *x.shape[2:]),
        ]
        forms += [(*x.shape[1:], x.shape[0])]
    return cr.reshape(x, g.some(forms))


def spread(g: Growth) -> Any:
    x = g.whatever()
    dims = tuple(g.some((2, N, BATCH)) if d == 1 else d for d in x.shape)
    return cr.broadcast_to(x, (g.some((2, BATCH)), *dims) if g.chance(0.4) else dims)


def padded(g: Growth) -> Any:
    x = g.real(least=1)
    width = g.some((1, [(1, 0)] * x.ndim, [(0, 2)] * x.ndim))
    return cr.pad(x, width, constant_values=g.some((0.0, 0.5)))


def sliced(g: Growth) -> Any:
    """Basic indexing: integers, slices, None and dots."""
    x = g.whatever()
    items: list[Any] = []
    for dim in x.shape[: g.choose.randint(0, x.ndim)]:
        lowest = dim if isinstance(dim, int) else 0
        items.append(
            g.some(
                (
                    slice(None),
                    slice(None, None, 2),
                    slice(None, None, -1),
                    slice(1, None) if lowest != 0 else slice(None),
                    slice(None, -1) if lowest != 0 else slice(None),
                    slice(1, None, 2) if lowest > 1 else slice(None),
                    slice(None, None, -2) if lowest > 1 else slice(None),
                    -1 if lowest > 0 else slice(None),
                    0,
                )
            )
        )
    if g.chance(0.3):
        items.insert(g.choose.randint(0, len(items)), None)
    if g.chance(0.2):
        items.append(...)
    return x[tuple(items)]


def moved(g: Growth) -> Any:
    x = g.whatever()
    return cr.permute_dims(x, tuple(g.choose.sample(range(x.ndim), x.ndim)))


def rolled(g: Growth) -> Any:
    x = g.real(least=1)
    return cr.roll(x, g.some((1, -2, 3)), axis=g.some((None, g.axis(x))))


def squeezed(g: Growth) -> Any:
    axis = g.choose.randint(0, 2)
    x = g.real((*(2, BATCH)[:axis], 1, *(3, N)[: 2 - axis]))
    return cr.squeeze(x, axis)


def counts(g: Growth, axes: int) -> tuple[Any, ...]:
    """How often to repeat along each axis."""
    return tuple(g.some((1, 2, 3, N)) for _ in range(axes))


def relocated(g: Growth) -> Any:
    x = g.whatever()
    axes = g.choose.randint(0, x.ndim)
    old, new = (tuple(g.choose.sample(range(-x.ndim, 0), axes)) for _ in range(2))
    return cr.moveaxis(x, old[0], new[0]) if axes == 1 else cr.moveaxis(x, old, new)


def differences(g: Growth) -> Any:
    x = g.real((*g.shape(g.choose.randint(0, 2)), 3)) if g.chance(0.6) else g.integer((4,))
    more: Any = {} if g.chance(0.5) else {g.some(("prepend", "append")): x[..., -1:]}
    return cr.diff(x, n=g.some((0, 1, 1, 2)), **more)


def unstacked(g: Growth) -> Any:
    x = g.real((*g.shape(1), g.some((1, 2, 3)), *g.shape(g.choose.randint(0, 1))))
    return cr.unstack(x, axis=1)


def ends(g: Growth) -> tuple[Any, Any]:
    """Two numbers, or tensors without axes."""
    return g.some((0.5, g.real(()))), g.some((2, g.real(())))


def constant(g: Growth) -> Any:
    return cr.full(g.shape(), g.some((0.5, -1.0, 2.0)), dtype=g.dtype)


def clipped(g: Growth) -> Any:
    x = g.real()
    return cr.clip(x, g.some((None, -0.5, g.partner(x))), g.some((0.6, None if x.ndim else 1.0)))


def any_of(function: Any) -> Line:
    """A line that asks of truth values, or of numbers that are 0 or not."""
    return lambda g: function(
        x := g.some((g.truth, g.integer))(), axis=g.axes(x), keepdims=g.chance(0.3)
    )


def position(function: Any) -> Line:
    return lambda g: function(
        x := g.number(),
        axis=g.axis(x) if x.ndim and g.chance(0.7) else None,
        keepdims=g.chance(0.3),
    )


def _rows() -> dict[str, Line]:
    rows = {name: elementwise(op) for name, op in OPS.items() if isinstance(op, Scalar)}
    rows["pow"] = lambda g: (
        g.within(g.real(), 0.4, 2.5)
        ** g.some((g.within(g.real(()), -2.0, 2.0), 2, 3, 0.5, -1, 0, 1.5))
    )
    rows["zeta"] = lambda g: cr.Tensor(
        zeta(g.some((2.0, 3.0, 4.5)), g.within(g.real(), 0.5, 4.0).node)  # of the first: no slope
    )
    return rows


LINES: dict[str, Line] = {
    **_rows(),
    "astype": lambda g: cr.astype(g.whatever(), g.some(("float32", "float64", "int64", "bool"))),
    "clip": clipped,
    "reciprocal": lambda g: cr.reciprocal(g.within(g.real(), 0.5, 3.0)),
    "positive": lambda g: cr.positive(-g.real()),
    "stop_gradient": lambda g: cr.stop_gradient(g.real()),
    "where": condition,
    # Reductions
    "all": any_of(cr.all),
    "any": any_of(cr.any),
    "count_nonzero": lambda g: cr.count_nonzero(
        x := g.whatever(), axis=g.axes(x), keepdims=g.chance(0.3)
    ),
    "argmax": position(cr.argmax),
    "argmin": position(cr.argmin),
    "max": reduced(cr.max),
    "min": reduced(cr.min),
    "sum": counted(cr.sum),
    "prod": counted(cr.prod),
    "cumulative_sum": chained(cr.cumulative_sum),
    "cumulative_prod": chained(cr.cumulative_prod),
    "cumulative_logsumexp": running(cr.cumulative_logsumexp),
    # Statistics
    "mean": reduced(cr.mean),
    "logsumexp": reduced(cr.logsumexp),
    "softmax": lambda g: cr.softmax(x := g.real(least=1), axis=g.axes(x) or -1),
    "log_softmax": lambda g: cr.log_softmax(x := g.real(least=1), axis=g.axes(x) or -1),
    "var": lambda g: cr.var(x := g.real(least=1), axis=g.axes(x), keepdims=g.chance(0.3)),
    "std": lambda g: cr.std(x := g.real(least=1), axis=g.axes(x), correction=g.some((0.0, -1.0))),
    "vector_norm": lambda g: cr.vector_norm(
        x := g.real(least=1),
        axis=g.axes(x),
        keepdims=g.chance(0.3),
        ord=g.some((2, 1, 3, float("inf"))),
    ),
    # Products
    "matmul": lambda g: cr.matmul(*factors(g)),
    "einsum": shared,
    "tensordot": over_axes,
    "vecdot": along,
    "matrix_transpose": lambda g: cr.matrix_transpose(g.real(least=2)),
    "linalg.cholesky": lambda g: cr.linalg.cholesky(g.matrix(positive=True), upper=g.chance(0.5)),
    "linalg.det": lambda g: cr.linalg.det(g.matrix()),
    "linalg.cross": lambda g: cr.linalg.cross(
        x := g.real((*g.shape(g.choose.randint(0, 2)), 3)), g.real((3,)) if g.chance(0.5) else x * x
    ),
    "linalg.diagonal": lambda g: banded(g, cr.linalg.diagonal),
    "linalg.inv": lambda g: cr.linalg.inv(g.matrix()),
    "linalg.matrix_norm": lambda g: cr.linalg.matrix_norm(
        g.real(least=2),
        ord=g.some(("fro", 1, -1, float("inf"), float("-inf"))),
        keepdims=g.chance(0.3),
    ),
    "linalg.matrix_power": lambda g: cr.linalg.matrix_power(g.matrix(), g.some((-1, 0, 1, 2, 3))),
    "linalg.outer": lambda g: cr.linalg.outer(g.real(g.shape(1)), g.real(g.shape(1))),
    "linalg.slogdet": lambda g: cr.linalg.slogdet(g.matrix()),
    "linalg.solve": lambda g: cr.linalg.solve(a := g.matrix(), right(g, a)),
    "linalg.solve_triangular": triangular,
    "linalg.trace": lambda g: banded(g, cr.linalg.trace),
    # Shaping
    "broadcast_to": spread,
    "concat": joined,
    "broadcast_arrays": lambda g: cr.broadcast_arrays(x := g.real(), g.partner(x)),
    "diff": differences,
    "meshgrid": lambda g: cr.meshgrid(
        *(g.real(g.shape(1)) for _ in range(g.some((1, 2, 2, 3)))), indexing=g.some(("xy", "ij"))
    ),
    "moveaxis": relocated,
    "repeat": lambda g: cr.repeat(
        x := g.whatever(), g.some((1, 2, N)), axis=g.axis(x) if x.ndim and g.chance(0.7) else None
    ),
    "tile": lambda g: cr.tile(x := g.whatever(), counts(g, g.choose.randint(0, x.ndim + 1))),
    "unstack": unstacked,
    "expand_dims": lambda g: cr.expand_dims(x := g.whatever(), axis=g.choose.randint(0, x.ndim)),
    "flip": lambda g: cr.flip(x := g.whatever(), axis=g.axes(x)),
    "pad": padded,
    "permute_dims": moved,
    "reshape": reshaped,
    "roll": rolled,
    "squeeze": squeezed,
    "stack": stacked,
    "tril": lambda g: cr.tril(g.real(least=2), k=g.some((0, 1, -1))),
    "triu": lambda g: cr.triu(g.real(least=2), k=g.some((0, 1, -1))),
    "getitem": sliced,
    # Creation
    "arange": lambda g: cr.arange(g.some((3, 4, N)), dtype=g.some((None, "float64", "int32"))),
    "asarray": lambda g: cr.asarray(g.drawn(g.some(((2, 3), (3,), (1, 4))), g.dtype, -1, 1)),
    "eye": lambda g: cr.eye(
        g.some((2, N)), g.some((None, 3, BATCH)), k=g.some((0, 1, -1)), dtype=g.dtype
    ),
    "full": constant,
    "full_like": lambda g: cr.full_like(g.real(), g.some((0.5, 2, -1.0))),
    "linspace": lambda g: cr.linspace(*ends(g), g.some((1, 2, 4, N)), endpoint=g.chance(0.7)),
    "ones": lambda g: cr.ones(g.shape(), dtype=g.dtype),
    "ones_like": lambda g: cr.ones_like(g.whatever()),
    "zeros": lambda g: cr.zeros(g.shape(), dtype=g.dtype),
    "zeros_like": lambda g: cr.zeros_like(g.real()),
}
