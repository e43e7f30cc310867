"""Updates of rows follow PyTorch's SparseAdam, and bags its EmbeddingBag, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

Array = np.ndarray[Any, Any]
STEPS, BATCH, LABELS, WIDTH, LENGTH, CLASSES = 40, 8, 60, 5, 6, 3
RANDOM = np.random.default_rng(11)
# Some labels are read often, some twice in a bag, and many never.
X = np.minimum(RANDOM.zipf(1.4, (STEPS * BATCH, LENGTH)) - 1, LABELS - 1)
T = RANDOM.integers(0, CLASSES, STEPS * BATCH)
LOSS = "sparse_categorical_crossentropy_from_logits"


def ours(mode: str, optimizer: Any, target: str, padding: int | None, sparse: bool) -> cr.Model:
    x = cr.Input((LENGTH,), dtype="int64")
    bag = cr.EmbeddingBag(
        LABELS, WIDTH, mode=mode, padding_idx=padding, sparse=sparse, dtype="float64"
    )
    model = cr.Model(x, cr.Dense(CLASSES)(bag(x)), seed=3)
    model.compile(loss=LOSS, optimizer=optimizer, target=target)
    return model


def theirs(model: cr.Model, mode: str, padding: int | None, sparse: bool) -> tuple[Any, Any]:
    e, w, b = (torch.from_numpy(x) for x in model.get_weights())
    bag = torch.nn.EmbeddingBag(
        LABELS, WIDTH, mode=mode, padding_idx=padding, sparse=sparse, _weight=e.clone()
    ).double()
    dense = torch.nn.Linear(WIDTH, CLASSES).double()
    with torch.no_grad():
        dense.weight.copy_(w.T)
        dense.bias.copy_(b)
    return bag, dense


def followed(model: cr.Model, bag: Any, dense: Any, optimizers: list[Any]) -> None:
    """After each of the steps the table is the same, and in the end all weights."""
    loss = torch.nn.CrossEntropyLoss()
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        for optimizer in optimizers:
            optimizer.zero_grad()
        value = loss(dense(bag(torch.from_numpy(X[rows]))), torch.from_numpy(T[rows]))
        value.backward()
        for optimizer in optimizers:
            optimizer.step()
        found = model.train_on_batch(X[rows], T[rows])["loss"]
        np.testing.assert_allclose(found, value.item(), rtol=1e-6)
        table = model.parameters["E1"]
        np.testing.assert_allclose(table, bag.weight.detach().numpy(), rtol=1e-6, atol=1e-8)
    weights = model.get_weights()
    np.testing.assert_allclose(weights[1], dense.weight.detach().numpy().T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(weights[2], dense.bias.detach().numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("target", ["numpy", "cpu"])
@pytest.mark.parametrize(("mode", "padding"), [("mean", None), ("sum", None), ("sum", 0)])
def test_sparse_adam(mode: str, padding: int | None, target: str) -> None:
    # PyTorch adds epsilon after the bias is corrected: small enough, that makes no difference.
    model = ours(mode, cr.Adam(0.01, epsilon=1e-14), target, padding, True)
    bag, dense = theirs(model, mode, padding, True)
    optimizers = [
        torch.optim.SparseAdam(bag.parameters(), lr=0.01, eps=1e-14),
        torch.optim.Adam(dense.parameters(), lr=0.01, eps=1e-14),
    ]
    followed(model, bag, dense, optimizers)


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
@pytest.mark.parametrize("padding", [None, 0])
def test_bags_that_are_updated_whole(mode: str, padding: int | None) -> None:
    model = ours(mode, cr.Adam(0.01, epsilon=1e-14), "cpu", padding, False)
    bag, dense = theirs(model, mode, padding, False)
    both = [*bag.parameters(), *dense.parameters()]
    followed(model, bag, dense, [torch.optim.Adam(both, lr=0.01, eps=1e-14)])


def test_gradient_descent_of_rows() -> None:
    model = ours("mean", cr.SGD(0.5), "cpu", None, True)
    bag, dense = theirs(model, "mean", None, True)
    both = [*bag.parameters(), *dense.parameters()]
    followed(model, bag, dense, [torch.optim.SGD(both, lr=0.5)])
