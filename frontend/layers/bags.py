"""One vector for several labels: what their vectors come to."""

from __future__ import annotations

import math
from typing import Any

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError, nearest

from ..functions.elementwise import maximum, where
from ..functions.reductions import max, sum
from ..functions.shaping import expand_dims
from ..functions.statistics import mean
from ..tensor import Tensor
from .embedding import Embedding

MODES = ("sum", "mean", "max")


class EmbeddingBag(Embedding):
    """A vector for each bag of labels: the sum, the mean or the largest of their vectors.

    `y = sum_k E[x_k]` over the last axis of `x`, divided by the number of labels for the mean. The
    labels' own vectors are not stored.

    Args:
        input_dim: how many labels there are.
        output_dim: the size of a vector.
        mode: "mean", the default, "sum" or "max", element by element.
        padding_idx: a label that fills bags up and does not count; a bag of nothing else gives 0.
        embeddings_initializer: first values of `E`, shape `(input_dim, output_dim)`.
        embeddings_regularizer: a term added to the loss for `E`.
        dtype: of the vectors.
        name: the layer's name.
        sparse: whether a step updates those rows alone that it reads, as in `Embedding`.

    Raises:
        UsageError: a size is not a positive integer, or the padding is no label.
        UnknownNameError: there is no such mode.
        DTypeError: the input is not of integers.
        ShapeError: the input has no bags.

    Example:
        >>> import chainrule as cr
        >>> cr.EmbeddingBag(50_000, 64, sparse=True)(cr.Input((30,), dtype="int32")).shape
        (batch, 64)

    Source:
        Joulin et al. 2017, "Bag of tricks for efficient text classification", section 2.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        mode: str = "mean",
        padding_idx: int | None = None,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        dtype: str = "float32",
        name: str | None = None,
        sparse: bool = False,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            dtype,
            name,
            sparse,
        )
        if mode not in MODES:
            raise UnknownNameError(
                f"EmbeddingBag with mode={mode!r}",
                f"expected {', '.join(MODES)}",
                nearest(mode, MODES),
            )
        whole = isinstance(padding_idx, int) and not isinstance(padding_idx, bool)
        if padding_idx is not None and not (whole and 0 <= padding_idx < self.input_dim):
            raise UsageError(
                f"EmbeddingBag with padding_idx={padding_idx!r}",
                f"expected a label, 0 to {self.input_dim - 1}",
                "None: every label counts",
            )
        self.mode, self.padding_idx = mode, padding_idx

    def describe(self) -> str:
        """As written."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        mode = "" if self.mode == "mean" else f', mode="{self.mode}"'
        return f"EmbeddingBag({self.input_dim}, {self.output_dim}{mode}{padding}{self._told()})"

    def apply(self, *inputs: Tensor) -> Tensor:
        """Of shape `(*x.shape[:-1], output_dim)`."""
        (x,) = inputs
        if x.ndim < 2:
            raise ShapeError(
                f"{self.describe()} on {x.node.type}",
                "expected bags: batch, ..., labels",
                'cr.Input((30,), dtype="int32") has bags of 30 labels',
            )
        vectors = super().apply(x)
        if self.padding_idx is None:
            return {"sum": sum, "mean": mean, "max": max}[self.mode](vectors, axis=-2)
        counted = expand_dims(x != self.padding_idx, axis=-1)
        if self.mode == "max":
            largest = max(where(counted, vectors, -math.inf), axis=-2)
            return where(sum(counted, axis=-2) > 0, largest, 0.0)
        total = sum(where(counted, vectors, 0.0), axis=-2)
        if self.mode == "sum":
            return total
        return total / maximum(sum(counted, axis=-2), 1).astype(self.dtype)
