"""train, for NumPy: a statement a node.

net.py:7    z1 = x W1 + b1       Dense(6, activation="relu")
net.py:7    h1 = max(z1, 0)      Dense(6, activation="relu")
net.py:9    y = h1_2 W2 + b2     Dense(2)
net.py:11   L = mean((y - t)²)

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np


def uniform(seed, step, stream, shape, dtype, first=0):
    """Numbers in [0, 1): Philox4x32-10 (Salmon et al. 2011) of position, step, stream and seed."""
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    at = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64) + np.uint64(first)
    c0, c1 = at & low, at >> shift
    c2, c3 = np.uint64(int(step) & 0xFFFFFFFF), np.uint64(stream & 0xFFFFFFFF)
    k0, k1 = int(seed) & 0xFFFFFFFF, int(seed) >> 32 & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (p1 >> shift) ^ c1 ^ np.uint64(k0), p1 & low
        c2, c3 = (p0 >> shift) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    if dtype == np.float32:
        return ((c0 >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
    return ((((c0 << shift) | c1) >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)


def forward(x, seed, W1, b1, W2, b2, draws):
    z1 = x @ W1 + b1                    # net.py:7   z1 = x W1 + b1
    h1 = np.maximum(z1, 0)              #            h1 = max(z1, 0)
    # test = uniform(seed, draws) ≥ 0.5
    test = uniform(seed, draws, 0, (x.shape[0], 6), np.float32) >= 0.5
    h1_2 = np.where(test, h1 / 0.5, 0)  #            h1_2 = [test] * h1 / 0.5
    y = h1_2 @ W2 + b2                  # net.py:9   y = h1_2 W2 + b2
    return z1, h1_2, y


def gradient(x, t, seed, W1, b1, W2, b2, draws):
    z1, h1_2, y = forward(x, seed, W1, b1, W2, b2, draws)
    y_minus_t = y - t                           # net.py:11   y_minus_t = y - t
    L = np.mean(y_minus_t**2)                   #             L = mean(y_minus_t²)
    # test = uniform(seed, draws) ≥ 0.5
    test = uniform(seed, draws, 0, (x.shape[0], 6), np.float32) >= 0.5
    dL_dy = 2 * y_minus_t / (2 * x.shape[0])    #             dL/dy = 2 y_minus_t / (2 batch)
    dL_dh1_2 = dL_dy @ W2.T                     # net.py:9    dL/dh1_2 = dL/dy W2ᵀ
    dL_dh1 = np.where(test, dL_dh1_2 / 0.5, 0)  #             dL/dh1 = [test] * dL/dh1_2 / 0.5
    dL_dz1 = np.where(z1 > 0, dL_dh1, 0)        # net.py:7    dL/dz1 = [z1 > 0] * dL/dh1
    dL_dW1 = x.T @ dL_dz1                       #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)             #             dL/db1 = sum_batch dL/dz1
    dL_dW2 = h1_2.T @ dL_dy                     # net.py:9    dL/dW2 = h1_2ᵀ dL/dy
    dL_db2 = np.sum(dL_dy, axis=0)              #             dL/db2 = sum_batch dL/dy
    return L, dL_dW1, dL_db1, dL_dW2, dL_db2


def update(W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, draws, learning_rate):
    learning_rate_f32 = np.float32(learning_rate)
    new_W1 = W1 - learning_rate_f32 * dL_dW1  # net.py:11   W1 ← W1 - learning_rate * dL/dW1
    new_b1 = b1 - learning_rate_f32 * dL_db1  #             b1 ← b1 - learning_rate * dL/db1
    new_W2 = W2 - learning_rate_f32 * dL_dW2  #             W2 ← W2 - learning_rate * dL/dW2
    new_b2 = b2 - learning_rate_f32 * dL_db2  #             b2 ← b2 - learning_rate * dL/db2
    new_draws = draws + 1                     #             draws ← draws + 1
    return new_W1, new_b1, new_W2, new_b2, new_draws


def step(x, t, seed, learning_rate, W1, b1, W2, b2, draws):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, dL_dW1, dL_db1, dL_dW2, dL_db2 = gradient(x, t, seed, W1, b1, W2, b2, draws)
    new_W1, new_b1, new_W2, new_b2, new_draws = update(
        W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, draws, learning_rate,
    )
    return L, new_W1, new_b1, new_W2, new_b2, new_draws
