"""train, for NumPy: a statement a node.

net.py:9    z1 = x W1 + b1                  Dense(5, activation="swish")
net.py:5    h1 = z1 * sigmoid(z1)
net.py:10   y = h1 W2 + b2                  Dense(1)
net.py:12   L = mean(softplus(y) - t * y)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def forward(x, W1, b1, W2, b2):
    z1 = x @ W1 + b1             # net.py:9    z1 = x W1 + b1
    h1 = z1 * special.expit(z1)  # net.py:5    h1 = z1 * sigmoid(z1)
    y = h1 @ W2 + b2             # net.py:10   y = h1 W2 + b2
    return z1, h1, y


def gradient(x, t, W1, b1, W2, b2):
    z1, h1, y = forward(x, W1, b1, W2, b2)
    L = np.mean((np.logaddexp(y, 0) - t * y)[:, 0])  # net.py:12   L = mean(softplus(y) - t * y)
    dL_dy = (special.expit(y) - t) / x.shape[0]      #             dL/dy = (sigmoid(y) - t) / batch
    dL_dh1 = dL_dy @ W2.T                            # net.py:10   dL/dh1 = dL/dy W2ᵀ
    sigmoid_z1 = special.expit(z1)                   # net.py:5    sigmoid_z1 = sigmoid(z1)
    # net.py:9    dL/dz1 = dL/dh1 * (z1 * sigmoid(-z1) * sigmoid_z1 + sigmoid_z1)
    dL_dz1 = dL_dh1 * (z1 * special.expit(-z1) * sigmoid_z1 + sigmoid_z1)
    dL_dW1 = x.T @ dL_dz1                            #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)                  #             dL/db1 = sum_batch dL/dz1
    dL_dW2 = h1.T @ dL_dy                            # net.py:10   dL/dW2 = h1ᵀ dL/dy
    dL_db2 = np.sum(dL_dy, axis=0)                   #             dL/db2 = sum_batch dL/dy
    return L, dL_dW1, dL_db1, dL_dW2, dL_db2


def update(
    W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2,
    learning_rate, momentum,
):
    momentum_f32 = np.float32(momentum)
    learning_rate_f32 = np.float32(learning_rate)
    # net.py:12   sgd_v_W1 ← momentum * sgd_v_W1 - learning_rate * dL/dW1
    new_sgd_v_W1 = momentum_f32 * sgd_v_W1 - learning_rate_f32 * dL_dW1
    new_W1 = W1 + new_sgd_v_W1  #             W1 ← W1 + new_sgd_v_W1
    # sgd_v_b1 ← momentum * sgd_v_b1 - learning_rate * dL/db1
    new_sgd_v_b1 = momentum_f32 * sgd_v_b1 - learning_rate_f32 * dL_db1
    new_b1 = b1 + new_sgd_v_b1  #             b1 ← b1 + new_sgd_v_b1
    # sgd_v_W2 ← momentum * sgd_v_W2 - learning_rate * dL/dW2
    new_sgd_v_W2 = momentum_f32 * sgd_v_W2 - learning_rate_f32 * dL_dW2
    new_W2 = W2 + new_sgd_v_W2  #             W2 ← W2 + new_sgd_v_W2
    # sgd_v_b2 ← momentum * sgd_v_b2 - learning_rate * dL/db2
    new_sgd_v_b2 = momentum_f32 * sgd_v_b2 - learning_rate_f32 * dL_db2
    new_b2 = b2 + new_sgd_v_b2  #             b2 ← b2 + new_sgd_v_b2
    return new_W1, new_sgd_v_W1, new_b1, new_sgd_v_b1, new_W2, new_sgd_v_W2, new_b2, new_sgd_v_b2


def step(x, t, learning_rate, momentum, W1, b1, W2, b2, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, dL_dW1, dL_db1, dL_dW2, dL_db2 = gradient(x, t, W1, b1, W2, b2)
    (
        new_W1, new_sgd_v_W1, new_b1, new_sgd_v_b1, new_W2, new_sgd_v_W2, new_b2, new_sgd_v_b2,
    ) = update(
        W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2,
        learning_rate, momentum,
    )
    return L, new_W1, new_b1, new_W2, new_b2, new_sgd_v_W1, new_sgd_v_b1, new_sgd_v_W2, new_sgd_v_b2
