"""Functions that move elements, read and write them at positions, and make them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

import chainrule as cr

from .reductions import vector
from .row import Row, Table, Tensor, refuse

Axis = Any


def sizes(shape: Any) -> Any:
    """A shape, given as one tuple or as several numbers."""
    return shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape


def expand(x: Tensor, *shape: Any) -> Tensor:
    wanted = list(sizes(shape))
    lead = len(wanted) - x.ndim
    return cr.broadcast_to(x, [x.shape[i - lead] if n == -1 else n for i, n in enumerate(wanted)])


def swap(x: Tensor, a: int, b: int) -> Tensor:
    order = list(range(x.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return cr.permute_dims(x, order)


def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    axes = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    single = sorted({i % x.ndim for i in axes if x.ndim and x.shape[i] == 1})
    return cr.squeeze(x, tuple(single)) if single else x


def narrow(x: Tensor, dim: int, start: Any, length: int) -> Tensor:
    first = int(start) + (x.shape[dim] if int(start) < 0 else 0)
    return cut(x, dim, slice(first, first + length))


def cut(x: Tensor, dim: int, part: Any) -> Tensor:
    return x[(slice(None),) * (dim % x.ndim) + (part,)]


def pieces(x: Tensor, lengths: Any, dim: int) -> list[Tensor]:
    ends = np.cumsum([0, *lengths])
    return [cut(x, dim, slice(int(a), int(b))) for a, b in pairwise(ends)]


def split(x: Tensor, size: Any, dim: int = 0) -> list[Tensor]:
    if not isinstance(size, int):
        return pieces(x, size, dim)
    n = x.shape[dim]
    return pieces(x, [min(size, n - k) for k in range(0, n, size)], dim)


def chunk(x: Tensor, count: int, dim: int = 0) -> list[Tensor]:
    return split(x, -(-x.shape[dim] // count), dim)


def tensor_split(x: Tensor, parts: Any, dim: int = 0) -> list[Tensor]:
    n = x.shape[dim]
    if np.ndim(parts) == 0:
        count = int(parts)
        return pieces(x, [n // count + (i < n % count) for i in range(count)], dim)
    ends = [0, *(min(int(i) % n if int(i) < 0 else int(i), n) for i in parts), n]
    return [cut(x, dim, slice(a, max(a, b))) for a, b in pairwise(ends)]


def at_least(x: Any, rank: int) -> Any:
    """`atleast_1d` and its relatives, of one tensor or of several."""
    if isinstance(x, list | tuple):
        return [at_least(part, rank) for part in x]
    if x.ndim >= rank:
        return x
    shapes = {1: (1,), 2: (1, -1), 3: (1, -1, 1) if x.ndim < 2 else (*x.shape, 1)}
    return cr.reshape(x, shapes[rank])


def rot90(x: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    a, b = (d % x.ndim for d in dims)
    if k % 4 == 2:
        return cr.flip(x, axis=(a, b))
    turned = swap(x, a, b)
    return [x, cr.flip(turned, axis=a), x, cr.flip(turned, axis=b)][k % 4]


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    return cr.linalg.diagonal(cr.moveaxis(x, (dim1, dim2), (-2, -1)), offset=offset)


def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    n = x.shape[-1]
    size = n + abs(offset)
    matrix = np.eye(size)[max(-offset, 0) : max(-offset, 0) + n]
    right = np.eye(size)[max(offset, 0) : max(offset, 0) + n]
    made = cr.einsum("...i,ij,ik->...jk", x, matrix, right)
    rank = made.ndim
    rest = iter(range(rank - 2))
    ends = {dim1 % rank: rank - 2, dim2 % rank: rank - 1}
    return cr.permute_dims(made, [ends[i] if i in ends else next(rest) for i in range(rank)])


def block_diag(*blocks: Tensor) -> Tensor:
    matrices = [at_least(b, 2) for b in blocks]
    total = [sum(m.shape[axis] for m in matrices) for axis in (0, 1)]
    row = column = 0
    placed = []
    for m in matrices:
        n, k = m.shape
        placed.append(cr.pad(m, ((row, total[0] - row - n), (column, total[1] - column - k))))
        row, column = row + n, column + k
    result = placed[0]
    for other in placed[1:]:
        result = result + other
    return result


def places(x: Tensor, dim: int, index: Any) -> list[Any]:
    """Where `gather` and `scatter` read and write: positions for every axis."""
    rank = x.ndim
    grid = np.indices(index.shape)
    return [index if i == dim % rank else grid[i] for i in range(rank)]


def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    if not x.ndim:
        return cr.reshape(vector(x)[cr.reshape(index, -1)], index.shape)
    return x[tuple(places(x, dim, index))]


def scatter_add(x: Tensor, dim: int, index: Any, values: Tensor) -> Tensor:
    if not x.ndim:
        return cr.reshape(
            cr.scatter_add(vector(x), cr.reshape(index, -1), cr.reshape(values, -1)), ()
        )
    part = values[tuple(slice(n) for n in index.shape)]
    return cr.scatter_add(x, tuple(places(x, dim, index)), part)


def index_add(x: Tensor, dim: int, index: Any, values: Tensor, alpha: float = 1) -> Tensor:
    if not x.ndim:
        return cr.reshape(cr.scatter_add(vector(x), vector(index), alpha * vector(values)), ())
    first = cr.scatter_add(swap(x, 0, dim), vector(index), alpha * swap(values, 0, dim))
    return swap(first, 0, dim)


def index_select(x: Tensor, dim: int, index: Any) -> Tensor:
    found = cr.take(vector(x), vector(index), axis=dim)
    return found if x.ndim else cr.reshape(found, x.shape)


def index_put(x: Tensor, indices: Any, values: Tensor, accumulate: bool) -> Tensor:
    known = [
        part for index in indices for part in (index.nonzero() if index.dtype == bool else (index,))
    ]
    indices = tuple(known)
    if not accumulate:
        values = values - x[indices]
    return cr.scatter_add(x, indices, values)


def unfold(x: Tensor, dim: int, size: int, step: int) -> Tensor:
    if not x.ndim:
        return vector(x)[:size]
    made = cr.windows(x, size, axis=dim, strides=step)
    axis = dim % x.ndim + 1
    return cr.permute_dims(made, [i for i in range(made.ndim) if i != axis] + [axis])


def meshgrid(*xs: Tensor, indexing: str = "ij") -> list[Tensor]:
    given = xs[0] if isinstance(xs[0], list | tuple) else xs
    return cr.meshgrid(*map(vector, given), indexing=indexing)


def sum_to_size(x: Tensor, *shape: Any) -> Tensor:
    wanted = sizes(shape)
    lead = x.ndim - len(wanted)
    ones = tuple(i for i in range(x.ndim) if i < lead or wanted[i - lead] == 1)
    return cr.reshape(cr.sum(x, axis=ones), wanted)


def flip_all(x: Tensor, dims: Any) -> Tensor:
    return cr.flip(x, axis=tuple(dims)) if x.ndim and len(dims) else x


def roll(x: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    return cr.roll(x, shifts, axis=dims)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    if not x.ndim:
        return vector(x)
    a, b = start_dim % x.ndim, end_dim % x.ndim
    return cr.reshape(x, (*x.shape[:a], math.prod(x.shape[a : b + 1]), *x.shape[b + 1 :]))


def unflatten(x: Tensor, dim: int, shape: Any) -> Tensor:
    d = dim % x.ndim
    return cr.reshape(x, (*x.shape[:d], *shape, *x.shape[d + 1 :]))


def same(x: Tensor, *args: Any, **named: Any) -> Tensor:
    return x + 0.0


def arange(*args: Any, dtype: Any = None, end: Any = None) -> Tensor:
    if any(isinstance(x, bool) for x in args):
        refuse("a bool for a number")
    return cr.arange(*args, *(() if end is None else (end,)), dtype=dtype)


def as_int(x: Tensor, short: bool) -> Tensor:
    return cr.astype(x, "int32") if short else x


def areas(y: Tensor, x: Any, dx: float, dim: int) -> Tensor:
    """Twice the mean of neighbors, times their distance, over two."""
    n = y.shape[dim]
    heights = cut(y, dim, slice(1, n)) + cut(y, dim, slice(0, n - 1))
    if x is None:
        return heights * (dx / 2)
    if x.ndim == 1:
        return cr.moveaxis(
            cr.moveaxis(heights, (dim,), (-1,)) * (x[1:] - x[:-1]) / 2, (-1,), (dim,)
        )
    m = x.shape[dim]
    return heights * (cut(x, dim, slice(1, m)) - cut(x, dim, slice(0, m - 1))) / 2


def repeat_each(x: Tensor, repeats: Any, dim: int) -> Tensor:
    if not x.ndim:
        return repeat_each(vector(x), repeats, 0)
    return cr.take(x, np.repeat(np.arange(x.shape[dim]), repeats), axis=dim)


SHAPING: Table = {
    "T": lambda x: x.T if x.ndim else x,
    "alias_copy": same,
    "arange": lambda *args, **named: arange(*args, **named),
    "atleast_1d": lambda *xs: [at_least(x, 1) for x in xs],
    "atleast_2d": lambda *xs: [at_least(x, 2) for x in xs],
    "atleast_3d": lambda *xs: [at_least(x, 3) for x in xs],
    "block_diag": block_diag,
    "broadcast_tensors": cr.broadcast_arrays,
    "broadcast_to": cr.broadcast_to,
    "cat": lambda xs, dim=0: cr.concat(
        [x for x in xs if x.shape != (0,) or max(y.ndim for y in xs) == 1], axis=dim
    ),
    "chunk": chunk,
    "clone": same,
    "column_stack": lambda xs: cr.concat(
        [x if x.ndim > 1 else cr.reshape(x, (-1, 1)) for x in xs], axis=1
    ),
    "constant_pad_nd": lambda x, pad, value=0.0: padded(x, pad, value=value),
    "contiguous": same,
    "diag": lambda x, k=0: diag_embed(x, k) if x.ndim == 1 else diagonal(x, k),
    "diag_embed": diag_embed,
    "diagflat": lambda x, offset=0: diag_embed(cr.reshape(x, (-1,)), offset),
    "diagonal": diagonal,
    "diagonal_copy": diagonal,
    "dsplit": lambda x, parts: tensor_split(x, parts, 2),
    "dstack": lambda xs: cr.concat([at_least(x, 3) for x in xs], axis=2),
    "expand": expand,
    "expand_as": lambda x, y: expand(x, y.shape),
    "expand_copy": expand,
    "eye": lambda n, m=None, dtype="": cr.eye(n, m, dtype=dtype),
    "flatten": flatten,
    "flip": flip_all,
    "fliplr": lambda x: cr.flip(x, axis=1),
    "flipud": lambda x: cr.flip(x, axis=0),
    "full": lambda shape, value, dtype: cr.full(shape, value, dtype=dtype),
    "full_like": lambda x, value, dtype=None: cr.full_like(x, value, dtype=dtype),
    "gather": gather,
    "__getitem__": Row(
        lambda x, key: x[
            key if not isinstance(key, list) or all(isinstance(k, int) for k in key) else tuple(key)
        ],
        known=True,
    ),
    "hsplit": lambda x, parts: tensor_split(x, parts, 1 if x.ndim > 1 else 0),
    "hstack": lambda xs: cr.concat([at_least(x, 1) for x in xs], axis=0 if xs[0].ndim <= 1 else 1),
    "index_add": index_add,
    "index_put": Row(index_put, known=True),
    "index_select": index_select,
    "linspace": lambda a, b, n, dtype="float64": cr.linspace(a, b, n, dtype=dtype),
    "linspace.tensor_overload": lambda a, b, n, dtype="float64": cr.linspace(a, b, n, dtype=dtype),
    "linalg.diagonal": lambda x, offset=0, dim1=-2, dim2=-1: diagonal(x, offset, dim1, dim2),
    "mT": lambda x: x.mT,
    "masked_fill": lambda x, mask, value: cr.where(mask, value, x),
    "masked_select": Row(
        lambda x, mask: cr.broadcast_to(x, (1, *np.broadcast_shapes(x.shape, mask.shape)))[
            np.broadcast_to(mask, (1, *np.broadcast_shapes(x.shape, mask.shape)))
        ],
        known=True,
    ),
    "meshgrid.list_of_tensors": meshgrid,
    "meshgrid.variadic_tensors": meshgrid,
    "movedim": cr.moveaxis,
    "narrow": Row(narrow, known=True),
    "narrow_copy": narrow,
    "new_full": lambda x, shape, value, dtype="float64": cr.full(shape, value, dtype=dtype),
    "new_ones": lambda x, shape, dtype="float64": cr.ones(shape, dtype=dtype),
    "new_zeros": lambda x, shape, dtype="float64": cr.zeros(shape, dtype=dtype),
    "nn.functional.pad.constant": lambda x, pad, mode="constant", value=0.0: padded(
        x, pad, value=value
    ),
    "ones": lambda shape, dtype: cr.ones(shape, dtype=dtype),
    "ones_like": lambda x, dtype=None: cr.ones_like(x, dtype=dtype),
    "permute": lambda x, dims: cr.permute_dims(x, dims),
    "permute_copy": lambda x, dims: cr.permute_dims(x, dims),
    "ravel": lambda x: cr.reshape(x, (-1,)),
    "repeat": lambda x, *counts: cr.tile(x, sizes(counts)),
    "reshape": cr.reshape,
    "reshape_as": lambda x, y: cr.reshape(x, y.shape),
    "roll": roll,
    "rot90": rot90,
    "scatter_add": scatter_add,
    "bucketize": lambda x, edges, out_int32=False, right=False: as_int(
        cr.searchsorted(edges, x, side="right" if right else "left"), out_int32
    ),
    "cumulative_trapezoid": lambda y, x=None, dx=1.0, dim=-1: cr.cumulative_sum(
        areas(y, x, dx, dim), axis=dim
    ),
    "diff": lambda x, n=1, dim=-1, prepend=None, append=None: same(
        cr.diff(x, n=n, axis=dim, prepend=prepend, append=append)
    ),
    "fill": lambda x, value: cr.full_like(x, value),
    "repeat_interleave": Row(
        lambda x, repeats, dim=None, output_size=None: (
            repeat_each(cr.reshape(x, (-1,)), repeats, 0)
            if dim is None
            else repeat_each(x, repeats, dim)
        ),
        known=True,
    ),
    "searchsorted": lambda edges, x, out_int32=False, right=False, side=None, sorter=None: as_int(
        cr.searchsorted(
            edges if sorter is None else cr.take(edges, sorter),
            x,
            side="right" if right or side == "right" else "left",
        )
        if edges.ndim == 1
        else refuse("a sorted vector for each row"),
        out_int32,
    ),
    "to": lambda x, *args, **named: same(x),
    "trapezoid": lambda y, x=None, dx=1.0, dim=-1: cr.sum(areas(y, x, dx, dim), axis=dim),
    "trapz": lambda y, x=None, dx=1.0, dim=-1: cr.sum(areas(y, x, dx, dim), axis=dim),
    "select": lambda x, dim, index: cut(x, dim, index),
    "slice": lambda x, dim=0, start=None, end=None, step=None: cut(x, dim, slice(start, end, step)),
    "split": split,
    "split.list_args": split,
    "split_with_sizes": split,
    "split_with_sizes_copy": split,
    "squeeze": squeeze,
    "squeeze.multiple": squeeze,
    "squeeze_copy": squeeze,
    "stack": lambda xs, dim=0: cr.stack(xs, axis=dim),
    "sum_to_size": sum_to_size,
    "t": lambda x: x if x.ndim < 2 else x.T,
    "t_copy": lambda x: x if x.ndim < 2 else x.T,
    "take": Row(lambda x, index: cr.reshape(x, (-1,))[index], known=True),
    "take_along_dim": lambda x, index, dim=None: (
        cr.reshape(x, (-1,))[cr.reshape(index, (-1,))]
        if dim is None
        else cr.take_along_axis(x, cr.where(index < 0, index + x.shape[dim], index), axis=dim)
    ),
    "tensor_split": Row(tensor_split, known=True),
    "tile": cr.tile,
    "transpose": swap,
    "transpose_copy": swap,
    "tril": lambda x, k=0: cr.tril(x, k=k),
    "triu": lambda x, k=0: cr.triu(x, k=k),
    "unbind": lambda x, dim=0: list(cr.unstack(x, axis=dim)),
    "unbind_copy": lambda x, dim=0: list(cr.unstack(x, axis=dim)),
    "unflatten": unflatten,
    "unfold": unfold,
    "unfold_copy": unfold,
    "unsafe_chunk": chunk,
    "unsafe_split": split,
    "unsqueeze": lambda x, dim: cr.expand_dims(x, axis=dim),
    "unsqueeze_copy": lambda x, dim: cr.expand_dims(x, axis=dim),
    "view": cr.reshape,
    "view_as": lambda x, y: cr.reshape(x, y.shape),
    "view_copy": cr.reshape,
    "vsplit": lambda x, parts: tensor_split(x, parts, 0),
    "vstack": lambda xs: cr.concat([at_least(x, 2) for x in xs], axis=0),
    "where": lambda x, condition, y: cr.where(condition, x, y),
    "zeros": lambda shape, dtype: cr.zeros(shape, dtype=dtype),
    "zeros_like": lambda x, dtype=None: cr.zeros_like(x, dtype=dtype),
}


def padded(x: Tensor, pad: Any, value: float = 0.0) -> Tensor:
    """PyTorch's widths count axes from the last one; negative ones cut."""
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2)
    pairs += [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    for axis, (low, high) in enumerate(pairs):
        x = cut(x, axis, slice(max(-low, 0), x.shape[axis] - max(-high, 0)))
    return cr.pad(x, tuple((max(a, 0), max(b, 0)) for a, b in pairs), constant_values=value)
