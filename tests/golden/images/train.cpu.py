"""train. Target cpu.

net.py:6    z1 = einsum(abcde,def→abcf, windows(pad(x, [batch, 10, 10, 1])), W1) + b1
net.py:6    h1 = max(z1, 0)
net.py:7    p1 = max_axis3_axis4 windows(h1)
net.py:8    z2 = einsum(abcde,def→abcf, windows(reshape(p1, [batch, 4, 16])), reshape(W2, [3, 12, 6]))
            n3 = (z2 - sum_batch_axis1_axis2 z2 / (4 batch)) / √(sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))² / (4 batch) + 0.001)
net.py:9    h3 = n3 * gamma3 + beta3
net.py:10   h3_2 = max(h3, 0)
net.py:11   p3 = sum_axis1_axis2 h3_2 / 4
net.py:12   y = p3 W4 + b4
net.py:15   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch

The turns of a prange, a panel of rows or a row each, go in any order. What is added up over
all rows is added up in each panel, in arrays called _parts, and then over the panels.
"""

from chainrule.runtime.devices.cpu.library import (
    accumulate,
    checked,
    contract,
    exp,
    f32,
    f64,
    floor_divide,
    gather_rows,
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
    sqrt,
    transposed,
    view,
    where,
)


# W2_transposed = permute(reshape(W2, [3, 12, 6]), (2, 0, 1))
@kernel
def k1_W2_transposed(W2, W2_transposed):
    W2_view = view(W2, (3, 12, 6))
    for i in range(6):
        for j in range(3):
            for k in range(12):
                W2_transposed[i, j, k] = W2_view[j, k, i]


# net.py:6   x_padded = pad(x, [batch, 10, 10, 1])
@kernel
def k2_x_padded(batch, x, x_padded):
    for first in prange(0, batch, 80):
        last = min(first + 80, batch)
        for i in range(first, last):
            for j in range(10):
                for k in range(10):
                    x_padded[i, j, k, 0] = f32(0.0)
            for j in range(8):
                plus_ij = j + 1
                for k in range(8):
                    plus_ijk = k + 1
                    x_padded[i, plus_ij, plus_ijk, 0] = x[i, j, k, 0]


# net.py:6   z1 = einsum(abcde,def→abcf, windows(pad(x, [batch, 10, 10, 1])), W1) + b1
# net.py:6   h1 = max(z1, 0)
# net.py:7   p1 = max_axis3_axis4 windows(h1)
@kernel
def k3_p1(batch, x_padded, W1, x_W1, b1, p1, total_2):
    x_padded_view = view(x_padded, (batch, 10, 10))
    W1_view = view(W1, (3, 3, 4))
    for first in prange(0, batch, 8):
        last = min(first + 8, batch)
        contract(
            "b x+u y+v, u v f -> b x y f", x_padded_view[first:last], W1_view, x_W1[first:last],
        )
        for i in range(first, last):
            for j in range(4):
                product_ij = j * 2
                for k in range(4):
                    product_ijk = k * 2
                    for l in range(4):
                        largest_h1 = f32(-inf)
                        b1_l = b1[l]
                        for m in range(2):
                            plus_ijklm = product_ij + m
                            for n in range(2):
                                z1_ijklmn = x_W1[i, plus_ijklm, product_ijk + n, l] + b1_l
                                largest_h1 = maximum(largest_h1, maximum(z1_ijklmn, f32(0.0)))
                        p1[i, j, k, l] = largest_h1
                    for l in range(4):
                        total_2[i, j, k, l] = f32(0.0)
                    for l in range(2):
                        plus_ijkl = product_ij + l
                        for m in range(2):
                            plus_ijklm_2 = product_ijk + m
                            for n in range(4):
                                z1_ijklmn_2 = x_W1[i, plus_ijkl, plus_ijklm_2, n] + b1[n]
                                test_ijklmn = maximum(z1_ijklmn_2, f32(0.0)) == p1[i, j, k, n]
                                total_2[i, j, k, n] = total_2[i, j, k, n] + f32(test_ijklmn)


# net.py:8    z2 = einsum(abcde,def→abcf, windows(reshape(p1, [batch, 4, 16])), reshape(W2, [3, 12, 6]))
#             n3 = (z2 - sum_batch_axis1_axis2 z2 / (4 batch)) / √(sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))² / (4 batch) + 0.001)
# net.py:9    h3 = n3 * gamma3 + beta3
# net.py:10   h3_2 = max(h3, 0)
# net.py:11   p3 = sum_axis1_axis2 h3_2 / 4
# net.py:9    moving_mean3 <- 0.99 moving_mean3 + 0.01 (sum_batch_axis1_axis2 z2) / (4 batch)
# net.py:9    moving_variance3 <- 0.99 moving_variance3 + 0.01 (sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))²) / (4 batch)
@kernel
def k4_p3(
    batch, p1, W2, z2, total_parts, ratio, root_2, root, gamma3, beta3, total, moving_mean3,
    moving_variance3, test, p3,
):
    total_3 = local_array((6,), f32)
    total_4 = local_array((6,), f32)
    p1_view = view(p1, (batch, 4, 16))
    W2_view = view(W2, (3, 12, 6))
    for first in prange(0, batch, 8):
        last = min(first + 8, batch)
        panel = first // 8
        contract("b x+u 4y+v, u v f -> b x y f", p1_view[first:last], W2_view, z2[first:last])
        for i in range(6):
            total_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(2):
                for k in range(2):
                    for l in range(6):
                        total_parts[panel, l] = total_parts[panel, l] + z2[i, j, k, l]
    # The total_parts of all panels, added up.
    for i in range(6):
        total_3[i] = f32(0.0)
    for i in range((batch + 7) // 8):
        for j in range(6):
            total_3[j] = total_3[j] + total_parts[i, j]
    for i in range(6):
        ratio_i = total_3[i] / f32(4 * batch)
        ratio[0, 0, 0, i] = ratio_i
        moving_mean3[i] = f32(0.99) * moving_mean3[i] + f32(0.01) * ratio_i
    for i in range(6):
        total_4[i] = f32(0.0)
    for i in range(batch):
        for j in range(2):
            for k in range(2):
                for l in range(6):
                    difference_ijkl = z2[i, j, k, l] - ratio[0, 0, 0, l]
                    total_4[l] = total_4[l] + difference_ijkl * difference_ijkl
    for i in range(6):
        ratio_i_2 = total_4[i] / f32(4 * batch)
        root_2_i = sqrt(ratio_i_2 + f32(0.001))
        root_2[i] = root_2_i
        root[0, 0, 0, i] = root_2_i
        moving_variance3[i] = f32(0.99) * moving_variance3[i] + f32(0.01) * ratio_i_2
    for i in range(batch):
        for j in range(6):
            total[i, j] = f32(0.0)
        for j in range(2):
            for k in range(2):
                for l in range(6):
                    n3_ijkl = (z2[i, j, k, l] - ratio[0, 0, 0, l]) / root[0, 0, 0, l]
                    h3_ijkl = n3_ijkl * gamma3[l] + beta3[l]
                    total[i, l] = total[i, l] + maximum(h3_ijkl, f32(0.0))
                    test[i, j, k, l] = h3_ijkl > f32(0.0)
        for j in range(6):
            p3[i, j] = total[i, j] / f32(4.0)


# net.py:12   y = p3 W4 + b4
# net.py:15   dL/dy = (exp(y - max_axis1 y) / (sum_axis1 exp(y - max_axis1 y)) - onehot(t)) / batch
# net.py:12   dL/db4 = sum_batch dL/dy
# net.py:15   L = -sum((y - max_axis1 y - log(sum_axis1 exp(y - max_axis1 y)))[t]) / batch
# net.py:15   b4 <- b4 - learning_rate * dL/db4
@kernel
def k5_loss(batch, p3, W4, t, dL_dy, total_parts_2, dL_db4_parts, learning_rate, b4, loss, fault):
    dL_db4 = local_array((3,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        p3_W4 = local_array((32, 3), f32)
        exponential = local_array((3, 32), f32)
        places = local_array((32,), i64)
        p3_W4_columns = local_array((3, 32), f32)
        dL_dy_columns = local_array((3, 32), f32)
        matmul(p3[first:last], W4, p3_W4[0 : last - first])
        transposed(p3_W4[0 : last - first], p3_W4_columns)
        for i in range(first, last):
            places_i = checked(i64(t[i]), 3, fault, 1)
            places[i - first] = places_i
        sum_difference = f64(0.0)
        for i in range(3):
            dL_db4_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            largest_y = f32(-inf)
            for j in range(3):
                largest_y = maximum(largest_y, p3_W4_columns[j, i - first] + b4[j])
            sum_exponential = f64(0.0)
            for j in range(3):
                exponential_ij = exp(p3_W4_columns[j, i - first] + b4[j] - largest_y)
                exponential[j, i - first] = exponential_ij
                sum_exponential = accumulate(sum_exponential, f64(exponential_ij))
            total_5_i = f32(sum_exponential)
            places_i = places[i - first]
            difference_i = p3_W4_columns[places_i, i - first] + b4[places_i] - largest_y
            sum_difference = accumulate(sum_difference, f64(difference_i - log(total_5_i)))
            t_i = t[i]
            for j in range(3):
                difference_ij = exponential[j, i - first] / total_5_i - f32(i32(j) == t_i)
                dL_dy_ij = difference_ij / f32(batch)
                dL_dy_columns[j, i - first] = dL_dy_ij
                dL_db4_parts[panel, j] = accumulate(dL_db4_parts[panel, j], dL_dy_ij)
        total_parts_2[panel] = sum_difference
        transposed(dL_dy_columns, dL_dy[first:last])
    # The total_parts_2 of all panels, added up.
    sum_total_parts_2 = f64(0.0)
    for i in range((batch + 31) // 32):
        sum_total_parts_2 = accumulate(sum_total_parts_2, total_parts_2[i])
    total_6_0 = f32(sum_total_parts_2)
    # The dL_db4_parts of all panels, added up.
    for i in range(3):
        dL_db4[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(3):
            dL_db4[j] = dL_db4[j] + dL_db4_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(3):
        b4[i] = b4[i] - learning_rate_f32 * dL_db4[i]
    loss[0] = -(total_6_0 / f32(batch))


# net.py:12   dL/dp3 = dL/dy W4ᵀ
# net.py:9    dL/dn3 = [h3 > 0] * dL/dp3 * gamma3 / 4
# net.py:9    dL/dgamma3 = sum_batch_axis1_axis2 ([h3 > 0] * dL/dp3 * n3 / 4)
# net.py:10   dL/dh3 = [h3 > 0] * dL/dp3 / 4
# net.py:9    dL/dbeta3 = sum_batch_axis1_axis2 dL/dh3
#             dL/dz2 = (dL/dn3 - sum_batch_axis1_axis2 dL/dn3 / (4 batch) - n3 * (sum_batch_axis1_axis2 ([h3 > 0] * dL/dp3 * gamma3 * n3 / 4)) / (4 batch)) / √(sum_batch_axis1_axis2 (z2 - sum_batch_axis1_axis2 z2 / (4 batch))² / (4 batch) + 0.001)
# net.py:15   beta3 <- beta3 - learning_rate * dL/dbeta3
# net.py:15   gamma3 <- gamma3 - learning_rate * dL/dgamma3
@kernel
def k6_gamma3(
    batch, dL_dy, W4, test, dL_dn3, z2, ratio, root, total_parts_3, total_parts_4, dL_dgamma3_parts,
    dL_dbeta3_parts, learning_rate, root_2, beta3, gamma3, dL_dz2,
):
    dL_dbeta3 = local_array((6,), f32)
    dL_dgamma3 = local_array((6,), f32)
    total_8 = local_array((6,), f32)
    total_7 = local_array((6,), f32)
    ratio_3 = local_array((6,), f32)
    ratio_2 = local_array((6,), f32)
    for first in prange(0, batch, 32):
        last = min(first + 32, batch)
        panel = first // 32
        dL_dp3 = local_array((32, 6), f32)
        matmul_nt(dL_dy[first:last], W4, dL_dp3[0 : last - first])
        for i in range(6):
            total_parts_3[panel, i] = f32(0.0)
            total_parts_4[panel, i] = f32(0.0)
            dL_dgamma3_parts[panel, i] = f32(0.0)
            dL_dbeta3_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(2):
                for k in range(2):
                    for l in range(6):
                        test_ijkl = test[i, j, k, l]
                        ratio_ijkl = dL_dp3[i - first, l] / f32(4.0)
                        product_ijkl = ratio_ijkl * gamma3[l]
                        dL_dn3_ijkl = where(test_ijkl, product_ijkl, f32(0.0))
                        dL_dn3[i, j, k, l] = dL_dn3_ijkl
                        total_parts_3[panel, l] = total_parts_3[panel, l] + dL_dn3_ijkl
                        n3_ijkl = (z2[i, j, k, l] - ratio[0, 0, 0, l]) / root[0, 0, 0, l]
                        choice_ijkl = where(test_ijkl, product_ijkl * n3_ijkl, f32(0.0))
                        total_parts_4[panel, l] = total_parts_4[panel, l] + choice_ijkl
                        choice_ijkl_2 = where(test_ijkl, ratio_ijkl * n3_ijkl, f32(0.0))
                        dL_dgamma3_parts[panel, l] = dL_dgamma3_parts[panel, l] + choice_ijkl_2
                        dL_dh3_ijkl = where(test_ijkl, ratio_ijkl, f32(0.0))
                        dL_dbeta3_parts[panel, l] = dL_dbeta3_parts[panel, l] + dL_dh3_ijkl
    # The total_parts_3, total_parts_4, dL_dgamma3_parts and dL_dbeta3_parts of all panels, added up.
    for i in range(6):
        total_7[i] = f32(0.0)
        total_8[i] = f32(0.0)
        dL_dgamma3[i] = f32(0.0)
        dL_dbeta3[i] = f32(0.0)
    for i in range((batch + 31) // 32):
        for j in range(6):
            total_7[j] = total_7[j] + total_parts_3[i, j]
            total_8[j] = total_8[j] + total_parts_4[i, j]
            dL_dgamma3[j] = dL_dgamma3[j] + dL_dgamma3_parts[i, j]
            dL_dbeta3[j] = dL_dbeta3[j] + dL_dbeta3_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(6):
        new_beta3 = beta3[i] - learning_rate_f32 * dL_dbeta3[i]
        new_gamma3 = gamma3[i] - learning_rate_f32 * dL_dgamma3[i]
        ratio_2[i] = total_8[i] / f32(4 * batch)
        ratio_3[i] = total_7[i] / f32(4 * batch)
        beta3[i] = new_beta3
        gamma3[i] = new_gamma3
    for i in range(batch):
        for j in range(2):
            for k in range(2):
                for l in range(6):
                    n3_ijkl_2 = (z2[i, j, k, l] - ratio[0, 0, 0, l]) / root[0, 0, 0, l]
                    difference_ijkl = dL_dn3[i, j, k, l] - ratio_3[l] - n3_ijkl_2 * ratio_2[l]
                    dL_dz2[i, j, k, l] = difference_ijkl / root_2[l]


# net.py:8    dL/dp1 = reshape(overlap_add(einsum(abcd,def→abcef, dL/dz2, permute(reshape(W2, [3, 12, 6]), (2, 0, 1)))), [batch, 4, 4, 4])
# net.py:7    dL/dh1 = overlap_add([windows(h1) == p1] * dL/dp1 / (sum_axis3_axis4 [windows(h1) == p1]))
# net.py:6    dL/dz1 = [z1 > 0] * dL/dh1
# net.py:6    dL/db1 = sum_batch_axis1_axis2 dL/dz1
# net.py:15   b1 <- b1 - learning_rate * dL/db1
@kernel
def k7_b1(batch, dL_dz2, W2_transposed, x_W1, p1, total_2, dL_dz1, dL_db1_parts, learning_rate, b1):
    dL_db1 = local_array((4,), f32)
    for first in prange(0, batch, 8):
        last = min(first + 8, batch)
        panel = first // 8
        overlapped = local_array((8, 4, 16), f32)
        overlapped_view = view(overlapped, (8, 4, 4, 4))
        contract(
            "b x y f, f u v -> b x+u 4y+v", dL_dz2[first:last], W2_transposed,
            overlapped[0 : last - first],
        )
        for i in range(4):
            dL_db1_parts[panel, i] = f32(0.0)
        for i in range(first, last):
            for j in range(8):
                quotient_ij = floor_divide(j, 2)
                for k in range(8):
                    quotient_ijk = floor_divide(k, 2)
                    for l in range(4):
                        z1_ijkl = x_W1[i, j, k, l] + b1[l]
                        p1_il = p1[i, quotient_ij, quotient_ijk, l]
                        dL_dp1_ijkl = overlapped_view[i - first, quotient_ij, quotient_ijk, l]
                        ratio_ijkl = dL_dp1_ijkl / total_2[i, quotient_ij, quotient_ijk, l]
                        test_ijkl = maximum(z1_ijkl, f32(0.0)) == p1_il
                        choice_ijkl = where(test_ijkl, ratio_ijkl, f32(0.0))
                        dL_dz1_ijkl = where(z1_ijkl > f32(0.0), choice_ijkl, f32(0.0))
                        dL_dz1[i, j, k, l] = dL_dz1_ijkl
                        dL_db1_parts[panel, l] = dL_db1_parts[panel, l] + dL_dz1_ijkl
    # The dL_db1_parts of all panels, added up.
    for i in range(4):
        dL_db1[i] = f32(0.0)
    for i in range((batch + 7) // 8):
        for j in range(4):
            dL_db1[j] = dL_db1[j] + dL_db1_parts[i, j]
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(4):
        b1[i] = b1[i] - learning_rate_f32 * dL_db1[i]


# net.py:6    dL/dW1 = einsum(abcde,abcf→def, windows(pad(x, [batch, 10, 10, 1])), dL/dz1)
# net.py:15   W1 <- W1 - learning_rate * dL/dW1
@kernel
def k8_W1(batch, x_padded, dL_dz1, learning_rate, x_dL_dz1, W1):
    x_padded_view = view(x_padded, (batch, 10, 10))
    contract("b x+u y+v, b x y f -> u v f", x_padded_view, dL_dz1, x_dL_dz1)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(3):
        for j in range(3):
            for k in range(4):
                W1[i, j, 0, k] = W1[i, j, 0, k] - learning_rate_f32 * x_dL_dz1[i, j, k]


# net.py:8    dL/dW2 = reshape(einsum(abcde,abcf→def, windows(reshape(p1, [batch, 4, 16])), dL/dz2), [3, 3, 4, 6])
# net.py:15   W2 <- W2 - learning_rate * dL/dW2
@kernel
def k9_W2(batch, p1, dL_dz2, learning_rate, p1_dL_dz2, W2):
    p1_view = view(p1, (batch, 4, 16))
    W2_flat = view(W2, (216,))
    p1_dL_dz2_flat = view(p1_dL_dz2, (216,))
    contract("b x+u 4y+v, b x y f -> u v f", p1_view, dL_dz2, p1_dL_dz2)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(216):
        W2_flat[i] = W2_flat[i] - learning_rate_f32 * p1_dL_dz2_flat[i]


# net.py:12   dL/dW4 = p3ᵀ dL/dy
# net.py:15   W4 <- W4 - learning_rate * dL/dW4
@kernel
def k10_W4(p3, dL_dy, learning_rate, W4):
    dL_dW4 = local_array((6, 3), f32)
    W4_flat = view(W4, (18,))
    dL_dW4_flat = view(dL_dW4, (18,))
    matmul_tn(p3, dL_dy, dL_dW4)
    learning_rate_f32 = f32(learning_rate[0])
    for i in range(18):
        W4_flat[i] = W4_flat[i] - learning_rate_f32 * dL_dW4_flat[i]


@program
def step(
    batch, x, t, learning_rate, W1, b1, W2, gamma3, beta3, W4, b4, moving_mean3, moving_variance3,
    loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4, scratch_5, scratch_6,
    scratch_7, scratch_8, scratch_9, scratch_10, scratch_11, scratch_12, scratch_13, scratch_14,
    scratch_15, scratch_16, scratch_17, scratch_18, scratch_19, scratch_20, fault,
):
    W2_transposed = view(scratch_1, (6, 3, 12))
    x_dL_dz1 = view(scratch_1, (3, 3, 4))
    p1_dL_dz2 = view(scratch_1, (3, 12, 6))
    x_padded = view(scratch_2, (batch, 10, 10, 1))
    x_W1 = view(scratch_3, (batch, 8, 8, 4))
    p1 = view(scratch_4, (batch, 4, 4, 4))
    total_2 = view(scratch_5, (batch, 4, 4, 4))
    z2 = view(scratch_6, (batch, 2, 2, 6))
    dL_dz1 = view(scratch_6, (batch, 8, 8, 4))
    total_parts = view(scratch_7, ((batch + 7) // 8, 6))
    dL_db1_parts = view(scratch_7, ((batch + 7) // 8, 4))
    ratio = view(scratch_8, (1, 1, 1, 6))
    root = view(scratch_9, (1, 1, 1, 6))
    total = view(scratch_10, (batch, 6))
    dL_dy = view(scratch_10, (batch, 3))
    p3 = view(scratch_11, (batch, 6))
    test = view(scratch_12, (batch, 2, 2, 6))
    root_2 = view(scratch_13, (6,))
    total_parts_2 = view(scratch_14, ((batch + 31) // 32,))
    dL_db4_parts = view(scratch_15, ((batch + 31) // 32, 3))
    total_parts_3 = view(scratch_15, ((batch + 31) // 32, 6))
    total_parts_4 = view(scratch_16, ((batch + 31) // 32, 6))
    dL_dgamma3_parts = view(scratch_17, ((batch + 31) // 32, 6))
    dL_dbeta3_parts = view(scratch_18, ((batch + 31) // 32, 6))
    dL_dn3 = view(scratch_19, (batch, 2, 2, 6))
    dL_dz2 = view(scratch_20, (batch, 2, 2, 6))
    k1_W2_transposed(W2, W2_transposed)
    k2_x_padded(batch, x, x_padded)
    k3_p1(batch, x_padded, W1, x_W1, b1, p1, total_2)
    k4_p3(
        batch, p1, W2, z2, total_parts, ratio, root_2, root, gamma3, beta3, total, moving_mean3,
        moving_variance3, test, p3,
    )
    k5_loss(batch, p3, W4, t, dL_dy, total_parts_2, dL_db4_parts, learning_rate, b4, loss, fault)
    k6_gamma3(
        batch, dL_dy, W4, test, dL_dn3, z2, ratio, root, total_parts_3, total_parts_4,
        dL_dgamma3_parts, dL_dbeta3_parts, learning_rate, root_2, beta3, gamma3, dL_dz2,
    )
    k7_b1(batch, dL_dz2, W2_transposed, x_W1, p1, total_2, dL_dz1, dL_db1_parts, learning_rate, b1)
    k8_W1(batch, x_padded, dL_dz1, learning_rate, x_dL_dz1, W1)
    k9_W2(batch, p1, dL_dz2, learning_rate, p1_dL_dz2, W2)
    k10_W4(p3, dL_dy, learning_rate, W4)


@program
def epoch(
    first, last, batch_size, order, batch, totals, x, t, learning_rate, W1, b1, W2, gamma3, beta3,
    W4, b4, moving_mean3, moving_variance3, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3,
    scratch_4, scratch_5, scratch_6, scratch_7, scratch_8, scratch_9, scratch_10, scratch_11,
    scratch_12, scratch_13, scratch_14, scratch_15, scratch_16, scratch_17, scratch_18, scratch_19,
    scratch_20, fault,
):
    done = 0
    for number in range(first, last):
        start = number * batch_size
        rows = min(batch_size, order.shape[0] - start)
        x_rows = view(x_batch, (rows, 8, 8, 1))
        gather_rows(x, order, start, x_rows)
        t_rows = view(t_batch, (rows,))
        gather_rows(t, order, start, t_rows)
        step(
            rows, x_rows, t_rows, learning_rate, W1, b1, W2, gamma3, beta3, W4, b4, moving_mean3,
            moving_variance3, loss, x_batch, t_batch, scratch_1, scratch_2, scratch_3, scratch_4,
            scratch_5, scratch_6, scratch_7, scratch_8, scratch_9, scratch_10, scratch_11,
            scratch_12, scratch_13, scratch_14, scratch_15, scratch_16, scratch_17, scratch_18,
            scratch_19, scratch_20, fault,
        )
        if fault[0] != 0 or not isfinite(loss[0]):
            break
        totals[0] += f64(rows) * f64(loss[0])
        done += 1
    return done
