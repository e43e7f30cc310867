"""A neural ordinary differential equation: the law of a motion, learned from where it went.

The slope dx/dt of a point in the plane is a small network. A loop of Runge-Kutta steps integrates
it, and the gradient goes back through the loop. The motion to be learned is a damped rotation.

Source: Chen et al. 2018, "Neural ordinary differential equations".
"""

import numpy as np

import chainrule as cr

STEPS, H, UNITS = 60, 0.1, 16
LAW = np.array([[-0.1, 1.0], [-1.0, -0.1]])

x0 = cr.tensor("x0", (None, 2), "float64")
path = cr.tensor("path", (STEPS, "batch", 2), "float64")
shapes = {"W1": (2, UNITS), "b1": (UNITS,), "W2": (UNITS, 2)}
weights = [cr.tensor(name, shape, "float64") for name, shape in shapes.items()]


def slope(x):
    """dx/dt: a network of one hidden layer."""
    W1, b1, W2 = weights
    return cr.tanh(x @ W1 + b1) @ W2


def runge_kutta(x, _):
    """A step of length h, whose error is of the order of h^5."""
    k1 = slope(x)
    k2 = slope(x + H / 2 * k1)
    k3 = slope(x + H / 2 * k2)
    k4 = slope(x + H * k3)
    x = x + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x, x


_, found = cr.scan(runge_kutta, x0, length=STEPS)
error = cr.mean((found - path) ** 2)
gradients = cr.grad(error, weights)


def motion(starts):
    """Where points go under the law, exactly: x(t) = exp(t A) x(0)."""
    values, vectors = np.linalg.eig(LAW)
    times = H * np.arange(1, STEPS + 1)
    growth = np.exp(np.outer(times, values))
    growth = np.einsum("ij,tj,jk->tik", vectors, growth, np.linalg.inv(vectors))
    return np.einsum("tik,bk->tbi", growth.real, starts)


def learn(steps, seed=0):
    """Weights after some steps of Adam, and the error before each."""
    random = np.random.default_rng(seed)
    starts = random.normal(size=(16, 2))
    truth = motion(starts)
    values = [random.normal(size=shape) * 0.3 for shape in shapes.values()]
    f = cr.function([x0, path, *weights], [error, *gradients], name="neural_ode")
    first, second = ([np.zeros_like(v) for v in values] for _ in range(2))
    errors = []
    for k in range(1, steps + 1):
        value, *slopes = f(starts, truth, *values)
        errors.append(float(value))
        for v, g, m, s in zip(values, slopes, first, second, strict=True):
            m += 0.1 * (g - m)
            s += 0.01 * (g**2 - s)
            v -= 0.02 * (m / (1 - 0.9**k)) / (np.sqrt(s / (1 - 0.99**k)) + 1e-8)
    return values, errors


if __name__ == "__main__":
    values, errors = learn(600)
    print(f"mean squared error of the path: {errors[0]:.3f} at first, {errors[-1]:.6f} at the end")
