"""train. Target cpu.

net.py:6   z1 = x W1 + b1
net.py:6   h1 = tanh(z1)
net.py:6   dz1/dx = onehot(range(2)) W1
net.py:6   laplacian_h1 = -2 h1 * (1 - h1²) * (sum_axis1 (dz1/dx)²)
net.py:6   laplacian_z2 = laplacian_h1 W2
net.py:6   z2 = h1 W2 + b2
net.py:6   h2 = tanh(z2)
net.py:6   dh1/dx = dz1/dx * (1 - h1²)
net.py:6   dz2/dx = dh1/dx W2
net.py:6   laplacian_h2 = laplacian_z2 * (1 - h2²) - 2 h2 * (1 - h2²) * (sum_axis1 (dz2/dx)²)
net.py:7   laplacian_z3 = laplacian_h2 W3
net.py:8   y = laplacian_z3 + sin(x[:, :1]) * sin(x[:, 1:])
net.py:9   L = sum((y - t)²) / batch

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
    sin,
    tanh,
    view,
)


# net.py:9   b3 <- b3 - 0 learning_rate
@kernel
def k1_b3(learning_rate, b3):
    b3[0] = b3[0] - f32(0.0) * f32(learning_rate[0])


# one_hot = onehot(range(2))
@kernel
def k2_one_hot(one_hot):
    for i in range(2):
        for j in range(2):
            one_hot[i, j] = f32(i == j)


# net.py:6   dz1/dx = onehot(range(2)) W1
@kernel
def k3_dz1_dx(one_hot, W1, dz1_dx, total_dz1_dx_squared):
    dz1_dx_view = view(dz1_dx, (2, 48))
    matmul(one_hot, W1, dz1_dx_view)
    for i in range(48):
        total_dz1_dx_squared[0, i] = f32(0.0)
    for i in range(2):
        for j in range(48):
            dz1_dx_ij = dz1_dx[0, i, j]
            total_dz1_dx_squared[0, j] = total_dz1_dx_squared[0, j] + dz1_dx_ij * dz1_dx_ij


# net.py:6   z1 = x W1 + b1
# net.py:6   h1 = tanh(z1)
# net.py:6   laplacian_h1 = -2 h1 * (1 - h1²) * (sum_axis1 (dz1/dx)²)
# net.py:6   dh1/dx = dz1/dx * (1 - h1²)
# net.py:6   laplacian_z2 = laplacian_h1 W2
# net.py:6   z2 = h1 W2 + b2
# net.py:6   h2 = tanh(z2)
# net.py:6   dz2/dx = dh1/dx W2
# net.py:6   laplacian_h2 = laplacian_z2 * (1 - h2²) - 2 h2 * (1 - h2²) * (sum_axis1 (dz2/dx)²)
# net.py:7   laplacian_z3 = laplacian_h2 W3
# net.py:8   y = laplacian_z3 + sin(x[:, :1]) * sin(x[:, 1:])
# net.py:7   dL/dlaplacian_z3 = 2 (y - t) / batch
# net.py:7   dL/dlaplacian_h2 = dL/dlaplacian_z3 W3ᵀ
# net.py:6   dL/dh2 = 2 h2 * (2 h2 * dL/dlaplacian_h2 * (sum_axis1 (dz2/dx)²) - dL/dlaplacian_h2 * laplacian_z2) - 2 dL/dlaplacian_h2 * (sum_axis1 (dz2/dx)²) * (1 - h2²)
# net.py:6   dL/dz2 = dL/dh2 * (1 - h2²)
# net.py:6   dL/dlaplacian_z2 = dL/dlaplacian_h2 * (1 - h2²)
# net.py:6   dL/db2 = sum_batch dL/dz2
# net.py:7   dL/dW3 = laplacian_h2ᵀ dL/dlaplacian_z3
# net.py:6   dL/ddz2_dx = -4 h2 * (1 - h2²) * dL/dlaplacian_h2 * dz2/dx
# net.py:6   dL/dlaplacian_h1 = dL/dlaplacian_z2 W2ᵀ
# net.py:6   dL/ddh1_dx = dL/ddz2_dx W2ᵀ
# net.py:6   dL/dh1 = dL/dz2 W2ᵀ + 2 h1 * (2 h1 * dL/dlaplacian_h1 * (sum_axis1 (dz1/dx)²) - einsum(abc,bc→ac, dL/ddh1_dx, dz1/dx)) - 2 dL/dlaplacian_h1 * (sum_axis1 (dz1/dx)²) * (1 - h1²)
# net.py:6   dL/dz1 = dL/dh1 * (1 - h1²)
# net.py:6   dL/db1 = sum_batch dL/dz1
# net.py:6   dL/dW2 = einsum(abc,abd→cd, dh1/dx, dL/ddz2_dx) + h1ᵀ dL/dz2 + laplacian_h1ᵀ dL/dlaplacian_z2
@kernel
def k4_dL_dW2(
    batch, x, W1, W2, b1, total_dz1_dx_squared, dz1_dx, b2, W3, t, total_parts, dL_db2_parts,
    dL_dW3_parts, total_parts_2, dL_db1_parts, product_parts, x_dL_dz1_parts, dL_dW2_parts, total,
    dL_db2, dL_dW3, total_2, dL_db1, product, x_dL_dz1, dL_dW2,
):
    dL_dW2_parts_view = view(dL_dW2_parts, ((batch + 63) // 64, 2304))
    x_dL_dz1_flat = view(x_dL_dz1, (96,))
    x_dL_dz1_parts_view = view(x_dL_dz1_parts, ((batch + 63) // 64, 96))
    dL_dW2_flat = view(dL_dW2, (2304,))
    for first in prange(0, batch, 64):
        last = min(first + 64, batch)
        panel = first // 64
        x_W1 = local_array((64, 48), f32)
        laplacian_z2 = local_array((64, 48), f32)
        laplacian_h1 = local_array((64, 48), f32)
        h1_W2 = local_array((64, 48), f32)
        h1 = local_array((64, 48), f32)
        dz2_dx = local_array((64, 2, 48), f32)
        dh1_dx = local_array((64, 2, 48), f32)
        dL_dz2_W2 = local_array((64, 48), f32)
        dL_dz2 = local_array((64, 48), f32)
        dL_dlaplacian_h1 = local_array((64, 48), f32)
        dL_dlaplacian_z2 = local_array((64, 48), f32)
        dL_ddh1_dx = local_array((64, 2, 48), f32)
        dL_ddz2_dx = local_array((64, 2, 48), f32)
        dL_dz1 = local_array((64, 48), f32)
        one_minus_h2_squared = local_array((64, 48), f32)
        scaled_h2 = local_array((64, 48), f32)
        total_dz2_dx_squared = local_array((64, 48), f32)
        h2 = local_array((64, 48), f32)
        laplacian_h2 = local_array((64, 48), f32)
        product_3 = local_array((64, 1, 48), f32)
        dL_ddh1_dx_dz1_dx = local_array((64, 48), f32)
        dh1_dx_dL_ddz2_dx = local_array((48, 48), f32)
        h1_dL_dz2 = local_array((48, 48), f32)
        product_2 = local_array((48, 48), f32)
        dh1_dx_view = view(dh1_dx, (128, 48))
        dz2_dx_view = view(dz2_dx, (128, 48))
        dL_ddz2_dx_view = view(dL_ddz2_dx, (128, 48))
        dL_ddh1_dx_view = view(dL_ddh1_dx, (128, 48))
        dh1_dx_dL_ddz2_dx_flat = view(dh1_dx_dL_ddz2_dx, (2304,))
        h1_dL_dz2_flat = view(h1_dL_dz2, (2304,))
        product_2_flat = view(product_2, (2304,))
        matmul(x[first:last], W1, x_W1[0 : last - first])
        for i in range(first, last):
            for j in range(48):
                h1_ij = tanh(x_W1[i - first, j] + b1[j])
                h1[i - first, j] = h1_ij
        for i in range(first, last):
            for j in range(48):
                h1_ij = h1[i - first, j]
                scaled_h1_ij = h1_ij * (f32(1.0) - h1_ij * h1_ij)
                laplacian_h1[i - first, j] = f32(-2.0) * (scaled_h1_ij * total_dz1_dx_squared[0, j])
            for j in range(2):
                for k in range(48):
                    h1_ik = h1[i - first, k]
                    dh1_dx[i - first, j, k] = dz1_dx[0, j, k] * (f32(1.0) - h1_ik * h1_ik)
        matmul(laplacian_h1[0 : last - first], W2, laplacian_z2[0 : last - first])
        matmul(h1[0 : last - first], W2, h1_W2[0 : last - first])
        for i in range(first, last):
            for j in range(48):
                h2_ij = tanh(h1_W2[i - first, j] + b2[j])
                h2[i - first, j] = h2_ij
                one_minus_h2_squared_ij = f32(1.0) - h2_ij * h2_ij
                one_minus_h2_squared[i - first, j] = one_minus_h2_squared_ij
                scaled_h2_ij = h2_ij * one_minus_h2_squared_ij
                scaled_h2[i - first, j] = scaled_h2_ij
        matmul(dh1_dx_view[0 : last * 2 - first * 2], W2, dz2_dx_view[0 : last * 2 - first * 2])
        sum_square = f64(0.0)
        for i in range(48):
            dL_db2_parts[panel, i] = f32(0.0)
            dL_dW3_parts[panel, i, 0] = f32(0.0)
        for i in range(first, last):
            for j in range(48):
                total_dz2_dx_squared[i - first, j] = f32(0.0)
            for j in range(2):
                for k in range(48):
                    dz2_dx_ijk = dz2_dx[i - first, j, k]
                    dz2_dx_squared_ijk = dz2_dx_ijk * dz2_dx_ijk
                    before = total_dz2_dx_squared[i - first, k]
                    total_dz2_dx_squared[i - first, k] = before + dz2_dx_squared_ijk
            sum_product = f64(0.0)
            for j in range(48):
                one_minus_h2_squared_ij = one_minus_h2_squared[i - first, j]
                product_ij = scaled_h2[i - first, j] * total_dz2_dx_squared[i - first, j]
                scaled_laplacian_z2_ij = laplacian_z2[i - first, j] * one_minus_h2_squared_ij
                laplacian_h2_ij = scaled_laplacian_z2_ij - f32(2.0) * product_ij
                laplacian_h2[i - first, j] = laplacian_h2_ij
                sum_product = accumulate(sum_product, f64(laplacian_h2_ij * W3[j, 0]))
            laplacian_z3_i = f32(sum_product)
            y_minus_t_i = laplacian_z3_i + sin(x[i, 0]) * sin(x[i, 1]) - t[i]
            sum_square = accumulate(sum_square, f64(y_minus_t_i * y_minus_t_i))
            dL_dlaplacian_z3_i = f32(2.0) * y_minus_t_i / f32(batch)
            for j in range(48):
                dL_dlaplacian_h2_ij = dL_dlaplacian_z3_i * W3[j, 0]
                h2_ij = h2[i - first, j]
                product_ij_2 = dL_dlaplacian_h2_ij * total_dz2_dx_squared[i - first, j]
                product_ij_3 = dL_dlaplacian_h2_ij * laplacian_z2[i - first, j]
                scaled_h2_ij_2 = h2_ij * (f32(2.0) * (h2_ij * product_ij_2) - product_ij_3)
                one_minus_h2_squared_ij = one_minus_h2_squared[i - first, j]
                product_ij_4 = f32(2.0) * (product_ij_2 * one_minus_h2_squared_ij)
                dL_dh2_ij = f32(2.0) * scaled_h2_ij_2 - product_ij_4
                dL_dz2_ij = dL_dh2_ij * one_minus_h2_squared_ij
                dL_dz2[i - first, j] = dL_dz2_ij
                dL_dlaplacian_z2[i - first, j] = dL_dlaplacian_h2_ij * one_minus_h2_squared_ij
                product_3[i - first, 0, j] = scaled_h2[i - first, j] * dL_dlaplacian_h2_ij
                dL_db2_parts[panel, j] = dL_db2_parts[panel, j] + dL_dz2_ij
                product_ij_5 = laplacian_h2[i - first, j] * dL_dlaplacian_z3_i
                dL_dW3_parts[panel, j, 0] = dL_dW3_parts[panel, j, 0] + product_ij_5
            for j in range(2):
                for k in range(48):
                    scaled_dz2_dx_ijk = product_3[i - first, 0, k] * dz2_dx[i - first, j, k]
                    dL_ddz2_dx[i - first, j, k] = f32(-4.0) * scaled_dz2_dx_ijk
        total_parts[panel] = sum_square
        matmul_nt(dL_dz2[0 : last - first], W2, dL_dz2_W2[0 : last - first])
        matmul_nt(dL_dlaplacian_z2[0 : last - first], W2, dL_dlaplacian_h1[0 : last - first])
        matmul_nt(
            dL_ddz2_dx_view[0 : last * 2 - first * 2], W2,
            dL_ddh1_dx_view[0 : last * 2 - first * 2],
        )
        for i in range(2):
            for j in range(48):
                product_parts[panel, i, j] = f32(0.0)
        for i in range(48):
            total_parts_2[panel, i] = f32(0.0)
            dL_db1_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(48):
                dL_ddh1_dx_dz1_dx[i - first, j] = f32(0.0)
            for j in range(2):
                for k in range(48):
                    dL_ddh1_dx_ijk = dL_ddh1_dx[i - first, j, k]
                    product_ijk = dL_ddh1_dx_ijk * dz1_dx[0, j, k]
                    dL_ddh1_dx_dz1_dx[i - first, k] = dL_ddh1_dx_dz1_dx[i - first, k] + product_ijk
                    h1_ik = h1[i - first, k]
                    scaled_dL_ddh1_dx_ijk = dL_ddh1_dx_ijk * (f32(1.0) - h1_ik * h1_ik)
                    product_parts[panel, j, k] = product_parts[panel, j, k] + scaled_dL_ddh1_dx_ijk
            for j in range(48):
                h1_ij = h1[i - first, j]
                dL_dlaplacian_h1_ij = dL_dlaplacian_h1[i - first, j]
                product_ij_6 = dL_dlaplacian_h1_ij * total_dz1_dx_squared[0, j]
                scaled_h1_ij_2 = f32(2.0) * (h1_ij * product_ij_6)
                scaled_h1_ij_3 = h1_ij * (scaled_h1_ij_2 - dL_ddh1_dx_dz1_dx[i - first, j])
                one_minus_h1_squared_ij = f32(1.0) - h1_ij * h1_ij
                total_ij = dL_dz2_W2[i - first, j] + f32(2.0) * scaled_h1_ij_3
                product_ij_7 = f32(2.0) * (product_ij_6 * one_minus_h1_squared_ij)
                dL_dz1_ij = (total_ij - product_ij_7) * one_minus_h1_squared_ij
                dL_dz1[i - first, j] = dL_dz1_ij
                product_ij_8 = h1_ij * one_minus_h1_squared_ij * dL_dlaplacian_h1_ij
                total_parts_2[panel, j] = total_parts_2[panel, j] + f32(-2.0) * product_ij_8
                dL_db1_parts[panel, j] = dL_db1_parts[panel, j] + dL_dz1_ij
        matmul_tn(x[first:last], dL_dz1[0 : last - first], x_dL_dz1_parts[panel])
        matmul_tn(
            dh1_dx_view[0 : last * 2 - first * 2], dL_ddz2_dx_view[0 : last * 2 - first * 2],
            dh1_dx_dL_ddz2_dx,
        )
        matmul_tn(h1[0 : last - first], dL_dz2[0 : last - first], h1_dL_dz2)
        matmul_tn(laplacian_h1[0 : last - first], dL_dlaplacian_z2[0 : last - first], product_2)
        for j in range(2304):
            total_ij_2 = dh1_dx_dL_ddz2_dx_flat[j] + h1_dL_dz2_flat[j]
            dL_dW2_parts_view[panel, j] = total_ij_2 + product_2_flat[j]
    # The total_parts of all panels, added up.
    sum_total_parts = f64(0.0)
    for i in range((batch + 63) // 64):
        sum_total_parts = accumulate(sum_total_parts, total_parts[i])
    total[0] = f32(sum_total_parts)
    # The dL_db2_parts, dL_dW3_parts, total_parts_2 and dL_db1_parts of all panels, added up.
    for i in range(48):
        dL_db2[i] = f32(0.0)
        dL_dW3[i, 0] = f32(0.0)
        total_2[i] = f32(0.0)
        dL_db1[i] = f32(0.0)
    for i in range((batch + 63) // 64):
        for j in range(48):
            dL_db2[j] = dL_db2[j] + dL_db2_parts[i, j]
            dL_dW3[j, 0] = dL_dW3[j, 0] + dL_dW3_parts[i, j, 0]
            total_2[j] = total_2[j] + total_parts_2[i, j]
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]
    # The product_parts of all panels, added up.
    for i in range(2):
        for j in range(48):
            product[i, j] = f32(0.0)
    for i in range((batch + 63) // 64):
        for j in range(2):
            for k in range(48):
                product[j, k] = product[j, k] + product_parts[i, j, k]
    # The x_dL_dz1_parts of all panels, added up.
    for i in range(96):
        x_dL_dz1_flat[i] = f32(0.0)
    for i in range((batch + 63) // 64):
        for j in range(96):
            x_dL_dz1_flat[j] = x_dL_dz1_flat[j] + x_dL_dz1_parts_view[i, j]
    # The dL_dW2_parts of all panels, added up.
    for i in range(2304):
        dL_dW2_flat[i] = f32(0.0)
    for i in range((batch + 63) // 64):
        for j in range(2304):
            dL_dW2_flat[j] = dL_dW2_flat[j] + dL_dW2_parts_view[i, j]


# net.py:9   L = sum((y - t)²) / batch
# net.py:9   W3 <- W3 - learning_rate * dL/dW3
# net.py:9   b2 <- b2 - learning_rate * dL/db2
@kernel
def k5_loss(batch, learning_rate, dL_dW3, dL_db2, total, W3, b2, loss):
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(48):
        new_W3 = W3[i, 0] - learning_rate_f32 * dL_dW3[i, 0]
        new_b2 = b2[i] - learning_rate_f32 * dL_db2[i]
        W3[i, 0] = new_W3
        b2[i] = new_b2
    loss[0] = total[0] / f32(batch)


# net.py:6   dL/ddz1_dx = einsum(abc,ac→bc, dL/ddh1_dx, 1 - h1²) + 2 dz1/dx * (sum_batch (-2 h1 * (1 - h1²) * dL/dlaplacian_h1))
# net.py:9   b1 <- b1 - learning_rate * dL/db1
@kernel
def k6_b1(learning_rate, dL_db1, product, dz1_dx, total_2, b1, dL_ddz1_dx):
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(48):
        b1[i] = b1[i] - learning_rate_f32 * dL_db1[i]
    for i in range(2):
        for j in range(48):
            dL_ddz1_dx[0, i, j] = product[i, j] + f32(2.0) * (dz1_dx[0, i, j] * total_2[j])


# net.py:6   dL/dW1 = xᵀ dL/dz1 + einsum(abc,abd→cd, onehot(range(2)), dL/ddz1_dx)
# net.py:9   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k7_W1(one_hot, dL_ddz1_dx, learning_rate, x_dL_dz1, W1):
    product_4 = local_array((2, 48), f32)
    dL_ddz1_dx_view = view(dL_ddz1_dx, (2, 48))
    matmul_tn(one_hot, dL_ddz1_dx_view, product_4)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(2):
        for j in range(48):
            product_ij = learning_rate_f32 * (x_dL_dz1[i, j] + product_4[i, j])
            W1[i, j] = W1[i, j] - product_ij


# net.py:9   W2 <- W2 - learning_rate * dL/dW2
@kernel
def k8_W2(learning_rate, dL_dW2, W2):
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(48):
        for j in range(48):
            W2[i, j] = W2[i, j] - learning_rate_f32 * dL_dW2[i, j]


@program
def step(
    batch, x, t, learning_rate, W1, b1, W2, b2, W3, b3, loss, x_batch, t_batch, scratch_1,
    scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, scratch_9,
    scratch_10, scratch_11, scratch_12, scratch_13, scratch_14, scratch_15, scratch_16, scratch_17,
    scratch_18, scratch_19, fault,
):
    one_hot = view(scratch_1, (2, 2))
    dz1_dx = view(scratch_2, (1, 2, 48))
    total_dz1_dx_squared = view(scratch_3, (1, 48))
    dL_ddz1_dx = view(scratch_3, (1, 2, 48))
    x_dL_dz1_parts = view(scratch_4, ((batch + 63) // 64, 2, 48))
    total_parts = view(scratch_5, ((batch + 63) // 64,))
    dL_db2_parts = view(scratch_6, ((batch + 63) // 64, 48))
    dL_dW3_parts = view(scratch_7, ((batch + 63) // 64, 48, 1))
    total_parts_2 = view(scratch_8, ((batch + 63) // 64, 48))
    dL_db1_parts = view(scratch_9, ((batch + 63) // 64, 48))
    product_parts = view(scratch_10, ((batch + 63) // 64, 2, 48))
    dL_dW2_parts = view(scratch_11, ((batch + 63) // 64, 48, 48))
    dL_dW3 = view(scratch_12, (48, 1))
    dL_db2 = view(scratch_13, (48,))
    total = view(scratch_14, (1,))
    dL_db1 = view(scratch_15, (48,))
    product = view(scratch_16, (2, 48))
    total_2 = view(scratch_17, (48,))
    x_dL_dz1 = view(scratch_18, (2, 48))
    dL_dW2 = view(scratch_19, (48, 48))
    k1_b3(learning_rate, b3)
    k2_one_hot(one_hot)
    k3_dz1_dx(one_hot, W1, dz1_dx, total_dz1_dx_squared)
    k4_dL_dW2(
        batch, x, W1, W2, b1, total_dz1_dx_squared, dz1_dx, b2, W3, t, total_parts, dL_db2_parts,
        dL_dW3_parts, total_parts_2, dL_db1_parts, product_parts, x_dL_dz1_parts, dL_dW2_parts,
        total, dL_db2, dL_dW3, total_2, dL_db1, product, x_dL_dz1, dL_dW2,
    )
    k5_loss(batch, learning_rate, dL_dW3, dL_db2, total, W3, b2, loss)
    k6_b1(learning_rate, dL_db1, product, dz1_dx, total_2, b1, dL_ddz1_dx)
    k7_W1(one_hot, dL_ddz1_dx, learning_rate, x_dL_dz1, W1)
    k8_W2(learning_rate, dL_dW2, W2)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, W2, b2, W3, b3,
    loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6,
    scratch_7, scratch_8, scratch_9, scratch_10, scratch_11, scratch_12, scratch_13, scratch_14,
    scratch_15, scratch_16, scratch_17, scratch_18, scratch_19, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = rows_in_order(x, order, start, view(x_batch, (rows, 2)))
        t_rows = rows_in_order(t, order, start, view(t_batch, (rows,)))
        step(
            rows, x_rows, t_rows, learning_rate, W1, b1, W2, b2, W3, b3, loss, x_batch, t_batch,
            scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6, scratch_7, scratch_8,
            scratch_9, scratch_10, scratch_11, scratch_12, scratch_13, scratch_14, scratch_15,
            scratch_16, scratch_17, scratch_18, scratch_19, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
