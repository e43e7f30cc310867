"""train: target cpu."""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
    f64,
    gather_rows,
    isfinite,
    kernel,
    log1p,
    maximum,
    program,
    view,
    where,
)


# y = 1 / (1 + exp(-|z1|)) if z1 ≥ 0 else exp(-|z1|) / (1 + exp(-|z1|))
# net.py:6   dL/dz1 = (1 - t) * y / batch - t * (1 / (1 + exp(-|-z1|)) if -z1 ≥ 0 else exp(-|-z1|) / (1 + exp(-|-z1|))) / batch
# net.py:5   dL/db1 = sum_batch dL/dz1
# net.py:6   W1 <- W1 - learning_rate * dL/dW1
# accuracy = sum([[y > 0.5] == t]) / batch
# net.py:6   b1 <- b1 - learning_rate * dL/db1
# L = sum((max(-z1, 0) + log1p(exp(-|-z1|))) * t + (max(z1, 0) + log1p(exp(-|z1|))) * (1 - t)) / batch
@kernel
def k1_loss(batch, x, t, learning_rate, x_dL_dz1, W1, accuracy, b1, loss):
    total = f64(0.0)
    total_2 = f64(0.0)
    for i in range(3):
        x_dL_dz1[i] = f64(0.0)
    total_3 = f64(0.0)
    b1_0 = b1[0]
    t_2 = f64(1.0) / f64(batch)
    for i in range(batch):
        total_4 = f64(0.0)
        for j in range(3):
            total_4 = accumulate(total_4, x[i, j] * W1[j, 0])
        z1_i = total_4 + b1_0
        t_3 = -z1_i
        exp_1_i = exp(-abs(t_3))
        exp_1_2_i = exp(-abs(z1_i))
        t_i = t[i, 0]
        t_4 = f64(1.0) - t_i
        t_5 = (maximum(t_3, f64(0.0)) + log1p(exp_1_i)) * t_i + (maximum(z1_i, f64(0.0)) + log1p(exp_1_2_i)) * t_4
        total = accumulate(total, t_5)
        t_6 = f64(1.0) + exp_1_2_i
        y_i = where(z1_i >= f64(0.0), f64(1.0) / t_6, exp_1_2_i / t_6)
        total_2 = accumulate(total_2, f64(f64(y_i > f64(0.5)) == t_i))
        t_7 = f64(1.0) + exp_1_i
        t_8 = t_2 * t_i * where(t_3 >= f64(0.0), f64(1.0) / t_7, exp_1_i / t_7)
        dL_dz1_i = t_2 * t_4 * y_i - t_8
        for j in range(3):
            x_dL_dz1[j] = x_dL_dz1[j] + x[i, j] * dL_dz1_i
        total_3 = accumulate(total_3, dL_dz1_i)
    learning_rate_0 = learning_rate[0]
    for i in range(3):
        W1[i, 0] = W1[i, 0] - learning_rate_0 * x_dL_dz1[i]
    accuracy[0] = total_2 / f64(batch)
    loss[0] = total / f64(batch)
    b1[0] = b1_0 - learning_rate_0 * total_3


@program
def step(batch, x, t, learning_rate, W1, b1, loss, accuracy, x_batch, t_batch, scratch_1, fault):
    x_dL_dz1 = view(scratch_1, (3,))
    k1_loss(batch, x, t, learning_rate, x_dL_dz1, W1, accuracy, b1, loss)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, loss, accuracy,
    x_batch, t_batch, scratch_1, fault,
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
            rows, x_rows, t_rows, learning_rate, W1, b1, loss, accuracy, x_batch, t_batch,
            scratch_1, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        totals[1] += f64(rows) * f64(accuracy[0])
        done += 1
    return done
