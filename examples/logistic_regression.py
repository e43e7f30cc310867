"""Logistic regression as a formula, its gradient by `cr.grad`, minimized by SciPy.

The same objective as scikit-learn's `LogisticRegression(C=1)`, and the same coefficients.
"""

import numpy as np
from scipy.optimize import minimize

import chainrule as cr

(x, y), _ = cr.datasets.breast_cancer(dtype=np.float64)
x = (x - x.mean(0)) / x.std(0)

rows = cr.tensor("rows", (None, 30), dtype="float64")
label = cr.tensor("label", (None,), dtype="float64")
w = cr.tensor("w", (30,), dtype="float64")
b = cr.tensor("b", (), dtype="float64")

# Written naively; the compiler finds softplus in it.
sign = 2 * label - 1
loss = cr.sum(cr.log(1 + cr.exp(-sign * (rows @ w + b)))) + 0.5 * cr.sum(w**2)
dw, db = cr.grad(loss, [w, b])
objective = cr.function([rows, label, w, b], [loss, dw, db])


def value_and_gradient(theta):
    """The objective and its gradient for all coefficients and the intercept."""
    value, dw, db = objective(x, y.astype(np.float64), theta[:-1], theta[-1])
    return float(value), np.append(dw, db)


if __name__ == "__main__":
    print(objective.formula())
    found = minimize(
        value_and_gradient,
        np.zeros(31),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000},
    )
    print("iterations:", found.nit, "  loss:", found.fun)
    print("coefficients:", np.round(found.x[:5], 4), "...")
