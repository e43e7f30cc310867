"""curvature, for NumPy: a statement a node.

net.py:8   y = mean(softplus(x w))
net.py:8   dy/dw = (sigmoid(x w) / batch) x
net.py:8   dy_dw_ = (sigmoid(x w) * sigmoid(-x w) * (x v) / batch) x

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def curvature(x, w, v):
    product = x @ w                           # net.py:8   product = x w
    y = np.mean(np.logaddexp(product, 0))     #            y = mean(softplus(product))
    sigmoid_product = special.expit(product)  #            sigmoid_product = sigmoid(product)
    dy_dw = sigmoid_product / x.shape[0] @ x  #            dy/dw = (sigmoid_product / batch) x
    # ratio = sigmoid_product * sigmoid(-product) * (x v) / batch
    ratio = sigmoid_product * special.expit(-product) * (x @ v) / x.shape[0]
    dy_dw_2 = ratio @ x                       #            dy_dw_ = ratio x
    return y, dy_dw, dy_dw_2


def step(x, w, v):
    """Outputs, then every parameter and state, new where there is a new value."""
    y, dy_dw, dy_dw_2 = curvature(x, w, v)
    return y, dy_dw, dy_dw_2
