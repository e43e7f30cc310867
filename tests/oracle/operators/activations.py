"""Activations."""

from __future__ import annotations

import chainrule as cr

from .row import Table, Tensor


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    return cr.gelu(x, approximate=approximate == "tanh")


def softplus(x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    return cr.where(x * beta > threshold, x, cr.softplus(x * beta) / beta)


def glu(x: Tensor, dim: int = -1) -> Tensor:
    before = (slice(None),) * (dim % x.ndim)
    half = x.shape[dim] // 2
    return x[(*before, slice(half))] * cr.sigmoid(x[(*before, slice(half, None))])


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    w = weight
    if w.ndim and x.ndim:
        w = cr.reshape(w, [w.shape[0] if i == min(1, x.ndim - 1) else 1 for i in range(x.ndim)])
    elif w.ndim:
        w = cr.reshape(w, ())
    return cr.where(x > 0, x, w * x)


ACTIVATIONS: Table = {
    "nn.functional.celu": lambda x, alpha=1.0: cr.where(x > 0, x, alpha * cr.expm1(x / alpha)),
    "nn.functional.elu": lambda x, alpha=1.0: cr.elu(x, alpha=alpha),
    "nn.functional.gelu": gelu,
    "nn.functional.glu": glu,
    "nn.functional.hardshrink": lambda x, lambd=0.5: cr.where(cr.abs(x) > lambd, x, 0.0),
    "nn.functional.hardsigmoid": cr.hard_sigmoid,
    "nn.functional.hardswish": lambda x: x * cr.hard_sigmoid(x),
    "nn.functional.hardtanh": lambda x, min_val=-1.0, max_val=1.0: cr.clip(x, min_val, max_val),
    "nn.functional.leaky_relu": lambda x, negative_slope=0.01: cr.leaky_relu(
        x, negative_slope=negative_slope
    ),
    "nn.functional.logsigmoid": lambda x: cr.log(cr.sigmoid(x)),
    "nn.functional.mish": cr.mish,
    "nn.functional.prelu": prelu,
    "nn.functional.relu": cr.relu,
    "nn.functional.relu6": lambda x: cr.clip(x, 0.0, 6.0),
    "nn.functional.selu": cr.selu,
    "nn.functional.silu": cr.silu,
    "nn.functional.softplus": softplus,
    "nn.functional.softshrink": lambda x, lambd=0.5: cr.where(
        x > lambd, x - lambd, cr.where(x < -lambd, x + lambd, 0.0)
    ),
    "nn.functional.softsign": cr.softsign,
    "nn.functional.tanhshrink": lambda x: x - cr.tanh(x),
    "nn.functional.threshold": lambda x, threshold, value: cr.where(x <= threshold, value, x),
}
