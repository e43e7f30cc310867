"""train. Target cpu.

net.py:5   z1 = x W1 + b1
net.py:6   L = sum((max(-z1, 0) + log1p(exp(-|-z1|))) * t + (max(z1, 0) + log1p(exp(-|z1|))) * (1 - t)) / batch
net.py:5   y = sigmoid(z1)
net.py:6   accuracy = sum([[y > 0.5] == t]) / batch

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
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
    view,
)


# net.py:5   z1 = x W1 + b1
# net.py:5   y = sigmoid(z1)
# net.py:6   dL/dz1 = ((1 - t) * y - sigmoid(-z1) * t) / batch
# net.py:5   dL/db1 = sum_batch dL/dz1
# net.py:6   accuracy = sum([[y > 0.5] == t]) / batch
# net.py:6   L = sum((max(-z1, 0) + log1p(exp(-|-z1|))) * t + (max(z1, 0) + log1p(exp(-|z1|))) * (1 - t)) / batch
# net.py:6   b1 <- b1 - learning_rate * dL/db1
@kernel
def k1_loss(
    batch, x, W1, t, dL_dz1, total_parts, total_parts_2, dL_db1_parts, learning_rate, b1, accuracy,
    loss,
):
    b1_0 = b1[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        x_W1 = local_array((32, 1), f64)
        matmul(x[first:last], W1, x_W1[0 : last - first])
        sum_total = f64(0.0)
        sum_test = f64(0.0)
        sum_dL_dz1 = f64(0.0)
        for i in range(first, last):
            z1_i = x_W1[i - first, 0] + b1_0
            minus_z1_i = -z1_i
            t_i = t[i, 0]
            total_i = maximum(minus_z1_i, f64(0.0)) + log1p(exp(-abs(minus_z1_i)))
            one_minus_t_i = f64(1.0) - t_i
            total_i_2 = maximum(z1_i, f64(0.0)) + log1p(exp(-abs(z1_i)))
            sum_total = accumulate(sum_total, total_i * t_i + total_i_2 * one_minus_t_i)
            y_i = sigmoid(z1_i)
            sum_test = accumulate(sum_test, f64(f64(y_i > f64(0.5)) == t_i))
            ratio_i = sigmoid(minus_z1_i) * t_i / f64(batch)
            dL_dz1_i = one_minus_t_i / f64(batch) * y_i - ratio_i
            dL_dz1[i, 0] = dL_dz1_i
            sum_dL_dz1 = accumulate(sum_dL_dz1, dL_dz1_i)
        dL_db1_parts[panel, 0] = sum_dL_dz1
        total_parts_2[panel] = sum_test
        total_parts[panel] = sum_total
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    # The total_parts_2 of all panels, added up.
    sum_total_parts_2 = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts_2 = accumulate(sum_total_parts_2, total_parts_2[i])
    # The dL_db1_parts of all panels, added up.
    sum_dL_db1_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_dL_db1_parts = accumulate(sum_dL_db1_parts, dL_db1_parts[i, 0])
    accuracy[0] = sum_total_parts_2 / f64(batch)
    loss[0] = sum_total_parts / f64(batch)
    b1[0] = b1_0 - learning_rate[0] * sum_dL_db1_parts


# net.py:5   dL/dW1 = xᵀ dL/dz1
# net.py:6   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k2_W1(x, dL_dz1, learning_rate, W1):
    dL_dW1 = local_array((3, 1), f64)
    matmul_tn(x, dL_dz1, dL_dW1)
    learning_rate_0 = learning_rate[0]
    for i in range(3):
        W1[i, 0] = W1[i, 0] - learning_rate_0 * dL_dW1[i, 0]


@program
def step(
    batch, x, t, learning_rate, W1, b1, loss, accuracy, x_batch, t_batch, scratch_1, scratch_2,
    scratch_3, scratch_4, fault,
):
    total_parts = view(scratch_1, ((batch + 31) // 32,))
    total_parts_2 = view(scratch_2, ((batch + 31) // 32,))
    dL_db1_parts = view(scratch_3, ((batch + 31) // 32, 1))
    dL_dz1 = view(scratch_4, (batch, 1))
    k1_loss(
        batch, x, W1, t, dL_dz1, total_parts, total_parts_2, dL_db1_parts, learning_rate, b1,
        accuracy, loss,
    )
    k2_W1(x, dL_dz1, learning_rate, W1)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, loss, accuracy,
    x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 1)))
        step(
            rows, x_rows, t_rows, learning_rate, W1, b1, loss, accuracy, x_batch, t_batch,
            scratch_1, scratch_2, scratch_3, scratch_4, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        totals[1] += f64(rows) * f64(accuracy[0])
        done += 1
    return done
