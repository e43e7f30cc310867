"""train, for NumPy: a statement a node.

net.py:13   z1 = exp(-gamma1 * (sum_axis2 (x - c1ᵀ)²))   Layer(bump, 5)
net.py:14   y = z1 W2 + b2                               Dense(1)
net.py:16   L = mean((y - t)²)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np


def forward(x, c1, gamma1, W2, b2):
    # net.py:13   z1 = exp(-gamma1 * (sum_axis2 (x - c1ᵀ)²))
    z1 = np.exp(-(gamma1 * np.sum((x[:, None, :] - c1.T)**2, axis=2)))
    y = z1 @ W2 + b2  # net.py:14   y = z1 W2 + b2
    return z1, y


def gradient(x, t, c1, gamma1, W2, b2):
    z1, y = forward(x, c1, gamma1, W2, b2)
    y_minus_t = y - t                         # net.py:16   y_minus_t = y - t
    L = np.mean((y_minus_t**2)[:, 0])         #             L = mean(y_minus_t²)
    dL_dy = 2 * y_minus_t / x.shape[0]        #             dL/dy = 2 y_minus_t / batch
    dL_dz1 = dL_dy @ W2.T                     # net.py:14   dL/dz1 = dL/dy W2ᵀ
    dL_dz1_times_z1 = dL_dz1 * z1             # net.py:13   dL_dz1_times_z1 = dL/dz1 * z1
    x_minus_c1 = x[:, None, :] - c1.T         #             x_minus_c1 = x - c1ᵀ
    # scaled_gamma1 = 2 dL_dz1_times_z1 * gamma1 * x_minus_c1
    scaled_gamma1 = 2 * ((dL_dz1_times_z1 * gamma1)[:, :, None] * x_minus_c1)
    dL_dc1 = np.sum(scaled_gamma1, axis=0).T  #             dL/dc1 = (sum_batch scaled_gamma1)ᵀ
    # total = sum_batch (dL_dz1_times_z1 * (sum_axis2 x_minus_c1²))
    total = np.sum(dL_dz1_times_z1 * np.sum(x_minus_c1**2, axis=2), axis=0)
    dL_dgamma1 = -total                       #             dL/dgamma1 = -total
    dL_dW2 = z1.T @ dL_dy                     # net.py:14   dL/dW2 = z1ᵀ dL/dy
    dL_db2 = np.sum(dL_dy, axis=0)            #             dL/db2 = sum_batch dL/dy
    return L, dL_dc1, dL_dgamma1, dL_dW2, dL_db2, total


def update(c1, gamma1, W2, b2, dL_dc1, dL_dW2, dL_db2, total, learning_rate):
    learning_rate_f32 = np.float32(learning_rate)
    new_c1 = c1 - learning_rate_f32 * dL_dc1         # net.py:16   c1 ← c1 - learning_rate * dL/dc1
    new_gamma1 = gamma1 + total * learning_rate_f32  # gamma1 ← gamma1 + total * learning_rate
    new_W2 = W2 - learning_rate_f32 * dL_dW2         #             W2 ← W2 - learning_rate * dL/dW2
    new_b2 = b2 - learning_rate_f32 * dL_db2         #             b2 ← b2 - learning_rate * dL/db2
    return new_c1, new_gamma1, new_W2, new_b2


def step(x, t, learning_rate, c1, gamma1, W2, b2):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, dL_dc1, dL_dgamma1, dL_dW2, dL_db2, total = gradient(x, t, c1, gamma1, W2, b2)
    new_c1, new_gamma1, new_W2, new_b2 = update(
        c1, gamma1, W2, b2, dL_dc1, dL_dW2, dL_db2, total, learning_rate,
    )
    return L, new_c1, new_gamma1, new_W2, new_b2
