"""Gaussian-process regression: hyperparameters by gradient through a Cholesky factorization.

A squared-exponential kernel with a length scale for each measurement; the marginal likelihood is
written as a formula (Rasmussen and Williams 2006, eq. 2.30 and 5.8) and maximized by SciPy. The
data are scikit-learn's: the progress of diabetes in 442 patients, from ten measurements.
"""

import math

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_diabetes

import chainrule as cr

data = load_diabetes()
order = np.random.default_rng(0).permutation(len(data.target))
train, test = order[:342], order[342:]
x = (data.data - data.data[train].mean(0)) / data.data[train].std(0)
y = (data.target - data.target[train].mean()) / data.target[train].std()

rows = cr.tensor("rows", ("n", 10), dtype="float64")
target = cr.tensor("target", ("n",), dtype="float64")
new = cr.tensor("new", ("m", 10), dtype="float64")
theta = cr.tensor("theta", (12,), dtype="float64")
amplitude, noise, scales = cr.exp(theta[0]), cr.exp(theta[1]), cr.exp(theta[2:])


def kernel(a, b):
    """amplitude^2 exp(-|a - b|^2 / 2), every measurement in units of its length scale."""
    distance = cr.sum(((a[:, None, :] - b[None, :, :]) / scales) ** 2, axis=-1)
    return amplitude**2 * cr.exp(-0.5 * distance)


n = rows.shape[0]
covariance = kernel(rows, rows) + noise**2 * cr.eye(n, dtype="float64")
factor = cr.linalg.cholesky(covariance)
white = cr.linalg.solve_triangular(factor, target)
loss = 0.5 * cr.sum(white**2) + cr.sum(cr.log(cr.linalg.diagonal(factor)))
loss = loss + 0.5 * math.log(2 * math.pi) * cr.sum(cr.ones_like(target))
slope = cr.grad(loss, theta)
objective = cr.function([rows, target, theta], [loss, slope])

weights = cr.linalg.solve_triangular(factor, white, transpose=True)
predict = cr.function([rows, target, theta, new], kernel(new, rows) @ weights)


def value_and_gradient(parameters):
    """Minus the log marginal likelihood, and its gradient."""
    value, gradient = objective(x[train], y[train], parameters)
    return float(value), gradient


def fit():
    """The hyperparameters of the largest marginal likelihood near the usual start."""
    start = np.concatenate([[0.0, np.log(0.5)], np.full(10, np.log(3.0))])
    bounds = [(-6.0, 6.0)] * len(start)
    return minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds)


if __name__ == "__main__":
    found = fit()
    print(f"log marginal likelihood: {-found.fun:.2f} after {found.nit} steps")
    print(f"amplitude {np.exp(found.x[0]):.3f}, noise {np.exp(found.x[1]):.3f}")
    for name, scale in zip(data.feature_names, np.exp(found.x[2:]), strict=True):
        print(f"length scale of {name:<4} {scale:7.2f}")
    error = predict(x[train], y[train], found.x, x[test]) - y[test]
    print(f"held-out error: {np.sqrt(np.mean(error**2)):.3f} standard deviations")
