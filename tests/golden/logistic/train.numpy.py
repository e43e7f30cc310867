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
    minus_z1 = -z1                               # net.py:6   minus_z1 = -z1
    one_minus_t = 1 - t                          #            one_minus_t = 1 - t
    product = np.logaddexp(z1, 0) * one_minus_t  #            product = softplus(z1) * one_minus_t
    # L = mean(softplus(minus_z1) * t + product)
    L = np.mean((np.logaddexp(minus_z1, 0) * t + product)[:, 0])
    # same_f64 = [[y > 0.5] == t]
    same_f64 = ((y > 0.5).astype(np.float64) == t).astype(np.float64)[:, 0]
    accuracy = np.mean(same_f64)                 #            accuracy = mean(same_f64)
    # difference = y * one_minus_t - sigmoid(minus_z1) * t
    difference = y * one_minus_t - special.expit(minus_z1) * t
    dL_dz1 = difference / x.shape[0]             #            dL/dz1 = difference / batch
    dL_dW1 = x.T @ dL_dz1                        # net.py:5   dL/dW1 = xᵀ dL/dz1
    sums = np.sum(difference, axis=0)            #            sums = sum_batch difference
    ratio = sums / x.shape[0]                    #            ratio = sums / batch
    return L, accuracy, dL_dW1, ratio, sums, np.float64(x.shape[0])


def update(W1, b1, dL_dW1, sums, size, learning_rate):
    new_W1 = W1 - learning_rate * dL_dW1       # net.py:6   W1 ← W1 - learning_rate * dL/dW1
    new_b1 = b1 - learning_rate * sums / size  #            b1 ← b1 - learning_rate * sums / size
    return new_W1, new_b1


def step(x, t, learning_rate, W1, b1):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, accuracy, dL_dW1, ratio, sums, size = gradient(x, t, W1, b1)
    new_W1, new_b1 = update(W1, b1, dL_dW1, sums, size, learning_rate)
    return L, accuracy, new_W1, new_b1
