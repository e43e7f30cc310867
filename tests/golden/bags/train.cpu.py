"""train. Target cpu.

net.py:7    e1 = sum_axis1 E1[x] / 6
net.py:8    y = e1 W2 + b2
net.py:10   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    checked,
    exp,
    f32,
    f64,
    floor_divide,
    group_rows,
    i32,
    i64,
    inf,
    isfinite,
    kernel,
    local_array,
    log,
    matmul,
    matmul_nt,
    matmul_tn,
    maximum,
    pow,
    prange,
    prefetch,
    program,
    rows_in_order,
    sqrt,
    transposed,
    view,
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


# net.py:7   e1 = sum_axis1 E1[x] / 6
@kernel
def k3_e1(batch, x, E1, total, e1, fault):
    for i in range(batch):
        for j in range(4):
            total[i, j] = f32(0.0)
        for j in range(6):
            place_x_ij = checked(i64(x[i, j]), 1000, fault, 1)
            for k in range(4):
                total[i, k] = total[i, k] + E1[place_x_ij, k]
        for j in range(4):
            e1[i, j] = total[i, j] / f32(6.0)


# net.py:7   touched_x = distinct_rows(x)
@kernel
def k4_touched_x(batch, x, count, places, begins, slots, touched_x, fault):
    x_flat = view(x, (6 * batch,))
    group_rows(x_flat, touched_x, count, places, begins, slots, fault, 1)


# net.py:8    y = e1 W2 + b2
# net.py:10   dL/dy = (exp(y - max_axis1 y) / (sum_axis1 exp(y - max_axis1 y)) - onehot(t)) / batch
# net.py:8    dL/db2 = sum_batch dL/dy
# net.py:10   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch
# net.py:10   adam_m_b2 <- adam_m_b2 + (1 - beta_1) * (dL/db2 - adam_m_b2)
# net.py:10   adam_v_b2 <- adam_v_b2 + (1 - beta_2) * ((dL/db2)² - adam_v_b2)
# net.py:10   b2 <- b2 - learning_rate * √(1 - beta_2^(adam_step + 1)) * adam_m_b2 / ((1 - beta_1^(adam_step + 1)) * (√adam_v_b2 + epsilon))
@kernel
def k5_loss(
    batch, e1, W2, t, dL_dy, total_parts, dL_db2_parts, step_size, beta_1, beta_2, epsilon, b2,
    adam_m_b2, adam_v_b2, loss, fault,
):
    dL_db2 = local_array((3,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        e1_W2 = local_array((32, 3), f32)
        exponential = local_array((3, 32), f32)
        places_2 = local_array((32,), i64)
        e1_W2_columns = local_array((3, 32), f32)
        dL_dy_columns = local_array((3, 32), f32)
        matmul(e1[first:last], W2, e1_W2[0 : last - first])
        transposed(e1_W2[0 : last - first], e1_W2_columns)
        for i in range(first, last):
            places_2_i = checked(i64(t[i]), 3, fault, 2)
            places_2[i - first] = places_2_i
        sum_difference = f64(0.0)
        for i in range(3):
            dL_db2_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            largest_y = f32(-inf)
            for j in range(3):
                largest_y = maximum(largest_y, e1_W2_columns[j, i - first] + b2[j])
            sum_exponential = f64(0.0)
            for j in range(3):
                exponential_ij = exp(e1_W2_columns[j, i - first] + b2[j] - largest_y)
                exponential[j, i - first] = exponential_ij
                sum_exponential = accumulate(sum_exponential, f64(exponential_ij))
            total_2_i = f32(sum_exponential)
            places_2_i = places_2[i - first]
            e1_W2_plus_b2_i = e1_W2_columns[places_2_i, i - first] + b2[places_2_i]
            difference_i = e1_W2_plus_b2_i - largest_y - log(total_2_i)
            sum_difference = accumulate(sum_difference, f64(difference_i))
            t_i = t[i]
            for j in range(3):
                difference_ij = exponential[j, i - first] / total_2_i - f32(i32(j) == t_i)
                dL_dy_ij = difference_ij / f32(batch)
                dL_dy_columns[j, i - first] = dL_dy_ij
                dL_db2_parts[panel, j] = accumulate(dL_db2_parts[panel, j], dL_dy_ij)
        total_parts[panel] = sum_difference
        transposed(dL_dy_columns, dL_dy[first:last])
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_3_0 = f32(sum_total_parts)
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
    loss[0] = -(total_3_0 / f32(batch))


# net.py:8    dL/de1 = dL/dy W2ᵀ
# net.py:7    dL/dE1 = add_at(dL/de1 / 6, x)
# net.py:10   adam_m_E1[x] <- adam_m_E1 + (1 - beta_1) * (dL/dE1 - adam_m_E1)
# net.py:10   adam_v_E1[x] <- adam_v_E1 + (1 - beta_2) * ((dL/dE1)² - adam_v_E1)
# net.py:10   E1[x] <- E1 - learning_rate * √(1 - beta_2^(adam_step + 1)) * adam_m_E1 / ((1 - beta_1^(adam_step + 1)) * (√adam_v_E1 + epsilon))
@kernel
def k6_E1(
    batch, dL_dy, W2, count, begins, places, scaled_dL_de1, touched_x, step_size, beta_1, beta_2,
    epsilon, E1, adam_m_E1, adam_v_E1,
):
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        dL_de1 = local_array((32, 4), f32)
        matmul_nt(dL_dy[first:last], W2, dL_de1[0 : last - first])
        for i in range(first, last):
            for j in range(4):
                scaled_dL_de1[i, 0, j] = dL_de1[i - first, j] / f32(6.0)
    count_0 = count[0]
    one_minus_beta_1 = f32(f64(1.0) - beta_1[0])
    step_size_0 = step_size[0]
    one_minus_beta_2 = f32(f64(1.0) - beta_2[0])
    epsilon_f32 = f32(epsilon[0])
    for i in prange(count_0):
        dL_dE1 = local_array((4,), f32)
        later = touched_x[min(i + 8, count_0 - 1)]
        prefetch(E1, later)
        prefetch(adam_m_E1, later)
        prefetch(adam_v_E1, later)
        for j in range(4):
            dL_dE1[j] = f32(0.0)
        begins_i = begins[i]
        begins_0 = begins[i + 1]
        for j in range(begins_i, begins_0):
            quotient_places_ij = floor_divide(places[j], 6)
            for k in range(4):
                dL_dE1[k] = dL_dE1[k] + scaled_dL_de1[quotient_places_ij, 0, k]
        touched_x_i = touched_x[i]
        for j in range(4):
            adam_m_E1_j = adam_m_E1[touched_x_i, j]
            dL_dE1_ij = dL_dE1[j]
            new_adam_m_E1 = adam_m_E1_j + one_minus_beta_1 * (dL_dE1_ij - adam_m_E1_j)
            adam_v_E1_j = adam_v_E1[touched_x_i, j]
            product_ij = one_minus_beta_2 * (dL_dE1_ij * dL_dE1_ij - adam_v_E1_j)
            new_adam_v_E1 = adam_v_E1_j + product_ij
            total_ij = sqrt(new_adam_v_E1) + epsilon_f32
            new_E1 = E1[touched_x_i, j] - step_size_0 * new_adam_m_E1 / total_ij
            E1[touched_x_i, j] = new_E1
            adam_m_E1[touched_x_i, j] = new_adam_m_E1
            adam_v_E1[touched_x_i, j] = new_adam_v_E1


# net.py:8    dL/dW2 = e1ᵀ dL/dy
# net.py:10   adam_m_W2 <- adam_m_W2 + (1 - beta_1) * (dL/dW2 - adam_m_W2)
# net.py:10   adam_v_W2 <- adam_v_W2 + (1 - beta_2) * ((dL/dW2)² - adam_v_W2)
# net.py:10   W2 <- W2 - learning_rate * √(1 - beta_2^(adam_step + 1)) * adam_m_W2 / ((1 - beta_1^(adam_step + 1)) * (√adam_v_W2 + epsilon))
@kernel
def k7_W2(e1, dL_dy, step_size, beta_1, beta_2, epsilon, W2, adam_m_W2, adam_v_W2):
    dL_dW2 = local_array((4, 3), f32)
    W2_flat = view(W2, (12,))
    adam_m_W2_flat = view(adam_m_W2, (12,))
    dL_dW2_flat = view(dL_dW2, (12,))
    adam_v_W2_flat = view(adam_v_W2, (12,))
    matmul_tn(e1, dL_dy, dL_dW2)
    one_minus_beta_1 = f32(f64(1.0) - beta_1[0])
    step_size_0 = step_size[0]
    one_minus_beta_2 = f32(f64(1.0) - beta_2[0])
    epsilon_f32 = f32(epsilon[0])
    for i in range(12):
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
    batch, x, t, learning_rate, beta_1, beta_2, epsilon, E1, W2, b2, adam_m_E1, adam_v_E1,
    adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step, loss, x_batch, t_batch, scratch_1,
    scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, scratch_9,
    scratch_10, scratch_11, fault,
):
    step_size = view(scratch_1, (1,))
    total = view(scratch_2, (batch, 4))
    dL_dy = view(scratch_2, (batch, 3))
    e1 = view(scratch_3, (batch, 4))
    touched_x = view(scratch_4, (6 * batch,))
    count = view(scratch_5, (1,))
    places = view(scratch_6, (6 * batch,))
    begins = view(scratch_7, (6 * batch + 1,))
    slots = view(scratch_8, (1000,))
    total_parts = view(scratch_9, ((batch + 31) // 32,))
    dL_db2_parts = view(scratch_10, ((batch + 31) // 32, 3))
    scaled_dL_de1 = view(scratch_11, (batch, 1, 4))
    k1_step_size(learning_rate, beta_2, adam_step, beta_1, step_size)
    k2_adam_step(adam_step)
    k3_e1(batch, x, E1, total, e1, fault)
    k4_touched_x(batch, x, count, places, begins, slots, touched_x, fault)
    k5_loss(
        batch, e1, W2, t, dL_dy, total_parts, dL_db2_parts, step_size, beta_1, beta_2, epsilon, b2,
        adam_m_b2, adam_v_b2, loss, fault,
    )
    k6_E1(
        batch, dL_dy, W2, count, begins, places, scaled_dL_de1, touched_x, step_size, beta_1,
        beta_2, epsilon, E1, adam_m_E1, adam_v_E1,
    )
    k7_W2(e1, dL_dy, step_size, beta_1, beta_2, epsilon, W2, adam_m_W2, adam_v_W2)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, beta_1, beta_2, epsilon, E1,
    W2, b2, adam_m_E1, adam_v_E1, adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step, loss,
    x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7,
    scratch_8, scratch_9, scratch_10, scratch_11, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 6)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows,)))
        step(
            rows, x_rows, t_rows, learning_rate, beta_1, beta_2, epsilon, E1, W2, b2, adam_m_E1,
            adam_v_E1, adam_m_W2, adam_v_W2, adam_m_b2, adam_v_b2, adam_step, loss, x_batch,
            t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7,
            scratch_8, scratch_9, scratch_10, scratch_11, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
