"""curvature, for NumPy: a statement a node.

net.py:8   y = mean(softplus(x w))
net.py:8   dy/dw = (sigmoid(x w) / batch) x
net.py:8   gradient_w = (sigmoid(x w) * sigmoid(-x w) * (x v) / batch) x

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
    gradient_w = ratio @ x                    #            gradient_w = ratio x
    return y, dy_dw, gradient_w


def step(x, w, v):
    """Outputs, then every parameter and state, new where there is a new value."""
    y, dy_dw, gradient_w = curvature(x, w, v)
    return y, dy_dw, gradient_w
