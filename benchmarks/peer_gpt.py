"""The character GPT of `examples/gpt.py` in plain JAX, run by an interpreter that has JAX.

    python benchmarks/peer_gpt.py weights.npz

The file holds the weights by their names in the model, tokens and what follows them. Printed are,
as JSON, the losses of some steps of Adam and the seconds that tracing and compiling one step took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

begun = time.perf_counter(), time.process_time()
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

imported = time.perf_counter(), time.process_time()
HEADS, LAYERS, STEPS = 4, 2, 5
RATE, BETA_1, BETA_2, EPSILON = 3e-3, 0.9, 0.999, 1e-7
Weights = dict[str, Any]


def normalized(x: Any, gamma: Any, beta: Any) -> Any:
    """Layer normalization over the last axis."""
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-3) * gamma + beta


def attention(x: Any, w: Weights, n: int) -> Any:
    """Causal attention of several heads; `n` is the layer's number in the names of weights."""
    batch, length, width = x.shape
    q, k, v = (
        (x @ w[f"W_{name}{n}"]).reshape(batch, length, HEADS, width // HEADS) for name in "qkv"
    )
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(width // HEADS)
    causal = jnp.tril(jnp.ones((length, length), bool))
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(batch, length, width)
    return mixed @ w[f"W_o{n}"]


def loss(w: Weights, x: Any, y: Any) -> Any:
    """Cross-entropy of the characters that follow."""
    h = w["E1"][x] + w["P2"]
    n = 3
    for _ in range(LAYERS):
        h = h + attention(normalized(h, w[f"gamma{n}"], w[f"beta{n}"]), w, n + 1)
        wide = normalized(h, w[f"gamma{n + 2}"], w[f"beta{n + 2}"]) @ w[f"W{n + 3}"]
        h = h + jax.nn.gelu(wide, approximate=False) @ w[f"W{n + 4}"]
        n += 5
    scores = normalized(h, w[f"gamma{n}"], w[f"beta{n}"]) @ w[f"W{n + 1}"]
    taken = jnp.take_along_axis(jax.nn.log_softmax(scores), y[..., None], axis=-1)
    return -jnp.mean(taken)


def step(w: Weights, m: Weights, v: Weights, t: Any, x: Any, y: Any) -> tuple[Any, ...]:
    """One step of Adam: the loss before it, and what it changes."""
    value, g = jax.value_and_grad(loss)(w, x, y)
    t = t + 1
    alpha = RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    m = jax.tree.map(lambda m, g: m + (1 - BETA_1) * (g - m), m, g)
    v = jax.tree.map(lambda v, g: v + (1 - BETA_2) * (g**2 - v), v, g)
    w = jax.tree.map(lambda p, m, v: p - alpha * m / (jnp.sqrt(v) + EPSILON), w, m, v)
    return value, w, m, v, t


def main(path: str) -> None:
    """Compile the step for the file's weights, and take some."""
    with np.load(path) as file:
        arrays = {name: jnp.asarray(file[name]) for name in file.files}
    x, y = arrays.pop("x"), arrays.pop("y")
    m, v = ({name: jnp.zeros_like(p) for name, p in arrays.items()} for _ in range(2))
    state: tuple[Any, ...] = (arrays, m, v, jnp.zeros((), jnp.float32))
    jax.block_until_ready((state, x, y))
    before = time.perf_counter(), time.process_time()
    compiled = jax.jit(step).lower(*state, x, y).compile()
    after = time.perf_counter(), time.process_time()
    losses = []
    for _ in range(STEPS):
        value, *rest = compiled(*state, x, y)
        state = tuple(rest)
        losses.append(float(value))
    print(
        json.dumps(
            {
                "version": jax.__version__,
                "losses": losses,
                "import": [b - a for a, b in zip(begun, imported, strict=True)],
                "compile": [b - a for a, b in zip(before, after, strict=True)],
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
