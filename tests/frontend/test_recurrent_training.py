"""Recurrent layers train on target `cpu` as they do on `numpy`, whatever their sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import given, settings, strategies as st

import chainrule as cr


def decayed(x: Any, h: cr.State = 0.5, c: cr.State = 0.0) -> Any:
    return cr.tanh(cr.sum(x, axis=1, keepdims=True) + 0.5 * h) - c, cr.sin(c + h)


LAYERS: dict[str, Callable[..., Any]] = {
    "plain": cr.SimpleRNN,
    "LSTM": cr.LSTM,
    "GRU": cr.GRU,
    "GRU before": partial(cr.GRU, reset_after=False),
    "no bias": partial(cr.LSTM, use_bias=False),
    "few states kept": partial(cr.LSTM, checkpoint=2),
    "dropout": partial(cr.LSTM, dropout=0.3),
    "gates apart": partial(cr.LSTM, dropout=0.3, recurrent_dropout=0.2),
    "a cell": partial(cr.RNN, decayed),
    "both ways": lambda units, return_sequences, **_: cr.Bidirectional(
        cr.GRU(units, return_sequences=return_sequences)
    ),
}


def trained(target: str, case: dict[str, Any]) -> list[Any]:
    """The weights after two epochs, and what the network then says."""
    dtype, time = case["dtype"], case["time"]
    x = cr.Input((time if case["known"] else None, case["features"]), dtype=dtype)
    mask = cr.Input((time if case["known"] else None,), dtype="bool")
    options = {"go_backwards": case["backwards"], "return_sequences": case["sequences"]}
    layer: Any = LAYERS[case["layer"]](case["units"], **options)
    inputs: Any = [x, mask] if case["masked"] else [x]
    h = layer(x, mask=mask) if case["masked"] else layer(x)
    model = cr.Model(inputs, cr.Dense(2)(h))
    model.compile("mse", cr.SGD(0.05), target=target)
    random: Any = np.random.default_rng(3)
    rows = case["rows"]
    xs = random.normal(size=(rows, time, case["features"])).astype(dtype)
    lengths = random.integers(0, time + 1, rows)
    arrays: Any = [xs, np.arange(time) < lengths[:, None]] if case["masked"] else xs
    shape = (rows, time, 2) if case["sequences"] else (rows, 2)
    y = random.normal(size=shape).astype(dtype)
    weights: list[Any] = [random.normal(size=w.shape) * 0.4 for w in model.get_weights()]
    model.set_weights([w.astype(dtype) for w in weights])
    model.fit(arrays, y, epochs=2, batch_size=min(20, rows), shuffle=False, seed=0, verbose=0)
    return [*model.get_weights(), model.predict(arrays)]


@settings(max_examples=6, deadline=None)
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
