"""A program that is found in the cache starts without SymPy, the pipeline and Numba."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
import json, sys, time
start = time.perf_counter()
import numpy as np
import chainrule as cr
imported = time.perf_counter()

random = np.random.default_rng(0)
x, y = random.standard_normal((200, 20)).astype(np.float32), random.integers(0, 4, 200)
swish = cr.activation(lambda z: z * cr.sigmoid(z), name="my_swish")

@cr.neuron
def radial(x, c: cr.PerInput, gamma: cr.Scalar = 0.05):
    return cr.exp(-gamma * cr.sum((x - c) ** 2))

model = cr.Sequential([
    cr.Input((20,)), cr.Layer(radial, 16), cr.Dense(16, activation=swish), cr.Dense(4),
])
model.compile("sparse_categorical_crossentropy_from_logits", cr.Adam(1e-2), ["accuracy"])
loss = model.train_on_batch(x[:32], y[:32])["loss"]
stepped = time.perf_counter()
model.fit(x, y, epochs=2, validation_split=0.1, seed=0, verbose=0)
model.predict(x)
print(json.dumps({
    "modules": sorted(sys.modules), "import": imported - start, "step": stepped - start,
    "shown": model.source()[:20],
}))
"""
HEAVY = ("sympy", "numba", "chainrule.compiler.pipeline", "chainrule.compiler.autodiff")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "numpy"])
def test_warm_start(target: str, script: Callable[..., str], tmp_path: Path) -> None:
    text = SCRIPT.replace('["accuracy"])', f'["accuracy"], target="{target}")')
    cold = json.loads(script(text, tmp_path / "cache"))
    warm = json.loads(script(text, tmp_path / "cache"))
    assert "chainrule.compiler.pipeline" in cold["modules"]
    assert [module for module in HEAVY if module in warm["modules"]] == []
    assert warm["step"] < cold["step"]
    print({key: (round(cold[key], 2), round(warm[key], 2)) for key in ("import", "step")})
