"""Losses that several workloads share, in each framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import EPSILON

if TYPE_CHECKING:
    import chainrule as cr


def compiled(
    model: cr.Model, rate: float, loss: str = "sparse_categorical_crossentropy"
) -> cr.Model:
    """Our model, to be trained by Adam; a cross-entropy is that of scores."""
    import chainrule as cr

    name = f"{loss}_from_logits" if loss.endswith("crossentropy") else loss
    model.compile(loss=name, optimizer=cr.Adam(rate, epsilon=EPSILON))
    return model


def jax_crossentropy(scores: Any, y: Any) -> Any:
    """The mean over all but the last axis, in JAX."""
    import jax
    import jax.numpy as jnp

    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), y[..., None], axis=-1))
