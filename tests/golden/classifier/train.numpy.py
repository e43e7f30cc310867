"""train, for NumPy: a statement a node.

net.py:7    z1 = x W1 + b1                      Dense(8, activation="relu")
net.py:7    h1 = max(z1, 0)                     Dense(8, activation="relu")
net.py:8    y = h1 W2 + b2                      Dense(3)
net.py:10   L = -mean(log_softmax(y)[t])
net.py:10   accuracy = mean([argmax(y) == t])

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


def forward(x, W1, b1, W2, b2):
    z1 = x @ W1 + b1        # net.py:7   z1 = x W1 + b1
    h1 = np.maximum(z1, 0)  #            h1 = max(z1, 0)
    y = h1 @ W2 + b2        # net.py:8   y = h1 W2 + b2
    return z1, h1, y


def gradient(x, t, W1, b1, W2, b2):
    z1, h1, y = forward(x, W1, b1, W2, b2)
    log_softmax_y = log_softmax(y, axis=1)       # net.py:10   log_softmax_y = log_softmax(y)
    # taken = log_softmax_y[t]
    taken = np.take_along_axis(log_softmax_y, in_range(t[:, None], 3), axis=1)
    L = -np.mean(taken[:, 0])                    #             L = -mean(taken)
    test = np.argmax(y, axis=1).astype(np.float32) == t.astype(np.float32)  # test = argmax(y) == t
    accuracy = np.mean(test.astype(np.float32))  #             accuracy = mean([test])
    # one_hot_f32 = onehot(t)
    one_hot_f32 = (np.arange(3, dtype=np.int32) == t[:, None]).astype(np.float32)
    # dL/dy = (softmax(y) - one_hot_f32) / batch
    dL_dy = (special.softmax(y, axis=1) - one_hot_f32) / x.shape[0]
    dL_dh1 = dL_dy @ W2.T                        # net.py:8    dL/dh1 = dL/dy W2ᵀ
    dL_dz1 = np.where(z1 > 0, dL_dh1, 0)         # net.py:7    dL/dz1 = [z1 > 0] * dL/dh1
    dL_dW1 = x.T @ dL_dz1                        #             dL/dW1 = xᵀ dL/dz1
    dL_db1 = np.sum(dL_dz1, axis=0)              #             dL/db1 = sum_batch dL/dz1
    dL_dW2 = h1.T @ dL_dy                        # net.py:8    dL/dW2 = h1ᵀ dL/dy
    dL_db2 = np.sum(dL_dy, axis=0)               #             dL/db2 = sum_batch dL/dy
    return L, accuracy, dL_dW1, dL_db1, dL_dW2, dL_db2


def update(
    W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, adam_m_W1, adam_v_W1, adam_m_b1, adam_v_b1,
    adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step, learning_rate, beta_1, beta_2, epsilon,
):
    new_adam_step = adam_step + 1                   # net.py:10   adam_step ← adam_step + 1
    new_adam_step_f64 = np.float64(new_adam_step)
    # step_size = learning_rate * √(1 - beta_2^new_adam_step)
    step_size = learning_rate * np.sqrt(1 - np.power(beta_2, new_adam_step_f64))
    # step_size_2 = step_size / (1 - beta_1^new_adam_step)
    step_size_2 = step_size / (1 - np.power(beta_1, new_adam_step_f64))
    step_size_2_f32 = np.float32(step_size_2)
    one_minus_beta_1_f32 = np.float32(1 - beta_1)   #             one_minus_beta_1_f32 = 1 - beta_1
    # adam_m_W1 ← adam_m_W1 + one_minus_beta_1_f32 * (dL/dW1 - adam_m_W1)
    new_adam_m_W1 = adam_m_W1 + one_minus_beta_1_f32 * (dL_dW1 - adam_m_W1)
    one_minus_beta_2_f32 = np.float32(1 - beta_2)   #             one_minus_beta_2_f32 = 1 - beta_2
    # adam_v_W1 ← adam_v_W1 + one_minus_beta_2_f32 * ((dL/dW1)² - adam_v_W1)
    new_adam_v_W1 = adam_v_W1 + one_minus_beta_2_f32 * (dL_dW1**2 - adam_v_W1)
    epsilon_f32 = np.float32(epsilon)
    total = np.sqrt(new_adam_v_W1) + epsilon_f32    #             total = √new_adam_v_W1 + epsilon
    # W1 ← W1 - step_size_2 * new_adam_m_W1 / total
    new_W1 = W1 - step_size_2_f32 * new_adam_m_W1 / total
    # adam_m_b1 ← adam_m_b1 + one_minus_beta_1_f32 * (dL/db1 - adam_m_b1)
    new_adam_m_b1 = adam_m_b1 + one_minus_beta_1_f32 * (dL_db1 - adam_m_b1)
    # adam_v_b1 ← adam_v_b1 + one_minus_beta_2_f32 * ((dL/db1)² - adam_v_b1)
    new_adam_v_b1 = adam_v_b1 + one_minus_beta_2_f32 * (dL_db1**2 - adam_v_b1)
    total_2 = np.sqrt(new_adam_v_b1) + epsilon_f32  #             total_2 = √new_adam_v_b1 + epsilon
    # b1 ← b1 - step_size_2 * new_adam_m_b1 / total_2
    new_b1 = b1 - step_size_2_f32 * new_adam_m_b1 / total_2
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
        new_W1, new_adam_m_W1, new_adam_v_W1, new_b1, new_adam_m_b1, new_adam_v_b1, new_W2,
        new_adam_m_W2, new_adam_v_W2, new_b2, new_adam_m_b2, new_adam_v_b2, new_adam_step,
    )


def step(
    x, t, learning_rate, beta_1, beta_2, epsilon, W1, b1, W2, b2, adam_m_W1, adam_v_W1, adam_m_b1,
    adam_v_b1, adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step,
):
    """Outputs, then every parameter and state, new where there is a new value."""
    L, accuracy, dL_dW1, dL_db1, dL_dW2, dL_db2 = gradient(x, t, W1, b1, W2, b2)
    (
        new_W1, new_adam_m_W1, new_adam_v_W1, new_b1, new_adam_m_b1, new_adam_v_b1, new_W2,
        new_adam_m_W2, new_adam_v_W2, new_b2, new_adam_m_b2, new_adam_v_b2, new_adam_step,
    ) = update(
        W1, b1, W2, b2, dL_dW1, dL_db1, dL_dW2, dL_db2, adam_m_W1, adam_v_W1, adam_m_b1, adam_v_b1,
        adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step, learning_rate, beta_1, beta_2,
        epsilon,
    )
    return (
        L, accuracy, new_W1, new_b1, new_W2, new_b2, new_adam_m_W1, new_adam_v_W1, new_adam_m_b1,
        new_adam_v_b1, new_adam_m_W2, new_adam_v_W2, new_adam_m_b2, new_adam_v_b2, new_adam_step,
    )
