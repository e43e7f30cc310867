"""train: target cpu."""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    checked,
    exp,
    f32,
    f64,
    gather_rows,
    i32,
    i64,
    inf,
    isfinite,
    isnan,
    kernel,
    log,
    matmul,
    matmul_nt,
    matmul_tn,
    maximum,
    pow,
    program,
    sqrt,
    view,
    where,
)


# net.py:10   t = adam_step + 1
@kernel
def k1_cast_1(learning_rate, beta_2, adam_step, beta_1, cast_1):
    t_0 = f64(adam_step[0] + 1)
    ratio = learning_rate[0] * sqrt(f64(1.0) - pow(beta_2[0], t_0)) / (f64(1.0) - pow(beta_1[0], t_0))
    cast_1[0] = f32(ratio)


# net.py:10   adam_step <- adam_step + 1
@kernel
def k2_adam_step(adam_step):
    adam_step[0] = adam_step[0] + 1


# net.py:7   z1 = x W1 + b1
# h1 = max(z1, 0)
@kernel
def k3_h1(batch, x, W1, x_W1, b1, h1):
    matmul(x, W1, x_W1)
    for i in range(batch):
        for j in range(8):
            h1[i, j] = maximum(x_W1[i, j] + b1[j], f32(0.0))


# net.py:8   y = h1 W2 + b2
# net.py:10   dL/dy = (exp(y - max_axis1 y) / (sum_axis1 exp(y - max_axis1 y)) - onehot(t)) / batch
# net.py:8   dL/db2 = sum_batch (exp(y - max_axis1 y) / (sum_axis1 exp(y - max_axis1 y)) - onehot(t)) / batch
# net.py:10   b2 <- b2 - learning_rate * √(1 - beta_2^t) * (adam_m_b2 + (1 - beta_1) * (dL/db2 - adam_m_b2)) / ((1 - beta_1^t) * (√(adam_v_b2 + (1 - beta_2) * ((dL/db2)² - adam_v_b2)) + epsilon))
# net.py:10   adam_m_b2 <- adam_m_b2 + (1 - beta_1) * (dL/db2 - adam_m_b2)
# net.py:10   adam_v_b2 <- adam_v_b2 + (1 - beta_2) * ((dL/db2)² - adam_v_b2)
# accuracy = sum([argmax(y) == t]) / batch
# net.py:10   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch
@kernel
def k4_loss(
    batch, h1, W2, h1_W2, exp_1, t, beta_1, sum_1, beta_2, cast_1, epsilon, dL_dy, b2, adam_m_b2,
    adam_v_b2, accuracy, loss, fault,
):
    matmul(h1, W2, h1_W2)
    total = f64(0.0)
    total_2 = f64(0.0)
    for i in range(3):
        sum_1[i] = f32(0.0)
    for i in range(batch):
        largest = f32(-inf)
        largest_2 = f32(-inf)
        place = 0
        for j in range(3):
            y_ij = h1_W2[i, j] + b2[j]
            largest = maximum(largest, y_ij)
            if y_ij > largest_2 or (isnan(y_ij) and not isnan(largest_2)):
                largest_2 = y_ij
                place = j
        total_3 = f64(0.0)
        for j in range(3):
            exp_1_ij = exp(h1_W2[i, j] + b2[j] - largest)
            exp_1[i, j] = exp_1_ij
            total_3 = accumulate(total_3, f64(exp_1_ij))
        sum_exp_1_i = f32(total_3)
        t_i = t[i]
        place_i = checked(i64(t_i), 3, fault, 1)
        difference_i = h1_W2[i, place_i] + b2[place_i] - largest - log(sum_exp_1_i)
        total = accumulate(total, f64(difference_i))
        total_2 = accumulate(total_2, f64(f32(f32(place) == f32(t_i))))
        for j in range(3):
            subtract_1_ij = exp_1[i, j] / sum_exp_1_i - f32(i32(j) == t_i)
            dL_dy[i, j] = subtract_1_ij / f32(batch)
            sum_1[j] = sum_1[j] + subtract_1_ij
    sum_1_3_0 = f32(total_2)
    sum_1_2_0 = f32(total)
    number_2 = f32(f64(1.0) - beta_1[0])
    number_3 = f32(f64(1.0) - beta_2[0])
    cast_1_0 = cast_1[0]
    epsilon_0_f32 = f32(epsilon[0])
    for i in range(3):
        adam_m_b2_i = adam_m_b2[i]
        dL_db2_i = sum_1[i] / f32(batch)
        add_1_i = adam_m_b2_i + number_2 * (dL_db2_i - adam_m_b2_i)
        adam_v_b2_i = adam_v_b2[i]
        sum_i = adam_v_b2_i + number_3 * (dL_db2_i * dL_db2_i - adam_v_b2_i)
        difference_i_2 = b2[i] - cast_1_0 * add_1_i / (sqrt(sum_i) + epsilon_0_f32)
        b2[i] = difference_i_2
        adam_m_b2[i] = add_1_i
        adam_v_b2[i] = sum_i
    accuracy[0] = sum_1_3_0 / f32(batch)
    loss[0] = -(sum_1_2_0 / f32(batch))


# net.py:8   dL/dh1 = dL/dy W2ᵀ
# net.py:7   dL/dz1 = [z1 > 0] * dL/dh1
# net.py:7   dL/db1 = sum_batch dL/dz1
# net.py:10   b1 <- b1 - learning_rate * √(1 - beta_2^t) * (adam_m_b1 + (1 - beta_1) * (dL/db1 - adam_m_b1)) / ((1 - beta_1^t) * (√(adam_v_b1 + (1 - beta_2) * ((dL/db1)² - adam_v_b1)) + epsilon))
# net.py:10   adam_m_b1 <- adam_m_b1 + (1 - beta_1) * (dL/db1 - adam_m_b1)
# net.py:10   adam_v_b1 <- adam_v_b1 + (1 - beta_2) * ((dL/db1)² - adam_v_b1)
@kernel
def k5_adam_v_b1(
    batch, dL_dy, W2, x_W1, dL_dh1, dL_dz1, cast_1, beta_1, dL_db1, beta_2, epsilon, b1, adam_m_b1,
    adam_v_b1,
):
    matmul_nt(dL_dy, W2, dL_dh1)
    for i in range(8):
        dL_db1[i] = f32(0.0)
    for i in range(batch):
        for j in range(8):
            dL_dz1_ij = where(x_W1[i, j] + b1[j] > f32(0.0), dL_dh1[i, j], f32(0.0))
            dL_dz1[i, j] = dL_dz1_ij
            dL_db1[j] = dL_db1[j] + dL_dz1_ij
    number_2 = f32(f64(1.0) - beta_1[0])
    cast_1_0 = cast_1[0]
    number_3 = f32(f64(1.0) - beta_2[0])
    epsilon_0_f32 = f32(epsilon[0])
    for i in range(8):
        adam_m_b1_i = adam_m_b1[i]
        dL_db1_i = dL_db1[i]
        sum_i = adam_m_b1_i + number_2 * (dL_db1_i - adam_m_b1_i)
        adam_v_b1_i = adam_v_b1[i]
        sum_i_2 = adam_v_b1_i + number_3 * (dL_db1_i * dL_db1_i - adam_v_b1_i)
        difference_i = b1[i] - cast_1_0 * sum_i / (sqrt(sum_i_2) + epsilon_0_f32)
        b1[i] = difference_i
        adam_m_b1[i] = sum_i
        adam_v_b1[i] = sum_i_2


# net.py:7   dL/dW1 = xᵀ dL/dz1
# net.py:10   W1 <- W1 - learning_rate * √(1 - beta_2^t) * (adam_m_W1 + (1 - beta_1) * (dL/dW1 - adam_m_W1)) / ((1 - beta_1^t) * (√(adam_v_W1 + (1 - beta_2) * ((dL/dW1)² - adam_v_W1)) + epsilon))
# net.py:10   adam_m_W1 <- adam_m_W1 + (1 - beta_1) * (dL/dW1 - adam_m_W1)
# net.py:10   adam_v_W1 <- adam_v_W1 + (1 - beta_2) * ((dL/dW1)² - adam_v_W1)
@kernel
def k6_adam_v_W1(x, dL_dz1, cast_1, beta_1, dL_dW1, beta_2, epsilon, W1, adam_m_W1, adam_v_W1):
    W1_flat = view(W1, (48,))
    adam_m_W1_flat = view(adam_m_W1, (48,))
    dL_dW1_flat = view(dL_dW1, (48,))
    adam_v_W1_flat = view(adam_v_W1, (48,))
    matmul_tn(x, dL_dz1, dL_dW1)
    number_2 = f32(f64(1.0) - beta_1[0])
    cast_1_0 = cast_1[0]
    number_3 = f32(f64(1.0) - beta_2[0])
    epsilon_0_f32 = f32(epsilon[0])
    for i in range(48):
        adam_m_W1_i = adam_m_W1_flat[i]
        dL_dW1_i = dL_dW1_flat[i]
        sum_i = adam_m_W1_i + number_2 * (dL_dW1_i - adam_m_W1_i)
        adam_v_W1_i = adam_v_W1_flat[i]
        sum_i_2 = adam_v_W1_i + number_3 * (dL_dW1_i * dL_dW1_i - adam_v_W1_i)
        difference_i = W1_flat[i] - cast_1_0 * sum_i / (sqrt(sum_i_2) + epsilon_0_f32)
        W1_flat[i] = difference_i
        adam_m_W1_flat[i] = sum_i
        adam_v_W1_flat[i] = sum_i_2


# net.py:8   dL/dW2 = h1ᵀ dL/dy
# net.py:10   W2 <- W2 - learning_rate * √(1 - beta_2^t) * (adam_m_W2 + (1 - beta_1) * (dL/dW2 - adam_m_W2)) / ((1 - beta_1^t) * (√(adam_v_W2 + (1 - beta_2) * ((dL/dW2)² - adam_v_W2)) + epsilon))
# net.py:10   adam_m_W2 <- adam_m_W2 + (1 - beta_1) * (dL/dW2 - adam_m_W2)
# net.py:10   adam_v_W2 <- adam_v_W2 + (1 - beta_2) * ((dL/dW2)² - adam_v_W2)
@kernel
def k7_adam_v_W2(h1, dL_dy, cast_1, beta_1, dL_dW2, beta_2, epsilon, W2, adam_m_W2, adam_v_W2):
    W2_flat = view(W2, (24,))
    adam_m_W2_flat = view(adam_m_W2, (24,))
    dL_dW2_flat = view(dL_dW2, (24,))
    adam_v_W2_flat = view(adam_v_W2, (24,))
    matmul_tn(h1, dL_dy, dL_dW2)
    number_2 = f32(f64(1.0) - beta_1[0])
    cast_1_0 = cast_1[0]
    number_3 = f32(f64(1.0) - beta_2[0])
    epsilon_0_f32 = f32(epsilon[0])
    for i in range(24):
        adam_m_W2_i = adam_m_W2_flat[i]
        dL_dW2_i = dL_dW2_flat[i]
        sum_i = adam_m_W2_i + number_2 * (dL_dW2_i - adam_m_W2_i)
        adam_v_W2_i = adam_v_W2_flat[i]
        sum_i_2 = adam_v_W2_i + number_3 * (dL_dW2_i * dL_dW2_i - adam_v_W2_i)
        difference_i = W2_flat[i] - cast_1_0 * sum_i / (sqrt(sum_i_2) + epsilon_0_f32)
        W2_flat[i] = difference_i
        adam_m_W2_flat[i] = sum_i
        adam_v_W2_flat[i] = sum_i_2


@program
def step(
    batch, x, t, learning_rate, beta_1, beta_2, epsilon, W1, b1, W2, b2, adam_m_W1, adam_v_W1,
    adam_m_b1, adam_v_b1, adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step, loss, accuracy,
    x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7,
    fault,
):
    cast_1 = view(scratch_1, (1,))
    x_W1 = view(scratch_2, (batch, 8))
    h1 = view(scratch_3, (batch, 8))
    h1_W2 = view(scratch_4, (batch, 3))
    dL_dh1 = view(scratch_4, (batch, 8))
    exp_1 = view(scratch_5, (batch, 3))
    dL_dz1 = view(scratch_5, (batch, 8))
    sum_1 = view(scratch_6, (3,))
    dL_db1 = view(scratch_6, (8,))
    dL_dW1 = view(scratch_6, (6, 8))
    dL_dW2 = view(scratch_6, (8, 3))
    dL_dy = view(scratch_7, (batch, 3))
    k1_cast_1(learning_rate, beta_2, adam_step, beta_1, cast_1)
    k2_adam_step(adam_step)
    k3_h1(batch, x, W1, x_W1, b1, h1)
    k4_loss(
        batch, h1, W2, h1_W2, exp_1, t, beta_1, sum_1, beta_2, cast_1, epsilon, dL_dy, b2,
        adam_m_b2, adam_v_b2, accuracy, loss, fault,
    )
    k5_adam_v_b1(
        batch, dL_dy, W2, x_W1, dL_dh1, dL_dz1, cast_1, beta_1, dL_db1, beta_2, epsilon, b1,
        adam_m_b1, adam_v_b1,
    )
    k6_adam_v_W1(x, dL_dz1, cast_1, beta_1, dL_dW1, beta_2, epsilon, W1, adam_m_W1, adam_v_W1)
    k7_adam_v_W2(h1, dL_dy, cast_1, beta_1, dL_dW2, beta_2, epsilon, W2, adam_m_W2, adam_v_W2)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, beta_1, beta_2, epsilon, W1,
    b1, W2, b2, adam_m_W1, adam_v_W1, adam_m_b1, adam_v_b1, adam_m_W2, adam_v_W2, adam_m_b2,
    adam_v_b2, adam_step, loss, accuracy, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, scratch_6, scratch_7, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 6))
        gather_rows(x, order, start, x_rows)
        t_rows = view(t_batch, (rows,))
        gather_rows(t, order, start, t_rows)
        step(
            rows, x_rows, t_rows, learning_rate, beta_1, beta_2, epsilon, W1, b1, W2, b2, adam_m_W1,
            adam_v_W1, adam_m_b1, adam_v_b1, adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step,
            loss, accuracy, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5,
            scratch_6, scratch_7, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        totals[1] += f64(rows) * f64(accuracy[0])
        done += 1
    return done
