"""train. Target cpu.

net.py:7    z1 = x W1 + b1
net.py:7    h1 = tanh(z1)
net.py:8    y = h1 W2 + b2
net.py:10   L = sum((y - t)²) / (2 batch)

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    f32,
    f64,
    isfinite,
    kernel,
    local_array,
    matmul,
    matmul_nt,
    matmul_tn,
    prange,
    program,
    rows_in_order,
    tanh,
    view,
)


# net.py:7   z1 = x W1 + b1
# net.py:7   h1 = tanh(z1)
@kernel
def k1_h1(batch, x, W1, b1, h1):
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        x_W1 = local_array((32, 4), f32)
        matmul(x[first:last], W1, x_W1[0 : last - first])
        for i in range(first, last):
            for j in range(4):
                h1[i, j] = tanh(x_W1[i - first, j] + b1[j])


# net.py:8    y = h1 W2 + b2
# net.py:10   dL/dy = 2 (y - t) / (2 batch)
# net.py:8    dL/db2 = sum_batch dL/dy
# net.py:10   L = sum((y - t)²) / (2 batch)
# net.py:10   b2 <- b2 - learning_rate * dL/db2
@kernel
def k2_loss(batch, h1, W2, t, dL_dy, total_parts, dL_db2_parts, learning_rate, b2, loss):
    dL_db2 = local_array((2,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        h1_W2 = local_array((32, 2), f32)
        matmul(h1[first:last], W2, h1_W2[0 : last - first])
        sum_square = f64(0.0)
        for i in range(2):
            dL_db2_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(2):
                y_minus_t_ij = h1_W2[i - first, j] + b2[j] - t[i, j]
                sum_square = accumulate(sum_square, f64(y_minus_t_ij * y_minus_t_ij))
                dL_dy_ij = f32(2.0) * y_minus_t_ij / f32(2 * batch)
                dL_dy[i, j] = dL_dy_ij
                dL_db2_parts[panel, j] = dL_db2_parts[panel, j] + dL_dy_ij
        total_parts[panel] = sum_square
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    # The dL_db2_parts of all panels, added up.
    for i in range(2):
        dL_db2[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(2):
            dL_db2[j] = dL_db2[j] + dL_db2_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(2):
        b2[i] = b2[i] - learning_rate_f32 * dL_db2[i]
    loss[0] = total_0 / f32(2 * batch)


# net.py:8    dL/dh1 = dL/dy W2ᵀ
# net.py:7    dL/dz1 = dL/dh1 * (1 - h1²)
# net.py:7    dL/db1 = sum_batch dL/dz1
# net.py:10   b1 <- b1 - learning_rate * dL/db1
@kernel
def k3_b1(batch, dL_dy, W2, h1, dL_dz1, dL_db1_parts, learning_rate, b1):
    dL_db1 = local_array((4,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dh1 = local_array((32, 4), f32)
        matmul_nt(dL_dy[first:last], W2, dL_dh1[0 : last - first])
        for i in range(4):
            dL_db1_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(4):
                h1_ij = h1[i, j]
                dL_dz1_ij = dL_dh1[i - first, j] * (f32(1.0) - h1_ij * h1_ij)
                dL_dz1[i, j] = dL_dz1_ij
                dL_db1_parts[panel, j] = dL_db1_parts[panel, j] + dL_dz1_ij
    # The dL_db1_parts of all panels, added up.
    for i in range(4):
        dL_db1[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(4):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(4):
        b1[i] = b1[i] - learning_rate_f32 * dL_db1[i]


# net.py:7    dL/dW1 = xᵀ dL/dz1
# net.py:10   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k4_W1(x, dL_dz1, learning_rate, W1):
    dL_dW1 = local_array((3, 4), f32)
    W1_flat = view(W1, (12,))
    dL_dW1_flat = view(dL_dW1, (12,))
    matmul_tn(x, dL_dz1, dL_dW1)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(12):
        W1_flat[i] = W1_flat[i] - learning_rate_f32 * dL_dW1_flat[i]


# net.py:8    dL/dW2 = h1ᵀ dL/dy
# net.py:10   W2 <- W2 - learning_rate * dL/dW2
@kernel
def k5_W2(h1, dL_dy, learning_rate, W2):
    dL_dW2 = local_array((4, 2), f32)
    W2_flat = view(W2, (8,))
    dL_dW2_flat = view(dL_dW2, (8,))
    matmul_tn(h1, dL_dy, dL_dW2)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(8):
        W2_flat[i] = W2_flat[i] - learning_rate_f32 * dL_dW2_flat[i]


@program
def step(
    batch, x, t, learning_rate, W1, b1, W2, b2, loss, x_batch, t_batch, scratch_1, scratch_2,
    scratch_3, scratch_4, scratch_5, fault,
):
    h1 = view(scratch_1, (batch, 4))
    total_parts = view(scratch_2, ((batch + 31) // 32,))
    dL_db2_parts = view(scratch_3, ((batch + 31) // 32, 2))
    dL_db1_parts = view(scratch_3, ((batch + 31) // 32, 4))
    dL_dy = view(scratch_4, (batch, 2))
    dL_dz1 = view(scratch_5, (batch, 4))
    k1_h1(batch, x, W1, b1, h1)
    k2_loss(batch, h1, W2, t, dL_dy, total_parts, dL_db2_parts, learning_rate, b2, loss)
    k3_b1(batch, dL_dy, W2, h1, dL_dz1, dL_db1_parts, learning_rate, b1)
    k4_W1(x, dL_dz1, learning_rate, W1)
    k5_W2(h1, dL_dy, learning_rate, W2)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, W2, b2, loss,
    x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 2)))
        step(
            rows, x_rows, t_rows, learning_rate, W1, b1, W2, b2, loss, x_batch, t_batch, scratch_1,
            scratch_2, scratch_3, scratch_4, scratch_5, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
