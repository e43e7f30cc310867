"""Attention as a layer: several heads, each with its own projections."""

from __future__ import annotations

import math
from typing import Any

from chainrule.compiler.errors import DTypeError, ShapeError, UsageError
from chainrule.compiler.types import Size

from ..drawing import dropped
from ..formula import Regularizer, regularizer as find_regularizer
from ..functions.attention import attention_weights
from ..functions.linear import einsum, matmul
from ..functions.shaping import expand_dims, reshape
from ..initializers import Initializer, initializer as find_initializer
from ..tensor import Tensor
from .base import BaseLayer, in_phases
from .core import probability
from .embedding import count


class MultiHeadAttention(BaseLayer):
    """Attention in several heads, whose results are joined and projected.

    For each head `q = x W_q + b_q`, `k = x' W_k + b_k`, `v = x' W_v + b_v` and
    `o = softmax(q k^T / sqrt(key_dim)) v`; then `y = [o ... o] W_o + b_o`. The heads stand side by
    side: `W_q` has shape `(features, num_heads * key_dim)`, `W_o` `(num_heads * value_dim,
    features)`.

    Called on one sequence it attends to itself; `layer(query, value, key=None)` takes others. A
    position that `attention_mask` leaves nothing to attend to gets `b_o` alone.

    Args:
        num_heads: how many heads.
        key_dim: the size of a query and of a key of one head.
        value_dim: the size of a value of one head; `key_dim` by default.
        dropout: the probability with which an attention weight is 0 in training.
        use_bias: whether there are `b_q`, `b_k`, `b_v`, `b_o`.
        kernel_initializer: first values of each `W`.
        bias_initializer: first values of each `b`.
        kernel_regularizer: a term added to the loss for each `W`.
        bias_regularizer: a term added to the loss for each `b`.
        name: the layer's name.

    Raises:
        UsageError: a size is not a positive integer, or dropout no probability.
        ShapeError: an input is no sequence of vectors.

    Example:
        >>> import chainrule as cr
        >>> x = cr.Input((32, 64))
        >>> cr.MultiHeadAttention(4, key_dim=16)(x, use_causal_mask=True).shape
        (batch, 32, 64)

    Source:
        Vaswani et al. 2017, "Attention is all you need", section 3.2.2.
    """

    inputs = 0
    opened = False

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        kind = type(self).__name__
        self.num_heads = count(kind, "num_heads", num_heads)
        self.key_dim = count(kind, "key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else count(kind, "value_dim", value_dim)
        self.dropout = probability("dropout", dropout)
        self.use_bias = use_bias
        self._initializers: dict[str, Initializer] = {
            "W": find_initializer(kernel_initializer),
            "b": find_initializer(bias_initializer),
        }
        self._regularizers: dict[str, Regularizer] = {
            name: find_regularizer(given)
            for name, given in (("W", kernel_regularizer), ("b", bias_regularizer))
            if given is not None
        }

    def describe(self) -> str:
        """As written."""
        value = f", value_dim={self.value_dim}" if self.value_dim != self.key_dim else ""
        return f"MultiHeadAttention({self.num_heads}, key_dim={self.key_dim}{value})"

    def __call__(  # type: ignore[override]
        self,
        query: Tensor,
        value: Tensor | None = None,
        key: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
    ) -> Tensor:
        """Apply the layer.

        Args:
            query: a tensor `(batch, L, features)`.
            value: a tensor `(batch, S, features)`; the query by default.
            key: a tensor `(batch, S, features)`; the value by default.
            attention_mask: a tensor of bool that broadcasts to `(batch, L, S)`, true where position
                i may attend to position j. A mask of padding is `present[:, None, :]`.
            use_causal_mask: whether position i attends to positions j <= i alone.

        Returns:
            A tensor `(batch, L, features)`, with as many features as the query.
        """
        value = query if value is None else value
        key = value if key is None else key
        given = [query, value, key] + ([] if attention_mask is None else [attention_mask])
        with self._here():
            self._check(given)
            self._fit(query, value, key, attention_mask)
            return self._called(
                given, lambda: self._attend(query, value, key, attention_mask, use_causal_mask)
            )

    def apply(self, *inputs: Tensor) -> Tensor:
        """Attention of query, value and key, of which the last may be left out."""
        query, *others = inputs
        value = others[0] if others else query
        return self._attend(query, value, others[1] if len(others) > 1 else value, None, False)

    def _fit(self, query: Tensor, value: Tensor, key: Tensor, mask: Tensor | None) -> None:
        for what, x in (("query", query), ("value", value), ("key", key)):
            if x.ndim != 3 or isinstance(x.shape[-1], Size):
                raise ShapeError(
                    f"{self.describe()}: the {what} is {x.node.type}",
                    "expected a sequence of vectors: batch, positions, features",
                    "cr.Input((32, 64)), or what an Embedding gives",
                )
            if not x.node.type.is_float:
                raise DTypeError(
                    f"{self.describe()}: the {what} is {x.node.type}",
                    "expected float32 or float64",
                    "an Embedding makes vectors of labels",
                )
        if key.shape[1] != value.shape[1]:
            raise ShapeError(
                f"{self.describe()}: key and value are of different length",
                f"{key.node.type} and {value.node.type}",
                "there is a value for each key",
            )
        if mask is not None and (mask.ndim != 3 or mask.dtype != "bool"):
            raise UsageError(
                f"{self.describe()}: the attention mask is {mask.node.type}",
                "expected bool of shape (batch, L, S), or such that it broadcasts",
                "a mask of padding is present[:, None, :]",
            )

    def _attend(
        self, query: Tensor, value: Tensor, key: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        wide = self.num_heads * self.key_dim
        q = self._heads("q", query, wide)
        k = self._heads("k", key, wide)
        v = self._heads("v", value, self.num_heads * self.value_dim)
        scores = einsum("blhe,bshe->bhls", q, k) * (1 / math.sqrt(self.key_dim))
        heads = None if mask is None else expand_dims(mask, axis=1)
        weights = self.note("a", attention_weights(scores, heads, causal))
        if self.dropout:
            weights = in_phases(dropped(weights, self.dropout), weights)
        joined = einsum("bhls,bshe->blhe", weights, v)
        joined = reshape(joined, (*joined.shape[:2], self.num_heads * self.value_dim))
        features = query.shape[-1]
        assert isinstance(features, int)
        return self._projected("o", self.note("o", joined), features)

    def _heads(self, name: str, x: Tensor, units: int) -> Tensor:
        """The projection called `name`, an axis of heads before the last."""
        y = self.note(name, self._projected(name, x, units))
        return reshape(y, (*y.shape[:2], self.num_heads, units // self.num_heads))

    def _projected(self, name: str, x: Tensor, units: int) -> Tensor:
        y = matmul(x, self._own("W", name, (x.shape[-1], units), x.dtype))
        return y + self._own("b", name, (units,), x.dtype) if self.use_bias else y

    def _own(self, kind: str, name: str, shape: tuple[Any, ...], dtype: str) -> Tensor:
        return self.parameter(
            f"{kind}_{name}", shape, dtype, self._initializers[kind], self._regularizers.get(kind)
        )
