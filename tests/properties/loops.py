"""How to draw operands for loops, branches and equations: a line a function."""

from __future__ import annotations

from typing import Any

import chainrule as cr
from chainrule.compiler.types import Shape

from .growth import BATCH, ODD, Growth, Line, N


def looped(g: Growth, depth: int = 0) -> Any:
    """A loop of one or two carries over one sequence, two or none, perhaps with another inside."""
    length = g.some((N, 3, BATCH, 1, ODD))
    shape: Shape = g.some(((), (2,), (N,)))
    carries = [g.real(shape) for _ in range(g.some((1, 2)))]
    sequences = [g.real((length, *shape)) for _ in range(g.some((0, 1, 2)))]
    weight, nested = g.real(shape), depth < 1 and g.chance(0.25)
    inner, outer = g.some((cr.tanh, cr.sin, cr.softplus)), g.some((0.5, 0.9, -0.7))
    kind, stacks, reverse = g.some(range(4)), g.some(range(3)), g.chance(0.4)
    rows = g.real((3, *shape)) if nested else None

    def step(carry: Any, x: Any) -> Any:
        first, *rest = carry
        moved = inner(first * weight + (x[0] if x else 0.1)) * outer
        if kind == 1:
            moved = moved + cr.sum(first) * 0.1
        elif kind == 2 and x and len(x) == 2:
            moved = moved * x[1] + cr.where(first > 0.2, first, x[1]) * 0.3
        elif kind == 3:
            moved = moved - 0.2 * cr.square(moved)
        if nested:
            moved = cr.scan(lambda c, r: (cr.tanh(c + r * weight), None), moved, rows)[0]
        others = [cr.sin(r + moved) for r in rest]
        ys = (None, first + moved, (moved, cr.mean(first)))[stacks]
        return (moved, *others), ys

    carry, ys = cr.scan(
        step,
        tuple(carries),
        tuple(sequences) or None,
        length=length,
        reverse=reverse,
        checkpoint=g.some((None, None, 1, 2)),
    )
    return [*carry, *(() if ys is None else ys if isinstance(ys, tuple) else (ys,))]


def repeated(g: Growth) -> Any:
    """A loop that goes on while something is small, for a few steps at most."""
    shape: Shape = g.some(((), (2,), (N,)))
    x, weight, limit = g.real(shape), g.real(shape), g.some((0.5, 1.0, 4.0))
    pull = g.some((cr.sin, cr.softplus, cr.square))

    def onward(carry: Any) -> Any:
        return cr.sum(carry[0] * carry[0]) < limit

    def step(carry: Any) -> Any:
        first, second = carry
        return 1.1 * first + 0.3 * pull(second) + 0.1, cr.tanh(second + first * weight)

    carry, steps = cr.while_loop(
        onward, step, (x, g.real(shape)), g.some((1, 3, 7)), at_bound="stop", return_steps=True
    )
    return [*carry, steps]


def counted(g: Growth) -> Any:
    """A loop without a bound, of integers, in as many steps as it takes."""
    start = cr.abs(g.integer(()))

    def halved(carry: Any) -> Any:
        n, steps = carry
        return cr.floor_divide(n, 2), steps + 1

    return cr.while_loop(lambda carry: carry[0] > 0, halved, (start, cr.zeros_like(start)))


def branched(g: Growth) -> Any:
    """One of two results, perhaps with a loop or another branch in one of them."""
    shape: Shape = g.some(((), (2,), (N,), (BATCH, 2)))
    x, y, weight, limit = g.real(shape), g.real(shape), g.real(()), g.some((-0.2, 0.3))
    kind, pairs = g.some(range(4)), g.chance(0.4)

    def one(x: Any) -> Any:
        if kind == 1:
            moved = cr.scan(lambda c, _: (cr.tanh(c * weight + x), None), x, length=3)[0]
        elif kind == 2:
            moved = cr.cond(cr.sum(y) > limit, lambda: cr.sin(y) * x, lambda: x * weight)
        else:
            moved = cr.softplus(x * weight)
        return (moved, cr.sum(moved * y)) if pairs else moved

    def other(x: Any) -> Any:
        moved = x * y if kind else cr.zeros_like(x)
        return (moved, cr.sum(x) * 0.5) if pairs else moved

    found = cr.cond(cr.sum(x) * 0.5 + weight > limit, one, other, x)
    return list(found) if pairs else found


def mapped(g: Growth) -> Any:
    """A function of each row, or column, or of the rows of two tensors."""
    x = g.real(g.some(((BATCH, N), (3, 2), (N, 2, 3))))
    axis, y, weight = g.choose.randrange(x.ndim), g.real(x.shape), g.real(())
    if g.chance(0.4):
        return cr.map(
            lambda part: cr.softmax(part[0] * weight, axis=-1) * part[1], (x, y), axis=axis
        )
    branch = g.chance(0.3)

    def each(row: Any) -> Any:
        total = cr.sum(row) * weight
        if branch:
            total = cr.cond(total > 0.1, lambda: cr.sin(total), lambda: total * 2)
        return cr.tanh(row) * total

    return cr.map(each, x, axis=axis)


def solved(g: Growth) -> Any:
    """What solves an equation whose slope is between 0.5 and 1.5."""
    shape: Shape = g.some(((), (2,), (N,)))
    a, start = g.real(shape), g.some((0.0, 1.0))
    return cr.root(lambda x: x + 0.5 * cr.sin(x) - a, cr.full(shape, start, dtype=g.dtype))


def settled(g: Growth) -> Any:
    """What a contraction comes to."""
    shape: Shape = g.some(((), (2,), (N,)))
    a, weight = g.real(shape), g.within(g.real(()), -0.8, 0.8)
    start, memory = cr.zeros(shape, dtype=g.dtype), g.some((0, 2))
    return cr.fixed_point(lambda x: cr.sin(x * weight) * 0.7 + a, start, memory=memory)


def lowest(g: Growth) -> Any:
    """Where a convex function is smallest."""
    shape: Shape = g.some(((), (2,), (N,)))
    a = g.real(shape)

    def height(x: Any) -> Any:
        return cr.sum(cr.softplus(x) * 0.5 + cr.square(x) - a * x)

    return cr.argmin(height, cr.zeros(shape, dtype=g.dtype))


LINES: dict[str, Line] = {
    "scan": looped,
    "while_loop": repeated,
    "while_loop.unbounded": counted,
    "cond": branched,
    "map": mapped,
    "root": solved,
    "fixed_point": settled,
    "argmin.function": lowest,
}
