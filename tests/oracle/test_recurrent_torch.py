"""Recurrent layers against PyTorch: the same weights, outputs and gradients, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import substitute
from chainrule.frontend.tensor import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 6
# PyTorch's gates in our order: LSTM i, f, g, o in both; GRU r, z, n there and z, r, n here.
GATES = {"SimpleRNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}
MODULES = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}


def ours(kind: str, w: Any) -> Any:
    """(gates * units, ...) of PyTorch as (..., gates * units), the gates in our order."""
    parts = w.detach().numpy().reshape(len(GATES[kind]), UNITS, -1)[GATES[kind]]
    return parts.reshape(len(GATES[kind]) * UNITS, -1).T.copy()


def bias(kind: str, b_ih: Any, b_hh: Any) -> Any:
    first, second = ours(kind, b_ih)[0], ours(kind, b_hh)[0]
    return np.stack([first, second]) if kind == "GRU" else first + second


@pytest.mark.parametrize(("target", "checkpoint"), [("numpy", None), ("cpu", None), ("numpy", 2)])
@pytest.mark.parametrize("kind", sorted(GATES))
def test_outputs_states_and_gradients(kind: str, target: str, checkpoint: int | None) -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    module = getattr(torch.nn, MODULES[kind])(
        FEATURES, UNITS, batch_first=True, dtype=torch.float64
    )
    x_t = torch.tensor(random.normal(size=(BATCH, TIME, FEATURES)), requires_grad=True)
    outputs_t, last_t = module(x_t)
    states_t = [state[0] for state in (last_t if isinstance(last_t, tuple) else [last_t])]
    results_t = [outputs_t, *states_t]
    weights = [random.normal(size=result.shape) for result in results_t]
    loss_t = sum((y * torch.tensor(w)).sum() for y, w in zip(results_t, weights, strict=True))
    loss_t.backward()

    x = cr.tensor("x", ("batch", "time", FEATURES), "float64")
    options = {"return_sequences": True, "return_state": True, "checkpoint": checkpoint}
    layer = getattr(cr, kind)(UNITS, **options)
    results = [t.node for t in layer(x)]
    given = [cr.tensor(p.name, p.node.shape, "float64") for p in layer.parameters]
    known = {p.node: t.node for p, t in zip(layer.parameters, given, strict=True)}
    results = [Tensor(node) for node in substitute(results, known)]
    scales = [cr.tensor(f"scale_{i}", y.shape, "float64") for i, y in enumerate(results)]
    loss = cr.sum(cr.stack([cr.sum(y * w) for y, w in zip(results, scales, strict=True)]))
    f = cr.function([x, *given, *scales], [*results, *cr.grad(loss, [x, *given])], target=target)
    w_ih, w_hh, b_ih, b_hh = (
        getattr(module, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    found = f(
        x_t.detach().numpy(),
        ours(kind, w_ih),
        ours(kind, w_hh),
        bias(kind, b_ih, b_hh),
        *weights,
    )
    b_grad = bias(kind, b_ih.grad, b_hh.grad)
    wanted = [
        *(result.detach().numpy() for result in results_t),
        x_t.grad.numpy(),
        ours(kind, w_ih.grad),
        ours(kind, w_hh.grad),
        b_grad if kind == "GRU" else b_grad / 2,
    ]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
