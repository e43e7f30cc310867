"""A physics-informed network: Poisson's equation on the unit square, solved by training.

    -(u_xx + u_yy) = f  inside,  u = 0  on the boundary,  f = 2 pi^2 sin(pi x) sin(pi y)

The solution is sin(pi x) sin(pi y). What is trained on is the equation alone: the model's output is
what is left of it, second derivatives and all, and the target is 0. The boundary values are built
into u. The same layers with u as output are a second model, which takes over the weights.
"""

import math

import numpy as np

import chainrule as cr


def sines(x):
    """sin(pi x) sin(pi y) for points [n, 2]."""
    return cr.sin(math.pi * x[:, 0]) * cr.sin(math.pi * x[:, 1])


x = cr.Input((2,))
h = cr.Dense(20, activation="tanh")(x)
h = cr.Dense(20, activation="tanh")(h)
u = cr.prod(x * (1 - x), axis=1) * cr.Dense(1)(h)[:, 0]

residual = cr.laplacian(u, x) + 2 * math.pi**2 * sines(x)

equation, solution = cr.Model(x, residual), cr.Model(x, u)
equation.compile(loss="mse", optimizer=cr.Adam(1e-2))


def train(epochs=300):
    """The largest and the root mean square error of u on a grid, after training."""
    points = np.random.default_rng(0).uniform(size=(512, 2)).astype("float32")
    zeros = np.zeros(512, "float32")
    for rate in (1e-2, 2e-3):
        equation.settings["learning_rate"] = rate
        equation.fit(points, zeros, epochs=epochs, batch_size=128, seed=0, verbose=0)
    solution.set_weights(equation.get_weights())
    axis = np.linspace(0, 1, 41, dtype="float32")
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    exact = np.prod(np.sin(math.pi * grid), axis=1)
    error = np.abs(solution.predict(grid) - exact)
    return float(error.max()), float(np.sqrt(np.mean(error**2)))


if __name__ == "__main__":
    equation.summary()
    largest, typical = train()
    print(f"error against sin(pi x) sin(pi y): at most {largest:.1e}, {typical:.1e} on average")
