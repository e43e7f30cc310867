"""The reference meaning of a graph: NumPy, one operation a node, nothing clever."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from . import reference_matrices
from .errors import IndexOutOfRange, UsageError
from .ir import CONST, LEAF, Node, transform, walk
from .ops import (
    choice,
    convert,
    custom,
    index,
    linear,
    random,
    reduce,
    rows,
    scan,
    shape,
    windows,
)
from .ops.base import Scalar
from .types import Shape, Size, value

Array = Any
Rule = Callable[..., Array]
MODULES = {"np": "numpy", "special": "scipy.special"}


@cache
def function(name: str) -> Callable[..., Array]:
    """NumPy's or SciPy's function of a row: `np.exp`, `special.erf`."""
    module, _, attribute = name.partition(".")
    found: Callable[..., Array] = getattr(importlib.import_module(MODULES[module]), attribute)
    return found


def run(roots: Sequence[Node], values: Mapping[Node, Any], sizes: Mapping[str, int]) -> list[Array]:
    """Evaluate the roots. See `ir.evaluate`."""
    sizes = {**bind(values), **sizes}
    known: dict[Node, Array] = {node: np.asarray(array) for node, array in values.items()}
    if any(node.op is custom.CUSTOM for node in walk(roots)):  # a declaration has no value
        mapped = transform(roots, custom.unruled, {node: node for node in known})
        roots = [mapped[root] for root in roots]
    with np.errstate(all="ignore"):
        for node in walk(roots, frozenset(known)):
            if node not in known:
                known[node] = _evaluate(node, known, sizes)
    return [known[root] for root in roots]


def bind(values: Mapping[Node, Any]) -> dict[str, int]:
    """The sizes that arrays show: of axes that are one plain symbol."""
    sizes: dict[str, int] = {}
    for node, array in values.items():
        for dim, number in zip(node.shape, np.shape(array), strict=True):
            if isinstance(dim, Size) and str(dim) in dim.symbols():
                sizes[str(dim)] = number
    return sizes


def _evaluate(node: Node, known: dict[Node, Array], sizes: Mapping[str, int]) -> Array:
    op, args = node.op, [known[x] for x in node.operands]
    if op is LEAF:
        raise UsageError(f"no value for {node.attr('name')}", str(node.type), "pass an array")
    if isinstance(op, Scalar) and op.numpy:
        return function(op.numpy)(*args)
    if op in RULES:
        return RULES[op](node, sizes, *args)
    expanded = op.expand(node)
    if expanded is None:
        raise UsageError(f"{op.name} has no value", str(node.type), "take the gradient first")
    (result,) = _below(expanded, node, known, sizes)
    return result


def _below(
    expanded: Node, node: Node, known: dict[Node, Array], sizes: Mapping[str, int]
) -> list[Array]:
    for inner in walk([expanded], frozenset(node.operands)):
        if inner not in known:
            known[inner] = _evaluate(inner, known, sizes)
    return [known[expanded]]


def shape_of(dims: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape as numbers."""
    return tuple(value(dim, sizes) for dim in dims)


def _slice(node: Node, sizes: Mapping[str, int], x: Array) -> Array:
    starts, stops = (shape_of(node.attr(name), sizes) for name in ("starts", "stops"))
    return x[tuple(map(slice, starts, stops, node.attr("steps")))]


def _pad(node: Node, sizes: Mapping[str, int], x: Array) -> Array:
    result = np.full(shape_of(node.shape, sizes), node.attr("value"), x.dtype)
    lows = shape_of(node.attr("lows"), sizes)
    inner = node.attr("inner")
    where = tuple(
        slice(low, low + (n - 1) * (step + 1) + 1 if n else low, step + 1)
        for low, n, step in zip(lows, x.shape, inner, strict=True)
    )
    result[where] = x
    return result


def _view(node: Node, x: Array) -> Array:
    """The windows of an array, of which they are parts: nothing is copied."""
    first, (size, stride, dilation) = node.attr("axis"), windows.geometry(node)
    after = first + len(size)
    out = tuple(
        (n - windows.span(*each)) // step + 1
        for n, step, *each in zip(x.shape[first:after], stride, size, dilation, strict=True)
    )
    steps = x.strides
    apart = tuple(s * by for s, by in zip(steps[first:after], stride, strict=True))
    inner = tuple(s * by for s, by in zip(steps[first:after], dilation, strict=True))
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:first], *out, *size, *x.shape[after:]),
        (*steps[:first], *apart, *inner, *steps[after:]),
    )


def _overlap_add(node: Node, sizes: Mapping[str, int], grad: Array) -> Array:
    """Window by window, in the order of places inside it."""
    first, (size, stride, dilation) = node.attr("axis"), windows.geometry(node)
    result = np.zeros(shape_of(node.shape, sizes), grad.dtype)
    out = grad.shape[first : first + len(size)]
    for inside in np.ndindex(*size):
        to = tuple(
            slice(k * gap, k * gap + (n - 1) * step + 1 if n else 0, step)
            for k, gap, n, step in zip(inside, dilation, out, stride, strict=True)
        )
        lead = (slice(None),) * first
        result[(*lead, *to)] += grad[(*lead, *(slice(None),) * len(size), *inside)]
    return result


def _bounds(node: Node, positions: Array, size: int) -> None:
    if positions.size and not 0 <= positions.min() <= positions.max() < size:
        wrong = positions.min() if positions.min() < 0 else positions.max()
        raise IndexOutOfRange(
            f"{node.op.name}: index {wrong} out of range",
            f"the axis has size {size}: 0 to {size - 1}",
            "negative positions do not count from the end",
            node.where,
        )


def _take(node: Node, sizes: Mapping[str, int], x: Array, positions: Array) -> Array:
    _bounds(node, positions, x.shape[node.attr("axis")])
    return np.take(x, positions, axis=node.attr("axis"))


def _add_at(node: Node, sizes: Mapping[str, int], grad: Array, positions: Array) -> Array:
    axis = node.attr("axis")
    result = np.zeros(shape_of(node.shape, sizes), grad.dtype)
    _bounds(node, positions, result.shape[axis])
    np.add.at(result, (slice(None),) * axis + (positions,), grad)
    return result


def _replace_rows(
    node: Node, sizes: Mapping[str, int], old: Array, new: Array, *indices: Array
) -> Array:
    result = old.copy()
    for positions in indices:
        _bounds(node, positions, result.shape[0])
        result[positions] = new[positions]
    return result


def _take_along(node: Node, sizes: Mapping[str, int], x: Array, positions: Array) -> Array:
    axis = node.attr("axis")
    _bounds(node, positions, x.shape[axis])
    shape = list(shape_of(node.shape, sizes))
    positions = np.broadcast_to(positions, shape)
    shape[axis] = x.shape[axis]
    return np.take_along_axis(np.broadcast_to(x, shape), positions, axis)


def _add_along(node: Node, sizes: Mapping[str, int], grad: Array, positions: Array) -> Array:
    axis = node.attr("axis")
    result = np.zeros(shape_of(node.shape, sizes), grad.dtype)
    _bounds(node, positions, result.shape[axis])
    grid = list(np.indices(positions.shape, sparse=True))
    grid[axis] = positions
    np.add.at(result, tuple(grid), grad)
    return result


def _gather(node: Node, sizes: Mapping[str, int], x: Array, *indices: Array) -> Array:
    for positions, size in zip(indices, x.shape, strict=False):
        _bounds(node, positions, size)
    return x[indices]


def _scatter_add(node: Node, sizes: Mapping[str, int], grad: Array, *indices: Array) -> Array:
    result = np.zeros(shape_of(node.shape, sizes), grad.dtype)
    for positions, size in zip(indices, result.shape, strict=False):
        _bounds(node, positions, size)
    np.add.at(result, indices, grad)
    return result


def _contract(node: Node, sizes: Mapping[str, int], a: Array, b: Array) -> Array:
    equation = f"{node.attr('left')},{node.attr('right')}->{node.attr('out')}"
    result: Array = np.einsum(equation, a, b)
    return result


def philox(
    counter: tuple[Array, Array, Array, Array], key: tuple[Array, Array]
) -> tuple[Array, Array, Array, Array]:
    """Philox4x32-10: four random words from a counter of four words and a key of two.

    Source: Salmon et al. 2011, section 4.3; words are uint64 arrays below 2^32.
    """
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = (np.asarray(word, np.uint64) for word in key)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> shift) ^ c1 ^ k0, p1 & low, (p0 >> shift) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3


def _uniform(node: Node, sizes: Mapping[str, int], *source: Array) -> Array:
    seed, step, first = (*map(int, source), 0)[:3]
    dims = shape_of(node.shape, sizes)
    return uniform(seed, step, node.attr("stream"), dims, node.dtype, first)


def uniform(
    seed: int, step: int, stream: int, dims: tuple[int, ...], dtype: str, first: int = 0
) -> Array:
    """Numbers in [0, 1) at positions first, first + 1, ... of a row-major array."""
    mask = 0xFFFFFFFF
    at = np.arange(int(np.prod(dims, dtype=np.int64)), dtype=np.uint64) + np.uint64(first)
    w0, w1, _, _ = philox(
        (
            at & np.uint64(mask),
            at >> np.uint64(32),
            np.uint64(step & mask),
            np.uint64(stream & mask),
        ),
        (np.uint64(seed & mask), np.uint64(seed >> 32 & mask)),
    )
    if dtype == "float32":
        return ((w0 >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)).reshape(dims)
    bits = ((w0 << np.uint64(32)) | w1) >> np.uint64(11)
    return (bits.astype(np.float64) * 2.0**-53).reshape(dims)


def _iota(node: Node, sizes: Mapping[str, int]) -> Array:
    return np.arange(value(node.attr("dim"), sizes), dtype=node.dtype)


def _scan(node: Node, sizes: Mapping[str, int], *args: Array) -> Array:
    loop, n, index = scan.parts(node), len(scan.parts(node).inits), node.attr("index")
    outputs, m, k = loop.body.outputs, n + len(loop.sequences), len(loop.body.inputs)
    carries, sequences, constants = list(args[:n]), args[n:m], args[m:k]
    length = None if node.attr("length") is None else value(node.attr("length"), sizes)
    stacks = n <= index < len(outputs)
    stack = np.zeros(shape_of(node.shape, sizes) if stacks else (), node.dtype)
    steps: Any = itertools.count() if length is None else range(length)
    if loop.steps is not None:
        steps = steps[: int(args[k])]
    taken = 0

    def compute(roots: Sequence[Node], *elements: Array) -> list[Array]:
        given = [*carries, *elements, *constants]
        return run(roots, dict(zip(loop.body.inputs, given, strict=True)), sizes)

    def goes_on() -> bool:
        return loop.condition is None or bool(compute(loop.condition.outputs)[0])

    for t in reversed(steps) if node.attr("reverse") else steps:
        if not goes_on():
            break
        results = compute(outputs, *(x[t] for x in sequences))
        carries[:] = results[:n]
        if stacks:
            stack[t] = results[index]
        taken += 1
    fault = loop.fault()
    if fault is not None and taken == length and goes_on():
        raise fault.error()
    if index == len(outputs):
        return np.asarray(taken)
    return carries[index] if index < n else stack


def _cond(node: Node, sizes: Mapping[str, int], condition: Array, *given: Array) -> Array:
    body = node.attr("then" if condition else "otherwise")
    values = dict(zip(body.inputs, given, strict=True))
    return run([body.outputs[node.attr("index")]], values, sizes)[0]


RULES: dict[object, Rule] = {
    CONST: lambda node, sizes: np.asarray(node.attr("value"), node.dtype),
    convert.CAST: lambda node, sizes, x: np.asarray(x).astype(node.dtype),
    convert.SIZE: lambda node, sizes: np.asarray(value(node.attr("dim"), sizes), node.dtype),
    convert.IOTA: _iota,
    convert.LITERAL: lambda node, sizes: node.attr("data").array(),
    shape.RESHAPE: lambda node, sizes, x: np.reshape(x, shape_of(node.shape, sizes)),
    shape.TRANSPOSE: lambda node, sizes, x: np.transpose(x, node.attr("axes")),
    shape.BROADCAST_TO: lambda node, sizes, x: np.broadcast_to(x, shape_of(node.shape, sizes)),
    shape.SLICE: _slice,
    shape.PAD: _pad,
    shape.FLIP: lambda node, sizes, x: np.flip(x, node.attr("axes")),
    shape.CONCAT: lambda node, sizes, *xs: np.concatenate(xs, node.attr("axis")),
    linear.CONTRACT: _contract,
    windows.WINDOWS: lambda node, sizes, x: _view(node, x).copy(),
    windows.OVERLAP_ADD: _overlap_add,
    reduce.SUM: lambda node, sizes, x: np.sum(x, node.attr("axes"), dtype=node.dtype),
    reduce.PROD: lambda node, sizes, x: np.prod(x, node.attr("axes"), dtype=node.dtype),
    reduce.MAX: lambda node, sizes, x: np.max(x, node.attr("axes")),
    reduce.MIN: lambda node, sizes, x: np.min(x, node.attr("axes")),
    reduce.ANY: lambda node, sizes, x: np.any(x, node.attr("axes")),
    reduce.ALL: lambda node, sizes, x: np.all(x, node.attr("axes")),
    reduce.ARGMAX: lambda node, sizes, x: np.argmax(x, node.attr("axis")),
    reduce.ARGMIN: lambda node, sizes, x: np.argmin(x, node.attr("axis")),
    reduce.CUMULATIVE_SUM: lambda node, sizes, x: np.cumsum(x, node.attr("axis"), dtype=node.dtype),
    index.TAKE: _take,
    index.ADD_AT: _add_at,
    index.TAKE_ALONG: _take_along,
    index.ADD_ALONG: _add_along,
    index.GATHER: _gather,
    index.SCATTER_ADD: _scatter_add,
    rows.REPLACE_ROWS: _replace_rows,
    **reference_matrices.RULES,
    random.UNIFORM: _uniform,
    scan.SCAN: _scan,
    choice.COND: _cond,
}
