"""Loops that are taken a few rows at a time: which, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.targets import target

N = "n"


def text(f: Any) -> str:
    return str(target("cpu").emit(lower(derive(f._request), "cpu"), "0" * 32).source)


def run_of(step: Callable[..., Any], rows: Any = N, **options: Any) -> Any:
    """A loop over 5 steps, whose state has rows of 3 numbers."""
    h, x = cr.tensor("h", (rows, 3)), cr.tensor("x", (5, rows, 3))
    w = cr.tensor("w", (3, 3))
    last, every = cr.scan(lambda h, x: (step(h, x, w),) * 2, h, x, **options)
    return cr.function([h, x, w], [last, every])


BY_ROWS: dict[str, Callable[..., Any]] = {
    "products": lambda h, x, w: cr.tanh(h @ w + x),
    "a sum over columns": lambda h, x, w: h + cr.sum(x, axis=1, keepdims=True),
    "parts of rows": lambda h, x, w: cr.concat([h[:, 1:], x[:, :1]], axis=1) * w[0],
    "rows that lose a column": lambda h, x, w: cr.pad(h[:, :2], ((0, 0), (1, 0))),
}
TOGETHER: dict[str, Callable[..., Any]] = {
    "a sum over rows": lambda h, x, w: h + cr.sum(x, axis=0),
    "a mean over all": lambda h, x, w: h - cr.mean(x),
    "rows that move": lambda h, x, w: cr.flip(h, axis=0) + x,
    "a product of two": lambda h, x, w: (h @ x.T) @ h,
    "a draw": lambda h, x, w: h + cr.random.uniform(x.shape, seed=1),
}


@pytest.mark.parametrize("case", BY_ROWS)
def test_rows_that_do_not_meet_are_taken_in_panels(case: str) -> None:
    assert "prange(0, n, 16)" in text(run_of(BY_ROWS[case]))


@pytest.mark.parametrize("case", TOGETHER)
def test_rows_that_meet_are_taken_together(case: str) -> None:
    assert "in prange(0, n, 16)" not in text(run_of(TOGETHER[case]))


def test_a_known_number_of_rows_is_taken_at_once() -> None:
    assert "in prange(0, 8, 16)" not in text(run_of(BY_ROWS["products"], 8))


SIZES = [*((case, rows) for case in [*BY_ROWS, *TOGETHER][:-1] for rows in (1, 37))]


@pytest.mark.parametrize(("case", "rows"), [*SIZES, *((case, 0) for case in BY_ROWS)])
def test_values_are_those_of_numpy(case: str, rows: int) -> None:
    random = np.random.default_rng(0)
    given = [
        random.normal(size=shape).astype("float32") for shape in ((rows, 3), (5, rows, 3), (3, 3))
    ]
    step = (BY_ROWS | TOGETHER)[case]
    h, x, w = cr.tensor("h", (N, 3)), cr.tensor("x", (5, N, 3)), cr.tensor("w", (3, 3))
    last, every = cr.scan(lambda h, x: (step(h, x, w),) * 2, h, x)
    asked = [last, every, *cr.grad(cr.sum(last * last) + cr.sum(every), [h, x, w])]
    expected = cr.function([h, x, w], asked, target="numpy")(*given)
    for came, right in zip(cr.function([h, x, w], asked)(*given), expected, strict=True):
        scale = 1e-5 * max(1, float(np.max(np.abs(right), initial=0)))
        np.testing.assert_allclose(came, right, 1e-4, scale)


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "SimpleRNN"])
def test_recurrent_layers_train_in_panels(layer: str) -> None:
    """Forth and back; and whatever the number of threads, to the same weights."""
    model = cr.Sequential([cr.Input((4, 3)), getattr(cr, layer)(5), cr.Dense(1)])
    model.compile("mse", cr.Adam(1e-2))
    assert str(model.source("cpu")).count("in prange(0, batch, 16)") >= 2
    random = np.random.default_rng(1)
    x, y = random.normal(size=(90, 4, 3)).astype("float32"), random.normal(size=(90, 1))
    before, found = cr.get_num_threads(), []
    try:
        for threads in (1, 2):
            cr.set_num_threads(threads)
            other = cr.Sequential([cr.Input((4, 3)), getattr(cr, layer)(5), cr.Dense(1)])
            other.compile("mse", cr.Adam(1e-2))
            history = other.fit(x, y.astype("float32"), epochs=3, batch_size=40, seed=0, verbose=0)
            found.append(history.history["loss"])
    finally:
        cr.set_num_threads(before)
    assert found[0] == found[1]
    assert found[0][-1] < found[0][0]


def test_what_a_profile_counts_does_not_depend_on_panels() -> None:
    h, x, w = cr.tensor("h", (N, 8)), cr.tensor("x", (4, N, 8)), cr.tensor("w", (8, 8))
    f = cr.function([h, x, w], cr.scan(lambda h, x: (h @ w + x,) * 2, h, x)[0])
    for rows in (10, 40):
        given = [np.ones(s, "float32") for s in ((rows, 8), (4, rows, 8), (8, 8))]
        assert f.profile(*given).flops == 4 * rows * 8 * (2 * 8 + 1)
