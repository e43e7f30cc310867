"""train. Target cpu.

net.py:7    z1 = x W1 + b1
net.py:7    h1 = tanh(z1)
net.py:8    z2 = h1 W2 + b2
net.py:8    h2 = tanh(z2)
net.py:9    z3 = h2 W3 + b3
net.py:9    h3 = tanh(z3)
net.py:10   z4 = h3 W4 + b4
net.py:10   h4 = tanh(z4)
net.py:11   y = h4 W5 + b5
net.py:13   L = sum((y - t)²) / (2 batch)

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
    matmul_nt,
    matmul_tn,
    prange,
    program,
    rows_in_order,
    tanh,
    view,
)


# net.py:7   z1 = x W1 + b1
# net.py:7   h1 = tanh(z1)
@kernel
def k1_h1(batch, x, W1, b1, h1):
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        x_W1 = local_array((32, 8), f32)
        matmul(x[first:last], W1, x_W1[0 : last - first])
        for i in range(first, last):
            for j in range(8):
                h1[i, j] = tanh(x_W1[i - first, j] + b1[j])


# net.py:8    z2 = h1 W2 + b2
# net.py:8    h2 = tanh(z2)
# likewise
# net.py:9    z3, h3
# net.py:10   z4, h4
@kernel
def k2_h2(batch, h1, W2, b2, h2):
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        h1_W2 = local_array((32, 8), f32)
        matmul(h1[first:last], W2, h1_W2[0 : last - first])
        for i in range(first, last):
            for j in range(8):
                h2[i, j] = tanh(h1_W2[i - first, j] + b2[j])


# net.py:11   y = h4 W5 + b5
# net.py:13   dL/dy = 2 (y - t) / (2 batch)
# net.py:11   dL/db5 = sum_batch dL/dy
# net.py:13   L = sum((y - t)²) / (2 batch)
# net.py:13   sgd_v_b5 <- momentum * sgd_v_b5 - learning_rate * dL/db5
# net.py:13   b5 <- b5 + sgd_v_b5
@kernel
def k3_loss(
    batch, h4, W5, t, dL_dy, total_parts, dL_db5_parts, momentum, learning_rate, b5, sgd_v_b5, loss,
):
    dL_db5 = local_array((2,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        h4_W5 = local_array((32, 2), f32)
        matmul(h4[first:last], W5, h4_W5[0 : last - first])
        sum_square = f64(0.0)
        for i in range(2):
            dL_db5_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(2):
                y_minus_t_ij = h4_W5[i - first, j] + b5[j] - t[i, j]
                sum_square = accumulate(sum_square, f64(y_minus_t_ij * y_minus_t_ij))
                dL_dy_ij = f32(2.0) * y_minus_t_ij / f32(2 * batch)
                dL_dy[i, j] = dL_dy_ij
                dL_db5_parts[panel, j] = dL_db5_parts[panel, j] + dL_dy_ij
        total_parts[panel] = sum_square
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total_0 = f32(sum_total_parts)
    # The dL_db5_parts of all panels, added up.
    for i in range(2):
        dL_db5[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(2):
            dL_db5[j] = dL_db5[j] + dL_db5_parts[i, j]
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(2):
        new_sgd_v_b5 = momentum_f32 * sgd_v_b5[i] - learning_rate_f32 * dL_db5[i]
        new_b5 = b5[i] + new_sgd_v_b5
        b5[i] = new_b5
        sgd_v_b5[i] = new_sgd_v_b5
    loss[0] = total_0 / f32(2 * batch)


# net.py:11   dL/dh4 = dL/dy W5ᵀ
# net.py:10   dL/dz4 = dL/dh4 * (1 - h4²)
# net.py:10   dL/db4 = sum_batch dL/dz4
# net.py:13   sgd_v_b4 <- momentum * sgd_v_b4 - learning_rate * dL/db4
# net.py:13   b4 <- b4 + sgd_v_b4
@kernel
def k4_b4(batch, dL_dy, W5, h4, dL_dz4, dL_db4_parts, momentum, learning_rate, b4, sgd_v_b4):
    dL_db4 = local_array((8,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dh4 = local_array((32, 8), f32)
        matmul_nt(dL_dy[first:last], W5, dL_dh4[0 : last - first])
        for i in range(8):
            dL_db4_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(8):
                h4_ij = h4[i, j]
                dL_dz4_ij = dL_dh4[i - first, j] * (f32(1.0) - h4_ij * h4_ij)
                dL_dz4[i, j] = dL_dz4_ij
                dL_db4_parts[panel, j] = dL_db4_parts[panel, j] + dL_dz4_ij
    # The dL_db4_parts of all panels, added up.
    for i in range(8):
        dL_db4[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(8):
            dL_db4[j] = dL_db4[j] + dL_db4_parts[i, j]
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(8):
        new_sgd_v_b4 = momentum_f32 * sgd_v_b4[i] - learning_rate_f32 * dL_db4[i]
        new_b4 = b4[i] + new_sgd_v_b4
        b4[i] = new_b4
        sgd_v_b4[i] = new_sgd_v_b4


# net.py:10   dL/dh3 = dL/dz4 W4ᵀ
# net.py:9    dL/dz3 = dL/dh3 * (1 - h3²)
# net.py:9    dL/db3 = sum_batch dL/dz3
# net.py:13   sgd_v_b3 <- momentum * sgd_v_b3 - learning_rate * dL/db3
# net.py:13   b3 <- b3 + sgd_v_b3
# likewise
# net.py:9    dL/dh2, dL/dz2, dL/db2, sgd_v_b2, b2
# net.py:8    dL/dh1, dL/dz1, dL/db1, sgd_v_b1, b1
@kernel
def k5_b3(batch, dL_dz4, W4, h3, dL_dz3, dL_db3_parts, momentum, learning_rate, b3, sgd_v_b3):
    dL_db3 = local_array((8,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dh3 = local_array((32, 8), f32)
        matmul_nt(dL_dz4[first:last], W4, dL_dh3[0 : last - first])
        for i in range(8):
            dL_db3_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(8):
                h3_ij = h3[i, j]
                dL_dz3_ij = dL_dh3[i - first, j] * (f32(1.0) - h3_ij * h3_ij)
                dL_dz3[i, j] = dL_dz3_ij
                dL_db3_parts[panel, j] = dL_db3_parts[panel, j] + dL_dz3_ij
    # The dL_db3_parts of all panels, added up.
    for i in range(8):
        dL_db3[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(8):
            dL_db3[j] = dL_db3[j] + dL_db3_parts[i, j]
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(8):
        new_sgd_v_b3 = momentum_f32 * sgd_v_b3[i] - learning_rate_f32 * dL_db3[i]
        new_b3 = b3[i] + new_sgd_v_b3
        b3[i] = new_b3
        sgd_v_b3[i] = new_sgd_v_b3


# net.py:7    dL/dW1 = xᵀ dL/dz1
# net.py:13   sgd_v_W1 <- momentum * sgd_v_W1 - learning_rate * dL/dW1
# net.py:13   W1 <- W1 + sgd_v_W1
@kernel
def k6_W1(x, dL_dz1, momentum, learning_rate, W1, sgd_v_W1):
    dL_dW1 = local_array((4, 8), f32)
    W1_flat = view(W1, (32,))
    sgd_v_W1_flat = view(sgd_v_W1, (32,))
    dL_dW1_flat = view(dL_dW1, (32,))
    matmul_tn(x, dL_dz1, dL_dW1)
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(32):
        new_sgd_v_W1 = momentum_f32 * sgd_v_W1_flat[i] - learning_rate_f32 * dL_dW1_flat[i]
        new_W1 = W1_flat[i] + new_sgd_v_W1
        W1_flat[i] = new_W1
        sgd_v_W1_flat[i] = new_sgd_v_W1


# net.py:8    dL/dW2 = h1ᵀ dL/dz2
# net.py:13   sgd_v_W2 <- momentum * sgd_v_W2 - learning_rate * dL/dW2
# net.py:13   W2 <- W2 + sgd_v_W2
# likewise
# net.py:9    dL/dW3, sgd_v_W3, W3
# net.py:10   dL/dW4, sgd_v_W4, W4
@kernel
def k7_W2(h1, dL_dz2, momentum, learning_rate, W2, sgd_v_W2):
    dL_dW2 = local_array((8, 8), f32)
    W2_flat = view(W2, (64,))
    sgd_v_W2_flat = view(sgd_v_W2, (64,))
    dL_dW2_flat = view(dL_dW2, (64,))
    matmul_tn(h1, dL_dz2, dL_dW2)
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(64):
        new_sgd_v_W2 = momentum_f32 * sgd_v_W2_flat[i] - learning_rate_f32 * dL_dW2_flat[i]
        new_W2 = W2_flat[i] + new_sgd_v_W2
        W2_flat[i] = new_W2
        sgd_v_W2_flat[i] = new_sgd_v_W2


# net.py:11   dL/dW5 = h4ᵀ dL/dy
# net.py:13   sgd_v_W5 <- momentum * sgd_v_W5 - learning_rate * dL/dW5
# net.py:13   W5 <- W5 + sgd_v_W5
@kernel
def k8_W5(h4, dL_dy, momentum, learning_rate, W5, sgd_v_W5):
    dL_dW5 = local_array((8, 2), f32)
    W5_flat = view(W5, (16,))
    sgd_v_W5_flat = view(sgd_v_W5, (16,))
    dL_dW5_flat = view(dL_dW5, (16,))
    matmul_tn(h4, dL_dy, dL_dW5)
    momentum_f32 = f32(momentum[0])
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(16):
        new_sgd_v_W5 = momentum_f32 * sgd_v_W5_flat[i] - learning_rate_f32 * dL_dW5_flat[i]
        new_W5 = W5_flat[i] + new_sgd_v_W5
        W5_flat[i] = new_W5
        sgd_v_W5_flat[i] = new_sgd_v_W5


@program
def step(
    batch, x, t, learning_rate, momentum, W1, b1, W2, b2, W3, b3, W4, b4, W5, b5, sgd_v_W1,
    sgd_v_b1, sgd_v_W2, sgd_v_b2, sgd_v_W3, sgd_v_b3, sgd_v_W4, sgd_v_b4, sgd_v_W5, sgd_v_b5, loss,
    x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7,
    scratch_8, scratch_9, scratch_10, scratch_11, fault,
):
    h1 = view(scratch_1, (batch, 8))
    h2 = view(scratch_2, (batch, 8))
    h3 = view(scratch_3, (batch, 8))
    h4 = view(scratch_4, (batch, 8))
    total_parts = view(scratch_5, ((batch + 31) // 32,))
    dL_db5_parts = view(scratch_6, ((batch + 31) // 32, 2))
    dL_db4_parts = view(scratch_6, ((batch + 31) // 32, 8))
    dL_db3_parts = view(scratch_6, ((batch + 31) // 32, 8))
    dL_db2_parts = view(scratch_6, ((batch + 31) // 32, 8))
    dL_db1_parts = view(scratch_6, ((batch + 31) // 32, 8))
    dL_dy = view(scratch_7, (batch, 2))
    dL_dz4 = view(scratch_8, (batch, 8))
    dL_dz3 = view(scratch_9, (batch, 8))
    dL_dz2 = view(scratch_10, (batch, 8))
    dL_dz1 = view(scratch_11, (batch, 8))
    k1_h1(batch, x, W1, b1, h1)
    k2_h2(batch, h1, W2, b2, h2)
    k2_h2(batch, h2, W3, b3, h3)
    k2_h2(batch, h3, W4, b4, h4)
    k3_loss(
        batch, h4, W5, t, dL_dy, total_parts, dL_db5_parts, momentum, learning_rate, b5, sgd_v_b5,
        loss,
    )
    k4_b4(batch, dL_dy, W5, h4, dL_dz4, dL_db4_parts, momentum, learning_rate, b4, sgd_v_b4)
    k5_b3(batch, dL_dz4, W4, h3, dL_dz3, dL_db3_parts, momentum, learning_rate, b3, sgd_v_b3)
    k5_b3(batch, dL_dz3, W3, h2, dL_dz2, dL_db2_parts, momentum, learning_rate, b2, sgd_v_b2)
    k5_b3(batch, dL_dz2, W2, h1, dL_dz1, dL_db1_parts, momentum, learning_rate, b1, sgd_v_b1)
    k6_W1(x, dL_dz1, momentum, learning_rate, W1, sgd_v_W1)
    k7_W2(h1, dL_dz2, momentum, learning_rate, W2, sgd_v_W2)
    k7_W2(h2, dL_dz3, momentum, learning_rate, W3, sgd_v_W3)
    k7_W2(h3, dL_dz4, momentum, learning_rate, W4, sgd_v_W4)
    k8_W5(h4, dL_dy, momentum, learning_rate, W5, sgd_v_W5)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, momentum, W1, b1, W2, b2,
    W3, b3, W4, b4, W5, b5, sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2, sgd_v_W3, sgd_v_b3, sgd_v_W4,
    sgd_v_b4, sgd_v_W5, sgd_v_b5, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, scratch_9, scratch_10, scratch_11, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 4)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows, 2)))
        step(
            rows, x_rows, t_rows, learning_rate, momentum, W1, b1, W2, b2, W3, b3, W4, b4, W5, b5,
            sgd_v_W1, sgd_v_b1, sgd_v_W2, sgd_v_b2, sgd_v_W3, sgd_v_b3, sgd_v_W4, sgd_v_b4,
            sgd_v_W5, sgd_v_b5, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4,
            scratch_5, scratch_6, scratch_7, scratch_8, scratch_9, scratch_10, scratch_11, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
