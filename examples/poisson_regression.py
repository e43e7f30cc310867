"""Poisson regression, twice: its formula minimized by SciPy, and as a network of neurons.

How many chin-ups, sit-ups and jumps somebody manages is a count; its mean's logarithm is taken to
be linear in weight, waist and pulse. The data are scikit-learn's, of twenty people, and so is the
objective: half the mean deviance, plus `alpha / 2` times the squares of the coefficients.
"""

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_linnerud

import chainrule as cr

people = load_linnerud()
x = (people.target - people.target.mean(0)) / people.target.std(0)
y = people.data
ALPHA = 0.1


@cr.neuron
def rate(x, w: cr.PerInput = 0.0, b: cr.Scalar = 0.0):
    """exp(w x + b): the mean of a count."""
    return cr.exp(cr.sum(w * x) + b)


@cr.loss
def half_deviance(count, mean):
    """t log(t / p) - t + p, where a count of 0 costs p: how far means are from the best ones."""
    best = cr.where(count > 0, count, 1.0)
    return cr.sum(count * (cr.log(best) - cr.log(mean)) - count + mean, axis=-1)


rows = cr.tensor("rows", ("n", 3), dtype="float64")
counts = cr.tensor("counts", ("n", 3), dtype="float64")
w = cr.tensor("w", (3, 3), dtype="float64")
b = cr.tensor("b", (3,), dtype="float64")
loss = cr.mean(half_deviance(counts, cr.exp(rows @ w + b))) + ALPHA / 2 * cr.sum(w**2)
objective = cr.function([rows, counts, w, b], [loss, *cr.grad(loss, [w, b])])

model = cr.Sequential(
    [
        cr.Input((3,), dtype="float64"),
        cr.Layer(rate, 3, regularizers={"w": cr.L2(ALPHA / 2)}),
    ]
)
model.compile(loss=half_deviance, optimizer=cr.SGD(2e-3, momentum=0.9, nesterov=True))


def value_and_gradient(theta):
    """The objective and its gradient, for the coefficients [3, 3] and the intercepts in a row."""
    value, *slopes = objective(x, y, theta[:9].reshape(3, 3), theta[9:])
    return float(value), np.concatenate([slope.ravel() for slope in slopes])


def minimized():
    """Coefficients `[measurement, exercise]` and intercepts by SciPy."""
    start = np.concatenate([np.zeros(9), np.log(y.mean(0))])
    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10_000}
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return found.x[:9].reshape(3, 3), found.x[9:]


def trained(epochs=3000):
    """The same by training the network."""
    model.set_weights([np.zeros((3, 3)), np.log(y.mean(0))])
    model.fit(x, y, epochs=epochs, batch_size=len(x), verbose=0)
    return model.get_weights()


if __name__ == "__main__":
    print(model.gradients())
    print()
    coefficients, intercepts = minimized()
    for name, own, intercept in zip(people.feature_names, coefficients.T, intercepts, strict=True):
        terms = zip(own, people.target_names, strict=True)
        line = " ".join(f"{value:+.3f} {feature.lower()}" for value, feature in terms)
        print(f"log {name.lower():<6} = {intercept:.3f} {line}")
    difference = np.abs(trained()[0] - coefficients).max()
    print(f"the network's coefficients differ by at most {difference:.0e}")
