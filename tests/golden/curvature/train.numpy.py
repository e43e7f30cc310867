"""curvature, for NumPy: a statement a node.

net.py:8   y = mean(softplus(x w))
net.py:8   dy/dw = (sigmoid(x w) / batch) x
net.py:8   gradient_w = (sigmoid(x w) * sigmoid(-x w) * (x v) / batch) x

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def curvature(x, w, v):
    product = x @ w                        # net.py:8   product = x w
    y = np.mean(np.logaddexp(product, 0))  #            y = mean(softplus(product))
    logistic = special.expit(product)      #            logistic = sigmoid(product)
    dy_dw = logistic / x.shape[0] @ x      #            dy/dw = (logistic / batch) x
    # gradient_w = (logistic * sigmoid(-product) * (x v) / batch) x
    gradient_w = logistic * special.expit(-product) * (x @ v) / x.shape[0] @ x
    return y, dy_dw, gradient_w


def step(x, w, v):
    """Outputs, then every parameter and state, new where there is a new value."""
    y, dy_dw, gradient_w = curvature(x, w, v)
    return y, dy_dw, gradient_w
