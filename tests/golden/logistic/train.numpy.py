"""train, for NumPy: a statement a node.

net.py:5   z1 = x W1 + b1                                         Dense(1, activation="sigmoid")
net.py:6   L = mean(softplus(-z1) * t + softplus(z1) * (1 - t))
net.py:5   y = sigmoid(z1)                                        Dense(1, activation="sigmoid")
net.py:6   accuracy = mean([[y > 0.5] == t])

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def forward(x, W1, b1):
    z1 = x @ W1 + b1       # net.py:5   z1 = x W1 + b1
    y = special.expit(z1)  #            y = sigmoid(z1)
    return z1, y


def gradient(x, t, W1, b1):
    z1, y = forward(x, W1, b1)
    minus_z1 = -z1                                    # net.py:6   minus_z1 = -z1
    one_minus_t = 1 - t                               #            one_minus_t = 1 - t
    # scaled_softplus_z1 = softplus(z1) * one_minus_t
    scaled_softplus_z1 = np.logaddexp(z1, 0) * one_minus_t
    # total = softplus(minus_z1) * t + scaled_softplus_z1
    total = (np.logaddexp(minus_z1, 0) * t + scaled_softplus_z1)[:, 0]
    L = np.mean(total)                                #            L = mean(total)
    test = ((y > 0.5).astype(np.float64) == t).astype(np.float64)[:, 0]  # test = [[y > 0.5] == t]
    accuracy = np.mean(test)                          #            accuracy = mean(test)
    ratio = special.expit(minus_z1) * t / x.shape[0]  # ratio = sigmoid(minus_z1) * t / batch
    dL_dz1 = one_minus_t / x.shape[0] * y - ratio  # dL/dz1 = one_minus_t * y / batch - ratio
    dL_dW1 = x.T @ dL_dz1                             # net.py:5   dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)                   #            dL/db1 = sum_batch dL/dz1
    return L, accuracy, dL_dW1, dL_db1


def update(W1, b1, dL_dW1, dL_db1, learning_rate):
    new_W1 = W1 - learning_rate * dL_dW1  # net.py:6   W1 ← W1 - learning_rate * dL/dW1
    new_b1 = b1 - learning_rate * dL_db1  #            b1 ← b1 - learning_rate * dL/db1
    return new_W1, new_b1


def step(x, t, learning_rate, W1, b1):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, accuracy, dL_dW1, dL_db1 = gradient(x, t, W1, b1)
    new_W1, new_b1 = update(W1, b1, dL_dW1, dL_db1, learning_rate)
    return L, accuracy, new_W1, new_b1
