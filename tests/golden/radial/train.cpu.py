"""train. Target cpu.

net.py:13   z1 = exp(-gamma1 * (sum_axis2 (x - c1ᵀ)²))
net.py:14   y = z1 W2 + b2
net.py:16   L = sum((y - t)²) / batch
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    exp,
    f32,
    f64,
    isfinite,
    kernel,
    local_array,
    program,
    rows_in_order,
    view,
)


# net.py:13   z1 = exp(-gamma1 * (sum_axis2 (x - c1ᵀ)²))
# net.py:14   y = z1 W2 + b2
# net.py:16   dL/dy = 2 (y - t) / batch
# net.py:14   dL/dz1 = dL/dy W2ᵀ
# net.py:14   dL/dW2 = z1ᵀ dL/dy
# net.py:14   dL/db2 = sum_batch dL/dy
#             dL/dc1 = (sum_batch (2 dL/dz1 * z1 * gamma1 * (x - c1ᵀ)))ᵀ
# net.py:16   L = sum((y - t)²) / batch
# net.py:16   b2 <- b2 - learning_rate * dL/db2
# net.py:16   W2 <- W2 - learning_rate * dL/dW2
# net.py:16   gamma1 <- gamma1 + (sum_batch (dL/dz1 * z1 * (sum_axis2 (x - c1ᵀ)²))) * learning_rate
# net.py:16   c1 <- c1 - learning_rate * dL/dc1
@kernel
def k1_loss(batch, x, total, z1, t, learning_rate, b2, W2, gamma1, c1, loss):
    dL_dW2 = local_array((5, 1), f32)
    total_3 = local_array((5,), f32)
    total_scaled_gamma1 = local_array((5, 3), f32)
    sum_square = f64(0.0)
    for i in range(5):
        for j in range(3):
            total_scaled_gamma1[i, j] = f32(0.0)
    for i in range(5):
        total_3[i] = f32(0.0)
        dL_dW2[i, 0] = f32(0.0)
    sum_dL_dy = f64(0.0)
    b2_0 = b2[0]
    for i in range(batch):
        sum_z1_times_W2 = f64(0.0)
        for j in range(5):
            sum_square_2 = f64(0.0)
            for k in range(3):
                x_minus_c1_ijk = x[i, k] - c1[k, j]
                sum_square_2 = accumulate(sum_square_2, f64(x_minus_c1_ijk * x_minus_c1_ijk))
            total_ij = f32(sum_square_2)
            total[i, j] = total_ij
            z1_ij = exp(-(gamma1[j] * total_ij))
            z1[i, j] = z1_ij
            sum_z1_times_W2 = accumulate(sum_z1_times_W2, f64(z1_ij * W2[j, 0]))
        z1_W2_i = f32(sum_z1_times_W2)
        y_minus_t_i = z1_W2_i + b2_0 - t[i, 0]
        sum_square = accumulate(sum_square, f64(y_minus_t_i * y_minus_t_i))
        dL_dy_i = f32(2.0) * y_minus_t_i / f32(batch)
        for j in range(5):
            dL_dz1_times_z1_ij = dL_dy_i * W2[j, 0] * z1[i, j]
            scaled_gamma1_ij = dL_dz1_times_z1_ij * gamma1[j]
            for k in range(3):
                scaled_gamma1_ijk = f32(2.0) * (scaled_gamma1_ij * (x[i, k] - c1[k, j]))
                total_scaled_gamma1[j, k] = total_scaled_gamma1[j, k] + scaled_gamma1_ijk
            total_3[j] = total_3[j] + dL_dz1_times_z1_ij * total[i, j]
            dL_dW2[j, 0] = dL_dW2[j, 0] + z1[i, j] * dL_dy_i
        sum_dL_dy = accumulate(sum_dL_dy, f64(dL_dy_i))
    dL_db2_0 = f32(sum_dL_dy)
    total_2_0 = f32(sum_square)
    b2[0] = b2_0 - f32(learning_rate[0]) * dL_db2_0
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(5):
        new_W2 = W2[i, 0] - learning_rate_f32 * dL_dW2[i, 0]
        new_gamma1 = gamma1[i] + total_3[i] * learning_rate_f32
        W2[i, 0] = new_W2
        gamma1[i] = new_gamma1
    for i in range(3):
        for j in range(5):
            c1[i, j] = c1[i, j] - learning_rate_f32 * total_scaled_gamma1[j, i]
    loss[0] = total_2_0 / f32(batch)


@program
def step(
    batch, x, t, learning_rate, c1, gamma1, W2, b2, loss, x_batch, t_batch, scratch_1, scratch_2,
    fault,
):
    z1 = view(scratch_1, (batch, 5))
    total = view(scratch_2, (batch, 5))
    k1_loss(batch, x, total, z1, t, learning_rate, b2, W2, gamma1, c1, loss)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, c1, gamma1, W2, b2, loss,
    x_batch, t_batch, scratch_1, scratch_2, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 1)))
        step(
            rows, x_rows, t_rows, learning_rate, c1, gamma1, W2, b2, loss, x_batch, t_batch,
            scratch_1, scratch_2, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
