"""The character GPT of `examples/gpt.py`: two layers, four heads, 109,312 parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Workload
from .losses import compiled, jax_crossentropy

if TYPE_CHECKING:
    import chainrule as cr

NORMALIZED = 1e-3  # epsilon


@dataclass(frozen=True, kw_only=True)
class GPT(Workload):
    """Attention and dense layers, each on what is normalized and added to what came before.

    Attributes:
        context: characters that are read.
        characters: how many there are.
        width: of the embedding.
        heads: of the attention.
        layers: how many pairs of attention and dense layers.
    """

    context: int = 32
    characters: int = 65
    width: int = 64
    heads: int = 4
    layers: int = 2

    @property
    def flops(self) -> int:
        """Three products for each: scores and mixtures of attention too, all places of them."""
        layer = (4 + 8) * self.width**2 + 2 * self.context * self.width
        place = self.layers * layer + self.width * self.characters
        return 2 * 3 * self.batch * self.context * place

    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """Random characters, and those that follow."""
        text = random.integers(0, self.characters, (rows, self.context + 1))
        return text[:, :-1], text[:, 1:]

    def model(self) -> cr.Model:
        """As in the example."""
        import chainrule as cr

        x = cr.Input((self.context,), dtype="int32")
        e = cr.Embedding(self.characters, self.width, dtype=self.dtype)(x)
        h = cr.Add()([e, cr.PositionEmbedding(self.context, initializer="uniform")(e)])
        for _ in range(self.layers):
            attention = cr.MultiHeadAttention(
                self.heads, key_dim=self.width // self.heads, use_bias=False
            )
            h = cr.Add()([h, attention(cr.LayerNormalization()(h), use_causal_mask=True)])
            wide = cr.Dense(4 * self.width, activation="gelu", use_bias=False)
            m = cr.Dense(self.width, use_bias=False)(wide(cr.LayerNormalization()(h)))
            h = cr.Add()([h, m])
        y = cr.Dense(self.characters, use_bias=False)(cr.LayerNormalization()(h))
        return compiled(cr.Model(x, y, name="gpt"), self.rate)

    def forward(
        self, w: Any, x: Any, normalized: Callable[..., Any], attention: Any, gelu: Any
    ) -> Any:
        """Scores, by what a framework calls its parts; layers are numbered as they are called."""
        h, n = w["E1"][x] + w["P2"], 3
        for _ in range(self.layers):
            inner = normalized(h, w[f"gamma{n}"], w[f"beta{n}"])
            q, k, v = (inner @ w[f"W_{name}{n + 1}"] for name in "qkv")
            h = h + attention(q, k, v) @ w[f"W_o{n + 1}"]
            inner = normalized(h, w[f"gamma{n + 2}"], w[f"beta{n + 2}"])
            h = h + gelu(inner @ w[f"W{n + 3}"]) @ w[f"W{n + 4}"]
            n += 5
        return normalized(h, w[f"gamma{n}"], w[f"beta{n}"]) @ w[f"W{n + 1}"]

    def jax(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in JAX."""
        import jax
        import jax.numpy as jnp

        def normalized(x: Any, gamma: Any, beta: Any) -> Any:
            mean = jnp.mean(x, axis=-1, keepdims=True)
            variance = jnp.mean((x - mean) ** 2, axis=-1, keepdims=True)
            return (x - mean) / jnp.sqrt(variance + NORMALIZED) * gamma + beta

        def attention(*qkv: Any) -> Any:
            size = self.width // self.heads
            q, k, v = (a.reshape(*a.shape[:2], self.heads, size) for a in qkv)
            scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(size)
            causal = jnp.tril(jnp.ones((self.context, self.context), bool))
            weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1)
            return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(qkv[0].shape)

        def gelu(x: Any) -> Any:
            return jax.nn.gelu(x, approximate=False)

        return jax_crossentropy(self.forward(w, x, normalized, attention, gelu), y)

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch."""
        from torch.nn import functional

        def normalized(x: Any, gamma: Any, beta: Any) -> Any:
            return functional.layer_norm(x, (self.width,), gamma, beta, NORMALIZED)

        def attention(*qkv: Any) -> Any:
            size = self.width // self.heads
            q, k, v = (a.reshape(*a.shape[:2], self.heads, size).transpose(1, 2) for a in qkv)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return mixed.transpose(1, 2).reshape(qkv[0].shape)

        scores = self.forward(w, x, normalized, attention, functional.gelu)
        return functional.cross_entropy(scores.flatten(0, 1), y.flatten())
