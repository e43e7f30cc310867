"""train, for NumPy: a statement a node.

net.py:7    z1 = x W1 + b1       Dense(8, activation="tanh")
net.py:7    h1 = tanh(z1)        Dense(8, activation="tanh")
net.py:8    z2 = h1 W2 + b2      Dense(8, activation="tanh")
net.py:8    h2 = tanh(z2)        Dense(8, activation="tanh")
net.py:9    z3 = h2 W3 + b3      Dense(8, activation="tanh")
net.py:9    h3 = tanh(z3)        Dense(8, activation="tanh")
net.py:10   z4 = h3 W4 + b4      Dense(8, activation="tanh")
net.py:10   h4 = tanh(z4)        Dense(8, activation="tanh")
net.py:11   y = h4 W5 + b5       Dense(2)
net.py:13   L = mean((y - t)²)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np


def forward(x, W1, b1, W2, b2, W3, b3, W4, b4, W5, b5):
    z1 = x @ W1 + b1   # net.py:7    z1 = x W1 + b1
    h1 = np.tanh(z1)   #             h1 = tanh(z1)
    z2 = h1 @ W2 + b2  # net.py:8    z2 = h1 W2 + b2
    h2 = np.tanh(z2)   #             h2 = tanh(z2)
    z3 = h2 @ W3 + b3  # net.py:9    z3 = h2 W3 + b3
    h3 = np.tanh(z3)   #             h3 = tanh(z3)
    z4 = h3 @ W4 + b4  # net.py:10   z4 = h3 W4 + b4
    h4 = np.tanh(z4)   #             h4 = tanh(z4)
    y = h4 @ W5 + b5   # net.py:11   y = h4 W5 + b5
    return h1, h2, h3, h4, y


def gradient(x, t, W1, b1, W2, b2, W3, b3, W4, b4, W5, b5):
    h1, h2, h3, h4, y = forward(x, W1, b1, W2, b2, W3, b3, W4, b4, W5, b5)
    y_minus_t = y - t                         # net.py:13   y_minus_t = y - t
    L = np.mean(y_minus_t**2)                 #             L = mean(y_minus_t²)
    dL_dy = 2 * y_minus_t / (2 * x.shape[0])  #             dL/dy = 2 y_minus_t / (2 batch)
    dL_dh4 = dL_dy @ W5.T                     # net.py:11   dL/dh4 = dL/dy W5ᵀ
    dL_dz4 = dL_dh4 * (1 - h4**2)             # net.py:10   dL/dz4 = dL/dh4 * (1 - h4²)
    dL_dh3 = dL_dz4 @ W4.T                    #             dL/dh3 = dL/dz4 W4ᵀ
    dL_dz3 = dL_dh3 * (1 - h3**2)             # net.py:9    dL/dz3 = dL/dh3 * (1 - h3²)
    dL_dh2 = dL_dz3 @ W3.T                    #             dL/dh2 = dL/dz3 W3ᵀ
    dL_dz2 = dL_dh2 * (1 - h2**2)             # net.py:8    dL/dz2 = dL/dh2 * (1 - h2²)
    dL_dh1 = dL_dz2 @ W2.T                    #             dL/dh1 = dL/dz2 W2ᵀ
    dL_dz1 = dL_dh1 * (1 - h1**2)             # net.py:7    dL/dz1 = dL/dh1 * (1 - h1²)
    dL_dW1 = x.T @ dL_dz1                     #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)           #             dL/db1 = sum_batch dL/dz1
    dL_dW2 = h1.T @ dL_dz2                    # net.py:8    dL/dW2 = h1ᵀ dL/dz2
    dL_db2 = np.sum(dL_dz2, axis=0)           #             dL/db2 = sum_batch dL/dz2
    dL_dW3 = h2.T @ dL_dz3                    # net.py:9    dL/dW3 = h2ᵀ dL/dz3
    dL_db3 = np.sum(dL_dz3, axis=0)           #             dL/db3 = sum_batch dL/dz3
    dL_dW4 = h3.T @ dL_dz4                    # net.py:10   dL/dW4 = h3ᵀ dL/dz4
    dL_db4 = np.sum(dL_dz4, axis=0)           #             dL/db4 = sum_batch dL/dz4
    dL_dW5 = h4.T @ dL_dy                     # net.py:11   dL/dW5 = h4ᵀ dL/dy
    dL_db5 = np.sum(dL_dy, axis=0)            #             dL/db5 = sum_batch dL/dy
    return L, dL_dW1, dL_db1, dL_dW2, dL_db2, dL_dW3, dL_db3, dL_dW4, dL_db4, dL_dW5, dL_db5


def update(
    W1, b1, W2, b2, W3, b3, W4, b4, W5, b5, dL_dW1, dL_db1, dL_dW2, dL_db2, dL_dW3, dL_db3, dL_dW4,
    dL_db4, dL_dW5, dL_db5, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2, sgd_v_W3, sgd_v_b3, sgd_v_W4,
    sgd_v_b4, sgd_v_W5, sgd_v_b5, learning_rate, momentum,
):
    momentum_f32 = np.float32(momentum)
    learning_rate_f32 = np.float32(learning_rate)
    # net.py:13   sgd_v_W1 ← momentum * sgd_v_W1 - learning_rate * dL/dW1
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
    # sgd_v_W3 ← momentum * sgd_v_W3 - learning_rate * dL/dW3
    new_sgd_v_W3 = momentum_f32 * sgd_v_W3 - learning_rate_f32 * dL_dW3
    new_W3 = W3 + new_sgd_v_W3  #             W3 ← W3 + new_sgd_v_W3
    # sgd_v_b3 ← momentum * sgd_v_b3 - learning_rate * dL/db3
    new_sgd_v_b3 = momentum_f32 * sgd_v_b3 - learning_rate_f32 * dL_db3
    new_b3 = b3 + new_sgd_v_b3  #             b3 ← b3 + new_sgd_v_b3
    # sgd_v_W4 ← momentum * sgd_v_W4 - learning_rate * dL/dW4
    new_sgd_v_W4 = momentum_f32 * sgd_v_W4 - learning_rate_f32 * dL_dW4
    new_W4 = W4 + new_sgd_v_W4  #             W4 ← W4 + new_sgd_v_W4
    # sgd_v_b4 ← momentum * sgd_v_b4 - learning_rate * dL/db4
    new_sgd_v_b4 = momentum_f32 * sgd_v_b4 - learning_rate_f32 * dL_db4
    new_b4 = b4 + new_sgd_v_b4  #             b4 ← b4 + new_sgd_v_b4
    # sgd_v_W5 ← momentum * sgd_v_W5 - learning_rate * dL/dW5
    new_sgd_v_W5 = momentum_f32 * sgd_v_W5 - learning_rate_f32 * dL_dW5
    new_W5 = W5 + new_sgd_v_W5  #             W5 ← W5 + new_sgd_v_W5
    # sgd_v_b5 ← momentum * sgd_v_b5 - learning_rate * dL/db5
    new_sgd_v_b5 = momentum_f32 * sgd_v_b5 - learning_rate_f32 * dL_db5
    new_b5 = b5 + new_sgd_v_b5  #             b5 ← b5 + new_sgd_v_b5
    return (
        new_W1, new_sgd_v_W1, new_b1, new_sgd_v_b1, new_W2, new_sgd_v_W2, new_b2, new_sgd_v_b2,
        new_W3, new_sgd_v_W3, new_b3, new_sgd_v_b3, new_W4, new_sgd_v_W4, new_b4, new_sgd_v_b4,
        new_W5, new_sgd_v_W5, new_b5, new_sgd_v_b5,
    )


def step(
    x, t, learning_rate, momentum, W1, b1, W2, b2, W3, b3, W4, b4, W5, b5, sgd_v_W1, sgd_v_b1,
    sgd_v_W2, sgd_v_b2, sgd_v_W3, sgd_v_b3, sgd_v_W4, sgd_v_b4, sgd_v_W5, sgd_v_b5,
):
    """Outputs, then every parameter and state, new where there is a new value."""
    (
        L, dL_dW1, dL_db1, dL_dW2, dL_db2, dL_dW3, dL_db3, dL_dW4, dL_db4, dL_dW5, dL_db5,
    ) = gradient(x, t, W1, b1, W2, b2, W3, b3, W4, b4, W5, b5)
    (
        new_W1, new_sgd_v_W1, new_b1, new_sgd_v_b1, new_W2, new_sgd_v_W2, new_b2, new_sgd_v_b2,
        new_W3, new_sgd_v_W3, new_b3, new_sgd_v_b3, new_W4, new_sgd_v_W4, new_b4, new_sgd_v_b4,
        new_W5, new_sgd_v_W5, new_b5, new_sgd_v_b5,
    ) = update(
        W1, b1, W2, b2, W3, b3, W4, b4, W5, b5, dL_dW1, dL_db1, dL_dW2, dL_db2, dL_dW3, dL_db3,
        dL_dW4, dL_db4, dL_dW5, dL_db5, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2, sgd_v_W3, sgd_v_b3,
        sgd_v_W4, sgd_v_b4, sgd_v_W5, sgd_v_b5, learning_rate, momentum,
    )
    return (
        L, new_W1, new_b1, new_W2, new_b2, new_W3, new_b3, new_W4, new_b4, new_W5, new_b5,
        new_sgd_v_W1, new_sgd_v_b1, new_sgd_v_W2, new_sgd_v_b2, new_sgd_v_W3, new_sgd_v_b3,
        new_sgd_v_W4, new_sgd_v_b4, new_sgd_v_W5, new_sgd_v_b5,
    )
