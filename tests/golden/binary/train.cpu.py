"""train. Target cpu.

net.py:9    z1 = x W1 + b1
net.py:5    h1 = z1 * sigmoid(z1)
net.py:10   y = h1 W2 + b2
net.py:12   L = sum(max(y, 0) + log1p(exp(-|y|)) - t * y) / batch

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
    transposed,
    view,
)


# net.py:9    z1 = x W1 + b1
# net.py:5    h1 = z1 * sigmoid(z1)
# net.py:10   y = h1 W2 + b2
# net.py:12   dL/dy = (sigmoid(y) - t) / batch
# net.py:10   dL/dh1 = dL/dy W2ᵀ
# net.py:9    dL/dz1 = dL/dh1 * (z1 * sigmoid(-z1) * sigmoid(z1) + sigmoid(z1))
# net.py:9    dL/db1 = sum_batch dL/dz1
# net.py:10   dL/dW2 = h1ᵀ dL/dy
# net.py:10   dL/db2 = sum_batch dL/dy
# net.py:12   L = sum(max(y, 0) + log1p(exp(-|y|)) - t * y) / batch
# net.py:12   sgd_v_b2 <- momentum * sgd_v_b2 - learning_rate * dL/db2
# net.py:12   b2 <- b2 + sgd_v_b2
# net.py:12   sgd_v_W2 <- momentum * sgd_v_W2 - learning_rate * dL/dW2
# net.py:12   W2 <- W2 + sgd_v_W2
# net.py:12   sgd_v_b1 <- momentum * sgd_v_b1 - learning_rate * dL/db1
# net.py:12   b1 <- b1 + sgd_v_b1
@kernel
def k1_loss(
    batch, x, W1, t, dL_dz1, total_parts, dL_db1_parts, dL_dW2_parts, dL_db2_parts, momentum,
    learning_rate, b2, sgd_v_b2, W2, sgd_v_W2, b1, sgd_v_b1, loss,
):
    dL_dW2 = local_array((5, 1), f32)
    dL_db1 = local_array((5,), f32)
    b2_0 = b2[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        x_W1 = local_array((32, 5), f32)
        sigmoid_z1 = local_array((5, 32), f32)
        h1 = local_array((5, 32), f32)
        x_W1_columns = local_array((5, 32), f32)
        dL_dz1_columns = local_array((5, 32), f32)
        matmul(x[first:last], W1, x_W1[0 : last - first])
        transposed(x_W1[0 : last - first], x_W1_columns)
        sum_difference = f64(0.0)
        for i in range(5):
            dL_db1_parts[panel, i] = f32(0.0)
            dL_dW2_parts[panel, i, 0] = f32(0.0)
        sum_dL_dy = f64(0.0)
        for i in range(first, last):
            sum_h1_times_W2 = f64(0.0)
            for j in range(5):
                z1_ij = x_W1_columns[j, i - first] + b1[j]
                sigmoid_z1_ij = sigmoid(z1_ij)
                sigmoid_z1[j, i - first] = sigmoid_z1_ij
                h1_ij = z1_ij * sigmoid_z1_ij
                h1[j, i - first] = h1_ij
                sum_h1_times_W2 = accumulate(sum_h1_times_W2, f64(h1_ij * W2[j, 0]))
            h1_W2_i = f32(sum_h1_times_W2)
            y_i = h1_W2_i + b2_0
            t_i = t[i, 0]
            difference_i = maximum(y_i, f32(0.0)) + log1p(exp(-abs(y_i))) - t_i * y_i
            sum_difference = accumulate(sum_difference, f64(difference_i))
            dL_dy_i = (sigmoid(y_i) - t_i) / f32(batch)
            for j in range(5):
                z1_ij = x_W1_columns[j, i - first] + b1[j]
                sigmoid_z1_ij = sigmoid_z1[j, i - first]
                total_ij = z1_ij * sigmoid(-z1_ij) * sigmoid_z1_ij + sigmoid_z1_ij
                dL_dz1_ij = dL_dy_i * W2[j, 0] * total_ij
                dL_dz1_columns[j, i - first] = dL_dz1_ij
                dL_db1_parts[panel, j] = accumulate(dL_db1_parts[panel, j], dL_dz1_ij)
                h1_times_dL_dy_ij = h1[j, i - first] * dL_dy_i
                dL_dW2_parts[panel, j, 0] = accumulate(dL_dW2_parts[panel, j, 0], h1_times_dL_dy_ij)
            sum_dL_dy = accumulate(sum_dL_dy, f64(dL_dy_i))
        dL_db2_parts[panel, 0] = sum_dL_dy
        total_parts[panel] = sum_difference
        transposed(dL_dz1_columns, dL_dz1[first:last])
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    # The dL_db1_parts and dL_dW2_parts of all panels, added up.
    for i in range(5):
        dL_db1[i] = f32(0.0)
        dL_dW2[i, 0] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(5):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]
            dL_dW2[j, 0] = dL_dW2[j, 0] + dL_dW2_parts[i, j, 0]
    # The dL_db2_parts of all panels, added up.
    sum_dL_db2_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_dL_db2_parts = accumulate(sum_dL_db2_parts, dL_db2_parts[i, 0])
    dL_db2_0 = f32(sum_dL_db2_parts)
    new_sgd_v_b2 = f32(momentum[0]) * sgd_v_b2[0] - f32(learning_rate[0]) * dL_db2_0
    new_b2 = b2_0 + new_sgd_v_b2
    b2[0] = new_b2
    sgd_v_b2[0] = new_sgd_v_b2
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(5):
        new_sgd_v_W2 = momentum_f32 * sgd_v_W2[i, 0] - learning_rate_f32 * dL_dW2[i, 0]
        new_W2 = W2[i, 0] + new_sgd_v_W2
        new_sgd_v_b1 = momentum_f32 * sgd_v_b1[i] - learning_rate_f32 * dL_db1[i]
        new_b1 = b1[i] + new_sgd_v_b1
        W2[i, 0] = new_W2
        sgd_v_W2[i, 0] = new_sgd_v_W2
        b1[i] = new_b1
        sgd_v_b1[i] = new_sgd_v_b1
    loss[0] = total_0 / f32(batch)


# net.py:9    dL/dW1 = xᵀ dL/dz1
# net.py:12   sgd_v_W1 <- momentum * sgd_v_W1 - learning_rate * dL/dW1
# net.py:12   W1 <- W1 + sgd_v_W1
@kernel
def k2_W1(x, dL_dz1, momentum, learning_rate, W1, sgd_v_W1):
    dL_dW1 = local_array((4, 5), f32)
    W1_flat = view(W1, (20,))
    sgd_v_W1_flat = view(sgd_v_W1, (20,))
    dL_dW1_flat = view(dL_dW1, (20,))
    matmul_tn(x, dL_dz1, dL_dW1)
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(20):
        new_sgd_v_W1 = momentum_f32 * sgd_v_W1_flat[i] - learning_rate_f32 * dL_dW1_flat[i]
        new_W1 = W1_flat[i] + new_sgd_v_W1
        W1_flat[i] = new_W1
        sgd_v_W1_flat[i] = new_sgd_v_W1


@program
def step(
    batch, x, t, learning_rate, momentum, W1, b1, W2, b2, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2,
    loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, fault,
):
    total_parts = view(scratch_1, ((batch + 31) // 32,))
    dL_db1_parts = view(scratch_2, ((batch + 31) // 32, 5))
    dL_dW2_parts = view(scratch_3, ((batch + 31) // 32, 5, 1))
    dL_db2_parts = view(scratch_4, ((batch + 31) // 32, 1))
    dL_dz1 = view(scratch_5, (batch, 5))
    k1_loss(
        batch, x, W1, t, dL_dz1, total_parts, dL_db1_parts, dL_dW2_parts, dL_db2_parts, momentum,
        learning_rate, b2, sgd_v_b2, W2, sgd_v_W2, b1, sgd_v_b1, loss,
    )
    k2_W1(x, dL_dz1, momentum, learning_rate, W1, sgd_v_W1)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, momentum, W1, b1, W2, b2,
    sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 4)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 1)))
        step(
            rows, x_rows, t_rows, learning_rate, momentum, W1, b1, W2, b2, sgd_v_W1, sgd_v_b1,
            sgd_v_W2, sgd_v_b2, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4,
            scratch_5, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
