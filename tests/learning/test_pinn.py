"""Networks with derivatives in their outputs: Poisson's equation; gradients for inner layers."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

import chainrule as cr


def test_poisson_on_a_square(example: Callable[[str], ModuleType]) -> None:
    largest, typical = example("pinn").train()
    assert largest < 2e-3
    assert typical < 5e-4


def test_the_equation_is_what_the_model_gives(tmp_path: Path) -> None:
    """The residual of a network with known weights against differences; it survives the file."""
    x = cr.Input((1,), dtype="float64")
    u = cr.Dense(1)(cr.Dense(5, activation="tanh")(x))[:, 0]
    residual = cr.laplacian(u, x) + u**2
    equation, solution = cr.Model(x, residual, seed=1), cr.Model(x, u)
    equation.compile(loss="mse", optimizer="sgd", target="numpy")
    solution.set_weights(equation.get_weights())
    points, h = np.linspace(-1, 1, 7)[:, None], 1e-4
    low, at, high = (solution.predict(points + d) for d in (-h, 0, h))
    found = equation.predict(points)
    np.testing.assert_allclose(found, (low - 2 * at + high) / h**2 + at**2, atol=1e-6)
    equation.fit(points, np.zeros(7), epochs=2, batch_size=3, seed=0, verbose=0)
    equation.save(tmp_path / "equation.chain")
    loaded = cr.load_model(tmp_path / "equation.chain")
    np.testing.assert_array_equal(loaded.predict(points), equation.predict(points))


def test_an_output_may_be_a_gradient_for_an_inner_layer(tmp_path: Path) -> None:
    """Here the sensitivity of the result to the hidden layer, whose layers are found inside it."""
    x = cr.Input((3,), dtype="float64")
    h = cr.Dense(4, activation="tanh")(x)
    model = cr.Model(x, cr.grad(cr.sum(cr.Dense(1)(h) ** 2), h), seed=0)
    assert model.count_params() == 3 * 4 + 4 + 4 + 1
    model.compile(loss="mse", optimizer="sgd", target="numpy")
    points = np.random.default_rng(0).normal(size=(6, 3))
    w1, b1, w2, b2 = model.get_weights()
    hidden = np.tanh(points @ w1 + b1)
    np.testing.assert_allclose(model.predict(points), 2 * (hidden @ w2 + b2) @ w2.T, rtol=1e-12)
    model.save(tmp_path / "inner.chain")
    loaded = cr.load_model(tmp_path / "inner.chain")
    np.testing.assert_array_equal(loaded.predict(points), model.predict(points))
