"""train: target cpu."""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    f32,
    f64,
    gather_rows,
    isfinite,
    kernel,
    program,
    view,
)


# sum_1 = sum(W1²)
@kernel
def k1_sum_1(W1, sum_1):
    total = f64(0.0)
    for i in range(3):
        W1_i = W1[i, 0]
        total = accumulate(total, f64(W1_i * W1_i))
    sum_1[0] = f32(total)


# net.py:7   y = x W1 + b1
# net.py:9   dL/dy = -2 (t - y) / batch
# net.py:9   b1 <- b1 + learning_rate * (sum_batch (2 (t - y))) / batch
# net.py:7   dL/dW1 = 0.02 W1 + xᵀ dL/dy
# net.py:9   W1 <- W1 - learning_rate * dL/dW1
# net.py:9   L = sum((t - y)²) / batch + 0.01 sum(W1²)
@kernel
def k2_loss(batch, x, t, learning_rate, x_dL_dy, sum_1, b1, W1, loss):
    total = f64(0.0)
    for i in range(3):
        x_dL_dy[i, 0] = f32(0.0)
    total_2 = f64(0.0)
    b1_0 = b1[0]
    for i in range(batch):
        total_3 = f64(0.0)
        for j in range(3):
            total_3 = accumulate(total_3, f64(x[i, j] * W1[j, 0]))
        x_W1_i = f32(total_3)
        difference_i = t[i, 0] - (x_W1_i + b1_0)
        total = accumulate(total, f64(difference_i * difference_i))
        dL_dy_i = -(f32(2.0) * difference_i / f32(batch))
        for j in range(3):
            x_dL_dy[j, 0] = x_dL_dy[j, 0] + x[i, j] * dL_dy_i
        total_2 = accumulate(total_2, f64(f32(2.0) * difference_i))
    sum_1_3_0 = f32(total_2)
    sum_1_2_0 = f32(total)
    b1[0] = b1_0 + f32(learning_rate[0]) * sum_1_3_0 / f32(batch)
    learning_rate_0_f32 = f32(learning_rate[0])
    for i in range(3):
        W1_i = W1[i, 0]
        difference_i_2 = W1_i - learning_rate_0_f32 * (f32(0.02) * W1_i + x_dL_dy[i, 0])
        W1[i, 0] = difference_i_2
    loss[0] = sum_1_2_0 / f32(batch) + f32(0.01) * sum_1[0]


@program
def step(batch, x, t, learning_rate, W1, b1, loss, x_batch, t_batch, scratch_1, scratch_2, fault):
    sum_1 = view(scratch_1, (1,))
    x_dL_dy = view(scratch_2, (3, 1))
    k1_sum_1(W1, sum_1)
    k2_loss(batch, x, t, learning_rate, x_dL_dy, sum_1, b1, W1, loss)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, loss, x_batch,
    t_batch, scratch_1, scratch_2, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 3))
        gather_rows(x, order, start, x_rows)
        t_rows = view(t_batch, (rows, 1))
        gather_rows(t, order, start, t_rows)
        step(
            rows, x_rows, t_rows, learning_rate, W1, b1, loss, x_batch, t_batch, scratch_1,
            scratch_2, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
