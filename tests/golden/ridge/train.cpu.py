"""train. Target cpu.

net.py:7   y = x W1 + b1
net.py:9   L = sum((y - t)²) / batch + 0.01 sum(W1²)
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    f32,
    f64,
    gather_rows,
    isfinite,
    kernel,
    local_array,
    program,
    view,
)


# net.py:7   total = sum(W1²)
@kernel
def k1_total(W1, total):
    sum_square = f64(0.0)
    for i in range(3):
        W1_i = W1[i, 0]
        sum_square = accumulate(sum_square, f64(W1_i * W1_i))
    total[0] = f32(sum_square)


# net.py:7   y = x W1 + b1
# net.py:9   dL/dy = 2 (y - t) / batch
# net.py:7   dL/db1 = sum_batch dL/dy
# net.py:7   dL/dW1 = 0.02 W1 + xᵀ dL/dy
# net.py:9   L = sum((y - t)²) / batch + 0.01 sum(W1²)
# net.py:9   b1 <- b1 - learning_rate * dL/db1
# net.py:9   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k2_loss(batch, x, t, learning_rate, total, b1, W1, loss):
    x_dL_dy = local_array((3, 1), f32)
    sum_square = f64(0.0)
    for i in range(3):
        x_dL_dy[i, 0] = f32(0.0)
    sum_dL_dy = f64(0.0)
    b1_0 = b1[0]
    for i in range(batch):
        sum_product = f64(0.0)
        for j in range(3):
            sum_product = accumulate(sum_product, f64(x[i, j] * W1[j, 0]))
        x_W1_i = f32(sum_product)
        difference_i = x_W1_i + b1_0 - t[i, 0]
        sum_square = accumulate(sum_square, f64(difference_i * difference_i))
        dL_dy_i = f32(2.0) * difference_i / f32(batch)
        for j in range(3):
            x_dL_dy[j, 0] = x_dL_dy[j, 0] + x[i, j] * dL_dy_i
        sum_dL_dy = accumulate(sum_dL_dy, f64(dL_dy_i))
    dL_db1_0 = f32(sum_dL_dy)
    total_2_0 = f32(sum_square)
    b1[0] = b1_0 - f32(learning_rate[0]) * dL_db1_0
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(3):
        W1_i = W1[i, 0]
        W1[i, 0] = W1_i - learning_rate_f32 * (f32(0.02) * W1_i + x_dL_dy[i, 0])
    loss[0] = total_2_0 / f32(batch) + f32(0.01) * total[0]


@program
def step(batch, x, t, learning_rate, W1, b1, loss, x_batch, t_batch, scratch_1, fault):
    total = view(scratch_1, (1,))
    k1_total(W1, total)
    k2_loss(batch, x, t, learning_rate, total, b1, W1, loss)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, loss, x_batch,
    t_batch, scratch_1, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 3))
        gather_rows(x, order, start, x_rows)
        t_rows = view(t_batch, (rows, 1))
        gather_rows(t, order, start, t_rows)
        step(rows, x_rows, t_rows, learning_rate, W1, b1, loss, x_batch, t_batch, scratch_1, fault)
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
