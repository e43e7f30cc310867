"""PyTorch's side of a sample: results and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .row import Array, Row
from .samples import differentiable, flat, with_tensors


@dataclass(slots=True)
class Theirs:
    """What PyTorch says of a sample: the results and, of those that are floats, derivatives."""

    results: list[Any]
    places: list[int]
    gradients: list[Array]
    seconds: list[Array]
    forward: list[Array]
    differences: bool


class Reference:
    """PyTorch's side of a sample."""

    def __init__(self, operator: Any, row: Row, sample: Any) -> None:
        self.operator, self.row, self.sample = operator, row, sample

    def call(self, tensors: Sequence[Any]) -> list[Any]:
        """The results that are compared."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        positional, named = with_tensors(self.sample, tensors)
        with sdpa_kernel(SDPBackend.MATH):  # attention as a formula, which has all derivatives
            found = self.operator.op(*positional, **named)
        return flat(self.row.theirs(found) if self.row.theirs else found)

    def fresh(self) -> list[Any]:
        return [x.detach().clone().requires_grad_() for x in differentiable(self.sample)]

    def evaluate(
        self, tangents: Sequence[Array], draw: Callable[[Any], Array]
    ) -> tuple[Theirs, list[Array]]:
        """Everything, and the cotangents that were drawn for the results."""
        import torch

        xs = self.fresh()
        results = self.call(xs)
        places = [
            i
            for i, y in enumerate(results)
            if isinstance(y, torch.Tensor) and y.dtype == torch.float64 and xs
        ]
        cotangents = [draw(tuple(results[i].shape)) for i in places]
        ys = [results[i] for i in places]
        vs = [torch.tensor(v) for v in cotangents]
        ts = [torch.tensor(t) for t in tangents]
        first = gradients(ys, xs, vs, graph=True)
        second = self.second(first, xs, ts)
        differences = second is None
        if second is None:
            second = self.differences(xs, vs, places, ts)
        forward = self.forward(xs, ts, places, [y.shape for y in ys])
        as_arrays = [
            y.detach().numpy(force=True) if isinstance(y, torch.Tensor) else np.asarray(y)
            for y in results
        ]
        return Theirs(
            as_arrays,
            places,
            [g.detach().numpy(force=True) for g in first],
            [g.detach().numpy(force=True) for g in second],
            [f.detach().numpy(force=True) for f in forward],
            differences,
        ), cotangents

    def second(self, first: Sequence[Any], xs: Sequence[Any], ts: Sequence[Any]) -> Any:
        """The gradient of the gradient along t; None where PyTorch has none."""
        if not self.operator.supports_gradgrad:
            return None
        try:
            return gradients(first, xs, ts)
        except RuntimeError:  # "derivative for ... is not implemented", of some branches
            return None

    def differences(
        self, xs: Sequence[Any], vs: Sequence[Any], places: Sequence[int], ts: Sequence[Any]
    ) -> list[Any]:
        """The second gradient along t, from gradients beside the point (Richardson's, order 4)."""
        import torch

        def slopes(step: float) -> list[Any]:
            moved = [(x.detach() + step * t).requires_grad_() for x, t in zip(xs, ts, strict=True)]
            results = self.call(moved)
            return gradients([results[i] for i in places], moved, vs)

        h = 1e-5
        parts = [slopes(s) for s in (h, -h, 2 * h, -2 * h)]
        return [
            torch.as_tensor(8 * (a - b) - (c - d)) / (12 * h)
            for a, b, c, d in zip(*parts, strict=True)
        ]

    def value_differences(self, tangents: Sequence[Array], places: Sequence[int]) -> list[Array]:
        """The change of PyTorch's own results along the tangents."""
        import torch

        h, found = 1e-4, []
        for step in (h, -h, 2 * h, -2 * h):
            moved = [
                x.detach() + step * torch.tensor(t)
                for x, t in zip(differentiable(self.sample), tangents, strict=True)
            ]
            results = self.call(moved)
            found.append([results[i].numpy(force=True) for i in places])
        return [(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in zip(*found, strict=True)]

    def reversed(self, ys: Sequence[Any], xs: Sequence[Any], ts: Sequence[Any]) -> Any:
        """The product of the Jacobian and the tangents, as the gradient of a gradient."""
        import torch

        us = [torch.zeros_like(y, requires_grad=True) for y in ys]
        first = gradients(ys, xs, us, graph=True)
        return self.second(first, us, ts)

    def forward(
        self, xs: Sequence[Any], ts: Sequence[Any], places: Sequence[int], shapes: Sequence[Any]
    ) -> list[Any]:
        """The product of the Jacobian and the tangents."""
        import torch
        from torch.autograd import forward_ad

        dual: Any = forward_ad  # its functions have no types
        if not places:
            return []
        if self.operator.supports_forward_ad:
            with dual.dual_level():
                duals = [dual.make_dual(x.detach(), t) for x, t in zip(xs, ts, strict=True)]
                results = self.call(duals)
                moving = [dual.unpack_dual(results[i]).tangent for i in places]
                return [
                    torch.zeros(s, dtype=torch.float64) if m is None else m.clone()
                    for m, s in zip(moving, shapes, strict=True)
                ]
        again = self.fresh()
        results = self.call(again)
        twice: list[Any] | None = self.reversed([results[i] for i in places], again, ts)
        if twice is not None:
            return twice
        found = []
        for i, shape in zip(places, shapes, strict=True):
            y = results[i]
            if not y.requires_grad:
                found.append(torch.zeros(shape, dtype=torch.float64))
                continue
            rows = [
                torch.autograd.grad(element, again, retain_graph=True, allow_unused=True)
                for element in y.reshape(-1)
            ]
            sums = [
                sum(float((g * t).sum()) for g, t in zip(row, ts, strict=True) if g is not None)
                for row in rows
            ]
            found.append(torch.tensor(sums, dtype=torch.float64).reshape(shape))
        return found


def gradients(
    ys: Sequence[Any], xs: Sequence[Any], vs: Sequence[Any], graph: bool = False
) -> list[Any]:
    """The gradients of the sum of v y, zeros where y does not depend on x."""
    import torch

    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y.requires_grad]
    if not pairs or not xs:
        return [torch.zeros_like(x) for x in xs]
    found = torch.autograd.grad(
        [y for y, _ in pairs], xs, [v for _, v in pairs], create_graph=graph, allow_unused=True
    )
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, xs, strict=True)]
