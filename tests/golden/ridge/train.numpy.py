"""train, for NumPy: a statement a node.

net.py:7   y = x W1 + b1                        Dense(1)
net.py:9   L = mean((y - t)²) + 0.01 sum(W1²)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np


def forward(x, W1, b1):
    y = x @ W1 + b1  # net.py:7   y = x W1 + b1
    return y


def gradient(x, t, W1, b1):
    y = forward(x, W1, b1)
    y_minus_t = y - t                   # net.py:9   y_minus_t = y - t
    # L = mean(y_minus_t²) + 0.01 sum(W1²)
    L = np.mean((y_minus_t**2)[:, 0]) + 0.01 * np.sum((W1**2)[:, 0])
    dL_dy = 2 * y_minus_t / x.shape[0]  #            dL/dy = 2 y_minus_t / batch
    dL_dW1 = 0.02 * W1 + x.T @ dL_dy    # net.py:7   dL/dW1 = 0.02 W1 + xᵀ dL/dy
    dL_db1 = np.sum(dL_dy, axis=0)      #            dL/db1 = sum_batch dL/dy
    return L, dL_dW1, dL_db1


def update(W1, b1, dL_dW1, dL_db1, learning_rate):
    learning_rate_f32 = np.float32(learning_rate)
    new_W1 = W1 - learning_rate_f32 * dL_dW1  # net.py:9   W1 ← W1 - learning_rate * dL/dW1
    new_b1 = b1 - learning_rate_f32 * dL_db1  #            b1 ← b1 - learning_rate * dL/db1
    return new_W1, new_b1


def step(x, t, learning_rate, W1, b1):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, dL_dW1, dL_db1 = gradient(x, t, W1, b1)
    new_W1, new_b1 = update(W1, b1, dL_dW1, dL_db1, learning_rate)
    return L, new_W1, new_b1
