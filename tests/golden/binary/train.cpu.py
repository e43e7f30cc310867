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


# net.py:9   z1 = x W1 + b1
# net.py:5   h1 = z1 * (1 / (1 + exp(-|z1|)) if z1 ≥ 0 else exp(-|z1|) / (1 + exp(-|z1|)))
# net.py:10   y = h1 W2 + b2
# net.py:12   dL/dy = ((1 / (1 + exp(-|y|)) if y ≥ 0 else exp(-|y|) / (1 + exp(-|y|))) - t) / batch
# net.py:10   dL/dh1 = dL/dy W2ᵀ
# net.py:9   dL/dz1 = dL/dh1 * (z1 * (1 / (1 + exp(-|-z1|)) if -z1 ≥ 0 else exp(-|-z1|) / (1 + exp(-|-z1|))) * (1 / (1 + exp(-|z1|)) if z1 ≥ 0 else exp(-|z1|) / (1 + exp(-|z1|))) + (1 / (1 + exp(-|z1|)) if z1 ≥ 0 else exp(-|z1|) / (1 + exp(-|z1|))))
# net.py:9   dL/db1 = sum_batch dL/dz1
# net.py:10   dL/dW2 = h1ᵀ dL/dy
# net.py:12   b2 <- b2 + (momentum * sgd_v_b2 - learning_rate * (sum_batch ((1 / (1 + exp(-|y|)) if y ≥ 0 else exp(-|y|) / (1 + exp(-|y|))) - t)) / batch)
# net.py:12   sgd_v_b2 <- momentum * sgd_v_b2 - learning_rate * (sum_batch ((1 / (1 + exp(-|y|)) if y ≥ 0 else exp(-|y|) / (1 + exp(-|y|))) - t)) / batch
# net.py:12   W2 <- W2 + (momentum * sgd_v_W2 - learning_rate * dL/dW2)
# net.py:12   sgd_v_W2 <- momentum * sgd_v_W2 - learning_rate * dL/dW2
# net.py:12   b1 <- b1 + (momentum * sgd_v_b1 - learning_rate * dL/db1)
# net.py:12   sgd_v_b1 <- momentum * sgd_v_b1 - learning_rate * dL/db1
# L = sum(max(y, 0) + log1p(exp(-|y|)) - t * y) / batch
@kernel
def k1_loss(
    batch, x, W1, x_W1, where_1, h1, t, dL_dz1, momentum, learning_rate, dL_dW2, dL_db1, b2,
    sgd_v_b2, W2, sgd_v_W2, b1, sgd_v_b1, loss,
):
    matmul(x, W1, x_W1)
    total = f64(0.0)
    for i in range(5):
        dL_db1[i] = f32(0.0)
    for i in range(5):
        dL_dW2[i, 0] = f32(0.0)
    total_2 = f64(0.0)
    b2_0 = b2[0]
    for i in range(batch):
        total_3 = f64(0.0)
        for j in range(5):
            z1_ij = x_W1[i, j] + b1[j]
            exp_ij = exp(-abs(z1_ij))
            sum_ij = f32(1.0) + exp_ij
            choice_ij = where(z1_ij >= f32(0.0), f32(1.0) / sum_ij, exp_ij / sum_ij)
            where_1[i, j] = choice_ij
            h1_ij = z1_ij * choice_ij
            h1[i, j] = h1_ij
            total_3 = accumulate(total_3, f64(h1_ij * W2[j, 0]))
        h1_W2_i = f32(total_3)
        y_i = h1_W2_i + b2_0
        exp_1_i = exp(-abs(y_i))
        t_i = t[i, 0]
        total = accumulate(total, f64(maximum(y_i, f32(0.0)) + log1p(exp_1_i) - t_i * y_i))
        sum_i = f32(1.0) + exp_1_i
        choice_i = where(y_i >= f32(0.0), f32(1.0) / sum_i, exp_1_i / sum_i)
        subtract_1_i = choice_i - t_i
        dL_dy_i = subtract_1_i / f32(batch)
        for j in range(5):
            z1_ij = x_W1[i, j] + b1[j]
            minus_ij = -z1_ij
            exp_ij_2 = exp(-abs(minus_ij))
            sum_ij_2 = f32(1.0) + exp_ij_2
            choice_ij_2 = where(minus_ij >= f32(0.0), f32(1.0) / sum_ij_2, exp_ij_2 / sum_ij_2)
            where_1_ij = where_1[i, j]
            dL_dz1_ij = dL_dy_i * W2[j, 0] * (z1_ij * choice_ij_2 * where_1_ij + where_1_ij)
            dL_dz1[i, j] = dL_dz1_ij
            dL_db1[j] = dL_db1[j] + dL_dz1_ij
            dL_dW2[j, 0] = dL_dW2[j, 0] + h1[i, j] * dL_dy_i
        total_2 = accumulate(total_2, f64(subtract_1_i))
    sum_subtract_1_0 = f32(total_2)
    sum_1_0 = f32(total)
    difference = f32(momentum[0]) * sgd_v_b2[0] - f32(learning_rate[0]) * sum_subtract_1_0 / f32(batch)
    new_b2 = b2_0 + difference
    b2[0] = new_b2
    sgd_v_b2[0] = difference
    momentum_0_f32 = f32(momentum[0])
    learning_rate_0_f32 = f32(learning_rate[0])
    for i in range(5):
        difference_i = momentum_0_f32 * sgd_v_W2[i, 0] - learning_rate_0_f32 * dL_dW2[i, 0]
        new_W2 = W2[i, 0] + difference_i
        W2[i, 0] = new_W2
        sgd_v_W2[i, 0] = difference_i
    for i in range(5):
        difference_i_2 = momentum_0_f32 * sgd_v_b1[i] - learning_rate_0_f32 * dL_db1[i]
        new_b1 = b1[i] + difference_i_2
        b1[i] = new_b1
        sgd_v_b1[i] = difference_i_2
    loss[0] = sum_1_0 / f32(batch)


# net.py:9   dL/dW1 = xᵀ dL/dz1
# net.py:12   W1 <- W1 + (momentum * sgd_v_W1 - learning_rate * dL/dW1)
# net.py:12   sgd_v_W1 <- momentum * sgd_v_W1 - learning_rate * dL/dW1
@kernel
def k2_sgd_v_W1(x, dL_dz1, momentum, learning_rate, dL_dW1, W1, sgd_v_W1):
    W1_flat = view(W1, (20,))
    sgd_v_W1_flat = view(sgd_v_W1, (20,))
    dL_dW1_flat = view(dL_dW1, (20,))
    matmul_tn(x, dL_dz1, dL_dW1)
    momentum_0_f32 = f32(momentum[0])
    learning_rate_0_f32 = f32(learning_rate[0])
    for i in range(20):
        difference_i = momentum_0_f32 * sgd_v_W1_flat[i] - learning_rate_0_f32 * dL_dW1_flat[i]
        new_W1 = W1_flat[i] + difference_i
        W1_flat[i] = new_W1
        sgd_v_W1_flat[i] = difference_i


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
    dL_dW2 = view(scratch_5, (5, 1))
    dL_dz1 = view(scratch_6, (batch, 5))
    k1_loss(
        batch, x, W1, x_W1, where_1, h1, t, dL_dz1, momentum, learning_rate, dL_dW2, dL_db1, b2,
        sgd_v_b2, W2, sgd_v_W2, b1, sgd_v_b1, loss,
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
