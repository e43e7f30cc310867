"""What is measured: every example, and stacks of dense layers, each up to its first step."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], object]
STACKS = (10, 30, 100, 300)


def load() -> None:
    """Import the package: what it names is otherwise imported when it is first used."""
    import chainrule as cr

    for name in ("Model", "Dense", "Adam", "Input", "function", "datasets"):
        getattr(cr, name)


def _fitting(model: Any, x: Any, y: Any) -> Step:
    return lambda: model.train_on_batch(x, y)


def _rows(module: ModuleType) -> Step:
    return _fitting(module.model, module.x[:32], module.y[:32])


def _zeros(model: Any, *shape: int) -> Step:
    return _fitting(model, np.zeros(shape, np.float32), np.zeros(shape[0], np.int64))


def _objective(module: ModuleType, size: int) -> Step:
    return lambda: module.value_and_gradient(np.zeros(size))


def _autoencoder(module: ModuleType) -> Step:
    model, _ = module.network()
    return _fitting(model, module.x[:32], module.x[:32])


def _variational(module: ModuleType) -> Step:
    model, _ = module.network()
    return _fitting(model, *[np.zeros((32, 64), np.float32)] * 2)


def _gpt(module: ModuleType) -> Step:
    tokens = np.zeros((32, module.CONTEXT), np.int32)
    return _fitting(module.gpt(65), tokens, tokens)


# From an example, imported, to its first step.
EXAMPLES: dict[str, Callable[[ModuleType], Step]] = {
    "autoencoder": _autoencoder,
    "cart_pole": lambda module: lambda: module.learn(1),
    "custom_neuron": _rows,
    "digits": _rows,
    "digits_convolution": _rows,
    "gaussian_process": lambda module: _objective(module, 12),
    "gpt": _gpt,
    "logistic_regression": lambda module: _objective(module, 31),
    "lstm": lambda module: _fitting(module.model, *module.draw(50, seed=0)),
    "mixture": lambda module: _objective(module, 63),
    "mnist": lambda module: _zeros(module.hidden(), 128, 784),
    "mnist_convolution": lambda module: _zeros(module.lenet(), 64, 28, 28, 1),
    "neural_ode": lambda module: lambda: module.learn(1),
    "pinn": lambda module: _zeros(module.equation, 128, 2),
    "poisson_regression": lambda module: _objective(module, 12),
    "variational_autoencoder": _variational,
}


def stack(layers: int) -> Step:
    """So many dense layers of width 64, and one of 10 classes behind them."""
    import chainrule as cr

    hidden = [cr.Dense(64, activation="relu") for _ in range(layers)]
    model = cr.Sequential([cr.Input((64,)), *hidden, cr.Dense(10)])
    model.compile(loss="sparse_categorical_crossentropy_from_logits", optimizer=cr.Adam(1e-3))
    return _zeros(model, 32, 64)


def build(name: str) -> Step:
    """The graphs of a case; what is returned compiles them and takes the first step."""
    if name.startswith("stack_"):
        return stack(int(name.removeprefix("stack_")))
    return EXAMPLES[name](importlib.import_module(f"examples.{name}"))


NAMES = (*EXAMPLES, *(f"stack_{layers}" for layers in STACKS))
