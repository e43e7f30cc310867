"""What an optimizer may do to gradients and parameters before its step: clip them, decay them.

Every optimizer takes these as settings: `Adam(1e-3, weight_decay=0.01, global_clipnorm=1.0)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .functions.elementwise import clip, maximum, sqrt, square
from .functions.reductions import sum
from .functions.statistics import vector_norm
from .tensor import Tensor


def clip_by_value(g: Tensor, limit: Tensor | float) -> Tensor:
    """Each element brought into [-limit, limit]: `min(max(g, -limit), limit)`.

    Args:
        g: a gradient, of any shape.
        limit: a positive number.

    Returns:
        A tensor of the shape of `g`.

    Example:
        >>> import chainrule as cr
        >>> from chainrule.frontend.transforms import clip_by_value
        >>> clip_by_value(cr.tensor("g", (3,)), 0.5).shape
        (3,)
    """
    return clip(g, -limit, limit)


def clip_by_norm(g: Tensor, limit: Tensor | float) -> Tensor:
    """A gradient whose norm exceeds `limit` is scaled to it: `g limit / max(|g|, limit)`.

    Args:
        g: a gradient, of any shape.
        limit: a positive number.

    Returns:
        A tensor of the shape of `g`.

    Example:
        >>> import chainrule as cr
        >>> from chainrule.frontend.transforms import clip_by_norm
        >>> clip_by_norm(cr.tensor("g", (3, 4)), 1.0).shape
        (3, 4)

    Source:
        Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """
    return g * (limit / maximum(vector_norm(g), limit))


def clip_by_global_norm(gradients: Sequence[Tensor], limit: Tensor | float) -> list[Tensor]:
    """All gradients scaled alike, so that the norm of all their elements is at most `limit`.

    Args:
        gradients: of any shapes.
        limit: a positive number.

    Returns:
        A tensor for each, of its shape: `g limit / max(sqrt(sum over all of |g|^2), limit)`.

    Example:
        >>> import chainrule as cr
        >>> from chainrule.frontend.transforms import clip_by_global_norm
        >>> a, b = cr.tensor("a", (3,)), cr.tensor("b", (2, 2))
        >>> [g.shape for g in clip_by_global_norm([a, b], 1.0)]
        [(3,), (2, 2)]

    Source:
        Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """
    squares = [sum(square(g)) for g in gradients]
    total = squares[0]
    for part in squares[1:]:
        total = total + part
    scale = limit / maximum(sqrt(total), limit)
    return [g * scale.astype(g.dtype) for g in gradients]


def decay_weights(p: Tensor, rate: Tensor | float, learning_rate: Tensor | float) -> Tensor:
    """A parameter a little nearer to 0: `p - learning_rate rate p`, apart from its gradient.

    Args:
        p: a parameter, of any shape.
        rate: how much.
        learning_rate: the optimizer's.

    Returns:
        A tensor of the shape of `p`.

    Example:
        >>> import chainrule as cr
        >>> from chainrule.frontend.transforms import decay_weights
        >>> decay_weights(cr.tensor("W", (3, 4)), 0.01, 0.001).shape
        (3, 4)

    Source:
        Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2, line 12.
    """
    return p - (learning_rate * rate) * p
