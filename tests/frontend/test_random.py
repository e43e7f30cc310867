"""`cr.random`: the same numbers on every target, of the distribution asked for, drawn by phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import chainrule as cr
from chainrule.compiler.errors import ChainruleError, DTypeError, ShapeError, UsageError

TARGETS = ("numpy", "cpu")
seed = cr.tensor("s", (), dtype="int64")
x = cr.tensor("x", ("n", 3), dtype="float64")


def test_numbers_of_a_seed() -> None:
    """Of the distribution; another seed and another draw give others; targets agree."""
    n = x.shape[0]
    outputs = [
        cr.random.normal((n, 50), seed=seed),
        cr.random.normal((n, 50), seed=seed),
        cr.random.normal((n, 50), 3.0, 0.5, dtype="float64", seed=seed),
        cr.random.uniform((n, 50), -2.0, 6.0, dtype="float64", seed=seed),
    ]
    found = {}
    for target in TARGETS:
        f = cr.function([x, seed], outputs, target=target)
        found[target] = f(np.zeros((100, 3)), 7)
        assert not np.any(f(np.zeros((100, 3)), 2)[0] == found[target][0])
        np.testing.assert_array_equal(f(np.zeros((100, 3)), 7)[3], found[target][3])
    for a, b in zip(*found.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    first, second, shifted, even = found["numpy"]
    assert (first.dtype, even.dtype) == (np.float32, np.float64)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert stats.kstest(first.ravel(), "norm").pvalue > 0.01
    assert stats.kstest(shifted.ravel(), "norm", (3.0, 0.5)).pvalue > 0.01
    assert stats.kstest(even.ravel(), "uniform", (-2.0, 8.0)).pvalue > 0.01


def test_a_function_does_not_depend_on_what_was_drawn_before() -> None:
    def sample() -> Any:
        return cr.function([seed], cr.random.uniform((4,), seed=seed), target="numpy")(7)

    first = sample()
    cr.random.normal((3,), seed=seed)
    np.testing.assert_array_equal(sample(), first)


def test_the_gradient_goes_through_what_is_done_with_them() -> None:
    e = cr.random.normal(x.shape, dtype="float64", seed=3)
    outputs = [e, cr.grad(cr.sum(x**2 * e), x)]
    for target in TARGETS:
        drawn, slope = cr.function([x], outputs, target=target)(np.full((4, 3), 2.0))
        np.testing.assert_allclose(slope, 4 * drawn, rtol=1e-12)


def test_in_a_model_training_draws_anew_and_nothing_else_does() -> None:
    given = cr.Input((2,))
    y = cr.Dense(1)(given + cr.random.normal(given.shape))
    rows, labels = np.ones((6, 2), np.float32), np.ones(6)
    seen = []
    for target in TARGETS:
        model = cr.Model(given, y, seed=0)
        model.compile("mse", cr.SGD(0.0), target=target)
        first = model.predict(rows)
        assert len(set(first.ravel().tolist())) == 6
        np.testing.assert_array_equal(model.predict(rows), first)
        score = model.evaluate(rows, labels, verbose=0)["loss"]
        assert score == pytest.approx(float(np.mean((first[:, 0] - 1) ** 2)), rel=1e-5)
        history = model.fit(rows, labels, epochs=3, seed=1, verbose=0).history["loss"]
        assert len(set(history)) == 3
        assert model.fit(rows, labels, epochs=3, seed=1, verbose=0).history["loss"] == history
        assert model.evaluate(rows, labels, verbose=0)["loss"] == score
        seen.append([score, *history])
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-5)


def test_every_step_of_a_loop_draws_its_own() -> None:
    def step(c: cr.Tensor, row: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
        return c, row + cr.random.normal((3,), dtype="float64", seed=seed)

    _, rows = cr.scan(step, 0.0, x)
    numpy, cpu = (cr.function([x, seed], rows, target=t)(np.zeros((5, 3)), 1) for t in TARGETS)
    np.testing.assert_allclose(numpy, cpu, rtol=1e-12)
    assert len(set(numpy.ravel().tolist())) == 15


WRONG: list[tuple[Callable[[], Any], type[ChainruleError], str]] = [
    (lambda: cr.random.normal((2,), stddev=-1.0), UsageError, "stddev=-1.0"),
    (lambda: cr.random.normal((2,), mean=x), UsageError, "tensors are multiplied"),  # type: ignore[arg-type]
    (lambda: cr.random.normal((2,), mean=float("nan")), UsageError, "mean=nan"),
    (lambda: cr.random.uniform((2,), 1.0, 0.0), UsageError, "from 1.0 to 0.0"),
    (lambda: cr.random.normal((2,), dtype="int32"), DTypeError, "random.normal of int32"),
    (lambda: cr.random.normal((2,), seed=0.5), DTypeError, "the seed is f64"),
    (lambda: cr.random.normal((2,), seed=cr.arange(2)), ShapeError, "the seed is i64[2]"),
    (lambda: cr.random.normal((1.5,)), ShapeError, "random.normal: the size 1.5"),  # type: ignore[arg-type]
    (lambda: cr.function([x], cr.random.normal(x.shape)), UsageError, "without a seed"),
]


@pytest.mark.parametrize(("wrong", "error", "said"), WRONG)
def test_mistakes(wrong: Callable[[], Any], error: type[ChainruleError], said: str) -> None:
    with pytest.raises(error) as caught:
        wrong()
    where, *rest = str(caught.value).splitlines()
    assert said in str(caught.value)
    assert where.startswith("test_random.py:")
    assert len(rest) == 2
