"""The workloads, a file for each kind: `WORKLOADS` is the table of what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Sample, Workload
from .dense import DENSE, PREDICTIONS, Dense, Prediction
from .embedding import EmbeddingBag
from .gpt import GPT
from .lenet import LeNet
from .lstm import LSTM
from .pinn import PINN
from .resnet import ResNet
from .sweep import Sweep

__all__ = ["KINDS", "WORKLOADS", "Sample", "Workload", "workload"]

KINDS: dict[str, type[Workload]] = {
    kind.__name__: kind
    for kind in (Dense, EmbeddingBag, GPT, LSTM, LeNet, PINN, Prediction, ResNet, Sweep)
}
WORKLOADS: dict[str, Workload] = {
    given.name: given
    for given in (
        *DENSE,
        LeNet(name="lenet", batch=64, batches=8),
        ResNet(name="resnet", batch=64, batches=2, rate=1e-4),
        LSTM(name="lstm", batch=32, batches=16),
        GPT(name="gpt", batch=32, batches=4),
        PINN(name="pinn", batch=256, batches=32),
        EmbeddingBag(name="embedding-bag", batch=128, batches=8),
        EmbeddingBag(name="embedding-bag-sparse", batch=128, batches=8, sparse=("E1",)),
        Sweep(name="sweep-64-32-10", widths=(64, 32, 10), networks=32, batch=32, batches=64),
        *PREDICTIONS,
    )
}


def workload(described: Mapping[str, Any]) -> Workload:
    """The workload that `Workload.describe` described."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in described.items()
        if name != "kind"
    }
    return KINDS[described["kind"]](**fields)
