"""train, for NumPy: a statement a node.

net.py:7    z1 = x W1 + b1       Dense(4, activation="tanh")
net.py:7    h1 = tanh(z1)        Dense(4, activation="tanh")
net.py:8    y = h1 W2 + b2       Dense(2)
net.py:10   L = mean((y - t)²)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np


def forward(x, W1, b1, W2, b2):
    z1 = x @ W1 + b1  # net.py:7   z1 = x W1 + b1
    h1 = np.tanh(z1)  #            h1 = tanh(z1)
    y = h1 @ W2 + b2  # net.py:8   y = h1 W2 + b2
    return h1, y


def gradient(x, t, W1, b1, W2, b2):
    h1, y = forward(x, W1, b1, W2, b2)
    y_minus_t = y - t                         # net.py:10   y_minus_t = y - t
    L = np.mean(y_minus_t**2)                 #             L = mean(y_minus_t²)
    dL_dy = 2 * y_minus_t / (2 * x.shape[0])  #             dL/dy = 2 y_minus_t / (2 batch)
    dL_dh1 = dL_dy @ W2.T                     # net.py:8    dL/dh1 = dL/dy W2ᵀ
    dL_dz1 = dL_dh1 * (1 - h1**2)             # net.py:7    dL/dz1 = dL/dh1 * (1 - h1²)
    dL_dW1 = x.T @ dL_dz1                     #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)           #             dL/db1 = sum_batch dL/dz1
    dL_dW2 = h1.T @ dL_dy                     # net.py:8    dL/dW2 = h1ᵀ dL/dy
    dL_db2 = np.sum(dL_dy, axis=0)            #             dL/db2 = sum_batch dL/dy
    return L, dL_dW1, dL_db1, dL_dW2, dL_db2


def update(W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, learning_rate):
    learning_rate_f32 = np.float32(learning_rate)
    new_W1 = W1 - learning_rate_f32 * dL_dW1  # net.py:10   W1 ← W1 - learning_rate * dL/dW1
    new_b1 = b1 - learning_rate_f32 * dL_db1  #             b1 ← b1 - learning_rate * dL/db1
    new_W2 = W2 - learning_rate_f32 * dL_dW2  #             W2 ← W2 - learning_rate * dL/dW2
    new_b2 = b2 - learning_rate_f32 * dL_db2  #             b2 ← b2 - learning_rate * dL/db2
    return new_W1, new_b1, new_W2, new_b2


def step(x, t, learning_rate, W1, b1, W2, b2):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, dL_dW1, dL_db1, dL_dW2, dL_db2 = gradient(x, t, W1, b1, W2, b2)
    new_W1, new_b1, new_W2, new_b2 = update(
        W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, learning_rate,
    )
    return L, new_W1, new_b1, new_W2, new_b2
