"""Deep networks: layers that are alike share their kernels, and the work grows with the layers."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.ir import Graph
from chainrule.compiler.pipeline import compile
from chainrule.compiler.program import Program

swish = cr.activation(lambda z: z * cr.sigmoid(z), name="own_swish")


def dense(x: cr.Tensor) -> cr.Tensor:
    return cr.Dense(8, activation="relu")(x)


def custom(x: cr.Tensor) -> cr.Tensor:
    return cr.Dense(8, activation=swish)(x)


def residual(x: cr.Tensor) -> cr.Tensor:
    return cr.Add()([x, cr.Dense(8, activation="tanh")(x)])


def dropped(x: cr.Tensor) -> cr.Tensor:
    return cr.Dropout(0.2)(cr.Dense(8)(x))


def convolved(x: cr.Tensor) -> cr.Tensor:
    return cr.Activation("relu")(cr.BatchNormalization()(cr.Conv1D(8, 3, padding="same")(x)))


def attended(x: cr.Tensor) -> cr.Tensor:
    attention = cr.MultiHeadAttention(2, key_dim=4)
    x = cr.Add()([x, attention(cr.LayerNormalization()(x))])
    return cr.Add()([x, cr.Dense(8, activation="gelu")(cr.LayerNormalization()(x))])


def recurrent(x: cr.Tensor) -> cr.Tensor:
    h: cr.Tensor = cr.LSTM(8, return_sequences=True)(x)
    return h


def model(layer: Callable[[cr.Tensor], cr.Tensor], layers: int, **given: Any) -> cr.Model:
    """So many layers of a kind, and one behind them."""
    flat = layer in (dense, custom, residual, dropped)
    x = h = cr.Input((8,) if flat else (6, 8))
    for _ in range(layers):
        h = layer(h)
    network = cr.Model(x, cr.Dense(3)(h))
    network.compile(loss="mse", optimizer=cr.Adam(1e-2), **given)
    return network


def request(layer: Callable[[cr.Tensor], cr.Tensor], layers: int) -> Graph:
    return model(layer, layers)._request("train")


def kernels(program: Program) -> int:
    return len({kernel.name for kernel in program.kernels})


@pytest.mark.parametrize(
    "layer", [dense, custom, residual, dropped, convolved, attended, recurrent]
)
def test_more_layers_are_more_calls_of_as_many_kernels(
    layer: Callable[[cr.Tensor], cr.Tensor],
) -> None:
    few, many = (compile(request(layer, n), "cpu") for n in (5, 6))
    assert kernels(few) == kernels(many)
    assert len(few.kernels) < len(many.kernels)
    # Those that are called by loops, and the steps of these, included.
    assert few.source.count("\ndef ") == many.source.count("\ndef ")


def test_what_is_shared_computes_what_it_should() -> None:
    x = np.random.default_rng(0).normal(size=(5, 6, 8)).astype("float32")
    y = np.zeros((5, 6, 3), "float32")

    def layer(x: cr.Tensor) -> cr.Tensor:
        return cr.Dropout(0.3)(cr.SimpleRNN(8, return_sequences=True)(x))

    losses = []
    for target in ("cpu", "numpy"):
        network = model(layer, 3, target=target)
        network.seed = 1  # of the first weights
        losses.append([network.train_on_batch(x, y)["loss"] for _ in range(4)])
        weights = network.get_weights()
        losses[-1] += [float(np.abs(w).sum()) for w in weights]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def work(layers: int) -> int:
    """How many functions are called from layers to a program's text."""
    profile = cProfile.Profile()
    profile.enable()
    compile(request(dense, layers), "cpu").dumps()
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def test_work_grows_with_the_layers() -> None:
    work(2)  # what is done once for all
    counts = [work(layers) for layers in (8, 20, 32)]
    assert counts[2] - counts[1] <= 1.05 * (counts[1] - counts[0])


def test_text_grows_with_the_layers() -> None:
    programs = [compile(request(dense, layers), "cpu") for layers in (8, 20, 32)]
    for sizes in (
        [len(program.source) for program in programs],
        [len(program.dumps()) for program in programs],
        [len(program.buffers) for program in programs],
    ):
        assert sizes[2] - sizes[1] <= 1.1 * (sizes[1] - sizes[0])
