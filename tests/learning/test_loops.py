"""The examples with loops: a neural differential equation, and an LSTM that keeps a number."""

from collections.abc import Callable
from types import ModuleType

import pytest


def test_a_law_is_learned_from_a_path(example: Callable[[str], ModuleType]) -> None:
    _, errors = example("neural_ode").learn(200)
    assert errors[-1] < 0.02 * errors[0]


@pytest.mark.slow
def test_the_adding_problem(example: Callable[[str], ModuleType]) -> None:
    """Always answering 1 has an error of 1/6; an error below 0.002 takes both numbers."""
    module = example("lstm")
    module.model.fit(*module.draw(10_000, seed=0), epochs=15, batch_size=50, seed=0, verbose=0)
    assert module.model.evaluate(*module.draw(1000, seed=1), verbose=0)["loss"] < 0.002
