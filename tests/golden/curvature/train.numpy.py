"""curvature, for NumPy: a statement a node.

net.py:8   y = mean(max(x w, 0) + log1p(exp(-|x w|)))
net.py:8   dy/dw = (sigmoid(x w) / batch) x
net.py:8   dy_dw_ = ((x v) * sigmoid(x w) * sigmoid(-x w) / batch) x

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def curvature(x, w, v):
    product = x @ w                                 # net.py:8   product = x w
    # total = max(product, 0) + log1p(exp(-|product|))
    total = np.maximum(product, 0) + np.log1p(np.exp(-np.abs(product)))
    y = np.mean(total)                              #            y = mean(total)
    sigmoid_product = special.expit(product)        #            sigmoid_product = sigmoid(product)
    dy_dw = sigmoid_product / x.shape[0] @ x        #            dy/dw = (sigmoid_product / batch) x
    # product_2 = sigmoid_product * sigmoid(-product)
    product_2 = sigmoid_product * special.expit(-product)
    dy_dw_2 = (x @ v) / x.shape[0] * product_2 @ x  # dy_dw_ = ((x v) * product_2 / batch) x
    return y, dy_dw, dy_dw_2


def step(x, w, v):
    """Outputs, then every parameter and state, new where there is a new value."""
    y, dy_dw, dy_dw_2 = curvature(x, w, v)
    return y, dy_dw, dy_dw_2
