"""Whole networks on processors with narrower vectors: what target numpy computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.runtime.devices.cpu import objects, processor, translate
from chainrule.runtime.devices.cpu.processor import Processor, host

FEATURES = {"x86-64": "", "haswell": "+avx,+avx2,+fma"}


def dense() -> list[Any]:
    """Wider than a panel, and no multiple of anything."""
    return [cr.Input((37,)), cr.Dense(67, "tanh"), cr.Dense(5)]


def images() -> list[Any]:
    return [
        *(cr.Input((9, 9, 1)), cr.Conv2D(6, 3, activation="relu"), cr.MaxPooling2D(2)),
        *(cr.BatchNormalization(), cr.Flatten(), cr.Dense(5)),
    ]


def trained(layers: list[Any], dtype: str, target: str) -> list[Any]:
    random = np.random.default_rng(0)
    layers = [cr.Input(layers[0].shape[1:], dtype=dtype), *layers[1:]]
    model = cr.Sequential(layers, seed=0)
    model.compile("sparse_categorical_crossentropy_from_logits", cr.SGD(0.1), target=target)
    x = random.normal(size=(70, *layers[0].shape[1:])).astype(dtype)
    model.fit(x, random.integers(0, 5, 70), batch_size=33, epochs=2, seed=0, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize(("network", "dtype"), [(dense, "float64"), (images, "float32")])
def test_training_is_that_of_target_numpy(
    network: Callable[[], list[Any]],
    dtype: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = host()
    if not here.triple.startswith("x86_64"):
        pytest.skip("these are processors of another family")
    if name == "haswell" and not here.has("avx2"):
        pytest.skip("this processor is older")
    other = Processor(here.triple, name, FEATURES[name])
    for module in (objects, processor, translate):
        monkeypatch.setattr(module, "host", lambda: other)
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    expected = trained(network(), dtype, "numpy")
    for came, wanted in zip(trained(network(), dtype, "cpu"), expected, strict=True):
        np.testing.assert_allclose(came, wanted, rtol=tolerance, atol=tolerance)
