"""A classifier of texts: the mean of the embeddings of their words, and a dense layer.

Source: Joulin et al. 2017, "Bag of tricks for efficient text classification", section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import SEED, Workload
from .losses import compiled, jax_crossentropy

if TYPE_CHECKING:
    import chainrule as cr


@dataclass(frozen=True, kw_only=True)
class EmbeddingBag(Workload):
    """Rows of a table, their mean, and scores.

    With a sparse table, Adam is that of PyTorch's SparseAdam: rows that a batch does not name stay
    as they are, and so do their means.

    Attributes:
        words: rows of the table.
        width: of a row.
        length: words of a text.
        classes: what texts are told apart.
    """

    words: int = 50_000
    width: int = 64
    length: int = 32
    classes: int = 4

    @property
    def flops(self) -> int:
        """Only the dense layer has products."""
        return 2 * 3 * self.batch * self.width * self.classes

    @property
    def bytes(self) -> int:
        """What Adam moves in a step; of a sparse table, the rows that the first batch names."""
        if not self.sparse:
            return super().bytes
        words = np.unique(self.data(np.random.default_rng(SEED), self.batch)[0])
        dense = (self.width + 1) * self.classes
        return 6 * np.dtype(self.dtype).itemsize * (len(words) * self.width + dense)

    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """Random words, few of them often, as in texts, and random classes."""
        chances = 1 / np.arange(1, self.words + 1)  # Zipf's law
        x = random.choice(self.words, (rows, self.length), p=chances / chances.sum())
        return x, random.integers(0, self.classes, rows)

    def model(self) -> cr.Model:
        """Three layers."""
        import chainrule as cr

        layers = [
            cr.Embedding(self.words, self.width, dtype=self.dtype, sparse=bool(self.sparse)),
            cr.GlobalAveragePooling1D(),
            cr.Dense(self.classes),
        ]
        return compiled(
            cr.Sequential([cr.Input((self.length,), dtype="int32"), *layers]), self.rate
        )

    def jax(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in JAX."""
        import jax.numpy as jnp

        return jax_crossentropy(jnp.mean(w["E1"][x], axis=1) @ w["W2"] + w["b2"], y)

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch."""
        import torch
        from torch.nn import functional

        h = functional.embedding_bag(x, w["E1"], mode="mean", sparse=bool(self.sparse))
        return functional.cross_entropy(torch.addmm(w["b2"], h, w["W2"]), y)
