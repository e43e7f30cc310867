"""train. Target cpu.

net.py:7    z1 = x W1 + b1
net.py:7    h1 = max(z1, 0) + log1p(exp(-|z1|))
net.py:8    y = h1 W2 + b2
net.py:10   L = sum(0.5 (t - y)² if |t - y| ≤ 1 else |t - y| - 0.5) / batch

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
    f32,
    f64,
    isfinite,
    kernel,
    local_array,
    log1p,
    matmul,
    matmul_tn,
    maximum,
    prange,
    program,
    rows_in_order,
    sigmoid,
    sign,
    sqrt,
    transposed,
    view,
    where,
)


# net.py:7    z1 = x W1 + b1
# net.py:7    h1 = max(z1, 0) + log1p(exp(-|z1|))
# net.py:8    y = h1 W2 + b2
# net.py:10   dL/dy = -((t - y) / batch if |t - y| ≤ 1 else sign(t - y) / batch)
# net.py:8    dL/dh1 = dL/dy W2ᵀ
# net.py:7    dL/dz1 = dL/dh1 * sigmoid(z1)
# net.py:7    dL/db1 = sum_batch dL/dz1
# net.py:8    dL/dW2 = h1ᵀ dL/dy
# net.py:8    dL/db2 = sum_batch dL/dy
# net.py:10   L = sum(0.5 (t - y)² if |t - y| ≤ 1 else |t - y| - 0.5) / batch
# net.py:10   rmsprop_v_b2 <- rho * rmsprop_v_b2 + (1 - rho) * (dL/db2)²
# net.py:10   b2 <- b2 - learning_rate * dL/db2 / √(rmsprop_v_b2 + epsilon)
# net.py:10   rmsprop_v_W2 <- rho * rmsprop_v_W2 + (1 - rho) * (dL/dW2)²
# net.py:10   W2 <- W2 - learning_rate * dL/dW2 / √(rmsprop_v_W2 + epsilon)
# net.py:10   rmsprop_v_b1 <- rho * rmsprop_v_b1 + (1 - rho) * (dL/db1)²
# net.py:10   b1 <- b1 - learning_rate * dL/db1 / √(rmsprop_v_b1 + epsilon)
@kernel
def k1_loss(
    batch, x, W1, t, dL_dz1, total_parts, dL_db1_parts, dL_dW2_parts, dL_db2_parts, learning_rate,
    rho, epsilon, b2, rmsprop_v_b2, W2, rmsprop_v_W2, b1, rmsprop_v_b1, loss,
):
    dL_dW2 = local_array((4, 1), f32)
    dL_db1 = local_array((4,), f32)
    b2_0 = b2[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        x_W1 = local_array((32, 4), f32)
        h1 = local_array((4, 32), f32)
        x_W1_columns = local_array((4, 32), f32)
        dL_dz1_columns = local_array((4, 32), f32)
        matmul(x[first:last], W1, x_W1[0 : last - first])
        transposed(x_W1[0 : last - first], x_W1_columns)
        sum_chosen = f64(0.0)
        for i in range(4):
            dL_db1_parts[panel, i] = f32(0.0)
            dL_dW2_parts[panel, i, 0] = f32(0.0)
        sum_dL_dy = f64(0.0)
        for i in range(first, last):
            sum_h1_times_W2 = f64(0.0)
            for j in range(4):
                z1_ij = x_W1_columns[j, i - first] + b1[j]
                h1_ij = maximum(z1_ij, f32(0.0)) + log1p(exp(-abs(z1_ij)))
                h1[j, i - first] = h1_ij
                sum_h1_times_W2 = accumulate(sum_h1_times_W2, f64(h1_ij * W2[j, 0]))
            h1_W2_i = f32(sum_h1_times_W2)
            t_minus_y_i = t[i, 0] - (h1_W2_i + b2_0)
            magnitude_t_minus_y_i = abs(t_minus_y_i)
            test_i = magnitude_t_minus_y_i <= f32(1.0)
            product_i = f32(0.5) * (t_minus_y_i * t_minus_y_i)
            chosen_i = where(test_i, product_i, magnitude_t_minus_y_i - f32(0.5))
            sum_chosen = accumulate(sum_chosen, f64(chosen_i))
            ratio_i = sign(t_minus_y_i) / f32(batch)
            dL_dy_i = -where(test_i, t_minus_y_i / f32(batch), ratio_i)
            for j in range(4):
                sigmoid_z1_ij = sigmoid(x_W1_columns[j, i - first] + b1[j])
                dL_dz1_ij = dL_dy_i * W2[j, 0] * sigmoid_z1_ij
                dL_dz1_columns[j, i - first] = dL_dz1_ij
                dL_db1_parts[panel, j] = accumulate(dL_db1_parts[panel, j], dL_dz1_ij)
                h1_times_dL_dy_ij = h1[j, i - first] * dL_dy_i
                dL_dW2_parts[panel, j, 0] = accumulate(dL_dW2_parts[panel, j, 0], h1_times_dL_dy_ij)
            sum_dL_dy = accumulate(sum_dL_dy, f64(dL_dy_i))
        dL_db2_parts[panel, 0] = sum_dL_dy
        total_parts[panel] = sum_chosen
        transposed(dL_dz1_columns, dL_dz1[first:last])
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    # The dL_db1_parts and dL_dW2_parts of all panels, added up.
    for i in range(4):
        dL_db1[i] = f32(0.0)
        dL_dW2[i, 0] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(4):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]
            dL_dW2[j, 0] = dL_dW2[j, 0] + dL_dW2_parts[i, j, 0]
    # The dL_db2_parts of all panels, added up.
    sum_dL_db2_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_dL_db2_parts = accumulate(sum_dL_db2_parts, dL_db2_parts[i, 0])
    dL_db2_0 = f32(sum_dL_db2_parts)
    rho_0 = rho[0]
    product = f32(f64(1.0) - rho_0) * (dL_db2_0 * dL_db2_0)
    new_rmsprop_v_b2 = f32(rho_0) * rmsprop_v_b2[0] + product
    root = sqrt(new_rmsprop_v_b2 + f32(epsilon[0]))
    new_b2 = b2_0 - f32(learning_rate[0]) * dL_db2_0 / root
    b2[0] = new_b2
    rmsprop_v_b2[0] = new_rmsprop_v_b2
    learning_rate_f32 = f32(learning_rate[0])
    rho_f32 = f32(rho_0)
    one_minus_rho = f32(f64(1.0) - rho_0)
    epsilon_f32 = f32(epsilon[0])
    for i in range(4):
        dL_dW2_i = dL_dW2[i, 0]
        new_rmsprop_v_W2 = rho_f32 * rmsprop_v_W2[i, 0] + one_minus_rho * (dL_dW2_i * dL_dW2_i)
        ratio_i_2 = learning_rate_f32 * dL_dW2_i / sqrt(new_rmsprop_v_W2 + epsilon_f32)
        new_W2 = W2[i, 0] - ratio_i_2
        dL_db1_i = dL_db1[i]
        new_rmsprop_v_b1 = rho_f32 * rmsprop_v_b1[i] + one_minus_rho * (dL_db1_i * dL_db1_i)
        ratio_i_3 = learning_rate_f32 * dL_db1_i / sqrt(new_rmsprop_v_b1 + epsilon_f32)
        new_b1 = b1[i] - ratio_i_3
        W2[i, 0] = new_W2
        rmsprop_v_W2[i, 0] = new_rmsprop_v_W2
        b1[i] = new_b1
        rmsprop_v_b1[i] = new_rmsprop_v_b1
    loss[0] = total_0 / f32(batch)


# net.py:7    dL/dW1 = xᵀ dL/dz1
# net.py:10   rmsprop_v_W1 <- rho * rmsprop_v_W1 + (1 - rho) * (dL/dW1)²
# net.py:10   W1 <- W1 - learning_rate * dL/dW1 / √(rmsprop_v_W1 + epsilon)
@kernel
def k2_W1(x, dL_dz1, learning_rate, rho, epsilon, W1, rmsprop_v_W1):
    dL_dW1 = local_array((3, 4), f32)
    W1_flat = view(W1, (12,))
    dL_dW1_flat = view(dL_dW1, (12,))
    rmsprop_v_W1_flat = view(rmsprop_v_W1, (12,))
    matmul_tn(x, dL_dz1, dL_dW1)
    learning_rate_f32 = f32(learning_rate[0])
    rho_0 = rho[0]
    rho_f32 = f32(rho_0)
    one_minus_rho = f32(f64(1.0) - rho_0)
    epsilon_f32 = f32(epsilon[0])
    for i in range(12):
        dL_dW1_i = dL_dW1_flat[i]
        product_i = one_minus_rho * (dL_dW1_i * dL_dW1_i)
        new_rmsprop_v_W1 = rho_f32 * rmsprop_v_W1_flat[i] + product_i
        ratio_i = learning_rate_f32 * dL_dW1_i / sqrt(new_rmsprop_v_W1 + epsilon_f32)
        new_W1 = W1_flat[i] - ratio_i
        W1_flat[i] = new_W1
        rmsprop_v_W1_flat[i] = new_rmsprop_v_W1


@program
def step(
    batch, x, t, learning_rate, rho, epsilon, W1, b1, W2, b2, rmsprop_v_W1, rmsprop_v_b1,
    rmsprop_v_W2, rmsprop_v_b2, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4,
    scratch_5, fault,
):
    total_parts = view(scratch_1, ((batch + 31) // 32,))
    dL_db1_parts = view(scratch_2, ((batch + 31) // 32, 4))
    dL_dW2_parts = view(scratch_3, ((batch + 31) // 32, 4, 1))
    dL_db2_parts = view(scratch_4, ((batch + 31) // 32, 1))
    dL_dz1 = view(scratch_5, (batch, 4))
    k1_loss(
        batch, x, W1, t, dL_dz1, total_parts, dL_db1_parts, dL_dW2_parts, dL_db2_parts,
        learning_rate, rho, epsilon, b2, rmsprop_v_b2, W2, rmsprop_v_W2, b1, rmsprop_v_b1, loss,
    )
    k2_W1(x, dL_dz1, learning_rate, rho, epsilon, W1, rmsprop_v_W1)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, rho, epsilon, W1, b1, W2,
    b2, rmsprop_v_W1, rmsprop_v_b1, rmsprop_v_W2, rmsprop_v_b2, loss, x_batch, t_batch, scratch_1,
    scratch_2, scratch_3, scratch_4, scratch_5, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 1)))
        step(
            rows, x_rows, t_rows, learning_rate, rho, epsilon, W1, b1, W2, b2, rmsprop_v_W1,
            rmsprop_v_b1, rmsprop_v_W2, rmsprop_v_b2, loss, x_batch, t_batch, scratch_1, scratch_2,
            scratch_3, scratch_4, scratch_5, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
