"""Attention: means of values, weighted by how well keys fit a query."""

from __future__ import annotations

import math

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.types import Size

from ..tensor import Like, Tensor, as_tensor, public
from .creation import arange
from .elementwise import greater, where
from .linear import matmul, matrix_transpose
from .shaping import reshape
from .statistics import softmax


@public
def scaled_dot_product_attention(
    query: Like,
    key: Like,
    value: Like,
    attn_mask: Like | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(scale query key^T) value, over the last two axes; the others are batches.

    A position that a mask leaves nothing to attend to gets zeros, and so do its gradients.

    Args:
        query: a tensor `(..., L, E)`, float32 or float64.
        key: a tensor `(..., S, E)`.
        value: a tensor `(..., S, V)`.
        attn_mask: a tensor that broadcasts to `(..., L, S)`. Of bool: true where position i may
            attend to position j. Of floats: added to the scores, minus infinity to forbid.
        is_causal: whether position i attends to positions j <= i alone.
        scale: a factor of the scores; 1 / sqrt(E) by default.

    Returns:
        A tensor `(..., L, V)`.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: a tensor is not of floats, or the mask neither of bool nor of floats.

    Example:
        >>> import chainrule as cr, numpy as np
        >>> q, v = np.zeros((2, 1)), np.array([[2.0], [4.0]])
        >>> np.asarray(cr.scaled_dot_product_attention(q, q, v, is_causal=True))
        array([[2.],
               [3.]])

    Source:
        Vaswani et al. 2017, "Attention is all you need", eq. (1).
    """
    q, k, v = (as_tensor(x) for x in (query, key, value))
    for name, x in (("query", q), ("key", k), ("value", v)):
        if x.ndim < 2 or not x.node.type.is_float:
            raise ShapeError(
                f"scaled_dot_product_attention: {name} is {x.node.type}",
                "expected floats of shape (..., positions, features)",
                "the batch and the heads come first",
            )
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            "scaled_dot_product_attention: the shapes do not fit",
            f"query {q.node.type}, key {k.node.type}, value {v.node.type}",
            "query and key have as many features, key and value as many positions",
        )
    if scale is None:
        scale = 1 / math.sqrt(features(q))
    scores = matmul(q, matrix_transpose(k)) * scale
    mask = None if attn_mask is None else as_tensor(attn_mask)
    return matmul(attention_weights(scores, mask, is_causal), v)


def features(x: Tensor) -> int:
    """The size of the last axis."""
    size = x.shape[-1]
    if isinstance(size, Size):
        raise UsageError(
            "scaled_dot_product_attention: the number of features is not known",
            f"the last axis of {x.node.type}",
            "give scale, or the axis a size",
        )
    return size


def attention_weights(scores: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """The softmax of scores `(..., L, S)` where masks allow; elsewhere 0."""
    if causal:
        rows, columns = (arange(n, dtype="int32") for n in scores.shape[-2:])
        scores = where(reshape(rows, (*rows.shape, 1)) >= columns, scores, -math.inf)
    if mask is None:
        return softmax(scores, axis=-1)  # every position attends to the first at least
    for axis in range(-min(2, mask.ndim), 0):
        if mask.shape[axis] not in (1, scores.shape[axis]):
            raise ShapeError(
                f"an attention mask of {mask.node.type}",
                f"axis {axis} has size {mask.shape[axis]}, and there are {scores.shape[axis]} "
                f"{'queries' if axis == -2 else 'keys'}",
                "a mask says for each query and each key whether it may be attended to",
            )
    if mask.dtype == "bool":
        scores = where(mask, scores, -math.inf)
    elif mask.node.type.is_float:
        scores = where(greater(mask, -math.inf), scores + mask, -math.inf)
    else:
        raise DTypeError(
            f"an attention mask of {mask.node.type}",
            "expected bool, or floats that are added to the scores",
            "compare first: mask != 0",
        )
    # Where all of a row is forbidden, the softmax is 0/0.
    return where(greater(scores, -math.inf), softmax(scores, axis=-1), 0.0)
