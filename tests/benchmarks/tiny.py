"""Workloads so small that they take no time, one of each kind."""

from __future__ import annotations

from benchmarks.cpu.measure import STEPS
from benchmarks.cpu.workloads import Workload
from benchmarks.cpu.workloads.dense import Dense, Prediction
from benchmarks.cpu.workloads.embedding import EmbeddingBag
from benchmarks.cpu.workloads.gpt import GPT
from benchmarks.cpu.workloads.lenet import LeNet
from benchmarks.cpu.workloads.lstm import LSTM
from benchmarks.cpu.workloads.pinn import PINN
from benchmarks.cpu.workloads.resnet import ResNet
from benchmarks.cpu.workloads.sweep import Sweep

TINY: tuple[Workload, ...] = (
    Dense(name="binary", widths=(3, 1), batch=4, batches=3),
    Dense(name="classes", widths=(5, 4, 3), batch=4, batches=3, activation="tanh"),
    Dense(name="doubles", widths=(5, 4, 3), batch=4, batches=3, dtype="float64"),
    LeNet(name="lenet", batch=2, batches=2, size=16, channels=(2, 3), units=(5, 4)),
    ResNet(name="resnet", batch=3, batches=2, size=8, blocks=(2, 4), rate=1e-4),
    LSTM(name="lstm", batch=3, batches=2, units=4, length=5, features=3, classes=3),
    GPT(name="gpt", batch=2, batches=2, context=5, characters=7, width=8, heads=2, layers=1),
    PINN(name="pinn", batch=5, batches=2, widths=(4, 3)),
    EmbeddingBag(name="bag", batch=4, batches=2, words=11, width=4, length=3, classes=3),
    EmbeddingBag(
        name="rows", batch=4, batches=2, words=11, width=4, length=3, classes=3, sparse=("E1",)
    ),
    Sweep(name="sweep", widths=(5, 4, 3), networks=3, batch=4, batches=3),
    Prediction(name="prediction", widths=(5, 4, 3), batch=1, batches=STEPS, activation="tanh"),
)
