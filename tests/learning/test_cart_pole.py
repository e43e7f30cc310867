"""The pole of the example: the loop is the physics, its gradient REINFORCE's, and it learns."""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def episode(state: Array, chances: Array, weights: list[Array]) -> tuple[int, Array, list[Array]]:
    """Steps until the pole falls; in each the hidden units and d log pi / dz."""
    x, dx, angle, turning = state
    hidden, slopes = [], []
    for chance in chances:
        h = np.tanh(np.array([x, dx, angle, turning]) @ weights[0] + weights[1])
        p = 1 / (1 + math.exp(-h @ weights[2]))
        right = chance < p
        hidden.append(h)
        slopes.append(right - p)
        sine, cosine = math.sin(angle), math.cos(angle)
        pushed = ((10.0 if right else -10.0) + 0.05 * turning**2 * sine) / 1.1
        bend = (9.8 * sine - cosine * pushed) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        x, dx = x + 0.02 * dx, dx + 0.02 * (pushed - 0.05 * bend * cosine / 1.1)
        angle, turning = angle + 0.02 * turning, turning + 0.02 * bend
        if abs(x) >= 2.4 or abs(angle) >= 12 * math.pi / 180:
            break
    return len(slopes), np.array(slopes), hidden


def test_a_loop_of_episodes_is_each_of_them(example: Callable[[str], ModuleType]) -> None:
    module = example("cart_pole")
    random = np.random.default_rng(0)
    weights = [random.normal(0, 0.5, shape).astype("float32") for shape in module.shapes.values()]
    start, chances = module.draw(random)
    length, _, _, slope = module.play(start, chances, *weights)
    played = [episode(start[i], chances[:, i], weights) for i in range(module.EPISODES)]
    lengths = np.array([steps for steps, _, _ in played])
    assert length == np.float32(lengths.mean())
    assert lengths.max() - lengths.min() > 10
    expected = np.zeros(module.UNITS)
    for steps, slopes, hidden in played:
        for t in range(steps):
            others = np.mean(lengths[lengths > t] - t)
            expected -= slopes[t] * hidden[t] * (steps - t - others) / module.EPISODES
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)


def test_it_learns_to_balance_the_pole_for_good(example: Callable[[str], ModuleType]) -> None:
    """500 steps are the most there are; pushes by chance last about 15."""
    module = example("cart_pole")
    for seed in range(3):
        assert module.average_length(module.learn(seed=seed)) > 495, seed
