"""train. Target cpu.

net.py:7    z1 = x W1 + b1
net.py:7    h1 = max(z1, 0)
net.py:8    y = h1 W2 + b2
net.py:10   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch
net.py:10   accuracy = sum([argmax(y) == t]) / batch

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    checked,
    exp,
    f32,
    f64,
    i32,
    i64,
    inf,
    isfinite,
    isnan,
    kernel,
    local_array,
    log,
    matmul,
    matmul_nt,
    matmul_tn,
    maximum,
    pow,
    prange,
    program,
    rows_in_order,
    sqrt,
    transposed,
    view,
    where,
)


# net.py:10   step_size = learning_rate * √(1 - beta_2^(adam_step + 1)) / (1 - beta_1^(adam_step + 1))
@kernel
def k1_step_size(learning_rate, beta_2, adam_step, beta_1, step_size):
    adam_step_plus_one = f64(adam_step[0] + 1)
    step_size_2 = learning_rate[0] * sqrt(f64(1.0) - pow(beta_2[0], adam_step_plus_one))
    step_size[0] = f32(step_size_2 / (f64(1.0) - pow(beta_1[0], adam_step_plus_one)))


# net.py:10   adam_step <- adam_step + 1
@kernel
def k2_adam_step(adam_step):
    adam_step[0] = adam_step[0] + 1


# net.py:7   z1 = x W1 + b1
# net.py:7   h1 = max(z1, 0)
@kernel
def k3_h1(batch, x, W1, x_W1, b1, h1):
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        matmul(x[first:last], W1, x_W1[first:last])
        for i in range(first, last):
            for j in range(8):
                h1[i, j] = maximum(x_W1[i, j] + b1[j], f32(0.0))


# net.py:8    y = h1 W2 + b2
# net.py:10   dL/dy = (exp(y - max_axis1 y) / (sum_axis1 exp(y - max_axis1 y)) - onehot(t)) / batch
# net.py:8    dL/db2 = sum_batch dL/dy
# net.py:10   accuracy = sum([argmax(y) == t]) / batch
# net.py:10   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch
# net.py:10   adam_m_b2 <- adam_m_b2 + (1 - beta_1) * (dL/db2 - adam_m_b2)
# net.py:10   adam_v_b2 <- adam_v_b2 + (1 - beta_2) * ((dL/db2)² - adam_v_b2)
# net.py:10   b2 <- b2 - learning_rate * √(1 - beta_2^(adam_step + 1)) * adam_m_b2 / ((1 - beta_1^(adam_step + 1)) * (√adam_v_b2 + epsilon))
@kernel
def k4_loss(
    batch, h1, W2, t, dL_dy, total_parts, total_parts_2, dL_db2_parts, step_size, beta_1, beta_2,
    epsilon, b2, adam_m_b2, adam_v_b2, accuracy, loss, fault,
):
    dL_db2 = local_array((3,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        h1_W2 = local_array((32, 3), f32)
        exponential = local_array((3, 32), f32)
        places = local_array((32,), i64)
        h1_W2_columns = local_array((3, 32), f32)
        dL_dy_columns = local_array((3, 32), f32)
        matmul(h1[first:last], W2, h1_W2[0 : last - first])
        transposed(h1_W2[0 : last - first], h1_W2_columns)
        for i in range(first, last):
            places_i = checked(i64(t[i]), 3, fault, 1)
            places[i - first] = places_i
        sum_difference = f64(0.0)
        sum_test = f64(0.0)
        for i in range(3):
            dL_db2_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            largest_y = f32(-inf)
            highest = f32(-inf)
            place_of_highest = 0
            for j in range(3):
                y_ij = h1_W2_columns[j, i - first] + b2[j]
                largest_y = maximum(largest_y, y_ij)
                if y_ij > highest or (isnan(y_ij) and not isnan(highest)):
                    highest = y_ij
                    place_of_highest = j
            sum_exponential = f64(0.0)
            for j in range(3):
                exponential_ij = exp(h1_W2_columns[j, i - first] + b2[j] - largest_y)
                exponential[j, i - first] = exponential_ij
                sum_exponential = accumulate(sum_exponential, f64(exponential_ij))
            total_i = f32(sum_exponential)
            places_i = places[i - first]
            difference_i = h1_W2_columns[places_i, i - first] + b2[places_i] - largest_y
            sum_difference = accumulate(sum_difference, f64(difference_i - log(total_i)))
            sum_test = accumulate(sum_test, f64(f32(f32(place_of_highest) == f32(t[i]))))
            t_i = t[i]
            for j in range(3):
                difference_ij = exponential[j, i - first] / total_i - f32(i32(j) == t_i)
                dL_dy_ij = difference_ij / f32(batch)
                dL_dy_columns[j, i - first] = dL_dy_ij
                dL_db2_parts[panel, j] = accumulate(dL_db2_parts[panel, j], dL_dy_ij)
        total_parts_2[panel] = sum_test
        total_parts[panel] = sum_difference
        transposed(dL_dy_columns, dL_dy[first:last])
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_2_0 = f32(sum_total_parts)
    # The total_parts_2 of all panels, added up.
    sum_total_parts_2 = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts_2 = accumulate(sum_total_parts_2, total_parts_2[i])
    total_3_0 = f32(sum_total_parts_2)
    # The dL_db2_parts of all panels, added up.
    for i in range(3):
        dL_db2[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(3):
            dL_db2[j] = dL_db2[j] + dL_db2_parts[i, j]
    one_minus_beta_1 = f32(f64(1.0) - beta_1[0])
    step_size_0 = step_size[0]
    one_minus_beta_2 = f32(f64(1.0) - beta_2[0])
    epsilon_f32 = f32(epsilon[0])
    for i in range(3):
        adam_m_b2_i = adam_m_b2[i]
        dL_db2_i = dL_db2[i]
        new_adam_m_b2 = adam_m_b2_i + one_minus_beta_1 * (dL_db2_i - adam_m_b2_i)
        adam_v_b2_i = adam_v_b2[i]
        new_adam_v_b2 = adam_v_b2_i + one_minus_beta_2 * (dL_db2_i * dL_db2_i - adam_v_b2_i)
        step_size_i = step_size_0 * new_adam_m_b2 / (sqrt(new_adam_v_b2) + epsilon_f32)
        new_b2 = b2[i] - step_size_i
        b2[i] = new_b2
        adam_m_b2[i] = new_adam_m_b2
        adam_v_b2[i] = new_adam_v_b2
    accuracy[0] = total_3_0 / f32(batch)
    loss[0] = -(total_2_0 / f32(batch))


# net.py:8    dL/dh1 = dL/dy W2ᵀ
# net.py:7    dL/dz1 = [z1 > 0] * dL/dh1
# net.py:7    dL/db1 = sum_batch dL/dz1
# net.py:10   adam_m_b1 <- adam_m_b1 + (1 - beta_1) * (dL/db1 - adam_m_b1)
# net.py:10   adam_v_b1 <- adam_v_b1 + (1 - beta_2) * ((dL/db1)² - adam_v_b1)
# net.py:10   b1 <- b1 - learning_rate * √(1 - beta_2^(adam_step + 1)) * adam_m_b1 / ((1 - beta_1^(adam_step + 1)) * (√adam_v_b1 + epsilon))
@kernel
def k5_b1(
    batch, dL_dy, W2, x_W1, dL_dz1, dL_db1_parts, step_size, beta_1, beta_2, epsilon, b1, adam_m_b1,
    adam_v_b1,
):
    dL_db1 = local_array((8,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dh1 = local_array((32, 8), f32)
        matmul_nt(dL_dy[first:last], W2, dL_dh1[0 : last - first])
        for i in range(8):
            dL_db1_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(8):
                test_z1_ij = x_W1[i, j] + b1[j] > f32(0.0)
                dL_dz1_ij = where(test_z1_ij, dL_dh1[i - first, j], f32(0.0))
                dL_dz1[i, j] = dL_dz1_ij
                dL_db1_parts[panel, j] = dL_db1_parts[panel, j] + dL_dz1_ij
    # The dL_db1_parts of all panels, added up.
    for i in range(8):
        dL_db1[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(8):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]
    one_minus_beta_1 = f32(f64(1.0) - beta_1[0])
    step_size_0 = step_size[0]
    one_minus_beta_2 = f32(f64(1.0) - beta_2[0])
    epsilon_f32 = f32(epsilon[0])
    for i in range(8):
        adam_m_b1_i = adam_m_b1[i]
        dL_db1_i = dL_db1[i]
        new_adam_m_b1 = adam_m_b1_i + one_minus_beta_1 * (dL_db1_i - adam_m_b1_i)
        adam_v_b1_i = adam_v_b1[i]
        new_adam_v_b1 = adam_v_b1_i + one_minus_beta_2 * (dL_db1_i * dL_db1_i - adam_v_b1_i)
        step_size_i = step_size_0 * new_adam_m_b1 / (sqrt(new_adam_v_b1) + epsilon_f32)
        new_b1 = b1[i] - step_size_i
        b1[i] = new_b1
        adam_m_b1[i] = new_adam_m_b1
        adam_v_b1[i] = new_adam_v_b1


# net.py:7    dL/dW1 = xᵀ dL/dz1
# net.py:10   adam_m_W1 <- adam_m_W1 + (1 - beta_1) * (dL/dW1 - adam_m_W1)
# net.py:10   adam_v_W1 <- adam_v_W1 + (1 - beta_2) * ((dL/dW1)² - adam_v_W1)
# net.py:10   W1 <- W1 - learning_rate * √(1 - beta_2^(adam_step + 1)) * adam_m_W1 / ((1 - beta_1^(adam_step + 1)) * (√adam_v_W1 + epsilon))
@kernel
def k6_W1(x, dL_dz1, step_size, beta_1, beta_2, epsilon, W1, adam_m_W1, adam_v_W1):
    dL_dW1 = local_array((6, 8), f32)
    W1_flat = view(W1, (48,))
    adam_m_W1_flat = view(adam_m_W1, (48,))
    dL_dW1_flat = view(dL_dW1, (48,))
    adam_v_W1_flat = view(adam_v_W1, (48,))
    matmul_tn(x, dL_dz1, dL_dW1)
    one_minus_beta_1 = f32(f64(1.0) - beta_1[0])
    step_size_0 = step_size[0]
    one_minus_beta_2 = f32(f64(1.0) - beta_2[0])
    epsilon_f32 = f32(epsilon[0])
    for i in range(48):
        adam_m_W1_i = adam_m_W1_flat[i]
        dL_dW1_i = dL_dW1_flat[i]
        new_adam_m_W1 = adam_m_W1_i + one_minus_beta_1 * (dL_dW1_i - adam_m_W1_i)
        adam_v_W1_i = adam_v_W1_flat[i]
        new_adam_v_W1 = adam_v_W1_i + one_minus_beta_2 * (dL_dW1_i * dL_dW1_i - adam_v_W1_i)
        step_size_i = step_size_0 * new_adam_m_W1 / (sqrt(new_adam_v_W1) + epsilon_f32)
        new_W1 = W1_flat[i] - step_size_i
        W1_flat[i] = new_W1
        adam_m_W1_flat[i] = new_adam_m_W1
        adam_v_W1_flat[i] = new_adam_v_W1


# net.py:8    dL/dW2 = h1ᵀ dL/dy
# net.py:10   adam_m_W2 <- adam_m_W2 + (1 - beta_1) * (dL/dW2 - adam_m_W2)
# net.py:10   adam_v_W2 <- adam_v_W2 + (1 - beta_2) * ((dL/dW2)² - adam_v_W2)
# net.py:10   W2 <- W2 - learning_rate * √(1 - beta_2^(adam_step + 1)) * adam_m_W2 / ((1 - beta_1^(adam_step + 1)) * (√adam_v_W2 + epsilon))
@kernel
def k7_W2(h1, dL_dy, step_size, beta_1, beta_2, epsilon, W2, adam_m_W2, adam_v_W2):
    dL_dW2 = local_array((8, 3), f32)
    W2_flat = view(W2, (24,))
    adam_m_W2_flat = view(adam_m_W2, (24,))
    dL_dW2_flat = view(dL_dW2, (24,))
    adam_v_W2_flat = view(adam_v_W2, (24,))
    matmul_tn(h1, dL_dy, dL_dW2)
    one_minus_beta_1 = f32(f64(1.0) - beta_1[0])
    step_size_0 = step_size[0]
    one_minus_beta_2 = f32(f64(1.0) - beta_2[0])
    epsilon_f32 = f32(epsilon[0])
    for i in range(24):
        adam_m_W2_i = adam_m_W2_flat[i]
        dL_dW2_i = dL_dW2_flat[i]
        new_adam_m_W2 = adam_m_W2_i + one_minus_beta_1 * (dL_dW2_i - adam_m_W2_i)
        adam_v_W2_i = adam_v_W2_flat[i]
        new_adam_v_W2 = adam_v_W2_i + one_minus_beta_2 * (dL_dW2_i * dL_dW2_i - adam_v_W2_i)
        step_size_i = step_size_0 * new_adam_m_W2 / (sqrt(new_adam_v_W2) + epsilon_f32)
        new_W2 = W2_flat[i] - step_size_i
        W2_flat[i] = new_W2
        adam_m_W2_flat[i] = new_adam_m_W2
        adam_v_W2_flat[i] = new_adam_v_W2


@program
def step(
    batch, x, t, learning_rate, beta_1, beta_2, epsilon, W1, b1, W2, b2, adam_m_W1, adam_v_W1,
    adam_m_b1, adam_v_b1, adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step, loss, accuracy,
    x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7,
    scratch_8, fault,
):
    step_size = view(scratch_1, (1,))
    x_W1 = view(scratch_2, (batch, 8))
    h1 = view(scratch_3, (batch, 8))
    total_parts = view(scratch_4, ((batch + 31) // 32,))
    total_parts_2 = view(scratch_5, ((batch + 31) // 32,))
    dL_db2_parts = view(scratch_6, ((batch + 31) // 32, 3))
    dL_db1_parts = view(scratch_6, ((batch + 31) // 32, 8))
    dL_dy = view(scratch_7, (batch, 3))
    dL_dz1 = view(scratch_8, (batch, 8))
    k1_step_size(learning_rate, beta_2, adam_step, beta_1, step_size)
    k2_adam_step(adam_step)
    k3_h1(batch, x, W1, x_W1, b1, h1)
    k4_loss(
        batch, h1, W2, t, dL_dy, total_parts, total_parts_2, dL_db2_parts, step_size, beta_1,
        beta_2, epsilon, b2, adam_m_b2, adam_v_b2, accuracy, loss, fault,
    )
    k5_b1(
        batch, dL_dy, W2, x_W1, dL_dz1, dL_db1_parts, step_size, beta_1, beta_2, epsilon, b1,
        adam_m_b1, adam_v_b1,
    )
    k6_W1(x, dL_dz1, step_size, beta_1, beta_2, epsilon, W1, adam_m_W1, adam_v_W1)
    k7_W2(h1, dL_dy, step_size, beta_1, beta_2, epsilon, W2, adam_m_W2, adam_v_W2)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, beta_1, beta_2, epsilon, W1,
    b1, W2, b2, adam_m_W1, adam_v_W1, adam_m_b1, adam_v_b1, adam_m_W2, adam_v_W2, adam_m_b2,
    adam_v_b2, adam_step, loss, accuracy, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 6)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows,)))
        step(
            rows, x_rows, t_rows, learning_rate, beta_1, beta_2, epsilon, W1, b1, W2, b2, adam_m_W1,
            adam_v_W1, adam_m_b1, adam_v_b1, adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step,
            loss, accuracy, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5,
            scratch_6, scratch_7, scratch_8, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        totals[1] += f64(rows) * f64(accuracy[0])
        done += 1
    return done
