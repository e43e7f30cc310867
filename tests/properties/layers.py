"""Layers in any order and of odd sizes, some of them shared.

A `Zoo` holds tensors; a line of a table puts a layer on one that fits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import chainrule as cr
from chainrule.compiler.errors import ChainruleError
from chainrule.compiler.types import value

Line: TypeAlias = "Callable[[Zoo, cr.Tensor], Any]"

SIZES = (1, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 65, 130, 257)
FEW = (1, 2, 3, 4, 5, 7, 8, 16, 17)
ACTIVATIONS = (
    None, None, "tanh", "relu", "sigmoid", "elu", "gelu", "selu", "silu", "softplus", "softsign",
    "mish", "leaky_relu", "hard_sigmoid", "softmax",
)  # fmt: skip
LABELS = 11
WIDE = (64, 100, 130, 257, 300, 514, 1031)
LENGTH, OTHER = 6, 9  # of open axes, and of those of samples that are only predicted
MOST = 6000  # numbers of a sample


class Activity(cr.BaseLayer):
    """Adds a term to the loss; the input goes on."""

    def describe(self) -> str:
        """As written."""
        return "Activity()"

    def apply(self, *inputs: cr.Tensor) -> cr.Tensor:
        """The input."""
        (x,) = inputs
        self.add_loss(0.01 * cr.mean(x**2, axis=tuple(range(1, x.ndim))))
        return x


@dataclass
class Zoo:
    """A network as it grows.

    Args:
        choose: what decides.
        dtype: of its floats.
        is_large: whether layers are wide, so that not all is in the nearest cache.
    """

    choose: random.Random
    dtype: str
    is_large: bool = False
    inputs: list[cr.Tensor] = field(default_factory=list)
    pool: list[cr.Tensor] = field(default_factory=list)
    layers: list[tuple[cr.BaseLayer, cr.Tensor]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def some(self, items: Sequence[Any]) -> Any:
        """One of several."""
        return self.choose.choice(items)

    def chance(self, probability: float) -> bool:
        """True as often."""
        return self.choose.random() < probability

    def units(self, sizes: Sequence[int]) -> int:
        """A size of a layer."""
        found: int = self.some(WIDE if self.is_large else sizes)
        return found

    def activation(self) -> Any:
        """The name of an activation, or None."""
        return self.some(ACTIVATIONS)

    def like(self, x: cr.Tensor) -> cr.Tensor:
        """A tensor of the type of `x`, another one if there is one."""
        same = [t for t in self.pool if t.node.type == x.node.type]
        found: cr.Tensor = self.some(same)
        return found

    def on(self, layer: cr.BaseLayer, x: cr.Tensor) -> Any:
        """The layer's result; the layer may be taken again."""
        self.layers.append((layer, x))
        self.said.append(f"{layer.describe()} on {x.shape}")
        return layer(x)

    def regularizer(self) -> Any:
        """Mostly none."""
        return self.some((None, None, None, None, "l2", cr.L1(0.01), cr.L1L2(0.01, 0.02)))


def dims(x: cr.Tensor, length: int = LENGTH) -> tuple[int, ...]:
    """The sizes of a sample, where open ones are so long."""
    return tuple(value(d, {"n": length}) for d in x.shape[1:])


def size(x: cr.Tensor) -> int:
    """Numbers of a sample."""
    return math.prod(dims(x))


# -- of any shape ---------------------------------------------------------------------------------


def dense(z: Zoo, x: cr.Tensor) -> Any:
    layer = cr.Dense(
        z.units(SIZES),
        z.activation(),
        use_bias=z.chance(0.8),
        kernel_regularizer=z.regularizer(),
        bias_regularizer=z.regularizer(),
    )
    return z.on(layer, x)


def radial(z: Zoo, x: cr.Tensor) -> Any:
    return z.on(cr.Layer("radial", z.some(FEW), activation=z.activation()), x)


def normalized(z: Zoo, x: cr.Tensor) -> Any:
    channels = dims(x)[-1]
    made: list[cr.BaseLayer] = [
        cr.BatchNormalization(momentum=0.7, center=z.chance(0.7), scale=z.chance(0.7)),
        cr.BatchNormalization(momentum=0.5, epsilon=0.1),
        cr.LayerNormalization(),
        cr.RMSNormalization(epsilon=1e-3),
    ]
    if x.ndim > 2:
        groups = z.some([d for d in range(1, channels + 1) if channels % d == 0])
        made += [
            cr.GroupNormalization(groups),
            cr.InstanceNormalization(),
            cr.LayerNormalization(axis=(-2, -1)),
            cr.BatchNormalization(axis=1, momentum=0.9),
        ]
    return z.on(z.some(made), x)


def noisy(z: Zoo, x: cr.Tensor) -> Any:
    made: list[cr.BaseLayer] = [
        cr.Dropout(z.some((0.0, 0.1, 0.5, 0.9))),
        cr.GaussianNoise(0.1),
        cr.GaussianDropout(0.3),
        cr.AlphaDropout(0.2),
    ]
    if x.ndim == 3:
        made.append(cr.SpatialDropout1D(0.4))
    if x.ndim == 4:
        made.append(cr.SpatialDropout2D(0.4))
    return z.on(z.some(made), x)


def activated(z: Zoo, x: cr.Tensor) -> Any:
    return z.on(cr.Activation(z.activation() or "tanh"), x)


def active(z: Zoo, x: cr.Tensor) -> Any:
    return z.on(Activity(), x)


def merged(z: Zoo, x: cr.Tensor) -> Any:
    y = z.like(x)
    kind = z.some((cr.Add, cr.Multiply, cr.Concatenate))
    z.said.append(f"{kind.__name__} of {x.shape}")
    return kind()([x, y])


def shaped(z: Zoo, x: cr.Tensor) -> Any:
    count = size(x)
    found = [(a, b) for a in range(1, 30) for b in [count // a] if a * b == count and b <= 130]
    three = [(a, b // c, c) for a, b in found for c in range(1, 9) if b % c == 0]
    shapes: list[tuple[int, ...]] = [(count,), *found, *three]
    return z.on(cr.Reshape(z.some(shapes)), x)


def flat(z: Zoo, x: cr.Tensor) -> Any:
    return z.on(cr.Flatten(), x)


def computed(z: Zoo, x: cr.Tensor) -> Any:
    """Functions of tensors between layers."""
    y = z.like(x)
    kind, last = z.some(range(12)), x.ndim - 1
    z.said.append(f"function {kind} of {x.shape}")
    made: list[Callable[[], Any]] = [
        lambda: (x - cr.mean(x, axis=0)) / cr.sqrt(cr.var(x, axis=0) + 0.1),
        lambda: cr.where(x > 0.1, x, 0.3 * y),
        lambda: cr.flip(x, axis=last) * 0.5 + y,
        lambda: cr.cumulative_sum(x, axis=last) * 0.1,
        lambda: cr.sort(x, axis=last),
        lambda: cr.softmax(x, axis=1) * y,
        lambda: x / (1 + cr.sum(cr.abs(y), axis=last, keepdims=True)),
        lambda: cr.maximum(x, y) - cr.minimum(x, 0.2),
        lambda: cr.permute_dims(x, (0, *range(last, 0, -1))),
        lambda: cr.roll(x, 1, axis=last) * cr.tanh(y),
        lambda: cr.concat([x[..., :1], cr.stop_gradient(x)], axis=last),
        lambda: cr.logsumexp(x, axis=last, keepdims=True) + cr.zeros_like(x),
    ]
    return made[kind]()


def looped(z: Zoo, x: cr.Tensor) -> Any:
    """A loop over an axis of the sample or over a few steps, perhaps one in the other."""
    steps = z.some((1, 2, 3, 5))
    kind = z.some(range(4))
    z.said.append(f"loop {kind} of {x.shape}, {steps} steps")
    if kind == 0 or x.ndim < 3:
        return cr.scan(
            lambda h, _: (cr.tanh(h * 0.7 + x * 0.1), None), x, length=steps, reverse=z.chance(0.3)
        )[0]
    along = cr.moveaxis(x, 1, 0)

    def step(h: cr.Tensor, e: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
        new = cr.sin(h * 0.5 + e)
        return new, new * e

    if kind == 1:
        _, ys = cr.scan(step, along[0], along, reverse=z.chance(0.5))
    elif kind == 2:
        _, ys = cr.scan(step, along[0], along, checkpoint=1)
    else:

        def outer(h: cr.Tensor, e: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
            inner, _ = cr.scan(lambda g, _: (cr.tanh(g * 0.8 + e), None), h, length=steps)
            return inner, inner + e

        _, ys = cr.scan(outer, along[0], along)
    return cr.moveaxis(ys, 0, 1)


def sloped(z: Zoo, x: cr.Tensor) -> Any:
    """The gradient of something of `x`, so that the loss has second derivatives."""
    z.said.append(f"gradient at {x.shape}")
    layer = cr.Dense(z.some(FEW), z.some(("tanh", "softplus", "silu", "gelu")))
    return cr.grad(cr.sum(layer(x) ** 2), x)


ANY: tuple[Line, ...] = (
    dense, dense, dense, radial, normalized, normalized, noisy, activated, active, merged, shaped,
    flat, computed, computed, looped, sloped,
)  # fmt: skip


# -- sequences ------------------------------------------------------------------------------------


def convolution(z: Zoo, x: cr.Tensor) -> dict[str, Any]:
    """What layers with windows take, for inputs of one, two or three axes of space."""
    strides = z.some((1, 1, 1, 2, 3))
    return {
        "strides": strides,
        "padding": z.some(("valid", "same", "same")),
        "dilation_rate": z.some((1, 1, 2)) if strides == 1 else 1,
        "activation": z.activation(),
        "use_bias": z.chance(0.8),
        "kernel_regularizer": z.regularizer(),
    }


def convolved(z: Zoo, x: cr.Tensor) -> Any:
    rank = x.ndim - 2
    kind = (cr.Conv1D, cr.Conv2D, cr.Conv3D)[rank - 1]
    channels = dims(x)[-1]
    given = convolution(z, x)
    groups = z.some([d for d in range(1, channels + 1) if channels % d == 0])
    if z.chance(0.6):
        groups = 1
    filters = groups * z.some((1, 2, 3, 4)) if groups > 1 else min(z.units(FEW), 64)
    if rank == 1 and groups == 1 and z.chance(0.1) and given["strides"] == 1:
        given["padding"] = "causal"
    return z.on(kind(filters, z.some((1, 2, 3, 3, 5)), groups=groups, **given), x)


def transposed(z: Zoo, x: cr.Tensor) -> Any:
    kind = (cr.Conv1DTranspose, cr.Conv2DTranspose, cr.Conv3DTranspose)[x.ndim - 3]
    given = convolution(z, x)
    return z.on(kind(z.some((1, 2, 3, 5)), z.some((1, 2, 3)), **given), x)


def separable(z: Zoo, x: cr.Tensor) -> Any:
    given = convolution(z, x)
    del given["kernel_regularizer"]
    if z.chance(0.5):
        kind = (cr.SeparableConv1D, cr.SeparableConv2D)[x.ndim - 3]
        return z.on(kind(z.some(FEW), z.some((1, 2, 3)), **given), x)
    other = (cr.DepthwiseConv1D, cr.DepthwiseConv2D)[x.ndim - 3]
    return z.on(other(z.some((1, 2, 3)), depth_multiplier=z.some((1, 2)), **given), x)


def pooled(z: Zoo, x: cr.Tensor) -> Any:
    rank = x.ndim - 2
    ends = f"Pooling{rank}D"
    if z.chance(0.3):
        kind = getattr(cr, f"Global{z.some(('Average', 'Max'))}{ends}")
        return z.on(kind(keepdims=z.chance(0.3)), x)
    kind = getattr(cr, f"{z.some(('Average', 'Max'))}{ends}")
    return z.on(kind(z.some((1, 2, 3)), z.some((None, 1, 2)), z.some(("valid", "same"))), x)


def spaced(z: Zoo, x: cr.Tensor) -> Any:
    rank = x.ndim - 2
    name = z.some(("UpSampling", "ZeroPadding", "Cropping"))
    return z.on(getattr(cr, f"{name}{rank}D")(z.some((1, 2))), x)


def recurrent(z: Zoo, x: cr.Tensor) -> Any:
    kind = z.some((cr.LSTM, cr.GRU, cr.SimpleRNN))
    given: dict[str, Any] = {
        "return_sequences": z.chance(0.5),
        "go_backwards": z.chance(0.3),
        "checkpoint": z.some((None, None, 1, 2)),
        "dropout": z.some((0.0, 0.0, 0.2)),
        "recurrent_dropout": z.some((0.0, 0.0, 0.2)),
        "use_bias": z.chance(0.8),
        "activation": z.some(("tanh", "tanh", "relu", "softsign")),
    }
    if kind is cr.GRU:
        given["reset_after"] = z.chance(0.5)
    layer = kind(min(z.units((*FEW, 33)), 130), **given)
    if z.chance(0.25):
        given |= {"go_backwards": False}
        layer = kind(z.some(FEW), **given)
        mode = z.some(("concat", "sum", "mul", "ave"))
        return z.on(cr.Bidirectional(layer, mode), x)
    if z.chance(0.2):
        z.said.append(f"{layer.describe()} on {x.shape}, masked")
        return layer(x, mask=x[..., 0] > -0.3)
    return z.on(layer, x)


def attended(z: Zoo, x: cr.Tensor) -> Any:
    given = {"dropout": z.some((0.0, 0.0, 0.2)), "use_bias": z.chance(0.8)}
    layer = cr.MultiHeadAttention(z.some((1, 2, 3)), min(z.units((1, 2, 4, 5, 16)), 64), **given)
    others = [t for t in z.pool if t.ndim == 3 and t.dtype == x.dtype]
    y = z.some(others) if z.chance(0.3) else None
    mask = None if y is not None or z.chance(0.6) else (x[..., 0] > 0.0)[:, None, :]
    causal = z.chance(0.4)
    z.said.append(f"{layer.describe()} on {x.shape}, {y!r}, mask {mask is not None}, {causal}")
    return layer(x, y, attention_mask=mask, use_causal_mask=causal)


def placed(z: Zoo, x: cr.Tensor) -> Any:
    if z.chance(0.5):
        return x + z.on(cr.PositionEmbedding(dims(x)[0] + z.some((0, 3))), x)
    return x + z.on(cr.SinePositionEncoding(100.0), x)


SEQUENCE: tuple[Line, ...] = (
    convolved, convolved, transposed, separable, pooled, spaced, recurrent, recurrent, recurrent,
    attended, attended, placed,
)  # fmt: skip
IMAGE: tuple[Line, ...] = (convolved, convolved, convolved, transposed, separable, pooled, spaced)
SOLID: tuple[Line, ...] = (convolved, transposed, pooled)


# -- labels ---------------------------------------------------------------------------------------


def embedded(z: Zoo, x: cr.Tensor) -> Any:
    given: dict[str, Any] = {"dtype": z.dtype, "sparse": z.chance(0.2)}
    if x.ndim > 1 and z.chance(0.4):
        mode, padding = z.some(("sum", "mean", "max")), z.some((None, 0, 3))
        bag = cr.EmbeddingBag(LABELS, z.some(FEW), mode, padding, **given)
        return z.on(bag, x)
    return z.on(cr.Embedding(LABELS, z.some(FEW), **given), x)


def again(z: Zoo, x: cr.Tensor) -> Any:
    """A layer that is there already, on another tensor of the same kind."""
    fitting = [(f, t) for f, t in z.layers if t.shape == x.shape and t.dtype == x.dtype]
    if not fitting:
        return None
    layer, _ = z.some(fitting)
    z.said.append(f"again {layer.describe()} on {x.shape}")
    return layer(x)


def lines(x: cr.Tensor) -> tuple[Line, ...]:
    """What may be put on a tensor."""
    if not x.node.type.is_float:
        return (embedded,)
    return ANY + {3: SEQUENCE, 4: IMAGE, 5: SOLID}.get(x.ndim, ())


def step(z: Zoo) -> None:
    """Put something on a tensor, the later ones rather."""
    x = z.some(z.pool[-2:] if z.chance(0.8) else z.pool)
    line = again if z.chance(0.1) else z.some(lines(x))
    told = len(z.said)
    try:
        made = line(z, x)
    except ChainruleError:
        del z.said[told:]
        return
    for y in made if isinstance(made, list | tuple) else [made]:
        if y is not None and 2 <= y.ndim <= 5 and size(y) <= MOST * (5 if z.is_large else 1):
            z.pool.append(y)
