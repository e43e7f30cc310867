"""train. Target cpu.

net.py:7   y = x W1 + b1
net.py:9   L = sum((y - t)²) / batch + 0.01 sum(W1²)

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
    matmul_tn,
    prange,
    program,
    rows_in_order,
    view,
)


# net.py:7   total_W1_squared = sum(W1²)
@kernel
def k1_total_W1_squared(W1, total_W1_squared):
    sum_W1_squared = f64(0.0)
    for i in range(3):
        W1_i = W1[i, 0]
        sum_W1_squared = accumulate(sum_W1_squared, f64(W1_i * W1_i))
    total_W1_squared[0] = f32(sum_W1_squared)


# net.py:7   y = x W1 + b1
# net.py:9   dL/dy = 2 (y - t) / batch
# net.py:7   dL/db1 = sum_batch dL/dy
# net.py:9   L = sum((y - t)²) / batch + 0.01 sum(W1²)
# net.py:9   b1 <- b1 - learning_rate * dL/db1
@kernel
def k2_loss(
    batch, x, W1, t, dL_dy, total_parts, dL_db1_parts, learning_rate, total_W1_squared, b1, loss,
):
    b1_0 = b1[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        x_W1 = local_array((32, 1), f32)
        matmul(x[first:last], W1, x_W1[0 : last - first])
        sum_square = f64(0.0)
        sum_dL_dy = f64(0.0)
        for i in range(first, last):
            y_minus_t_i = x_W1[i - first, 0] + b1_0 - t[i, 0]
            sum_square = accumulate(sum_square, f64(y_minus_t_i * y_minus_t_i))
            dL_dy_i = f32(2.0) * y_minus_t_i / f32(batch)
            dL_dy[i, 0] = dL_dy_i
            sum_dL_dy = accumulate(sum_dL_dy, f64(dL_dy_i))
        dL_db1_parts[panel, 0] = sum_dL_dy
        total_parts[panel] = sum_square
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    # The dL_db1_parts of all panels, added up.
    sum_dL_db1_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_dL_db1_parts = accumulate(sum_dL_db1_parts, dL_db1_parts[i, 0])
    dL_db1_0 = f32(sum_dL_db1_parts)
    loss[0] = total_0 / f32(batch) + f32(0.01) * total_W1_squared[0]
    b1[0] = b1_0 - f32(learning_rate[0]) * dL_db1_0


# net.py:7   dL/dW1 = 0.02 W1 + xᵀ dL/dy
# net.py:9   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k3_W1(x, dL_dy, learning_rate, W1):
    x_dL_dy = local_array((3, 1), f32)
    matmul_tn(x, dL_dy, x_dL_dy)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(3):
        W1_i = W1[i, 0]
        W1[i, 0] = W1_i - learning_rate_f32 * (f32(0.02) * W1_i + x_dL_dy[i, 0])


@program
def step(
    batch, x, t, learning_rate, W1, b1, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, fault,
):
    total_W1_squared = view(scratch_1, (1,))
    total_parts = view(scratch_2, ((batch + 31) // 32,))
    dL_db1_parts = view(scratch_3, ((batch + 31) // 32, 1))
    dL_dy = view(scratch_4, (batch, 1))
    k1_total_W1_squared(W1, total_W1_squared)
    k2_loss(
        batch, x, W1, t, dL_dy, total_parts, dL_db1_parts, learning_rate, total_W1_squared, b1,
        loss,
    )
    k3_W1(x, dL_dy, learning_rate, W1)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, loss, x_batch,
    t_batch, scratch_1, scratch_2, scratch_3, scratch_4, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 3)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 1)))
        step(
            rows, x_rows, t_rows, learning_rate, W1, b1, loss, x_batch, t_batch, scratch_1,
            scratch_2, scratch_3, scratch_4, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
