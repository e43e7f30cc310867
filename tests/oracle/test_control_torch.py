"""Loops that end by a condition, branches and maps against PyTorch, where Python runs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

F64 = "float64"


def ours() -> tuple[list[Any], Any]:
    """A network whose depth and branches depend on what it computes, row by row."""
    xs, w, u = (
        cr.tensor("xs", ("n", 3), F64),
        cr.tensor("w", (3, 3), F64),
        cr.tensor("u", (3,), F64),
    )

    def row(x: Any) -> Any:
        h = cr.while_loop(
            lambda h: cr.sum(h * h) > 0.4, lambda h: cr.tanh(w @ h) * 0.9, x, max_steps=30
        )
        return cr.cond(
            u @ h > 0,
            lambda: cr.log(u @ h) * cr.sum(h),
            lambda: cr.scan(lambda c, v: (cr.sin(c * v) + u @ h, None), 1.0, h)[0],
        )

    return [xs, w, u], cr.sum(cr.map(row, xs) ** 2)


def theirs(xs: Any, w: Any, u: Any) -> Any:
    total = torch.zeros((), dtype=torch.float64)
    for x in xs:
        h = x
        while (h * h).sum() > 0.4:
            h = torch.tanh(w @ h) * 0.9
        if u @ h > 0:
            y = torch.log(u @ h) * h.sum()
        else:
            y = torch.ones((), dtype=torch.float64)
            for v in h:
                y = torch.sin(y * v) + u @ h
        total = total + y**2
    return total


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_values_gradients_and_those_of_their_squares(target: str) -> None:
    random = np.random.default_rng(3)
    arrays = [random.normal(size=size) for size in ((6, 3), (3, 3), (3,))]
    arrays[1] *= 0.5
    inputs, y = ours()
    slopes = cr.grad(y, inputs)
    length = cr.sum(slopes[0] ** 2) + cr.sum(slopes[1] ** 2) + cr.sum(slopes[2] ** 2)
    outputs = [y, *slopes, *(cr.grad(length, inputs) if target == "numpy" else [])]
    found = cr.function(inputs, outputs, target=target)(*arrays)
    given = [torch.tensor(array, requires_grad=True) for array in arrays]
    result = theirs(*given)
    firsts = torch.autograd.grad(result, given, create_graph=True)
    seconds = torch.autograd.grad(sum((slope**2).sum() for slope in firsts), given)
    wanted = [result, *firsts, *seconds]
    for array, right in zip(found, wanted, strict=False):
        np.testing.assert_allclose(array, right.detach().numpy(), rtol=1e-10, atol=1e-10)
