"""train. Target cpu.

net.py:6    z1 = x W1 + b1
net.py:6    h1 = tanh(z1)
net.py:7    size = h1 W_size + b_size
net.py:8    kind = h1 W_kind + b_kind
net.py:11   L = size_loss - sum((kind - max_axis1 kind - log(sum_axis1 exp(kind - max_axis1 kind)))[t_kind]) / batch
net.py:11   size_loss = sum((size - t_size)²) / batch
net.py:11   kind_loss = -sum((kind - max_axis1 kind - log(sum_axis1 exp(kind - max_axis1 kind)))[t_kind]) / batch

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
    kernel,
    local_array,
    log,
    matmul,
    matmul_nt,
    matmul_tn,
    maximum,
    prange,
    program,
    rows_in_order,
    tanh,
    transposed,
    view,
)


# net.py:6    z1 = x W1 + b1
# net.py:6    h1 = tanh(z1)
# net.py:7    size = h1 W_size + b_size
# net.py:11   dL/dsize = 2 (size - t_size) / batch
# net.py:7    dL/dW_size = h1ᵀ dL/dsize
# net.py:7    dL/db_size = sum_batch dL/dsize
# net.py:11   size_loss = sum((size - t_size)²) / batch
@kernel
def k1_size_loss(
    batch, x, W1, b1, h1, W_size, h1_W_size, b_size, t_size, total_parts, dL_dW_size_parts,
    dL_db_size_parts, dL_dW_size, dL_db_size, size_loss,
):
    b_size_0 = b_size[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        x_W1 = local_array((32, 5), f32)
        x_W1_columns = local_array((5, 32), f32)
        h1_columns = local_array((5, 32), f32)
        matmul(x[first:last], W1, x_W1[0 : last - first])
        transposed(x_W1[0 : last - first], x_W1_columns)
        sum_square = f64(0.0)
        for i in range(5):
            dL_dW_size_parts[panel, i, 0] = f32(0.0)
        sum_dL_dsize = f64(0.0)
        for i in range(first, last):
            sum_product = f64(0.0)
            for j in range(5):
                h1_ij = tanh(x_W1_columns[j, i - first] + b1[j])
                h1_columns[j, i - first] = h1_ij
                sum_product = accumulate(sum_product, f64(h1_ij * W_size[j, 0]))
            h1_W_size_i = f32(sum_product)
            h1_W_size[i, 0] = h1_W_size_i
            size_minus_t_size_i = h1_W_size_i + b_size_0 - t_size[i, 0]
            sum_square = accumulate(sum_square, f64(size_minus_t_size_i * size_minus_t_size_i))
            dL_dsize_i = f32(2.0) * size_minus_t_size_i / f32(batch)
            for j in range(5):
                h1_times_dL_dsize_ij = h1_columns[j, i - first] * dL_dsize_i
                before = dL_dW_size_parts[panel, j, 0]
                dL_dW_size_parts[panel, j, 0] = accumulate(before, h1_times_dL_dsize_ij)
            sum_dL_dsize = accumulate(sum_dL_dsize, f64(dL_dsize_i))
        dL_db_size_parts[panel, 0] = sum_dL_dsize
        total_parts[panel] = sum_square
        transposed(h1_columns, h1[first:last])
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    # The dL_dW_size_parts of all panels, added up.
    for i in range(5):
        dL_dW_size[i, 0] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(5):
            dL_dW_size[j, 0] = dL_dW_size[j, 0] + dL_dW_size_parts[i, j, 0]
    # The dL_db_size_parts of all panels, added up.
    sum_dL_db_size_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_dL_db_size_parts = accumulate(sum_dL_db_size_parts, dL_db_size_parts[i, 0])
    dL_db_size[0] = f32(sum_dL_db_size_parts)
    size_loss[0] = total_0 / f32(batch)


# net.py:8    kind = h1 W_kind + b_kind
# net.py:11   dL/dkind = (exp(kind - max_axis1 kind) / (sum_axis1 exp(kind - max_axis1 kind)) - onehot(t_kind)) / batch
# net.py:8    dL/db_kind = sum_batch dL/dkind
# net.py:11   kind_loss = -sum((kind - max_axis1 kind - log(sum_axis1 exp(kind - max_axis1 kind)))[t_kind]) / batch
# net.py:11   L = size_loss - sum((kind - max_axis1 kind - log(sum_axis1 exp(kind - max_axis1 kind)))[t_kind]) / batch
# net.py:11   b_kind <- b_kind - learning_rate * dL/db_kind
@kernel
def k2_loss(
    batch, h1, W_kind, t_kind, dL_dkind, total_parts_2, dL_db_kind_parts, learning_rate, size_loss,
    b_kind, kind_loss, loss, fault,
):
    dL_db_kind = local_array((3,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        h1_W_kind = local_array((32, 3), f32)
        exponential = local_array((3, 32), f32)
        places = local_array((32,), i64)
        h1_W_kind_columns = local_array((3, 32), f32)
        dL_dkind_columns = local_array((3, 32), f32)
        matmul(h1[first:last], W_kind, h1_W_kind[0 : last - first])
        transposed(h1_W_kind[0 : last - first], h1_W_kind_columns)
        for i in range(first, last):
            places_i = checked(i64(t_kind[i]), 3, fault, 1)
            places[i - first] = places_i
        sum_difference = f64(0.0)
        for i in range(3):
            dL_db_kind_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            largest_kind = f32(-inf)
            for j in range(3):
                largest_kind = maximum(largest_kind, h1_W_kind_columns[j, i - first] + b_kind[j])
            sum_exponential = f64(0.0)
            for j in range(3):
                difference_ij = h1_W_kind_columns[j, i - first] + b_kind[j] - largest_kind
                exponential_ij = exp(difference_ij)
                exponential[j, i - first] = exponential_ij
                sum_exponential = accumulate(sum_exponential, f64(exponential_ij))
            total_2_i = f32(sum_exponential)
            places_i = places[i - first]
            total_i = h1_W_kind_columns[places_i, i - first] + b_kind[places_i]
            difference_i = total_i - largest_kind - log(total_2_i)
            sum_difference = accumulate(sum_difference, f64(difference_i))
            t_kind_i = t_kind[i]
            for j in range(3):
                ratio_ij = exponential[j, i - first] / total_2_i
                dL_dkind_ij = (ratio_ij - f32(i32(j) == t_kind_i)) / f32(batch)
                dL_dkind_columns[j, i - first] = dL_dkind_ij
                dL_db_kind_parts[panel, j] = accumulate(dL_db_kind_parts[panel, j], dL_dkind_ij)
        total_parts_2[panel] = sum_difference
        transposed(dL_dkind_columns, dL_dkind[first:last])
    # The total_parts_2 of all panels, added up.
    sum_total_parts_2 = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts_2 = accumulate(sum_total_parts_2, total_parts_2[i])
    total_3_0 = f32(sum_total_parts_2)
    # The dL_db_kind_parts of all panels, added up.
    for i in range(3):
        dL_db_kind[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(3):
            dL_db_kind[j] = dL_db_kind[j] + dL_db_kind_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(3):
        b_kind[i] = b_kind[i] - learning_rate_f32 * dL_db_kind[i]
    ratio = total_3_0 / f32(batch)
    kind_loss[0] = -ratio
    loss[0] = size_loss[0] - ratio


# net.py:7   dL/dh1 = dL/dkind W_kindᵀ + dL/dsize W_sizeᵀ
# net.py:6   dL/dz1 = dL/dh1 * (1 - h1²)
# net.py:6   dL/db1 = sum_batch dL/dz1
@kernel
def k3_dL_db1(
    batch, dL_dkind, W_kind, h1_W_size, b_size, t_size, W_size, h1, dL_dz1, dL_db1_parts, dL_db1,
):
    b_size_0 = b_size[0]
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dkind_W_kind = local_array((32, 5), f32)
        matmul_nt(dL_dkind[first:last], W_kind, dL_dkind_W_kind[0 : last - first])
        for i in range(5):
            dL_db1_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            product_i = f32(2.0) * (h1_W_size[i, 0] + b_size_0 - t_size[i, 0])
            dL_dsize_i = product_i / f32(batch)
            for j in range(5):
                h1_ij = h1[i, j]
                dL_dh1_ij = dL_dkind_W_kind[i - first, j] + dL_dsize_i * W_size[j, 0]
                dL_dz1_ij = dL_dh1_ij * (f32(1.0) - h1_ij * h1_ij)
                dL_dz1[i, j] = dL_dz1_ij
                dL_db1_parts[panel, j] = dL_db1_parts[panel, j] + dL_dz1_ij
    # The dL_db1_parts of all panels, added up.
    for i in range(5):
        dL_db1[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(5):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]


# net.py:11   b_size <- b_size - learning_rate * dL/db_size
@kernel
def k4_b_size(learning_rate, dL_db_size, b_size):
    b_size[0] = b_size[0] - f32(learning_rate[0]) * dL_db_size[0]


# net.py:11   W_size <- W_size - learning_rate * dL/dW_size
@kernel
def k5_W_size(learning_rate, dL_dW_size, W_size):
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(5):
        W_size[i, 0] = W_size[i, 0] - learning_rate_f32 * dL_dW_size[i, 0]


# net.py:11   b1 <- b1 - learning_rate * dL/db1
@kernel
def k6_b1(learning_rate, dL_db1, b1):
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(5):
        b1[i] = b1[i] - learning_rate_f32 * dL_db1[i]


# net.py:6    dL/dW1 = xᵀ dL/dz1
# net.py:11   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k7_W1(x, dL_dz1, learning_rate, W1):
    dL_dW1 = local_array((4, 5), f32)
    W1_flat = view(W1, (20,))
    dL_dW1_flat = view(dL_dW1, (20,))
    matmul_tn(x, dL_dz1, dL_dW1)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(20):
        W1_flat[i] = W1_flat[i] - learning_rate_f32 * dL_dW1_flat[i]


# net.py:8    dL/dW_kind = h1ᵀ dL/dkind
# net.py:11   W_kind <- W_kind - learning_rate * dL/dW_kind
@kernel
def k8_W_kind(h1, dL_dkind, learning_rate, W_kind):
    dL_dW_kind = local_array((5, 3), f32)
    W_kind_flat = view(W_kind, (15,))
    dL_dW_kind_flat = view(dL_dW_kind, (15,))
    matmul_tn(h1, dL_dkind, dL_dW_kind)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(15):
        W_kind_flat[i] = W_kind_flat[i] - learning_rate_f32 * dL_dW_kind_flat[i]


@program
def step(
    batch, x, t_size, t_kind, learning_rate, W1, b1, W_size, b_size, W_kind, b_kind, loss,
    size_loss, kind_loss, x_batch, t_size_batch, t_kind_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, scratch_9, scratch_10, fault,
):
    h1 = view(scratch_1, (batch, 5))
    total_parts = view(scratch_2, ((batch + 31) // 32,))
    total_parts_2 = view(scratch_2, ((batch + 31) // 32,))
    dL_dW_size_parts = view(scratch_3, ((batch + 31) // 32, 5, 1))
    dL_db_kind_parts = view(scratch_3, ((batch + 31) // 32, 3))
    dL_db1_parts = view(scratch_3, ((batch + 31) // 32, 5))
    dL_db_size_parts = view(scratch_4, ((batch + 31) // 32, 1))
    h1_W_size = view(scratch_5, (batch, 1))
    dL_db_size = view(scratch_6, (1,))
    dL_dW_size = view(scratch_7, (5, 1))
    dL_dkind = view(scratch_8, (batch, 3))
    dL_db1 = view(scratch_9, (5,))
    dL_dz1 = view(scratch_10, (batch, 5))
    k1_size_loss(
        batch, x, W1, b1, h1, W_size, h1_W_size, b_size, t_size, total_parts, dL_dW_size_parts,
        dL_db_size_parts, dL_dW_size, dL_db_size, size_loss,
    )
    k2_loss(
        batch, h1, W_kind, t_kind, dL_dkind, total_parts_2, dL_db_kind_parts, learning_rate,
        size_loss, b_kind, kind_loss, loss, fault,
    )
    k3_dL_db1(
        batch, dL_dkind, W_kind, h1_W_size, b_size, t_size, W_size, h1, dL_dz1, dL_db1_parts,
        dL_db1,
    )
    k4_b_size(learning_rate, dL_db_size, b_size)
    k5_W_size(learning_rate, dL_dW_size, W_size)
    k6_b1(learning_rate, dL_db1, b1)
    k7_W1(x, dL_dz1, learning_rate, W1)
    k8_W_kind(h1, dL_dkind, learning_rate, W_kind)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t_size, t_kind, learning_rate, W1, b1, W_size,
    b_size, W_kind, b_kind, loss, size_loss, kind_loss, x_batch, t_size_batch, t_kind_batch,
    scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7, scratch_8,
    scratch_9, scratch_10, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 4)))
        t_size_rows = rows_in_order(t_size, order, start, view(t_size_batch, (rows, 1)))
        t_kind_rows = rows_in_order(t_kind, order, start, view(t_kind_batch, (rows,)))
        step(
            rows, x_rows, t_size_rows, t_kind_rows, learning_rate, W1, b1, W_size, b_size, W_kind,
            b_kind, loss, size_loss, kind_loss, x_batch, t_size_batch, t_kind_batch, scratch_1,
            scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, scratch_9,
            scratch_10, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        totals[1] += f64(rows) * f64(size_loss[0])
        totals[2] += f64(rows) * f64(kind_loss[0])
        done += 1
    return done
