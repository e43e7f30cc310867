"""train, for NumPy: a statement a node.

net.py:6    z1 = conv(x, W1) + b1              Conv2D(4, 3, padding="same", activation="relu")
net.py:6    h1 = max(z1, 0)                    Conv2D(4, 3, padding="same", activation="relu")
net.py:7    p1 = max_axis3_axis4 windows(h1)   MaxPooling2D(2)
net.py:8    z2 = conv(p1, W2)                  Conv2D(6, 3)
net.py:9    h3 = n3 * gamma3 + beta3           BatchNormalization()
net.py:10   h3_2 = max(h3, 0)                  Activation("relu")
net.py:11   p3 = mean_axis1_axis2 h3_2         GlobalAveragePooling2D()
net.py:12   y = p3 W4 + b4                     Dense(3)
net.py:15   L = -mean(log_softmax(y)[t])

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


def windows(x, axis, size, stride=1, dilation=1):
    """Sliding windows along axes from `axis` on: their places, then the places inside them."""
    stop = axis + len(size)
    stride, dilation = np.broadcast_to(stride, len(size)), np.broadcast_to(dilation, len(size))
    reach = tuple((k - 1) * gap + 1 for k, gap in zip(size, dilation))
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, tuple(range(axis, stop)))
    seen = np.transpose(seen, (*range(stop), *range(x.ndim, seen.ndim), *range(stop, x.ndim)))
    steps = tuple(slice(None, None, step) for step in (*stride, *dilation))
    return seen[(slice(None),) * axis + steps]


def overlap_add(seen, axis, dims, stride=1, dilation=1):
    """The transpose of windows: what each place of axes of sizes `dims` is seen with, added."""
    rank = len(dims)
    stride, dilation = np.broadcast_to(stride, rank), np.broadcast_to(dilation, rank)
    out, size = seen.shape[axis : axis + rank], seen.shape[axis + rank : axis + 2 * rank]
    shape = (*seen.shape[:axis], *dims, *seen.shape[axis + 2 * rank :])
    total = np.zeros(shape, seen.dtype)
    for inside in np.ndindex(*size):
        to = tuple(
            slice(k * gap, k * gap + (n - 1) * step + 1 if n else 0, step)
            for k, gap, n, step in zip(inside, dilation, out, stride)
        )
        total[(slice(None),) * axis + to] += seen[(slice(None),) * (axis + rank) + inside]
    return total


def padded(x, padding):
    """x with zeros around its spatial axes."""
    sides = np.broadcast_to(padding, (x.ndim - 2, 2))
    return np.pad(x, ((0, 0), *sides, (0, 0)))


def convolution(x, w, stride=1, padding=0, dilation=1, groups=1):
    """y[b, o, f] = sum over k, c of x[b, o*stride + k*dilation - padding, c] w[k, c, f]."""
    rank = w.ndim - 2
    seen = windows(padded(x, padding), 1, w.shape[:rank], stride, dilation)
    parts = zip(np.split(seen, groups, axis=-1), np.split(w, groups, axis=-1))
    return np.concatenate([np.tensordot(a, b, rank + 1) for a, b in parts], axis=-1)


def convolution_transpose(y, w, dims, stride=1, padding=0, dilation=1, groups=1):
    """x[b, p, c] = sum over o, k, f with o*stride + k*dilation - padding = p of y w[k, c, f]."""
    parts = zip(np.split(y, groups, axis=-1), np.split(w, groups, axis=-1))
    seen = np.concatenate([np.tensordot(a, b, (-1, -1)) for a, b in parts], axis=-1)
    sides = np.broadcast_to(padding, (len(dims), 2))
    whole = tuple(n + low + high for n, (low, high) in zip(dims, sides))
    inside = tuple(slice(low, low + n) for n, (low, high) in zip(dims, sides))
    return overlap_add(seen, 1, whole, stride, dilation)[(slice(None), *inside)]


def correlation(x, y, size, stride=1, padding=0, dilation=1, groups=1):
    """w[k, c, f] = sum over b, o of x[b, o*stride + k*dilation - padding, c] y[b, o, f]."""
    seen, over = windows(padded(x, padding), 1, size, stride, dilation), tuple(range(y.ndim - 1))
    parts = zip(np.split(seen, groups, axis=-1), np.split(y, groups, axis=-1))
    return np.concatenate([np.tensordot(a, b, (over, over)) for a, b in parts], axis=-1)


def forward(x, W1, b1, W2, gamma3, beta3, W4, b4):
    z1 = convolution(x, W1, padding=1) + b1  # net.py:6    z1 = conv(x, W1) + b1
    h1 = np.maximum(z1, 0)                   #             h1 = max(z1, 0)
    # net.py:7    p1 = max_axis3_axis4 windows(h1)
    p1 = np.max(windows(h1, 1, (2, 2), stride=2), axis=(3, 4))
    z2 = convolution(p1, W2)                 # net.py:8    z2 = conv(p1, W2)
    # z2_minus_mean_z2 = z2 - mean_batch_axis1_axis2 z2
    z2_minus_mean_z2 = z2 - np.mean(z2, axis=(0, 1, 2))
    # root = √(mean_batch_axis1_axis2 z2_minus_mean_z2² + 0.001)
    root = np.sqrt(np.mean(z2_minus_mean_z2**2, axis=(0, 1, 2)) + 0.001)
    n3 = z2_minus_mean_z2 / root             #             n3 = z2_minus_mean_z2 / root
    h3 = n3 * gamma3 + beta3                 # net.py:9    h3 = n3 * gamma3 + beta3
    h3_2 = np.maximum(h3, 0)                 # net.py:10   h3_2 = max(h3, 0)
    p3 = np.mean(h3_2, axis=(1, 2))          # net.py:11   p3 = mean_axis1_axis2 h3_2
    y = p3 @ W4 + b4                         # net.py:12   y = p3 W4 + b4
    return z1, p1, n3, h3, p3, y


def gradient(x, t, W1, b1, W2, gamma3, beta3, W4, b4):
    z1, p1, n3, h3, p3, y = forward(x, W1, b1, W2, gamma3, beta3, W4, b4)
    log_softmax_y = log_softmax(y, axis=1)        # net.py:15   log_softmax_y = log_softmax(y)
    # taken = log_softmax_y[t]
    taken = np.take_along_axis(log_softmax_y, in_range(t[:, None], 3), axis=1)
    L = -np.mean(taken[:, 0])                     #             L = -mean(taken)
    h1 = np.maximum(z1, 0)                        # net.py:6    h1 = max(z1, 0)
    # net.py:7    test = windows(h1) == p1
    test = windows(h1, 1, (2, 2), stride=2) == p1[:, :, :, None, None, :]
    test_h3 = h3 > 0                              # net.py:10   test_h3 = h3 > 0
    # net.py:15   one_hot_f32 = onehot(t)
    one_hot_f32 = (np.arange(3, dtype=np.int32) == t[:, None]).astype(np.float32)
    # dL/dy = (softmax(y) - one_hot_f32) / batch
    dL_dy = (special.softmax(y, axis=1) - one_hot_f32) / x.shape[0]
    dL_dp3 = dL_dy @ W4.T                         # net.py:12   dL/dp3 = dL/dy W4ᵀ
    scaled_dL_dp3 = dL_dp3[:, None, None, :] / 4  # net.py:11   scaled_dL_dp3 = dL/dp3 / 4
    product = scaled_dL_dp3 * gamma3              # net.py:9    product = scaled_dL_dp3 * gamma3
    dL_dn3 = np.where(test_h3, product, 0)        #             dL/dn3 = [test_h3] * product
    # scaled_n3 = n3 * (mean_batch_axis1_axis2 ([test_h3] * product * n3))
    scaled_n3 = n3 * np.mean(np.where(test_h3, product * n3, 0), axis=(0, 1, 2))
    z2 = convolution(p1, W2)                      # net.py:8    z2 = conv(p1, W2)
    mean_z2 = np.mean(z2, axis=(0, 1, 2))         #             mean_z2 = mean_batch_axis1_axis2 z2
    z2_minus_mean_z2 = z2 - mean_z2               #             z2_minus_mean_z2 = z2 - mean_z2
    # mean = mean_batch_axis1_axis2 z2_minus_mean_z2²
    mean = np.mean(z2_minus_mean_z2**2, axis=(0, 1, 2))
    root = np.sqrt(mean + 0.001)                  #             root = √(mean + 0.001)
    # dL/dz2 = (dL/dn3 - mean_batch_axis1_axis2 dL/dn3 - scaled_n3) / root
    dL_dz2 = (dL_dn3 - np.mean(dL_dn3, axis=(0, 1, 2)) - scaled_n3) / root
    dL_dp1 = convolution_transpose(dL_dz2, W2, (4, 4))  # dL/dp1 = conv_transpose(dL/dz2, W2)
    # net.py:7    total = sum_axis3_axis4 [test]
    total = np.sum(test.astype(np.float32), axis=(3, 4), keepdims=True)
    # chosen = [test] * dL/dp1 / total
    chosen = np.where(test, dL_dp1[:, :, :, None, None, :] / total, 0)
    dL_dh1 = overlap_add(chosen, 1, (8, 8), stride=2)  #             dL/dh1 = overlap_add(chosen)
    dL_dz1 = np.where(z1 > 0, dL_dh1, 0)          # net.py:6    dL/dz1 = [z1 > 0] * dL/dh1
    dL_dW1 = correlation(x, dL_dz1, (3, 3), padding=1)  #             dL/dW1 = correlate(x, dL/dz1)
    dL_db1 = np.sum(dL_dz1, axis=(0, 1, 2))  # dL/db1 = sum_batch_axis1_axis2 dL/dz1
    dL_dW2 = correlation(p1, dL_dz2, (3, 3))      # net.py:8    dL/dW2 = correlate(p1, dL/dz2)
    # net.py:9    dL/dgamma3 = sum_batch_axis1_axis2 ([test_h3] * scaled_dL_dp3 * n3)
    dL_dgamma3 = np.sum(np.where(test_h3, scaled_dL_dp3 * n3, 0), axis=(0, 1, 2))
    dL_dh3 = np.where(test_h3, scaled_dL_dp3, 0)  # net.py:10   dL/dh3 = [test_h3] * scaled_dL_dp3
    # net.py:9    dL/dbeta3 = sum_batch_axis1_axis2 dL/dh3
    dL_dbeta3 = np.sum(dL_dh3, axis=(0, 1, 2))
    dL_dW4 = p3.T @ dL_dy                         # net.py:12   dL/dW4 = p3ᵀ dL/dy
    dL_db4 = np.sum(dL_dy, axis=0)                #             dL/db4 = sum_batch dL/dy
    return L, dL_dW1, dL_db1, dL_dW2, dL_dgamma3, dL_dbeta3, dL_dW4, dL_db4, mean_z2, mean


def update(
    W1, b1, W2, gamma3, beta3, W4, b4, dL_dW1, dL_db1, dL_dW2, dL_dgamma3, dL_dbeta3, dL_dW4,
    dL_db4, mean_z2, mean, moving_mean3, moving_variance3, learning_rate,
):
    learning_rate_f32 = np.float32(learning_rate)
    new_W1 = W1 - learning_rate_f32 * dL_dW1  # net.py:15   W1 ← W1 - learning_rate * dL/dW1
    new_b1 = b1 - learning_rate_f32 * dL_db1  #             b1 ← b1 - learning_rate * dL/db1
    new_W2 = W2 - learning_rate_f32 * dL_dW2  #             W2 ← W2 - learning_rate * dL/dW2
    # gamma3 ← gamma3 - learning_rate * dL/dgamma3
    new_gamma3 = gamma3 - learning_rate_f32 * dL_dgamma3
    new_beta3 = beta3 - learning_rate_f32 * dL_dbeta3  # beta3 ← beta3 - learning_rate * dL/dbeta3
    new_W4 = W4 - learning_rate_f32 * dL_dW4  #             W4 ← W4 - learning_rate * dL/dW4
    new_b4 = b4 - learning_rate_f32 * dL_db4  #             b4 ← b4 - learning_rate * dL/db4
    # net.py:9    moving_mean3 ← 0.99 moving_mean3 + 0.01 mean_z2
    new_moving_mean3 = 0.99 * moving_mean3 + 0.01 * mean_z2
    # moving_variance3 ← 0.99 moving_variance3 + 0.01 mean
    new_moving_variance3 = 0.99 * moving_variance3 + 0.01 * mean
    return (
        new_W1, new_b1, new_W2, new_gamma3, new_beta3, new_W4, new_b4, new_moving_mean3,
        new_moving_variance3,
    )


def step(x, t, learning_rate, W1, b1, W2, gamma3, beta3, W4, b4, moving_mean3, moving_variance3):
    """Outputs, then every parameter and state, new where there is a new value."""
    (
        L, dL_dW1, dL_db1, dL_dW2, dL_dgamma3, dL_dbeta3, dL_dW4, dL_db4, mean_z2, mean,
    ) = gradient(x, t, W1, b1, W2, gamma3, beta3, W4, b4)
    (
        new_W1, new_b1, new_W2, new_gamma3, new_beta3, new_W4, new_b4, new_moving_mean3,
        new_moving_variance3,
    ) = update(
        W1, b1, W2, gamma3, beta3, W4, b4, dL_dW1, dL_db1, dL_dW2, dL_dgamma3, dL_dbeta3, dL_dW4,
        dL_db4, mean_z2, mean, moving_mean3, moving_variance3, learning_rate,
    )
    return (
        L, new_W1, new_b1, new_W2, new_gamma3, new_beta3, new_W4, new_b4, new_moving_mean3,
        new_moving_variance3,
    )
