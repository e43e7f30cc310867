"""train, for NumPy: a statement a node.

net.py:6   z1 = x W1 + b1                                             Dense(48, activation="tanh")
net.py:6   h1 = tanh(z1)                                              Dense(48, activation="tanh")
net.py:6   dz1/dx = onehot(range(2)) W1                               Dense(48, activation="tanh")
net.py:6   laplacian_h1 = -2 h1 * (1 - h1²) * (sum_axis1 (dz1/dx)²)   Dense(48, activation="tanh")
net.py:6   laplacian_z2 = laplacian_h1 W2                             Dense(48, activation="tanh")
net.py:6   z2 = h1 W2 + b2                                            Dense(48, activation="tanh")
net.py:6   h2 = tanh(z2)                                              Dense(48, activation="tanh")
net.py:6   dh1/dx = dz1/dx * (1 - h1²)                                Dense(48, activation="tanh")
net.py:6   dz2/dx = dh1/dx W2                                         Dense(48, activation="tanh")
net.py:6   laplacian_h2 = …                                           Dense(48, activation="tanh")
net.py:7   laplacian_z3 = laplacian_h2 W3                             Dense(1)
net.py:8   y = laplacian_z3 + sin(x[:, :1]) * sin(x[:, 1:])
net.py:9   L = mean((y - t)²)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np


def train(x, t, learning_rate, W1, b1, W2, b2, W3, b3):
    z1 = x @ W1 + b1                                  # net.py:6   z1 = x W1 + b1
    h1 = np.tanh(z1)                                  #            h1 = tanh(z1)
    one_minus_h1_squared = 1 - h1**2                  #            one_minus_h1_squared = 1 - h1²
    scaled_h1 = h1 * one_minus_h1_squared  # scaled_h1 = h1 * one_minus_h1_squared
    iota = np.arange(2)                               #            iota = range(2)
    one_hot = (iota[:, None] == iota).astype(np.float32)[None, :, :]  # one_hot = onehot(iota)
    dz1_dx = one_hot @ W1                             #            dz1/dx = one_hot W1
    total_dz1_dx_squared = np.sum(dz1_dx**2, axis=1)  # total_dz1_dx_squared = sum_axis1 (dz1/dx)²
    # laplacian_h1 = -2 scaled_h1 * total_dz1_dx_squared
    laplacian_h1 = -2 * (scaled_h1 * total_dz1_dx_squared)
    laplacian_z2 = laplacian_h1 @ W2                  #            laplacian_z2 = laplacian_h1 W2
    z2 = h1 @ W2 + b2                                 #            z2 = h1 W2 + b2
    h2 = np.tanh(z2)                                  #            h2 = tanh(z2)
    one_minus_h2_squared = 1 - h2**2                  #            one_minus_h2_squared = 1 - h2²
    scaled_h2 = h2 * one_minus_h2_squared  # scaled_h2 = h2 * one_minus_h2_squared
    dh1_dx = dz1_dx * one_minus_h1_squared[:, None, :]  # dh1/dx = dz1/dx * one_minus_h1_squared
    dz2_dx = dh1_dx @ W2                              #            dz2/dx = dh1/dx W2
    total_dz2_dx_squared = np.sum(dz2_dx**2, axis=1)  # total_dz2_dx_squared = sum_axis1 (dz2/dx)²
    product = 2 * (scaled_h2 * total_dz2_dx_squared)  # product = 2 scaled_h2 * total_dz2_dx_squared
    # laplacian_h2 = laplacian_z2 * one_minus_h2_squared - product
    laplacian_h2 = laplacian_z2 * one_minus_h2_squared - product
    laplacian_z3 = laplacian_h2 @ W3                  # net.py:7   laplacian_z3 = laplacian_h2 W3
    # net.py:8   product_2 = sin(x[:, :1]) * sin(x[:, 1:])
    product_2 = np.sin(x[:, :1][:, 0]) * np.sin(x[:, 1:][:, 0])
    y = laplacian_z3[:, 0] + product_2                #            y = laplacian_z3 + product_2
    y_minus_t = y - t                                 # net.py:9   y_minus_t = y - t
    L = np.mean(y_minus_t**2)                         #            L = mean(y_minus_t²)
    learning_rate_f32 = np.float32(learning_rate)
    # net.py:7   dL/dlaplacian_z3 = 2 y_minus_t / batch
    dL_dlaplacian_z3 = 2 * y_minus_t[:, None] / x.shape[0]
    dL_dlaplacian_h2 = dL_dlaplacian_z3 @ W3.T  # net.py:7   dL/dlaplacian_h2 = dL/dlaplacian_z3 W3ᵀ
    # net.py:6   product_3 = dL/dlaplacian_h2 * total_dz2_dx_squared
    product_3 = dL_dlaplacian_h2 * total_dz2_dx_squared
    # scaled_h2_2 = h2 * (2 h2 * product_3 - dL/dlaplacian_h2 * laplacian_z2)
    scaled_h2_2 = h2 * (2 * (h2 * product_3) - dL_dlaplacian_h2 * laplacian_z2)
    # dL/dh2 = 2 scaled_h2_2 - 2 product_3 * one_minus_h2_squared
    dL_dh2 = 2 * scaled_h2_2 - 2 * (product_3 * one_minus_h2_squared)
    dL_dz2 = dL_dh2 * one_minus_h2_squared  # dL/dz2 = dL/dh2 * one_minus_h2_squared
    # dL/dlaplacian_z2 = dL/dlaplacian_h2 * one_minus_h2_squared
    dL_dlaplacian_z2 = dL_dlaplacian_h2 * one_minus_h2_squared
    dL_dlaplacian_h1 = dL_dlaplacian_z2 @ W2.T  # dL/dlaplacian_h1 = dL/dlaplacian_z2 W2ᵀ
    # product_4 = dL/dlaplacian_h1 * total_dz1_dx_squared
    product_4 = dL_dlaplacian_h1 * total_dz1_dx_squared
    # dL/ddz2_dx = -4 scaled_h2 * dL/dlaplacian_h2 * dz2/dx
    dL_ddz2_dx = -4 * ((scaled_h2 * dL_dlaplacian_h2)[:, None, :] * dz2_dx)
    dL_ddh1_dx = dL_ddz2_dx @ W2.T                    #            dL/ddh1_dx = dL/ddz2_dx W2ᵀ
    # product_5 = einsum(abc,bc→ac, dL/ddh1_dx, dz1/dx)
    product_5 = np.einsum("abc,bc->ac", dL_ddh1_dx, dz1_dx[0, :, :])
    # total = dL/dz2 W2ᵀ + 2 h1 * (2 h1 * product_4 - product_5)
    total = dL_dz2 @ W2.T + 2 * (h1 * (2 * (h1 * product_4) - product_5))
    # dL/dh1 = total - 2 product_4 * one_minus_h1_squared
    dL_dh1 = total - 2 * (product_4 * one_minus_h1_squared)
    dL_dz1 = dL_dh1 * one_minus_h1_squared  # dL/dz1 = dL/dh1 * one_minus_h1_squared
    # scaled_dz1_dx = dz1/dx * (sum_batch (-2 scaled_h1 * dL/dlaplacian_h1))
    scaled_dz1_dx = dz1_dx * np.sum(-2 * (scaled_h1 * dL_dlaplacian_h1), axis=0)
    # product_6 = einsum(abc,ac→bc, dL/ddh1_dx, one_minus_h1_squared)
    product_6 = np.einsum("abc,ac->bc", dL_ddh1_dx, one_minus_h1_squared)
    dL_ddz1_dx = product_6 + 2 * scaled_dz1_dx  # dL/ddz1_dx = product_6 + 2 scaled_dz1_dx
    # dL/dW1 = xᵀ dL/dz1 + einsum(abc,abd→cd, one_hot, dL/ddz1_dx)
    dL_dW1 = x.T @ dL_dz1 + np.einsum("abc,abd->cd", one_hot, dL_ddz1_dx)
    new_W1 = W1 - learning_rate_f32 * dL_dW1          # net.py:9   W1 ← W1 - learning_rate * dL/dW1
    dL_db1 = np.sum(dL_dz1, axis=0)                   # net.py:6   dL/db1 = sum_batch dL/dz1
    new_b1 = b1 - learning_rate_f32 * dL_db1          # net.py:9   b1 ← b1 - learning_rate * dL/db1
    # net.py:6   total_2 = einsum(abc,abd→cd, dh1/dx, dL/ddz2_dx) + h1ᵀ dL/dz2
    total_2 = np.einsum("abc,abd->cd", dh1_dx, dL_ddz2_dx) + h1.T @ dL_dz2
    # dL/dW2 = total_2 + laplacian_h1ᵀ dL/dlaplacian_z2
    dL_dW2 = total_2 + laplacian_h1.T @ dL_dlaplacian_z2
    new_W2 = W2 - learning_rate_f32 * dL_dW2          # net.py:9   W2 ← W2 - learning_rate * dL/dW2
    dL_db2 = np.sum(dL_dz2, axis=0)                   # net.py:6   dL/db2 = sum_batch dL/dz2
    new_b2 = b2 - learning_rate_f32 * dL_db2          # net.py:9   b2 ← b2 - learning_rate * dL/db2
    dL_dW3 = laplacian_h2.T @ dL_dlaplacian_z3  # net.py:7   dL/dW3 = laplacian_h2ᵀ dL/dlaplacian_z3
    new_W3 = W3 - learning_rate_f32 * dL_dW3          # net.py:9   W3 ← W3 - learning_rate * dL/dW3
    new_b3 = b3 - 0 * learning_rate_f32               #            b3 ← b3 - 0 learning_rate
    return L, new_W1, new_b1, new_W2, new_b2, new_W3, new_b3


def step(x, t, learning_rate, W1, b1, W2, b2, W3, b3):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, new_W1, new_b1, new_W2, new_b2, new_W3, new_b3 = train(
        x, t, learning_rate, W1, b1, W2, b2, W3, b3,
    )
    return L, new_W1, new_b1, new_W2, new_b2, new_W3, new_b3
