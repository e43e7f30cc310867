"""train, for NumPy: a statement a node.

net.py:7    z1 = x W1 + b1                                             Dense(4, activation="softplus")
net.py:7    h1 = softplus(z1)                                          Dense(4, activation="softplus")
net.py:8    y = h1 W2 + b2                                             Dense(1)
net.py:10   L = mean(0.5 (t - y)² if |t - y| ≤ 1 else |t - y| - 0.5)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def forward(x, W1, b1, W2, b2):
    z1 = x @ W1 + b1          # net.py:7   z1 = x W1 + b1
    h1 = np.logaddexp(z1, 0)  #            h1 = softplus(z1)
    y = h1 @ W2 + b2          # net.py:8   y = h1 W2 + b2
    return z1, h1, y


def gradient(x, t, W1, b1, W2, b2):
    z1, h1, y = forward(x, W1, b1, W2, b2)
    t_minus_y = t - y                        # net.py:10   t_minus_y = t - y
    magnitude_t_minus_y = np.abs(t_minus_y)  #             magnitude_t_minus_y = |t_minus_y|
    test = magnitude_t_minus_y <= 1          #             test = magnitude_t_minus_y ≤ 1
    # chosen = 0.5 t_minus_y² if test else magnitude_t_minus_y - 0.5
    chosen = np.where(test, 0.5 * t_minus_y**2, magnitude_t_minus_y - 0.5)
    L = np.mean(chosen[:, 0])                #             L = mean(chosen)
    ratio = np.sign(t_minus_y) / x.shape[0]  #             ratio = sign(t_minus_y) / batch
    # dL/dy = -(t_minus_y / batch if test else ratio)
    dL_dy = -np.where(test, t_minus_y / x.shape[0], ratio)
    dL_dh1 = dL_dy @ W2.T                    # net.py:8    dL/dh1 = dL/dy W2ᵀ
    dL_dz1 = dL_dh1 * special.expit(z1)      # net.py:7    dL/dz1 = dL/dh1 * sigmoid(z1)
    dL_dW1 = x.T @ dL_dz1                    #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)          #             dL/db1 = sum_batch dL/dz1
    dL_dW2 = h1.T @ dL_dy                    # net.py:8    dL/dW2 = h1ᵀ dL/dy
    dL_db2 = np.sum(dL_dy, axis=0)           #             dL/db2 = sum_batch dL/dy
    return L, dL_dW1, dL_db1, dL_dW2, dL_db2


def update(
    W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, rmsprop_v_W1, rmsprop_v_b1, rmsprop_v_W2,
    rmsprop_v_b2, learning_rate, rho, epsilon,
):
    learning_rate_f32 = np.float32(learning_rate)
    rho_f32 = np.float32(rho)
    one_minus_rho_f32 = np.float32(1 - rho)           # net.py:10   one_minus_rho_f32 = 1 - rho
    # rmsprop_v_W1 ← rho * rmsprop_v_W1 + one_minus_rho_f32 * (dL/dW1)²
    new_rmsprop_v_W1 = rho_f32 * rmsprop_v_W1 + one_minus_rho_f32 * dL_dW1**2
    epsilon_f32 = np.float32(epsilon)
    root = np.sqrt(new_rmsprop_v_W1 + epsilon_f32)  # root = √(new_rmsprop_v_W1 + epsilon)
    new_W1 = W1 - learning_rate_f32 * dL_dW1 / root  # W1 ← W1 - learning_rate * dL/dW1 / root
    # rmsprop_v_b1 ← rho * rmsprop_v_b1 + one_minus_rho_f32 * (dL/db1)²
    new_rmsprop_v_b1 = rho_f32 * rmsprop_v_b1 + one_minus_rho_f32 * dL_db1**2
    root_2 = np.sqrt(new_rmsprop_v_b1 + epsilon_f32)  # root_2 = √(new_rmsprop_v_b1 + epsilon)
    new_b1 = b1 - learning_rate_f32 * dL_db1 / root_2  # b1 ← b1 - learning_rate * dL/db1 / root_2
    # rmsprop_v_W2 ← rho * rmsprop_v_W2 + one_minus_rho_f32 * (dL/dW2)²
    new_rmsprop_v_W2 = rho_f32 * rmsprop_v_W2 + one_minus_rho_f32 * dL_dW2**2
    root_3 = np.sqrt(new_rmsprop_v_W2 + epsilon_f32)  # root_3 = √(new_rmsprop_v_W2 + epsilon)
    new_W2 = W2 - learning_rate_f32 * dL_dW2 / root_3  # W2 ← W2 - learning_rate * dL/dW2 / root_3
    # rmsprop_v_b2 ← rho * rmsprop_v_b2 + one_minus_rho_f32 * (dL/db2)²
    new_rmsprop_v_b2 = rho_f32 * rmsprop_v_b2 + one_minus_rho_f32 * dL_db2**2
    root_4 = np.sqrt(new_rmsprop_v_b2 + epsilon_f32)  # root_4 = √(new_rmsprop_v_b2 + epsilon)
    new_b2 = b2 - learning_rate_f32 * dL_db2 / root_4  # b2 ← b2 - learning_rate * dL/db2 / root_4
    return (
        new_W1, new_rmsprop_v_W1, new_b1, new_rmsprop_v_b1, new_W2, new_rmsprop_v_W2, new_b2,
        new_rmsprop_v_b2,
    )


def step(
    x, t, learning_rate, rho, epsilon, W1, b1, W2, b2, rmsprop_v_W1, rmsprop_v_b1, rmsprop_v_W2,
    rmsprop_v_b2,
):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, dL_dW1, dL_db1, dL_dW2, dL_db2 = gradient(x, t, W1, b1, W2, b2)
    (
        new_W1, new_rmsprop_v_W1, new_b1, new_rmsprop_v_b1, new_W2, new_rmsprop_v_W2, new_b2,
        new_rmsprop_v_b2,
    ) = update(
        W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, rmsprop_v_W1, rmsprop_v_b1, rmsprop_v_W2,
        rmsprop_v_b2, learning_rate, rho, epsilon,
    )
    return (
        L, new_W1, new_b1, new_W2, new_b2, new_rmsprop_v_W1, new_rmsprop_v_b1, new_rmsprop_v_W2,
        new_rmsprop_v_b2,
    )
