"""A mixture of three Gaussians, fitted by gradient from its formula.

The density is a sum over components, each with a weight, a mean and the Cholesky factor of its
covariance; SciPy minimizes minus the mean log density. The data are scikit-learn's: 150 irises of
three species, which the mixture is not told.
"""

import math

import numpy as np
from scipy.optimize import minimize
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

import chainrule as cr

iris = load_iris()
x = (iris.data - iris.data.mean(0)) / iris.data.std(0)
K, D = 3, x.shape[1]

rows = cr.tensor("rows", ("n", D), dtype="float64")
theta = cr.tensor("theta", (K * (1 + D + D * D),), dtype="float64")
logits = theta[:K]
means = cr.reshape(theta[K : K + K * D], (K, D))
free = cr.reshape(theta[K + K * D :], (K, D, D))
deviations = cr.linalg.diagonal(free)
# Below the diagonal anything, on it what is positive: the factor of any covariance.
identity = cr.eye(D, dtype="float64")
factors = cr.tril(free, k=-1) + cr.softplus(deviations)[:, :, None] * identity

apart = cr.permute_dims(rows[None, :, :] - means[:, None, :], (0, 2, 1))
white = cr.linalg.solve_triangular(factors, apart)
logdet = cr.sum(cr.log(cr.linalg.diagonal(factors)), axis=1)
density = -0.5 * cr.sum(white**2, axis=1) - (logdet + 0.5 * D * math.log(2 * math.pi))[:, None]
joint = cr.log_softmax(logits)[:, None] + density
loss = -cr.mean(cr.logsumexp(joint, axis=0))
objective = cr.function([rows, theta], [loss, cr.grad(loss, theta)])
shares = cr.function([rows, theta], cr.softmax(joint, axis=0))
parts = cr.function([theta], [cr.softmax(logits), means, factors @ cr.matrix_transpose(factors)])


def value_and_gradient(parameters):
    """Minus the mean log density, and its gradient."""
    value, gradient = objective(x, parameters)
    return float(value), gradient


def fit():
    """The parameters of a local minimum, from the weights, means and covariances of k-means."""
    clusters = KMeans(K, n_init=10, random_state=0).fit(x)
    members = [x[clusters.labels_ == k] for k in range(K)]
    spread = np.linalg.cholesky([np.cov(own.T) for own in members])
    raw = np.tril(spread, -1)
    raw[:, range(D), range(D)] = np.log(np.expm1(np.diagonal(spread, axis1=1, axis2=2)))
    weights = np.log([len(own) for own in members])
    start = np.concatenate([weights, np.ravel(clusters.cluster_centers_), raw.ravel()])
    options = {"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-9}
    return minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)


def agreement(parameters):
    """The share of irises that are of the species which is most frequent in their component."""
    component = np.argmax(shares(x, parameters), axis=0)
    counts = [np.bincount(iris.target[component == c], minlength=K).max() for c in range(K)]
    return sum(counts) / len(x)


if __name__ == "__main__":
    found = fit()
    print(f"mean log density: {-found.fun:.4f} after {found.nit} steps")
    weights, centers, _ = parts(found.x)
    for weight, center in zip(weights, centers, strict=True):
        print(f"weight {weight:.3f}, mean {np.round(center, 2)}")
    print(f"components agree with species: {agreement(found.x):.1%}")
