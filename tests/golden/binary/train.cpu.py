"""train: target cpu."""

from chainrule.runtime.devices.cpu.library import (
    abs,
    accumulate,
    exp,
    f32,
    f64,
    gather_rows,
    isfinite,
    kernel,
    log1p,
    matmul,
    matmul_tn,
    maximum,
    program,
    view,
    where,
)


# net.py:5   h1 = z1 * (1 / (1 + exp(-|z1|)) if z1 ≥ 0 else exp(-|z1|) / (1 + exp(-|z1|)))
# net.py:12   dL/dy = (1 / (1 + exp(-|y|)) if y ≥ 0 else exp(-|y|) / (1 + exp(-|y|))) / batch - t / batch
# net.py:9   dL/dz1 = dL/dh1 * (z1 * (1 / (1 + exp(-|-z1|)) if -z1 ≥ 0 else exp(-|-z1|) / (1 + exp(-|-z1|))) * (1 / (1 + exp(-|z1|)) if z1 ≥ 0 else exp(-|z1|) / (1 + exp(-|z1|))) + (1 / (1 + exp(-|z1|)) if z1 ≥ 0 else exp(-|z1|) / (1 + exp(-|z1|))))
# net.py:9   dL/db1 = sum_batch dL/dz1
# net.py:10   dL/db2 = sum_batch dL/dy
# net.py:12   W2 <- W2 + (momentum * sgd_v_W2 - learning_rate * dL/dW2)
# net.py:12   sgd_v_W2 <- momentum * sgd_v_W2 - learning_rate * dL/dW2
# net.py:12   b1 <- b1 + (momentum * sgd_v_b1 - learning_rate * dL/db1)
# net.py:12   sgd_v_b1 <- momentum * sgd_v_b1 - learning_rate * dL/db1
# net.py:12   b2 <- b2 + (momentum * sgd_v_b2 - learning_rate * dL/db2)
# net.py:12   sgd_v_b2 <- momentum * sgd_v_b2 - learning_rate * dL/db2
# L = sum(max(y, 0) + log1p(exp(-|y|)) - t * y) / batch
@kernel
def k1_loss(
    batch, x, W1, x_W1, where_1, h1, t, dL_dz1, momentum, learning_rate, h1_dL_dy, dL_db1, W2,
    sgd_v_W2, b1, sgd_v_b1, b2, sgd_v_b2, loss,
):
    matmul(x, W1, x_W1)
    total = f64(0.0)
    for i in range(5):
        dL_db1[i] = f32(0.0)
    for i in range(5):
        h1_dL_dy[i] = f32(0.0)
    total_2 = f64(0.0)
    b2_0 = b2[0]
    t_2 = f32(1.0) / f32(batch)
    for i in range(batch):
        total_3 = f64(0.0)
        for j in range(5):
            z1_ij = x_W1[i, j] + b1[j]
            t_3 = exp(-abs(z1_ij))
            t_4 = f32(1.0) + t_3
            where_1_ij = where(z1_ij >= f32(0.0), f32(1.0) / t_4, t_3 / t_4)
            where_1[i, j] = where_1_ij
            h1_ij = z1_ij * where_1_ij
            h1[i, j] = h1_ij
            total_3 = accumulate(total_3, f64(h1_ij * W2[j, 0]))
        h1_W2_i = f32(total_3)
        y_i = h1_W2_i + b2_0
        exp_1_i = exp(-abs(y_i))
        t_i = t[i, 0]
        total = accumulate(total, f64(maximum(y_i, f32(0.0)) + log1p(exp_1_i) - t_i * y_i))
        t_5 = f32(1.0) + exp_1_i
        t_6 = t_2 * where(y_i >= f32(0.0), f32(1.0) / t_5, exp_1_i / t_5)
        dL_dy_i = t_6 - t_2 * t_i
        for j in range(5):
            z1_ij = x_W1[i, j] + b1[j]
            t_7 = -z1_ij
            t_8 = exp(-abs(t_7))
            t_9 = f32(1.0) + t_8
            t_10 = z1_ij * where(t_7 >= f32(0.0), f32(1.0) / t_9, t_8 / t_9)
            where_1_ij = where_1[i, j]
            dL_dz1_ij = dL_dy_i * W2[j, 0] * (t_10 * where_1_ij + where_1_ij)
            dL_dz1[i, j] = dL_dz1_ij
            dL_db1[j] = dL_db1[j] + dL_dz1_ij
            h1_dL_dy[j] = h1_dL_dy[j] + h1[i, j] * dL_dy_i
        total_2 = accumulate(total_2, f64(dL_dy_i))
    t_11 = f32(momentum[0])
    t_12 = f32(learning_rate[0])
    for i in range(5):
        t_13 = t_11 * sgd_v_W2[i, 0] - t_12 * h1_dL_dy[i]
        new_W2 = W2[i, 0] + t_13
        W2[i, 0] = new_W2
        sgd_v_W2[i, 0] = t_13
    for i in range(5):
        t_14 = t_11 * sgd_v_b1[i] - t_12 * dL_db1[i]
        new_b1 = b1[i] + t_14
        b1[i] = new_b1
        sgd_v_b1[i] = t_14
    dL_db2_0 = f32(total_2)
    sum_1_0 = f32(total)
    t_15 = t_11 * sgd_v_b2[0] - t_12 * dL_db2_0
    new_b2 = b2_0 + t_15
    loss[0] = sum_1_0 / f32(batch)
    b2[0] = new_b2
    sgd_v_b2[0] = t_15


# dL/dW1 = xᵀ dL/dz1
# net.py:12   W1 <- W1 + (momentum * sgd_v_W1 - learning_rate * dL/dW1)
# net.py:12   sgd_v_W1 <- momentum * sgd_v_W1 - learning_rate * dL/dW1
@kernel
def k2_sgd_v_W1(x, dL_dz1, momentum, learning_rate, dL_dW1, W1, sgd_v_W1):
    matmul_tn(x, dL_dz1, dL_dW1)
    t_2 = f32(momentum[0])
    t_3 = f32(learning_rate[0])
    for i in range(4):
        for j in range(5):
            t_4 = t_2 * sgd_v_W1[i, j] - t_3 * dL_dW1[i, j]
            new_W1 = W1[i, j] + t_4
            W1[i, j] = new_W1
            sgd_v_W1[i, j] = t_4


@program
def step(
    batch, x, t, learning_rate, momentum, W1, b1, W2, b2, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2,
    loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, fault,
):
    x_W1 = view(scratch_1, (batch, 5))
    where_1 = view(scratch_2, (batch, 5))
    dL_db1 = view(scratch_3, (5,))
    dL_dW1 = view(scratch_3, (4, 5))
    h1 = view(scratch_4, (batch, 5))
    h1_dL_dy = view(scratch_5, (5,))
    dL_dz1 = view(scratch_6, (batch, 5))
    k1_loss(
        batch, x, W1, x_W1, where_1, h1, t, dL_dz1, momentum, learning_rate, h1_dL_dy, dL_db1, W2,
        sgd_v_W2, b1, sgd_v_b1, b2, sgd_v_b2, loss,
    )
    k2_sgd_v_W1(x, dL_dz1, momentum, learning_rate, dL_dW1, W1, sgd_v_W1)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, momentum, W1, b1, W2, b2,
    sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, scratch_6, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 4))
        gather_rows(x, order, start, x_rows)
        t_rows = view(t_batch, (rows, 1))
        gather_rows(t, order, start, t_rows)
        step(
            rows, x_rows, t_rows, learning_rate, momentum, W1, b1, W2, b2, sgd_v_W1, sgd_v_b1,
            sgd_v_W2, sgd_v_b2, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4,
            scratch_5, scratch_6, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
