"""train, for NumPy: a statement a node.

net.py:6    z1 = x W1 + b1                                    Dense(5, activation="tanh")
net.py:6    h1 = tanh(z1)                                     Dense(5, activation="tanh")
net.py:7    size = h1 W_size + b_size                         Dense(1)
net.py:11   size_loss = mean((size - t_size)²)
net.py:8    kind = h1 W_kind + b_kind                         Dense(3)
net.py:11   L = size_loss - mean(log_softmax(kind)[t_kind])
net.py:11   kind_loss = -mean(log_softmax(kind)[t_kind])

Infinities and NaN are values here: call it under np.errstate(all='ignore').
"""

import numpy as np
from scipy import special


def in_range(positions, size):
    """The positions, if all lie in 0 ... size - 1."""
    wrong = np.extract((positions < 0) | (positions >= size), positions)
    if wrong.size:
        raise IndexError(f"position {wrong[0]} on an axis of size {size}")
    return positions


def log_softmax(x, axis):
    """x - log(sum(exp(x))) over an axis, or several. The largest is taken out and stays out."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def forward(x, W1, b1, W_size, b_size, W_kind, b_kind):
    z1 = x @ W1 + b1             # net.py:6   z1 = x W1 + b1
    h1 = np.tanh(z1)             #            h1 = tanh(z1)
    size = h1 @ W_size + b_size  # net.py:7   size = h1 W_size + b_size
    kind = h1 @ W_kind + b_kind  # net.py:8   kind = h1 W_kind + b_kind
    return h1, size, kind


def gradient(x, t_size, t_kind, W1, b1, W_size, b_size, W_kind, b_kind):
    h1, size, kind = forward(x, W1, b1, W_size, b_size, W_kind, b_kind)
    size_minus_t_size = size - t_size              # net.py:11   size_minus_t_size = size - t_size
    size_loss = np.mean((size_minus_t_size**2)[:, 0])  # size_loss = mean(size_minus_t_size²)
    shaped_t_kind = t_kind[:, None]                #             shaped_t_kind = t_kind
    log_softmax_kind = log_softmax(kind, axis=1)  # log_softmax_kind = log_softmax(kind)
    # taken = log_softmax_kind[shaped_t_kind]
    taken = np.take_along_axis(log_softmax_kind, in_range(shaped_t_kind, 3), axis=1)
    mean = np.mean(taken[:, 0])                    #             mean = mean(taken)
    L = size_loss - mean                           #             L = size_loss - mean
    kind_loss = -mean                              #             kind_loss = -mean
    one_hot = np.arange(3, dtype=np.int32) == shaped_t_kind  # one_hot = onehot(shaped_t_kind)
    # difference = softmax(kind) - [one_hot]
    difference = special.softmax(kind, axis=1) - one_hot.astype(np.float32)
    dL_dkind = difference / x.shape[0]             #             dL/dkind = difference / batch
    dL_dsize = 2 * size_minus_t_size / x.shape[0]  # dL/dsize = 2 size_minus_t_size / batch
    # net.py:7    dL/dh1 = dL/dkind W_kindᵀ + dL/dsize W_sizeᵀ
    dL_dh1 = dL_dkind @ W_kind.T + dL_dsize @ W_size.T
    dL_dz1 = dL_dh1 * (1 - h1**2)                  # net.py:6    dL/dz1 = dL/dh1 * (1 - h1²)
    dL_dW1 = x.T @ dL_dz1                          #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)                #             dL/db1 = sum_batch dL/dz1
    dL_dW_size = h1.T @ dL_dsize                   # net.py:7    dL/dW_size = h1ᵀ dL/dsize
    dL_db_size = np.sum(dL_dsize, axis=0)          #             dL/db_size = sum_batch dL/dsize
    dL_dW_kind = h1.T @ dL_dkind                   # net.py:8    dL/dW_kind = h1ᵀ dL/dkind
    dL_db_kind = np.sum(dL_dkind, axis=0)          #             dL/db_kind = sum_batch dL/dkind
    return L, size_loss, kind_loss, dL_dW1, dL_db1, dL_dW_size, dL_db_size, dL_dW_kind, dL_db_kind


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


def step(x, t_size, t_kind, learning_rate, W1, b1, W_size, b_size, W_kind, b_kind):
    """Outputs, then every parameter and state, new where there is a new value."""
    (
        L, size_loss, kind_loss, dL_dW1, dL_db1, dL_dW_size, dL_db_size, dL_dW_kind, dL_db_kind,
    ) = gradient(x, t_size, t_kind, W1, b1, W_size, b_size, W_kind, b_kind)
    (
        new_W1, new_b1, new_W_size, new_b_size, new_W_kind, new_b_kind,
    ) = update(
        W1, b1, W_size, b_size, W_kind, b_kind, dL_dW1, dL_db1, dL_dW_size, dL_db_size, dL_dW_kind,
        dL_db_kind, learning_rate,
    )
    return L, size_loss, kind_loss, new_W1, new_b1, new_W_size, new_b_size, new_W_kind, new_b_kind
