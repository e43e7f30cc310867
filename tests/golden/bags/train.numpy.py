"""train, for NumPy: a statement a node.

net.py:7    e1 = mean_axis1 E1[x]          EmbeddingBag(1000, 4, sparse=True)
net.py:8    y = e1 W2 + b2                 Dense(3)
net.py:10   L = -mean(log_softmax(y)[t])

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


def add_at(shape, positions, values, axis):
    """Zeros, to which values are added at positions along an axis."""
    total = np.zeros(shape, values.dtype)
    np.add.at(total, (slice(None),) * axis + (positions,), values)
    return total


def replace_rows(old, new, *positions):
    """The old rows, with new ones at positions."""
    result = old.copy()
    for places in positions:
        result[places] = new[places]
    return result


def log_softmax(x, axis):
    """x - log(sum(exp(x))) over an axis, or several. The largest is taken out and stays out."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def forward(x, E1, W2, b2):
    taken = np.take(E1, in_range(x, 1000), axis=0)  # net.py:7   taken = E1[x]
    e1 = np.mean(taken, axis=1)                     #            e1 = mean_axis1 taken
    y = e1 @ W2 + b2                                # net.py:8   y = e1 W2 + b2
    return e1, y


def gradient(x, t, E1, W2, b2):
    e1, y = forward(x, E1, W2, b2)
    log_softmax_y = log_softmax(y, axis=1)  # net.py:10   log_softmax_y = log_softmax(y)
    # taken_2 = log_softmax_y[t]
    taken_2 = np.take_along_axis(log_softmax_y, in_range(t[:, None], 3), axis=1)
    L = -np.mean(taken_2[:, 0])             #             L = -mean(taken_2)
    # one_hot_f32 = onehot(t)
    one_hot_f32 = (np.arange(3, dtype=np.int32) == t[:, None]).astype(np.float32)
    # dL/dy = (softmax(y) - one_hot_f32) / batch
    dL_dy = (special.softmax(y, axis=1) - one_hot_f32) / x.shape[0]
    dL_de1 = dL_dy @ W2.T                   # net.py:8    dL/de1 = dL/dy W2ᵀ
    # net.py:7    scaled_dL_de1 = dL/de1 / 6
    scaled_dL_de1 = np.broadcast_to(dL_de1[:, None, :] / 6, (x.shape[0], 6, 4))
    # dL/dE1 = add_at(scaled_dL_de1, x)
    dL_dE1 = add_at((1000, 4), in_range(x, 1000), scaled_dL_de1, 0)
    dL_dW2 = e1.T @ dL_dy                   # net.py:8    dL/dW2 = e1ᵀ dL/dy
    dL_db2 = np.sum(dL_dy, axis=0)          #             dL/db2 = sum_batch dL/dy
    return L, dL_dE1, dL_dW2, dL_db2


def update(
    E1, W2, b2, dL_dE1, dL_dW2, dL_db2, adam_m_E1, adam_v_E1, adam_m_W2, adam_v_W2, adam_m_b2,
    adam_v_b2, adam_step, learning_rate, beta_1, beta_2, epsilon, x,
):
    new_adam_step = adam_step + 1                   # net.py:10   adam_step ← adam_step + 1
    new_adam_step_f64 = np.float64(new_adam_step)
    # step_size = learning_rate * √(1 - beta_2^new_adam_step)
    step_size = learning_rate * np.sqrt(1 - np.power(beta_2, new_adam_step_f64))
    # step_size_2 = step_size / (1 - beta_1^new_adam_step)
    step_size_2 = step_size / (1 - np.power(beta_1, new_adam_step_f64))
    step_size_2_f32 = np.float32(step_size_2)
    one_minus_beta_1_f32 = np.float32(1 - beta_1)   #             one_minus_beta_1_f32 = 1 - beta_1
    # total = adam_m_E1 + one_minus_beta_1_f32 * (dL/dE1 - adam_m_E1)
    total = adam_m_E1 + one_minus_beta_1_f32 * (dL_dE1 - adam_m_E1)
    one_minus_beta_2_f32 = np.float32(1 - beta_2)   #             one_minus_beta_2_f32 = 1 - beta_2
    # total_2 = adam_v_E1 + one_minus_beta_2_f32 * ((dL/dE1)² - adam_v_E1)
    total_2 = adam_v_E1 + one_minus_beta_2_f32 * (dL_dE1**2 - adam_v_E1)
    epsilon_f32 = np.float32(epsilon)
    # difference = E1 - step_size_2 * total / (√total_2 + epsilon)
    difference = E1 - step_size_2_f32 * total / (np.sqrt(total_2) + epsilon_f32)
    new_E1 = replace_rows(E1, difference, in_range(x, 1000))  #             E1[x] ← difference
    new_adam_m_E1 = replace_rows(adam_m_E1, total, in_range(x, 1000))  # adam_m_E1[x] ← total
    new_adam_v_E1 = replace_rows(adam_v_E1, total_2, in_range(x, 1000))  # adam_v_E1[x] ← total_2
    # adam_m_W2 ← adam_m_W2 + one_minus_beta_1_f32 * (dL/dW2 - adam_m_W2)
    new_adam_m_W2 = adam_m_W2 + one_minus_beta_1_f32 * (dL_dW2 - adam_m_W2)
    # adam_v_W2 ← adam_v_W2 + one_minus_beta_2_f32 * ((dL/dW2)² - adam_v_W2)
    new_adam_v_W2 = adam_v_W2 + one_minus_beta_2_f32 * (dL_dW2**2 - adam_v_W2)
    total_3 = np.sqrt(new_adam_v_W2) + epsilon_f32  #             total_3 = √new_adam_v_W2 + epsilon
    # W2 ← W2 - step_size_2 * new_adam_m_W2 / total_3
    new_W2 = W2 - step_size_2_f32 * new_adam_m_W2 / total_3
    # adam_m_b2 ← adam_m_b2 + one_minus_beta_1_f32 * (dL/db2 - adam_m_b2)
    new_adam_m_b2 = adam_m_b2 + one_minus_beta_1_f32 * (dL_db2 - adam_m_b2)
    # adam_v_b2 ← adam_v_b2 + one_minus_beta_2_f32 * ((dL/db2)² - adam_v_b2)
    new_adam_v_b2 = adam_v_b2 + one_minus_beta_2_f32 * (dL_db2**2 - adam_v_b2)
    total_4 = np.sqrt(new_adam_v_b2) + epsilon_f32  #             total_4 = √new_adam_v_b2 + epsilon
    # b2 ← b2 - step_size_2 * new_adam_m_b2 / total_4
    new_b2 = b2 - step_size_2_f32 * new_adam_m_b2 / total_4
    return (
        new_E1, new_adam_m_E1, new_adam_v_E1, new_W2, new_adam_m_W2, new_adam_v_W2, new_b2,
        new_adam_m_b2, new_adam_v_b2, new_adam_step,
    )


def step(
    x, t, learning_rate, beta_1, beta_2, epsilon, E1, W2, b2, adam_m_E1, adam_v_E1, adam_m_W2,
    adam_v_W2, adam_m_b2, adam_v_b2, adam_step,
):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, dL_dE1, dL_dW2, dL_db2 = gradient(x, t, E1, W2, b2)
    (
        new_E1, new_adam_m_E1, new_adam_v_E1, new_W2, new_adam_m_W2, new_adam_v_W2, new_b2,
        new_adam_m_b2, new_adam_v_b2, new_adam_step,
    ) = update(
        E1, W2, b2, dL_dE1, dL_dW2, dL_db2, adam_m_E1, adam_v_E1, adam_m_W2, adam_v_W2, adam_m_b2,
        adam_v_b2, adam_step, learning_rate, beta_1, beta_2, epsilon, x,
    )
    return (
        L, new_E1, new_W2, new_b2, new_adam_m_E1, new_adam_v_E1, new_adam_m_W2, new_adam_v_W2,
        new_adam_m_b2, new_adam_v_b2, new_adam_step,
    )
