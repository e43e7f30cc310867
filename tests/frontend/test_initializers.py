"""Initializers: their statistics, that seeds decide everything, and names."""

import json
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from chainrule.compiler.errors import ShapeError, UnknownNameError, UsageError
from chainrule.frontend import initializers as init
from chainrule.frontend.initializers import (
    INITIALIZERS,
    Initializer,
    fans,
    from_config,
    generator,
    initializer,
)

SHAPE = (300, 500)
N = math.prod(SHAPE)


def draw(given: Any, shape: tuple[int, ...] = SHAPE) -> "np.ndarray[Any, Any]":
    return initializer(given)(generator(11, "W"), shape, "float64")


@pytest.mark.parametrize(
    ("given", "variance"),
    [
        ("random_uniform", 0.1**2 / 12),
        ("random_normal", 0.05**2),
        ("glorot_uniform", 2 / 800),
        ("glorot_normal", 2 / 800),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
        ("variance_scaling", 1 / 300),
        (init.VarianceScaling(3.0, "fan_out", "untruncated_normal"), 3 / 500),
        (init.VarianceScaling(3.0, "fan_out", "uniform"), 3 / 500),
        (init.TruncatedNormal(0.0, 2.0), (2.0 * init.TRUNCATED_DEVIATION) ** 2),
    ],
)
def test_mean_and_variance(given: Any, variance: float) -> None:
    w = draw(given)
    # Five standard errors: of a mean sqrt(variance/n), of a variance at most sqrt(2/n) of itself.
    assert abs(w.mean()) < 5 * math.sqrt(variance / N)
    assert abs(w.var() / variance - 1) < 5 * math.sqrt(2 / N)


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ("glorot_uniform", math.sqrt(6 / 800)),
        ("he_uniform", math.sqrt(6 / 300)),
        ("lecun_uniform", math.sqrt(3 / 300)),
        ("truncated_normal", 0.1),
        ("he_normal", 2 * math.sqrt(2 / 300) / init.TRUNCATED_DEVIATION),
        ("random_uniform", 0.05),
    ],
)
def test_limits_are_kept_and_reached(given: str, limit: float) -> None:
    largest = np.abs(draw(given)).max()
    assert 0.99 * limit < largest <= limit


def test_the_correction_is_the_deviation_of_a_truncated_normal() -> None:
    assert scipy.stats.truncnorm(-2, 2).std() == pytest.approx(init.TRUNCATED_DEVIATION, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "distribution"),
    [
        (init.RandomNormal(1.0, 2.0), scipy.stats.norm(1, 2)),
        (init.RandomUniform(-1.0, 3.0), scipy.stats.uniform(-1, 4)),
        (init.TruncatedNormal(1.0, 2.0), scipy.stats.truncnorm(-2, 2, 1, 2)),
    ],
)
def test_the_distribution(given: Initializer, distribution: Any) -> None:
    w = draw(given).ravel()[:20000]
    assert scipy.stats.kstest(w, distribution.cdf).pvalue > 0.01


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 3, 4), (1, 5)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = draw(init.Orthogonal(2.0), shape)
    assert w.shape == shape
    matrix = w.reshape(-1, shape[-1]) / 2
    small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(small @ small.T, np.eye(len(small)), atol=1e-14)


def test_orthogonal_matrices_are_uniform() -> None:
    random = generator(0, "Q")
    corners = [init.orthogonal(random, (2, 2), "float64")[0, 0] for _ in range(2000)]
    angles = np.arccos(np.clip(corners, -1, 1))
    assert scipy.stats.kstest(angles, scipy.stats.uniform(0, np.pi).cdf).pvalue > 0.01


def test_orthogonal_needs_two_axes() -> None:
    with pytest.raises(ShapeError, match="at least two axes"):
        draw("orthogonal", (3,))


def test_constants() -> None:
    assert (draw("zeros") == 0).all()
    assert (draw("ones") == 1).all()
    assert (draw(0.25) == 0.25).all()
    assert draw(init.Constant(3.0), ()).shape == ()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (1, 1)), ((7,), (7, 7)), ((7, 5), (7, 5)), ((3, 3, 7, 5), (63, 45))],
)
def test_fans(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert fans(shape) == expected


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3, 4)])
def test_shape_and_dtype(name: str, shape: tuple[int, ...]) -> None:
    single = initializer(name)(generator(0, "W"), shape)
    assert (single.shape, single.dtype) == (shape, np.float32)
    double = initializer(name)(generator(0, "W"), shape, "float64")
    np.testing.assert_array_equal(single, double.astype("float32"))


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_the_seed_decides(name: str) -> None:
    first, again = (initializer(name)(generator(5, "W1"), (8, 8)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_parameters_draw_for_themselves() -> None:
    numbers = {
        generator(seed, *path).random()
        for seed in (0, 1)
        for path in (("W1",), ("W2",), ("W", 1), ("W", 2), ("a", "b"), ("ab",), (0,), ())
    }
    assert len(numbers) == 16


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_plain_data_and_back(name: str) -> None:
    given = initializer(name)
    assert from_config(json.loads(json.dumps(given.config()))) == given


def test_plain_data_keeps_settings() -> None:
    given = init.RandomNormal(stddev=0.3)
    assert given.config() == {"name": "random_normal", "settings": {"mean": 0.0, "stddev": 0.3}}
    assert from_config(given.config()) == given


def test_lookup() -> None:
    assert initializer("he_normal") == init.HeNormal()
    assert initializer(init.HeNormal) == init.HeNormal()
    assert initializer(init.he_normal) is init.he_normal
    assert initializer("normal") == init.RandomNormal()
    assert initializer(2) == init.Constant(2.0)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'glorot_uniform'"):
        initializer("glorot_unifrom")
    with pytest.raises(UnknownNameError, match="did you mean 'stddev'"):
        from_config({"name": "random_normal", "settings": {"stdev": 1.0}})
    with pytest.raises(UsageError, match="did you mean 'fan_in'"):
        init.VarianceScaling(mode="fan_inn")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="scale=-1"):
        init.VarianceScaling(-1.0)
    with pytest.raises(UsageError, match="an initializer cannot be list"):
        initializer([1.0])  # type: ignore[arg-type]
