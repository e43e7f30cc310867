"""Recurrent layers train on target `cpu` as they do on `numpy`, whatever their sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st

import chainrule as cr


def decayed(x: Any, h: cr.State = 0.5, c: cr.State = 0.0, W: Any = None) -> Any:
    return cr.tanh(cr.sum(x, axis=1, keepdims=True) + 0.5 * h) - c, cr.sin(c + h)


LAYERS: dict[str, Callable[..., Any]] = {
    "plain": cr.SimpleRNN,
    "LSTM": cr.LSTM,
    "GRU": cr.GRU,
    "GRU before": lambda *args, **options: cr.GRU(*args, reset_after=False, **options),
    "no bias": lambda *args, **options: cr.LSTM(*args, use_bias=False, **options),
    "few states kept": lambda *args, **options: cr.LSTM(*args, checkpoint=2, **options),
    "dropout": lambda *args, **options: cr.LSTM(*args, dropout=0.3, **options),
    "gates apart": lambda *args, **options: cr.LSTM(
        *args, dropout=0.3, recurrent_dropout=0.2, **options
    ),
    "a cell": lambda *args, **options: cr.RNN(decayed, *args, **options),
    "both ways": lambda *args, **options: cr.Bidirectional(
        cr.GRU(*args, return_sequences=options["return_sequences"])
    ),
}


def trained(target: str, case: dict[str, Any]) -> list[Any]:
    """The weights after two epochs, and what the network then says."""
    dtype, time = case["dtype"], case["time"]
    x = cr.Input((time if case["known"] else None, case["features"]), dtype=dtype)
    mask = cr.Input((time if case["known"] else None,), dtype="bool")
    options = {"go_backwards": case["backwards"], "return_sequences": case["sequences"]}
    layer = LAYERS[case["layer"]](case["units"], **options)
    inputs = [x, mask] if case["masked"] else [x]
    h = layer(x, mask=mask) if case["masked"] else layer(x)
    model = cr.Model(inputs, cr.Dense(2)(h))
    model.compile("mse", cr.SGD(0.05), target=target)
    random = np.random.default_rng(3)
    rows = case["rows"]
    xs = random.normal(size=(rows, time, case["features"])).astype(dtype)
    lengths = random.integers(0, time + 1, rows)
    given = [xs, np.arange(time) < lengths[:, None]] if case["masked"] else xs
    shape = (rows, time, 2) if case["sequences"] else (rows, 2)
    y = random.normal(size=shape).astype(dtype)
    weights = [random.normal(size=w.shape) * 0.4 for w in model.get_weights()]
    model.set_weights([w.astype(dtype) for w in weights])
    model.fit(given, y, epochs=2, batch_size=min(20, rows), shuffle=False, seed=0, verbose=0)
    return [*model.get_weights(), model.predict(given)]


@settings(max_examples=8, deadline=None)
@given(
    case=st.fixed_dictionaries(
        {
            "layer": st.sampled_from(sorted(LAYERS)),
            "units": st.sampled_from([1, 3, 16, 17]),
            "features": st.sampled_from([1, 5, 8]),
            "time": st.sampled_from([1, 2, 7]),
            "rows": st.sampled_from([1, 13, 16, 37]),
            "dtype": st.sampled_from(["float32", "float64"]),
            "backwards": st.booleans(),
            "sequences": st.booleans(),
            "masked": st.booleans(),
            "known": st.booleans(),
        }
    )
)
def test_weights_are_those_of_numpy(case: dict[str, Any]) -> None:
    error = 1e-5 if case["dtype"] == "float32" else 1e-12
    for came, right in zip(trained("cpu", case), trained("numpy", case), strict=True):
        np.testing.assert_allclose(came, right, error, error)
