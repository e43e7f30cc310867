"""A physics-informed network: what is left of Poisson's equation at random points of a square.

    loss = mean (u_xx + u_yy + f)^2,  f = 2 pi^2 sin(pi x) sin(pi y),  u a network of tanh

Second derivatives of the network for its inputs are part of the loss, and so third ones of the
training. Boundary values do not matter for the time, and are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Workload
from .losses import compiled

if TYPE_CHECKING:
    import chainrule as cr

DIMENSIONS = 2


@dataclass(frozen=True, kw_only=True)
class PINN(Workload):
    """The network and its Laplacian.

    Attributes:
        widths: of the hidden layers.
    """

    widths: tuple[int, ...] = (50, 50, 50)

    @property
    def flops(self) -> int:
        """Forward mode is the least: a value, and two derivatives for each dimension.

        Each of the five has three products a layer: of the first layer, the second derivatives are
        0, and nobody needs gradients of its input.
        """
        widths = (DIMENSIONS, *self.widths, 1)
        inner = sum(m * n for m, n in list(pairwise(widths))[1:])
        return 2 * self.batch * (3 * 5 * inner + 2 * DIMENSIONS * widths[1])

    def data(self, random: np.random.Generator, rows: int) -> tuple[Any, Any]:
        """Points, and what should be left of the equation."""
        return random.uniform(size=(rows, DIMENSIONS)), np.zeros(rows)

    def model(self) -> cr.Model:
        """The output is what is left of the equation."""
        import chainrule as cr

        x = cr.Input((DIMENSIONS,), dtype=self.dtype)
        h = x
        for units in self.widths:
            h = cr.Dense(units, activation="tanh")(h)
        u = cr.Dense(1)(h)[:, 0]
        f = 2 * math.pi**2 * cr.sin(math.pi * x[:, 0]) * cr.sin(math.pi * x[:, 1])
        return compiled(cr.Model(x, cr.laplacian(u, x) + f), self.rate, "mse")

    @property
    def last(self) -> int:
        """The number of the last layer."""
        return len(self.widths) + 1

    def jax(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in JAX: forward mode twice in each direction."""
        import jax
        import jax.numpy as jnp

        def network(x: Any) -> Any:
            for n in range(1, self.last):
                x = jnp.tanh(x @ w[f"W{n}"] + w[f"b{n}"])
            return (x @ w[f"W{self.last}"] + w[f"b{self.last}"])[:, 0]

        def second(direction: Any) -> Any:
            tangent = jnp.broadcast_to(direction, x.shape)

            def first(x: Any) -> Any:
                return jax.jvp(network, (x,), (tangent,))[1]

            return jax.jvp(first, (x,), (tangent,))[1]

        laplacian = sum(second(row) for row in jnp.eye(DIMENSIONS, dtype=x.dtype))
        f = 2 * math.pi**2 * jnp.sin(math.pi * x[:, 0]) * jnp.sin(math.pi * x[:, 1])
        return jnp.mean((laplacian + f - y) ** 2)

    def torch(self, w: Any, x: Any, y: Any) -> Any:
        """The loss in PyTorch: gradients of gradients."""
        import torch

        x = x.detach().requires_grad_()
        u = self._torch_network(w, x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        laplacian: Any = 0
        for n in range(DIMENSIONS):
            (row,) = torch.autograd.grad(slope[:, n].sum(), x, create_graph=True)
            laplacian = laplacian + row[:, n]
        return self._torch_rest(laplacian, x, y)

    def torch_compiled(self, w: Any, x: Any, y: Any) -> Any:
        """The same in forward mode: gradients of gradients cannot be compiled."""
        import torch

        def second(n: int) -> Any:
            tangent = torch.zeros_like(x)
            tangent[:, n] = 1

            def first(x: Any) -> Any:
                return torch.func.jvp(lambda x: self._torch_network(w, x), (x,), (tangent,))[1]

            return torch.func.jvp(first, (x,), (tangent,))[1]

        return self._torch_rest(sum(second(n) for n in range(DIMENSIONS)), x, y)

    def _torch_network(self, w: Any, x: Any) -> Any:
        import torch

        for n in range(1, self.last):
            x = torch.tanh(torch.addmm(w[f"b{n}"], x, w[f"W{n}"]))
        return torch.addmm(w[f"b{self.last}"], x, w[f"W{self.last}"])[:, 0]

    def _torch_rest(self, laplacian: Any, x: Any, y: Any) -> Any:
        import torch

        f = 2 * math.pi**2 * torch.sin(math.pi * x[:, 0]) * torch.sin(math.pi * x[:, 1])
        return ((laplacian + f - y) ** 2).mean()
