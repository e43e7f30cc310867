"""Normalization, convolution, pooling and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import chainrule as cr

from .row import Row, Table, Tensor, refuse

FIRST = {"data_format": "channels_first"}


def normalize(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    axis = dim if x.ndim else None
    return x / cr.maximum(cr.vector_norm(x, ord=p, axis=axis, keepdims=True), eps)


def standard(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """x with mean 0 and variance 1 over some axes."""
    mean = cr.mean(x, axis=axes, keepdims=True)
    return (x - mean) / cr.sqrt(cr.var(x, axis=axes, keepdims=True) + eps)


def scaled(x: Tensor, weight: Any, bias: Any, axis: int = 1) -> Tensor:
    """A factor and a term for each channel."""
    shape = [x.shape[i] if i == axis else 1 for i in range(x.ndim)]
    if weight is not None:
        x = x * cr.reshape(weight, shape)
    return x if bias is None else x + cr.reshape(bias, shape)


def group_norm(
    x: Tensor, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    apart = cr.reshape(x, (x.shape[0], groups, math.prod(x.shape[1:]) // groups))
    return scaled(cr.reshape(standard(apart, (2,), eps), x.shape), weight, bias)


def instance_norm(
    x: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    return scaled(standard(x, tuple(range(2, x.ndim)), eps), weight, bias)


def layer_norm(
    x: Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    y = standard(x, tuple(range(x.ndim - len(shape), x.ndim)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def native_layer_norm(x: Tensor, shape: Any, weight: Any, bias: Any, eps: float) -> list[Tensor]:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    mean, var = (f(x, axis=axes, keepdims=True) for f in (cr.mean, cr.var))
    return [layer_norm(x, shape, weight, bias, eps), mean, 1 / cr.sqrt(var + eps)]


def native_group_norm(
    x: Tensor, weight: Any, bias: Any, n: int, c: int, hw: int, groups: int, eps: float
) -> list[Tensor]:
    apart = cr.reshape(x, (n, groups, c * hw // groups))
    mean, var = (f(apart, axis=2) for f in (cr.mean, cr.var))
    return [group_norm(x, groups, weight, bias, eps), mean, 1 / cr.sqrt(var + eps)]


def rms_norm(x: Tensor, shape: Any, weight: Any = None, eps: Any = None) -> Tensor:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    eps = float(np.finfo(np.float64).eps) if eps is None else eps
    y = x / cr.sqrt(cr.mean(cr.square(x), axis=axes, keepdims=True) + eps)
    return y if weight is None else y * weight


def batch_norm(
    x: Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if x.ndim < 2:
        return x
    if training:
        y = standard(x, tuple(i for i in range(x.ndim) if i != 1), eps)
    else:
        y = scaled(scaled(x, None, -running_mean), 1 / cr.sqrt(running_var + eps), None)
    return scaled(y, weight, bias)


def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    widths = tuple((size // 2, (size - 1) // 2) if i == 1 else (0, 0) for i in range(x.ndim))
    near = cr.sum(cr.windows(cr.pad(cr.square(x), widths), size, axis=1), axis=2)
    return x / (k + alpha / size * near) ** beta


def tuple_of(given: Any, rank: int) -> tuple[int, ...]:
    if isinstance(given, int):
        return (given,) * rank
    return tuple(given) * (rank // len(given))


def batched(function: Any, rank: int) -> Any:
    """A function of batches, also of a single sample."""

    def of(x: Tensor, *args: Any, **named: Any) -> Tensor:
        if x.ndim == rank + 2:
            return function(x, *args, **named)
        found = function(cr.expand_dims(x, axis=0), *args, **named)
        return cr.squeeze(found, axis=0)

    return of


def convolution(rank: int) -> Any:
    def conv(
        x: Tensor,
        w: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        kernel = cr.permute_dims(w, (*range(2, rank + 2), 1, 0))
        pad: Any = padding if isinstance(padding, str) else list(tuple_of(padding, rank))
        y = cr.conv(
            x,
            kernel,
            tuple_of(stride, rank),
            pad,
            dilation=tuple_of(dilation, rank),
            groups=groups,
            **FIRST,
        )
        return scaled(y, None, bias)

    return batched(conv, rank)


def transposed(rank: int) -> Any:
    def conv(
        x: Tensor,
        w: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Tensor:
        # [in, out / groups, *sizes] -> [*sizes, out / groups, in]
        kernel = cr.permute_dims(w, (*range(2, rank + 2), 1, 0))
        y = cr.conv_transpose(
            x,
            kernel,
            tuple_of(stride, rank),
            list(tuple_of(padding, rank)),
            output_padding=tuple_of(output_padding, rank),
            dilation=tuple_of(dilation, rank),
            groups=groups,
            **FIRST,
        )
        return scaled(y, None, bias)

    return batched(conv, rank)


def places(n: int, size: int, step: int, pad: int, gap: int, ceil_mode: bool) -> int:
    """How far the windows reach behind an axis of size n, where a part of one counts."""
    reach = (size - 1) * gap + 1
    room = n + 2 * pad - reach
    count = (-(-room // step) if ceil_mode else room // step) + 1
    if ceil_mode and (count - 1) * step >= n + pad:
        count -= 1
    return (count - 1) * step + reach - n - pad


def max_pool(rank: int) -> Any:
    def pool(
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Tensor:
        size, gap = tuple_of(kernel_size, rank), tuple_of(dilation, rank)
        step = size if stride is None else tuple_of(stride, rank)
        pad = tuple_of(padding, rank)
        ends = [
            places(n, k, s, p, g, ceil_mode)
            for n, k, s, p, g in zip(x.shape[2:], size, step, pad, gap, strict=True)
        ]
        if max(gap) == 1:
            widths = [(a, max(b, 0)) for a, b in zip(pad, ends, strict=True)]
            return cr.max_pool(x, size, step, widths, **FIRST)
        wide = cr.pad(
            x,
            ((0, 0), (0, 0), *((a, max(b, 0)) for a, b in zip(pad, ends, strict=True))),
            constant_values=-np.inf,
        )
        seen = cr.windows(wide, size, axis=2, strides=step, dilation=gap)
        return cr.max(seen, axis=tuple(range(2 + rank, 2 + 2 * rank)))

    return batched(pool, rank)


def average_pool(rank: int) -> Any:
    def pool(
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Any = None,
    ) -> Tensor:
        size = tuple_of(kernel_size, rank)
        step = size if stride is None or stride == () else tuple_of(stride, rank)
        pad = tuple_of(padding, rank)
        ends = [
            places(n, k, s, p, 1, ceil_mode)
            for n, k, s, p in zip(x.shape[2:], size, step, pad, strict=True)
        ]
        widths = ((0, 0), (0, 0), *((a, max(b, 0)) for a, b in zip(pad, ends, strict=True)))
        if not count_include_pad and not divisor_override:
            return cr.average_pool(x, size, step, widths[2:], **FIRST)
        axes = tuple(range(2 + rank, 2 + 2 * rank))
        total = cr.sum(cr.windows(cr.pad(x, widths), size, axis=2, strides=step), axis=axes)
        if divisor_override:
            return total / divisor_override
        # The padding counts, but not what a last window of `ceil_mode` reaches beyond it.
        inside = np.ones([n + 2 * p for n, p in zip(x.shape[2:], pad, strict=True)])
        more = [(0, max(b - p, 0)) for b, p in zip(ends, pad, strict=True)]
        counts = np.lib.stride_tricks.sliding_window_view(np.pad(inside, more), size)
        counts = counts[tuple(slice(None, None, s) for s in step)]
        return total / counts.sum(axis=tuple(range(rank, 2 * rank)))

    return batched(pool, rank)


def adaptive(function: Any, rank: int) -> Any:
    """Windows of sizes that differ by one, so that there is a given number of them."""

    def pool(x: Tensor, output_size: Any, return_indices: bool = False) -> Tensor:
        wanted = tuple_of(output_size, rank) if output_size is not None else (None,) * rank
        for i, count in enumerate(wanted):
            axis, n = 2 + i, x.shape[2 + i]
            count = n if count is None else count
            parts = []
            for k in range(count):
                a, b = k * n // count, -(-(k + 1) * n // count)
                part = x[(slice(None),) * axis + (slice(a, b),)]
                parts.append(function(part, axis=axis, keepdims=True))
            x = cr.concat(parts, axis=axis)
        return x

    return batched(pool, rank)


def unfold_blocks(
    x: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    size, gap, pad, step = (tuple_of(v, 2) for v in (kernel_size, dilation, padding, stride))
    wide = cr.pad(x, ((0, 0), (0, 0), (pad[0], pad[0]), (pad[1], pad[1])))
    seen: Tensor = cr.permute_dims(
        cr.windows(wide, size, axis=2, strides=step, dilation=gap), (0, 1, 4, 5, 2, 3)
    )
    n, c, h, w, *count = seen.shape
    return cr.reshape(seen, (n, c * h * w, math.prod(count)))


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: Any = None,
    enable_gqa: bool = False,
) -> Tensor:
    if dropout_p:
        refuse("random")
    if enable_gqa:
        times = q.shape[-3] // k.shape[-3]
        k, v = (cr.take(x, np.repeat(np.arange(x.shape[-3]), times), axis=-3) for x in (k, v))
    return cr.scaled_dot_product_attention(q, k, v, attn_mask, is_causal=is_causal, scale=scale)


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    r = upscale_factor
    *lead, c, h, w = x.shape
    k = len(lead)
    apart = cr.reshape(x, (*lead, c // r**2, r, r, h, w))
    order = (*range(k), k, k + 3, k + 1, k + 4, k + 2)
    return cr.reshape(cr.permute_dims(apart, order), (*lead, c // r**2, h * r, w * r))


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    r = downscale_factor
    *lead, c, h, w = x.shape
    k = len(lead)
    apart = cr.reshape(x, (*lead, c, h // r, r, w // r, r))
    order = (*range(k), k, k + 2, k + 4, k + 1, k + 3)
    return cr.reshape(cr.permute_dims(apart, order), (*lead, c * r**2, h // r, w // r))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    n, c, *space = x.shape
    apart = cr.reshape(x, (n, groups, c // groups, *space))
    return cr.reshape(cr.permute_dims(apart, (0, 2, 1, *range(3, apart.ndim))), x.shape)


def embedding(w: Tensor, index: Tensor, **named: Any) -> Tensor:
    if named.get("max_norm") is not None:
        refuse("renormalizes its weights in place")
    if named.get("scale_grad_by_freq"):
        refuse("a gradient that is not the derivative")
    if named.get("padding_idx") is not None:
        i = named["padding_idx"] % w.shape[0]
        fixed = np.arange(w.shape[0])[:, None] == i
        w = cr.where(fixed, cr.stop_gradient(w), w)
    return cr.take(w, index, axis=0)


def first(found: Any) -> Any:
    """The largest elements, without their places."""
    return found[0] if isinstance(found, tuple) else found


LAYERS: Table = {
    "nn.functional.adaptive_avg_pool1d": adaptive(cr.mean, 1),
    "nn.functional.adaptive_avg_pool2d": adaptive(cr.mean, 2),
    "nn.functional.adaptive_avg_pool3d": adaptive(cr.mean, 3),
    "nn.functional.adaptive_max_pool1d": Row(adaptive(cr.max, 1), theirs=first),
    "nn.functional.adaptive_max_pool2d": Row(adaptive(cr.max, 2), theirs=first),
    "nn.functional.adaptive_max_pool3d": Row(adaptive(cr.max, 3), theirs=first),
    "nn.functional.avg_pool1d": average_pool(1),
    "nn.functional.avg_pool2d": average_pool(2),
    "nn.functional.avg_pool3d": average_pool(3),
    "nn.functional.batch_norm": batch_norm,
    "nn.functional.channel_shuffle": channel_shuffle,
    "nn.functional.conv1d": convolution(1),
    "nn.functional.conv2d": convolution(2),
    "nn.functional.conv3d": convolution(3),
    "nn.functional.conv_transpose1d": transposed(1),
    "nn.functional.conv_transpose2d": transposed(2),
    "nn.functional.conv_transpose3d": transposed(3),
    "nn.functional.embedding": embedding,
    "nn.functional.group_norm": group_norm,
    "nn.functional.instance_norm": instance_norm,
    "nn.functional.layer_norm": layer_norm,
    "nn.functional.local_response_norm": local_response_norm,
    "nn.functional.max_pool1d": Row(max_pool(1), theirs=first),
    "nn.functional.max_pool2d": Row(max_pool(2), theirs=first),
    "nn.functional.max_pool3d": Row(max_pool(3), theirs=first),
    "native_group_norm": native_group_norm,
    "native_layer_norm": Row(lambda *args: native_layer_norm(*args)[0], theirs=first),
    "nn.functional.normalize": normalize,
    "nn.functional.pixel_shuffle": pixel_shuffle,
    "nn.functional.pixel_unshuffle": pixel_unshuffle,
    "nn.functional.rms_norm": rms_norm,
    "nn.functional.scaled_dot_product_attention": attention,
    "nn.functional.unfold": unfold_blocks,
}
