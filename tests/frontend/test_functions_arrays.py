"""Functions of whole arrays: value, gradient and second derivative against 50 digits.

The truth is NumPy's own function on arrays of 50-digit numbers. Results are compared as arrays,
relative to their largest element: sums cancel, so no more can be promised for a single one. A
dozen roundings, of sums of at most 12 terms and of the functions in them, is what `ULPS` allows.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import mpmath
import numpy as np
import pytest

import chainrule as cr

Array: TypeAlias = "np.ndarray[Any, Any]"
ULPS = 12
ULP = {"float32": 2.0**-23, "float64": 2.0**-52}
TARGETS = ("numpy", "cpu")
mp = mpmath.mp.clone()
mp.dps = 50


@dataclass(frozen=True)
class Case:
    """A function of tensors, the same function of arrays, and shapes to try it on.

    Both are given the positions, if there are any, after the arrays of those shapes.
    """

    name: str
    function: Callable[..., cr.Tensor]
    same: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    positions: Array | None = None


def elementwise(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    return np.vectorize(function, otypes=[object])


exp, log, sqrt = elementwise(mp.exp), elementwise(mp.log), elementwise(mp.sqrt)


def variance(x: Array, axis: Any, correction: float = 0) -> Array:
    n = x.size // np.size(np.sum(x, axis=axis))
    mean = np.sum(x, axis=axis, keepdims=True) / n
    result: Array = np.sum((x - mean) ** 2, axis=axis) / (n - correction)
    return result


def softmax(x: Array, axis: int = -1) -> Array:
    e = exp(x)
    result: Array = e / np.sum(e, axis=axis, keepdims=True)
    return result


def norm(p: int) -> Callable[[Array], Any]:
    return lambda x: mp.mpf(np.sum(np.abs(x) ** p)) ** (mp.mpf(1) / p)


PLACES = np.array([[2, 0], [1, 1]])
ALONG = np.array([[2, 0, 0, 1], [1, 1, 2, 0]])
CASES = [
    Case("sum", cr.sum, np.sum, ((3, 4),)),
    Case("sum_axis", lambda x: cr.sum(x, axis=0), lambda x: np.sum(x, 0), ((3, 4),)),
    Case(
        "sum_kept",
        lambda x: cr.sum(x, axis=(0, -1), keepdims=True),
        lambda x: np.sum(x, (0, -1), keepdims=True),
        ((2, 3, 2),),
    ),
    Case("sum_of_number", cr.sum, np.sum, ((),)),
    Case("mean", cr.mean, np.mean, ((3, 4),)),
    Case("mean_axis", lambda x: cr.mean(x, axis=1), lambda x: np.mean(x, 1), ((3, 4),)),
    Case("prod", cr.prod, np.prod, ((5,),)),
    Case("prod_axis", lambda x: cr.prod(x, axis=1), lambda x: np.prod(x, 1), ((2, 3, 2),)),
    Case("max", cr.max, np.max, ((7,),)),
    Case("max_axis", lambda x: cr.max(x, axis=0), lambda x: np.max(x, 0), ((3, 4),)),
    Case("min", cr.min, np.min, ((7,),)),
    Case("min_axis", lambda x: cr.min(x, axis=1), lambda x: np.min(x, 1), ((3, 4),)),
    Case("var", cr.var, lambda x: variance(x, None), ((3, 4),)),
    Case(
        "var_sample",
        lambda x: cr.var(x, axis=0, correction=1),
        lambda x: variance(x, 0, 1),
        ((4, 3),),
    ),
    Case("std", cr.std, lambda x: mp.sqrt(variance(x, None)), ((3, 4),)),
    Case(
        "std_sample",
        lambda x: cr.std(x, axis=1, correction=1),
        lambda x: sqrt(variance(x, 1, 1)),
        ((2, 5),),
    ),
    Case("logsumexp", cr.logsumexp, lambda x: mp.log(np.sum(exp(x))), ((7,),)),
    Case(
        "logsumexp_axis",
        lambda x: cr.logsumexp(x, axis=0),
        lambda x: log(np.sum(exp(x), 0)),
        ((4, 2),),
    ),
    Case("softmax", cr.softmax, softmax, ((2, 4),)),
    Case("softmax_axis", lambda x: cr.softmax(x, axis=0), lambda x: softmax(x, 0), ((4, 2),)),
    Case("log_softmax", cr.log_softmax, lambda x: log(softmax(x)), ((2, 4),)),
    Case(
        "cumulative_sum",
        lambda x: cr.cumulative_sum(x, axis=1),
        lambda x: np.cumsum(x, 1),
        ((2, 4),),
    ),
    Case(
        "cumulative_sum_from_0",
        lambda x: cr.cumulative_sum(x, include_initial=True),
        lambda x: np.concatenate([[mp.mpf(0)], np.cumsum(x)]),
        ((4,),),
    ),
    Case("norm_1", lambda x: cr.vector_norm(x, ord=1), norm(1), ((6,),)),
    Case("norm_2", cr.vector_norm, norm(2), ((2, 3),)),
    Case("norm_3", lambda x: cr.vector_norm(x, ord=3), norm(3), ((6,),)),
    Case(
        "norm_inf",
        lambda x: cr.vector_norm(x, ord=float("inf"), axis=1),
        lambda x: np.max(np.abs(x), 1),
        ((2, 4),),
    ),
    Case(
        "norm_minus_inf",
        lambda x: cr.vector_norm(x, ord=float("-inf")),
        lambda x: np.min(np.abs(x)),
        ((5,),),
    ),
    Case("matmul", cr.matmul, np.matmul, ((2, 3), (3, 4))),
    Case("matmul_vector", cr.matmul, np.matmul, ((2, 3), (3,))),
    Case("matmul_row", cr.matmul, np.matmul, ((3,), (3, 2))),
    Case("matmul_stacked", cr.matmul, np.matmul, ((2, 2, 3), (1, 3, 2))),
    Case("vecdot", cr.vecdot, lambda x, y: np.sum(x * y, -1), ((2, 3), (3,))),
    Case("tensordot", cr.tensordot, lambda x, y: np.tensordot(x, y, 2), ((2, 2, 3), (2, 3, 2))),
    Case(
        "tensordot_axes",
        lambda x, y: cr.tensordot(x, y, axes=((0,), (1,))),
        lambda x, y: np.tensordot(x, y, ((0,), (1,))),
        ((3, 2), (2, 3)),
    ),
    Case(
        "einsum_chain",
        lambda x, y, z: cr.einsum("ij,jk,kl->li", x, y, z),
        lambda x, y, z: (x @ y @ z).T,
        ((2, 3), (3, 2), (2, 2)),
    ),
    Case("einsum_trace", lambda x: cr.einsum("ii", x), np.trace, ((3, 3),)),
    Case(
        "einsum_diagonal",
        lambda x: cr.einsum("...ii->...i", x),
        lambda x: np.diagonal(x, axis1=-2, axis2=-1),
        ((2, 3, 3),),
    ),
    Case(
        "einsum_alone",
        lambda x, y: cr.einsum("ij,kl->i", x, y),
        lambda x, y: np.sum(x, 1) * np.sum(y),
        ((2, 3), (2, 2)),
    ),
    Case("matrix_transpose", cr.matrix_transpose, np.matrix_transpose, ((2, 3, 2),)),
    Case("reshape", lambda x: cr.reshape(x, (4, -1)), lambda x: x.reshape(4, 3), ((2, 6),)),
    Case(
        "permute_dims",
        lambda x: cr.permute_dims(x, (2, 0, 1)),
        lambda x: np.transpose(x, (2, 0, 1)),
        ((2, 3, 2),),
    ),
    Case(
        "expand_dims",
        lambda x: cr.expand_dims(x, axis=(0, 2)),
        lambda x: np.expand_dims(x, (0, 2)),
        ((2, 3),),
    ),
    Case("squeeze", lambda x: cr.squeeze(x, axis=1), lambda x: x[:, 0], ((3, 1),)),
    Case(
        "broadcast_to",
        lambda x: cr.broadcast_to(x, (3, 2, 4)),
        lambda x: np.broadcast_to(x, (3, 2, 4)),
        ((2, 1),),
    ),
    Case(
        "concat",
        lambda x, y: cr.concat([x, y, x], axis=1),
        lambda x, y: np.concatenate([x, y, x], 1),
        ((2, 2), (2, 1)),
    ),
    Case(
        "stack",
        lambda x, y: cr.stack([x, y], axis=-1),
        lambda x, y: np.stack([x, y], -1),
        ((2, 2), (2, 2)),
    ),
    Case("flip", cr.flip, np.flip, ((2, 3),)),
    Case("roll", lambda x: cr.roll(x, 5), lambda x: np.roll(x, 5), ((2, 4),)),
    Case(
        "roll_axes",
        lambda x: cr.roll(x, (1, -1), axis=(0, 1)),
        lambda x: np.roll(x, (1, -1), (0, 1)),
        ((3, 4),),
    ),
    Case("tril", cr.tril, lambda x: x * np.tri(3, 4, dtype=int), ((3, 4),)),
    Case("triu", lambda x: cr.triu(x, k=1), lambda x: x * (1 - np.tri(3, 4, dtype=int)), ((3, 4),)),
    Case(
        "pad",
        lambda x: cr.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
        lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=mp.mpf(3)),
        ((2, 3),),
    ),
    Case(
        "take",
        lambda x, i: cr.take(x, i, axis=1),
        lambda x, i: np.take(x, i, 1),
        ((2, 3),),
        PLACES,
    ),
    Case(
        "take_along_axis",
        lambda x, i: cr.take_along_axis(x, i, axis=1),
        lambda x, i: np.take_along_axis(x, i, 1),
        ((2, 3),),
        ALONG,
    ),
    Case(
        "take_along_axis_single",
        lambda x, i: cr.take_along_axis(x, i, axis=1),
        lambda x, i: np.take_along_axis(x, i, 1),
        ((2, 3),),
        ALONG[:, :1],
    ),
    Case("slice", lambda x: x[1:, ::-2], lambda x: x[1:, ::-2], ((3, 4),)),
    Case("item", lambda x: x[-1, None], lambda x: x[-1, None], ((3, 4),)),
    Case(
        "clip", lambda x: cr.clip(x, -1.0, 1.0), elementwise(lambda v: min(max(v, -1), 1)), ((7,),)
    ),
    Case(
        "where",
        lambda x, y: cr.where(x > y, x, y * y),
        lambda x, y: np.where(x > y, x, y * y),
        ((5,), (3, 1)),
    ),
    Case("reciprocal", cr.reciprocal, lambda x: 1 / x, ((5,),)),
    Case("repeat", lambda x: cr.repeat(x, 3), lambda x: np.repeat(x, 3), ((2, 2),)),
    Case(
        "repeat_axis",
        lambda x: cr.repeat(x, 2, axis=-2),
        lambda x: np.repeat(x, 2, -2),
        ((2, 3),),
    ),
    Case("tile", lambda x: cr.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), ((3, 2),)),
    Case("tile_last", lambda x: cr.tile(x, 2), lambda x: np.tile(x, 2), ((3, 2),)),
    Case(
        "moveaxis",
        lambda x: cr.moveaxis(x, (0, 1), (-1, 0)),
        lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
        ((2, 3, 2),),
    ),
    Case(
        "meshgrid",
        lambda x, y, z: cr.stack(cr.meshgrid(x, y, z)),
        lambda x, y, z: np.stack(np.meshgrid(x, y, z)),
        ((2,), (3,), (2,)),
    ),
    Case(
        "broadcast_arrays",
        lambda x, y: cr.concat(cr.broadcast_arrays(x, y)),
        lambda x, y: np.concatenate(np.broadcast_arrays(x, y)),
        ((2, 1), (3,)),
    ),
    Case(
        "unstack",
        lambda x: cr.concat(cr.unstack(x, axis=1)[::-1]),
        lambda x: np.concatenate([x[:, 2], x[:, 1], x[:, 0]]),
        ((2, 3),),
    ),
    Case("diff", lambda x: cr.diff(x, n=2), lambda x: np.diff(x, 2), ((2, 4),)),
    Case(
        "diff_between",
        lambda x, y: cr.diff(x, axis=0, prepend=y, append=x[:1]),
        lambda x, y: np.diff(x, axis=0, prepend=y, append=x[:1]),
        ((3, 2), (2, 2)),
    ),
    Case(
        "linspace",
        lambda x, y: cr.linspace(x, y, 6),
        lambda x, y: np.array([x + (y - x) * i / 5 for i in range(6)]),
        ((), ()),
    ),
    Case(
        "linspace_open",
        lambda x, y: cr.linspace(x, y, 4, endpoint=False),
        lambda x, y: np.array([x + (y - x) * i / 4 for i in range(4)]),
        ((), ()),
    ),
    Case("cross", cr.linalg.cross, np.cross, ((2, 3), (3,))),
    Case(
        "cross_axis",
        lambda x, y: cr.linalg.cross(x, y, axis=0),
        lambda x, y: np.cross(x, y, axis=0),
        ((3, 2), (3, 1)),
    ),
    Case(
        "diagonal_above",
        lambda x: cr.linalg.diagonal(x, offset=1),
        lambda x: np.diagonal(x, 1, -2, -1),
        ((2, 2, 4),),
    ),
    Case("trace_below", lambda x: cr.linalg.trace(x, offset=-2), lambda x: x[2, 0], ((3, 2),)),
    Case("power_5", lambda x: cr.linalg.matrix_power(x, 5), lambda x: x @ x @ x @ x @ x, ((2, 2),)),
    Case(
        "frobenius",
        cr.linalg.matrix_norm,
        lambda x: sqrt(np.sum(x * x, (1, 2))),
        ((2, 2, 3),),
    ),
    Case(
        "norm_of_columns",
        lambda x: cr.linalg.matrix_norm(x, ord=1),
        lambda x: np.max(np.sum(np.abs(x), 0)),
        ((3, 2),),
    ),
    Case("astype", lambda x: cr.astype(x, x.dtype), lambda x: x, ((3,),)),
]
NAMES = [case.name for case in CASES]


def arrays(case: Case, dtype: str) -> list[Array]:
    """Different numbers in (-1.5, 2.5), exact in float32, none near another; sums do not vanish."""
    rng = np.random.default_rng(list(case.name.encode()))
    count = sum(int(np.prod(shape)) for shape in case.shapes)
    numbers = rng.permutation(np.linspace(-1.5, 2.5, count + 2)[1:-1] + rng.uniform(0, 0.01, count))
    parts = np.split(numbers, np.cumsum([int(np.prod(shape)) for shape in case.shapes])[:-1])
    return [
        part.reshape(shape).astype("float32").astype(dtype)
        for part, shape in zip(parts, case.shapes, strict=True)
    ]


def weights(case: Case, dtype: str, result: Array) -> list[Array]:
    """A cotangent for the result and a direction for each input: quarters, of both signs."""
    rng = np.random.default_rng(7)
    shapes = [np.shape(result), *case.shapes]
    return [np.asarray(rng.integers(-7, 8, shape) / 4).astype(dtype) for shape in shapes]


def graph_of(case: Case, dtype: str) -> tuple[list[cr.Tensor], list[cr.Tensor]]:
    """Inputs; value, gradient of the weighted sum, and that gradient's change in a direction."""
    xs = [cr.tensor(f"{case.name}_x{i}", s, dtype) for i, s in enumerate(case.shapes)]
    places = [
        cr.tensor(f"{case.name}_i", i.shape, "int64") for i in (case.positions,) if i is not None
    ]
    y = case.function(*xs, *places)
    c = cr.tensor(f"{case.name}_c", y.shape, dtype)
    vs = [cr.tensor(f"{case.name}_v{i}", s, dtype) for i, s in enumerate(case.shapes)]
    loss = cr.sum(y * c)
    return [*xs, *places, c, *vs], [y, *cr.grad(loss, xs), *cr.hvp(loss, xs, vs)]


def precise(array: Array) -> Array:
    numbers = [mp.mpf(float(x)) for x in array.reshape(-1)]
    return np.array(numbers, object).reshape(array.shape)


@functools.cache
def truth(name: str, dtype: str) -> tuple[list[Array], list[Array]]:
    """What the program is given and what it must give, the derivatives by central differences."""
    case = CASES[NAMES.index(name)]
    xs = arrays(case, dtype)
    exact = [precise(x) for x in xs]
    places = [] if case.positions is None else [case.positions]
    value = np.asarray(case.same(*exact, *places), object)
    c, *vs = weights(case, dtype, value)
    h = mp.mpf(10) ** -12

    def loss(steps: dict[tuple[int, int], int], along: int = 0) -> Any:
        moved = [x + along * h * precise(v) for x, v in zip(exact, vs, strict=True)]
        for (i, k), sign in steps.items():
            moved[i] = np.asarray(moved[i], object).copy()
            moved[i].reshape(-1)[k] += sign * h
        return np.sum(np.asarray(case.same(*moved, *places), object) * precise(c))

    first, second = [], []
    for i, x in enumerate(xs):
        steps = range(x.size)
        first.append([(loss({(i, k): 1}) - loss({(i, k): -1})) / (2 * h) for k in steps])
        second.append(
            [
                sum(a * b * loss({(i, k): a}, b) for a, b in itertools.product((1, -1), repeat=2))
                / (4 * h * h)
                for k in steps
            ]
        )
    derivatives = [
        np.array(row, object).reshape(x.shape)
        for row, x in zip(first + second, xs + xs, strict=True)
    ]
    return [*xs, *places, c, *vs], [value, *derivatives]


GROUPS = [NAMES[i : i + 16] for i in range(0, len(NAMES), 16)]
HOME = {name: i for i, names in enumerate(GROUPS) for name in names}


@functools.cache
def results(target: str, dtype: str, group: int) -> dict[str, list[Array]]:
    """What one program gives for many cases at once: compiling takes time."""
    inputs: list[cr.Tensor] = []
    outputs: list[cr.Tensor] = []
    parts = {}
    for name in GROUPS[group]:
        given, wanted = graph_of(CASES[NAMES.index(name)], dtype)
        parts[name] = slice(len(outputs), len(outputs) + len(wanted))
        inputs += given
        outputs += wanted
    f = cr.function(inputs, outputs, target)
    values = f(*(x for name in GROUPS[group] for x in truth(name, dtype)[0]))
    return {name: values[part] for name, part in parts.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_value_gradient_and_second_derivative(name: str, target: str, dtype: str) -> None:
    for k, (got, want) in enumerate(
        zip(results(target, dtype, HOME[name])[name], truth(name, dtype)[1], strict=True)
    ):
        assert (got.shape, got.dtype) == (want.shape, dtype)
        if want.size:
            largest = max(abs(x) for x in want.reshape(-1))
            error = max(np.ravel(abs(precise(got) - want)))
            # The central differences themselves are exact to 20 digits.
            assert error <= ULPS * ULP[dtype] * largest + mp.mpf(10) ** -20, (k, got, want)
