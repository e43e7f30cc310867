"""train, for NumPy: a statement a node.

net.py:6    z1 = x W1 + b1                              Dense(5, activation="tanh")
net.py:6    h1 = tanh(z1)                               Dense(5, activation="tanh")
net.py:7    y1 = h1 W_size + b_size                     Dense(1)
net.py:11   y1_loss = mean((t_y1 - y1)²)
net.py:8    y2 = h1 W_kind + b_kind                     Dense(3)
net.py:11   L = y1_loss - mean(log_softmax(y2)[t_y2])
net.py:11   y2_loss = -mean(log_softmax(y2)[t_y2])

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def in_range(positions, size):
    """The positions, if all lie in 0 ... size - 1."""
    if np.size(positions) and not 0 <= np.min(positions) <= np.max(positions) < size:
        found = f"{np.min(positions)} to {np.max(positions)}"
        raise IndexError(f"positions from {found} on an axis of size {size}")
    return positions


def log_softmax(x, axis):
    """x - log(sum(exp(x))) over an axis, or several. The largest is taken out and stays out."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def forward(x, W1, b1, W_size, b_size, W_kind, b_kind):
    z1 = x @ W1 + b1           # net.py:6   z1 = x W1 + b1
    h1 = np.tanh(z1)           #            h1 = tanh(z1)
    y1 = h1 @ W_size + b_size  # net.py:7   y1 = h1 W_size + b_size
    y2 = h1 @ W_kind + b_kind  # net.py:8   y2 = h1 W_kind + b_kind
    return h1, y1, y2


def gradient(x, t_y1, t_y2, W1, b1, W_size, b_size, W_kind, b_kind):
    h1, y1, y2 = forward(x, W1, b1, W_size, b_size, W_kind, b_kind)
    difference = t_y1 - y1                          # net.py:11   difference = t_y1 - y1
    y1_loss = np.mean((difference**2)[:, 0])        #             y1_loss = mean(difference²)
    log_softmax_y2 = log_softmax(y2, axis=1)        #             log_softmax_y2 = log_softmax(y2)
    # taken = log_softmax_y2[t_y2]
    taken = np.take_along_axis(log_softmax_y2, in_range(t_y2[:, None], 3), axis=1)
    mean = np.mean(taken[:, 0])                     #             mean = mean(taken)
    L = y1_loss - mean                              #             L = y1_loss - mean
    y2_loss = -mean                                 #             y2_loss = -mean
    one_hot = np.arange(3, dtype=np.int32) == t_y2[:, None]  #             one_hot = onehot(t_y2)
    # difference_2 = softmax(y2) - [one_hot]
    difference_2 = special.softmax(y2, axis=1) - one_hot.astype(np.float32)
    dL_dy2 = difference_2 / x.shape[0]              #             dL/dy2 = difference_2 / batch
    dL_dy1 = -(2 * difference / x.shape[0])         #             dL/dy1 = -2 difference / batch
    # net.py:7    dL/dh1 = dL/dy2 W_kindᵀ + dL/dy1 W_sizeᵀ
    dL_dh1 = dL_dy2 @ W_kind.T + dL_dy1 @ W_size.T
    dL_dz1 = dL_dh1 * (1 - h1**2)                   # net.py:6    dL/dz1 = dL/dh1 * (1 - h1²)
    dL_dW1 = x.T @ dL_dz1                           #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)                 #             dL/db1 = sum_batch dL/dz1
    dL_dW_size = h1.T @ dL_dy1                      # net.py:7    dL/dW_size = h1ᵀ dL/dy1
    dL_db_size = np.sum(dL_dy1, axis=0)             #             dL/db_size = sum_batch dL/dy1
    dL_dW_kind = h1.T @ dL_dy2                      # net.py:8    dL/dW_kind = h1ᵀ dL/dy2
    dL_db_kind = np.sum(dL_dy2, axis=0)             #             dL/db_kind = sum_batch dL/dy2
    return L, y1_loss, y2_loss, dL_dW1, dL_db1, dL_dW_size, dL_db_size, dL_dW_kind, dL_db_kind


def update(
    W1, b1, W_size, b_size, W_kind, b_kind, dL_dW1, dL_db1, dL_dW_size, dL_db_size, dL_dW_kind,
    dL_db_kind, learning_rate,
):
    learning_rate_f32 = np.float32(learning_rate)
    new_W1 = W1 - learning_rate_f32 * dL_dW1  # net.py:11   W1 ← W1 - learning_rate * dL/dW1
    new_b1 = b1 - learning_rate_f32 * dL_db1  #             b1 ← b1 - learning_rate * dL/db1
    # W_size ← W_size - learning_rate * dL/dW_size
    new_W_size = W_size - learning_rate_f32 * dL_dW_size
    # b_size ← b_size - learning_rate * dL/db_size
    new_b_size = b_size - learning_rate_f32 * dL_db_size
    # W_kind ← W_kind - learning_rate * dL/dW_kind
    new_W_kind = W_kind - learning_rate_f32 * dL_dW_kind
    # b_kind ← b_kind - learning_rate * dL/db_kind
    new_b_kind = b_kind - learning_rate_f32 * dL_db_kind
    return new_W1, new_b1, new_W_size, new_b_size, new_W_kind, new_b_kind


def step(x, t_y1, t_y2, learning_rate, W1, b1, W_size, b_size, W_kind, b_kind):
    """Outputs, then every parameter and state, new where there is a new value."""
    (
        L, y1_loss, y2_loss, dL_dW1, dL_db1, dL_dW_size, dL_db_size, dL_dW_kind, dL_db_kind,
    ) = gradient(x, t_y1, t_y2, W1, b1, W_size, b_size, W_kind, b_kind)
    (
        new_W1, new_b1, new_W_size, new_b_size, new_W_kind, new_b_kind,
    ) = update(
        W1, b1, W_size, b_size, W_kind, b_kind, dL_dW1, dL_db1, dL_dW_size, dL_db_size, dL_dW_kind,
        dL_db_kind, learning_rate,
    )
    return L, y1_loss, y2_loss, new_W1, new_b1, new_W_size, new_b_size, new_W_kind, new_b_kind
