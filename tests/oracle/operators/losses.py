"""Losses, and how their elements are put together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import chainrule as cr

from .row import Table, Tensor


def reduced(loss: Tensor, reduction: str = "mean") -> Tensor:
    return {"none": lambda x: x, "mean": cr.mean, "sum": cr.sum}[reduction](loss)


def cross_entropy(
    z: Tensor,
    target: Tensor,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    axis = 1 if z.ndim > 1 else 0
    logp = cr.log_softmax(z, axis=axis)
    count = z.shape[axis]
    shape = [count if i == axis else 1 for i in range(z.ndim)]
    w = cr.ones(shape, dtype="float64") if weight is None else cr.reshape(weight, shape)
    if target.dtype == "float64":
        t = target * (1 - label_smoothing) + label_smoothing / count
        losses: Tensor = -cr.sum(t * logp * w, axis=axis)
        n = math.prod(losses.shape)
        return cr.sum(losses) / n if reduction == "mean" else reduced(losses, reduction)
    picked, weights = (
        of_class(logp, target, ignore_index, axis),
        of_class(cr.broadcast_to(w, z.shape), target, ignore_index, axis),
    )
    losses = -picked * weights
    smooth = -cr.sum(logp * w, axis=axis) * cr.astype(target != ignore_index, "float64")
    if reduction == "mean":
        total = cr.sum(weights)
        losses, smooth = cr.sum(losses) / total, cr.sum(smooth) / total
    else:
        losses, smooth = reduced(losses, reduction), reduced(smooth, reduction)
    return (1 - label_smoothing) * losses + label_smoothing / count * smooth


def of_class(x: Tensor, target: Tensor, ignore_index: int, axis: int) -> Tensor:
    """The value of each class, 0 for those that are ignored."""
    kept = target != ignore_index
    index = cr.expand_dims(cr.where(kept, target, 0), axis=axis)
    found = cr.squeeze(cr.take_along_axis(x, index, axis=axis), axis=axis)
    return cr.where(kept, found, 0.0)


def nll_loss(
    logp: Tensor,
    target: Tensor,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    axis = 1 if logp.ndim > 1 else 0
    shape = [logp.shape[axis] if i == axis else 1 for i in range(logp.ndim)]
    w = cr.ones(shape, dtype="float64") if weight is None else cr.reshape(weight, shape)
    weights = of_class(cr.broadcast_to(w, logp.shape), target, ignore_index, axis)
    losses = -of_class(logp, target, ignore_index, axis) * weights
    return cr.sum(losses) / cr.sum(weights) if reduction == "mean" else reduced(losses, reduction)


def binary_logits(
    z: Tensor, t: Tensor, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    p = 1.0 if pos_weight is None else pos_weight
    losses = (1 - t) * z + (1 + (p - 1) * t) * cr.softplus(-z)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary(p: Tensor, t: Tensor, weight: Any = None, reduction: str = "mean") -> Tensor:
    losses = -(t * cr.log(p) + (1 - t) * cr.log(1 - p))
    return reduced(losses if weight is None else losses * weight, reduction)


def gaussian(
    x: Tensor,
    t: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    if not isinstance(var, cr.Tensor):
        var = cr.full((), var, dtype="float64")
    if var.shape != x.shape and var.ndim == x.ndim - 1:
        var = cr.expand_dims(var, axis=-1)
    # PyTorch's maximum is taken of a copy: below eps the gradient passes.
    v = var + cr.stop_gradient(cr.maximum(var, eps) - var)
    losses = 0.5 * (cr.log(v) + (x - t) ** 2 / v)
    return reduced(losses + (0.5 * math.log(2 * math.pi) if full else 0.0), reduction)


def poisson(
    x: Tensor,
    t: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    losses = cr.exp(x) - t * x if log_input else x - t * cr.log(x + eps)
    if full:
        stirling = t * cr.log(t) - t + 0.5 * cr.log(2 * math.pi * t)
        losses = losses + cr.where(t > 1, stirling, 0.0)
    return reduced(losses, reduction)


def kl_div(x: Tensor, t: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    if log_target:
        losses = cr.exp(t) * (t - x)
    else:
        losses = cr.where(t == 0, 0.0, t * cr.log(cr.where(t == 0, 1.0, t))) - t * x
    if reduction == "batchmean":
        return cr.sum(losses) / (x.shape[0] if x.ndim else 1)
    return reduced(losses, reduction)


def huber(x: Tensor, t: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    e = cr.abs(x - t)
    return reduced(cr.where(e <= delta, 0.5 * e**2, delta * (e - 0.5 * delta)), reduction)


def smooth_l1(x: Tensor, t: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    e = cr.abs(x - t)
    if not beta:
        return reduced(e, reduction)
    return reduced(cr.where(e < beta, 0.5 * e**2 / beta, e - 0.5 * beta), reduction)


def cosine(a: Tensor, b: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    if not a.ndim:
        return cosine(cr.reshape(a, (1,)), cr.reshape(b, (1,)), 0, eps)
    both = np.broadcast_shapes(a.shape, b.shape)
    a, b = cr.broadcast_to(a, both), cr.broadcast_to(b, both)

    def length(x: Tensor) -> Tensor:
        return cr.maximum(cr.vector_norm(x, axis=dim, keepdims=True), eps)

    return cr.sum((a / length(a)) * (b / length(b)), axis=dim)


def cosine_embedding(
    a: Tensor, b: Tensor, t: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    tiny = 1e-12
    dot = cr.sum(a * b, axis=-1)
    c = dot / cr.sqrt((cr.sum(a * a, axis=-1) + tiny) * (cr.sum(b * b, axis=-1) + tiny))
    losses = cr.where(t == 1, 1 - c, cr.where(t == -1, cr.maximum(c - margin, 0.0), 0.0))
    return reduced(losses, reduction)


def triplet(distance: Any) -> Any:
    def loss(
        a: Tensor,
        p: Tensor,
        n: Tensor,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
        distance_function: Any = None,
        **named: Any,
    ) -> Tensor:
        far = distance(a, n, **named)
        if swap:
            far = cr.minimum(far, distance(p, n, **named))
        return reduced(cr.relu(distance(a, p, **named) - far + margin), reduction)

    return loss


def pairwise(a: Tensor, b: Tensor, p: float = 2, eps: float = 1e-6) -> Tensor:
    return cr.vector_norm(a - b + eps, ord=p, axis=-1)


LOSSES: Table = {
    "nn.functional.binary_cross_entropy": binary,
    "nn.functional.binary_cross_entropy_with_logits": binary_logits,
    "nn.functional.cosine_embedding_loss": cosine_embedding,
    "nn.functional.cosine_similarity": cosine,
    "nn.functional.cross_entropy": cross_entropy,
    "nn.functional.gaussian_nll_loss": gaussian,
    "nn.functional.hinge_embedding_loss": lambda x, t, margin=1.0, reduction="mean": reduced(
        cr.where(t != -1, x, 0.0) + cr.where(t != 1, cr.relu(margin - x), 0.0), reduction
    ),
    "nn.functional.huber_loss": huber,
    "nn.functional.kl_div": kl_div,
    "nn.functional.l1_loss": lambda x, t, reduction="mean": reduced(cr.abs(x - t), reduction),
    "nn.functional.margin_ranking_loss": lambda a, b, t, margin=0.0, reduction="mean": reduced(
        cr.relu(-t * (a - b) + margin), reduction
    ),
    "nn.functional.mse_loss": lambda x, t, reduction="mean": reduced((x - t) ** 2, reduction),
    "nn.functional.nll_loss": nll_loss,
    "nn.functional.poisson_nll_loss": poisson,
    "nn.functional.smooth_l1_loss": smooth_l1,
    "nn.functional.soft_margin_loss": lambda x, t, reduction="mean": reduced(
        cr.softplus(-t * x), reduction
    ),
    "nn.functional.triplet_margin_loss": triplet(pairwise),
    "nn.functional.triplet_margin_with_distance_loss": triplet(pairwise),
}
