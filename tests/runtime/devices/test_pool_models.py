"""Whole networks, trained by several threads, every loop of theirs shared: the same bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.runtime.devices.cpu import pool

SetThreads = Callable[[int], None]


def dense() -> list[Any]:
    """Wider than a panel, and no multiple of anything."""
    return [cr.Input((37,)), cr.Dense(131, "tanh"), cr.Dense(67, "relu"), cr.Dense(5)]


def wide() -> list[Any]:
    """Products that are computed by blocks."""
    return [cr.Input((300,)), cr.Dense(400, "relu"), cr.Dropout(0.3), cr.Dense(5)]


def deep() -> list[Any]:
    """A chain of products for each panel of rows."""
    return [cr.Input((37,)), *(cr.Dense(64, "tanh") for _ in range(7)), cr.Dense(5)]


def halves() -> list[Any]:
    """Products by halves of the sum, of the input, and at the end."""
    return [cr.Input((514,)), cr.Dense(300, "relu"), cr.Dense(514, "tanh"), cr.Dense(65)]


def images() -> list[Any]:
    return [
        *(cr.Input((12, 12, 1)), cr.Conv2D(6, 3, activation="relu"), cr.MaxPooling2D(2)),
        *(cr.BatchNormalization(), cr.Flatten(), cr.Dense(5)),
    ]


def normalized() -> list[Any]:
    """Rows that are long enough for kernels of their own behind a convolution."""
    return [
        *(cr.Input((12, 12, 3)), cr.Conv2D(16, 3, padding="same"), cr.BatchNormalization()),
        *(cr.Activation("relu"), cr.Conv2D(16, 3, padding="same"), cr.BatchNormalization()),
        *(cr.GlobalAveragePooling2D(), cr.Dense(5)),
    ]


def words() -> list[Any]:
    return [
        *(cr.Input((9,), dtype="int32"), cr.Embedding(50, 12)),
        *(cr.Flatten(), cr.LayerNormalization(), cr.Dense(5)),
    ]


def vocabulary() -> list[Any]:
    """A table that is updated a panel of rows after the other."""
    return [cr.Input((9,), dtype="int32"), cr.Embedding(5000, 64), cr.Flatten(), cr.Dense(5)]


def places(count: int) -> Callable[[], list[Any]]:
    """Attention by blocks of rows: of all rows at once, or of several, the last one smaller."""

    def network() -> list[Any]:
        attention = cr.MultiHeadAttention(3, key_dim=5, dropout=0.1)
        return [cr.Input((count, 7)), attention, cr.LayerNormalization(), cr.Flatten(), cr.Dense(5)]

    return network


few, several = places(9), places(211)


@pytest.mark.parametrize(
    ("network", "rows"),
    [
        *((x, 131) for x in (dense, wide, deep, halves, images, normalized, words, vocabulary)),
        *((few, 131), (several, 65)),
    ],
)
def test_training_gives_the_same_bits(
    network: Callable[[], list[Any]], rows: int, with_threads: SetThreads
) -> None:
    shapes: dict[Any, tuple[int, ...]] = {
        **{dense: (37,), deep: (37,), wide: (300,), halves: (514,), words: (9,)},
        **{vocabulary: (9,), few: (9, 7), several: (211, 7)},
    }
    shape = shapes.get(network, (12, 12, 3 if network is normalized else 1))
    random = np.random.default_rng(0)
    if network in (words, vocabulary):
        x = random.integers(0, 50, (rows, *shape))
    else:
        x = random.normal(size=(rows, *shape)).astype(np.float32)
    y = random.integers(0, 5, rows)
    results = []
    for count in (1, 2, 3):
        with_threads(count)
        before = pool.team().loops
        model = cr.Sequential(network(), seed=0)
        model.compile(
            "sparse_categorical_crossentropy_from_logits", cr.Adam(), metrics=["accuracy"]
        )
        history = model.fit(x, y, batch_size=64, epochs=3, seed=0, verbose=0)
        results.append([*model.get_weights(), model.predict(x), history.history["loss"]])
        assert (pool.team().loops > before) is (count > 1)
    for others in results[1:]:
        assert all(map(np.array_equal, others, results[0]))


@pytest.mark.parametrize(
    ("network", "shape", "rows"),
    [(halves, (514,), 70), (few, (9, 7), 70), (several, (211, 7), 3)],
)
def test_training_is_as_on_target_numpy(
    network: Callable[[], list[Any]], shape: tuple[int, ...], rows: int
) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(rows, *shape)).astype(np.float32), random.integers(0, 5, rows)
    found = []
    for target in ("numpy", "cpu"):
        model = cr.Sequential(network(), seed=0)
        model.compile("sparse_categorical_crossentropy_from_logits", cr.SGD(0.05), target=target)
        model.fit(x, y, batch_size=min(33, rows), epochs=2, seed=0, verbose=0)
        found.append(model.get_weights())
    for expected, came in zip(*found, strict=True):
        np.testing.assert_allclose(came, expected, rtol=1e-4, atol=1e-5)
