"""train. Target cpu.

net.py:7    z1 = x W1 + b1
net.py:7    h1 = max(z1, 0)
            h1_2 = [uniform(seed, draws) ≥ 0.5] * h1 / 0.5
net.py:9    y = h1_2 W2 + b2
net.py:11   L = sum((y - t)²) / (2 batch)

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
    maximum,
    philox_uniform_f32,
    prange,
    program,
    rows_in_order,
    view,
    where,
)


# net.py:7   z1 = x W1 + b1
# net.py:7   h1 = max(z1, 0)
#            h1_2 = [uniform(seed, draws) ≥ 0.5] * h1 / 0.5
@kernel
def k1_h1_2(batch, x, W1, seed, draws, x_W1, b1, h1_2):
    seed_0 = seed[0]
    draws_0 = draws[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        matmul(x[first:last], W1, x_W1[first:last])
        for i in range(first, last):
            place_i = i * 6
            for j in range(6):
                random_ij = philox_uniform_f32(seed_0, draws_0, 0, place_i + j)
                twice_h1_ij = maximum(x_W1[i, j] + b1[j], f32(0.0)) / f32(0.5)
                h1_2[i, j] = where(random_ij >= f32(0.5), twice_h1_ij, f32(0.0))


# net.py:9    y = h1_2 W2 + b2
# net.py:11   dL/dy = 2 (y - t) / (2 batch)
# net.py:9    dL/db2 = sum_batch dL/dy
# net.py:11   L = sum((y - t)²) / (2 batch)
# net.py:11   b2 <- b2 - learning_rate * dL/db2
@kernel
def k2_loss(batch, h1_2, W2, t, dL_dy, total_parts, dL_db2_parts, learning_rate, b2, loss):
    dL_db2 = local_array((2,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        h1_2_W2 = local_array((32, 2), f32)
        matmul(h1_2[first:last], W2, h1_2_W2[0 : last - first])
        sum_square = f64(0.0)
        for i in range(2):
            dL_db2_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(2):
                y_minus_t_ij = h1_2_W2[i - first, j] + b2[j] - t[i, j]
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


# net.py:9   dL/dh1_2 = dL/dy W2ᵀ
#            dL/dh1 = [uniform(seed, draws) ≥ 0.5] * dL/dh1_2 / 0.5
# net.py:7   dL/dz1 = [z1 > 0] * dL/dh1
# net.py:7   dL/db1 = sum_batch dL/dz1
@kernel
def k3_dL_db1(batch, dL_dy, W2, x_W1, b1, seed, draws, dL_dz1, dL_db1_parts, dL_db1):
    seed_0 = seed[0]
    draws_0 = draws[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dh1_2 = local_array((32, 6), f32)
        matmul_nt(dL_dy[first:last], W2, dL_dh1_2[0 : last - first])
        for i in range(6):
            dL_db1_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            place_i = i * 6
            for j in range(6):
                random_ij = philox_uniform_f32(seed_0, draws_0, 0, place_i + j)
                twice_dL_dh1_2_ij = dL_dh1_2[i - first, j] / f32(0.5)
                dL_dh1_ij = where(random_ij >= f32(0.5), twice_dL_dh1_2_ij, f32(0.0))
                dL_dz1_ij = where(x_W1[i, j] + b1[j] > f32(0.0), dL_dh1_ij, f32(0.0))
                dL_dz1[i, j] = dL_dz1_ij
                dL_db1_parts[panel, j] = dL_db1_parts[panel, j] + dL_dz1_ij
    # The dL_db1_parts of all panels, added up.
    for i in range(6):
        dL_db1[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(6):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]


# draws <- draws + 1
@kernel
def k4_draws(draws):
    draws[0] = draws[0] + 1


# net.py:11   b1 <- b1 - learning_rate * dL/db1
@kernel
def k5_b1(learning_rate, dL_db1, b1):
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(6):
        b1[i] = b1[i] - learning_rate_f32 * dL_db1[i]


# net.py:7    dL/dW1 = xᵀ dL/dz1
# net.py:11   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k6_W1(x, dL_dz1, learning_rate, W1):
    dL_dW1 = local_array((3, 6), f32)
    W1_flat = view(W1, (18,))
    dL_dW1_flat = view(dL_dW1, (18,))
    matmul_tn(x, dL_dz1, dL_dW1)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(18):
        W1_flat[i] = W1_flat[i] - learning_rate_f32 * dL_dW1_flat[i]


# net.py:9    dL/dW2 = h1_2ᵀ dL/dy
# net.py:11   W2 <- W2 - learning_rate * dL/dW2
@kernel
def k7_W2(h1_2, dL_dy, learning_rate, W2):
    dL_dW2 = local_array((6, 2), f32)
    W2_flat = view(W2, (12,))
    dL_dW2_flat = view(dL_dW2, (12,))
    matmul_tn(h1_2, dL_dy, dL_dW2)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(12):
        W2_flat[i] = W2_flat[i] - learning_rate_f32 * dL_dW2_flat[i]


@program
def step(
    batch, x, t, seed, learning_rate, W1, b1, W2, b2, draws, loss, x_batch, t_batch, scratch_1,
    scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7, fault,
):
    x_W1 = view(scratch_1, (batch, 6))
    h1_2 = view(scratch_2, (batch, 6))
    total_parts = view(scratch_3, ((batch + 31) // 32,))
    dL_db2_parts = view(scratch_4, ((batch + 31) // 32, 2))
    dL_db1_parts = view(scratch_4, ((batch + 31) // 32, 6))
    dL_dy = view(scratch_5, (batch, 2))
    dL_db1 = view(scratch_6, (6,))
    dL_dz1 = view(scratch_7, (batch, 6))
    k1_h1_2(batch, x, W1, seed, draws, x_W1, b1, h1_2)
    k2_loss(batch, h1_2, W2, t, dL_dy, total_parts, dL_db2_parts, learning_rate, b2, loss)
    k3_dL_db1(batch, dL_dy, W2, x_W1, b1, seed, draws, dL_dz1, dL_db1_parts, dL_db1)
    k4_draws(draws)
    k5_b1(learning_rate, dL_db1, b1)
    k6_W1(x, dL_dz1, learning_rate, W1)
    k7_W2(h1_2, dL_dy, learning_rate, W2)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, seed, learning_rate, W1, b1, W2, b2, draws,
    loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6,
    scratch_7, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 2)))
        step(
            rows, x_rows, t_rows, seed, learning_rate, W1, b1, W2, b2, draws, loss, x_batch,
            t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7,
            fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
